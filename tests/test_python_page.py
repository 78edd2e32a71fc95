"""The examples of docs/python.md, one after the other, as they stand there."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import t2t_dist
from t2t_dist import evaluate, generate, load_episodes, load_tasks
from t2t_dist.core.errors import InputError
from t2t_dist.export import Options, export
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "python.md"


def episodes_passed(run: str) -> int:
    return load_episodes(run, min_reward=1.0, columns=["intent"]).table().num_rows


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_the_examples_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    left: list[dict[str, Any]] = []
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S):
        left.append({})
        exec(compile(block, str(PAGE), "exec"), left[-1])
    made, evaluated, _, episodes, audited, exported = left
    assert made["run"].summary["agents"]["scripted:oracle"]["pass"]["general"]["pass^1"] == 1.0
    assert made["run"].path == "runs/first"
    assert len(evaluated["rewards"]) == 4
    assert (audited["found"].sampled, audited["found"].episodes) == (8, episodes_passed("runs/first"))
    assert {measure.value for measure in audited["found"].measures if measure.name == "oracle"} == {1.0}
    assert episodes["table"].column_names == ["intent", "agent", "duration"]
    assert episodes["table"].num_rows == sum(evaluated["rewards"])
    assert sum(exported["found"].splits.values()) == load_episodes("runs/first", min_reward=1.0).table().num_rows > 0

    # An evaluation's tasks are those of the run it took them from, and its domain is what it was.
    again = export(["runs/eval"], "data/eval", Options("hf"))
    assert sum(again.splits.values()) == 4
    assert not [note for note in [*again.notes, *exported["found"].notes] if "not what it was" in note]

    tasks = load_tasks("runs/first")
    assert {row["task_id"] for row in tasks} == set(tasks.table().column("task_id").to_pylist())
    assert {row["verdict"] for row in tasks} == {"verified"}
    assert load_tasks("runs/first", verified=False).table().num_rows > tasks.table().num_rows
    # An evaluation has no tasks of its own: those it took are meant.
    assert load_tasks("runs/eval").table().num_rows == tasks.table().num_rows
    assert {row["intent"] for row in load_tasks("runs/first", intent="general")} == {"general"}
    with pytest.raises(InputError, match="has no column colour"):
        load_episodes("runs/eval", columns=["colour"])
    with pytest.raises(InputError, match="intent odd"):
        load_tasks("runs/eval", intent="odd")


def test_in_a_running_event_loop_the_error_says_what_to_do_instead(tmp_path: Path) -> None:
    async def cell() -> None:
        generate(str(tmp_path / "run"), trajectories=1)

    with pytest.raises(InputError, match="!t2t generate"):
        asyncio.run(cell())
    assert not list(tmp_path.iterdir())


def test_bad_settings_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="trajectorys: there is no such setting"):
        generate(str(tmp_path / "run"), trajectorys=1)
    with pytest.raises(InputError, match="no such run directory"):
        evaluate(str(tmp_path / "none"), str(tmp_path / "run"))
    with pytest.raises(AttributeError, match="no attribute 'degenerate'"):
        _ = t2t_dist.degenerate


def test_importing_the_package_stays_light() -> None:
    """Workers and domains import it; arrow and the engine's client only come with what needs them."""
    code = "import sys, t2t_dist; print([m for m in ('pyarrow', 'ray', 'cluster', 't2t_dist.api') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PAGE.parents[1])
    assert done.stdout.strip() == "[]"
