"""What a job came to: its run's exit code, made out from the run's own ledger wherever that can be seen.

A job's status is Ray's view of a process. It may say success of a run whose rows are not there, and failure of one that
had committed everything before its driver was killed; the ledger knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from t2t_dist.core.errors import InputError

from .watch import FAILED, LEFT, LOST, OUT_OF_REACH, OUT_OF_TIME, STOPPED, SUCCEEDED

DONE, GATE_FAILED, BAD_INPUT, RESUMABLE = 0, 1, 2, 75
#: Clocks of two machines may differ by so many seconds before a store's status counts as older than the job.
SKEW_S = 300.0


class Ended(NamedTuple):
    """How a job ended: ``how`` is a word of ``watch.py``; the rest is Ray's, as far as it said anything.

    ``started``: whether its command ran at all. ``began``: seconds since 1970 by the cluster's clock.
    """

    how: str
    exit_code: int | None = None
    message: str = ""
    error_type: str = ""
    started: bool = True
    began: float = 0.0


class Stored(NamedTuple):
    """A run as its store shows it: the summary made from its ledger, and what its driver wrote about itself last."""

    summary: dict[str, Any]
    state: str
    at: float


class Verdict(NamedTuple):
    """The exit code, a line that says why, and the run's summary with where it is from (ledger, or the job's log)."""

    code: int
    why: str
    summary: dict[str, Any] | None = None
    source: str = ""


def verdict(
    ended: Ended,
    told: dict[str, Any] | None,
    stored: Stored | None,
    failed_gates: Sequence[str],
    last_lines: Sequence[str] = (),
) -> Verdict:
    """Put together what is known.

    ``told``: the summary that the job printed. ``failed_gates``: the gates that the summary in use does not pass.
    Raises InputError: the job ended before t2t had begun; one line that says what to do.
    """
    if stored is not None and told is not None and stored.summary["run_id"] != told["run_id"]:
        stored = None  # the same path on another machine: not the store that the job wrote to
    if stored is not None and told is not None and stored.summary["digest"] != told["digest"]:
        why = "the ledger names other rows than the job reported: its store is not what the job wrote"
        return Verdict(GATE_FAILED, why, stored.summary, "ledger")
    if told is not None and ended.how in (SUCCEEDED, FAILED) and ended.exit_code in (DONE, GATE_FAILED):
        return _by_gates(
            told if stored is None else stored.summary, failed_gates, "log" if stored is None else "ledger"
        )
    if stored is not None and _finished_meanwhile(ended, stored):
        return _by_gates(stored.summary, failed_gates, "ledger")
    return _without_a_finished_run(ended, stored, last_lines)


def _finished_meanwhile(ended: Ended, stored: Stored) -> bool:
    """Whether the run was finished by this job, though it did not live to say so. A finished run of before says nothing
    of a job that was refused, or killed before it had begun."""
    silent = ended.how != FAILED or ended.exit_code is None or not 0 <= ended.exit_code <= 128
    return silent and stored.state == "finished" and ended.began > 0 and stored.at >= ended.began - SKEW_S


def _by_gates(summary: dict[str, Any], failed: Sequence[str], source: str) -> Verdict:
    if failed:
        return Verdict(GATE_FAILED, f"gate failed: {', '.join(failed)}", summary, source)
    return Verdict(DONE, "", summary, source)


def _without_a_finished_run(ended: Ended, stored: Stored | None, last_lines: Sequence[str]) -> Verdict:
    summary = None if stored is None else stored.summary
    again = "what was finished is committed, the same command goes on with it"
    if ended.how == SUCCEEDED:
        what = "its ledger is not complete" if stored else "neither its ledger nor its summary can be seen from here"
        why = f"Ray says that the job succeeded, but {what}; name the run's store with --out, or look at the job's log"
        return Verdict(RESUMABLE if stored else GATE_FAILED, why, summary)
    reasons = {
        STOPPED: f"the job was stopped; {again}",
        LOST: f"the cluster no longer knows the job, as after the loss of its head; {again}",
        OUT_OF_REACH: f"the cluster is out of reach, and the job may go on there; {again}",
        OUT_OF_TIME: "the time to wait is over; the job goes on",
        LEFT: "left; the job goes on",
    }
    if ended.how in reasons:
        return Verdict(RESUMABLE, reasons[ended.how], summary)
    if not ended.started or "ENTRYPOINT_COMMAND_START" in ended.error_type:
        raise InputError(f"the job ended before t2t began: {_meant(ended.message)}")
    if ended.exit_code is None:
        return Verdict(
            RESUMABLE, f"the job's driver was lost with its node ({_meant(ended.message)}); {again}", summary
        )
    missing = _missing(last_lines)
    if missing is not None and ended.exit_code not in (BAD_INPUT, RESUMABLE):
        raise InputError(f"the job ended before t2t began: {missing}")
    code = ended.exit_code if ended.exit_code > 0 else 128 - ended.exit_code
    if code == RESUMABLE:
        return Verdict(RESUMABLE, f"stopped; {again}", summary)
    if code == BAD_INPUT:
        return Verdict(BAD_INPUT, "bad input; the job's log above says what", summary)
    if code > 128:
        return Verdict(code, f"the job's driver was killed by signal {code - 128}; {again}", summary)
    return Verdict(
        code or GATE_FAILED, f"the job's command failed with exit code {code}; its log above says why", summary
    )


def _missing(lines: Sequence[str]) -> str | None:
    """What the cluster lacks, from the last lines of a log."""
    text = "\n".join(lines)
    if found := re.search(r"No module named '?([\w.]+)'?", text):
        package = found[1].partition(".")[0]
        if package in ("t2t_dist", "cluster", "actors", "environments"):
            return "t2t-dist is not installed on the cluster; put it into its image, or give --pip t2t-dist"
        return f"the cluster's Python has no module '{package}'; put it into its image, or give --pip"
    if found := re.search(r"exec: (\S+?): (?:not found|No such file)", text):
        return f"there is no '{found[1]}' on the head; name its Python with --python"
    return None


def _meant(message: str) -> str:
    """The telling end of a message of Ray's, which may be a whole traceback."""
    lines = [line.strip() for line in message.strip().splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"(ERROR|\w*(Error|Exception)\b)", line)]
    return " ".join((telling or lines or ["Ray gives no reason"])[-1].split())[:300]
