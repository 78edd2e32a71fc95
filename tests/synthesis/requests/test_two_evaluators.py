"""What expressions mean: two evaluators, written apart, agree on what is drawn at random from what tools show."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from t2t_dist.environments.base import Domain
from t2t_dist.environments.registry import load
from t2t_dist.environments.tools import Call, Kind
from t2t_dist.synthesis.bindings import canonical_json
from t2t_dist.synthesis.grader_side import errands_in
from t2t_dist.synthesis.normal_calls import in_order
from t2t_dist.synthesis.requests import language as lang
from t2t_dist.synthesis.requests.evaluate import NoMeaning, meaning_of
from t2t_dist.synthesis.requests.shown import first_look
from tests.support.by_hand import ByHand, Unclear
from tests.support.made import make


class Drawn:
    """Expressions over one customer's records, from a seed: kinds, fields, values and errands are the world's."""

    def __init__(self, hand: ByHand, calls: list[Call], rng: random.Random) -> None:
        self.hand, self.calls, self.rng = hand, calls, rng
        shown = first_look(hand.domain, hand.customer).by_kind  # the other looks at more: at what says nothing new
        alike = Counter(frozenset(shape.__annotations__) for shape in hand.types.values())  # seats and prices by cabin
        told_apart = [kind for kind, shape in hand.types.items() if alike[frozenset(shape.__annotations__)] == 1]
        self.records_of = {kind: held for kind in sorted(shown) if kind in told_apart and (held := hand.records(kind))}
        self.kinds = sorted(self.records_of)

    def kind(self) -> str:
        return self.rng.choice(self.kinds)

    def field(self, kind: str, number: bool = False) -> str:
        paths = dict(_paths(self.rng.choice(self.records_of[kind])[0]))
        numbers = [path for path, one in paths.items() if isinstance(one, int | float) and not isinstance(one, bool)]
        return self.rng.choice(numbers if number and numbers else sorted(paths) or ["nothing"])

    def test(self, kind: str, deep: int) -> lang.Test:
        field = self.field(kind)
        seen = [one for record, _ in self.records_of[kind] for path, one in _paths(record) if path == field]
        value = self.rng.choice(seen or [0])
        relation = self.rng.choice(["is", "is", "is not", "contains", "less", "more", "one of"])
        given: Any = lang.Given(value=self.rng.sample(seen, min(2, len(seen))) if relation == "one of" else value)
        if deep and self.rng.random() < 0.3:
            given = lang.FieldOf(of=self.record(kind, deep - 1), field=field)
        if self.rng.random() < 0.15:
            given = lang.FieldOf(of=lang.Record(among=lang.Records(kind=kind, this=True)), field=self.field(kind))
        return lang.Test(field=field, relation=relation, value=given)

    def records(self, kind: str, deep: int) -> lang.Records:
        around = self.rng.choice(self.records_of[kind])[1]
        holders = [name for name in self.kinds if any(self.hand._is_a(one, name) for one in around)]
        return lang.Records(
            kind=kind,
            where=tuple(self.test(kind, deep) for _ in range(self.rng.choice([0, 0, 1, 1, 2]))),
            within=self.record(self.rng.choice(holders), deep - 1) if deep and holders and self.chance(0.5) else None,
            such=(self.condition(deep - 1),) if deep and self.chance(0.15) else (),
            but=self.records(kind, deep - 1) if deep and self.chance(0.2) else None,
        )

    def record(self, kind: str, deep: int) -> lang.Record:
        rank: dict[str, Any] = {}
        if self.chance(0.6):
            rank = {"by": self.field(kind, number=self.chance(0.7)), "place": self.rng.choice([1, 1, 2, 3])}
        elif self.chance(0.3):
            rank = {"worth": self.value(max(0, deep - 1), number=True)}
        if self.chance(0.3):
            rank["prefer"] = tuple(self.test(kind, 0) for _ in range(2))
        return lang.Record(among=self.records(kind, deep), order=self.rng.choice(["most", "least"]), **rank)

    def value(self, deep: int, number: bool = False) -> Any:
        kind = self.kind()
        if not deep:
            return lang.Given(value=self.rng.choice([0, 1, 2.5, 100]))
        drawn = self.rng.choice(["field", "count", "total", "arithmetic", "sum", "outcome", "fields", "every", "list"])
        if number and drawn in ("fields", "every", "list"):
            drawn = "field"
        match drawn:
            case "field":
                return lang.FieldOf(of=self.record(kind, deep - 1), field=self.field(kind, number))
            case "count":
                return lang.Count(of=self.records(kind, deep - 1))
            case "total":
                return lang.Total(of=self.records(kind, deep - 1), field=self.field(kind, number=True))
            case "outcome":
                call = self.call()
                return lang.Outcome(of=lang.as_given(call.name, call.arguments), field=self.outcome(call))
            case "arithmetic":
                sign: Any = self.rng.choice(["+", "-", "*", "least", "most"])
                return lang.Arithmetic(sign=sign, left=self.value(deep - 1, True), right=self.value(deep - 1, True))
            case "sum":
                return lang.Sum(of=self.every(kind, deep, number=True))
            case "fields":
                return lang.FieldsOf(of=self.records(kind, deep - 1), field=self.field(kind))
            case "every":
                return self.every(kind, deep)
        return lang.Listed(values=(self.value(deep - 1), lang.Object(fields={"it": self.value(deep - 1)})))

    def every(self, kind: str, deep: int, number: bool = False) -> lang.Every:
        this = lang.Record(among=lang.Records(kind=kind, this=True))
        return lang.Every(of=self.records(kind, deep - 1), value=lang.FieldOf(of=this, field=self.field(kind, number)))

    def condition(self, deep: int) -> Any:
        drawn = self.rng.random()
        if drawn < 0.25:
            return lang.Exists(among=self.records(self.kind(), deep))
        if drawn < 0.4:
            return lang.Not(of=self.condition(deep))
        if drawn < 0.6:
            return lang.Possible(of=self.errand())
        relation: Any = self.rng.choice(["is", "is not", "less", "more"])
        return lang.Compares(left=self.value(deep, True), relation=relation, right=self.value(deep, True))

    def call(self) -> Call:
        return self.rng.choice(self.calls)

    def outcome(self, call: Call) -> str:
        """A field of what an errand gives, if it can be carried out."""
        tried = self.hand.tried(lang.stored(lang.as_given(call.name, call.arguments)))
        paths = dict(_paths(tried[0])) if tried and isinstance(tried[0], dict) else {}
        return self.rng.choice(sorted(paths) or ["nothing"])

    def errand(self) -> lang.Do:
        """One that somebody asks for; at times, an argument is a record's."""
        call = self.call()
        do = lang.as_given(call.name, call.arguments)
        kind = self.kind()
        own = [slot for slot in sorted(call.arguments) if slot in self.records_of[kind][0][0]]
        if own and self.chance(0.5):
            found = lang.FieldOf(of=self.record(kind, 1), field=own[0])
            do = do.model_copy(update={"arguments": do.arguments | {own[0]: found}})
        return do

    def request(self, deep: int = 2) -> Any:
        drawn = self.rng.choice(["tell", "tell", "do", "each", "if", "first possible", "best", "several"])
        match drawn:
            case "tell":
                return lang.Tell(value=self.value(deep))
            case "each":
                call, kind = self.call(), self.kind()
                slot = next((one for one in call.arguments if any(one in r for r, _ in self.records_of[kind])), None)
                if slot is not None:
                    rest = {name: lang.Given(value=one) for name, one in call.arguments.items() if name != slot}
                    among = self.records(kind, deep)
                    return lang.Each(among=among, field=slot, slot=slot, errand=call.name, arguments=rest)
            case "if" if deep:
                other = self.request(deep - 1) if self.chance(0.5) else None
                return lang.If(condition=self.condition(deep - 1), then=self.request(deep - 1), otherwise=other)
            case "first possible":
                return lang.FirstPossible(options=(self.errand(), self.errand(), self.errand()))
            case "best":
                field, order = self.outcome(self.call()), self.rng.choice(["least", "most"])
                return lang.Best(options=(self.errand(), self.errand()), field=field, order=order)
            case "several" if deep:
                return lang.Several(requests=(self.request(deep - 1), self.request(deep - 1)))
        return self.errand()

    def chance(self, share: float) -> bool:
        return self.rng.random() < share


