"""A server's tools as tools of a domain: their schemas unchanged, their domain types from names and from the file.

The type of a result has the shape of the result: ``LoanId`` for a value, ``[LoanId]`` for a list, a mapping for a
record (``{loan_id: LoanId, title: ""}``), ``{"*": ...}`` for a mapping with any keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from typing import Any

import orjson

from ...entities import PLAIN, DomainValue, Spec
from ...json_text import deeper
from ...state import World
from ...tool_schema import in_place
from ...tools import AGENT, Kind, Tool, ToolError
from .answers import value_of
from .config import ArgumentConfig, McpConfig, ToolConfig
from .rules import compiled
from .schemas import alternatives, carried, taken
from .server import Answer, Offered

Make = Callable[[World, str, Mapping[str, Any]], Answer]
_READERS = ("auto", "json", "python", "lines", "text")
#: Levels of arguments, and of the schema of a result.
_DEEPEST = 40


def camel(name: str) -> str:
    """The default type for a name: ``order_id`` and ``orderId`` are an ``OrderId``."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^0-9A-Za-z]+", name) if part)


def spec_from(
    shape: Any, where: str, records: Mapping[str, Mapping[str, Any]] = {}, inside: tuple[str, ...] = ()
) -> Spec:
    """Parse a type in the file; ``records``: its types of records; ``inside``: those that hold this one.

    Raises:
        ValueError: it is none, or a type of records holds itself.
    """
    if shape is None or shape == "":
        return PLAIN
    if isinstance(shape, str) and shape in inside:
        raise ValueError(f"{where}: records of the type {shape} hold such records again; leave the field out")
    if isinstance(shape, str) and shape in records:
        held = (*inside, shape)
        return spec_from(records[shape], where, records, held)._replace(name=shape)
    if isinstance(shape, str):
        return Spec("scalar", shape)
    if isinstance(shape, list) and len(shape) == 1:
        return Spec("list", fields=(("", spec_from(shape[0], where, records, inside)),))
    if isinstance(shape, dict) and set(shape) == {"*"}:
        return Spec("map", fields=(("", spec_from(shape["*"], where, records, inside)),))
    if isinstance(shape, dict) and shape:
        fields = ((str(key), spec_from(inner, where, records, inside)) for key, inner in shape.items())
        return Spec("struct", fields=tuple(fields))
    raise ValueError(f"{where}: {shape!r} is no type: write a name, [name] or {{field: name}}")


def spec_of_schema(schema: Any, name: str, titled: bool = False) -> Spec:
    """The type of a value with this name and JSON schema; scalars have the default type for the name, records, if they
    are ``titled``, that of their title."""
    several = list(alternatives(schema))
    if len(several) != 1:
        return PLAIN
    schema = several[0]
    if choices := schema.get("enum"):
        said = [choice for choice in choices if choice is not None] if isinstance(choices, list) else []
        plain = all(isinstance(choice, str | int | float) for choice in said)
        return Spec("choice", choices=tuple(said)) if said and plain else PLAIN
    kind = schema.get("type")
    if kind in ("string", "integer") and name:
        return Spec("scalar", camel(name))
    if kind == "array":
        return Spec("list", fields=(("", spec_of_schema(schema.get("items"), "", titled)),))
    if kind == "object" and isinstance(fields := schema.get("properties"), dict) and fields:
        title = schema.get("title")
        called = title if titled and isinstance(title, str) and title.isidentifier() else ""
        inner = tuple((key, spec_of_schema(one, key, titled)) for key, one in fields.items())
        return Spec("struct", called, inner)
    return PLAIN


def only(spec: Spec, known: set[str]) -> Spec:
    """The type without names that are not ``known``."""
    if spec.kind == "scalar":
        return spec if spec.name in known else PLAIN
    return spec._replace(fields=tuple((key, only(inner, known)) for key, inner in spec.fields))


