"""``t2t``: the command line, and the composition root, which alone (with ``cli_submit``) may import ``cluster``.

Progress goes to stderr; ``--json`` prints one JSON object as the last line of stdout and nothing else there.
Exit codes: 0 done, 1 a gate failed, 2 bad input, 75 stopped and resumable.
"""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer

from t2t_dist.config.settings import Config
from t2t_dist.evaluation.failure_causes import causes_of
from t2t_dist.storage.objects.base import resolved
from t2t_dist.storage.objects.opening import open_storage

from . import domains as cli_domains
from . import export as cli_export
from . import imports as cli_import
from . import report as cli_report
from . import runs as cli_look
from . import submit as cli_submit
from .common import (
    GATE_FAILED,
    RESUMABLE,
    Agents,
    Concurrency,
    ConfigFile,
    Domain,
    FailUnder,
    Faults,
    Intents,
    Json,
    Out,
    PrintConfig,
    Seed,
    Settings,
    Trials,
    User,
    Workers,
    config_of,
    err_console,
    escaped,
    fault_settings,
    finish,
    out_console,
    spoken_errors,
    stdout_kept_clean,
)
from .gates import CAUSES_READ, Baseline, Checks, Judged, Junit, Markdown, MaxDrop
from .supervisor import supervised

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Verified tool-calling tasks with controlled intents, and graded rollouts on them.",
)


def main() -> None:
    """Entry point of ``t2t``."""
    sys.path.insert(0, "")  # a domain of one's own is named as it is imported from where one stands
    app()


# -- running ----------------------------------------------------------------------------------------------------------
def _run(
    kind: str, config: Config, out: str, as_json: bool, gates: list[str], title: str, checks: Checks | None = None
) -> None:
    """Carry out a run, print what it came to, and exit by its gates."""
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
            " what was committed is kept, the same command goes on with it"
        )
        code = RESUMABLE
    if code:
        raise typer.Exit(code)


def _carry_out(kind: str, config: Config, out: str, as_json: bool, judged: Judged, title: str) -> None:
    """In the driver's own process."""
    started = time.monotonic()
    from t2t_dist.cluster.launch import Stopped, run
    from t2t_dist.evaluation.results_table import ResultsTable
    from t2t_dist.evaluation.summary import summary_of
    from t2t_dist.evaluation.thresholds import failed_thresholds
    from t2t_dist.storage.partial_run import Reading
    from t2t_dist.storage.reader import RunReader
    from t2t_dist.storage.rows import SCHEMAS

    from .progress import shown
    from .terminal import summary_tables

    try:
        with shown(err_console, title) as notify, stdout_kept_clean():
            result = run(kind, config, out, notify)
    except Stopped as stop:
        again = "the same command goes on with it"
        err_console.print(f"[yellow]stopped:[/] {escaped(str(stop))}; what was finished is committed, {again}")
        raise typer.Exit(RESUMABLE) from None
    reader = RunReader(open_storage(out), SCHEMAS)  # strict: no gate is judged by half of a run
    results = ResultsTable.read(reader.batches)
    wall_s = result.wall_s or time.monotonic() - started
    summary = summary_of(kind, reader.state, results, result.run_id, config.sure_trials, out, wall_s)
    summary["session"] = {"lag_ms": round(result.lag_ms, 1), "rss_mb": result.rss_mb, "resumed": result.resumed}
    verdicts = judged.verdicts(results, summary)
    if kind == "evaluate":
        summary["causes"] = causes_of(Reading(out), CAUSES_READ).by_agent()
    for part in summary_tables(summary):
        err_console.print(part)
    judged.write_files(results, summary, verdicts)
    if not as_json:
        look = f"t2t report {out}" if kind == "evaluate" else f"t2t show {out} -n 2"
        err_console.print(f"\nThe dataset is in [bold]{out}[/]. Look at it: [bold]{look}[/]")
    if result.ended:
        summary["ended"] = result.ended
        err_console.print(f"[yellow]{escaped(result.ended)}[/]; under a larger one the same command goes on")
    failed = failed_thresholds(verdicts)
    finish(summary | ({"gates": judged.texts, "failed_gates": failed} if judged else {}), as_json)
    if failed:
        for verdict in verdicts:
            if not verdict.passed:
                where = " ".join(part for part in (verdict.agent, verdict.intent) if part)
                told = f"{escaped(verdict.threshold)}: {escaped(where)}: {escaped(verdict.detail)}"
                err_console.print(f"[bold red]gate failed:[/] {told}", soft_wrap=True)
        raise typer.Exit(GATE_FAILED)


def _print_config(config: Config) -> None:
    from .progress import config_yaml

    sys.stdout.write(config_yaml(config))


def _default_out(kind: str, config: Config) -> str:
    from t2t_dist.core.identity import stable_hash

    return f"runs/{kind}-{stable_hash(config.results_part(), config.source, size=4)}"


