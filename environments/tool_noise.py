"""Noise: tools whose results come in pieces, or hold mistakes, and look-alikes that are of no use.

The world is as it was, and nothing is kept back: what a tool does not show at once, or shows wrongly, another call
does, and the agent is told which, in the result or in a tool's description. Which tool of an episode has which noise is
part of its tool faults (``tool_faults.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any, NamedTuple

import orjson
from pydantic import Field, create_model

from .entities import PLAIN, Spec
from .record import thaw
from .state import World
from .tools import Call, Kind, Tool, ToolError, function_schema

PAGE, PART = "page", "part"
#: The longest name that chat requests may give a function.
_LONGEST_NAME = 64
_PIECE = re.compile(rf"\n(?:{PAGE}|{PART}) (\d+) of (\d+)\b[^\n]*\Z", re.I)


class _Records(list[Any]):
    """A piece of a list; ``note``: what follows it in the text for the caller."""

    note = ""


class _Fields(dict[str, Any]):
    """A piece of a record; ``note``: what follows it in the text for the caller."""

    note = ""


def without_note(content: str) -> str:
    """The text of a result without the note that says which piece of it this is."""
    return _PIECE.sub("", content)


class NoisyTool(Tool):
    """A tool that does not show everything at once as it is."""

    def __init__(self, of: Tool) -> None:
        self.__dict__.update(of.__dict__)
        self._of = of

    def more(self, arguments: dict[str, Any], content: str) -> Iterator[Call]:
        """The calls that show what this one did not, or not as it is; ``content``: its result's text."""
        raise NotImplementedError


# -- in pieces ---------------------------------------------------------------------------------------------------------
class InPieces(NoisyTool):
    """A tool that shows its result piece by piece: the first one, unless the call says which.

    ``argument``: ``page``, for the records of a list, so many (``size``) at a time, or ``part``, for the fields of a
    record, so many characters at a time. The result's own shape stays; a line of its text says which piece it is.
    """

    def __init__(self, of: Tool, argument: str, size: int) -> None:
        super().__init__(of)
        self._argument, self._size = argument, size
        said = f"Which {argument} of the result, where it comes in several; the first is 1."
        whole: Any = (int, Field(1, ge=1, description=said))
        self.model = create_model(of.name, __base__=of.model, **{argument: whole})
        self.hints, self.parameters = {**of.hints, argument: int}, {**of.parameters, argument: PLAIN}
        self.description = f"{of.description} A long result comes in {argument}s."
        self.schema = function_schema(self.name, self.description, self.model)
        self.function = self._piece

    def validate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """See :meth:`Tool.validate`; a call of the first piece is the same call whether it says so or not."""
        checked = super().validate(arguments)
        return {name: value for name, value in checked.items() if (name, value) != (self._argument, 1)}

    def _piece(self, world: World, **arguments: Any) -> Any:
        number = arguments.pop(self._argument, 1)
        value = self._of.function(world, **arguments)
        pieces = self._pages(value) if self._argument == PAGE else self._parts(value)
        if number > max(1, len(pieces)):
            raise ToolError(f"there is no {self._argument} {number}; the last one is {max(1, len(pieces))}")
        if len(pieces) < 2:
            return value
        found, holds = pieces[number - 1]
        found.note = f"{self._argument.capitalize()} {number} of {len(pieces)}: {holds}."
        if number < len(pieces):
            found.note += f" The same call with {self._argument}={number + 1} shows what follows."
        return found

    def _pages(self, value: Any) -> list[tuple[_Records | _Fields, str]]:
        listed = _longest_list(self.returns, value)
        if listed is None:
            return []
        name, records = listed
        found: list[tuple[_Records | _Fields, str]] = []
        for start in range(0, len(records), self._size):
            some = records[start : start + self._size]
            piece = _Fields({**value, name: some}) if name else _Records(some)
            found.append((piece, f"{name or 'records'} {start + 1} to {start + len(some)} of {len(records)}"))
        return found

    def _parts(self, value: Any) -> list[tuple[_Fields, str]]:
        if not isinstance(value, dict) or not value:
            return []
        first, *names = value
        groups: list[list[str]] = [[]]
        length = 0
        for name in names:
            more = len(super().text(value[name])) + len(name)
            if groups[-1] and length + more > self._size:
                groups.append([])
                length = 0
            groups[-1].append(name)
            length += more
        # The first field says whose fields these are.
        return [(_Fields({name: value[name] for name in (first, *some)}), ", ".join(some)) for some in groups]

    def text(self, value: Any) -> str:
        note = getattr(value, "note", "")
        return f"{super().text(value)}\n{note}" if note else super().text(value)

    def more(self, arguments: dict[str, Any], content: str) -> Iterator[Call]:
        piece = _PIECE.search(content)
        if piece is not None and int(piece[1]) < int(piece[2]):
            yield Call(self.name, {**arguments, self._argument: int(piece[1]) + 1})


