"""Requests as expressions: what a customer means, where they do not say it by its value.

"Return everything from my last order but the lamp" names no id. Its meaning is an expression over records: which order,
which of its items. The words are chosen for it, its value is found by looking things up, and the agent has to do the
same. An expression says *what* is meant and knows no domain: records, their fields and the errands are names.

All nodes are JSON, tagged by ``node``, and are stored in the rows of tasks (docs/requests.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

#: Where a value stands in a record: ``status``, ``address.state``, ``options.color``.
Path = Annotated[str, Field(min_length=1, max_length=120)]
Name = Annotated[str, Field(min_length=1, max_length=120)]
#: ``contains`` is for lists: one of its elements has the value in the rest of the path ("with a lamp in it");
#: ``one of`` takes a list of values.
Relation = Literal["is", "is not", "one of", "contains", "less", "more"]
Order = Literal["least", "most"]
#: How two numbers, quantities of one unit (``500 ml``), dates or times of day compare.
Rank = Literal["less", "more"]
#: A stored expression comes from outside: it has no more nodes than this.
MAX_NODES = 400


class Node(BaseModel):
    """Base of all nodes. They are values: frozen, equal if their parts are."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# -- records and values ------------------------------------------------------------------------------------------------
class Test(Node):
    """A condition on a field of a record."""

    field: Path
    relation: Relation = "is"
    value: Value


class LookUp(Node):
    """A call of a READ tool with arguments that the customer's own data does not lead to: the flights of a day that
    they name."""

    tool: Name
    arguments: dict[Name, Value] = {}


class Records(Node):
    """The records of a kind that the customer's data leads to, or that a look-up shows (``shown_by``): those ``within``
    another record, that pass every test and of which every condition holds (``such``), ``but`` those. ``this``: only
    the one that an ``each``, an ``every``, a ``worth``, a test or a condition around it has come to."""

    node: Literal["records"] = "records"
    kind: Name
    shown_by: LookUp | None = None
    this: bool = False
    within: Record | None = None
    where: tuple[Test, ...] = ()
    such: tuple[Condition, ...] = ()
    but: Records | None = None


class Record(Node):
    """One record of a set: of those that ``prefer`` leaves (it takes test by test, and drops one that none passes) the
    only one, or the one at a ``place``, counted from 1, in the order of a field (``by``) or of a value that is worked
    out for each (``worth``)."""

    node: Literal["record"] = "record"
    among: Records
    by: Path | None = None
    worth: Value | None = None
    order: Order = "most"
    place: int = Field(1, ge=1, le=9)
    prefer: tuple[Test, ...] = ()


class Given(Node):
    """A value that the customer states as it is."""

    node: Literal["given"] = "given"
    value: Any


class FieldOf(Node):
    """What stands in a field of a record."""

    node: Literal["field"] = "field"
    of: Record
    field: Path


class FieldsOf(Node):
    """What stands in a field of each record of a set, as a list."""

    node: Literal["fields"] = "fields"
    of: Records
    field: Path


class Count(Node):
    """How many records a set has."""

    node: Literal["count"] = "count"
    of: Records


class Total(Node):
    """The sum of a field over a set."""

    node: Literal["total"] = "total"
    of: Records
    field: Path


class Outcome(Node):
    """What a field of the result would be if an errand were carried out: a price, a refund."""

    node: Literal["outcome"] = "outcome"
    of: Do
    field: Path


class Arithmetic(Node):
    """A sum, a difference or a product of two numbers, or the less or the more of them; a date and a number of days
    make a date."""

    node: Literal["arithmetic"] = "arithmetic"
    sign: Literal["+", "-", "*", "least", "most"]
    left: Value
    right: Value


class Every(Node):
    """A value for each record of a set, as a list: the cheapest version of every item."""

    node: Literal["every"] = "every"
    of: Records
    value: Value


class Sum(Node):
    """The sum of a list of numbers."""

    node: Literal["sum"] = "sum"
    of: Value


class Listed(Node):
    """Several values as one list; those that are lists are joined."""

    node: Literal["list"] = "list"
    values: tuple[Value, ...] = Field(min_length=1, max_length=20)


class Object(Node):
    """Several values as one object, by the names of its fields."""

    node: Literal["object"] = "object"
    fields: dict[Name, Value]


class Results(Node):
    """What stands in the results of all calls of some tools that have been made for the customer, as a list: by tool,
    the field. A result that lacks it adds nothing."""

    node: Literal["results"] = "results"
    fields: dict[Name, Path] = Field(min_length=1, max_length=20)


class FirstThatWorks(Node):
    """As an argument of an errand: the first of several values with which it can be carried out."""

    node: Literal["first that works"] = "first that works"
    values: tuple[Value, ...] = Field(min_length=2, max_length=20)


class Earlier(Node):
    """What a value was before anything was changed."""

    node: Literal["earlier"] = "earlier"
    value: Value


Value = Annotated[
    Given
    | FieldOf
    | FieldsOf
    | Count
    | Total
    | Outcome
    | Arithmetic
    | Every
    | Sum
    | Listed
    | Object
    | Results
    | Earlier
    | FirstThatWorks,
    Field(discriminator="node"),
]


