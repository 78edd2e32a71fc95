"""Shared parts of the ``t2t`` commands: options and arguments, settings from flags, one line for bad input.

An option that several commands have is defined here once: it has one name, one short flag and one meaning everywhere.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Annotated, Any

import typer

from t2t_dist.config.loading import load_config, parse_setting
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError, StoreUnavailable
from t2t_dist.core.schema import INTENTS

from .consoles import err_console as err_console
from .consoles import escaped as escaped
from .consoles import out_console as out_console
from .consoles import print_json
from .streams import BAD_INPUT

GATE_FAILED, NO_RESULT, RESUMABLE = 1, 3, 75

#: Sections of ``t2t --help``.
SECTIONS = MAKE, LOOK, CHECK, DOMAINS, CLUSTER = ("Make data", "Look at runs", "Check", "Domains", "Ray clusters")


# -- arguments and options ---------------------------------------------------------------------------------------------
def one_of(values: Iterable[str]) -> str:
    """The metavar of an option with a closed set of values. What is not in it is refused by name where it is used."""
    return f"[{'|'.join(values)}]"


def run_argument(help: str) -> Any:
    """A run that a command starts from or looks at: always positional, always RUN."""
    return typer.Argument(metavar="RUN", help=help, show_default=False)


def how_many(help: str, name: str = "--limit", default: str | bool = True, **more: Any) -> Any:
    """``-n`` says how many, whatever a command makes, takes or prints."""
    return typer.Option(name, "-n", help=f"How many {help}.", show_default=default, **more)


def default_of(setting: str) -> str:
    """The default of a setting, for the help of the option that sets it."""
    value: Any = reduce(getattr, setting.split("."), _DEFAULTS)
    return ", ".join(value) if isinstance(value, list) else str(value)


_DEFAULTS = Config()
_ALIKE = (
    "domain", "trajectories", "limit", "seed", "difficulty", "twins", "explorer", "writer", "user", "grader", "trials",
    "until", "rules",
)  # fmt: skip
#: The settings that options set: by setting, the option's name in a command's function.
_SET_BY = {name: name for name in _ALIKE} | {
    "agents": "agent",
    "intents": "intent",
    "judges": "judge",
    "cluster.workers": "workers",
    "cluster.concurrency": "concurrency",
}
_MODEL = "openai:MODEL@URL, vllm:MODEL, pool:NAME"

Domain = Annotated[
    str | None,
    typer.Option(
        "--domain",
        "-d",
        metavar="DOMAIN",
        help="Domain: a name (see t2t domains), package.module:attribute, mcp:FILE.yaml or tau2:NAME; a split of it:"
        " retail:test.",
        show_default=default_of("domain"),
    ),
]
Trajectories = Annotated[int | None, how_many("trajectories to explore", "--trajectories", default_of("trajectories"))]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the run.", show_default=default_of("seed"))]
Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        "-o",
        metavar="RUN",
        help="Run to write, a directory or a URI; an existing one is resumed.",
        show_default="a directory in runs/",
    ),
]
Agents = Annotated[
    list[str],
    typer.Option(
        "--agent",
        metavar="MODEL",
        help=f"Agent to roll out: scripted:NAME, {_MODEL}; repeatable.",
        show_default=default_of("agents"),
    ),
]
User = Annotated[
    str | None,
    typer.Option(
        "--user", metavar="MODEL", help=f"Simulated user: scripted, {_MODEL}.", show_default=default_of("user")
    ),
]
Explorer = Annotated[
    str | None,
    typer.Option(
        "--explorer", metavar="MODEL", help=f"Explorer: graph, {_MODEL}.", show_default=default_of("explorer")
    ),
]
Writer = Annotated[
    str | None,
    typer.Option(
        "--writer",
        metavar="MODEL",
        help=f"Writer of the task texts: template, {_MODEL}.",
        show_default=default_of("writer"),
    ),
]
Difficulty = Annotated[
    str | None,
    typer.Option(
        "--difficulty",
        metavar="[1-5|LEVEL=SHARE,...]",
        help="How hard tasks are to be, from 1 (all is named) to 5: descriptions, sets, conditions, questions, more"
        " errands, customers that push; or shares of trajectories: 1=0.5,3=0.3,5=0.2.",
        show_default=default_of("difficulty"),
    ),
]
Twins = Annotated[
    bool | None,
    typer.Option(
        "--twins/--no-twins",
        help="Make a task's twin as well: the same words in a world where they ask for something else.",
        show_default="no twins",
    ),
]
Judges = Annotated[
    list[str],
    typer.Option("--judge", metavar="MODEL", help=f"Judge that scores each task: {_MODEL}; repeatable."),
]
Grader = Annotated[
    str | None,
    typer.Option(
        "--grader",
        metavar="MODEL",
        help=f"Model that decides what code can't decide about an episode: {_MODEL}.",
        show_default="none",
    ),
]
Intents = Annotated[
    list[str],
    typer.Option("--intent", metavar=one_of(INTENTS), help="Only this intent; repeatable.", show_default="all"),
]
AgentFilter = Annotated[
    str | None, typer.Option("--agent", metavar="MODEL", help="Only episodes of this agent.", show_default="all")
]
IntentFilter = Annotated[
    str | None, typer.Option("--intent", metavar=one_of(INTENTS), help="Only this intent.", show_default="all")
]
Trials = Annotated[
    str | None,
    typer.Option(
        "--trials",
        metavar="[N|adaptive]",
        help="Episodes per task and agent; adaptive: more where the pass rate is least certain.",
        show_default=default_of("trials"),
    ),
]
ToolFaults = Annotated[
    str | None,
    typer.Option(
        "--tool-faults",
        metavar="FAULT=SHARE,...",
        help="Shares of tools that fail or answer late: retry, switch, impossible, late; or that show noise: paged,"
        " truncated, stale, wrong, distractor; such as retry=0.3,paged=0.5.",
    ),
]
Workers = Annotated[int | None, typer.Option("--workers", help="Worker processes.", show_default="one per CPU")]
Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency", help="Concurrent episodes, over all workers.", show_default=default_of("cluster.concurrency")
    ),
]
ConfigFile = Annotated[str | None, typer.Option("--config", "-c", metavar="FILE", help="YAML file with settings.")]
Settings = Annotated[
    list[str],
    typer.Option("--set", metavar="NAME=VALUE", help="Any setting, such as limits.max_steps=60; repeatable."),
]
PrintConfig = Annotated[
    bool, typer.Option("--print-config", help="Print the resolved settings as YAML with their help, and exit.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")]

FailUnder = Annotated[
    list[str],
    typer.Option(
        "--fail-under",
        metavar="GATE",
        help="Exit 1 unless this holds, such as 'pass^1>=0.6' or 'pass^1[ambiguous]>=0.3'; repeatable.",
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option("--baseline", metavar="RUN", help="Earlier run to compare with, task by task."),
]
MaxDrop = Annotated[
    float | None,
    typer.Option("--max-drop", help="Exit 1 if an agent's pass^1 fell by more than this on any intent."),
]
Junit = Annotated[
    str | None,
    typer.Option("--junit", metavar="FILE", help="Write the gates to this file as JUnit XML."),
]
Markdown = Annotated[
    str | None,
    typer.Option("--markdown", metavar="FILE", help="Write a summary to this file as Markdown."),
]


# -- input and output --------------------------------------------------------------------------------------------------
@contextmanager
def spoken_errors() -> Iterator[None]:
    """Bad input is one line and exit 2; a store that is full or out of reach is one line and exit 75."""
    try:
        yield
    except StoreUnavailable as error:
        err_console.print(f"[yellow]stopped:[/] {escaped(str(error))}; what was committed is kept", soft_wrap=True)
        raise typer.Exit(RESUMABLE) from None
    except InputError as error:
        err_console.print(f"[bold red]error:[/] {escaped(str(error))}", soft_wrap=True)
        raise typer.Exit(BAD_INPUT) from None


def fault_settings(text: str | None) -> dict[str, Any]:
    """``retry=0.3,late=0.1`` by the names of settings. Raises InputError: not of this form."""
    settings = {}
    for part in text.split(",") if text else ():
        name, equals, share = (piece.strip() for piece in part.partition("="))
        if not (name and equals and share):
            raise InputError(f"--tool-faults {text}: write it as fault=share, such as retry=0.3,paged=0.5")
        path, value = parse_setting(f"faults.{name}={share}")
        settings[path] = value
    return settings


def chosen(options: dict[str, Any]) -> dict[str, Any]:
    """Of a command's options (its ``locals()``), those that set a setting, under the setting's name."""
    return {setting: options[name] for setting, name in _SET_BY.items() if name in options}


def config_of(file: str | None, settings: list[str], **flags: Any) -> Config:
    """YAML, then ``--set``, then the command's own options, each under the name of its setting."""
    overrides = dict(parse_setting(text) for text in settings)
    given_as = {path: f"--set {path}" for path in overrides}
    for path, value in flags.items():
        if value not in (None, []):
            overrides[path] = value
            given_as[path] = "--as" if path == "rules" else f"--{_SET_BY.get(path, path)}"
            if path.startswith("faults."):
                given_as[path] = f"--tool-faults {path.removeprefix('faults.')}"
    config = load_config(file, overrides, given_as)
    config.check_models()
    return config


@contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """Send whatever is printed meanwhile to stderr: Ray reports lost workers on stdout, which is for the JSON alone."""
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
    """The last line of stdout, where ``--json`` asks for it."""
    if as_json:
        print_json(summary)
