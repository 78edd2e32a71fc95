"""What the commands of ``t2t`` share: options, consoles, settings from flags, one line for bad input, the JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from t2t_dist.config.loading import load_config, parse_setting
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError, StoreUnavailable
from t2t_dist.core.schema import INTENTS

out_console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
err_console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 120)

BAD_INPUT, GATE_FAILED, RESUMABLE = 2, 1, 75

ConfigFile = Annotated[str | None, typer.Option("--config", "-c", help="YAML file with settings.")]
Settings = Annotated[list[str], typer.Option("--set", help="A setting, such as limits.max_steps=60; repeatable.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")]
Out = Annotated[str | None, typer.Option("--out", "-o", help="Run directory; an existing run in it is gone on with.")]
Workers = Annotated[int | None, typer.Option(help="Worker processes; default: one for each CPU.")]
Concurrency = Annotated[int | None, typer.Option(help="Episodes at once, all workers together.")]
PrintConfig = Annotated[bool, typer.Option("--print-config", help="Print the resolved settings with their help.")]
FailUnder = Annotated[
    list[str], typer.Option("--fail-under", help="Exit 1 unless this holds, such as 'pass^1>=0.6'; repeatable.")
]
Agents = Annotated[list[str], typer.Option("--agent", help="Agent to roll out; repeatable.")]
User = Annotated[str | None, typer.Option("--user", help="The simulated user.")]
Trials = Annotated[str | None, typer.Option(help="Episodes a task and agent, or adaptive.")]
Domain = Annotated[
    str | None,
    typer.Option(
        "--domain",
        "-d",
        help="Domain, package.module:attribute or mcp:FILE.yaml, tau2:NAME; a split of it: retail:test.",
    ),
]
Seed = Annotated[int | None, typer.Option(help="Seed of the run.")]
Faults = Annotated[
    str | None,
    typer.Option(
        help="Tools that fail or answer late: retry=0.3,switch=0.2,impossible=0.1,late=0.1, as shares of tools."
    ),
]
Intents = Annotated[list[str], typer.Option("--intent", help=f"Only this intent ({', '.join(INTENTS)}); repeatable.")]


@contextmanager
def spoken_errors() -> Iterator[None]:
    """Bad input is one line and exit 2; a store that is full or away, one line and exit 75."""
    try:
        yield
    except StoreUnavailable as error:
        err_console.print(f"[yellow]stopped:[/] {escaped(str(error))}; what was committed is kept", soft_wrap=True)
        raise typer.Exit(RESUMABLE) from None
    except InputError as error:
        err_console.print(f"[bold red]error:[/] {escaped(str(error))}", soft_wrap=True)
        raise typer.Exit(BAD_INPUT) from None


def escaped(text: str) -> str:
    return text.replace("[", r"\[")


def fault_settings(text: str | None) -> list[str]:
    """``retry=0.3,late=0.1`` as settings. Raises InputError: not of this form."""
    found = []
    for part in text.split(",") if text else ():
        name, equals, share = (piece.strip() for piece in part.partition("="))
        if not (name and equals and share):
            raise InputError(f"--faults {text}: write it as fault=share, such as retry=0.3,late=0.1")
        found.append(f"faults.{name}={share}")
    return found


def config_of(file: str | None, settings: list[str], **flags: Any) -> Config:
    """YAML, then ``--set``, then the command's own flags."""
    overrides = dict(parse_setting(text) for text in settings)
    overrides |= {name.replace("__", "."): value for name, value in flags.items() if value not in (None, [])}
    config = load_config(file, overrides)
    config.check_models()
    return config


@contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """Whatever is printed meanwhile goes to stderr: Ray tells of lost workers on stdout, kept for our JSON."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def finish(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(summary).decode() + "\n")
        sys.stdout.flush()
