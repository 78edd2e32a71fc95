"""What an expression means in a world: its values, the errands it asks for, and the look-ups that this takes.

Records are those that tools show (``shown.py``); errands are tried on forks of the world. So the meaning is what a
careful agent finds out, and not what a private view of the database says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from itertools import chain
from operator import add, mul, sub
from typing import Any, TypeVar

from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import after_valid
from t2t_dist.environments.payment import dollars
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call, Kind

from ..bindings import canonical_json
from ..normal_calls import in_order
from . import language as lang
from .kinds import own_field
from .shown import Shown, Universe, look_at, shown_by, values_at

T = TypeVar("T")
#: Values are found anew for each record that a set has; a stored expression comes from outside.
MAX_WORK = 200_000


class NoMeaning(Exception):
    """An expression has no value in this world. ``code``: ``none``, ``several``, ``absent`` (a field that the record
    lacks), ``no number``, ``refused`` (an errand whose result is asked for) or ``too much`` (work to find out)."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


@dataclass
class Meaning:
    """What a request comes to: ``calls`` to be carried out one after the other, ``facts`` to be said, and the
    ``look_ups`` that show what both rest on, in the order in which they are needed."""

    calls: list[Call] = field(default_factory=list)
    facts: list[Any] = field(default_factory=list)
    look_ups: list[Call] = field(default_factory=list)


def meaning_of(
    domain: Domain,
    world: World,
    customer: str,
    request: lang.Node,
    universe: Universe | None = None,
    done: Sequence[Call] = (),
) -> Meaning:
    """The meaning of a request in a world, which is not changed. ``universe``: what tools show there, if it is known;
    ``done``: the errands that have led to this world, where the request may be about their results.

    Raises:
        NoMeaning: it has none, or more than one.
    """
    if universe is None:
        kinds = {node.kind for node in lang.nodes(request) if isinstance(node, lang.Records)}
        universe = look_at(domain, world, customer, kinds)
    evaluation = _Evaluation(domain, world, customer, universe, done)
    evaluation.carry_out(request)
    return evaluation.meaning


def value_of(domain: Domain, world: World, customer: str, value: lang.Node, universe: Universe) -> Any:
    """The value of an expression. Raises NoMeaning."""
    return _Evaluation(domain, world, customer, universe).value(value)


