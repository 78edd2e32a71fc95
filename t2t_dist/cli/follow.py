"""Follower of a submitted job: waits for its end, judges its run by the ledger, and sets the exit code."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import typer

from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import stable_hash
from t2t_dist.evaluation.results_table import ResultsTable
from t2t_dist.evaluation.thresholds import ThresholdResult, failed_thresholds

from .common import RESUMABLE, err_console, escaped, finish
from .consoles import print_line
from .gates import Checks, Judged

#: Settings that a run takes from the run it starts from; only the driver knows them.
_FROM_SOURCE = ("domain", "domain_seed", "scale", "verify.reference_trials")


@dataclass
class About:
    """What is needed to judge a job. Stored with the job, for a later ``--attach``."""

    kind: str = ""
    out: str | None = None
    gates: list[str] = field(default_factory=list)
    #: Hash of the settings that change results.
    settings: str = ""


class _Seen(NamedTuple):
    """A run as read from its store, with the verdicts of its gates."""

    stored: Any
    results: ResultsTable
    judged: Judged
    verdicts: list[ThresholdResult]


def follow_job(
    server: Any,
    job_id: str,
    about: About,
    checks: Checks,
    timeout: float | None,
    patience: float,
    stop_on_interrupt: bool,
    as_json: bool,
) -> None:
    """Follow a job to its end, print its results, and exit as it did."""
    from t2t_dist.cluster.jobs.server import follow
    from t2t_dist.cluster.jobs.verdict import JUDGED, judge_job
    from t2t_dist.cluster.jobs.watch import LEFT, OUT_OF_REACH, OUT_OF_TIME, LogLines, Watch

    from .terminal import summary_tables

    watch, lines = Watch(time.monotonic(), patience_s=patience, limit_s=timeout), LogLines()

    def notice(text: str) -> None:
        err_console.print(f"[yellow]{escaped(text)}[/]", soft_wrap=True)

    async def follow_it() -> Any:
        with _interrupts(server, job_id, watch, stop_on_interrupt, notice) as wake:
            return await follow(server, job_id, print_line, watch, lines, notice, wake)

    ended = asyncio.run(follow_it())
    seen = _seen(about, checks)
    failed = _reported_gates(about, checks, lines.summary or {}) if seen is None else failed_thresholds(seen.verdicts)
    outcome = judge_job(ended, lines.summary, None if seen is None else seen.stored, failed, list(lines.last))
    if seen is not None and outcome.code in JUDGED:
        seen.judged.write_files(seen.results, seen.stored.summary, seen.verdicts)
    if outcome.source:
        if lines.summary is None and outcome.summary is not None:
            for part in summary_tables(outcome.summary):  # the job or its log was lost before it printed this
                err_console.print(part)
        by = (
            f"the ledger in {about.out}"
            if outcome.source == "ledger"
            else "what the job reported; its store can't be read from here"
        )
        err_console.print(f"[dim]checked by {escaped(by)}[/]", soft_wrap=True)
    if outcome.why:
        err_console.print(
            f"[bold {'yellow' if outcome.code == RESUMABLE else 'red'}]{escaped(outcome.why)}[/]", soft_wrap=True
        )
    if ended.how in (LEFT, OUT_OF_REACH, OUT_OF_TIME) and outcome.code == RESUMABLE:
        err_console.print(f"continue to follow it: [bold]{again(server.address, job_id)}[/]", soft_wrap=True)
    job = {"id": job_id, "address": server.address, "status": ended.how, "exit_code": ended.exit_code}
    summary = outcome.summary if outcome.code in JUDGED and outcome.summary is not None else {}
    finish(summary | {"job": job, "exit": outcome.code, "why": outcome.why, "checked": outcome.source or None}, as_json)
    if outcome.code:
        raise typer.Exit(outcome.code)


@contextmanager
def _interrupts(server: Any, job_id: str, watch: Any, stop: bool, notice: Any) -> Iterator[asyncio.Event]:
    """Signal handlers: the first SIGINT or SIGTERM stops the job if ``stop``; otherwise, or at the second, it is left
    running."""
    loop, asked, wake = asyncio.get_running_loop(), list[asyncio.Task[None]](), asyncio.Event()

    async def ask_to_stop() -> None:
        from t2t_dist.cluster.jobs.server import NoAnswer, UnknownJob

        for tried in range(6):
            try:
                return await asyncio.to_thread(server.stop, job_id)
            except UnknownJob:
                return
            except NoAnswer:
                await asyncio.sleep(2.0**tried / 2)
        notice(f"the cluster does not answer: stop the job with `ray job stop {job_id}`")

    def interrupted() -> None:
        if stop and not asked:
            notice("stopping the job; it commits what it has. A second signal leaves it running")
            asked.append(loop.create_task(ask_to_stop()))
        else:
            watch.leave()
            wake.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    try:
        yield wake
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _seen(about: About, checks: Checks) -> _Seen | None:
    """The run as read from its store, judged; ``None`` if this machine can't read it, or it holds another run.

    Raises:
        InputError: a gate that can't be understood, a baseline that can't be read.
    """
    from t2t_dist.cluster.jobs.verdict import Stored
    from t2t_dist.evaluation.problems import problems_of
    from t2t_dist.evaluation.summary import summary_of
    from t2t_dist.storage.source_run import Source
    from t2t_dist.storage.status import read_status

    if about.out is None:
        return None
    try:
        run = Source(about.out)
        manifest = run.manifest
        same = not about.settings or settings_hash(manifest.results, manifest.kind) == about.settings
        if (about.kind and manifest.kind != about.kind) or not same:
            return None
        status, results = read_status(run.storage) or {}, ResultsTable.read(run.reader.batches)
    except InputError:
        return None
    config = manifest.config
    summary = summary_of(manifest.kind, run.reader.state, results, manifest.run_id, config.sure_trials, about.out)
    summary |= problems_of(manifest.kind, config.until, run.reader.state, run.reader.batches, results)
    judged = Judged(config, about.gates, checks)
    stored = Stored(summary, str(status.get("state", "")), float(status.get("at", 0.0)))
    return _Seen(stored, results, judged, judged.verdicts(results, summary))


def _reported_gates(about: About, checks: Checks, summary: dict[str, Any]) -> list[str]:
    """Gates that count as failed when the store can't be read: those the job reports as failed, those it was not given,
    and checks that need the store."""
    failed = [
        text for text in about.gates if text in summary.get("failed_gates", []) or text not in summary.get("gates", [])
    ]
    asked = [f"--{name.replace('_', '-')}" for name, given in checks._asdict().items() if given is not None]
    return [*failed, *(f"{option} (the run's store can't be read from here)" for option in asked)]


def settings_hash(results: dict[str, Any], kind: str) -> str:
    """Hash of the settings that decide a run's rows, less those taken from the run it starts from."""
    taken = () if kind == "generate" else _FROM_SOURCE
    return stable_hash({name: value for name, value in results.items() if name not in taken})


def about_of(stored: dict[str, Any]) -> About:
    """The record stored with a job; an empty one for a job that another version, or something else, submitted."""
    try:
        return About(**stored)
    except TypeError:
        return About()


def again(address: str, job_id: str) -> str:
    """The command that follows a job again."""
    return escaped(f"t2t submit --attach {job_id} --address {address}")
