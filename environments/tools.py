"""Tools: typed functions on a world, their JSON schemas, and the executor.

>>> @tool(READ)
... def get_order_details(world: World, order_id: OrderId) -> Order:
...     '''Look up an order.
...
...     Args:
...         order_id: The order's number, such as '#W0000000'.
...     '''
"""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, TypeVar, cast, get_args, get_origin

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from typing_extensions import get_type_hints

from .entities import DomainValue, Spec, find_values, readable, spec_of
from .json_text import Unreadable, check, loaded
from .state import World
from .tool_schema import in_place

T = TypeVar("T")


class Kind(StrEnum):
    """The kind of a tool: READ changes nothing, WRITE may change the world, GENERIC (think, calculate) uses no data.

    RECORD puts on record how a request was handled (declined, handed over): that is part of the world, too, but nothing
    that a customer asks for, and needs no yes.
    """

    READ = "read"
    WRITE = "write"
    GENERIC = "generic"
    RECORD = "record"


READ, WRITE, GENERIC, RECORD = Kind.READ, Kind.WRITE, Kind.GENERIC, Kind.RECORD

#: The side that may call a tool: the agent, or the customer on their own device (whose state is part of the world).
AGENT, USER = "agent", "user"


class ToolError(Exception):
    """A tool refuses a call; the world is unchanged. The message tells the caller what is wrong and what to do."""


class ToolCrash(Exception):
    """A tool failed: a defect of the domain, not of the caller. ``what`` is the message without the place."""

    def __init__(self, what: str, place: str = "") -> None:
        super().__init__(f"{what}, in {place}" if place else what)
        self.what = what


class ToolLost(ToolCrash):
    """The external process that a tool needs is gone or hangs; the call may succeed on a fresh one."""


class ToolTimeout(Exception):
    """A blocking tool did not answer within its timeout."""


class Call(NamedTuple):
    """A call with parsed arguments."""

    name: str
    arguments: dict[str, Any]


class ToolResult(NamedTuple):
    """The result of a call.

    ``content``: the text for the caller; ``value``: the result itself (``None`` on an error); ``arguments``: the
    validated arguments (``None`` if they are invalid); ``changed``: whether the world changed; ``made_to_fail``:
    refused by a planned tool fault, whatever the call was.
    """

    content: str
    error: bool
    value: Any
    arguments: dict[str, Any] | None
    changed: bool
    made_to_fail: bool = False


#: No argument that the tool does not have, and no NaN or infinity, which compare with nothing.
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


