"""The Typer app ``t2t``, and the commands that make runs. Other commands are imported from the files beside this."""

from __future__ import annotations

import logging
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import Config
from t2t_dist.core.version import __version__

from . import audit, bench, domains, export, imports, report, runs, submit
from .common import (
    CHECK,
    GATE_FAILED,
    MAKE,
    NO_RESULT,
    RESUMABLE,
    SECTIONS,
    Agents,
    Baseline,
    Concurrency,
    ConfigFile,
    Difficulty,
    Domain,
    Explorer,
    FailUnder,
    Grader,
    Intents,
    Json,
    Judges,
    Junit,
    Markdown,
    MaxDrop,
    Out,
    PrintConfig,
    Seed,
    Settings,
    ToolFaults,
    Trajectories,
    Trials,
    Twins,
    User,
    Workers,
    Writer,
    chosen,
    config_of,
    default_of,
    err_console,
    escaped,
    fault_settings,
    finish,
    how_many,
    one_of,
    out_console,
    run_argument,
    spoken_errors,
    stdout_kept_clean,
)
from .consoles import LogHandler, keep_keys, print_line
from .supervisor import run_has_begun, supervised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from t2t_dist.storage.ledger import RunState

    from .gates import Checks, Judged

_UNTIL = ("explore", "convert", "rollout")


