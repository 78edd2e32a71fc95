"""Twin worlds: a small change of the database after which the same words mean something else.

A description that had the same value whatever the records say would prove nothing about looking things up. So each one
comes with a world in which a few records differ, its value is another, and what was right before is wrong: an agent
that guesses, or remembers, is right in one of the two at most.

Two records exchange all but their ids, so that each stays as consistent as it was. Where ids say what a record is, two
of them exchange the value of the field by which they are ranked; of several records, one is not there.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from t2t_dist.core.schema import RecordChange, Twin
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import after_valid
from t2t_dist.environments.record import thaw
from t2t_dist.environments.state import Record, World
from t2t_dist.environments.tools import Call

from ..bindings import canonical_json
from . import language as lang
from . import what_works
from .describe import values_like
from .evaluate import NoMeaning, meaning_of, record_of, records_of
from .kinds import identities, own_field
from .shown import Shown, Universe

Edits = dict[tuple[str, str], Record]
#: Records with which the one that is meant is exchanged, at most.
_MOST_PARTNERS = 6
#: And for each of several fields that decide.
_FEW_PARTNERS = 3
#: Records of a document that are looked through for one.
_MOST_LOOKED_AT = 20_000


class Place(NamedTuple):
    """Where a record stands: ``path`` leads to it from the record of a table. ``document``: that is a file or the like,
    and the record is not part of another for that."""

    table: str
    key: str
    path: tuple[str | int, ...]
    document: bool = False

    @property
    def is_part(self) -> bool:
        return bool(self.path) and not self.document


def find_twin(
    domain: Domain,
    customer: str,
    universe: Universe,
    request: lang.Do | lang.Each,
    goal: int,
    slot: str,
    before: Sequence[Call],
    whole: lang.Node | None = None,
) -> Twin | None:
    """A twin world for the meaning of one argument, after the errands ``before``; ``None`` if none was found. What is
    meant there is a value, or a list of those of a set. ``whole``: the request, where that errand is a part of it."""
    nodes = [request.model_dump_json(), "" if whole is None else whole.model_dump_json()]
    worlds = twin_worlds(domain, customer, universe, request, goal, slot, before, whole)
    return first_world(worlds, goal, domain, customer, *nodes, slot, as_json(before))


#: Twin worlds that were found last, by all that they follow from: a task's proof asks for those that its making found.
_FOUND: dict[tuple[Hashable, ...], Twin | None] = {}
_MOST_FOUND = 256


def first_world(worlds: Iterator[Twin], goal: int, *key: Hashable) -> Twin | None:
    """The first of the twin worlds of a goal, which follow from ``key`` alone; ``None``: there are none."""
    if key not in _FOUND:
        found = next(worlds, None)
        if len(_FOUND) >= _MOST_FOUND:
            _FOUND.clear()
        _FOUND[key] = found
    twin = _FOUND[key]
    return None if twin is None else twin.model_copy(update={"goal": goal})


def as_json(calls: Sequence[Call]) -> bytes:
    """Calls as a key."""
    return canonical_json([[call.name, call.arguments] for call in calls])


def twin_worlds(
    domain: Domain,
    customer: str,
    universe: Universe,
    request: lang.Do | lang.Each,
    goal: int,
    slot: str,
    before: Sequence[Call],
    whole: lang.Node | None = None,
) -> Iterator[Twin]:
    """The twin worlds for the meaning of one argument, the simplest first."""
    meant = request if whole is None else whole
    usual = meaning_of(domain, world_before(domain, before), customer, meant, universe).calls
    for edits in _edits_of(domain, customer, universe, request, slot):
        try:
            found = in_twin(domain, customer, edits, meant, before, usual)
        except Exception:
            continue  # tools and rules may rely on what these records no longer hold: then it is no world
        if found is None:
            continue
        calls, final, other_final = found
        values = [call.arguments.get(slot) for call in calls]
        if values != [call.arguments.get(slot) for call in usual] and final != other_final:
            value = values if isinstance(request, lang.Each) and slot == request.slot else values[-1]
            yield Twin(goal=goal, slot=slot, records=record_changes(domain, edits), value=value, final=final)


def record_changes(domain: Domain, edits: Mapping[tuple[str, str], Record]) -> list[RecordChange]:
    """The records of a twin world that differ, as a task stores them."""
    return [
        RecordChange(
            table=table, key=key, before=thaw(domain.base.tables[table][key]), after=domain.consistent(table, record)
        )
        for (table, key), record in sorted(edits.items())
    ]


def in_twin(
    domain: Domain,
    customer: str,
    edits: Mapping[tuple[str, str], Record],
    request: lang.Node,
    before: Sequence[Call],
    usual: Sequence[Call],
) -> tuple[list[Call], str, str | None] | None:
    """What a request means in a world with other records: its calls, the final state of them, and that of ``usual``,
    the calls that it means here (``None`` where those are not possible there). ``None``: it means the same, or nothing
    that can be done."""
    twin = domain.variant(edits)
    world = twin.world()
    if not all(twin.carry_out(world, call) for call in before):
        return None
    try:
        calls = meaning_of(twin, world, customer, request).calls
    except NoMeaning:
        return None
    if not calls or calls == usual:
        return None
    after = all_valid(twin, world, calls, customer)
    if after is None:
        return None
    other = all_valid(twin, world, usual, customer)
    return calls, after.digest, None if other is None else other.digest


def all_valid(domain: Domain, world: World, calls: Sequence[Call], customer: str) -> World | None:
    """The world after these errands; ``None`` where one of them is not possible, or not allowed."""
    after: World | None = world
    for call in calls:
        after = after_valid(domain, after, call, customer) if after is not None else None
    return after


def _edits_of(
    domain: Domain, customer: str, universe: Universe, request: lang.Do | lang.Each, slot: str
) -> Iterator[Edits]:
    if isinstance(request, lang.Each) and slot == request.slot:
        members = records_of(domain, customer, universe, request.among)
        kin = universe.of(request.among.kind)
        outsiders = [one for one in kin if not any(one is member for member in members)]
        for one in members:
            for other in outsiders[:_MOST_PARTNERS]:
                yield from identities_exchanged(domain, one, other)
        for one in members:
            yield from _unlisted(domain, customer, one)
            yield from _left_out(domain, one)
    else:
        yield from _edits(domain, customer, universe, request.arguments[slot])


def _edits(domain: Domain, customer: str, universe: Universe, value: lang.Node) -> Iterator[Edits]:
    match value:
        case lang.FieldOf() if value.field != own_field(domain, value.of.among.kind):
            yield from _replaced(domain, universe, record_of(domain, customer, universe, value.of), value.field)
        case lang.FieldOf():
            record = value.of
            meant = record_of(domain, customer, universe, record)
            others = [one for one in records_of(domain, customer, universe, _untested(record)) if one is not meant]
            partners = others[:_MOST_PARTNERS]
            for other in partners:
                yield from identities_exchanged(domain, meant, other)
            paths = [record.by] if record.by is not None else []
            if record.prefer or record.among.shown_by is not None:
                paths = [*(test.field for test in (*record.prefer, *record.among.where)), *paths]
                partners = partners[:_FEW_PARTNERS]
            for path in dict.fromkeys(paths):
                for other in partners:
                    yield from _exchanged(domain, meant, other, path.split("."))
        case lang.FirstThatWorks():
            for one, field, numbers in what_works.amounts(universe, value):
                place = place_of(domain, one)
                for number in numbers if place is not None else ():
                    if place is not None and (edits := set_at(domain, place, field, number)) is not None:
                        yield edits
        case lang.FieldsOf():
            for one in records_of(domain, customer, universe, value.of):
                yield from _left_out(domain, one)


def _untested(record: lang.Record) -> lang.Records:
    return record.among.model_copy(update={"where": ()})


# -- changes -----------------------------------------------------------------------------------------------------------
def _exchanged(domain: Domain, one: Shown, other: Shown, path: Sequence[str]) -> Iterator[Edits]:
    """Two records with each other's value in a field."""
    first, second = place_of(domain, one), place_of(domain, other)
    if first is None or second is None:
        return
    edits = _copies(domain, first, second)
    a, b = (in_place(edits[place.table, place.key], place.path) for place in (first, second))
    for part in path[:-1]:
        a, b = (side.get(part) if isinstance(side, dict) else None for side in (a, b))
    if not (isinstance(a, dict) and isinstance(b, dict)) or path[-1] not in a or path[-1] not in b:
        return
    if a[path[-1]] != b[path[-1]] and not isinstance(a[path[-1]], dict | list):
        a[path[-1]], b[path[-1]] = b[path[-1]], a[path[-1]]
        yield edits