class McpTool(Tool):
    """A tool of an MCP server; its function executes calls on a world through the domain's pool."""

    def __init__(self, name: str, offered: Offered, config: ToolConfig, domain: McpConfig, file: str) -> None:
        self.name, self.side, self.blocking = name, AGENT, True
        self.where = f"{file}: tools.{name}"
        self._of, self._template = offered.name, config.template
        self.kind = config.kind or (Kind.READ if offered.read_only else Kind.WRITE)
        server = domain.server
        # A call may wait for a free server, start one, and then run: each step has its own, shorter limit.
        self.timeout = 2 * server.timeout + server.start_timeout + 10
        self.description = config.description or offered.description
        schema = _own_schema(config) if config.template is not None else _with_descriptions(offered.schema, config)
        schema, self._validator = taken(schema, self.where)
        self.schema = {
            "type": "function",
            "function": {"name": name, "description": self.description, "parameters": schema},
        }
        self.untyped, self.hints = [], {slot: _Hint(part) for slot, part in schema["properties"].items()}
        self.required = [slot for slot in schema["properties"] if slot in schema.get("required", [])]
        self.parameters = {slot: self._argument(slot, schema, config) for slot in schema["properties"]}
        if unknown := sorted(set(config.arguments) - set(self.parameters)):
            raise ValueError(
                f"{self.where}: there is no argument '{unknown[0]}'; {', '.join(self.parameters) or 'none'}"
            )
        derived = _spec_of_result(offered.returns)
        self.returns = derived if config.returns is None else spec_from(config.returns, self.where, domain.records)
        self._declared = {slot for slot, given in config.arguments.items() if _type_in(given)}
        if config.returns is not None:
            self._declared.add("return")
        self._reader = config.read_as
        self._pattern = None if config.read_as in _READERS else compiled(config.read_as, self.where)
        refused = config.refused or domain.refused
        self._refused = None if refused is None else compiled(refused, self.where)
        # Of a tool that takes other arguments as well, only those that it describes are offered.
        self._open = bool(schema.get("additionalProperties") or schema.get("patternProperties"))
        self.make: Make | None = None
        self.function = self._called

    @staticmethod
    def _argument(slot: str, schema: dict[str, Any], config: ToolConfig) -> Spec:
        given = config.arguments.get(slot)
        kind = _type_in(given)
        if isinstance(kind, list):
            return Spec("list", fields=(("", Spec("scalar", kind[0])),))
        if kind:
            return Spec("scalar", kind)
        return spec_of_schema(schema["properties"][slot], slot)

    def bound(self, make: Make) -> McpTool:
        """A copy of this tool whose calls are executed by ``make``."""
        tool = copy(self)
        tool.make = make
        tool.function = tool._called
        return tool

    def names(self) -> set[str]:
        """The types that the file itself gives to arguments and result."""
        arguments = set().union(*(spec.names() for slot, spec in self.parameters.items() if slot in self._declared))
        return arguments | (self.returns.scalars() if "return" in self._declared else set())

    def settle_result(self, consumed: set[str]) -> None:
        """Drop guessed types of the result that no argument takes."""
        if "return" not in self._declared:
            self.returns = only(self.returns, consumed)

    def settle_arguments(self, produced: set[str]) -> None:
        """Drop guessed types of arguments that no result returns. What a look-up may leave out, and the file says
        nothing about, is left out when calls are made up: the server's default applies."""
        for slot, spec in list(self.parameters.items()):
            if slot in self._declared:
                continue
            self.parameters[slot] = only(spec, produced)
            if self.kind is Kind.READ and self.required and slot not in self.required:
                del self.parameters[slot]

    def undescribed(self, slot: str = "") -> str:
        what, key = (f"does not describe '{slot}'", f"arguments.{slot}.") if slot else ("has no description", "")
        return f"{what}, which models read; give it in the file: {key}description"

    def how_to_type(self, slot: str) -> str:
        return f"give it one (arguments.{slot}.type), and values for it by types.TYPE.samples"

    def validate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if deeper(arguments, _DEEPEST):
            raise ToolError(f"the arguments have more than {_DEEPEST} levels. Expected {self.signature()}")
        try:
            orjson.dumps(arguments)
        except TypeError as error:  # a whole number beyond 64 bits, half of a surrogate pair
            raise ToolError(f"the arguments can't be sent ({error}). Expected {self.signature()}") from None
        try:
            problems = list(self._validator.iter_errors(arguments))
        except (ArithmeticError, RecursionError):
            problems = []  # a schema that can't be computed: the server decides
        problem = min(problems, key=lambda error: len(error.absolute_path), default=None)
        if problem is not None:
            at = ".".join(str(part) for part in problem.absolute_path) or "arguments"
            raise ToolError(f"{at}: {problem.message[:200]}. Expected {self.signature()}")
        if not self._open and (unknown := [name for name in arguments if name not in self.hints]):
            raise ToolError(f"{unknown[0]}: there is no such argument. Expected {self.signature()}")
        return arguments

    def _called(self, world: World, /, **arguments: Any) -> str:
        assert self.make is not None
        given = arguments if self._template is None else _put_in(self._template, arguments)
        answer = self.make(world, self._of, given)
        if answer.error or (self._refused is not None and self._refused.search(answer.text)):
            raise ToolError(answer.text.removeprefix("Error: "))
        return answer.text

    def found(self, value: Any, arguments: dict[str, Any]) -> Iterator[DomainValue]:
        return super().found(self.read(value), arguments)

    def read(self, text: Any) -> Any:
        """Parse an answer according to ``read_as``; returns the text itself if that fails."""
        if not isinstance(text, str) or self._reader == "text":
            return text
        if self._pattern is not None:
            return [{name: value or "" for name, value in m.groupdict().items()} for m in self._pattern.finditer(text)]
        if self._reader == "lines":
            return [line for line in text.split("\n") if line.strip()]
        return value_of(text, python=self._reader == "python")


