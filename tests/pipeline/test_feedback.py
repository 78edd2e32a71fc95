"""Feedback: results so far decide what is explored next."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.config.difficulty import difficulty_from
from t2t_dist.core.identity import seed_of
from t2t_dist.environments.registry import load
from t2t_dist.pipeline.feedback import LEAST, band_counts, difficulty_wanted, feedback_weights
from t2t_dist.synthesis.explore import explore_graph


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_weights_are_shares_of_the_best(tasks: list[tuple[str, bool]]) -> None:
    counters: Counter[str] = sum((band_counts([write], kept) for write, kept in tasks), Counter())
    found = feedback_weights(counters)
    assert set(found) == {write for write, _ in tasks}
    assert all(LEAST <= weight <= 1.0 for weight in found.values())
    assert not found or max(found.values()) == 1.0


def test_a_write_whose_tasks_are_kept_weighs_more_than_one_whose_are_not() -> None:
    counters = sum([band_counts(["good"], True)] * 20 + [band_counts(["bad", "bad"], False)] * 20, Counter())
    assert feedback_weights(counters) == {"bad": LEAST, "good": 1.0}


def test_the_difficulty_to_ask_for_next_is_the_one_that_gave_tasks_in_the_band() -> None:
    counted = [band_counts(["w"], kept, level) for level, kept in 20 * [(1, False), (3, True), (4, True)]]
    found = difficulty_wanted(sum(counted, Counter()))
    assert found == "1=0.05,3=0.48,4=0.48"
    assert difficulty_from(found) == found, "it can be given as it is printed"
    assert difficulty_wanted(band_counts(["w"], True)) is None, "tasks of an older run have no level"


def test_exploration_follows_the_weights_and_without_them_stays_what_it_was() -> None:
    domain = load("retail", 0, 0.3)
    customers = domain.customers(domain.base)[:60]
    plain = [explore_graph(domain, c, seed_of(1, c)) for c in customers]
    assert [explore_graph(domain, c, seed_of(1, c), {}) for c in customers] == plain

    def writes(weights: dict[str, float]) -> Counter[str]:
        runs = [explore_graph(domain, c, seed_of(1, c), weights)[1] for c in customers]
        return Counter(step.tool for steps in runs for step in steps if step.changed)

    most = writes({}).most_common(1)[0][0]
    others = {tool.name: 1.0 for tool in domain.tools.by_name.values() if tool.name != most}
    assert writes({most: LEAST, **others})[most] < 0.8 * writes({})[most]