def identities_exchanged(domain: Domain, one: Shown, other: Shown) -> Iterator[Edits]:
    """Two records that have exchanged all but what names them: their ids, and what is part of those. What other tables
    hold under the same ids goes with them: the phone goes with its line."""
    first, second = place_of(domain, one), place_of(domain, other)
    own = own_field(domain, one.kind)
    if first is None or second is None or not own:
        return
    if not first.path and own not in domain.base.tables[first.table][first.key]:
        return  # a search shows it, under another name
    tables = {first.table: own}
    if not first.path and not second.path:
        tables |= {
            table: field
            for table, rows in domain.base.tables.items()
            if first.key in rows and second.key in rows and (field := _key_field(rows, first.key, second.key))
        }
    edits: Edits = {}
    for table, field in tables.items():
        places = (first._replace(table=table), second._replace(table=table))
        edits |= _copies(domain, *(place for place in places if (place.table, place.key) not in edits))
        a, b = (in_place(edits[place.table, place.key], place.path) for place in places)
        if not _swap(domain, a, b, field, is_part=first.is_part):
            return
    yield edits


def _key_field(rows: Mapping[str, Any], one: str, other: str) -> str | None:
    """The field in which two records of a table hold their own keys."""
    return next((name for name, value in rows[one].items() if value == one and rows[other].get(name) == other), None)