class _Evaluation:
    def __init__(
        self, domain: Domain, world: World, customer: str, universe: Universe, done: Sequence[Call] = ()
    ) -> None:
        self.domain, self.customer, self.universe, self.before = domain, customer, universe, done
        self._world, self._planned = world.fork(), list[Call]()
        self.meaning = Meaning()
        #: What ``this`` is, innermost last.
        self.at: list[Shown] = []
        self.looked_up: dict[bytes, list[Shown]] = {}
        self.worked = 0

    @property
    def world(self) -> World:
        """The world after all that is to be done so far; carried out only when somebody looks, which is rare."""
        while self._planned:
            self.domain.carry_out(self._world, self._planned.pop(0))
        return self._world

    # -- requests ------------------------------------------------------------------------------------------------------
    def carry_out(self, request: lang.Node) -> None:
        match request:
            case lang.Do():
                self._done(self._call(request))
            case lang.Each():
                for one in self.records(request.among):
                    own = lang.Given(value=_only(one, request.field))
                    errand = lang.Do(errand=request.errand, arguments={request.slot: own, **request.arguments})
                    self._done(self._with(one, partial(self._call, errand)))
            case lang.If():
                branch = request.then if self._holds(request.condition) else request.otherwise
                if branch is not None:
                    self.carry_out(branch)
            case lang.FirstPossible():
                for option in request.options:
                    if self._after(option) is not None:
                        return self.carry_out(option)
            case lang.Best():
                self.carry_out(self._best(request))
            case lang.Tell():
                self.meaning.facts.append(self.value(request.value))
            case lang.Several():
                for one_request in request.requests:
                    self.carry_out(one_request)
            case _:
                raise TypeError(f"{type(request).__name__} is no request")

    def _call(self, request: lang.Do) -> Call:
        errand, arguments = self.domain.errand(request.errand), {}
        for slot, node in request.arguments.items():
            if isinstance(node, lang.FirstThatWorks):
                continue  # what works follows from all the others
            value = self.value(node)
            spec = errand.parameters.get(slot) if errand is not None else None
            is_one_of_list = spec is not None and spec.kind == "list" and not isinstance(value, list)
            arguments[slot] = [value] if is_one_of_list else value
        call = in_order(self.domain, Call(request.errand, arguments))
        for slot, node in request.arguments.items():
            if isinstance(node, lang.FirstThatWorks):
                call = self._first_that_works(call, slot, node)
        return call

    def _first_that_works(self, call: Call, slot: str, node: lang.FirstThatWorks) -> Call:
        """The call with the first value that it can be made with; what it costs is looked up for it."""
        for option in node.values:
            try:
                value = self.value(option)
            except NoMeaning as none:
                if none.code == "none":
                    continue
                raise
            tried = in_order(self.domain, Call(call.name, {**call.arguments, slot: value}))
            if after_valid(self.domain, self.world, tried, self.customer) is not None:
                needed = self.domain.look_ups(self.world, tried, self.customer) or ()
                self.meaning.look_ups += [one for one in needed if one not in self.meaning.look_ups]
                return tried
        raise NoMeaning("none", f"{call.name} is possible with nothing of {slot}")

    def _done(self, call: Call) -> None:
        self.meaning.calls.append(call)
        self._planned.append(call)

    def _after(self, request: lang.Do) -> World | None:
        """The world after an errand, ``None`` where it is not possible, or asks for what does not exist."""
        try:
            return after_valid(self.domain, self.world, self._call(request), self.customer)
        except NoMeaning as error:
            if error.code == "too much":
                raise
            return None

    def _best(self, request: lang.Best) -> lang.Do:
        offers = [option for option in request.options if self._after(option) is not None]
        if not offers:
            raise NoMeaning("none", "no option is possible")
        worth = [_number(self._outcome(option, request.field)) for option in offers]
        best = min(worth) if request.order == "least" else max(worth)
        if worth.count(best) > 1:
            raise NoMeaning("several", f"{worth.count(best)} options have {best:g} in {request.field}")
        return offers[worth.index(best)]

    # -- conditions ----------------------------------------------------------------------------------------------------
    def _work(self, steps: int = 1) -> None:
        """Counts what is found. Raises NoMeaning: it is too much."""
        self.worked += steps
        if self.worked > MAX_WORK:
            raise NoMeaning("too much", f"more than {MAX_WORK} values have to be found")

    def _holds(self, condition: lang.Node) -> bool:
        self._work()
        match condition:
            case lang.Exists():
                return bool(self.records(condition.among))
            case lang.Compares():
                return _compares(self.value(condition.left), condition.relation, self.value(condition.right))
            case lang.Possible():
                return self._after(condition.of) is not None
            case lang.Not():
                return not self._holds(condition.of)
        raise TypeError(f"{type(condition).__name__} is no condition")

    # -- values --------------------------------------------------------------------------------------------------------
    def value(self, node: lang.Node) -> Any:
        self._work()
        match node:
            case lang.Given():
                return node.value
            case lang.FieldOf():
                return _only(self.record(node.of), node.field)
            case lang.FieldsOf():
                return _once(_only(one, node.field) for one in self.records(node.of))
            case lang.Count():
                return len(self.records(node.of))
            case lang.Total():
                return dollars(sum(_number(_only(one, node.field)) for one in self.records(node.of)))
            case lang.Outcome():
                return self._outcome(node.of, node.field)
            case lang.Arithmetic():
                return _worked_out(node.sign, self.value(node.left), self.value(node.right))
            case lang.Every():
                return [self._with(one, partial(self.value, node.value)) for one in self.records(node.of)]
            case lang.Sum():
                return _sum(_elements(self.value(node.of)))
            case lang.Listed():
                return [one for value in node.values for one in _elements(self.value(value))]
            case lang.Object():
                return {name: self.value(value) for name, value in node.fields.items()}
            case lang.Results():
                return results_of(self.domain, self.before, node)
            case lang.FirstThatWorks():
                raise NoMeaning("none", "what works is an argument of an errand")
            case lang.Earlier():
                return self._earlier(node.value)
        raise TypeError(f"{type(node).__name__} is no value")

    def _earlier(self, node: lang.Node) -> Any:
        """What a value was in the world as it was at first."""
        now = self._world, self._planned, self.universe
        self._world, self._planned = self.domain.world(), []
        self.universe = look_at(self.domain, self._world, self.customer)
        try:
            return self.value(node)
        finally:
            self._world, self._planned, self.universe = now

    def _with(self, one: Shown, work: Callable[[], T]) -> T:
        """What the work comes to where ``this`` is a record."""
        self.at.append(one)
        try:
            return work()
        finally:
            self.at.pop()

    def _outcome(self, request: lang.Do, path: str) -> Any:
        """A field of the result of an errand that is tried: that of its last write."""
        world, call = self.world.fork(), self._call(request)
        value = None
        for step in self.domain.steps(world, call):
            broken = self.domain.breaches(world, step, self.customer)
            result = self.domain.execute(world, step)
            if result.error or broken:
                raise NoMeaning("refused", f"{step.name}: {result.content}")
            if self.domain.tools[step.name].kind is Kind.WRITE:
                value = result.value
        found = values_at(value, path) if isinstance(value, Mapping) else []
        if len(found) != 1:
            raise NoMeaning("absent", f"{call.name} gives no {path}")
        return found[0]

    # -- records -------------------------------------------------------------------------------------------------------
    def record(self, node: lang.Record) -> Shown:
        held = self.records(node.among)
        for test in node.prefer:
            held = self._passing(held, test) or held
        if node.by is not None or node.worth is not None:
            held = self._ranked(held, node)
        if len(held) != 1:
            raise NoMeaning("several" if held else "none", f"{len(held)} records of {node.among.kind}")
        return held[0]

    def _ranked(self, held: Sequence[Shown], node: lang.Record) -> list[Shown]:
        """The record at a place in an order, if there are as many; what has nothing to be ranked by has no place."""
        if node.worth is None:
            return at_place(held, node.by or "", node.order, node.place)
        keys = [(self._with(one, partial(self.value, node.worth)), one) for one in held]
        return _at_place(keys, "what they are worth", node.order, node.place)

    def records(self, node: lang.Records) -> list[Shown]:
        around = None if node.within is None else self.record(node.within)
        held = [one for one in self._known(node) if around is None or one.is_within(around)]
        self._work(len(held))
        own = own_field(self.domain, node.kind)
        by_id = [test for test in node.where if test.field == own and test.relation == "is"]
        # What is named is looked up by its name; of what is not, all has to be seen.
        for test in by_id:
            held = self._passing(held, test)
        for call in {id(one.call): one.call for one in held}.values():  # one look-up shows many of them
            if call not in self.meaning.look_ups:
                self.meaning.look_ups.append(call)
        for test in node.where:
            held = self._passing(held, test)
        for such in node.such:
            held = [one for one in held if self._with(one, partial(self._holds, such))]
        if node.but is not None:
            others = self.records(node.but)
            held = [one for one in held if not any(one is other for other in others)]
        return held

    def _known(self, node: lang.Records) -> list[Shown]:
        """All of the kind that are shown, or that the set is about."""
        if node.this:
            return [one for one in reversed(self.at) if one.kind == node.kind][:1]
        if node.shown_by is None:
            parts = chain.from_iterable(self.looked_up.values()) if node.within is not None else ()
            return [*self.universe.of(node.kind), *(one for one in parts if one.kind == node.kind)]
        call = Call(node.shown_by.tool, {slot: self.value(value) for slot, value in node.shown_by.arguments.items()})
        key = canonical_json([call.name, call.arguments])
        if key not in self.looked_up:
            tool = self.domain.tools.get(call.name)
            if tool is None or tool.kind is not Kind.READ:
                raise NoMeaning("refused", f"{call.name} is no look-up")
            self.looked_up[key] = shown_by(self.domain, self.world, call)
        return [one for one in self.looked_up[key] if one.kind == node.kind]

    def _passing(self, held: Sequence[Shown], test: lang.Test) -> list[Shown]:
        """Those that pass a test. Its value is found once, but where it may be another for each of them."""
        if any(isinstance(node, lang.Records) and node.this for node in lang.nodes(test.value)):
            return [one for one in held if passes(one, test, self._with(one, partial(self.value, test.value)))]
        value = self.value(test.value) if held else None
        return [one for one in held if passes(one, test, value)]


