"""The commands about domains: which there are, whether one is sound, a new one. Part of ``t2t_dist/cli/main.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from t2t_dist.config.settings import Config

from .common import GATE_FAILED, Json, Settings, config_of, err_console, escaped, finish, out_console, spoken_errors

app = typer.Typer()


@app.command()
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
            table.add_row(*(str(value) for value in row.values()))
        (err_console if json else out_console).print(table)
        finish({"domains": rows}, json)


@app.command("check-domain")
def check_domain(
    name: Annotated[str, typer.Argument(help="A domain's name, or package.module:attribute.")],
    settings: Settings = [],
    json: Json = False,
) -> None:
    """Check a domain: schema, determinism, pure reads, fork isolation, reachable rules and writes."""
    with spoken_errors():
        from t2t_dist.synthesis.check_domain import check

        config = config_of(None, settings, domain=name)
        checks = check(config)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("check", "result", "what to do"):
            table.add_column(column)
        for found in checks:
            result = "[green]ok[/]" if found.ok else "[bold red]defect[/]"
            table.add_row(found.name, result, escaped(found.told))
        (err_console if json else out_console).print(table)
        defects = [found for found in checks if not found.ok]
        finish({"domain": name, "checks": [found._asdict() for found in checks], "defects": len(defects)}, json)
        if defects:
            raise typer.Exit(GATE_FAILED)


@app.command("new-domain")
def new_domain(
    name: Annotated[str, typer.Argument(help="Its name, also that of the package: book_loans.")],
    json: Json = False,
) -> None:
    """Write a small domain that works into a new folder here, to be made into one's own."""
    with spoken_errors():
        from .new_domain import write_domain

        named = write_domain(name, Path())
        err_console.print(f"{name}/ holds domain.py, policy.md and language.yaml. Next:", soft_wrap=True)
        for command in (f"check-domain {named}", f"generate --domain {named} --trajectories 40 --out runs/{name}"):
            err_console.print(f"  t2t {command}", soft_wrap=True)
        finish({"domain": named, "folder": name}, json)