def _longest_list(spec: Spec, value: Any) -> tuple[str, list[Any]] | None:
    """The longest list of records in a result, with the field that holds it ("" for the result itself)."""
    if _is_listing(spec):
        return ("", value) if isinstance(value, list) else None
    if not isinstance(value, dict):
        return None
    held = [(name, value.get(name) or []) for name, inner in spec.fields if _is_listing(inner)]
    return max(held, key=lambda one: len(one[1]), default=None)


def _is_listing(spec: Spec) -> bool:
    """Whether it is a list of records, or of the ids of some."""
    return spec.kind == "list" and spec.item.kind in ("struct", "scalar")


def has_pages(tool: Tool) -> bool:
    """Whether a look-up can show records, page by page."""
    holds = _is_listing(tool.returns) or (
        tool.returns.kind == "struct" and any(_is_listing(inner) for _, inner in tool.returns.fields)
    )
    return _can_be_noisy(tool) and holds and PAGE not in tool.parameters


def has_parts(tool: Tool) -> bool:
    """Whether a look-up shows a record of several fields."""
    return _can_be_noisy(tool) and tool.returns.kind == "struct" and PART not in tool.parameters


def _can_be_noisy(tool: Tool) -> bool:
    # Tools of other programs (MCP servers, tau2) take and give what these programs do.
    return tool.kind is Kind.READ and type(tool) is Tool


# -- with mistakes -----------------------------------------------------------------------------------------------------
class SecondLook(NamedTuple):
    """A field of the records in a tool's results that another tool shows, too: ``holder`` gets the record by ``key``,
    the records' own first field. ``kind`` is the records' type."""

    kind: str
    key: str
    field: str
    holder: str


def second_looks(tool: Tool, others: Sequence[Tool]) -> Iterator[SecondLook]:
    """What of a tool's results other tools show by their types: each has a record's id for its one argument, and a
    field of the same name and type in its result."""
    if not _can_be_noisy(tool):
        return
    for spec in dict.fromkeys(_listed(tool.returns)):
        (key, identity), *fields = spec.fields
        for holder in others:
            if holder is tool or holder.kind is not Kind.READ or holder.returns.kind != "struct":
                continue
            if identity.kind != "scalar" or [one.name for one in holder.parameters.values()] != [identity.name]:
                continue
            shown = dict(holder.returns.fields)
            yield from (
                SecondLook(spec.name, key, name, holder.name)
                for name, inner in fields
                if inner.kind in ("plain", "choice") and shown.get(name) == inner
            )


def _listed(spec: Spec) -> Iterator[Spec]:
    """The types of records that stand in lists."""
    if spec.kind == "list" and spec.item.kind == "struct" and spec.item.name and spec.item.fields:
        yield spec.item
    for _, inner in spec.fields:
        yield from _listed(inner)