def _swap(domain: Domain, a: dict[str, Any], b: dict[str, Any], own: str, is_part: bool) -> bool:
    """Exchanges two records' fields but what names them; whether their ids leave them free to be exchanged."""
    if is_part and set(a) & _ids(domain) - {own}:
        return False  # the id of an item says which product it is of
    fixed = {name for name in {*a, *b} if name == own or _names(a, own, name) or _names(b, own, name)}
    if is_part and (set(a) != set(b) or any(a[name] != b[name] for name in fixed - {own})):
        return False  # the id of a gift card says that it is one
    left, right = ({name: v for name, v in side.items() if name not in fixed} for side in (a, b))
    for side, news in ((a, right), (b, left)):
        kept = {name: side[name] for name in side if name in fixed}
        side.clear()
        side.update(kept | news)
    return True


def doubled(domain: Domain, one: Shown, other: Shown) -> Iterator[Edits]:
    """A record that has all but what names it from another of its table: each as consistent as that one."""
    first, second = place_of(domain, one), place_of(domain, other)
    own = own_field(domain, one.kind)
    if first is None or second is None or first.path or second.path or not own or first.table != second.table:
        return
    edits = _copies(domain, first, second)
    a, b = edits[first.table, first.key], edits.pop((second.table, second.key))
    kept = {name: value for name, value in a.items() if name == own or _names(a, own, name)}
    if first.key != second.key and a != (news := {name: kept.get(name, value) for name, value in b.items()} | kept):
        edits[first.table, first.key] = news
        yield edits


def _replaced(domain: Domain, universe: Universe, one: Shown, field: str) -> Iterator[Edits]:
    """The record with another value in a field, of those that the customer's records hold for such a thing."""
    place = place_of(domain, one)
    for other in values_like(domain, universe, one.kind, field) if place is not None else ():
        if place is not None and other != one.record[field]:
            edits = _copies(domain, place)
            in_place(edits[place.table, place.key], place.path)[field] = thaw(other)
            yield edits


def set_at(domain: Domain, place: Place, path: str, value: Any) -> Edits | None:
    """The record in a place with another value at a path; ``None`` where it has none there: it is worked out."""
    edits = _copies(domain, place)
    *outer, last = path.split(".")
    record: Any = in_place(edits[place.table, place.key], place.path)
    for part in outer:
        record = record.get(part) if isinstance(record, dict) else None
    if not isinstance(record, dict) or last not in record:
        return None
    record[last] = value
    return edits


def _left_out(domain: Domain, one: Shown) -> Iterator[Edits]:
    """The record that holds this one without it."""
    place = place_of(domain, one)
    if place is None or not place.path or not isinstance(place.path[-1], int):
        return
    edits = _copies(domain, place)
    holder: Any = in_place(edits[place.table, place.key], place.path[:-1])
    if len(holder) > 1:
        del holder[place.path[-1]]
        yield edits


