"""The package layout: what is installed, which layers import which, and that each room states its purpose."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import grimp
import pytest

from tests.rooms import PACKAGE, circles, floors
from tests.support.paths import ROOT

TOP = ROOT / PACKAGE
#: The folders that stand beside the package and are linked into it.
LINKED = ("actors", "cluster", "environments")


def test_linked_folders_are_relative_links() -> None:
    for name in LINKED:
        assert (TOP / name).readlink() == Path("..") / name


def test_few_modules_stand_outside_of_any_room() -> None:
    assert len(list(TOP.glob("*.py"))) <= 6


def test_no_module_imports_itself_indirectly() -> None:
    assert circles(grimp.build_graph(PACKAGE, cache_dir=None)) == []


@pytest.mark.parametrize("room", sorted({room for floor in floors() for room in floor if room != "api"}))
def test_a_room_says_what_it_is_for(room: str) -> None:
    """What it is for, what comes in, what goes out, what it must not know, where to begin."""
    said = ast.get_docstring(ast.parse((TOP / room / "__init__.py").read_text("utf-8"))) or ""
    assert len(said.splitlines()) >= 4, f"{room}/__init__.py says too little: {said!r}"


def tracked() -> list[str]:
    """What git tracks here, and exists."""
    done = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True, text=True)
    return [name for name in done.stdout.split("\0") if name and os.path.lexists(ROOT / name)]


def test_the_wheel_installs_one_name(tmp_path: Path) -> None:
    source = tmp_path / "source"  # apart, so that no earlier build lies in the way
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(source)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {PACKAGE}
    expected = [name for name in tracked() if name.startswith(f"{PACKAGE}/") and not (ROOT / name).is_symlink()]
    expected += [f"{PACKAGE}/{name}" for name in tracked() if name.partition("/")[0] in LINKED]
    assert sorted(set(expected) - names) == []
