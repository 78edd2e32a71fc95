"""Commands for domains: ``t2t domains``, ``t2t check-domain``, ``t2t new-domain``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from t2t_dist.config.settings import Config

from .common import (
    DOMAINS,
    GATE_FAILED,
    Json,
    Settings,
    config_of,
    err_console,
    finish,
    out_console,
    spoken_errors,
)
from .consoles import cell

if TYPE_CHECKING:
    from t2t_dist.synthesis.kinds_of_request import Expressible

#: Most declarations that are listed for a kind of request; ``--json`` has them all.
_LISTED = 3
app = typer.Typer()


@app.command(rich_help_panel=DOMAINS)
def domains(json: Json = False) -> None:
    """List the domains."""
    with spoken_errors():
        from t2t_dist.config.domain import load_domain
        from t2t_dist.environments.registry import find, names

        rows = []
        for name in names():
            domain = load_domain(Config(domain=name))
            rows.append(
                {
                    "name": name,
                    "summary": find(name).summary,
                    "tools": len(domain.tools.by_name),
                    "rules": len(domain.clauses),
                    "customers": len(domain.callers),
                }
            )
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("name", "summary", "tools", "rules", "customers"):
            table.add_column(column, justify="left" if column in ("name", "summary") else "right")
        for row in rows:
            table.add_row(*(cell(str(value)) for value in row.values()))
        (err_console if json else out_console).print(table)
        finish({"domains": rows}, json)


@app.command("check-domain", rich_help_panel=DOMAINS)
def check_domain(
    name: Annotated[
        str,
        typer.Argument(metavar="DOMAIN", help="Domain: a name, package.module:attribute, mcp:FILE.yaml or tau2:NAME."),
    ],
    settings: Settings = [],
    json: Json = False,
) -> None:
    """Check a domain for defects.

    Schema, determinism, pure reads, isolation of forks, reachable rules and writes. Exits 1 if there are defects.
    """
    with spoken_errors():
        from t2t_dist.synthesis.check_domain import check, expressible, not_run, request_kinds

        config = config_of(None, settings, domain=name)
        checks = check(config)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("check", "result", "what to do"):
            table.add_column(column)
        for item in checks:
            result = "[green]ok[/]" if item.ok else "[bold red]defect[/]"
            table.add_row(item.name, result, cell(item.detail))
        (err_console if json else out_console).print(table)
        defects = [item for item in checks if not item.ok]
        sentences = [] if defects else expressible(config)
        kinds = request_kinds(config)
        if kinds:
            (err_console if json else out_console).print(_kinds(kinds))
        for sentence in sentences:
            err_console.print(f"from --difficulty 2 on, {sentence}", soft_wrap=True, markup=False, highlight=False)
        if not defects:
            err_console.print("whether the tasks made on it are worth training on: t2t audit RUN", soft_wrap=True)
        if left := not_run(checks):
            err_console.print(f"not checked, as they need what is missing: {', '.join(left)}", soft_wrap=True)
        summary = {"domain": name, "checks": [item._asdict() for item in checks], "not_checked": left}
        finish(
            summary | {"defects": len(defects), "expressible": sentences, "kinds": [kind._asdict() for kind in kinds]},
            json,
        )
        if defects:
            raise typer.Exit(GATE_FAILED)


def _kinds(kinds: Sequence[Expressible]) -> Table:
    """Which kinds of request customers can make from ``--difficulty`` 2 on, and by what, or what the domain lacks."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("kind of request", "as in", "can be made by"):
        table.add_column(column)
    for kind in kinds:
        listed = ", ".join(kind.by[:_LISTED]) + (
            f" and {len(kind.by) - _LISTED} more" if len(kind.by) > _LISTED else ""
        )
        table.add_row(
            kind.kind, f'"{kind.like}"', cell(listed) if kind.by else f"[dim]nothing: it lacks {kind.lacks}[/]"
        )
    return table


@app.command("new-domain", rich_help_panel=DOMAINS)
def new_domain(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the domain and of its package, such as book_loans.")
    ],
    json: Json = False,
) -> None:
    """Write a small working domain to start from.

    It becomes a package in a new folder, in the current directory.
    """
    with spoken_errors():
        from .new_domain import write_domain

        named = write_domain(name, Path())
        err_console.print(f"{name}/ contains domain.py, policy.md and language.yaml. Next:", soft_wrap=True)
        for command in (f"check-domain {named}", f"generate --domain {named} --trajectories 40 --out runs/{name}"):
            err_console.print(f"  t2t {command}", soft_wrap=True)
        finish({"domain": named, "folder": name}, json)
