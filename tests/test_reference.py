"""The reference pages name all that the code has: a change of one without the other fails here."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from enum import Enum
from functools import cached_property
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from t2t_dist.environments.base import Domain, Profile
from t2t_dist.environments.language import (
    ChoiceWords,
    ClaimWords,
    FieldWords,
    FirstWords,
    Language,
    OfferWords,
    QuestionWords,
    RecordWords,
    Said,
    TakeWords,
    Tell,
    ToolWords,
    Words,
    load_language,
)
from t2t_dist.environments.rules import Rule, rule
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call, ToolSet, tool
from t2t_dist.environments.workflows import workflow
from tests.support.paths import ROOT

#: Set by ``World`` and ``Domain`` when one is made.
INSTANCE = {
    World: ["base: Base"],
    Domain: ["seed: int", "scale: float", "tools: ToolSet", "workflows: dict[str, Workflow]"],
}


#: What language.yaml consists of.
MODELS: tuple[type[BaseModel], ...] = (
    Language, ToolWords, Words, Tell, RecordWords, FieldWords, OfferWords, ChoiceWords, TakeWords, QuestionWords,
    FirstWords, ClaimWords,
)  # fmt: skip


def page(name: str) -> str:
    return " ".join((ROOT / "docs" / name).read_text("utf-8").split())


def signature(name: str, function: Any) -> str:
    """As a page shows it: without ``self``, defaults as they are written."""
    parts, starred = [], False
    for p in list(inspect.signature(function).parameters.values()):
        if p.name == "self":
            continue
        if p.kind is p.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        starred = starred or p.kind is p.VAR_POSITIONAL
        default = p.default if not isinstance(p.default, Enum) else f"{type(p.default).__name__}.{p.default.name}"
        shown = default if isinstance(p.default, Enum) else repr(default)
        parts.append(f"{star}{p.name}: {p.annotation}{'' if p.default is p.empty else f' = {shown}'}")
    returns = inspect.signature(function).return_annotation
    return f"{name}({', '.join(parts)})" + ("" if returns is inspect.Signature.empty else f" -> {returns}")


def members(kind: type) -> Iterator[str]:
    """Every public member of a class, as a page shows it."""
    for name, annotation in inspect.get_annotations(kind).items():
        if not name.startswith("_"):
            shown = annotation.removeprefix("ClassVar[").removesuffix("]") if "ClassVar" in annotation else annotation
            yield f"{name}: {shown}"
    yield from INSTANCE.get(kind, [])
    for name, value in vars(kind).items():
        if name.startswith("_") or name in inspect.get_annotations(kind):
            continue
        if isinstance(value, property | cached_property):
            getter = value.fget if isinstance(value, property) else value.func
            yield f"{name}: {inspect.signature(getter).return_annotation}"  # type: ignore[arg-type]
        elif inspect.isfunction(value):
            yield signature(name, value)


@pytest.mark.parametrize("kind", [Domain, World])
def test_every_public_member_of_a_domain_and_a_world_is_on_the_page(kind: type) -> None:
    text = page("domain-reference.md")
    wanted = [member for member in members(kind) if not member.startswith("base: __")]
    assert len(wanted) > 15
    assert [member for member in wanted if f"`{member}`" not in text] == []


def test_the_page_names_nothing_that_is_not_there() -> None:
    """Every entry of its lists is a member, a decorator, or a value that those take."""
    known = {*members(Domain), *members(World)}
    known |= {signature(f.__name__, f) for f in (tool, rule, workflow)} | {signature("proposes", Rule.proposes)}
    known.add("Call(name: str, arguments: dict[str, Any])")
    entries = re.findall(r"(?<= )- ((?:`[^`]+`(?:, )?)+)(?=:| )", page("domain-reference.md"))
    listed = [name for entry in entries for name in re.findall(r"`([^`]+)`", entry)]
    assert len(listed) > 50
    assert [name for name in listed if name not in known] == []


def test_what_hooks_return_is_on_the_page() -> None:
    text = page("domain-reference.md")
    for kind in (Profile, Said, Call):
        hints = inspect.get_annotations(kind).items()
        fields = ", ".join(f"{name}: {getattr(hint, '__forward_arg__', hint)}" for name, hint in hints)
        assert f"`{kind.__name__}({fields})`" in text


# -- language.yaml -----------------------------------------------------------------------------------------------------
def entries(section: str) -> dict[str, str]:
    """The keys that a section of the page lists, with what it says of them."""
    text = (ROOT / "docs" / "language.md").read_text("utf-8")
    (part,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.S | re.M)
    return {
        key: " ".join(said.split()) for key, said in re.findall(r"^- `(\w+)`: (.*?)(?=^- |^\n|\Z)", part, re.S | re.M)
    }


@pytest.mark.parametrize("model", MODELS)
def test_every_key_is_on_the_page_with_its_default(model: type[BaseModel]) -> None:
    listed = entries(model.__name__)
    assert list(listed) == list(model.model_fields)
    for name, field in model.model_fields.items():
        required = field.default is PydanticUndefined and field.default_factory is None
        assert ("required" in listed[name].lower().split(".")[0]) == required, name


def test_the_example_is_whole_and_works() -> None:
    text = (ROOT / "docs" / "language.md").read_text("utf-8")
    example, device = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.S))
    Language.model_validate(example)
    used = keys(Language.model_validate(example)) | keys(Language.model_validate(device))
    assert used == {(model, name) for model in MODELS for name in model.model_fields}


def keys(value: BaseModel) -> set[tuple[type[BaseModel], str]]:
    """The keys that are set in it, at any depth."""
    found = {(type(value), name) for name in value.model_fields_set}
    todo = [getattr(value, name) for name in value.model_fields_set]
    while todo:
        inner = todo.pop()
        if isinstance(inner, BaseModel):
            found |= keys(inner)
        elif isinstance(inner, dict):
            todo += list(inner.values())
        elif isinstance(inner, list):
            todo += inner
    return found


def test_the_example_fits_the_desk_of_the_other_page(tmp_path: Any, desk_page: Any) -> None:
    """`check-domain` finds nothing wrong with the library's desk and these words."""
    from t2t_dist.config.settings import Config
    from t2t_dist.synthesis.check_domain import check

    text = (ROOT / "docs" / "language.md").read_text("utf-8")
    (desk_page / "language.yaml").write_text(re.findall(r"```yaml\n(.*?)```", text, re.S)[0])
    assert load_language(desk_page / "language.yaml", ToolSet([])).greeting
    found = check(Config(domain="reference_desk.domain:Desk"))
    assert [item for item in found if not item.ok] == []


@pytest.fixture
def desk_page(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    page = (ROOT / "docs" / "own-domain.md").read_text("utf-8")
    folder = tmp_path / "reference_desk"
    folder.mkdir()
    for language, name in (("markdown", "policy.md"), ("python", "domain.py")):
        (block,) = re.findall(rf"```{language}\n(.*?)```", page, re.S)
        (folder / name).write_text(block)
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder
