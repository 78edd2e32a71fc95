"""The exit code of a job: from the run's own ledger wherever that can be read.

A job's status is Ray's view of a process. It may report success for a run whose rows are missing, and failure for one
that had committed everything before its driver was killed; the ledger has the truth.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from t2t_dist.core.errors import InputError

from .watch import FAILED, LEFT, LOST, OUT_OF_REACH, OUT_OF_TIME, STOPPED, SUCCEEDED

DONE, GATE_FAILED, BAD_INPUT, NO_RESULT, RESUMABLE = 0, 1, 2, 3, 75
#: Exit codes of a run that ended by itself and was judged.
JUDGED = (DONE, GATE_FAILED, NO_RESULT)
#: Seconds that the clocks of two machines may differ before a store's status counts as older than the job.
SKEW_S = 300.0


class Ended(NamedTuple):
    """How a job ended: ``how`` is a state of :mod:`.watch`; the rest is from Ray, as far as known.

    ``started``: whether its command ran at all. ``began``: seconds since 1970 by the cluster's clock.
    """

    how: str
    exit_code: int | None = None
    message: str = ""
    error_type: str = ""
    started: bool = True
    began: float = 0.0


class Stored(NamedTuple):
    """A run as its store shows it: a summary from its ledger, and the last state and time in its status file."""

    summary: dict[str, Any]
    state: str
    at: float


class JobVerdict(NamedTuple):
    """The result of a job: exit code, one line of reason, and the run's summary with its source (ledger or log)."""

    code: int
    why: str
    summary: dict[str, Any] | None = None
    source: str = ""


def judge_job(
    ended: Ended,
    printed: dict[str, Any] | None,
    stored: Stored | None,
    failed_gates: Sequence[str],
    last_lines: Sequence[str] = (),
) -> JobVerdict:
    """Judge a job from everything that is known about it.

    ``printed``: the summary in the job's log. ``failed_gates``: the gates that the summary in use does not pass.
    Raises InputError: the job ended before t2t began; one line that says what to do.
    """
    if stored is not None and printed is not None and stored.summary["run_id"] != printed["run_id"]:
        stored = None  # the same path on another machine, not the job's store
    if stored is not None and printed is not None and stored.summary["digest"] != printed["digest"]:
        why = "the ledger has other rows than the job reported: this store is not the one that the job wrote"
        return JobVerdict(GATE_FAILED, why, stored.summary, "ledger")
    if printed is not None and ended.how in (SUCCEEDED, FAILED) and ended.exit_code in JUDGED:
        return _by_gates(
            printed if stored is None else stored.summary, failed_gates, "log" if stored is None else "ledger"
        )
    if stored is not None and _finished_meanwhile(ended, stored):
        return _by_gates(stored.summary, failed_gates, "ledger")
    return _without_a_finished_run(ended, stored, last_lines)


def _finished_meanwhile(ended: Ended, stored: Stored) -> bool:
    """Whether this job finished the run, although it could not report it. A run that was finished before does not make
    a success of a job that was refused, or killed before it began."""
    silent = ended.how != FAILED or ended.exit_code is None or not 0 <= ended.exit_code <= 128
    return silent and stored.state == "finished" and ended.began > 0 and stored.at >= ended.began - SKEW_S


def _by_gates(summary: dict[str, Any], failed: Sequence[str], source: str) -> JobVerdict:
    if why := summary.get("no_result"):
        return JobVerdict(NO_RESULT, f"{why}; its messages are above", summary, source)
    if agents := summary.get("agents_without_result"):
        why = f"no result of {', '.join(agents)}; its messages are above"
        return JobVerdict(NO_RESULT, why, summary, source)
    if failed:
        return JobVerdict(GATE_FAILED, f"gate failed: {', '.join(failed)}", summary, source)
    return JobVerdict(DONE, "", summary, source)


def _without_a_finished_run(ended: Ended, stored: Stored | None, last_lines: Sequence[str]) -> JobVerdict:
    summary = None if stored is None else stored.summary
    again = "finished items are committed; the same command resumes the run"
    if ended.how == SUCCEEDED:
        what = "its ledger is incomplete" if stored else "neither its ledger nor its summary can be read from here"
        why = f"Ray reports success, but {what}; name the run's store with --out, or read the job's log"
        return JobVerdict(RESUMABLE if stored else GATE_FAILED, why, summary)
    reasons = {
        STOPPED: f"the job was stopped; {again}",
        LOST: f"the cluster does not know the job any more, as after the loss of its head; {again}",
        OUT_OF_REACH: f"the cluster is out of reach, and the job may still run there; {again}",
        OUT_OF_TIME: "the time to wait is over; the job still runs",
        LEFT: "left; the job still runs",
    }
    if ended.how in reasons:
        return JobVerdict(RESUMABLE, reasons[ended.how], summary)
    if not ended.started or "ENTRYPOINT_COMMAND_START" in ended.error_type:
        raise InputError(f"the job ended before t2t began: {_reason(ended.message)}")
    if ended.exit_code is None:
        return JobVerdict(
            RESUMABLE, f"the job's driver was lost with its node ({_reason(ended.message)}); {again}", summary
        )
    missing = _missing(last_lines)
    if missing is not None and ended.exit_code not in (BAD_INPUT, RESUMABLE):
        raise InputError(f"the job ended before t2t began: {missing}")
    code = ended.exit_code if ended.exit_code > 0 else 128 - ended.exit_code
    if code == RESUMABLE:
        return JobVerdict(RESUMABLE, f"stopped; {again}", summary)
    if code == BAD_INPUT:
        return JobVerdict(BAD_INPUT, "bad input; see the job's log above", summary)
    if code > 128:
        return JobVerdict(code, f"the job's driver was killed by signal {code - 128}; {again}", summary)
    return JobVerdict(
        code or GATE_FAILED, f"the job's command failed with exit code {code}; see its log above", summary
    )


def _missing(lines: Sequence[str]) -> str | None:
    """What the cluster lacks, according to the last lines of a log; ``None``: nothing known."""
    text = "\n".join(lines)
    if found := re.search(r"No module named '?([\w.]+)'?", text):
        package = found[1].partition(".")[0]
        if package in ("t2t_dist", "cluster", "actors", "environments"):
            return "t2t-dist is not installed on the cluster; put it into its image, or give --pip t2t-dist"
        return f"the cluster's Python has no module '{package}'; put it into its image, or give --pip"
    if found := re.search(r"exec: (\S+?): (?:not found|No such file)", text):
        return f"there is no '{found[1]}' on the head; name its Python with --python"
    return None


def _reason(message: str) -> str:
    """The relevant line of a message from Ray, which may be a whole traceback."""
    lines = [line.strip() for line in message.strip().splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"(ERROR|\w*(Error|Exception)\b)", line)]
    return " ".join((telling or lines or ["Ray gives no reason"])[-1].split())[:300]
