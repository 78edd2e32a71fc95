"""``t2t bench``: benchmarks to hand around, made and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from t2t_dist.config.loading import parse_setting

from .common import (
    CHECK,
    GATE_FAILED,
    MAKE,
    RESUMABLE,
    Json,
    Settings,
    Workers,
    err_console,
    escaped,
    finish,
    how_many,
    out_console,
    spoken_errors,
    stdout_kept_clean,
)
from .supervisor import run_has_begun, supervised

if TYPE_CHECKING:
    from t2t_dist.bench import Checked, Part
    from t2t_dist.config.settings import Config

#: Lines of what does not hold that are printed; ``--json`` has more.
_SHOWN = 20

app = typer.Typer()
bench = typer.Typer(no_args_is_help=True, help="Make a benchmark to hand around, or check one.")
app.add_typer(bench, name="bench", rich_help_panel=MAKE)


@bench.command(rich_help_panel=MAKE)
def make(
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the benchmark, such as t2t-hard.")],
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FOLDER", help="Folder to write; a making that stopped is resumed.")
    ],
    seed: Annotated[int, typer.Option("--seed", help="Seed of the benchmark.")] = 0,
    tasks: Annotated[int, how_many("tasks per domain and split, as many of each level", "--tasks")] = 100,
    domain: Annotated[
        list[str],
        typer.Option(
            "--domain", "-d", metavar="DOMAIN", help="Only this domain; repeatable.", show_default="the three built in"
        ),
    ] = [],
    workers: Workers = None,
    settings: Settings = [],
    json: Json = False,
) -> None:
    """Make a benchmark: a fixed set of verified tasks.

    By domain, split (no customer is in two) and level of difficulty.

    They are written as runs, for Hugging Face and for tau2, with a card and the checksum of every file.
    """
    with spoken_errors():
        given = dict(parse_setting(text) for text in settings)
        if workers is not None:
            given["cluster.workers"] = workers

        def body() -> int:
            try:
                with spoken_errors():
                    _make(name, out, seed, tasks, domain, given, json)
            except typer.Exit as end:
                return end.exit_code
            return 0

        code = supervised(body)
    if code is None:
        err_console.print("[bold red]the driver was ended from outside[/]; the same command resumes it")
        code = RESUMABLE
    if code:
        raise typer.Exit(code)


def _make(name: str, out: str, seed: int, tasks: int, domains: list[str], given: dict[str, Any], json: bool) -> None:
    """In the driver's own process."""
    from t2t_dist.bench import Plan
    from t2t_dist.bench import make as made_of
    from t2t_dist.cluster.launch import Progress, Stopped, run

    from .progress import shown

    def generate(part: Part, config: Config, where: str) -> None:
        config.check_models()
        with shown(err_console, part.name) as notify, stdout_kept_clean():

            def progress(now: Progress) -> None:
                run_has_begun()
                notify(now)

            run("generate", config, where, progress)

    chosen = {"domains": tuple(domains)} if domains else {}
    plan = Plan(name, seed, tasks, settings=given, **chosen)
    try:
        made = made_of(plan, out, generate)
    except Stopped as stop:
        err_console.print(f"[yellow]stopped:[/] {escaped(str(stop))}; the same command resumes it")
        raise typer.Exit(RESUMABLE) from None
    manifest = made.manifest
    console = err_console if json else out_console
    for part, levels in manifest.counts.items():
        by_level = ", ".join(f"level {level}: {sum(intents.values())}" for level, intents in levels.items())
        console.print(escaped(f"{part}: {by_level}"), soft_wrap=True)
    console.print(
        f"{manifest.total} tasks, {escaped(manifest.name)} {manifest.version}"
        f"{', made before' if made.again else ''}, in [bold]{escaped(out)}[/]",
        soft_wrap=True,
    )
    plain = manifest.model_dump(mode="json", exclude={"files"})
    finish({"out": out, "made": not made.again, "total": manifest.total, **plain}, json)


@bench.command(rich_help_panel=CHECK)
def verify(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Folder of a benchmark.", show_default=False)],
    json: Json = False,
) -> None:
    """Check files and tasks of a benchmark again.

    Exits 1 if a file is not what was written, a proof no longer holds, or two splits share a customer.
    """
    with spoken_errors():
        from t2t_dist.bench import check
        from t2t_dist.core.errors import DamagedRun

        try:
            found = check(folder)
        except DamagedRun as error:
            err_console.print(f"[bold red]damaged:[/] {escaped(str(error))}", soft_wrap=True)
            raise typer.Exit(GATE_FAILED) from None
        console = err_console if json else out_console
        for line in _lines(found)[:_SHOWN]:
            console.print(escaped(line), soft_wrap=True)
        finish(
            {
                "name": found.manifest.name,
                "version": found.manifest.version,
                "files": len(found.manifest.files),
                "verdicts": dict(found.verdicts),
                "bad": [bad._asdict() for bad in found.bad],
                "changed": [{"part": part, **change._asdict()} for part, change in found.changed[:100]],
                "shared": found.shared[:100],
                "holds": found.holds,
            },
            json,
        )
        if not found.holds:
            raise typer.Exit(GATE_FAILED)


def _lines(found: Checked) -> list[str]:
    manifest = found.manifest
    lines = [f"{bad.file} {bad.what}" for bad in found.bad]
    lines += [f"{part}: {c.item}: {c.stored} -> {c.now}" for part, c in found.changed]
    lines += [f"in two splits: {name}" for name in found.shared]
    if found.other_code:
        lines.append(f"made by other code ({manifest.code}); this code's proofs are shown")
    counted = f"{len(manifest.files)} files, {found.verdicts.total()} of {manifest.total} tasks proved again"
    lines.insert(0, f"{manifest.name} {manifest.version}: {counted}: {'all holds' if found.holds else 'not all holds'}")
    return lines