# -- conditions --------------------------------------------------------------------------------------------------------
class Exists(Node):
    """At least one record is in a set."""

    node: Literal["exists"] = "exists"
    among: Records


class Compares(Node):
    """A value compares so with another."""

    node: Literal["compares"] = "compares"
    left: Value
    relation: Literal["is", "is not", "less", "more"]
    right: Value


class Possible(Node):
    """An errand can be carried out: the tools accept it and no rule forbids it."""

    node: Literal["possible"] = "possible"
    of: Do


class Not(Node):
    """A condition does not hold."""

    node: Literal["not"] = "not"
    of: Condition


Condition = Annotated[Exists | Compares | Possible | Not, Field(discriminator="node")]


# -- requests ----------------------------------------------------------------------------------------------------------
class Do(Node):
    """An errand with its arguments."""

    node: Literal["do"] = "do"
    errand: Name
    arguments: dict[Name, Value]


class Each(Node):
    """An errand for each record of a set, whose ``field`` is the argument ``slot``; the others may rest on it."""

    node: Literal["each"] = "each"
    among: Records
    field: Path
    slot: Name
    errand: Name
    arguments: dict[Name, Value] = {}


class If(Node):
    """One request or another; without ``otherwise``, one or nothing."""

    node: Literal["if"] = "if"
    condition: Condition
    then: Request
    otherwise: Request | None = None


class FirstPossible(Node):
    """The first of several errands that can be carried out; nothing where none can."""

    node: Literal["first possible"] = "first possible"
    options: tuple[Do, ...] = Field(min_length=2, max_length=5)


class Best(Node):
    """Of several errands, the one whose result has the least or the most in a field."""

    node: Literal["best"] = "best"
    options: tuple[Do, ...] = Field(min_length=2, max_length=5)
    field: Path
    order: Order


class Tell(Node):
    """A question: the agent says a value, and changes nothing for it."""

    node: Literal["tell"] = "tell"
    value: Value


class Several(Node):
    """Requests that are carried out one after the other."""

    node: Literal["several"] = "several"
    requests: tuple[Request, ...] = Field(min_length=2, max_length=9)


Request = Annotated[Do | Each | If | FirstPossible | Best | Tell | Several, Field(discriminator="node")]

_TYPES = frozenset(Node.__subclasses__())
for _model in _TYPES:
    _model.model_rebuild()

_REQUEST: TypeAdapter[Do | Each | If | FirstPossible | Best | Tell | Several] = TypeAdapter(Request)


def read(value: Any) -> Do | Each | If | FirstPossible | Best | Tell | Several:
    """A request from its JSON. Raises ValueError: it is none, or has more than :data:`MAX_NODES` nodes."""
    try:
        request = _REQUEST.validate_python(value)
    except RecursionError:
        raise ValueError("a request is nested too deeply") from None
    if sum(1 for _ in nodes(request)) > MAX_NODES:
        raise ValueError(f"a request has more than {MAX_NODES} nodes")
    return request


def stored(request: Node) -> dict[str, Any]:
    """A node as JSON: its tag, and what differs from the default."""
    return {
        name: _plain(value)
        for name, field in type(request).model_fields.items()
        if (value := getattr(request, name)) != field.default or name == "node"
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Node):
        return stored(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


def rebuilt(node: Node, change: Callable[[Node], Node]) -> Node:
    """The node with each node directly below it changed."""
    return node.model_copy(update={name: _changed(getattr(node, name), change) for name in type(node).model_fields})


def _changed(value: Any, change: Callable[[Node], Node]) -> Any:
    if isinstance(value, Node):
        return change(value)
    if isinstance(value, tuple):
        return tuple(_changed(one, change) for one in value)
    if isinstance(value, dict):
        return {key: _changed(one, change) for key, one in value.items()}
    return value


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below a node, in the order of its fields."""
    for value in vars(node).values():
        held = value.values() if type(value) is dict else value if type(value) is tuple else (value,)
        for one in held:
            if type(one) in _TYPES:  # faster than isinstance, which asks pydantic
                yield one


def nodes(node: Node) -> Iterator[Node]:
    """A node and all below it, outermost first."""
    left = [node]
    while left:
        one = left.pop()
        yield one
        left += reversed([*children(one)])


def depth(node: Node) -> int:
    """Levels of a request: 1 for one whose values are all given."""
    own = 0 if isinstance(node, Test | Given) else 1
    return own + max(map(depth, children(node)), default=0)


def as_given(errand: str, arguments: Mapping[str, Any]) -> Do:
    """An errand whose arguments are all stated as they are."""
    return Do(errand=errand, arguments={slot: Given(value=value) for slot, value in arguments.items()})


def named(kind: str, field: str, value: Any, within: Record | None = None) -> Record:
    """The record of a kind that has a value in a field that names it."""
    where = (Test(field=field, value=Given(value=value)),)
    return Record(among=Records(kind=kind, within=within, where=where))