class _Hint:
    """The type of an argument as a signature shows it."""

    def __init__(self, schema: Any) -> None:
        choices = schema.get("enum") if isinstance(schema, dict) else None
        kinds = dict.fromkeys(str(each.get("type") or "any") for each in alternatives(schema))
        named = [repr(choice) for choice in choices] if isinstance(choices, list) else list(kinds)
        self.__name__ = " | ".join(named) or "any"


def _type_in(given: str | list[str] | ArgumentConfig | None) -> str | list[str] | None:
    return given.type if isinstance(given, ArgumentConfig) else given


def _own_schema(config: ToolConfig) -> dict[str, Any]:
    """The schema of a tool that the file defines."""
    properties: dict[str, Any] = {}
    required = []
    for slot, given in config.arguments.items():
        part: dict[str, Any] = {"type": "array", "items": {"type": "string"}} if isinstance(given, list) else {}
        part = part or {"type": "string"}
        if isinstance(given, ArgumentConfig):
            part |= {"description": given.description} if given.description else {}
            part |= {"enum": given.choices} if given.choices else {}
        properties[slot] = part
        if not (isinstance(given, ArgumentConfig) and given.optional):
            required.append(slot)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _with_descriptions(schema: dict[str, Any], config: ToolConfig) -> dict[str, Any]:
    """The server's schema with the file's additions to its arguments."""
    listed = schema.get("properties")
    properties = dict(listed) if isinstance(listed, dict) else {}
    for slot, given in config.arguments.items():
        if isinstance(given, ArgumentConfig) and isinstance(properties.get(slot), dict):
            more: dict[str, Any] = {"description": given.description} if given.description else {}
            more |= {"enum": given.choices} if given.choices else {}
            properties[slot] = properties[slot] | more
    return {**schema, "properties": properties}


def _spec_of_result(schema: Any) -> Spec:
    """The type of a result that the server describes; none where it can't be used."""
    return (
        PLAIN
        if schema is None or deeper(schema, _DEEPEST)
        else spec_of_schema(carried(in_place(schema)), "", titled=True)
    )


_SLOT = re.compile(r"\{(\w+)(\|sql)?\}")


def _put_in(template: Any, arguments: Mapping[str, Any]) -> Any:
    """Fill a template: ``{name}`` is an argument (alone: of any type), ``{name|sql}`` an SQL literal."""
    if isinstance(template, dict):
        return {key: _put_in(inner, arguments) for key, inner in template.items()}
    if isinstance(template, list):
        return [_put_in(inner, arguments) for inner in template]
    if not isinstance(template, str):
        return template
    alone = _SLOT.fullmatch(template)
    if alone and not alone[2]:
        return arguments.get(alone[1])

    def put(match: re.Match[str]) -> str:
        value = arguments.get(match[1])
        if not match[2]:
            return str(value)
        if value is None:
            return "NULL"
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        return "'" + str(value).replace("'", "''").replace("\0", "") + "'"

    return _SLOT.sub(put, template)


def slots_of(template: Any) -> set[str]:
    """The arguments that a template uses."""
    if isinstance(template, dict | list):
        parts = template.values() if isinstance(template, dict) else template
        return set().union(*(slots_of(part) for part in parts))
    return {match[1] for match in _SLOT.finditer(template)} if isinstance(template, str) else set()
