"""What becomes of a job that ``t2t submit`` follows: its end, its run judged by its own ledger, the exit code. Part of
``cli.py``."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import typer

from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import stable_hash
from t2t_dist.evaluation.results_table import Tally
from t2t_dist.evaluation.thresholds import Verdict, failed_gates

from .common import RESUMABLE, err_console, escaped, finish
from .gates import Checks, Judged

#: What a run that starts from another takes over from it; the driver alone knows them.
_FROM_SOURCE = ("domain", "domain_seed", "scale", "verify.reference_trials")


@dataclass
class About:
    """What has to be known to judge a job; stored with it, so that whoever attaches later knows it too."""

    kind: str = ""
    out: str | None = None
    gates: list[str] = field(default_factory=list)
    #: Hash of the settings that change results.
    settings: str = ""


class _Seen(NamedTuple):
    """A run as its store shows it, and what its gates came to."""

    stored: Any
    tally: Tally
    judged: Judged
    verdicts: list[Verdict]


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
    """Follow a job to its end, say what it came to, and exit so."""
    from t2t_dist.cluster.jobs.server import follow
    from t2t_dist.cluster.jobs.verdict import verdict
    from t2t_dist.cluster.jobs.watch import LEFT, OUT_OF_REACH, OUT_OF_TIME, LogLines, Watch

    from .terminal import summary_tables

    watch, lines = Watch(time.monotonic(), patience_s=patience, limit_s=timeout), LogLines()

    def show(line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # as it is: a console would wrap it and make spaces of its tabs

    def notice(text: str) -> None:
        err_console.print(f"[yellow]{escaped(text)}[/]", soft_wrap=True)

    async def follow_it() -> Any:
        with _interrupts(server, job_id, watch, stop_on_interrupt, notice) as wake:
            return await follow(server, job_id, show, watch, lines, notice, wake)

    ended = asyncio.run(follow_it())
    seen = _seen(about, checks)
    failed = _told_gates(about, checks, lines.summary or {}) if seen is None else failed_gates(seen.verdicts)
    found = verdict(ended, lines.summary, None if seen is None else seen.stored, failed, list(lines.last))
    if seen is not None and found.code in (0, 1):
        seen.judged.write_files(seen.tally, seen.stored.summary, seen.verdicts)
    if found.source:
        if lines.summary is None and found.summary is not None:
            for part in summary_tables(found.summary):  # the job did not live, or its log is not there, to say so
                err_console.print(part)
        by = (
            f"the ledger in {about.out}"
            if found.source == "ledger"
            else "what the job reported; its store is not seen here"
        )
        err_console.print(f"[dim]checked by {escaped(by)}[/]", soft_wrap=True)
    if found.why:
        err_console.print(
            f"[bold {'yellow' if found.code == RESUMABLE else 'red'}]{escaped(found.why)}[/]", soft_wrap=True
        )
    if ended.how in (LEFT, OUT_OF_REACH, OUT_OF_TIME) and found.code == RESUMABLE:
        err_console.print(f"go on watching it: [bold]{again(server.address, job_id)}[/]", soft_wrap=True)
    job = {"id": job_id, "address": server.address, "status": ended.how, "exit_code": ended.exit_code}
    told = found.summary if found.code in (0, 1) and found.summary is not None else {}
    finish(told | {"job": job, "exit": found.code, "why": found.why, "checked": found.source or None}, as_json)
    if found.code:
        raise typer.Exit(found.code)


@contextmanager
def _interrupts(server: Any, job_id: str, watch: Any, stop: bool, notice: Any) -> Iterator[asyncio.Event]:
    """The first SIGINT or SIGTERM stops the job where that was asked for; else, or at the second, it is left alone."""
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
            notice("stopping the job; it commits what it has. A second signal leaves it alone")
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
    """The run as its store shows it, judged; ``None`` where this machine does not see it, or it holds another run.

    Raises:
        InputError: a gate that can't be understood, a baseline that can't be read.
    """
    from t2t_dist.cluster.jobs.verdict import Stored
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
        status, tally = read_status(run.storage) or {}, Tally.read(run.reader.batches)
    except InputError:
        return None
    config, wall_s = manifest.config, round(float(status.get("elapsed_s", 0.0)), 2)
    summary = summary_of(manifest.kind, run.reader.state, tally, manifest.run_id, config.sure_trials, about.out, wall_s)
    judged = Judged(config, about.gates, checks)
    stored = Stored(summary, str(status.get("state", "")), float(status.get("at", 0.0)))
    return _Seen(stored, tally, judged, judged.verdicts(tally, summary))


def _told_gates(about: About, checks: Checks, told: dict[str, Any]) -> list[str]:
    """Where the store is not seen: the gates that the job says it did not pass, those that it was not asked about, and
    what can be done with the store alone."""
    failed = [text for text in about.gates if text in told.get("failed_gates", []) or text not in told.get("gates", [])]
    asked = [f"--{name.replace('_', '-')}" for name, given in checks._asdict().items() if given is not None]
    return [*failed, *(f"{option} (the run's store is not seen from here)" for option in asked)]


def settings_hash(results: dict[str, Any], kind: str) -> str:
    """Of the settings that decide what a run's rows are, whoever fills them in."""
    taken = () if kind == "generate" else _FROM_SOURCE
    return stable_hash({name: value for name, value in results.items() if name not in taken})


def about_of(said: dict[str, Any]) -> About:
    try:
        return About(**said)
    except TypeError:
        return About()  # another t2t's, or not one's at all


def again(address: str, job_id: str) -> str:
    return escaped(f"t2t submit --attach {job_id} --address {address}")