class Tool:
    """One tool of a domain, made by :func:`tool`."""

    #: By argument: what brings its values into the one form that they have in the state.
    _normal: Mapping[str, Sequence[Callable[[Any], Any]]] = MappingProxyType({})

    def __init__(
        self, function: Callable[..., Any], kind: Kind, side: str = AGENT, blocking: bool = False, timeout: float = 30.0
    ) -> None:
        self.function, self.kind, self.side, self.blocking, self.timeout = function, kind, side, blocking, timeout
        self.name = function.__name__
        self.description, described = _docstring(function)
        hints = get_type_hints(function, include_extras=True)
        returns = hints.pop("return", None)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        self.where = f"{inspect.getsourcefile(function)}:{function.__code__.co_firstlineno}"
        self.untyped = [p.name for p in parameters if p.name not in hints] + ([] if returns is not None else ["return"])
        self.hints: dict[str, Any] = {p.name: hints.get(p.name, Any) for p in parameters}
        self.required = [p.name for p in parameters if p.default is inspect.Parameter.empty]
        self.parameters: dict[str, Spec] = {name: spec_of(hint) for name, hint in self.hints.items()}
        self.returns: Spec = spec_of(returns)
        self._normal = {name: found for name, hint in self.hints.items() if (found := _normalisers(hint))}
        fields: dict[str, Any] = {}
        for p in parameters:
            default = ... if p.default is inspect.Parameter.empty else p.default
            fields[p.name] = (self.hints[p.name], Field(default, description=described.get(p.name)))
        self.model: type[BaseModel] = create_model(self.name, __config__=_STRICT, **fields)
        self.schema: dict[str, Any] = function_schema(self.name, self.description, self.model)

    def signature(self) -> str:
        """``name(argument: Type, ...)``, for messages."""
        return f"{self.name}({', '.join(f'{name}: {readable(hint)}' for name, hint in self.hints.items())})"

    def normal(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments as the tool gets them: in the one form that all ways to write them have."""
        if not self._normal:
            return arguments
        changed = {slot: value for slot, value in arguments.items() if slot in self._normal}
        for slot in changed:
            for function in self._normal[slot]:
                changed[slot] = function(changed[slot])
        return arguments | changed

    def undescribed(self, slot: str = "") -> str:
        """What is wrong where the description of the tool or of an argument is missing, and what to do."""
        if slot:
            return f"does not describe '{slot}'; add it under 'Args:' in the docstring"
        return "has no docstring; models read it as the tool's description"

    def how_to_type(self, slot: str) -> str:
        """What to do about an argument without a domain type, for which no value can be found."""
        return "give it one (NewType), and values for it in samples()"

    def consumes(self) -> set[str]:
        """Domain types of its arguments."""
        return set().union(*(argument_types(spec) for spec in self.parameters.values())) if self.parameters else set()

    def produces(self) -> set[str]:
        """Domain types found in its result."""
        return self.returns.names()

    def read(self, value: Any) -> Any:
        """What a result holds, in the shape of its type: for tools that answer with a text."""
        return value

    def found(self, value: Any, arguments: dict[str, Any]) -> Iterator[DomainValue]:
        """The domain values in a result; the arguments of the call are part of their context."""
        asked = frozenset(
            (spec.name, arguments[name])
            for name, spec in self.parameters.items()
            if spec.kind == "scalar" and isinstance(arguments.get(name), str | int)
        )
        return find_values(self.returns, value, asked)

    def text(self, value: Any) -> str:
        """A result as the text for the caller. Raises TypeError: it is not JSON."""
        return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()

    def validate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The validated arguments as plain data. Raises ToolError that says what to fix."""
        try:
            model = self.model.model_validate(arguments)
        except ValidationError as error:
            raise ToolError(f"{problems(error)}. Expected {self.signature()}") from None
        try:
            checked = model.model_dump()
            orjson.dumps(checked, default=str, option=orjson.OPT_NON_STR_KEYS)
        except (TypeError, ValueError):
            # A text of digits, for one, is a number of any size where a tool takes numbers; no world holds such ones.
            why = "arguments: a number that does not fit into 64 bits, or too many levels"
            raise ToolError(f"{why}. Expected {self.signature()}") from None
        return checked


def _normalisers(hint: Any) -> list[Callable[[Any], Any]]:
    """The functions that an annotation gives for a valid value: ``Annotated[Address, AfterValidator(tidy)]``."""
    if get_origin(hint) is not Annotated:
        return []
    return [cast(Callable[[Any], Any], note.func) for note in get_args(hint)[1:] if isinstance(note, AfterValidator)]


def problems(error: ValidationError, most: int = 4) -> str:
    """The errors of pydantic in one line: ``address.zip: field required; reason: input should be ...``."""
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'arguments'}: {item['msg'][:1].lower()}{item['msg'][1:]}"
        for item in error.errors(include_url=False)[:most]
    )


def argument_types(spec: Spec) -> set[str]:
    """The types by which an argument is bound: a struct as a whole, a list by its element."""
    if spec.kind in ("scalar", "struct"):
        return {spec.name}
    return argument_types(spec.item) if spec.kind == "list" else set()


def tool(
    kind: Kind, *, side: str = AGENT, blocking: bool = False, timeout: float = 30.0
) -> Callable[[Callable[..., Any]], Tool]:
    """Decorator: make a tool from a function whose first parameter is the world.

    ``blocking``: the function waits for something external (a socket, a disk). It then runs in a thread for at most
    ``timeout`` seconds, so that it can't stall the other episodes of the process.
    """
    return lambda function: Tool(function, kind, side, blocking, timeout)


def _docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """The description, and the argument descriptions from the ``Args:`` section."""
    text = inspect.getdoc(function) or ""
    head, _, rest = text.partition("\nArgs:\n")
    described: dict[str, str] = {}
    name = ""
    for line in rest.splitlines():
        if line and not line[0].isspace():
            break
        if match := re.match(r"^ {4}(\w+)(?: \([^)]*\))?: (.*)", line):
            name = match[1]
            described[name] = match[2].strip()
        elif name and line.strip():
            described[name] += " " + line.strip()
    return " ".join(head.split()), described


def function_schema(name: str, description: str, model: type[BaseModel]) -> dict[str, Any]:
    """A tool as chat requests list it; ``model`` holds its arguments."""
    parameters = in_place(model.model_json_schema())
    parameters.setdefault("properties", {})
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