def _paths(record: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """The paths of a record's scalars, and of the first elements of its lists."""
    found: list[tuple[str, Any]] = []
    for name, one in sorted(record.items()):
        if isinstance(one, Mapping):
            found += _paths(one, f"{before}{name}.")
        elif isinstance(one, list):
            found += (
                _paths(one[0], f"{before}{name}.") if one and isinstance(one[0], Mapping) else [(before + name, one)]
            )
        elif one is not None:
            found.append((before + name, one))
    return found


def same(domain: Domain, hand: ByHand, customer: str, request: Any) -> tuple[bool, str, Any]:
    """Whether both find the same, and what that is: ``none`` (no meaning), ``calls``, ``facts`` or ``nothing``."""
    stored = lang.stored(request)
    mine: Any
    other: Any
    try:
        meaning = meaning_of(domain, domain.world(), customer, lang.read(stored))
        mine = [[_plain(domain, call) for call in meaning.calls], meaning.facts]
    except NoMeaning:
        mine = None
    try:
        calls, facts = hand.meaning(stored)
        other = [[_plain(domain, call) for call in calls], facts]
    except Unclear:
        other = None
    kind = "none" if mine is None else "calls" if mine[0] else "facts" if mine[1] else "nothing"
    return _near(mine, other), kind, (mine, other)


def _plain(domain: Domain, call: Call) -> list[Any]:
    call = in_order(domain, call)
    return [call.name, call.arguments]


def _near(left: Any, right: Any) -> bool:
    """Equal: sums to a cent, sets in any order."""
    if isinstance(left, list) and isinstance(right, list):
        left, right = sorted(left, key=canonical_json), sorted(right, key=canonical_json)
        return len(left) == len(right) and all(map(_near, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_near(left[key], right[key]) for key in left)
    if isinstance(left, int | float) and isinstance(right, int | float):
        return bool(left == pytest.approx(right, abs=0.011))
    return bool(left == right)


@pytest.mark.parametrize("name", ["retail", "airline", "telecom"])
def test_two_evaluators_agree_on_requests_drawn_at_random(name: str) -> None:
    domain = load(name)
    made = make(domain, 30)
    calls: dict[str, list[Call]] = {}
    for task in made.verified():
        calls.setdefault(task.customer, []).extend(Call(c.name, c.arguments) for c in errands_in(task.grader))
    found: Counter[str] = Counter()
    nodes: Counter[str] = Counter()
    for customer in sorted(calls)[:6]:
        hand = ByHand(domain, domain.world(), customer)
        others = [call for other in sorted(calls) if other != customer for call in calls[other]][:4]
        drawn = Drawn(hand, [*calls[customer], *others], random.Random(f"{name} {customer}"))
        for _ in range(50):
            request = drawn.request()
            agree, kind, both = same(domain, hand, customer, request)
            assert agree, (customer, lang.stored(request), both)
            found[kind] += 1
            if kind != "none":
                nodes.update({type(node).__name__ for node in lang.nodes(request)})
    assert min(found["calls"], found["facts"], found["none"]) >= 20, found
    wanted = {
        "Each",
        "FirstPossible",
        "Best",
        "Several",
        "If",
        "Exists",
        "Possible",
        "Not",
        "Arithmetic",
        "Every",
        "Sum",
    }
    assert wanted <= set(nodes), wanted - set(nodes)


def test_tools_that_write_are_no_look_ups() -> None:
    domain = load("retail")
    customer = domain.customers(domain.base)[0]
    (write, *_) = [tool.name for tool in domain.of_kind(Kind.WRITE)]
    records = lang.Records(kind="Order", shown_by=lang.LookUp(tool=write))
    with pytest.raises(NoMeaning, match="refused"):
        meaning_of(domain, domain.world(), customer, lang.Tell(value=lang.Count(of=records)))
