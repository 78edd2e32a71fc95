"""RESULTS.md from given figures."""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as runner
from benchmarks.command import ROOT
from benchmarks.report import BENCHMARKS, Benchmark, Figure, Result, facts, failed, number, render, rows

FIGURES: dict[str, dict[str, Any]] = {
    "overhead": {
        "cpu_ms_per_call": 0.5123,
        "floor_cpu_ms_per_call": 0.231,
        "times_the_floor": 2.22,
        "share_of_ideal": 0.912,
        "kb_per_live_episode": 61.4,
        "pooled_times_direct": 1.05,
    },
    "world": {"us": {"reset": 0.89, "digest_after_3_writes": 130.0, "replay_and_grade": 391.2}},
    "generate": {
        "trajectories": 1000,
        "verified_tasks": 3190,
        "episodes": 3190,
        "wall_s": 41.26,
        "first_commit_s": 9.1,
        "verified_tasks_per_s": 77.3,
        "episodes_per_s": 77.3,
        "stages": {
            "explore": {"items": 300, "ms": 7.8, "share": 0.25},
            "rows": {"items": 1500, "ms": 0.2, "share": 0.05},
        },
    },
    "store": {"ratio": 0.7, "commit_growth": 1.61},
    "alive": {"share_of_ideal": 0.91},
    "soak": {"episodes": 1000, "lost": 0, "twice": 0, "worker_growth": 0.012},
    "scheduler_scale": {
        "us_per_episode": 12.3,
        "times_the_cheapest": 1.12,
        "memory": {"growth": 1.01},
        "engines": {"utilisation": 0.987},
    },
    "resume": {"first_lease_s": 0.81},
    "fuzz_answers": {
        "answers": 1000,
        "defects": 1,
        "read_again": {"changed": 2},
        "bombs": {"asked": 64, "outcomes": {"engine_bad_response": 62}, "rss_peak_mb": 700, "longest_stall_ms": 90},
    },
    "view": {"first_page_s": 0.41, "slowest_filter_s": 0.82, "rss_mb": 367},
}
GOOD = [Result(name, FIGURES[name]) for name in BENCHMARKS]


def test_every_benchmark_has_its_script_and_distinct_figures() -> None:
    for name, benchmark in BENCHMARKS.items():
        assert (ROOT / "benchmarks" / f"{name}.py").is_file()
        assert benchmark.how.endswith(".")
    names = [figure.name for benchmark in BENCHMARKS.values() for figure in benchmark.figures]
    assert len(set(names)) == len(names) == 25


def test_each_figure_is_held_against_its_target() -> None:
    found = {name: (measured, target, met) for name, measured, target, met in rows(GOOD)}
    assert found["CPU a model call"] == ("0.512 ms", "<= 0.6 ms", "yes")
    assert found["model calls, share of ideal"] == ("91.2 %", ">= 85 %", "yes")
    assert found["reset of a world"] == ("0.00089 ms", "<= 0.05 ms", "yes")
    assert found["digest after 3 writes"] == ("0.13 ms", "<= 0.1 ms", "**no**")
    assert found["writing rows, share of plain pyarrow"] == ("0.7 x", ">= 0.7 x", "yes")
    assert found["a commit after 100,000, times one after 10"] == ("1.61 x", "<= 1.5 x", "**no**")
    assert found["use of engines until the tail"] == ("98.7 %", ">= 95 %", "yes")
    assert found["mutated answers that ended as they should"] == ("99.5 %", ">= 100 %", "**no**")
    assert not failed(GOOD)
    assert {met for *_, met in rows(GOOD, judged=False)} == {"-"}


def test_the_text_holds_tables_peers_methods_and_the_objects_as_they_were() -> None:
    text = render(GOOD, {"date": "2026-01-02", "machine": "2 cores"})
    assert "- date: 2026-01-02\n- machine: 2 cores\n" in text
    assert "| CPU a model call | 0.512 ms | 0.231 ms | 11.4 ms | 47 ms |" in text
    assert "| memory a live episode | 61.4 KB | - | 1.0 MB | 26 MB |" in text
    assert "| replay and grade a task | 0.391 ms | - | - | 67 ms |" in text
    assert "1,000 trajectories gave 3,190 verified tasks and 3,190 graded episodes in 41.3 s" in text
    assert "| explore | 300 | 7.8 | 25.0 % |" in text
    for name in BENCHMARKS:
        assert f"- **{name}** (`benchmarks/{name}.py`): " in text
    folded = text.partition("<details>")[2].partition("</details>")[0]
    assert [json.loads(part) for part in re.findall(r"```json\n(.*?)\n```", folded, re.DOTALL)] == list(
        FIGURES.values()
    )


def test_a_table_has_as_many_cells_in_each_line() -> None:
    lines = [line for line in render(GOOD, {}).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {5, 6}


def test_a_benchmark_that_failed_is_shown_as_failed_and_the_others_as_they_are() -> None:
    results = [Result("world", FIGURES["world"]), Result("store", None, "exit code 1")]
    text = render(results, {})
    assert "| writing rows, share of plain pyarrow | failed | >= 0.7 x | failed |" in text
    assert "**store failed**: exit code 1" in text
    assert "| replay and grade a task | 0.391 ms | <= 1 ms | yes |" in text
    assert failed(results)


def test_a_figure_that_is_missing_counts_as_failed() -> None:
    assert failed([Result("store", {"ratio": 0.9})])


def test_the_exit_code_of_a_run_with_a_failure_is_1_and_the_rest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = Figure("something", lambda o: o["it"], "<=", 1, "ms")
    monkeypatch.setattr(runner, "BENCHMARKS", {"no_such_script": Benchmark("Not at all.", [figure])})
    monkeypatch.setitem(BENCHMARKS, "no_such_script", Benchmark("Not at all.", [figure]))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--out", str(tmp_path / "out.md")])
    with pytest.raises(SystemExit) as ended:
        runner.main()
    assert ended.value.code == 1
    assert "| something | failed | <= 1 ms | failed |" in (tmp_path / "out.md").read_text()
    assert json.loads(capsys.readouterr().out) == {"benchmark": "no_such_script", "failed": "exit code 1"}


def test_the_facts_name_no_host_and_no_place() -> None:
    given = facts()
    assert {"date", "machine", "system", "commit"} <= set(given)
    named = given["machine"] + given["commit"]
    assert socket.gethostname() not in named
    assert "/" not in named


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00089, "0.00089"),
        (0.4123, "0.412"),
        (23.64, "23.6"),
        (1234.5, "1,234"),
        (1, "1"),
        (85, "85"),
        (0.000001, "0.000001"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text
