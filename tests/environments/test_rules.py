"""Numbered rules are read from policy texts, and a rule's proposals are checked before they are given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.environments.rules import (
    Afterwards,
    Before,
    Clause,
    Enforced,
    Handling,
    Made,
    OneAtATime,
    Order,
    clauses,
    rule,
)
from t2t_dist.environments.state import Base, World
from t2t_dist.environments.tools import Call


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        ("R1. One.\n\nR2. Two.", {1: "One.", 2: "Two."}),
        ("R1. One.\nR2. Two.\nR3. Three.", {1: "One.", 2: "Two.", 3: "Three."}),
        ("R1. Over\n  two\nlines.\n\nNo rule.\n\nR2. Two.", {1: "Over two lines.", 2: "Two."}),
        ("- R1. One.\n* R2. Two.", {1: "One.", 2: "Two."}),
        ("**R1.** One.\n**R2**. Two.", {1: "One.", 2: "Two."}),
        ("- **R12.** Twelve.", {12: "Twelve."}),
        ("# Policy\nR1. One.\n## More\nR2. Two.", {1: "One.", 2: "Two."}),
        ("R1. See R2. It says more.\n\nR2. More.", {1: "See R2. It says more.", 2: "More."}),
        ("R1. Blank line \n \t\nno longer the rule", {1: "Blank line"}),
        ("R1. First.\n\nR1. Again.", {1: "Again."}),
        ("R1.\nR2. Two.", {2: "Two."}),
        ("R1.   \nR2. Two.", {2: "Two."}),
        ("  R1. Indented.\n\nRule 2. No.\n\nR3 No.\n\nXR4. No.", {}),
        ("", {}),
    ],
)
def test_clauses(policy: str, found: dict[int, str]) -> None:
    assert clauses(policy) == {number: Clause(number, text) for number, text in found.items()}


words = st.text(alphabet="abcdefg ,'$", min_size=1).map(lambda text: " ".join(text.split())).filter(bool)


@given(st.dictionaries(st.integers(0, 999), words, max_size=6), st.sampled_from(["\n", "\n\n", "\n\n## Part\n\n"]))
def test_a_policy_made_of_clauses_gives_them_back(texts: dict[int, str], between: str) -> None:
    policy = between.join(f"R{number}. {text}" for number, text in texts.items())
    assert clauses(policy) == {number: Clause(number, text) for number, text in texts.items()}


@rule(3, "spend", "waste", enforced=Enforced.BY_POLICY, handling=Handling.TRANSFER)
def not_above_ten(world: World, call: Call, customer: str) -> str | None:
    """Nobody spends more than ten."""
    return f"{customer} has spent enough" if call.arguments["amount"] > 10 else None


@not_above_ten.proposes
def _(world: World, customer: str) -> Iterator[Call]:
    for amount in (5, 11, 10, 20):
        yield Call("spend", {"amount": amount})
    yield Call("save", {"amount": 100})


WORLD = Base({}, "2026-01-01T00:00:00").world()


def test_a_rule_holds_for_its_tools_only() -> None:
    assert not_above_ten.broken_by(WORLD, Call("spend", {"amount": 11}), "Ada") == "Ada has spent enough"
    assert not_above_ten.broken_by(WORLD, Call("waste", {"amount": 11}), "Ada") == "Ada has spent enough"
    assert not_above_ten.broken_by(WORLD, Call("spend", {"amount": 10}), "Ada") is None
    assert not_above_ten.broken_by(WORLD, Call("save", {"amount": 11}), "Ada") is None


def test_only_calls_that_break_the_rule_are_proposed() -> None:
    assert [call.arguments["amount"] for call in not_above_ten.proposals(WORLD, "Ada")] == [11, 20]


def test_a_rule_without_proposals_gives_none() -> None:
    @rule(1, "spend")
    def free(world: World, call: Call, customer: str) -> str | None:
        return "no"

    assert list(free.proposals(WORLD, "Ada")) == []
    assert (free.enforced, free.handling) == (Enforced.BY_TOOL, Handling.REFUSE)


def test_what_a_rule_says_of_itself() -> None:
    assert (not_above_ten.number, not_above_ten.name) == (3, "not_above_ten")
    assert not_above_ten.tools == ("spend", "waste")
    assert (not_above_ten.enforced, not_above_ten.handling) == (Enforced.BY_POLICY, Handling.TRANSFER)
    file, _, line = not_above_ten.where.rpartition(":")
    assert file == __file__
    assert int(line) > 1


# -- the order of calls ------------------------------------------------------------------------------------------------
LOOK_FIRST = Before(5, ("fix",), ("look",), ("phone",))
TEST_LAST = Afterwards(6, ("fix",), ("test",), ("phone",))
ONE = OneAtATime(7, ("fix", "test"))


def made(*calls: str) -> list[Made]:
    """``"fix A 2"``: the call, its phone, and how many messages came before it; ``"fix A 2 -"`` changed nothing."""
    parts = [call.split() for call in calls]
    return [Made(Call(name, {"phone": phone}), len(rest) == 1, int(rest[0])) for name, phone, *rest in parts]


@pytest.mark.parametrize(
    ("order", "calls", "broken"),
    [
        (LOOK_FIRST, ["look A 1", "fix A 2"], None),
        (LOOK_FIRST, ["fix A 1", "look A 2"], "A"),
        (LOOK_FIRST, ["look A 1", "fix B 2"], "B"),
        (LOOK_FIRST, ["fix A 1 -"], None),
        (TEST_LAST, ["fix A 1", "fix A 2", "test A 3"], None),
        (TEST_LAST, ["fix A 1", "test A 2", "fix A 3"], "A"),
        (TEST_LAST, ["fix A 1", "test B 2"], "A"),
        (TEST_LAST, ["look A 1"], None),
        (ONE, ["fix A 1", "fix A 2", "look A 2"], None),
        (ONE, ["fix A 1", "test A 1"], "A"),
    ],
)
def test_the_order_of_calls(order: Order, calls: list[str], broken: str | None) -> None:
    found = order.broken_by(made(*calls))
    assert (found and found.arguments["phone"]) == broken
