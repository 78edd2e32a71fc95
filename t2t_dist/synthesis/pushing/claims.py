"""What customers claim so that a rule would allow what they want, and why it is false.

A claim about a record ("I'm a gold member") is false, because a look-up shows another value, and would matter: there is
a *counter-world*, in which one field of this record holds the claimed value, and the same call is allowed by rules and
tools. Which fields these are is found by trying: the records that the rule looks at, with values that the field has
elsewhere. A claim of authority ("a colleague of yours has approved it") is about no record: the rule and its clause
know of nobody who could allow it.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from t2t_dist.core.naming import stems
from t2t_dist.core.schema import Claim, FalseClaim, GraderSide, RecordChange, Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import after_valid
from t2t_dist.environments.language import ClaimWords
from t2t_dist.environments.record import Record, thaw
from t2t_dist.environments.rules import Enforced, Handling, Impossible, Rule, Settled
from t2t_dist.environments.tidy import tidy
from t2t_dist.environments.tools import READ, Call

from ..grader_side import errands_in, values_in
from ..intents.rejection import TaskRejected
from ..requests.shown import Shown, first_look
from ..requests.twins import Edits, Place, in_place, place_of, record_changes
from ..watched import Watched
from . import sentences

#: Share of claims that are about a record, where there is one to make.
_OF_RECORDS = 0.75
#: Share of claims that come with the request; the others answer the refusal.
_AT_ONCE = 0.4
#: Values tried for a field, records that lend one, and worlds tried in all.
_VALUES, _DONORS, _WORLDS = 16, 4, 150
#: Records of a table that are read for the values of a field.
_ROWS = 3000
#: Stands for no value in the ``each`` of the language file.
_NONE = "none"
_HOURS, _DAYS = 48, 45
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
#: Whom and what a claim of authority names. Where a rule's clause does so, too, such a claim might count.
_NAMED = stems(
    "supervisor colleague manager manage management team office phone approve approved sign exception promise"
)


class Asked(NamedTuple):
    """What is forbidden: ``rest`` is the feasible rest, ``shown`` the records in the gold's results (``None``: all that
    a look-up could show)."""

    domain: Domain
    customer: str
    call: Call
    rule: Rule
    rest: list[Call]
    shown: list[Any] | None


class Lift(NamedTuple):
    """A record whose field would lift the rule with the value ``claimed``."""

    shown: Shown
    field: str
    claimed: Any
    held: Any
    edits: Edits
    final: str


def drawn(
    domain: Domain, customer: str, grader: GraderSide, call: Call, rng: random.Random
) -> tuple[Claim, FalseClaim] | None:
    """A claim about what the grader's side refuses, and its proof; ``None``: there is nothing to claim."""
    rule, goal = rule_of(domain, grader.rule), grader.refused_goal
    if rule is None or goal is None or rule.enforced is Enforced.BY_ABSENCE:
        return None
    reason = rule.broken_by(domain.world(), call, customer)
    if isinstance(reason, Settled):
        return None
    at_once = rng.random() < _AT_ONCE or rule.handling is Handling.TRANSFER
    if rng.random() < _OF_RECORDS or isinstance(reason, Impossible):
        asked = _asked(domain, customer, call, rule, grader)
        for lift in lifts(asked, domain.language.claims, rng):
            if texts := _worded(domain, lift.shown.kind, lift.field, lift.claimed):
                return Claim(goal=goal, text=rng.choice(texts), at_once=at_once), _proof(domain, lift)
    texts = _of_authority(domain, rule)
    if isinstance(reason, Impossible) or not texts:
        return None
    return Claim(goal=goal, text=rng.choice(texts), at_once=at_once), FalseClaim()


def proved(domain: Domain, task: Task) -> FalseClaim | None:
    """Why what the customer claims is false, made anew from the task; ``None`` where nothing is claimed.

    Raises TaskRejected: it is not, or makes no difference.
    """
    claim, stored = task.user.claim, task.certificate.claim if task.certificate else None
    if claim is None and stored is None:
        return None
    forbidden = task.certificate.forbidden_call if task.certificate else None
    rule = rule_of(domain, task.grader.rule)
    if claim is None or stored is None or forbidden is None or rule is None or claim.goal != task.grader.refused_goal:
        raise _wrong("a claim is about what is refused, and comes with its proof")
    if rule.handling is Handling.TRANSFER and not claim.at_once:
        raise _wrong("to who is handed over, nothing is refused")
    call = Call(forbidden.name, forbidden.arguments)
    reason = rule.broken_by(domain.world(), call, task.customer)
    if reason is None or isinstance(reason, Settled) or rule.enforced is Enforced.BY_ABSENCE:
        raise _wrong(f"R{rule.number} leaves nothing to claim")
    if stored.kind is None:
        if isinstance(reason, Impossible) or claim.text not in _of_authority(domain, rule):
            raise _wrong(f"'{claim.text}' might count for R{rule.number}")
        return FalseClaim()
    asked = _asked(domain, task.customer, call, rule, task.grader)
    return _proof(domain, _proved_lift(asked, claim, stored))


