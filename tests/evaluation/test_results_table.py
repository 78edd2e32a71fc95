"""Counting trials column by column, and comparing what is paired: against plain loops over the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import INTENTS
from t2t_dist.evaluation.compare import between_agents, between_intents, with_baseline
from t2t_dist.evaluation.results_table import ALL, ResultsTable
from t2t_dist.evaluation.stats import Trials, chance

_NAMES = ("domain", "agent", "intent", "task_id", "trajectory_id")
_REWARDS = ("reward", "reward_high")
EPISODE = pa.schema(
    [
        *((name, pa.string()) for name in (*_NAMES, "combination")),
        *((n, pa.float64()) for n in _REWARDS),
        ("difficulty", pa.int64()),
        ("kinds", pa.list_(pa.string())),
    ]
)
Row = dict[str, Any]


def batches_of(rows: list[Row]) -> Any:
    """A reader of these rows, three a batch; those without a reward are failures."""

    def batches(table: str, columns: list[str], filter: Any) -> Iterator[pa.RecordBatch]:
        wanted = [row for row in rows if (row["reward"] is None) == (table == "failures")]
        schema = pa.schema([EPISODE.field(name) for name in columns])
        for start in range(0, len(wanted), 3):
            part = [
                {
                    name: {
                        "reward_high": row["reward"],
                        **dict.fromkeys(("difficulty", "combination", "kinds")),
                        **row,
                    }[name]
                    for name in columns
                }
                for row in wanted[start : start + 3]
            ]
            yield pa.RecordBatch.from_pylist(part, schema=schema)

    return batches


#: Of the tasks of each number. What is no combination of intents, as in a row that somebody wrote, is shown nowhere.
COMBINED = (None, "ambiguous + changing", "changing + infeasible", "changing + everything")


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    cells = st.tuples(
        st.sampled_from(["retail", "airline"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(INTENTS),
        st.integers(0, 3),
        st.sampled_from([0.0, 1.0, None]),
    )
    return [
        {
            "domain": domain,
            "agent": agent,
            "intent": intent,
            "task_id": f"{domain}-{intent}-{number}",
            "trajectory_id": f"{domain}-{number}",
            "difficulty": number or None,
            "combination": COMBINED[number],
            "kinds": [name for bit, name in ((1, "limit"), (2, "question")) if number & bit] if number else None,
            "reward": reward,
        }
        for domain, agent, intent, number, reward in draw(st.lists(cells, min_size=1, max_size=60))
    ]


def by_task(found: list[Row], agent: str, intent: str | None = None, domain: str | None = None) -> dict[str, Trials]:
    counts: dict[str, list[int]] = {}
    for row in found:
        if row["agent"] == agent and intent in (None, row["intent"]) and domain in (None, row["domain"]):
            cell = counts.setdefault(row["task_id"], [0, 0, 0])
            cell[0] += row["reward"] is not None
            cell[1] += row["reward"] == 1.0
            cell[2] += row["reward"] is None
    return {task: Trials(*cell) for task, cell in counts.items()}


def values(trials: dict[str, Trials], k: int) -> dict[str, float]:
    return {task: chance(t.passed, t.graded, k) for task, t in trials.items() if t.graded >= k}


@settings(max_examples=60, deadline=None)
@given(rows(), st.integers(1, 2))
def test_it_counts_what_a_loop_counts(found: list[Row], k: int) -> None:
    results = ResultsTable.read(batches_of(found))
    assert results.agents == sorted({row["agent"] for row in found})
    assert results.episodes == sum(row["reward"] is not None for row in found)
    for domain, agent, intent in results.cells():
        loop = by_task(found, agent, intent, domain)
        assert sorted(results.trials(agent, intent, domain).elements()) == sorted(loop.values())
        wanted = values(loop, k)
        estimate = results.passes(k, agent, intent, domain)
        assert estimate.tasks == len(wanted)
        assert estimate.value == (pytest.approx(fmean(wanted.values())) if wanted else None)
        whole = results.passes(k, agent, ALL)
        assert whole.tasks == len(values(by_task(found, agent), k))
        for level in results.levels:
            of_level = [row for row in found if row["difficulty"] == level]
            part = values(by_task(of_level, agent), k)
            estimate = results.passes(k, agent, level=level)
            assert estimate.value == (pytest.approx(fmean(part.values())) if part else None)
        for name in results.combinations:
            part = values(by_task([row for row in found if row["combination"] == name], agent), k)
            estimate = results.passes(k, agent, combination=name)
            assert estimate.value == (pytest.approx(fmean(part.values())) if part else None)
        for kind in results.kinds:
            part = values(by_task([row for row in found if kind in (row["kinds"] or ())], agent), k)
            estimate = results.passes(k, agent, kind=kind)
            assert estimate.value == (pytest.approx(fmean(part.values())) if part else None)
    assert set(results.kinds) == {kind for row in found for kind in row["kinds"] or ()}
    assert results.levels == sorted({row["difficulty"] for row in found if row["difficulty"]})
    assert results.combinations == sorted({row["combination"] for row in found} & set(COMBINED[1:3]))


@settings(max_examples=60, deadline=None)
@given(rows(), st.integers(1, 2))
def test_differences_are_means_over_pairs(found: list[Row], k: int) -> None:
    results = ResultsTable.read(batches_of(found))
    mine, theirs = values(by_task(found, "a"), k), values(by_task(found, "b"), k)
    pairs = [mine[task] - theirs[task] for task in mine.keys() & theirs.keys()]
    between = results.between_agents(k, "a", "b")
    assert between.n == len(pairs)
    assert between.value == (pytest.approx(fmean(pairs)) if pairs else None)
    twisted, plain = (values(by_task(found, "a", intent), k) for intent in ("changing", "general"))
    pairs = [
        value - plain[other]
        for task, value in twisted.items()
        if (other := task.replace("changing", "general")) in plain
    ]
    intents = results.between_intents(k, "a", "changing", "general")
    assert intents.n == len(pairs)
    assert intents.value == (pytest.approx(fmean(pairs)) if pairs else None)


def one(task: int, reward: float | None, agent: str = "a", intent: str = "general", prefix: str = "t") -> Row:
    names = {"task_id": f"{prefix}{task}-{intent}", "trajectory_id": f"{prefix}{task}"}
    return {"domain": "retail", "agent": agent, "intent": intent, **names, "reward": reward}


def test_a_task_keeps_its_trajectory_where_some_of_its_episodes_failed() -> None:
    failed = [one(0, None), one(0, 1.0), one(0, None, intent="changing"), one(0, 0.0, intent="changing")]
    difference = ResultsTable.read(batches_of(failed)).between_intents(1, "a", "changing", "general")
    assert (difference.n, difference.value) == (1, -1.0)


def test_a_pair_of_equals_differs_by_nothing_and_a_pair_of_opposites_by_all() -> None:
    same = [one(n, 1.0, agent) for n in range(20) for agent in "ab"]
    (whole, on_general) = between_agents(ResultsTable.read(batches_of(same)), [1])
    assert (whole.on, on_general.on) == (ALL, "general")
    assert whole.difference.value == 0
    assert whole.difference.low is not None
    assert whole.difference.high is not None
    assert -0.12 < whole.difference.low < 0 < whole.difference.high < 0.12
    twisted = [
        one(n, float(intent == "general"), intent=intent) for n in range(20) for intent in ("general", "ambiguous")
    ]
    (cost,) = between_intents(ResultsTable.read(batches_of(twisted)), [1])
    assert (cost.one, cost.other, cost.on, cost.difference.value, cost.difference.n) == (
        "ambiguous",
        "general",
        "a",
        -1,
        20,
    )
    assert cost.difference.high is not None
    assert cost.difference.high < -0.7


def test_a_baseline_is_paired_where_tasks_are_the_same_and_not_elsewhere() -> None:
    now = ResultsTable.read(batches_of([one(n, float(n < 12)) for n in range(20)]))
    before = ResultsTable.read(batches_of([one(n, float(n < 16)) for n in range(5, 25)]))
    whole, on_general = with_baseline(now, before)
    assert whole.paired
    assert on_general.paired
    assert on_general.difference.n == 15
    assert on_general.difference.value == pytest.approx(-4 / 15)
    elsewhere = ResultsTable.read(batches_of([one(n, float(n < 16), prefix="u") for n in range(20)]))
    whole, _ = with_baseline(now, elsewhere)
    assert not whole.paired
    assert whole.difference.value == pytest.approx(-0.2)
    assert whole.difference.low is not None
    assert whole.difference.high is not None
    assert whole.difference.low < -0.4 < whole.difference.high < 0.15


def test_baselines_by_name_or_of_one_agent_each() -> None:
    old = ResultsTable.read(batches_of([one(n, 1.0, "old") for n in range(5)]))
    new = ResultsTable.read(batches_of([one(n, 0.0, "new") for n in range(5)]))
    assert [(c.one, c.other) for c in with_baseline(new, old)] == [("new", "old")] * 2
    both = ResultsTable.read(batches_of([one(n, 0.0, agent) for n in range(5) for agent in ("new", "newer")]))
    with pytest.raises(InputError, match="have no intent in common"):
        with_baseline(both, old)


def test_nothing_at_all() -> None:
    results = ResultsTable.read(batches_of([]))
    assert (results.agents, results.intents, results.episodes) == ([], [], 0)
    assert results.passes(1, "a").value is None
    assert between_agents(results, [1]) == between_intents(results, [1]) == []


def test_memory_goes_with_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are added up as they come: what waits is bounded, whatever the number of trials."""
    monkeypatch.setattr("t2t_dist.evaluation.results_table._PENDING", 4)
    found = [one(n % 3, float(n % 2), agent) for n in range(60) for agent in "ab"]
    results = ResultsTable.read(batches_of(found))
    assert results.trials("a") == {Trials(20, 10): 3}