class _Sections(TyperGroup):
    """The app, whose help lists its commands by subject."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        shown = [(name, self.commands[name]) for name in self.list_commands(ctx) if not self.commands[name].hidden]
        sections: dict[str, list[tuple[str, str]]] = {section: [] for section in SECTIONS}
        for name, command in shown:
            sections[getattr(command, "rich_help_panel", MAKE)].append((name, command.get_short_help_str(1000)))
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl(rows)


app = typer.Typer(
    cls=_Sections,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Help is plain text: with Rich's markup, a bracket in a help text is taken for a tag.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Verified tool-calling tasks with controlled intents, and graded rollouts on them.",
    epilog="Exit codes: 0 done, 1 a check or gate failed, 2 bad input, 3 no result, 75 stopped and resumable.",
)


def main() -> None:
    """Run the command that the arguments name; ``__main__.py`` has checked the process."""
    logging.lastResort = LogHandler(logging.WARNING)
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        print_line(f"t2t-dist {__version__}", out=True)
        raise typer.Exit


@app.callback()
def _app(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    keep_keys()


# -- running ----------------------------------------------------------------------------------------------------------
def _run(
    kind: str, config: Config, out: str, as_json: bool, gates: list[str], title: str, checks: Checks | None = None
) -> None:
    """Carry out a run, print its results, and exit by its gates."""
    from .gates import Judged

    judged = Judged(config, gates, checks)

    def body() -> int:
        try:
            with spoken_errors():
                _carry_out(kind, config, out, as_json, judged, title)
        except typer.Exit as end:
            return end.exit_code
        return 0

    code = supervised(body)
    if code is None:
        err_console.print(
            "[bold red]the driver was ended from outside[/]: killed, out of memory, or its Ray's head is gone;"
            " what was committed is kept, the same command resumes it"
        )
        code = RESUMABLE
    if code:
        raise typer.Exit(code)


def _carry_out(kind: str, config: Config, out: str, as_json: bool, judged: Judged, title: str) -> None:
    """In the driver's own process."""
    from t2t_dist.cluster.launch import Progress, Stopped, run
    from t2t_dist.evaluation.failure_causes import causes_of
    from t2t_dist.evaluation.problems import problems_of
    from t2t_dist.evaluation.results_table import ResultsTable
    from t2t_dist.evaluation.summary import summary_of
    from t2t_dist.evaluation.thresholds import failed_thresholds
    from t2t_dist.pipeline.feedback import difficulty_wanted
    from t2t_dist.storage.objects.opening import open_storage
    from t2t_dist.storage.partial_run import PartialRun
    from t2t_dist.storage.reader import RunReader
    from t2t_dist.storage.rows import SCHEMAS

    from .gates import CAUSES_READ
    from .progress import shown
    from .terminal import summary_tables

    try:
        with shown(err_console, title) as notify, stdout_kept_clean():

            def progress(now: Progress) -> None:
                run_has_begun()
                notify(now)

            result = run(kind, config, out, progress)
            run_has_begun()  # and is over, perhaps since long
    except Stopped as stop:
        again = "the same command resumes it"
        err_console.print(f"[yellow]stopped:[/] {escaped(str(stop))}; what was finished is committed, {again}")
        raise typer.Exit(RESUMABLE) from None
    reader = RunReader(open_storage(out), SCHEMAS)  # strict: no gate is judged by half of a run
    results = ResultsTable.read(reader.batches)
    summary = summary_of(kind, reader.state, results, result.run_id, config.sure_trials, out, result.wall_s)
    summary["session"] = {"lag_ms": round(result.lag_ms, 1), "rss_mb": result.rss_mb, "resumed": result.resumed}
    summary |= problems_of(kind, config.until, reader.state, reader.batches, results)
    if config.feedback and (wanted := difficulty_wanted(reader.state.counters)):
        summary["feedback"] = {"difficulty": wanted}
    verdicts = judged.verdicts(results, summary)
    if kind == "evaluate":
        summary["causes"] = causes_of(PartialRun(out), CAUSES_READ).by_agent()
    for part in summary_tables(summary):
        err_console.print(part)
    if "feedback" in summary:
        line = f"\nwhat gave tasks in verify.band, as an option: [bold]--difficulty {wanted}[/]"
        err_console.print(line, soft_wrap=True)
    judged.write_files(results, summary, verdicts)
    if not as_json:
        what, command = next_step(reader.state, out)
        line = f"\nThe dataset is in [bold]{escaped(out)}[/]. {what}: [bold]{escaped(command)}[/]"
        err_console.print(line, soft_wrap=True)
    if result.ended:
        summary["ended"] = result.ended
        err_console.print(f"[yellow]{escaped(result.ended)}[/]; with a larger one the same command resumes it")
    if lost := summary.get("no_result"):
        err_console.print(f"[bold red]{escaped(no_result_line(reader.state, lost))}[/]", soft_wrap=True)
    for line in lost_agents(summary, config.source or out):
        err_console.print(f"[bold red]{escaped(line)}[/]", soft_wrap=True)
    failed = failed_thresholds(verdicts)
    finish(summary | ({"gates": judged.texts, "failed_gates": failed} if judged else {}), as_json)
    if failed:
        for verdict in verdicts:
            if not verdict.passed:
                where = " ".join(part for part in (verdict.agent, verdict.intent) if part)
                line = f"{escaped(verdict.threshold)}: {escaped(where)}: {escaped(verdict.detail)}"
                err_console.print(f"[bold red]gate failed:[/] {line}", soft_wrap=True)
    if lost or "agents_without_result" in summary:
        raise typer.Exit(NO_RESULT)
    if failed:
        raise typer.Exit(GATE_FAILED)


def lost_agents(summary: dict[str, Any], tasks: str) -> Iterator[str]:
    """A line for each agent that has no result while others have some. ``tasks``: the run with the tasks."""
    for agent, lost in summary.get("agents_without_result", {}).items():
        again = f"t2t evaluate {shlex.quote(tasks)} --agent {shlex.quote(agent)} --out ANOTHER-RUN"
        yield (
            f"{agent} has no result: all its {lost['failed']} episodes failed, {lost['count']} of them by"
            f" {lost['what']}: {lost['message']}. Put it right, then roll this agent out again: {again}"
        )


def no_result_line(state: RunState, why: str) -> str:
    """Why a run is of no use, and what the same command does about it."""
    if not state.failed:
        return f"{why}: no call failed, so another run has to differ (more trajectories, another seed or domain)"
    again = "put it right, and the same command tries again what failed"
    if not state.stopped:
        return f"{why}: {again}"
    return f"stopped early, as {why}: {again} (limits.stop_if_first_fail=0 goes on all the same)"


