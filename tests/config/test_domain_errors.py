"""What a domain's own code or files do wrong is one line that names the file once, and the line where there is one."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from t2t_dist.config.domain import load_domain
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.environments.registry import load
from t2t_dist.environments.tools import Call, ToolCrash

NUMBERS = itertools.count()
GOOD = '''
from pathlib import Path
from typing import NewType
from t2t_dist import READ, Domain, Profile, tool

UserId, Card = NewType("UserId", str), NewType("Card", str)


@tool(READ)
def find(world, card: Card) -> UserId:
    """Find.

    Args:
        card: The card.
    """
    return world.get("users", card)["id"]


class Shop(Domain):
    name = "shop"
    tool_list = (find,)
    folder = Path(__file__).parent

    def database(self, seed, scale):
        return {"users": {"u": {"id": "u"}}}, "2026-01-01"

    def customers(self, base):
        return list(base.tables["users"])

    def profile(self, world, customer):
        return Profile(customer, customer, {"Card": customer})
'''


Said = Callable[[dict[str, str]], tuple[str, Path]]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """What loading a domain of these files says, and its folder; each is a package of a name of its own."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def tried(files: dict[str, str]) -> tuple[str, Path]:
        name = f"erring_{next(NUMBERS)}"
        made.append(name)
        folder = tmp_path / name
        folder.mkdir()
        for file, text in {"__init__.py": "", "domain.py": GOOD, "policy.md": "R1. Be kind.\n", **files}.items():
            if text != "absent":
                (folder / file).write_text(text)
        importlib.invalidate_caches()
        with pytest.raises(InputError) as error:
            load_domain(Config(domain=f"{name}.domain:Shop"))
        return str(error.value), folder

    yield tried
    for name in [name for name in sys.modules if name.split(".")[0] in made]:
        del sys.modules[name]


def line_of(text: str, part: str) -> int:
    return 1 + text[: text.index(part)].count("\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def database(self, seed, scale):", "def database(self, seed, scale) -> :", "SyntaxError: expected"),
        ("from t2t_dist import READ,", "from t2t_dist import RAED,", "ImportError: cannot import name 'RAED'"),
        ("class Shop(Domain):", "class Shop(Domian):", "NameError: name 'Domian' is not defined"),
        ('        return {"users"', '        return {}["x"], {"users"', "KeyError: 'x'"),
        ('        return {"users"', '        return int("x"), {"users"', "ValueError: invalid literal for int()"),
        (
            '        return {"users"',
            '        return open("/nowhere/x"), {"users"',
            "FileNotFoundError: [Errno 2] No such file",
        ),
    ],
)
def test_an_error_of_its_code_names_file_and_line(said: Said, old: str, new: str, message: str) -> None:
    text = GOOD.replace(old, new)
    line, folder = said({"domain.py": text})
    assert message in line
    assert "\n" not in line
    assert line.count(f"{folder / 'domain.py'}:{line_of(text, new)}") == 1
    assert line.count("domain.py") == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('return {"users": {"u": {"id": "u"}}}, "2026-01-01"', 'return {"users": {"u": {"id": {1, 2}}}}, "2026-01-01"'),
        ('return {"users": {"u": {"id": "u"}}}, "2026-01-01"', "return None"),
        ("    def database(self, seed, scale):", "    def data(self, seed, scale):"),
    ],
)
def test_what_only_its_use_shows_names_the_class(said: Said, old: str, new: str) -> None:
    text = GOOD.replace(old, new)
    line, folder = said({"domain.py": text})
    assert line.count(f"{folder / 'domain.py'}:{line_of(text, 'class Shop')}") == 1
    assert line.count("domain.py") == 1


def test_its_other_files_are_named_once(said: Said) -> None:
    line, folder = said({"policy.md": "absent"})
    assert line.endswith(f"{folder / 'policy.md'}: No such file or directory; a domain needs this file")
    for words in (
        "greeting: Hello",
        "greeting: [Hello",
        "tools: {find: {name: x, request: [y], slots: {z: {label: z}}}}",
    ):
        line, folder = said({"language.yaml": words})
        assert line.count("language.yaml") == 1
        assert str(folder / "language.yaml") in line


def test_a_tool_that_crashes_names_its_line_with_the_folder_only(said: Said, tmp_path: Path) -> None:
    folder = tmp_path / "crashing_shop"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "domain.py").write_text(GOOD)
    (folder / "policy.md").write_text("R1. Be kind.\n")
    importlib.invalidate_caches()
    domain = load("crashing_shop.domain:Shop")
    try:
        with pytest.raises(ToolCrash) as crash:
            domain.execute(domain.world(), Call("find", {"card": "nobody"}))
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "crashing_shop"]:
            del sys.modules[name]
    place = line_of(GOOD, 'return world.get("users"')
    assert (
        str(crash.value)
        == f"find raised TypeError: 'NoneType' object is not subscriptable, in crashing_shop/domain.py:{place}"
    )
