"""Schema of an MCP domain's YAML file. ``docs/mcp.md`` explains it with examples."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...files import read_text
from ...rules import Enforced, Handling
from ...tools import Kind


class Section(BaseModel):
    """Base class of the mappings in the file; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class ServerConfig(Section):
    """How to start a server. ``{dir}`` is the world's directory, ``{here}`` the file's, ``{python}`` this Python."""

    command: str
    args: list[str] = []
    env: dict[str, str] = Field({}, description="variables set for the server")
    inherit: list[str] = Field(
        [], description="variables passed on from our environment; their values are masked in answers"
    )
    url: str | None = Field(None, description="streamable HTTP instead of stdio: http://127.0.0.1:{port}/mcp")
    timeout: float = Field(30.0, gt=0, description="seconds for a call")
    start_timeout: float = Field(30.0, gt=0, description="seconds to start")
    at_most: int = Field(4, ge=1, le=64, description="live servers per process")
    stateless: bool = Field(False, description="it reads its files at every call, and keeps nothing in memory")


class SnapshotConfig(Section):
    """The part of the directory that is the state: files by pattern, or a SQLite file."""

    files: list[str] = []
    sqlite: str | None = None
    ignore: list[str] = Field([], description="patterns of files, or table.field, that are not part of the state")

    @model_validator(mode="after")
    def _one(self) -> SnapshotConfig:
        if bool(self.files) == bool(self.sqlite):
            raise ValueError("give either 'files' (patterns) or 'sqlite' (a file)")
        return self


class ArgumentConfig(Section):
    """An argument of a tool, with more than the name of its type."""

    type: str = ""
    description: str = ""
    choices: list[str] = []
    optional: bool = False


class ToolConfig(Section):
    """Additions to a tool of the server; with ``of`` and ``with``, a new tool on top of one."""

    kind: Kind | None = None
    of: str | None = Field(None, description="the server's tool that a new tool calls")
    template: dict[str, Any] | None = Field(None, alias="with", description="arguments for it: {name}, {name|sql}")
    description: str | None = None
    arguments: dict[str, str | list[str] | ArgumentConfig] = {}
    returns: Any = None
    read_as: str = Field("auto", description="auto, json, python, lines, text, or a regular expression with groups")
    refused: str | None = Field(None, description="a regular expression: an answer that matches is a refusal")


class TypeConfig(Section):
    """A domain type: how its values are said, and values that no look-up returns."""

    table: str | None = None
    say: str | None = Field(None, description="field of the table's record that a customer says instead of the key")
    samples: list[Any] = []


class PersonConfig(Section):
    """A customer that the file itself lists."""

    id: str
    name: str
    facts: dict[str, str] = {}


class CustomersConfig(Section):
    """The customers who may call: a list, or the records of a table."""

    type: str
    people: list[PersonConfig] = []
    table: str | None = None
    where: dict[str, Any] = {}
    id: str | None = Field(None, description="field of the id; the record's key by default")
    name: str = "name"
    facts: dict[str, str] = Field({}, description="by type, the field that holds it")

    @model_validator(mode="after")
    def _one(self) -> CustomersConfig:
        if bool(self.people) == bool(self.table):
            raise ValueError("give either 'people' (a list) or 'table' (of the snapshot)")
        return self


class ProposalConfig(Section):
    """Calls that break a rule: one per record of ``each``, and per listed value of an argument."""

    call: str
    template: dict[str, Any] = Field(alias="with")
    each: str | None = Field(None, description="a table; its record is $each")
    where: dict[str, Any] = {}


class RecordConfig(Section):
    """A record that a rule refers to: by key, or the first that matches."""

    table: str
    key: str | None = None
    where: dict[str, Any] = {}


class RuleConfig(Section):
    """A rule in the declarative form of :mod:`.rules`."""

    number: int
    tools: list[str]
    reason: str
    enforced: Enforced = Enforced.BY_POLICY
    handling: Handling = Handling.REFUSE
    records: dict[str, RecordConfig] = {}
    when: dict[str, Any] | list[dict[str, Any]] = {}
    proposes: list[ProposalConfig] = []


class OrderConfig(Section):
    """What the policy says about the order of calls: look-ups before ``calls``, or what has to follow them."""

    number: int
    calls: list[str]
    first: list[str] = []
    then: list[str] = []
    same: list[str] = []

    @model_validator(mode="after")
    def _one(self) -> OrderConfig:
        if bool(self.first) == bool(self.then):
            raise ValueError("give either 'first' (what is called before) or 'then' (what is called afterwards)")
        return self


class McpConfig(Section):
    """The schema of the whole file."""

    name: str
    summary: str = ""
    server: ServerConfig
    template: str = Field(description="directory that is copied for every world")
    snapshot: SnapshotConfig
    root: str = Field("", description="what the directory is called, such as /data; paths are relative by default")
    masked: list[str] = Field([], description="regular expressions of parts of answers that differ each time")
    now: str = "2026-01-01T00:00:00"
    offer: str = Field("all", pattern="^(all|listed)$", description="the server's tools that agents get")
    hide: list[str] = []
    tools: dict[str, ToolConfig] = {}
    refused: str | None = None
    records: dict[str, dict[str, Any]] = Field(
        {}, description="types of records: by name, the types of their fields; the first identifies one"
    )
    types: dict[str, TypeConfig] = {}
    customers: CustomersConfig
    transfer: bool = Field(False, description="add transfer_to_human_agents")
    policy: str = "policy.md"
    language: str = "language.yaml"
    rules: list[RuleConfig] = []
    order: list[OrderConfig] = []


def find_file(rest: str) -> Path:
    """The file, relative to the current folder or the driver's. Raises ValueError: there is none."""
    for folder in ("", *sys.path):
        path = Path(folder) / rest
        if rest and path.is_file():
            return path.resolve()
    around = Path(rest).parent
    near = get_close_matches(Path(rest).name, [path.name for path in around.glob("*.y*ml")], 3, 0.5)
    hint = f"did you mean {' or '.join(str(around / name) for name in near)}?" if near else "docs/mcp.md describes it"
    raise ValueError(f"there is no file '{rest}'; {hint}")


def load(path: Path) -> McpConfig:
    """Read and validate the file. Raises ValueError: one line that says which key is wrong."""
    try:
        content = yaml.safe_load(read_text(path))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path.name} can't be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} must be a mapping that begins with 'name:'; docs/mcp.md describes it")
    try:
        return McpConfig.model_validate(content)
    except ValidationError as error:
        raise ValueError(f"{path.name}: {_problem(error)}") from None


def _problem(error: ValidationError) -> str:
    found = error.errors(include_url=False)
    # A misspelt key is also missing: report the unknown key first.
    first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        known = _keys_at(place[:-1])
        near = get_close_matches(place[-1], known, 3, 0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else f"keys here: {', '.join(known)}"
        return f"there is no key '{'.'.join(place)}'; {hint}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{'.'.join(place) or 'the file'}: {message[:1].lower()}{message[1:]}"


def _keys_at(place: list[str]) -> list[str]:
    """The valid keys of the mapping at a place."""
    section: type[BaseModel] = McpConfig
    for step in place:
        info = next((i for n, i in section.model_fields.items() if step in (n, i.alias)), None)
        if info is not None:
            section = _section_in(info.annotation) or section
        elif step == ArgumentConfig.__name__:
            section = ArgumentConfig
    return [info.alias or name for name, info in section.model_fields.items()]


def _section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = [_section_in(argument) for argument in getattr(annotation, "__args__", ())]
    return next((section for section in inner if section is not None), None)
