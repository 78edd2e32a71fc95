"""The exit code of a job is its run's, from the job's summary, the ledger and Ray's status together."""

from __future__ import annotations

from typing import Any

import pytest

from t2t_dist.cluster.jobs.verdict import Ended, Stored, judge_job
from t2t_dist.core.errors import InputError

TOLD: dict[str, Any] = {"run_id": "run-1", "digest": {"tasks": "aa"}}
BEGAN = 1000.0


def stored(state: str = "finished", at: float = BEGAN + 60, **summary: Any) -> Stored:
    return Stored({**TOLD, **summary}, state, at)


def ended(how: str, code: int | None = None, **more: Any) -> Ended:
    return Ended(how, code, began=BEGAN, **more)


SUCCESS, GATE = ended("SUCCEEDED", 0), ended("FAILED", 1)
KILLED = ended("FAILED", -9)


@pytest.mark.parametrize(
    ("end", "summary", "seen", "gates", "code", "source"),
    [
        (SUCCESS, TOLD, stored(), [], 0, "ledger"),
        (SUCCESS, TOLD, None, [], 0, "log"),
        (SUCCESS, None, stored(), [], 0, "ledger"),
        (SUCCESS, TOLD, stored(run_id="run-2"), [], 0, "log"),
        (GATE, TOLD, stored(), ["g"], 1, "ledger"),
        (GATE, TOLD, None, ["g"], 1, "log"),
        (ended("FAILED", 3), {**TOLD, "no_result": "why"}, stored(no_result="why"), ["g"], 3, "ledger"),
        (ended("FAILED", 3), {**TOLD, "no_result": "why"}, None, [], 3, "log"),
        (ended("FAILED", 3), TOLD, stored(agents_without_result={"a": {}}), ["g"], 3, "ledger"),
        # The driver was killed, or heard of no more, when all was committed already.
        (KILLED, None, stored(), [], 0, "ledger"),
        (ended("LOST"), None, stored(), [], 0, "ledger"),
        (ended("STOPPED"), None, stored(), ["g"], 1, "ledger"),
        # Success by Ray's word alone is none.
        (SUCCESS, None, None, [], 1, ""),
        (SUCCESS, None, stored("running"), [], 75, ""),
        (SUCCESS, TOLD, stored(digest={"tasks": "bb"}), [], 1, "ledger"),
        # Not finished.
        (KILLED, None, stored("running"), [], 137, ""),
        (KILLED, None, None, [], 137, ""),
        (ended("FAILED", 137), None, None, [], 137, ""),
        (ended("FAILED", -11), None, None, [], 139, ""),
        (ended("STOPPED"), None, stored("stopped"), [], 75, ""),
        (ended("FAILED", 75), None, stored("stopped"), [], 75, ""),
        (ended("FAILED", None, message="died"), None, None, [], 75, ""),
        (ended("LOST"), None, stored("running"), [], 75, ""),
        (ended("OUT_OF_REACH"), None, None, [], 75, ""),
        (ended("OUT_OF_TIME"), None, stored("running"), [], 75, ""),
        (ended("LEFT"), None, None, [], 75, ""),
        # What the job refused is no success of an earlier run in the same place.
        (ended("FAILED", 2), None, stored(), [], 2, ""),
        (ended("FAILED", 1), None, stored(), [], 1, ""),
        (KILLED, None, stored(at=BEGAN - 3600), [], 137, ""),
    ],
)
def test_exit_codes(end: Ended, summary: Any, seen: Stored | None, gates: list[str], code: int, source: str) -> None:
    found = judge_job(end, summary, seen, gates)
    assert (found.code, found.source) == (code, source)
    assert bool(found.why) == (code != 0)
    assert "\n" not in found.why


@pytest.mark.parametrize(
    ("end", "lines", "says"),
    [
        (
            ended(
                "FAILED",
                started=False,
                message="runtime_env setup failed: Traceback\n  File x\nERROR: no such package\n",
            ),
            [],
            "ERROR: no such package",
        ),
        (ended("FAILED", 1), ["python: Error while finding module: No module named 't2t_dist'"], "--pip t2t-dist"),
        (ended("FAILED", 1), ["ModuleNotFoundError: No module named 'pydantic'"], "'pydantic'"),
        (ended("FAILED", 127), ["/bin/sh: 1: exec: python: not found"], "--python"),
        (ended("FAILED", 127), ["sh: line 1: exec: python: No such file or directory"], "--python"),
    ],
)
def test_a_job_that_ended_before_t2t_began_is_bad_input(end: Ended, lines: list[str], says: str) -> None:
    with pytest.raises(InputError, match="before t2t began") as error:
        judge_job(end, None, None, [], lines)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
