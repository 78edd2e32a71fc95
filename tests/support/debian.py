"""Programs of Debian packages, for tests of what only the real thing shows (``tests/support/debian.sh`` gets them)."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.support.paths import ROOT


def program(name: str, package: str) -> str:
    """The path of a program. Where it is not there the test is skipped by its package's name; with ``EVERY_TEST`` set,
    as ``.ci/run`` has it, it fails."""
    path = os.pathsep.join([str(ROOT / ".debian/usr/bin"), os.environ.get("PATH", "")])
    if found := shutil.which(name, path=path):
        return found
    message = f"{name} of Debian's package {package} is not here: tests/support/debian.sh {package}"
    if os.environ.get("EVERY_TEST"):
        pytest.fail(message)
    pytest.skip(message)
