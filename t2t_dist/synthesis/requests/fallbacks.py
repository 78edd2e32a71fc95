"""Fallbacks: customers who say what they want if what they ask for can't be had: "if that's not possible, cancel it".

Which of the two is right depends on what look-ups show: the stock, the seats, how a record stands. So the proof is a
twin world in which a record that decides holds another value, the other of the two is right there, and a look-up of the
gold shows the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple, TypeGuard

from t2t_dist.core.schema import Twin
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import after_valid
from t2t_dist.environments.record import Record, thaw
from t2t_dist.environments.rules import Handling, Settled
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call

from ..entities import strings
from ..watched import Watched
from . import language as lang
from .evaluate import is_date, is_number, meaning_of
from .twins import Edits, as_json, first_world, in_place, in_twin, record_changes, world_before

#: The slot of a twin in which what is wanted first is possible, or is not, as it is not here, or is.
POSSIBLE = "possible"
#: Worlds that are tried until one turns it round, and values of a field among them.
_MOST_TRIED, _MOST_VALUES = 24, 8
#: Records of a table that are read for the values of a field.
_ROWS = 400


def fallback(first: lang.Do, second: lang.Do) -> lang.If:
    """The first errand if it is possible, else the second."""
    return lang.If(condition=lang.Possible(of=first), then=first, otherwise=second)


def is_fallback(request: object) -> TypeGuard[lang.If]:
    """Whether a request is one errand if that is possible, else another."""
    return (
        isinstance(request, lang.If)
        and isinstance(request.condition, lang.Possible)
        and not isinstance(request.otherwise, lang.Several)  # which is to be done first, so that it is possible
    )


def is_refused(domain: Domain, world: World, call: Call, customer: str) -> bool:
    """Whether an errand is forbidden by rules for which it is refused: none for which the customer is handed over, and
    none by which it is so already, so that there is nothing to ask for."""
    fork = world.fork()
    for step in domain.steps(fork, call):
        if broken := domain.breaches(fork, step, customer):
            return all(one.rule.handling is Handling.REFUSE and not isinstance(one.reason, Settled) for one in broken)
        if domain.execute(fork, step).error:
            return False
    return False


def look_ups(domain: Domain, world: World, call: Call, customer: str) -> list[Call]:
    """What has to be looked up to know whether an errand is possible, as far as the domain says it."""
    return domain.look_ups(world, call, customer) or []


def find_twin(
    domain: Domain, customer: str, goal: int, request: lang.If, before: Sequence[Call], looks: Sequence[Call]
) -> Twin | None:
    """A world in which the other of the two errands is right, after the errands ``before``; ``None`` if none was found.
    ``looks``: the look-ups that are made before, one of which shows the difference."""
    worlds = twin_worlds(domain, customer, goal, request, before, looks)
    return first_world(worlds, goal, domain, customer, request.model_dump_json(), as_json(before), as_json(looks))


def twin_worlds(
    domain: Domain,
    customer: str,
    goal: int,
    request: lang.If,
    before: Sequence[Call],
    looks: Sequence[Call],
    worlds: Iterable[Edits] | None = None,
) -> Iterator[Twin]:
    """The worlds in which the other of the two errands is right; ``worlds``: those that are tried, where it is not for
    this to find them."""
    world = world_before(domain, before)
    usual = meaning_of(domain, world, customer, request).calls
    options = [
        meaning_of(domain, world, customer, one).calls for one in (request.then, request.otherwise) if one is not None
    ]
    if usual not in options or len(options) != 2 or options[0] == options[1]:
        return
    first, (other,) = options[0][0], [one for one in options if one != usual]
    shown = [domain.execute(world, look).content for look in looks]
    for edits in islice(_edits(domain, world, customer, first) if worlds is None else worlds, _MOST_TRIED):
        try:
            there = domain.variant(edits)
            changed = there.world()
            if not all(there.carry_out(changed, call) for call in before):
                continue
            is_possible = after_valid(there, changed, first, customer) is not None
            if is_possible is (usual == options[0]):
                continue
            if not (is_possible or is_refused(there, changed, first, customer)):
                continue  # somebody else sees to it, or it is so already
            if [there.execute(changed, look).content for look in looks] == shown:
                continue  # nobody could have seen it
            found = in_twin(domain, customer, edits, request, before, usual)
        except Exception:
            continue  # tools and rules may rely on what these records no longer hold: then it is no world
        if found is not None and found[0] == other and found[1] != found[2]:
            chosen = "then" if other == options[0] else "otherwise"
            yield Twin(goal=goal, slot=POSSIBLE, records=record_changes(domain, edits), value=chosen, final=found[1])


# -- the worlds that are tried -----------------------------------------------------------------------------------------
class _Field(NamedTuple):
    """A single value in a record of a table, and where it stands."""

    table: str
    key: str
    path: tuple[str | int, ...]
    value: Any


def _edits(domain: Domain, world: World, customer: str, call: Call) -> Iterator[Edits]:
    """The records on which it depends whether an errand is possible, each with another value in one field: first in
    those that decide most often: that the errand names, then those of which customers claim something, then figures."""
    claimed = {path for fields in domain.language.claims.values() for path in fields}
    named = set(strings(list(call.arguments.values())))
    fields = [one for place in _decisive(domain, world, customer, call) for one in _fields(domain, *place, named)]
    fields.sort(
        key=lambda one: (
            one.path[-1] not in named,  # the seats in that cabin
            one.path[-1] not in claimed,
            not isinstance(one.value, int | float),
        )
    )
    for field in fields:
        for value in _others(domain, field):
            edited = thaw(domain.base.tables[field.table][field.key])
            holder: Any = in_place(edited, field.path[:-1])
            if value is None:
                holder.pop(field.path[-1], None)
            else:
                holder[field.path[-1]] = value
            yield {(field.table, field.key): edited}


def _decisive(domain: Domain, world: World, customer: str, call: Call) -> list[tuple[str, str]]:
    """The records, by table and key, that rules and tools look at for an errand."""
    watched = Watched(world)
    for step in domain.steps(watched, call):
        if domain.breaches(watched, step, customer) or domain.execute(watched, step).error:
            break
    keys = sorted(key for key in watched.seen if key is not None)
    return [(table, key) for table, rows in domain.base.tables.items() for key in keys if key in rows]


def _fields(domain: Domain, table: str, key: str, named: Set[str]) -> Iterator[_Field]:
    """The single values of a record: those in lists only of what the errand names; and those that only others of its
    table have, such as a SIM that was ordered."""

    def below(value: Any, path: tuple[str | int, ...]) -> Iterator[_Field]:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                yield from below(inner, (*path, name))
        elif isinstance(value, list):
            for place, one in enumerate(value):
                if isinstance(one, Mapping) and not named.isdisjoint(strings(list(one.values()))):
                    yield from below(one, (*path, place))
        else:
            yield _Field(table, key, path, value)

    record = domain.base.tables[table][key]
    yield from below(record, ())
    missing = {name: None for other in _rows(domain, table) for name in other if name not in record}
    yield from (_Field(table, key, (name,), None) for name in missing)


def _others(domain: Domain, field: _Field) -> list[Any]:
    """Other values that a field has in other records of its table: both ends of those that are in order, else all, if
    they are few; ``None``: it is not there."""
    place = tuple(None if isinstance(part, int) else part for part in field.path)
    seen, may_lack = _values(domain.origin, field.table, place)
    values = [value for value in seen if value != field.value]
    gone = [None] if may_lack and field.value is not None else []
    if all(map(is_number, values)) or all(map(is_date, values)):
        ends = [min(values), max(values)] if values else []
        return [*gone, *dict.fromkeys(ends)]
    return [*gone, *values] if len(values) <= _MOST_VALUES else gone


@lru_cache(maxsize=1024)
def _values(domain: Domain, table: str, path: tuple[str | None, ...]) -> tuple[list[Any], bool]:
    """The values at a path in the records of a table (``None``: in each element of a list); whether some lack one."""
    seen: dict[Any, None] = {}
    may_lack = False
    for record in _rows(domain, table):
        for holder in _holders(record, path[:-1]):
            value = holder.get(str(path[-1]))
            if value is None:
                may_lack = True
            elif not isinstance(value, Mapping | list):
                seen.setdefault(value)
    return list(seen), may_lack


def _rows(domain: Domain, table: str) -> Iterator[Record]:
    return islice(domain.base.tables[table].values(), _ROWS)


def _holders(record: Record, path: Sequence[str | None]) -> list[Mapping[str, Any]]:
    found: list[Any] = [record]
    for part in path:
        if part is None:
            found = [inner for one in found if isinstance(one, list) for inner in one]
        else:
            found = [one[part] for one in found if isinstance(one, Mapping) and part in one]
    return [one for one in found if isinstance(one, Mapping)]