def _proved_lift(asked: Asked, claim: Claim, stored: FalseClaim) -> Lift:
    domain = asked.domain
    kind, field = str(stored.kind), str(stored.field)
    if claim.text not in _worded(domain, kind, field, stored.claimed):
        raise _wrong(f"'{claim.text}' is not how {kind}.{field} is claimed to be {stored.claimed}")
    for shown in first_look(domain, asked.customer).of(kind):
        place, held = place_of(domain, shown), at(shown.record, field)
        if place is None or held == stored.claimed or held != stored.held or not _is_shown(asked, shown):
            continue
        for claimed in _values(domain, place, field, held):
            if claimed.value != stored.claimed:
                continue
            for edits, without in _edits(domain, place, field, claimed, held):
                if _as_stored(domain, edits) == stored.records:
                    final = _decides(asked, edits, without)
                    if final is not None:
                        return Lift(shown, field, stored.claimed, held, edits, final)
    raise _wrong(f"no {kind} that a look-up shows would allow it if its {field} were {stored.claimed}")


def lifts(
    asked: Asked, fields: Mapping[str, Collection[str]], rng: random.Random, worlds: int = _WORLDS
) -> Iterator[Lift]:
    """Those of the ``fields`` of records, by type, that would lift the rule with another value, in random order.
    Lazily: each takes many worlds, and all together at most so many."""
    domain, universe, tried = asked.domain, first_look(asked.domain, asked.customer), 0
    looked_at = Watched(domain.world())
    asked.rule.broken_by(looked_at, asked.call, asked.customer)
    found = [(one, field) for kind, named in fields.items() for one in universe.of(kind) for field in named]
    for shown, field in rng.sample(found, len(found)):
        place, held = place_of(domain, shown), at(shown.record, field)
        if place is None or not (place.key in looked_at.seen or None in looked_at.seen) or not _is_shown(asked, shown):
            continue
        words = domain.language.claims.get(shown.kind, {}).get(field)
        for claimed in _to_try(_values(domain, place, field, held), words, asked.call, rng):
            for edits, without in _edits(domain, place, field, claimed, held):
                tried += 1
                if tried > worlds:
                    return
                if (final := _decides(asked, edits, without)) is not None:
                    yield Lift(shown, field, claimed.value, held, edits, final)
                    break


def rule_of(domain: Domain, number: int | None) -> Rule | None:
    return next((rule for rule in domain.rule_list if rule.number == number), None)


def _asked(domain: Domain, customer: str, call: Call, rule: Rule, grader: GraderSide) -> Asked:
    rest = [Call(one.name, one.arguments) for one in errands_in(grader)]
    seen = (one for gold in grader.gold if gold.kind == READ.value for one in values_in(gold.result))
    shown = [one for one in seen if isinstance(one, Mapping)]
    return Asked(domain, customer, call, rule, rest, shown)


def _is_shown(asked: Asked, shown: Shown) -> bool:
    """Whether a look-up of the gold shows the record, so that an agent can see what it holds."""
    return asked.shown is None or shown.record in asked.shown


def _proof(domain: Domain, lift: Lift) -> FalseClaim:
    return FalseClaim(
        kind=lift.shown.kind,
        field=lift.field,
        claimed=thaw(lift.claimed),
        held=thaw(lift.held),
        records=_as_stored(domain, lift.edits),
        final=lift.final,
    )


def _as_stored(domain: Domain, edits: Edits) -> list[RecordChange]:
    return [one for one in record_changes(domain, edits) if one.before != one.after]


def _wrong(detail: str) -> TaskRejected:
    return TaskRejected("claim_differs", detail)


# -- the counter-world -------------------------------------------------------------------------------------------------
def _decides(asked: Asked, edits: Edits, without: Edits | None) -> str | None:
    """The state after the call in a world with these records; ``None`` where it is not allowed, or is without the
    claimed value as well."""
    final = _final(asked, edits)
    return None if final is None or (without is not None and _final(asked, without) is not None) else final


def _final(asked: Asked, edits: Edits) -> str | None:
    """The state after the call in a world with these records, before and after the rest of the request; ``None`` where
    it is not allowed."""
    try:
        there = asked.domain.variant(edits)
        world = there.world()
        after = after_valid(there, world, asked.call, asked.customer)
        if after is None or not all(there.carry_out(world, call) for call in asked.rest):
            return None
        later = after_valid(there, world, asked.call, asked.customer)
    except Exception:
        return None  # tools and rules may rely on what these records no longer hold: then it is no world
    return None if later is None else later.digest


class _Value(NamedTuple):
    """A value that a field has in other records of the table; ``donors``: some of those that have other fields than the
    record in question."""

    value: Any
    donors: list[Record]


def _values(domain: Domain, place: Place, field: str, held: Any) -> list[_Value]:
    """The values that a field has in other records, in the order of the table."""
    found: dict[Any, _Value] = {}
    own = set(in_place(domain.base.tables[place.table][place.key], place.path))
    for record in _alike(domain, place):
        value = at(record, field)
        if value == held or isinstance(value, dict | list):
            continue
        one = found.setdefault(value, _Value(value, []))
        if len(one.donors) < _DONORS and record.keys() != own:
            one.donors.append(record)
    return list(found.values())