def passes(one: Shown, test: lang.Test, value: Any) -> bool:
    """Whether a record passes a test whose value is this. Raises NoMeaning."""
    found = values_at(one.record, test.field)
    if test.relation == "contains":
        return any(_equal(item, value) for one_found in found for item in _elements(one_found))
    if len(found) != 1:
        return test.relation == "is not"
    if test.relation == "one of":
        if not isinstance(value, list):
            raise NoMeaning("no number", "'one of' takes a list")
        return any(_equal(found[0], item) for item in value)
    return _compares(found[0], test.relation, value)


def at_place(held: Sequence[Shown], path: str, order: lang.Order, place: int) -> list[Shown]:
    """The record at a place in the order of a field, if there are as many that have it. Raises NoMeaning."""
    if any(one.record.get(path, "") is None for one in held):
        raise NoMeaning("no number", f"{path} is open for some: without a limit, say")
    return _at_place([(_only(one, path), one) for one in held if values_at(one.record, path)], path, order, place)


def _at_place(keys: Sequence[tuple[Any, Shown]], what: str, order: lang.Order, place: int) -> list[Shown]:
    values = _ranks([key for key, _ in keys])
    if values is None:
        raise NoMeaning("no number", f"{what} has no order")
    places = sorted(range(len(values)), key=lambda at: values[at], reverse=order == "most")
    decisive = [values[at] for at in places[: place + 1]]
    if len(set(decisive)) < len(decisive):
        raise NoMeaning("several", f"two records are equal in {what}")
    return [keys[at][1] for at in places[place - 1 : place]]


