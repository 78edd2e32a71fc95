"""The help of every command: it works, says what each option means, and one thing has one name everywhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from t2t_dist.cli import export as cli_export
from t2t_dist.cli.common import SECTIONS
from t2t_dist.cli.imports import _FORMATS, _GRADINGS
from t2t_dist.cli.main import _UNTIL, app
from t2t_dist.cli.submit import _KINDS
from t2t_dist.config.settings import Config
from t2t_dist.core.schema import INTENTS
from t2t_dist.core.version import __version__
from t2t_dist.environments.tool_faults import Fault
from t2t_dist.export.formats import FORMATS, STYLES
from t2t_dist.grading.diagnose import CODES
from t2t_dist.storage.rows import CHECKS
from tests.support.runs import environment

Command = tuple[str, ...]


def walked(command: Any, path: Command = ()) -> Iterator[tuple[Command, Any]]:
    """Every command of the tree, groups too."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from walked(inner, (*path, name))


COMMANDS = dict(walked(typer.main.get_command(app)))
OPTIONS = [
    (path, param) for path, command in COMMANDS.items() for param in command.params if param.param_type_name == "option"
]
ARGUMENTS = [
    (path, param)
    for path, command in COMMANDS.items()
    for param in command.params
    if param.param_type_name == "argument"
]
#: Options with a closed set of values.
CLOSED = {
    "--intent": INTENTS,
    "--until": _UNTIL[1:],  # not every command has the first stage
    "--kind": _KINDS,
    "--format": [*FORMATS, "tau2", "tau2-results"],
    "--style": STYLES,
    "--file": ("jsonl", "parquet"),
    "--process": CHECKS,
    "--grading": _GRADINGS,
    "--code": CODES,
    "--tool-faults": tuple(fault.value for fault in Fault),
}
#: Options that set a setting, by the setting.
SET = {
    "domain": "--domain", "trajectories": "--trajectories", "seed": "--seed", "explorer": "--explorer",
    "writer": "--writer", "agents": "--agent", "user": "--user", "trials": "--trials",
    "until": "--until",
}  # fmt: skip


@cache
def shown(path: Command, flag: str = "--help", width: int = 200) -> str:
    done = CliRunner().invoke(app, [*path, flag], env={"COLUMNS": str(width)}, prog_name="t2t")
    assert done.exit_code == 0, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert "Traceback" not in done.output
    return done.output


def entry(path: Command, param: Any) -> str:
    """What the help of a command says of one parameter, on one line."""
    name = re.escape(param.metavar) if param.param_type_name == "argument" else re.escape(param.opts[-1])
    whole = shown(path).splitlines()
    lines = whole[next(n for n, line in enumerate(whole) if line in ("Arguments:", "Options:")) :]
    (start,) = [n for n, line in enumerate(lines) if re.match(rf"  (\S+, )?{name}\b", line)]
    end = next((n for n in range(start + 1, len(lines)) if re.match(r"(  \S|$)", lines[n])), len(lines))
    return " ".join(" ".join(lines[start:end]).split())


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "t2t")
@pytest.mark.parametrize("width", [60, 200])
def test_help_works(path: Command, width: int) -> None:
    text = shown(path, "--help", width)
    assert text == shown(path, "-h", width)
    assert "Usage: t2t" in text
    summary = " ".join(COMMANDS[path].help.split("\n\n")[0].split())
    assert summary in " ".join(text.split())


def test_every_command_is_in_a_section_of_the_first_page() -> None:
    text = shown(())
    assert [line.rstrip(":") for line in text.splitlines() if line.rstrip(":") in SECTIONS] == list(SECTIONS)
    for path, command in COMMANDS.items():
        if path and not command.hidden:
            assert re.search(rf"^  {path[0]} +\S", text, re.M), path


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "t2t")
def test_every_parameter_is_explained(path: Command) -> None:
    for param in COMMANDS[path].params:
        assert param.help, param.name
        text = entry(path, param)
        assert " ".join(param.help.split()) in text, "as it is written: brackets are no markup"
        flag = getattr(param, "is_flag", False) and not param.secondary_opts
        if param.default not in (None, (), []) and not flag:
            assert "default: " in text
            assert str(param.default) in text or param.secondary_opts
        for value in next((CLOSED[name] for name in param.opts if name in CLOSED), ()):
            assert re.search(rf"\b{value}\b", text), f"{value} is a value that {param.name} takes"


@pytest.mark.parametrize("command", ["generate", "explore", "convert", "evaluate"])
def test_an_option_that_sets_a_setting_shows_its_default(command: str) -> None:
    config = Config()
    for setting, option in SET.items():
        for path, param in OPTIONS:
            if path == (command,) and option in param.opts and param.default in (None, ()):
                value = getattr(config, setting)
                plain = ", ".join(value) if isinstance(value, list) else str(value)
                assert f"[default: ({plain})]" in entry(path, param)


def test_a_flag_means_one_thing() -> None:
    """A short flag has one long name everywhere, but for ``-n``: it says how many, of what the command deals in."""
    names, helps = defaultdict(set), defaultdict(set)
    for _, param in OPTIONS:
        for short in (name for name in param.opts if not name.startswith("--")):
            names[short] |= {name for name in param.opts if name.startswith("--")}
            helps[short].add(param.help)
    assert names.pop("-n") == {"--trajectories", "--limit", "--tasks"}
    assert all(help.startswith("How many ") for help in helps["-n"])
    assert {short: len(longs) for short, longs in names.items()} == dict.fromkeys(names, 1), names
    assert {"-o", "-c", "-d"} <= set(names)


def test_a_thing_has_one_name() -> None:
    """A parameter of a command's function is one option everywhere, and a run that a command starts from is RUN."""
    options = defaultdict(set)
    for _, param in OPTIONS:
        options[param.name].add(param.opts[0])
    assert {name: len(found) for name, found in options.items()} == dict.fromkeys(options, 1), options
    runs = {path[0] for path, param in ARGUMENTS if param.metavar == "RUN"}
    assert runs == {
        "audit", "convert", "evaluate", "rollout", "export", "report", "failures", "verify", "regrade", "show",
        "status", "view", "submit",
    }  # fmt: skip
    assert not {param.opts[0] for _, param in OPTIONS} & {"--source", "--from", "--run"}


def test_convert_and_explore_have_the_options_of_generate_that_apply() -> None:
    of = {
        command: {p.opts[0] for path, p in OPTIONS if path == (command,)}
        for command in ("generate", "explore", "convert")
    }
    roll_out = {"--agent", "--user", "--grader", "--trials", "--fail-under"}
    assert of["generate"] - of["explore"] == {"--writer", "--judge", "--intent", "--twins", "--until", *roll_out}
    assert of["generate"] - of["convert"] == {"--domain", "--trajectories", "--explorer"}


def test_values_named_in_help_are_those_that_exist() -> None:
    """Help does not load Arrow, so what an export can be is written down a second time."""
    assert (*FORMATS, "tau2", "tau2-results") == cli_export.FORMATS
    assert (STYLES, CHECKS) == (cli_export.STYLES, cli_export.CHECKS)
    assert _FORMATS == ("tau2",)


def test_version() -> None:
    assert shown((), "--version").split() == ["t2t-dist", __version__]


def test_help_loads_neither_ray_nor_arrow() -> None:
    code = (
        "import sys; from t2t_dist.cli.main import app; app(['--help'], standalone_mode=False);"
        "print([m for m in ('ray', 'pyarrow', 'numpy', 'pandas', 'aiohttp', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.splitlines()[-1] == "[]"
