"""Which tests go to the same worker of pytest-xdist, where a suite runs in two."""

from __future__ import annotations

import functools
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

from tests.support.paths import ROOT

#: Suites of disturbed runs: their files start clusters and servers of their own, so that nothing is gained by sharing.
SUITES = ("tests/faults/", "tests/vllm/")


@functools.cache
def uses_ray(file: Path) -> bool:
    """Whether tests of a file have the mark ``ray``."""
    return "pytest.mark.ray" in file.read_text("utf-8")


class Scheduler(LoadScopeScheduling):  # type: ignore[misc]
    """A file is one piece of work, and so are all files together that use the session's Ray."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = nodeid.partition("::")[0]
        return "ray" if uses_ray(ROOT / file) and not file.startswith(SUITES) else file