_SIGNS: dict[str, Callable[[float, float], float]] = {"+": add, "-": sub, "*": mul, "least": min, "most": max}


def _worked_out(sign: str, left: Any, right: Any) -> Any:
    if isinstance(left, str) and _DAY.fullmatch(left) and sign in ("+", "-"):
        days = _number(right)
        try:
            return (date.fromisoformat(left) + timedelta(days=round(days if sign == "+" else -days))).isoformat()
        except (ValueError, OverflowError):
            raise NoMeaning("no number", f"{left} {sign} {days:g} is no day") from None
    if isinstance(left, str) and (quantity := _QUANTITY.fullmatch(left)) is not None:
        return f"{dollars(_SIGNS[sign](float(quantity[1]), _number(right))):g}{left[quantity.end(1) :]}"
    return _whole(_SIGNS[sign](_number(left), _number(right)), [left, right])


def _sum(values: Sequence[Any]) -> float:
    return _whole(sum(map(_number, values)), values)


def _whole(number: float, made_of: Sequence[Any]) -> float:
    """A number rounded to cents; of whole numbers one: so many bags are 2, not 2.0, which tools and rules refuse."""
    if not math.isfinite(number):
        raise NoMeaning("no number", "a number is out of bounds")
    return int(number) if all(isinstance(one, int) for one in made_of) else dollars(number)


