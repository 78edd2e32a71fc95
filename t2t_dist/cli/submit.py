"""``t2t submit``: a run as a job of a Ray cluster, followed to its end, with its exit code."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.environments.files import read_text

from .common import (
    CLUSTER,
    Baseline,
    FailUnder,
    Json,
    Junit,
    Markdown,
    MaxDrop,
    Settings,
    config_of,
    err_console,
    escaped,
    finish,
    one_of,
    spoken_errors,
)

app = typer.Typer()

#: Path of the config in the package that is sent.
_SENT_CONFIG = "t2t-submit.yaml"
_KINDS = ("generate", "convert", "evaluate")


@app.command(rich_help_panel=CLUSTER)
def submit(
    config: Annotated[str | None, typer.Argument(metavar="CONFIG", help="YAML file with the run's settings.")] = None,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN", help="Run to convert or evaluate, as the cluster sees it.", show_default="source in CONFIG"
        ),
    ] = None,
    kind: Annotated[str, typer.Option("--kind", metavar=one_of(_KINDS), help="Kind of the run.")] = "generate",
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="URL",
            envvar="RAY_API_SERVER_ADDRESS",
            help="Dashboard of the cluster's head, such as http://head:8265.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="RUN", help="Run to write, as the cluster sees it: absolute path or URI."),
    ] = None,
    settings: Settings = [],
    fail_under: FailUnder = [],
    baseline: Baseline = None,
    max_drop: MaxDrop = None,
    junit: Junit = None,
    markdown: Markdown = None,
    env: Annotated[
        list[str],
        typer.Option("--env", metavar="NAME[=VALUE]", help="Variable for the job, by default as set here; repeatable."),
    ] = [],
    pip: Annotated[
        list[str],
        typer.Option("--pip", metavar="REQUIREMENT", help="Requirement, or a .txt file of requirements; repeatable."),
    ] = [],
    python: Annotated[str, typer.Option("--python", metavar="PATH", help="Python of the cluster.")] = "python",
    working_dir: Annotated[str, typer.Option("--working-dir", metavar="FOLDER", help="Working tree to send.")] = ".",
    exclude: Annotated[
        list[str],
        typer.Option("--exclude", metavar="PATTERN", help="Files not to send, such as 'data/*'; repeatable."),
    ] = [],
    package: Annotated[
        bool, typer.Option("--package/--no-package", help="Send the working tree, or settings only.")
    ] = True,
    job_id: Annotated[
        str | None, typer.Option("--submission-id", metavar="JOB", help="Id of the job.", show_default="a new one")
    ] = None,
    attach: Annotated[
        str | None, typer.Option("--attach", metavar="JOB", help="Follow this job instead of submitting one.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the job to its end.")] = True,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", min=0.0, help="Most seconds to wait; the job continues.", show_default="no limit"),
    ] = None,
    patience: Annotated[
        float, typer.Option("--patience", min=1.0, help="Seconds that the cluster may be silent.")
    ] = 900.0,
    stop_on_interrupt: Annotated[
        bool, typer.Option("--stop-on-interrupt", help="Ctrl-C or SIGTERM stops the job instead of leaving it running.")
    ] = False,
    drain: Annotated[int, typer.Option("--drain", min=1, help="Seconds a stopped job has to commit its rows.")] = 120,
    json: Json = False,
) -> None:
    """Run on a Ray cluster as a job, and follow it to its end.

    The files that git tracks here, and new files that it does not ignore, are the job's working directory. Exits as the
    run does: 0, 1 (gate), 2 (bad input), 3 (the run or an agent has no result), 75 (resumable).
    """
    with spoken_errors():
        from t2t_dist.cluster.jobs.server import Job, open_server

        from .follow import About, about_of, again, follow_job, settings_hash
        from .gates import Checks, Judged

        checks = Checks(baseline, max_drop, junit, markdown)
        if address is None:
            raise InputError("name the cluster: --address http://HEAD:8265, or RAY_API_SERVER_ADDRESS")
        if attach is not None:
            if config is not None:
                raise InputError("--attach follows an existing job; give it no CONFIG")
            Judged(Config(), [], checks)  # the run's own config, and so its gates, are known when it ends
            server = open_server(address)
            about = about_of(server.about(attach))
            about.out, about.gates = out or about.out, [*fail_under] or about.gates
            follow_job(server, attach, about, checks, timeout, patience, stop_on_interrupt, json)
            return
        resolved = _checked(config, settings, kind, run, out)
        if not wait and any(option is not None for option in checks):
            raise InputError(
                "--no-wait does not see the run's end; give --baseline, --junit and the like to --attach JOB"
            )
        Judged(resolved, fail_under, checks)
        about = About(kind, out, [*fail_under], settings_hash(resolved.results_part(), kind))
        variables, requirements = _variables(env), _requirements(pip)
        with tempfile.TemporaryDirectory(prefix="t2t-submit-") as folder:
            sent = _packed(Path(working_dir), Path(folder) / "package.zip", resolved, exclude, package)
            server = open_server(address)
            _warn_of_tokens(server.address)
            flags = ["--config", _SENT_CONFIG] if package else _as_flags(resolved)
            job_id = server.submit(
                Job(
                    arguments=[kind, *_start(kind, resolved), *flags, "--out", str(out), *_gates(fail_under), "--json"],
                    about=about.__dict__,
                    package=sent,
                    env=variables,
                    pip=requirements,
                    python=python,
                    drain_s=drain,
                    job_id=job_id,
                )
            )
        err_console.print(f"submitted job [bold]{escaped(job_id)}[/] to {escaped(server.address)}")
        if not wait:
            err_console.print(f"follow it: [bold]{again(server.address, job_id)}[/]", soft_wrap=True)
            finish({"job": {"id": job_id, "address": server.address, "status": "SUBMITTED"}}, json)
            return
        follow_job(server, job_id, about, checks, timeout, patience, stop_on_interrupt, json)


# -- before -----------------------------------------------------------------------------------------------------------
def _checked(file: str | None, settings: list[str], kind: str, run: str | None, out: str | None) -> Config:
    """The config, checked before anything is sent. Raises InputError."""
    if file is None:
        raise InputError("name a config: t2t submit run.yaml --address ... (or --attach JOB)")
    if kind not in _KINDS:
        raise InputError(f"--kind {kind}: kinds are {', '.join(_KINDS)}")
    if out is None or not (os.path.isabs(out) or "://" in out):
        raise InputError(
            f"--out {out or ''}: name a run directory that outlives the job and that all its nodes see,"
            " as a URI (s3://bucket/run) or an absolute path on a shared disk".replace("  ", " ")
        )
    resolved = config_of(file, settings, source=run)
    if kind != "generate" and not resolved.source:
        raise InputError(
            f"--kind {kind} starts from a run: t2t submit CONFIG RUN --kind {kind}, RUN as the cluster sees it"
        )
    return resolved


def _packed(root: Path, target: Path, config: Config, exclude: list[str], package: bool) -> Path | None:
    from t2t_dist.cluster.jobs.package import pack

    if not package:
        return None
    settings = yaml.safe_dump(config.model_dump(mode="json", exclude_defaults=True), allow_unicode=True)
    archive = pack(root, target, exclude=exclude, extra={_SENT_CONFIG: settings.encode()})
    err_console.print(f"sending {archive.files} files, {archive.bytes / (1 << 20):.2f} MiB")
    if archive.secrets:
        named = ", ".join(archive.secrets[:5]) + (", ..." if len(archive.secrets) > 5 else "")
        err_console.print(f"[yellow]not sent, as their names suggest secrets:[/] {escaped(named)}")
    return target


def _start(kind: str, config: Config) -> list[str]:
    """The positional argument of the run to start from."""
    return [] if kind == "generate" else [str(config.source)]


def _as_flags(config: Config) -> list[str]:
    """The settings that differ from the defaults as ``--set`` flags, for a job that gets no file."""
    import orjson

    flags = []

    def walk(prefix: str, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if isinstance(value, dict) and prefix + name != "pools":
                walk(f"{prefix}{name}.", value)
            else:
                flags.extend(["--set", f"{prefix}{name}={orjson.dumps(value).decode()}"])

    walk("", config.model_dump(mode="json", exclude_defaults=True, exclude={"source"}))
    return flags


def _gates(texts: list[str]) -> Iterator[str]:
    for text in texts:
        yield from ("--fail-under", text)


def _variables(texts: list[str]) -> dict[str, str]:
    variables = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise InputError("--env: write it as NAME, to take its value here, or as NAME=VALUE")
        if not equals and name not in os.environ:
            raise InputError(f"--env {name}: it is not set here; set it, or write {name}=VALUE")
        variables[name] = value if equals else os.environ[name]
    return variables


def _requirements(texts: list[str]) -> list[str]:
    requirements = []
    for text in texts:
        if not text.endswith(".txt"):
            requirements.append(text)
            continue
        try:
            lines = read_text(text).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"--pip {text}: {getattr(error, 'strerror', None) or error}; give a file of requirements"
            ) from None
        requirements += [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return requirements


def _warn_of_tokens(address: str) -> None:
    from t2t_dist.cluster.jobs.server import carries_token_in_the_clear, token_headers

    if token_headers() and carries_token_in_the_clear(address):
        err_console.print(
            f"[yellow]the token goes to {escaped(address)} unencrypted:[/] use https or a tunnel on a shared network",
            soft_wrap=True,
        )