def next_step(state: RunState, out: str) -> tuple[str, str]:
    """What to do next with a run, and the command for it, which works on this one."""
    from t2t_dist.storage.have_results import results

    quoted, counters = shlex.quote(out), state.counters

    def some(prefix: str) -> bool:
        return any(n for name, n in counters.items() if name.startswith(prefix))

    if some("tasks."):
        return "Look at it", f"t2t show {quoted} -n 2"
    if some("tasks_rejected."):
        return "See why no task was verified", f"t2t show {quoted} --rejected -n 2"
    if results("explore", counters) > 0:
        return "Make tasks of it", f"t2t convert {quoted}"
    return "Look at it", f"t2t report {quoted}"


def _print_config(config: Config) -> None:
    from .progress import config_yaml

    print_line(config_yaml(config), out=True)


def _default_out(kind: str, config: Config) -> str:
    from t2t_dist.core.identity import stable_hash

    return f"runs/{kind}-{stable_hash(config.results_part(), config.source, size=4)}"


@app.command(rich_help_panel=MAKE)
def generate(
    domain: Domain = None,
    trajectories: Trajectories = None,
    seed: Seed = None,
    explorer: Explorer = None,
    difficulty: Difficulty = None,
    twins: Twins = None,
    writer: Writer = None,
    judge: Judges = [],
    intent: Intents = [],
    agent: Agents = [],
    user: User = None,
    grader: Grader = None,
    trials: Trials = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar=one_of(_UNTIL), help="Last stage.", show_default=default_of("until")),
    ] = None,
    out: Out = None,
    workers: Workers = None,
    concurrency: Concurrency = None,
    config: ConfigFile = None,
    settings: Settings = [],
    fail_under: FailUnder = [],
    print_config: PrintConfig = False,
    json: Json = False,
) -> None:
    """Make verified tasks and graded episodes: all stages.

    Explores a domain, turns its trajectories into verified tasks, and rolls agents out on them.
    """
    with spoken_errors():
        resolved = config_of(config, settings, **chosen(locals()))
        if print_config:
            return _print_config(resolved)
        _run("generate", resolved, out or _default_out("generate", resolved), json, fail_under, "generate")


@app.command(rich_help_panel=MAKE)
def explore(
    domain: Domain = None,
    trajectories: Trajectories = None,
    seed: Seed = None,
    explorer: Explorer = None,
    difficulty: Difficulty = None,
    out: Out = None,
    workers: Workers = None,
    concurrency: Concurrency = None,
    config: ConfigFile = None,
    settings: Settings = [],
    print_config: PrintConfig = False,
    json: Json = False,
) -> None:
    """Explore a domain only: trajectories, no tasks.

    `t2t convert` makes tasks of the trajectories.
    """
    with spoken_errors():
        resolved = config_of(config, settings, until="explore", **chosen(locals()))
        if print_config:
            return _print_config(resolved)
        _run("generate", resolved, out or _default_out("explore", resolved), json, [], "explore")


@app.command(rich_help_panel=MAKE)
def convert(
    run: Annotated[str, run_argument("Run with trajectories.")],
    limit: Annotated[int | None, how_many("trajectories to take", default="all")] = None,
    seed: Seed = None,
    difficulty: Difficulty = None,
    twins: Twins = None,
    writer: Writer = None,
    judge: Judges = [],
    intent: Intents = [],
    agent: Agents = [],
    user: User = None,
    grader: Grader = None,
    trials: Trials = None,
    until: Annotated[str, typer.Option("--until", metavar=one_of(_UNTIL[1:]), help="Last stage.")] = "convert",
    out: Out = None,
    workers: Workers = None,
    concurrency: Concurrency = None,
    config: ConfigFile = None,
    settings: Settings = [],
    fail_under: FailUnder = [],
    print_config: PrintConfig = False,
    json: Json = False,
) -> None:
    """Turn the trajectories of a run into verified tasks.

    With `--until rollout`, agents are rolled out on the tasks as well.
    """
    with spoken_errors():
        resolved = _from_run(run, config, _as_explored(run, config, settings), **chosen(locals()))
        if print_config:
            return _print_config(resolved)
        _run("convert", resolved, out or _default_out("convert", resolved), json, fail_under, "convert")


