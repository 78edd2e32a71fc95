"""``t2t submit``: a run as a job of a Ray cluster, followed to its end, with its exit code. Part of ``cli.py``."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from .cli_common import (
    RESUMABLE,
    FailUnder,
    Json,
    Settings,
    config_of,
    err_console,
    escaped,
    finish,
    spoken_errors,
)
from .config import Config
from .errors import InputError
from .gates import parse_gate
from .identity import stable_hash

app = typer.Typer()

#: Where the configuration lies in what is sent.
_SENT_CONFIG = "t2t-submit.yaml"
#: What a run that starts from another takes over from it; the driver alone knows them.
_FROM_SOURCE = ("domain", "domain_seed", "scale", "verify.reference_trials")
_KINDS = ("generate", "convert", "evaluate")


@dataclass
class _About:
    """What has to be known to judge a job; stored with it, so that whoever attaches later knows it too."""

    kind: str = ""
    out: str | None = None
    gates: list[str] = field(default_factory=list)
    #: Hash of the settings that change results.
    settings: str = ""


@app.command()
def submit(
    config: Annotated[str | None, typer.Argument(help="YAML file with the run's settings.")] = None,
    address: Annotated[
        str | None,
        typer.Option(envvar="RAY_API_SERVER_ADDRESS", help="The head's dashboard, such as http://head:8265."),
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="Run directory as the cluster sees it: absolute path or URI.")
    ] = None,
    kind: Annotated[str, typer.Option(help=f"The run: {', '.join(_KINDS)}.")] = "generate",
    source: Annotated[
        str | None, typer.Option("--source", help="Run to convert or evaluate, as the cluster sees it.")
    ] = None,
    settings: Settings = [],
    fail_under: FailUnder = [],
    env: Annotated[list[str], typer.Option("--env", help="NAME (as it is here) or NAME=VALUE; repeatable.")] = [],
    pip: Annotated[
        list[str], typer.Option("--pip", help="A requirement, or a file of them ending in .txt; repeatable.")
    ] = [],
    python: Annotated[str, typer.Option(help="The Python of the cluster.")] = "python",
    working_dir: Annotated[str, typer.Option(help="The working tree to send.")] = ".",
    exclude: Annotated[
        list[str], typer.Option("--exclude", help="Leave out of what is sent, such as 'data/*'; repeatable.")
    ] = [],
    package: Annotated[bool, typer.Option(help="Send the working tree; without, the image has what is needed.")] = True,
    job_id: Annotated[str | None, typer.Option("--submission-id", help="The job's id; default: a new one.")] = None,
    attach: Annotated[str | None, typer.Option("--attach", help="Follow this job instead of sending one.")] = None,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end.")] = True,
    timeout: Annotated[float | None, typer.Option(min=0.0, help="Seconds to wait at most; the job goes on.")] = None,
    patience: Annotated[float, typer.Option(min=1.0, help="Seconds a cluster may stay silent.")] = 900.0,
    stop_on_interrupt: Annotated[
        bool, typer.Option("--stop-on-interrupt", help="Ctrl-C or SIGTERM stops the job; default: it goes on.")
    ] = False,
    drain: Annotated[int, typer.Option(min=1, help="Seconds a stopped job gets to commit what it has.")] = 120,
    json: Json = False,
) -> None:
    """Send a run to a Ray cluster, follow it, and exit as the run does: 0, 1 (gate), 2 (bad input), 75 (resumable).

    What git tracks here, and new files it does not ignore, are the job's working directory.
    """
    with spoken_errors():
        from cluster.jobs import Job, open_server

        if address is None:
            raise InputError("name the cluster: --address http://HEAD:8265, or RAY_API_SERVER_ADDRESS")
        if attach is not None:
            if config is not None:
                raise InputError("--attach follows a job that is there; give it no config")
            server = open_server(address)
            about = _stored_about(server.about(attach))
            about.out, about.gates = out or about.out, [*fail_under] or about.gates
            _follow(server, attach, about, timeout, patience, stop_on_interrupt, json)
            return
        made = _checked(config, settings, kind, source, out)
        for text in fail_under:
            parse_gate(text, made.agents, made.sure_trials)
        about = _About(kind, out, [*fail_under], _settings_hash(made, kind))
        variables, requirements = _variables(env), _requirements(pip)
        with tempfile.TemporaryDirectory(prefix="t2t-submit-") as folder:
            sent = _packed(Path(working_dir), Path(folder) / "package.zip", made, exclude, package)
            server = open_server(address)
            _warn_of_tokens(server.address)
            flags = ["--config", _SENT_CONFIG] if package else _as_flags(made)
            job_id = server.submit(
                Job(
                    arguments=[kind, *_start(kind, made), *flags, "--out", str(out), *_gates(fail_under), "--json"],
                    about=about.__dict__,
                    package=sent,
                    env=variables,
                    pip=requirements,
                    python=python,
                    drain_s=drain,
                    job_id=job_id,
                )
            )
        err_console.print(f"job [bold]{job_id}[/] is with {server.address}")
        if not wait:
            err_console.print(f"follow it: [bold]{_again(server.address, job_id)}[/]", soft_wrap=True)
            finish({"job": {"id": job_id, "address": server.address, "status": "SUBMITTED"}}, json)
            return
        _follow(server, job_id, about, timeout, patience, stop_on_interrupt, json)


# -- before -----------------------------------------------------------------------------------------------------------
def _checked(file: str | None, settings: list[str], kind: str, source: str | None, out: str | None) -> Config:
    """The config, found good before anything is sent. Raises InputError."""
    if file is None:
        raise InputError("name a config: t2t submit run.yaml --address ... (or --attach JOB)")
    if kind not in _KINDS:
        raise InputError(f"--kind {kind}: kinds are {', '.join(_KINDS)}")
    if out is None or not (os.path.isabs(out) or "://" in out):
        raise InputError(
            f"--out {out or ''}: name a run directory that outlives the job and that all its nodes see,"
            " as a URI (s3://bucket/run) or an absolute path on a shared disk".replace("  ", " ")
        )
    made = config_of(file, settings, source=source)
    if kind != "generate" and not made.source:
        raise InputError(f"--kind {kind} starts from a run: name it with --source, as the cluster sees it")
    return made


def _packed(root: Path, target: Path, config: Config, exclude: list[str], package: bool) -> Path | None:
    from cluster.package import pack

    if not package:
        return None
    settings = yaml.safe_dump(config.model_dump(mode="json", exclude_defaults=True), allow_unicode=True)
    made = pack(root, target, exclude=exclude, extra={_SENT_CONFIG: settings.encode()})
    err_console.print(f"sending {made.files} files, {made.bytes / (1 << 20):.2f} MiB")
    if made.secrets:
        named = ", ".join(made.secrets[:5]) + (", ..." if len(made.secrets) > 5 else "")
        err_console.print(f"[yellow]not sent, for their names say secret:[/] {escaped(named)}")
    return target


def _start(kind: str, config: Config) -> list[str]:
    """The argument that names the run to start from."""
    if kind == "evaluate":
        return ["--tasks", str(config.source)]
    return [str(config.source)] if kind == "convert" else []


def _as_flags(config: Config) -> list[str]:
    """The settings that differ from the defaults, for a job that gets no file."""
    import orjson

    found = []

    def walk(prefix: str, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if isinstance(value, dict) and prefix + name != "pools":
                walk(f"{prefix}{name}.", value)
            else:
                found.extend(["--set", f"{prefix}{name}={orjson.dumps(value).decode()}"])

    walk("", config.model_dump(mode="json", exclude_defaults=True, exclude={"source"}))
    return found


def _gates(texts: list[str]) -> Iterator[str]:
    for text in texts:
        yield from ("--fail-under", text)


def _variables(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise InputError("--env: write it as NAME, whose value here is taken, or as NAME=VALUE")
        if not equals and name not in os.environ:
            raise InputError(f"--env {name}: it is not set here; set it, or write {name}=VALUE")
        found[name] = value if equals else os.environ[name]
    return found


def _requirements(texts: list[str]) -> list[str]:
    found = []
    for text in texts:
        if not text.endswith(".txt"):
            found.append(text)
            continue
        try:
            lines = Path(text).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--pip {text}: {getattr(error, 'strerror', None) or error}") from None
        found += [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return found


def _settings_hash(config: Config, kind: str) -> str:
    return _hash_of(config.results_part(), kind)


def _hash_of(results: dict[str, Any], kind: str) -> str:
    taken = () if kind == "generate" else _FROM_SOURCE
    return stable_hash({name: value for name, value in results.items() if name not in taken})


def _warn_of_tokens(address: str) -> None:
    from cluster.jobs import carries_token_in_the_clear, token_headers

    if token_headers() and carries_token_in_the_clear(address):
        err_console.print(
            f"[yellow]the token goes to {address} unencrypted:[/] use https or a tunnel on a shared network",
            soft_wrap=True,
        )


# -- after ------------------------------------------------------------------------------------------------------------
def _follow(
    server: Any,
    job_id: str,
    about: _About,
    timeout: float | None,
    patience: float,
    stop_on_interrupt: bool,
    as_json: bool,
) -> None:
    """Follow a job to its end, say what it came to, and exit so."""
    from cluster.jobs import follow
    from cluster.verdict import verdict
    from cluster.watch import LEFT, OUT_OF_REACH, OUT_OF_TIME, LogLines, Watch

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
    seen = _stored(about)
    stored, failed = seen if seen is not None else (None, _told_gates(about, lines.told or {}))
    found = verdict(ended, lines.told, stored, failed, list(lines.last))
    if found.source:
        if lines.told is None and found.summary is not None:
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
        err_console.print(f"go on watching it: [bold]{_again(server.address, job_id)}[/]", soft_wrap=True)
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
        from cluster.jobs import NoAnswer, UnknownJob

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


def _stored(about: _About) -> tuple[Any, list[str]] | None:
    """The run as its store shows it, and the gates that it does not pass; ``None`` where this machine does not see it,
    or it holds another run.

    Raises:
        InputError: a gate that can't be understood.
    """
    from cluster.verdict import Stored

    from .sources import Source
    from .status import read_status
    from .summary import summary_of
    from .tally import Tally

    if about.out is None:
        return None
    try:
        run = Source(about.out)
        manifest = run.manifest
        same = not about.settings or _hash_of(manifest.results, manifest.kind) == about.settings
        if (about.kind and manifest.kind != about.kind) or not same:
            return None
        status, tally = read_status(run.storage) or {}, Tally.read(run.reader.batches)
    except InputError:
        return None
    config, wall_s = manifest.config, round(float(status.get("elapsed_s", 0.0)), 2)
    summary = summary_of(manifest.kind, run.reader.state, tally, manifest.run_id, config.sure_trials, about.out, wall_s)
    gates = [parse_gate(text, config.agents, config.sure_trials) for text in about.gates]
    failed = [gate.text for gate in gates if not all(verdict.passed for verdict in gate.verdicts(tally))]
    return Stored(summary, str(status.get("state", "")), float(status.get("at", 0.0))), failed


def _told_gates(about: _About, told: dict[str, Any]) -> list[str]:
    """The gates that the job says it did not pass, and those that it was not asked about."""
    return [text for text in about.gates if text in told.get("failed_gates", []) or text not in told.get("gates", [])]


def _stored_about(said: dict[str, Any]) -> _About:
    try:
        return _About(**said)
    except TypeError:
        return _About()  # another t2t's, or not one's at all


def _again(address: str, job_id: str) -> str:
    return escaped(f"t2t submit --attach {job_id} --address {address}")