def records_in(spec: Spec, value: Any, kind: str) -> Iterator[dict[str, Any]]:
    """The records of a type in a result."""
    if spec.kind == "struct" and isinstance(value, dict):
        if spec.name == kind:
            yield value
        for name, inner in spec.fields:
            yield from records_in(inner, value.get(name), kind)
    elif spec.kind in ("list", "map") and isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from records_in(spec.item, one, kind)


class MixedUp(NoisyTool):
    """A tool in whose results a field of the records stands with the wrong ones: each has the next one's value."""

    def __init__(self, of: Tool, look: SecondLook, holder: Tool) -> None:
        super().__init__(of)
        self.look, self._slot = look, next(iter(holder.parameters))
        self.function = self._mixed

    def _mixed(self, world: World, **arguments: Any) -> Any:
        value = thaw(self._of.function(world, **arguments))
        held = [one for one in records_in(self.returns, value, self.look.kind) if self.look.field in one]
        values = [one[self.look.field] for one in held]
        for one, next_one in zip(held, values[1:] + values[:1], strict=True):
            one[self.look.field] = next_one
        return value

    def more(self, arguments: dict[str, Any], content: str) -> Iterator[Call]:
        shown = records_in(self.returns, orjson.loads(content), self.look.kind)
        for key in dict.fromkeys(one[self.look.key] for one in shown):
            yield Call(self.look.holder, {self._slot: key})


def stale(tool: Tool, look: SecondLook, holder: Tool) -> Tool:
    """A tool that shows a field of its records as it no longer is, and says so."""
    says = f"In its records, {look.field} is a copy made overnight, and may be out of date or another record's"
    return _described(MixedUp(tool, look, holder), f"{tool.description} {says}: {holder.name} shows what holds.")


def wrong(tool: Tool, look: SecondLook, holder: Tool) -> tuple[Tool, Tool]:
    """A tool that shows a field of its records wrongly, and ``holder``, which says that it is to be believed."""
    says = f"It reads the record itself: where another tool shows another {look.field}, this one holds."
    return MixedUp(tool, look, holder), _described(copy(holder), f"{holder.description} {says}")


def _described(tool: Tool, description: str) -> Tool:
    tool.description = description
    tool.schema = {**tool.schema, "function": {**tool.schema["function"], "description": description}}
    return tool


# -- look-alikes -------------------------------------------------------------------------------------------------------
_LOOK_ALIKES = {
    "archive": "Archive: {of} Finds only what was closed and moved out of the live system years ago.",
    "training": "For the training of new staff: {of} Works on a practice copy; nothing real is changed.",
    "legacy": "{of} Deprecated, kept for old integrations: use {name}.",
}


def look_alikes(tool: Tool, taken: Sequence[str]) -> list[str]:
    """The names that look-alikes of a tool can have."""
    kinds = ("archive", "legacy") if tool.kind is Kind.READ else ("training", "legacy")
    names = [f"{tool.name}_{kind}" for kind in kinds]
    return [name for name in names if len(name) <= _LONGEST_NAME and name not in taken]


def look_alike(of: Tool, name: str) -> Tool:
    """A tool beside another, with its arguments, that changes nothing and tells nothing."""
    kind = name.removeprefix(f"{of.name}_")

    def call(world: World, **arguments: Any) -> dict[str, Any]:
        if kind == "training":
            return {"system": "training", "done": True, "note": "a practice run: nothing real was changed"}
        if kind == "archive":
            raise ToolError("the archive holds nothing of the kind")
        raise ToolError(f"{name} is switched off; use {of.name}")

    twin = copy(of)
    twin.name, twin.function, twin.kind, twin.blocking, twin.returns = name, call, Kind.READ, False, PLAIN
    twin.schema = {**of.schema, "function": {**of.schema["function"], "name": name}}
    return _described(twin, _LOOK_ALIKES[kind].format(of=of.description, name=of.name))
