"""What came out so far decides what is explored next."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.core.identity import seed_of
from t2t_dist.environments.registry import load
from t2t_dist.pipeline.feedback import LEAST, counted, favours
from t2t_dist.synthesis.explore import explore_graph


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_favours_are_shares_of_the_best(tasks: list[tuple[str, bool]]) -> None:
    counters: Counter[str] = sum((counted([write], kept) for write, kept in tasks), Counter())
    found = favours(counters)
    assert set(found) == {write for write, _ in tasks}
    assert all(LEAST <= favour <= 1.0 for favour in found.values())
    assert not found or max(found.values()) == 1.0


def test_a_write_whose_tasks_are_kept_is_favoured_over_one_whose_are_not() -> None:
    counters = sum([counted(["good"], True)] * 20 + [counted(["bad", "bad"], False)] * 20, Counter())
    assert favours(counters) == {"bad": LEAST, "good": 1.0}


def test_exploration_follows_the_favours_and_without_them_stays_what_it_was() -> None:
    domain = load("retail", 0, 0.3)
    customers = domain.customers(domain.base)[:60]
    plain = [explore_graph(domain, c, seed_of(1, c)) for c in customers]
    assert [explore_graph(domain, c, seed_of(1, c), {}) for c in customers] == plain

    def writes(favoured: dict[str, float]) -> Counter[str]:
        runs = [explore_graph(domain, c, seed_of(1, c), favoured)[1] for c in customers]
        return Counter(step.tool for steps in runs for step in steps if step.changed)

    most = writes({}).most_common(1)[0][0]
    others = {tool.name: 1.0 for tool in domain.tools.by_name.values() if tool.name != most}
    assert writes({most: LEAST, **others})[most] < 0.8 * writes({})[most]