def _unlisted(domain: Domain, customer: str, one: Shown) -> Iterator[Edits]:
    """The customer without a record that their own lists: it is not theirs."""
    identity = one.record.get(own_field(domain, one.kind))
    for table, rows in domain.base.tables.items():
        if customer in rows:
            edits = {(table, customer): thaw(rows[customer])}
            if _taken_out(edits[table, customer], identity):
                yield edits


def _taken_out(holder: Any, identity: Any) -> bool:
    """Takes an id out of the first list in a record that holds it beside others; whether there was one."""
    if isinstance(holder, list) and identity in holder and len(holder) > 1:
        holder.remove(identity)
        return True
    inner = holder.values() if isinstance(holder, dict) else holder if isinstance(holder, list) else ()
    return any(_taken_out(value, identity) for value in inner if isinstance(value, dict | list))


def _names(record: Mapping[str, Any], own: str, name: str) -> bool:
    """Whether a field repeats a part of the record's id: the number of a flight in the id of one on a day."""
    value, identity = record.get(name), record.get(own)
    return isinstance(value, str) and isinstance(identity, str) and len(value) > 2 and value in identity


def _ids(domain: Domain) -> set[str]:
    """The fields that name records."""
    return {field for kinds in identities(domain).values() for field in kinds.values()}


def _copies(domain: Domain, *places: Place) -> Edits:
    return {(place.table, place.key): thaw(domain.base.tables[place.table][place.key]) for place in places}


def in_place(record: Any, path: Sequence[str | int]) -> Any:
    """What a place's path leads to, from the record of the table."""
    for part in path:
        record = record[part]
    return record


# -- where a record stands ---------------------------------------------------------------------------------------------
def place_of(domain: Domain, shown: Shown) -> Place | None:
    """Where the database holds a record that a look-up shows, or the one that it is a summary of."""
    chain = [shown]
    while chain[-1].inside is not None:
        chain.append(chain[-1].inside)
    outer = chain[-1]
    own = own_field(domain, outer.kind)
    key = outer.record.get(own) if own else None
    if not isinstance(key, str):
        return None
    for table, rows in domain.base.tables.items():
        record = rows.get(key)
        if record is not None and record.get(own, next(iter(record.values()), None)) == key:
            if outer is shown:
                return Place(table, key, ())
            path = _path_to(record, shown.record)
            return None if path is None else Place(table, key, path)
    return _in_document(domain, shown, outer, own, key)


def _in_document(domain: Domain, shown: Shown, outer: Shown, own: str, identity: str) -> Place | None:
    """Where the documents of a database hold a record, by its id."""
    for table in sorted(domain.documents):
        for key, document in domain.base.tables.get(table, {}).items():
            for path, held in islice(_records_in(document, ()), _MOST_LOOKED_AT):
                if held.get(own) != identity or not set(outer.record) <= set(held):
                    continue
                if outer is shown:
                    return Place(table, key, path, document=True)
                rest = _path_to(held, shown.record)
                return None if rest is None else Place(table, key, (*path, *rest))
    return None


def _records_in(holder: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
    """The records in a document, each with the way to it, outermost first."""
    if isinstance(holder, Mapping):
        yield path, holder
    inner = holder.items() if isinstance(holder, Mapping) else enumerate(holder)
    for step, value in inner:
        if isinstance(value, Mapping | list):
            yield from _records_in(value, (*path, step))


def _path_to(holder: Any, record: Mapping[str, Any]) -> tuple[str | int, ...] | None:
    """The way to an equal record inside another."""
    inner: Iterator[tuple[str | int, Any]]
    inner = iter(holder.items()) if isinstance(holder, Mapping) else iter(enumerate(holder))
    for step, value in inner:
        if isinstance(value, Mapping | list):
            if value == record:
                return (step,)
            rest = _path_to(value, record)
            if rest is not None:
                return (step, *rest)
    return None


def world_before(domain: Domain, before: Sequence[Call]) -> World:
    """The world after these errands."""
    if not before:
        return domain.world()
    key = domain, as_json(before)
    if key not in _BEFORE:
        world = domain.world()
        for call in before:
            domain.carry_out(world, call)
        if len(_BEFORE) >= _MOST_BEFORE:
            _BEFORE.clear()
        _BEFORE[key] = world
    return _BEFORE[key].fork()


#: Worlds after some errands, by domain and errands: making a task and proving it ask for the same ones again and again.
_BEFORE: dict[tuple[Domain, bytes], World] = {}
_MOST_BEFORE = 128
