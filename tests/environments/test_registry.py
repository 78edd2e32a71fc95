"""Domains by name, by entry point and by module:attribute; mistakes are reported in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from t2t_dist.environments.registry import UnknownDomain
from t2t_dist.environments.retail import Retail
from tests.support.paths import ROOT


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that modules are imported from, forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def install(home: Path, name: str, target: str) -> None:
    """What pip leaves of a package that offers a domain."""
    info = home / f"{name}_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{name} = {target}\n")


def problem(name: str) -> str:
    with pytest.raises(UnknownDomain) as caught:
        registry.find(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_built_in_domains_are_found_and_built_once() -> None:
    assert "retail" in registry.names()
    assert registry.find("retail") is Retail
    built = registry.load("retail", 3, 0.01)
    assert (built.seed, built.scale) == (3, 0.01)
    assert registry.load("retail", 3, 0.01) is built
    assert registry.load("retail", 4, 0.01) is not built


def test_every_built_in_name_loads() -> None:
    for name in registry.BUILT_IN:
        assert registry.find(name).name == name


def test_near_matches() -> None:
    assert problem("retial") == (
        "there is no domain 'retial' (did you mean retail); a custom domain is named package.module:attribute"
    )
    assert "known: " in problem("zzzzzz")
    assert "retail" in problem("zzzzzz")


def test_a_domain_of_ones_own(home: Path) -> None:
    (home / "my_shop.py").write_text(
        "from t2t_dist.environments.base import Domain\nclass Shop(Domain):\n    name = 'shop'\n"
    )
    found = registry.find("my_shop:Shop")
    assert issubclass(found, Domain)
    assert found.name == "shop"


def test_a_domain_without_its_class_or_from_the_wrong_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home / "my_desk"
    folder.mkdir()
    (folder / "domain.py").write_text(
        "from t2t_dist.environments.base import Domain\nclass Desk(Domain):\n    name = 'desk'\n"
    )
    monkeypatch.chdir(home)
    for name in ("my_desk", "my_desk.domain", "my_desk/domain.py", "my_desk.domain.Desk"):
        assert problem(name) == f"domain '{name}': did you mean my_desk.domain:Desk?"
    assert problem("my_desk.domain:Dsk").endswith("my_desk.domain has no 'Dsk'; there is my_desk.domain:Desk")
    (home / "far_desk").mkdir()
    monkeypatch.chdir(home / "far_desk")
    for name in ("far_desk.domain", "far_desk.domain:Desk"):
        monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(home)])
        assert "you are inside the folder far_desk: go to the one above it (cd ..)" in problem(name)
    assert f"there is no t2t_nowhere in {home / 'far_desk'}, nor among the ins" in problem("t2t_nowhere.domain:Desk")


def test_a_third_party_world(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "shops.py").write_text(
        "from t2t_dist.environments.base import Domain\n"
        "from t2t_dist.environments.registry import UnknownDomain\n"
        "def domain(rest):\n"
        "    if rest == 'none':\n"
        "        raise UnknownDomain(f'there is no shop {rest}')\n"
        "    return type('Shop', (Domain,), {'name': f'shops:{rest}'})\n"
    )
    monkeypatch.setitem(registry.ADAPTERS, "shops", "shops:domain")
    assert registry.find("shops:a:b").name == "shops:a:b"
    assert problem("shops:none") == "there is no shop none"


def test_an_installed_domain(home: Path) -> None:
    (home / "far_shop.py").write_text(
        "from t2t_dist.environments.base import Domain\nclass Shop(Domain):\n    name = 'far'\n"
    )
    install(home, "faraway", "far_shop:Shop")
    assert "faraway" in registry.names()
    assert registry.find("faraway").name == "far"
    assert "did you mean faraway" in problem("farawya")


def test_built_in_names_win_over_installed_ones(home: Path) -> None:
    install(home, "retail", "no_such_module:Shop")
    assert registry.find("retail") is Retail


def test_what_can_not_be_imported(home: Path) -> None:
    (home / "broken_shop.py").write_text("import no_such_library\n")
    (home / "raising_shop.py").write_text("None.attribute\n")
    (home / "unreadable_shop.py").write_text("def (\n")
    assert problem("no_such_module:Shop").startswith("domain 'no_such_module:Shop': 'no_such_module' can't be imported")
    assert "No module named 'no_such_library'" in problem("broken_shop:Shop")
    assert "can't be imported: AttributeError: 'NoneType' object has no attribute" in problem("raising_shop:Shop")
    assert "can't be imported: SyntaxError" in problem("unreadable_shop:Shop")
    assert "can't be imported" in problem(":Shop")
    assert "can't be imported" in problem(".relative:Shop")


def test_an_installed_domain_that_can_not_be_imported_is_named(home: Path) -> None:
    install(home, "brokenshop", "no_such_module:Shop")
    assert problem("brokenshop").startswith("domain 'brokenshop': 'no_such_module' can't be imported")


def test_what_is_not_there_or_is_no_domain(home: Path) -> None:
    (home / "odd_shop.py").write_text(
        "from t2t_dist.environments.base import Domain\nclass Other: ...\nthing = 1\nNothing = None\n"
    )
    assert problem("odd_shop:Shop") == "domain 'odd_shop:Shop': odd_shop has no 'Shop'"
    assert problem("odd_shop:") == "domain 'odd_shop:': odd_shop has no ''"
    assert problem("odd_shop:Other") == "domain 'odd_shop:Other': odd_shop:Other is not a subclass of Domain"
    assert "is not a subclass of Domain" in problem("odd_shop:thing")


def test_an_adapter_is_given_what_stands_behind_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setitem(registry.ADAPTERS, "kind", f"{__name__}:adapted")
    monkeypatch.setattr(registry.importlib, "import_module", lambda name: SimpleNamespace(adapted=adapted))

    def adapted(what: str) -> type[Domain]:
        asked.append(what)
        return Retail

    assert registry.find("kind:some/file.yaml:x") is Retail
    assert asked == ["some/file.yaml:x"]


def test_an_adapter_that_is_given_nothing_says_so() -> None:
    with pytest.raises(ValueError, match="there is no file ''"):
        registry.find("mcp:")


# -- modules of a user that are named like ours ------------------------------------------------------------------------
@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which ``t2t_dist`` is installed, and its top-level folders are not."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "t2t_dist").symlink_to(ROOT / "t2t_dist")
    return {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}


def python(folder: Path, environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_user_module_with_the_name_of_a_room_is_checked(tmp_path: Path, installed: dict[str, str]) -> None:
    user = tmp_path / "user"
    shutil.copytree(ROOT / "tests" / "support" / "library", user / "library")
    shutil.copy(ROOT / "tests" / "support" / "library_domain.py", user / "storage.py")
    for room in ("actors", "cli", "cluster", "config", "core", "environments", "models", "pipeline", "synthesis"):
        (user / f"{room}.py").write_text("raise AssertionError('this is not ours to import')\n")
    python(user, installed, "-m", "t2t_dist.cli", "check-domain", "storage:Library")


def test_user_modules_with_the_names_of_rooms_load_after_ours(tmp_path: Path, installed: dict[str, str]) -> None:
    user, names = tmp_path / "user", ["storage", "cli", "cluster", "environments", "actors.shop"]
    for file in ("storage.py", "cli.py", "cluster.py", "environments/__init__.py", "actors/shop.py"):
        (user / file).parent.mkdir(parents=True, exist_ok=True)
        (user / file).write_text("from t2t_dist import Domain\nclass Shop(Domain):\n    name = __name__\n")
    code = (
        "import sys; sys.path.insert(0, ''); import t2t_dist.cli.main, t2t_dist.cluster.launch\n"
        "from t2t_dist.environments.registry import find\n"
        f"print([find(name + ':Shop').name for name in {names}])"
    )
    assert python(user, installed, "-c", code).strip() == str(names)
