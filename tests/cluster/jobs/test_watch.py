"""Following a job: every line once whatever breaks; the end made out from answers and silences."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.cluster.jobs.watch import LOST, OUT_OF_REACH, OUT_OF_TIME, LogLines, Watch

# -- lines -------------------------------------------------------------------------------------------------------------
text = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")) | st.just("\n"), max_size=200)


@given(text, st.lists(st.tuples(st.integers(0, 200), st.integers(1, 50)), max_size=6))
def test_every_line_once_however_often_the_stream_is_cut(log: str, cuts: list[tuple[int, int]]) -> None:
    lines, shown = LogLines(), list[str]()
    for length, piece in [*cuts, (len(log), 7)]:
        lines.rewind()
        for at in range(0, min(length, len(log)), piece):
            shown += lines.feed(log[:length][at : at + piece])
    shown += lines.close()
    assert shown == log.splitlines()


def test_the_summary_is_kept_and_not_shown() -> None:
    lines, summary = LogLines(), {"run_id": "run-1", "kind": "generate"}
    line = json.dumps(summary, separators=(",", ":"))
    assert lines.feed(f"one\n{line[:9]}") == ["one"]
    lines.rewind()
    assert lines.feed(f"one\n{line}\ntwo\n") == ["two"]
    assert lines.summary == summary
    assert list(lines.last) == ["one", "two"]


def test_a_half_summary_is_a_line_like_any_other() -> None:
    lines = LogLines()
    assert lines.feed('{"run_id":"run-1\n') == ['{"run_id":"run-1']
    assert lines.summary is None


def test_what_acts_on_a_terminal_does_not_get_there() -> None:
    assert LogLines().feed("a\x1b[31mred\x1b[0m\x07b\tc\x1b]0;title\n") == ["ared\ufffdb\tc\ufffd]0;title"]


# -- the end -----------------------------------------------------------------------------------------------------------
def test_a_job_runs_until_it_is_over() -> None:
    watch = Watch(0.0)
    for now, status in enumerate(["PENDING", "RUNNING", "RUNNING"]):
        watch.heard(status, now)
        assert watch.ended is None
    watch.heard("SUCCEEDED", 4)
    assert watch.ended == "SUCCEEDED"


@given(st.integers(0, 40))
def test_questions_become_rarer_while_no_answer_comes(misses: int) -> None:
    watch = Watch(0.0, every_s=2, slowest_s=30, patience_s=1e9)
    waits = []
    for _ in range(misses):
        waits.append(watch.wait_s())
        watch.missed(0.0)
    assert waits == sorted(waits)
    assert watch.wait_s() <= 30
    watch.heard("RUNNING", 1.0)
    assert watch.wait_s() == 2


def test_out_of_reach_after_silence_but_not_after_answers() -> None:
    watch = Watch(0.0, patience_s=100)
    for now in range(0, 1000, 10):
        (watch.heard("RUNNING", now) if now % 90 == 0 else watch.missed(now))
        assert watch.ended is None
    for now in range(1000, 1200, 10):
        watch.missed(now)
    assert watch.ended == OUT_OF_REACH


def test_unknown_once_may_be_a_head_that_comes_up_but_not_three_times() -> None:
    watch = Watch(0.0)
    watch.unknown(1)
    watch.unknown(2)
    watch.heard("RUNNING", 3)
    for now in (4, 5):
        watch.unknown(now)
        assert watch.ended is None
    watch.unknown(6)
    assert watch.ended == LOST


def test_time_limit_leaves_a_finished_job_finished() -> None:
    late, over = Watch(0.0, limit_s=10), Watch(0.0, limit_s=10)
    late.heard("RUNNING", 10.0)
    assert late.ended == OUT_OF_TIME
    over.heard("FAILED", 10.0)
    assert over.ended == "FAILED"
    over.leave()
    assert over.ended == "FAILED"