class ToolSet:
    """A domain's tools by name, and the executor."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self.by_name: dict[str, Tool] = {}
        for t in tools:
            if t.name in self.by_name:
                raise ValueError(f"two tools are named '{t.name}': {self.by_name[t.name].where} and {t.where}")
            self.by_name[t.name] = t

    def __iter__(self) -> Iterator[Tool]:
        return iter(self.by_name.values())

    def __contains__(self, name: str) -> bool:
        return name in self.by_name

    def __getitem__(self, name: str) -> Tool:
        return self.by_name[name]

    def get(self, name: str) -> Tool | None:
        """The tool of this name, or ``None``."""
        return self.by_name.get(name)

    def side(self, side: str) -> list[Tool]:
        return [t for t in self if t.side == side]

    def schemas(self, side: str = AGENT) -> bytes:
        """The function schemas of one side, encoded as in a chat request."""
        return orjson.dumps([t.schema for t in self.side(side)])

    def prepare(self, name: str, arguments: str | dict[str, Any], side: str = AGENT) -> tuple[Tool, dict[str, Any]]:
        """The tool and its validated arguments. Raises ToolError (unknown tool, not JSON, invalid arguments)."""
        found = self.by_name.get(name)
        if found is None or found.side != side:
            names = [t.name for t in self.side(side)]
            near = get_close_matches(name, names, 3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"the tools are: {', '.join(names)}"
            raise ToolError(f"there is no tool named '{name}'; {hint}")
        if isinstance(arguments, str):
            return found, self._read(found, arguments or "{}")
        return found, found.validate(arguments)

    def _read(self, found: Tool, text: str) -> dict[str, Any]:
        """The validated arguments that a text holds. Raises ToolError."""
        try:
            parsed = loaded(text)
            if not isinstance(parsed, dict):
                raise ToolError(f"the arguments of {found.name} must be a JSON object; expected {found.signature()}")
            checked = found.validate(parsed)  # first: it says more
            check(text, parsed)
        except (Unreadable, RecursionError) as error:
            problem = error if isinstance(error, Unreadable) else "nested too deeply"
            raise ToolError(f"the arguments of {found.name} are {problem}; expected {found.signature()}") from None
        return checked

    def execute(self, world: World, name: str, arguments: str | dict[str, Any], side: str = AGENT) -> ToolResult:
        """Call a tool on a world, atomically.

        A refused call returns a result with ``error``; its text says what to do.

        Raises:
            ToolCrash: the tool raised another exception than ToolError, or returned or wrote a value that is not
                JSON. The world is unchanged.
        """
        try:
            found, checked = self.prepare(name, arguments, side)
        except ToolError as error:
            return _refused(error, None)
        try:
            try:
                return _run(found, world, checked)
            except ToolLost:
                # Conversations use execute_async. Here calls are tried or replayed, any number of times, and a
                # process that is lost by chance must not affect the result.
                return _run(found, world, checked)
        except ToolTimeout as error:
            raise ToolLost(str(error)) from error

    async def execute_async(
        self, world: World, name: str, arguments: str | dict[str, Any], side: str = AGENT
    ) -> ToolResult:
        """Like :meth:`execute`, with blocking tools in a thread. Raises ToolCrash, ToolTimeout."""
        found = self.by_name.get(name)
        if found is None or not found.blocking:
            return self.execute(world, name, arguments, side)
        try:
            found, checked = self.prepare(name, arguments, side)
        except ToolError as error:
            return _refused(error, None)
        # The thread works on a fork: if it ends after its timeout, it must not touch the episode's world.
        private = world.fork()
        try:
            result = await asyncio.wait_for(_in_thread(_run, found, private, checked), found.timeout)
        except TimeoutError:
            raise ToolTimeout(f"{name} did not answer within {found.timeout:g} s") from None
        world.adopt(private)
        return result


def _refused(error: ToolError, arguments: dict[str, Any] | None) -> ToolResult:
    return ToolResult(f"Error: {error}", True, None, arguments, False)


def _run(found: Tool, world: World, checked: dict[str, Any]) -> ToolResult:
    try:
        value = found.function(world, **checked)
        # Encoded before anything is sealed: if that fails, the world must be unchanged.
        content = found.text(value)
        # Only edits of these are kept.
        changed = world.seal() if found.kind in (Kind.WRITE, Kind.RECORD) else False
    except ToolError as error:
        return _refused(error, checked)
    except (ToolCrash, ToolTimeout):
        raise
    except (Exception, SystemExit) as error:
        raise ToolCrash(f"{found.name} raised {type(error).__name__}: {error}", _place(found, error)) from error
    finally:
        world.discard()
    return ToolResult(content, False, value, checked, changed)


def _place(found: Tool, error: BaseException) -> str:
    """``file:line`` of what a tool raised; of the path, the last folder only, as rows must not depend on the rest."""
    file, _, line = found.where.rpartition(":")
    lines = [str(frame.lineno) for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{'/'.join(file.replace(os.sep, '/').split('/')[-2:])}:{lines[-1] if lines else line}"


def _in_thread(function: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
    """Run a function in its own thread; returns a future of its result.

    Not in the loop's pool: a hung call would occupy one of its few threads forever, others would wait for a thread
    instead of their tool, and the process could not exit.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():  # timed out
            return
        if error is None:
            future.set_result(cast(T, result))
        else:
            future.set_exception(error)

    def work() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = function(*arguments)
        except BaseException as error:
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    threading.Thread(target=work, name="blocking-tool", daemon=True).start()
    return future
