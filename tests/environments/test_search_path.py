"""Where a domain's module is looked for, and what a file beside it can't hide."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from t2t_dist.environments import search_path
from t2t_dist.environments.search_path import domain_module, search_last

NAMES = ("t2t_test_shop", "t2t_test_other", "colorsys")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory that Python has put first, and installed packages with modules of the same names."""
    work, installed = tmp_path / "work", tmp_path / "site-packages"
    for folder in (work, installed):
        folder.mkdir()
        for name in NAMES:
            (folder / f"{name}.py").write_text(f"where = {folder.name!r}\n")
    sys.modules.pop("colorsys", None)
    before = [path for path in sys.path if not path.endswith("site-packages")]
    monkeypatch.setattr(sys, "path", [str(work), *before, str(installed)])
    monkeypatch.setattr(search_path, "_own", [])
    importlib.invalidate_caches()
    yield work
    for name in NAMES:
        sys.modules.pop(name, None)


def test_a_file_there_hides_no_module(work: Path) -> None:
    search_last(str(work))
    assert sys.path.count(str(work)) == 1
    assert importlib.import_module("t2t_test_other").where == "site-packages"
    assert importlib.import_module("colorsys").rgb_to_hsv
    (work / "t2t_test_shop_helper.py").touch()
    assert importlib.import_module("t2t_test_shop_helper")


def test_a_domain_may_be_named_like_an_installed_package_but_not_like_one_of_python(work: Path) -> None:
    search_last(str(work))
    before = list(sys.path)
    assert domain_module("t2t_test_shop").where == "work"
    assert domain_module("colorsys").rgb_to_hsv
    assert sys.path == before
    with pytest.raises(ModuleNotFoundError):
        domain_module("t2t_test_nowhere")
    assert sys.path == before
