"""Requests written down by hand: short names for the nodes of the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from t2t_dist.synthesis.requests import language as lang


class Case(NamedTuple):
    """What a customer asks for, one request after the other."""

    customer: str
    requests: tuple[Any, ...]


class Task(Protocol):
    """Notes the requests of tasks: ``keys`` are several where only their words differ."""

    def __call__(self, keys: str, /, *requests: Any) -> None: ...


Told = Callable[[Task], None]


def collector() -> tuple[dict[str, Case], Callable[[str], Callable[[Told], None]]]:
    """Tasks by their id, and a decorator for functions that note the tasks of a customer."""
    tasks: dict[str, Case] = {}

    def said_by(customer: str) -> Callable[[Told], None]:
        def task(keys: str, /, *requests: Any) -> None:
            tasks.update((key, Case(customer, requests)) for key in keys.split())

        return lambda told: told(task)

    return tasks, said_by


def value(of: Any) -> Any:
    return of if isinstance(of, lang.Node) else lang.Given(value=of)


def test(field: str, relation: Any, of: Any) -> lang.Test:
    return lang.Test(field=field, relation=relation, value=value(of))


def is_(field: str, of: Any) -> lang.Test:
    return test(field, "is", of)


def has(field: str, of: Any) -> lang.Test:
    return test(field, "contains", of)


def all_(kind: str, *where: lang.Test, **more: Any) -> lang.Records:
    return lang.Records(kind=kind, where=where, **more)


def the(kind: str, *where: lang.Test, within: Any = None, but: Any = None, shown_by: Any = None, **rank: Any) -> Any:
    among = lang.Records(kind=kind, where=where, within=within, but=but, shown_by=shown_by)
    return one_of(among, **rank)


def one_of(among: lang.Records, **rank: Any) -> lang.Record:
    return lang.Record(among=among, **rank)


def this(kind: str) -> lang.Record:
    return lang.Record(among=lang.Records(kind=kind, this=True))


def of(record: lang.Record, field: str) -> lang.FieldOf:
    return lang.FieldOf(of=record, field=field)


def every(records: lang.Records, field: Any) -> lang.Every:
    """A field of each record, or a value that rests on it."""
    return lang.Every(of=records, value=of(this(records.kind), field) if isinstance(field, str) else field)


def list_(*values: Any) -> lang.Listed:
    return lang.Listed(values=tuple(map(value, values)))


def object_(**fields: Any) -> lang.Object:
    return lang.Object(fields={name: value(one) for name, one in fields.items()})


def look(tool: str, **arguments: Any) -> lang.LookUp:
    return lang.LookUp(tool=tool, arguments={name: value(one) for name, one in arguments.items()})


def do(errand: str, **arguments: Any) -> lang.Do:
    return lang.Do(errand=errand, arguments={name: value(one) for name, one in arguments.items()})


def each(among: lang.Records, errand: str, slot: str, **arguments: Any) -> lang.Each:
    given = {name: value(one) for name, one in arguments.items()}
    return lang.Each(among=among, field=slot, slot=slot, errand=errand, arguments=given)


def if_(condition: Any, then: Any, otherwise: Any = None) -> lang.If:
    return lang.If(condition=condition, then=then, otherwise=otherwise)


def can(request: lang.Do) -> lang.Possible:
    return lang.Possible(of=request)


def not_(condition: Any) -> lang.Not:
    return lang.Not(of=condition)


def if_possible(request: lang.Do) -> lang.If:
    return if_(can(request), request)


def first(*options: lang.Do) -> lang.FirstPossible:
    return lang.FirstPossible(options=options)


def both(*requests: Any) -> lang.Several:
    return lang.Several(requests=requests)


def tell(*of: Any) -> tuple[lang.Tell, ...]:
    return tuple(lang.Tell(value=value(one)) for one in of)


def compares(left: Any, relation: Any, right: Any) -> lang.Compares:
    return lang.Compares(left=value(left), relation=relation, right=value(right))


def work(left: Any, sign: Any, right: Any) -> lang.Arithmetic:
    return lang.Arithmetic(sign=sign, left=value(left), right=value(right))


def sum_(of: Any) -> lang.Sum:
    return lang.Sum(of=of)
