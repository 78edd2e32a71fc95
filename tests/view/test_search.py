"""Search finds what a scan of all rows finds, in batches of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from t2t_dist.view.runs import ViewedRun
from t2t_dist.view.search import search
from tests.support.finished_run import write_run
from tests.support.viewed import library, rows_for


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ViewedRun:
    folder = tmp_path_factory.mktemp("search") / "run"
    made = library()
    write_run(folder, rows_for(made, made.tasks[:30], trials=4))
    run = ViewedRun(str(folder), "run")
    while not run.complete:
        run.refresh()
    return run


def said(row: dict[str, Any]) -> list[str]:
    words = [row.get("message")]
    for turn in row["turns"]:
        words += [turn["content"], turn["reasoning"]]
        words += [call[name] for call in turn["tool_calls"] or () for name in ("name", "arguments")]
    return [word for word in words if word]


@pytest.fixture(scope="module")
def words(run: ViewedRun) -> list[list[str]]:
    """All that is said in each row, in lower case."""
    return [[word.lower() for word in said(run.episodes.read(row))] for row in range(run.episodes.rows)]


@pytest.mark.parametrize(
    "text", ["MOVE_HOLD", "go ahead", "no answer", "harbour", '"hold_id"', "nobody says this", ".*"]
)
@pytest.mark.parametrize("most", [3, 1000])
def test_it_finds_what_a_plain_look_finds(run: ViewedRun, words: list[list[str]], text: str, most: int) -> None:
    chosen = np.arange(run.episodes.rows)[::-1]
    wanted = [int(row) for row in chosen if any(text.lower() in word for word in words[row])]
    found: list[int] = []
    start, rounds = 0, 0
    while start < len(chosen):
        part = search(run.episodes, chosen, text, start=start, most=most, budget_s=60)
        assert len(part.rows) <= most
        assert part.looked == part.stop - start > 0
        found += part.rows
        start, rounds = part.stop, rounds + 1
    assert found == wanted
    assert rounds >= len(wanted) // most
    assert (text in ("nobody says this", ".*")) == (wanted == [])


def test_it_ends_in_its_time_and_says_how_far_it_came(run: ViewedRun) -> None:
    chosen = np.arange(run.episodes.rows)
    found = search(run.episodes, chosen, "nobody says this", budget_s=0.0)
    assert (found.looked, found.stop, found.complete) == (0, 0, False)


def test_tasks_are_searched_in_their_own_words(run: ViewedRun) -> None:
    task = library().verified()[0]
    row = run.tasks.find("task_id", task.task_id)
    found = search(run.tasks, np.arange(run.tasks.rows), task.user.goals[0].request, most=1000, budget_s=60)
    assert row in found.rows


def test_a_shard_that_went_missing_is_counted(tmp_path: Path) -> None:
    made = library()
    write_run(tmp_path / "run", rows_for(made, made.tasks[:8]))
    run = ViewedRun(str(tmp_path / "run"), "run")
    while not run.complete:
        run.refresh()
    for shard in (tmp_path / "run" / "episodes").iterdir():
        shard.unlink()
    found = search(run.episodes, np.arange(run.episodes.rows), "move_hold", budget_s=60)
    assert found.unreadable == run.state.rows("episodes")
    assert found.rows == []