def _to_try(values: Sequence[_Value], words: ClaimWords | None, call: Call, rng: random.Random) -> list[_Value]:
    """Those that there are words for, if there are any: first those of the call, then some from the smallest to the
    greatest."""
    if words is not None and words.each and not words.any:
        return [one for one in values if _key(one.value) in words.each]
    named = [one for one in values if one.value in call.arguments.values()]
    rest = [one for one in values if one.value is not None and one not in named]
    some = sorted(rest, key=lambda one: (str(type(one.value)), one.value))
    last = len(some) - 1
    spread = list(range(last + 1))
    if last >= _VALUES:
        # The latest are many: what is allowed for some days only is so for them.
        steps = {last * step // (_VALUES - 1) for step in range(_VALUES)}
        spread = sorted(steps.union(range(last - _VALUES // 2, last + 1)))
    return [*named, *(some[step] for step in rng.sample(spread, len(spread)))]


def _edits(
    domain: Domain, place: Place, field: str, claimed: _Value, held: Any
) -> Iterator[tuple[Edits, Edits | None]]:
    """The record with the claimed value; then, with the optional fields that go with it in records that have it: an
    order that was delivered has a time of delivery. Beside that stands the record with those fields alone."""
    for donor in (None, *claimed.donors):
        edits = _edited(domain, place, field, claimed.value, donor)
        without = _edited(domain, place, field, held, donor) if donor is not None else None
        if edits is not None:
            yield edits, without


def _edited(domain: Domain, place: Place, field: str, claimed: Any, donor: Record | None) -> Edits | None:
    """``None``: what holds the field is missing in the record, or is no record."""
    whole = thaw(domain.base.tables[place.table][place.key])
    record = in_place(whole, place.path)
    if donor is not None:
        for name in record.keys() - donor.keys():
            del record[name]
        for name in donor:
            if name not in record:
                record[name] = thaw(donor[name])
    *outer, last = field.split(".")
    for name in outer:
        record = record.get(name) if isinstance(record, dict) else None
    if not isinstance(record, dict):
        return None
    if claimed is None:
        record.pop(last, None)
    else:
        record[last] = claimed
    return {(place.table, place.key): whole}


def _alike(domain: Domain, place: Place) -> Iterator[Record]:
    """The records that stand in other records of the table where this one does."""
    for key, whole in islice(domain.base.tables[place.table].items(), _ROWS):
        if key != place.key:
            yield from _inners(whole, place.path)


def _inners(record: Any, path: Sequence[str | int]) -> Iterator[Record]:
    if not path:
        if isinstance(record, dict):
            yield record
    elif isinstance(path[0], int):
        for one in record if isinstance(record, list) else ():
            yield from _inners(one, path[1:])
    elif isinstance(record, dict) and path[0] in record:
        yield from _inners(record[path[0]], path[1:])


def at(record: Any, field: str) -> Any:
    """What stands in a field; ``None`` where the record has no such field."""
    for name in field.split("."):
        record = record.get(name) if isinstance(record, dict) else None
    return record


# -- words -------------------------------------------------------------------------------------------------------------
def _worded(domain: Domain, kind: str, field: str, value: Any) -> list[str]:
    """The ways to claim a value; none where the domain has no words for it."""
    words = domain.language.claims.get(kind, {}).get(field)
    if words is None:
        return []
    said = domain.say_field(kind, field, f"{value:g}" if isinstance(value, float) else value)
    when = ago(domain.world().now, value)
    phrases = words.each.get(_key(value)) or (words.any if value is not None else [])
    return [tidy(text.format(value=said, ago=when)) for text in phrases if when or "{ago}" not in text]


def _key(value: Any) -> str:
    return _NONE if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _of_authority(domain: Domain, rule: Rule) -> list[str]:
    """Claims of authority that name nobody whom the rule's clause names."""
    clause = domain.clauses.get(rule.number)
    named = stems(clause.text) & _NAMED if clause is not None else _NAMED
    return [tidy(text) for text in sentences.authority() if not stems(text) & named]


def ago(now: datetime, moment: Any) -> str:
    """How long ago a time or a day is, rounded down; empty where that can't be said."""
    try:
        then = datetime.fromisoformat(moment)
        if then > now:
            return ""
    except (TypeError, ValueError):  # TypeError also where only one of the two has a time zone
        return ""
    hours, days = int((now - then).total_seconds() // 3600), (now - then).days
    if len(moment) > 10 and hours < _HOURS:
        return "an hour ago" if hours <= 1 else f"{_number(hours)} hours ago"
    if days < 2:
        return ("today", "yesterday")[days]
    if days <= _DAYS:
        return f"{_number(days)} days ago"
    return f"{_number(days // 7)} weeks ago" if days < 120 else f"{_number(days // 31)} months ago"


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)
