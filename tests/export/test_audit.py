"""The figures of an audit in the dataset card: taken from a file that may hold anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from t2t_dist.cli.main import app
from t2t_dist.core.errors import InputError
from t2t_dist.export import Options, export
from tests.support.finished_run import played, rows_of, write_run
from tests.support.made import Made

FIGURE = {
    "name": "floor",
    "about": "liar",
    "on": "infeasible",
    "value": 0.125,
    "n": 40,
    "low": 0.05,
    "high": 0.26,
    "detail": "",
    "examples": ["task-1: I have done that"],
    "limit": "floor<=0",
    "holds": False,
}
BARE = {"name": "writes", "value": 1.5, "n": 90, "limit": None}


@pytest.fixture
def run(desk: Made, tmp_path: Path) -> str:
    task = desk.verified("general")[0]
    write_run(tmp_path / "run", [*rows_of([task]), played(desk, task)])
    return str(tmp_path / "run")


def audit_of(run: str, **changes: Any) -> dict[str, Any]:
    """As ``t2t audit --json`` writes it."""
    absent = [{"what": "unseen_figures", "why": "no episode passed"}]
    whole = {"run": run, "tasks": 90, "sampled": 80, "episodes": 70, "seed": 0, "measures": [BARE, FIGURE]}
    return {**whole, "not_measured": absent, "missed": ["floor<=0"], "notes": [], **changes}


def carded(run: str, folder: Path, audit: Any) -> tuple[str, list[str]]:
    """The card, and the notes."""
    data = audit if isinstance(audit, bytes) else orjson.dumps(audit)
    (folder / "audit.json").write_bytes(data)
    found = export([run], str(folder / "out"), Options("sft", audit=str(folder / "audit.json")))
    return (folder / "out" / "README.md").read_text(), found.notes


def test_the_figures_of_an_audit_stand_in_the_card_those_that_miss_their_limit_first(run: str, tmp_path: Path) -> None:
    card, notes = carded(run, tmp_path, audit_of(run))
    assert "read 90 tasks and 70 passed episodes of `run`, and rolled scripted agents out on 80 of the tasks" in card
    assert "Limits that are missed: `floor<=0`." in card
    floor = "| `floor` | `liar` | `infeasible` | 0.125 (0.050 to 0.260) | 40 | `floor<=0`, missed |"
    assert f"{floor}\n| `writes` |  | `all` | 1.500 | 90 |  |\n" in card
    assert "Not measured: `unseen_figures` (`no episode passed`)." in card
    assert "I have done that" not in card
    assert str(tmp_path) not in card
    assert not any("audit" in note for note in notes)


def test_the_command_takes_it(run: str, tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_bytes(orjson.dumps(audit_of(run, missed=[], measures=[BARE])))
    line = ["export", run, "-f", "sft", "-o", str(tmp_path / "out"), "--audit", str(tmp_path / "audit.json")]
    assert CliRunner().invoke(app, line).exit_code == 0
    assert "No figure that was measured misses its limit." in (tmp_path / "out" / "README.md").read_text()


def test_an_audit_of_another_run_is_noted(run: str, tmp_path: Path) -> None:
    card, notes = carded(run, tmp_path, audit_of("/somewhere/else"))
    assert any("the audit is of `else`, which is none of these runs" in note for note in notes)
    assert "the audit is of `else`" in card


def test_what_an_audit_says_is_cleaned_and_bounded(run: str, tmp_path: Path) -> None:
    odd = "`|</td><script>x()</script>\n## Licence\n[a](http://b)\u202e" + "y" * 5000
    many = [{**FIGURE, "name": f"figure{number}"} for number in range(5000)]
    lines = [{**FIGURE, "name": odd, "about": odd, "on": odd, "limit": odd}, *many]
    card, _ = carded(
        run, tmp_path, audit_of(odd, measures=lines, missed=[odd], not_measured=[{"what": odd, "why": odd}])
    )
    assert "4901 more figures are not shown." in card
    rows = [line for line in card.splitlines() if "<script>" in line and line.startswith("|")]
    assert len(rows) == 1
    assert rows[0].count("|") == 7
    assert sum(line.startswith("## Licence") for line in card.splitlines()) == 1
    assert "\u202e" not in card
    assert "y" * 200 not in card
    for line in card.splitlines():
        for place, part in enumerate(line.split("`")):
            assert "<script>" not in part or place % 2, "outside of code"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "the whole"),
        (b"{}", "run: Field required"),
        (orjson.dumps(audit_of("r", tasks="many")), "tasks: "),
        (orjson.dumps(audit_of("r", measures=[{**FIGURE, "value": None}])), "measures.0.value: "),
        (orjson.dumps(audit_of("r", measures=[{**FIGURE, "holds": "no"}])), "measures.0.holds: "),
        (orjson.dumps(audit_of("r", tasks=1)).replace(b":1,", b":1e999,"), ""),
        (orjson.dumps(audit_of("r", tasks=1)).replace(b":1,", b":%s," % (b"9" * 400)), ""),
    ],
)
def test_what_is_no_audit_is_one_line(run: str, tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(InputError) as caught:
        carded(run, tmp_path, data)
    line = str(caught.value)
    assert line.startswith(f"--audit {tmp_path / 'audit.json'}: {says}")
    assert line.endswith("give a file made by t2t audit RUN --json > FILE")
    assert "\n" not in line
    assert not (tmp_path / "out").exists()


def test_files_that_are_none(run: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, says in (("gone", "No such file"), ("pipe", "a named pipe"), (".", "a directory")):
        with pytest.raises(InputError, match=says):
            export([run], str(tmp_path / "out"), Options("sft", audit=str(tmp_path / name)))
    with (tmp_path / "large").open("wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(InputError, match="too large"):
        export([run], str(tmp_path / "out"), Options("sft", audit=str(tmp_path / "large")))
