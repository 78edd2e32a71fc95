"""The status file, and what is printed of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from t2t_dist.cli.terminal import status_tables
from t2t_dist.core.errors import InputError
from t2t_dist.storage.objects.opening import create_storage
from t2t_dist.storage.status import NAME, STALE_S, StatusFile, read_status

ITEMS = {"total": 10, "done": 4, "poisoned": 1, "workers_lost": 2, "requeued": 3, "uncommitted": 0}


def engine(**changes: Any) -> dict[str, Any]:
    base = {
        "engine": "mine#0",
        "pool": "mine",
        "state": "healthy",
        "restarts": 0,
        "url": "http://127.0.0.1:1/v1",
        "pid": 7,
        "log": "/logs/mine#0.log",
        "limit": 32,
        "notes": [],
        "metrics": {},
        "timeline": [[0.0, "starting", "begun"], [9.0, "healthy", "ready"]],
    }
    return base | changes


def status(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "run_id": "run-1",
        "state": "running",
        "why": "",
        "age_s": 1.0,
        "elapsed_s": 60.0,
        "items": ITEMS,
        "counts": {"episodes.rollout": 4, "failures.poisoned": 1},
        "workers": {"w1": {"rss_mb": 100.4}, "w2": {"rss_mb": 120.0}},
        "lag_ms": 12.0,
        "waiting_for": "",
        "engines": [],
    }
    return base | changes


def printed(timeline: bool = False, **changes: Any) -> str:
    console = Console(width=160, highlight=False, no_color=True)
    with console.capture() as captured:
        for part in status_tables(status(**changes), timeline):
            console.print(part)
    return captured.get()


# -- the file ----------------------------------------------------------------------------------------------------------
def test_what_is_written_is_read_with_its_age(tmp_path: Path) -> None:
    storage = create_storage(str(tmp_path / "run"))
    assert read_status(storage) is None
    file = StatusFile(storage, "run-1")
    file.write("running", items=ITEMS)
    file.write("failed", "no such model", items=ITEMS, engines=[engine()])
    found = read_status(storage)
    assert found is not None
    assert (found["run_id"], found["state"], found["why"]) == ("run-1", "failed", "no such model")
    (stored,) = found["engines"]
    assert stored == engine() | {"timeline": [(0.0, "starting", "begun"), (9.0, "healthy", "ready")]}
    assert found["items"] == {**ITEMS, "waiting": 0, "unfinished": 0}
    assert found["pid"] == os.getpid()
    assert 0 <= found["age_s"] < 60
    assert found["began"] <= found["at"]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"at": "yesterday"}'])
def test_a_damaged_file_is_one_line(tmp_path: Path, data: bytes) -> None:
    storage = create_storage(str(tmp_path / "run"))
    storage.replace(NAME, data)
    with pytest.raises(InputError, match=f"{NAME} can't be read"):
        read_status(storage)


def test_a_clock_that_is_ahead_elsewhere_makes_no_negative_age(tmp_path: Path) -> None:
    storage = create_storage(str(tmp_path / "run"))
    storage.replace(NAME, orjson.dumps({"at": 4e9}))
    found = read_status(storage)
    assert found is not None
    assert found["age_s"] == 0.0


def test_a_store_that_refuses_does_not_end_a_run(tmp_path: Path) -> None:
    class Refuses:
        asked = 0

        def replace(self, name: str, data: bytes, *, wait: bool) -> None:
            self.asked += 1
            raise InputError("the disk is full")

    storage = Refuses()
    StatusFile(storage, "run-1").write("running")  # type: ignore[arg-type]
    assert storage.asked == 1


# -- as text -----------------------------------------------------------------------------------------------------------
def test_a_run_without_engines() -> None:
    shown = printed()
    assert "run-1  running" in shown
    assert "5 of 10 items, 4 episodes, 1 failures; 60 s, 5 items a minute" in shown
    assert "2 workers, up to 120 MB each; event loops late by 12 ms at most (99 %)" in shown
    assert "2 workers lost, 3 items done again" in shown
    assert "engine" not in shown


def test_a_run_that_has_done_nothing_yet() -> None:
    shown = printed(items=ITEMS | {"done": 0, "poisoned": 0}, counts={}, workers={}, waiting_for="0 of 2 engines ready")
    assert "run-1  running  0 of 2 engines ready" in shown
    assert "0 of 10 items" in shown
    assert "a minute" not in shown


def test_a_driver_that_fell_silent_and_one_that_ended() -> None:
    assert "no word for 31 s: its driver is gone" in printed(age_s=STALE_S + 1)
    ended = printed(age_s=3600.0, state="failed", why="no model /m")
    assert "failed  no model /m" in ended
    assert "no word" not in ended
    assert "a minute" not in printed(age_s=3600.0, state="finished")


def test_the_metrics_address_of_a_driver_that_runs() -> None:
    at = "http://127.0.0.1:9400"
    assert f"metrics at {at}/metrics, for Prometheus at /sd" in printed(metrics=at)
    assert at not in printed(metrics=at, state="finished")
    assert at not in printed(metrics=at, age_s=STALE_S + 1)
    assert "metrics" not in printed(metrics="")


def test_engines_with_and_without_metrics() -> None:
    metrics = {
        "running": 12.0,
        "waiting": 0.0,
        "kv_use": 0.256,
        "prefix_queries": 200.0,
        "prefix_hits": 150.0,
        "generation_tokens": 1234.0,
    }
    shown = printed(engines=[engine(metrics=metrics), engine(engine="mine@0", state="suspect", log="", limit=4)])
    first, second = (
        next(line for line in shown.splitlines() if line.startswith(name)) for name in ("mine#0", "mine@0")
    )
    assert first.split() == ["mine#0", "healthy", "0", "32", "12", "0", "26%", "75%", "1234"]
    assert second.split() == ["mine@0", "suspect", "0", "4", "-", "-", "-", "-", "-"]
    assert "log of mine#0: /logs/mine#0.log" in shown
    assert "log of mine@0" not in shown
    assert "begun" not in shown


def test_the_timeline_is_shown_where_something_happened_or_it_is_asked_for() -> None:
    assert "begun" in printed(timeline=True, engines=[engine()])
    shown = printed(engines=[engine(restarts=1, notes=["its template knows no tools"])])
    assert "starting    begun" in shown
    assert "note: its template knows no tools" in shown


def test_words_from_elsewhere_can_not_move_the_cursor() -> None:
    shown = printed(
        why="\x1b[2J[bold]x",
        state="failed",
        engines=[
            engine(engine="a\x1b[31m#0", notes=["\x1b]0;title\x07"], restarts=1, timeline=[[0.0, "dead", "\x1b[H"]])
        ],
    )
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[bold]x" in shown


def test_what_was_left_out_of_answers_is_said() -> None:
    assert "left out of answers (wrong type, or out of range): usage 3" in printed(counts={"dropped.usage": 3})
    assert "left out" not in printed()