@app.command("rollout", hidden=True)
@app.command(rich_help_panel=MAKE)
def evaluate(
    run: Annotated[str, run_argument("Run with verified tasks.")],
    limit: Annotated[int | None, how_many("tasks to take, evenly over the intents", default="all")] = None,
    seed: Seed = None,
    intent: Intents = [],
    agent: Agents = [],
    user: User = None,
    grader: Grader = None,
    trials: Trials = None,
    tool_faults: ToolFaults = None,
    rules: Annotated[
        str | None, typer.Option("--as", metavar="tau2", help="Hold conversations as tau2 run does, in tau2's worlds.")
    ] = None,
    out: Out = None,
    workers: Workers = None,
    concurrency: Concurrency = None,
    config: ConfigFile = None,
    settings: Settings = [],
    fail_under: FailUnder = [],
    baseline: Baseline = None,
    max_drop: MaxDrop = None,
    junit: Junit = None,
    markdown: Markdown = None,
    print_config: PrintConfig = False,
    json: Json = False,
) -> None:
    """Roll agents out on the verified tasks of a run, and compare them."""
    with spoken_errors():
        resolved = _from_run(
            run, config, settings, **fault_settings(tool_faults), **{"verify.reference_trials": 0}, **chosen(locals())
        )
        if print_config:
            return _print_config(resolved)
        from .gates import Checks

        checks = Checks(baseline, max_drop, junit, markdown)
        _run("evaluate", resolved, out or _default_out("evaluate", resolved), json, fail_under, "evaluate", checks)


def _as_explored(run: str, file: str | None, settings: list[str]) -> list[str]:
    """The settings, before them the difficulty with which a run was explored, unless the file has one of its own."""
    from t2t_dist.storage.source_run import Source

    if file is not None and "difficulty" in load_config(file, {}).model_fields_set:
        return settings
    return [f"difficulty={Source(run).manifest.config.difficulty}", *settings]


def _from_run(run: str, file: str | None, settings: list[str], **flags: Any) -> Config:
    """A config whose domain is that of an earlier run."""
    from t2t_dist.storage.objects.base import resolved
    from t2t_dist.storage.source_run import Source

    earlier = Source(run).manifest.config
    base = {"domain": earlier.domain, "domain_seed": earlier.domain_seed, "scale": earlier.scale}
    return config_of(file, settings, source=resolved(run), **base, **flags)


@app.command(rich_help_panel=CHECK)
def doctor(
    agent: Agents = [],
    user: User = None,
    grader: Grader = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="RUN",
            help="Where runs will be written: its disk or store is checked.",
            show_default="here",
        ),
    ] = None,
    config: ConfigFile = None,
    settings: Settings = [],
    start: Annotated[
        bool, typer.Option("--start/--no-start", help="Start the engines that the config would host, to check them.")
    ] = True,
    json: Json = False,
) -> None:
    """Check that this machine, its Ray and the engines can run a config.

    Exits 1 with what to do when they can't.
    """
    with spoken_errors():
        from t2t_dist.cluster.doctor import examine

        from .terminal import findings_table

        resolved = config_of(config, settings, agents=agent, user=user)
        with stdout_kept_clean():
            findings = examine(resolved, out, start=start)
        (err_console if json else out_console).print(findings_table(findings))
        defects = sum(finding.state == "defect" for finding in findings)
        finish({"findings": [finding._asdict() for finding in findings], "defects": defects}, json)
        if defects:
            raise typer.Exit(GATE_FAILED)


for _module in (imports, export, bench, report, audit, runs, domains, submit):
    app.add_typer(_module.app)
