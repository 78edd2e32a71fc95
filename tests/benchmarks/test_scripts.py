"""Every benchmark runs and says what the table of results looks for. How fast it was is not asked here.

The one that takes minutes even in short (overhead) is left to `python -m benchmarks --quick`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.command import ROOT, environment
from benchmarks.report import BENCHMARKS


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)


def object_of(name: str, *arguments: str) -> dict[str, Any]:
    """The one JSON object that a benchmark prints."""
    done = started(f"benchmarks.{name}", *arguments)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert found["benchmark"] == name
    for figure in BENCHMARKS[name].figures:
        assert figure.value(found) > 0, figure.name
    return found


def test_world_measures_any_domain() -> None:
    found = object_of("world", "--quick", "--domain", "tests.support.library_domain:Library")
    assert set(found["us"]) == {
        "reset",
        "fork",
        "read",
        "write",
        "digest_after_3_writes",
        "diff",
        "find",
        "replay_and_grade",
    }
    assert found["graded"]["tasks"] >= 10
    assert found["targets_us"] == {"reset": 50, "digest_after_3_writes": 100, "replay_and_grade": 1000}


def test_scheduler_scale_runs_every_part() -> None:
    found = object_of("scheduler_scale", "--quick")
    assert [(cell["workers"], cell["episodes"]) for cell in found["cells"]] == [(10, 10**4), (40, 10**4)]
    assert all(cell["workers_lost"] and cell["requeued"] for cell in found["cells"])
    assert found["engines"]["engine_restarts"] == 3
    assert found["engines"]["workers_lost"] == 1


def test_resume_leases_what_is_left() -> None:
    found = object_of("resume", "--quick")
    assert found["rows"] == 300 * 200


@pytest.mark.ray
@pytest.mark.usefixtures("shared_ray")
def test_generate_runs_the_command_and_each_stage() -> None:
    found = object_of("generate", "--trajectories", "6", "--in-process", "4")
    assert found["trajectories"] == 6
    assert found["verified_tasks"] == found["episodes"] > 0
    assert 0 < found["first_commit_s"] <= found["wall_s"]
    assert list(found["stages"]) == ["explore", "convert", "verify", "rollout", "grade", "rows"]
    assert found["stages"]["explore"]["items"] == 4
    assert (
        found["stages"]["rollout"]["items"] == found["stages"]["grade"]["items"] == found["in_process_verified_tasks"]
    )
    assert sum(stage["share"] for stage in found["stages"].values()) == pytest.approx(1, abs=0.01)
    assert found["verify_again_ms"] > 0


def test_fuzz_answers_breaks_nothing() -> None:
    found = object_of("fuzz_answers", "--quick")
    assert found["answers"] >= 1_000
    assert (found["defects"], found["troubles"], found["read_again"]["changed"]) == (0, [], 0)
    assert found["read_again"]["regraded"] == found["episodes"] > 0
    assert found["dropped"]["usage"] > 0
    assert found["bombs"]["outcomes"] == {"engine_bad_response": found["bombs"]["asked"]}
    for figures in (found, found["bombs"]):
        assert figures["rss_peak_mb"] < figures["bound_mb"]
    assert found["bombs"]["rss_peak_mb"] < found["bombs"]["limit_mb"]


def test_view_synthesises_a_run_and_looks_at_it() -> None:
    found = object_of("view", "--quick")
    assert found["episodes"] == 2_000
    assert found["tasks"] > 50
    assert set(found["pages_s"]) == {"runs", "run", "tasks", "episodes", "last page"}
    assert found["slowest_filter_s"] == max(found["filters_s"].values())
    assert 0 < found["search"]["looked_through"] <= 2_000


def test_the_runner_prints_the_objects_and_writes_only_where_it_is_told(tmp_path: Path) -> None:
    results = ROOT / "benchmarks" / "RESULTS.md"
    before = results.read_bytes() if results.exists() else None
    done = started("benchmarks", "--quick", "--out", str(tmp_path / "out.md"), "store")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["benchmark"] == "store"
    text = (tmp_path / "out.md").read_text()
    assert "writing rows, share of plain pyarrow" in text
    assert "reset of a world" not in text
    assert "short runs" in text
    assert (results.read_bytes() if results.exists() else None) == before


def test_an_unknown_benchmark_is_refused() -> None:
    done = started("benchmarks", "--quick", "wrld")
    assert done.returncode == 2
    assert "there is no benchmark wrld" in done.stderr


@pytest.mark.ray
@pytest.mark.usefixtures("shared_ray")
def test_soak_counts_every_row() -> None:
    found = object_of("soak", "--quick")
    assert (found["lost"], found["twice"], found["failures"]) == (0, 0, {})
    assert found["episodes"] >= 600
    assert all(worker > 20 and driver > 20 for _, worker, driver in found["curve"])