@app.command()
def generate(
    domain: Domain = None,
    trajectories: Annotated[int | None, typer.Option("--trajectories", "-n", help="Explorations to make.")] = None,
    seed: Seed = None,
    out: Out = None,
    agent: Agents = [],
    user: User = None,
    explorer: Annotated[str | None, typer.Option(help="Who explores: graph, openai:MODEL@URL ...")] = None,
    writer: Annotated[str | None, typer.Option(help="Who words the tasks: template, openai:MODEL@URL ...")] = None,
    judge: Annotated[list[str], typer.Option(help="A model that marks each task; repeatable.")] = [],
    intent: Intents = [],
    trials: Trials = None,
    until: Annotated[str | None, typer.Option(help="Last stage: explore, convert or rollout.")] = None,
    workers: Workers = None,
    concurrency: Concurrency = None,
    config: ConfigFile = None,
    settings: Settings = [],
    fail_under: FailUnder = [],
    print_config: PrintConfig = False,
    json: Json = False,
) -> None:
    """Explore a domain, make verified tasks of what is found, and roll agents out on them."""
    with spoken_errors():
        made = config_of(
            config,
            settings,
            domain=domain,
            trajectories=trajectories,
            seed=seed,
            agents=agent,
            user=user,
            explorer=explorer,
            writer=writer,
            judges=judge,
            intents=intent,
            trials=trials,
            until=until,
            cluster__workers=workers,
            cluster__concurrency=concurrency,
        )
        if print_config:
            return _print_config(made)
        _run("generate", made, out or _default_out("generate", made), json, fail_under, "generate")


@app.command()
def explore(
    domain: Domain = None,
    trajectories: Annotated[int | None, typer.Option("--trajectories", "-n", help="Explorations to make.")] = None,
    seed: Seed = None,
    out: Out = None,
    explorer: Annotated[str | None, typer.Option(help="Who explores: graph, openai:MODEL@URL ...")] = None,
    workers: Workers = None,
    concurrency: Concurrency = None,
    config: ConfigFile = None,
    settings: Settings = [],
    json: Json = False,
) -> None:
    """Explore only: trajectories, no tasks. `t2t convert` goes on from there."""
    with spoken_errors():
        made = config_of(
            config,
            settings,
            domain=domain,
            trajectories=trajectories,
            seed=seed,
            explorer=explorer,
            until="explore",
            cluster__workers=workers,
            cluster__concurrency=concurrency,
        )
        _run("generate", made, out or _default_out("explore", made), json, [], "explore")


@app.command()
def convert(
    run: Annotated[str, typer.Argument(help="A run directory with trajectories.")],
    out: Out = None,
    writer: Annotated[str | None, typer.Option(help="Who words the tasks.")] = None,
    judge: Annotated[list[str], typer.Option(help="A model that marks each task; repeatable.")] = [],
    intent: Intents = [],
    agent: Agents = [],
    until: Annotated[str, typer.Option(help="Last stage: convert or rollout.")] = "convert",
    limit: Annotated[int | None, typer.Option(help="Take only so many trajectories.")] = None,
    workers: Workers = None,
    config: ConfigFile = None,
    settings: Settings = [],
    json: Json = False,
) -> None:
    """Make verified tasks of the trajectories of an earlier run."""
    with spoken_errors():
        made = _from_run(
            run,
            config,
            settings,
            writer=writer,
            judges=judge,
            intents=intent,
            agents=agent,
            until=until,
            limit=limit,
            cluster__workers=workers,
        )
        _run("convert", made, out or _default_out("convert", made), json, [], "convert")


@app.command()
def evaluate(
    tasks: Annotated[str, typer.Option("--tasks", "-t", help="A run directory with verified tasks.")],
    agent: Agents = [],
    user: User = None,
    trials: Trials = None,
    limit: Annotated[int | None, typer.Option(help="Take only so many tasks, of each intent alike.")] = None,
    intent: Intents = [],
    seed: Seed = None,
    faults: Faults = None,
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
    """Roll agents out on the verified tasks of an earlier run and compare them."""
    with spoken_errors():
        made = _from_run(
            tasks,
            config,
            [*settings, *fault_settings(faults)],
            agents=agent,
            user=user,
            trials=trials,
            limit=limit,
            intents=intent,
            seed=seed,
            verify__reference_trials=0,
            cluster__workers=workers,
            cluster__concurrency=concurrency,
        )
        if print_config:
            return _print_config(made)
        checks = Checks(baseline, max_drop, junit, markdown)
        _run("evaluate", made, out or _default_out("evaluate", made), json, fail_under, "evaluate", checks)


app.command("rollout", help="The same as evaluate: roll agents out on stored tasks.")(evaluate)


def _from_run(run: str, file: str | None, settings: list[str], **flags: Any) -> Config:
    """A config whose domain is that of an earlier run."""
    from t2t_dist.storage.source_run import Source

    earlier = Source(run).manifest.config
    base = {"domain": earlier.domain, "domain_seed": earlier.domain_seed, "scale": earlier.scale}
    return config_of(file, settings, source=resolved(run), **base, **flags)


@app.command()
def doctor(
    agent: Agents = [],
    user: User = None,
    out: Out = None,
    config: ConfigFile = None,
    settings: Settings = [],
    start: Annotated[bool, typer.Option(help="Start the engines that the config would host, to examine them.")] = True,
    json: Json = False,
) -> None:
    """Say what this machine, its Ray and the named engines can do; exit 1 with what to do when the config can't run."""
    with spoken_errors():
        from t2t_dist.cluster.doctor import examine

        from .terminal import findings_table

        made = config_of(config, settings, agents=agent, user=user)
        with stdout_kept_clean():
            found = examine(made, out, start=start)
        (err_console if json else out_console).print(findings_table(found))
        defects = sum(each.state == "defect" for each in found)
        finish({"findings": [each._asdict() for each in found], "defects": defects}, json)
        if defects:
            raise typer.Exit(GATE_FAILED)


app.add_typer(cli_report.app)
app.add_typer(cli_look.app)
app.add_typer(cli_domains.app)
app.add_typer(cli_export.app)
app.add_typer(cli_import.app)
app.add_typer(cli_submit.app)