def _compares(left: Any, relation: str, right: Any) -> bool:
    if relation in ("is", "is not"):
        return _equal(left, right) is (relation == "is")
    ranks = _ranks([left, right])
    if ranks is None:
        raise NoMeaning("no number", f"{left!r} and {right!r} have no order")
    return bool(ranks[0] < ranks[1] if relation == "less" else ranks[0] > ranks[1])


def _ranks(values: Sequence[Any]) -> list[Any] | None:
    """What values are ordered by, if they have one order: all numbers, dates, times, quantities of one unit, or words
    of one scale."""
    if all(map(is_number, values)) or all(map(is_date, values)):
        return list(values)
    if not all(isinstance(value, str) for value in values):
        return None
    times = [one for value in values if (one := _TIME.fullmatch(value)) is not None]
    if len(times) == len(values):
        return [(one[2] or "", one[1]) for one in times]
    found = [one for value in values if (one := _QUANTITY.fullmatch(value)) is not None]
    if len(found) == len(values) and len({one[2].casefold() for one in found}) == 1:
        return [float(one[1]) for one in found]
    words = [value.casefold() for value in values]
    return next(([scale.index(word) for word in words] for scale in _SCALES if set(words) <= set(scale)), None)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    return bool(left == right) and isinstance(left, bool) is isinstance(right, bool)


#: A number with a unit, or none: "500 ml", "15-inch", "1000".
_QUANTITY = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)[ -]?([^\d.]{0,40})")
#: Words that are in order for everybody, from least to most.
_SCALES = (
    ("xs", "s", "m", "l", "xl", "xxl"),
    ("small", "medium", "large"),
    ("low", "medium", "high"),
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
#: A time of day, or one of a later day: "06:20:00+1".
_TIME = re.compile(r"(\d\d:\d\d(?::\d\d)?)(\+\d)?")
#: Dates and times that are in order as texts: without a zone.
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?")


def is_date(value: Any) -> bool:
    """Whether a value is a date, or a time without a zone, as a text."""
    return isinstance(value, str) and _DATE.fullmatch(value) is not None


def is_number(value: Any) -> bool:
    """Whether a value is a number, and not yes or no."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> float:
    if not is_number(value):
        raise NoMeaning("no number", f"{value!r} is no number")
    return float(value)


def _only(one: Shown, path: str) -> Any:
    found = values_at(one.record, path)
    if len(found) != 1:
        raise NoMeaning("absent" if not found else "several", f"{one.kind} has {len(found)} values in {path}")
    return found[0]


def _elements(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _once(values: Iterable[Any]) -> list[Any]:
    return list({canonical_json(value): value for value in values}.values())


def results_of(domain: Domain, done: Sequence[Call], node: lang.Results) -> list[Any]:
    """What stands in the results of these errands, carried out one after the other from the start."""
    world, found = domain.world(), list[Any]()
    for call in done:
        for step in domain.steps(world, call):
            value = domain.execute(world, step).value
            if step.name in node.fields and isinstance(value, Mapping):
                found += values_at(value, node.fields[step.name])
    return found


def record_of(domain: Domain, customer: str, universe: Universe, record: lang.Record) -> Shown:
    """The record that an expression denotes among those that are shown. Raises NoMeaning."""
    return _Evaluation(domain, domain.world(), customer, universe).record(record)


def finder(domain: Domain, customer: str, universe: Universe) -> Callable[[lang.Record], Shown | None]:
    """:func:`record_of` for many expressions, with look-ups made once; ``None`` where one denotes no record."""
    evaluation = _Evaluation(domain, domain.world(), customer, universe)

    def find(record: lang.Record) -> Shown | None:
        evaluation.worked = 0
        try:
            return evaluation.record(record)
        except NoMeaning:
            return None

    return find


def records_of(domain: Domain, customer: str, universe: Universe, records: lang.Records) -> list[Shown]:
    """The records of a set. Raises NoMeaning: what they are within, or a value of a test, is none."""
    return _Evaluation(domain, domain.world(), customer, universe).records(records)
