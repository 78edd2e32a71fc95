"""Whatever a run holds can be read, by every command: calls that nest too deep, numbers that nothing holds."""

from __future__ import annotations

import asyncio
import html
import json
import re
from pathlib import Path

import pytest

from t2t_dist.core.schema import Task
from t2t_dist.grading.grade import grade
from tests.support.finished_run import Row, failed, played, rows_of, write_run
from tests.support.made import Made
from tests.support.runs import here, here_json
from tests.support.transcript import Transcript, gone_well
from tests.support.view_client import viewing
from tests.support.viewed import episode_of, library, row_of


def nested(levels: int) -> str:
    return '{"reader_id":' + "[" * levels + "]" * levels + "}"


#: Arguments as models write them; the parser reads 1,024 levels and writes 254.
ARGUMENTS = [
    nested(70),
    nested(253),
    nested(300),
    nested(1000),
    nested(100_000),
    '{"reader_id":' * 300 + "1" + "}" * 300,
    '{"reader_id": 18446744073709551616, "n": -99999999999999999999999}',
    '{"reader_id": ' + "9" * 5000 + "}",
    '{"reader_id": NaN}',
    '{"reader_id": 1e999}',
    '[[["not an object"]]]',
]


def hostile(made: Made, task: Task, number: int, *, well: bool) -> Row:
    """An episode in which the agent makes such calls; graded and stored as it was then."""
    talk = Transcript(made.domain)
    for arguments in (ARGUMENTS[number], ARGUMENTS[number], ARGUMENTS[number]):
        assert talk.call("list_holds", arguments).error
    talk.calls(("list_holds", ARGUMENTS[number]), seat="agent")
    if well:
        talk.turns += gone_well(made.domain, task).turns[1:]
    else:
        talk.asked_for(("no_such_tool", ARGUMENTS[number]), ("move_hold", ARGUMENTS[number]))  # cut off here
    for turn in talk.turns:
        if turn.seat == "agent" and turn.role == "assistant":
            turn.model, turn.prompt_token_ids, turn.token_ids, turn.logprobs = "m", [1, 2], [3], [-0.5]
    episode = episode_of(played(made, task, agent=f"scripted:hostile-{number}", trial=int(well))[1])
    episode.turns, episode.outcome = talk.turns, grade(made.domain, task, talk.turns, "user_stop")
    assert episode.outcome.reward == well
    return row_of(episode)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, folder = library(), tmp_path_factory.mktemp("hostile") / "run"
    tasks = [task for task in made.tasks[:24] if task.verdict == "verified"]
    rows = [*rows_of(made.trajectories), *rows_of(made.tasks[:24])]
    for number in range(len(ARGUMENTS)):
        rows += [hostile(made, tasks[0], number, well=True), hostile(made, tasks[0], number, well=False)]
    _, row = failed(tasks[2])
    rows.append(("failures", row | {"turns": hostile(made, tasks[0], 2, well=False)[1]["turns"]}))
    write_run(folder, rows, models={"capture": "tokens"})
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ("report", "--no-html"),
        ("failures", "--all", "-n", "100"),
        ("failures", "--code", "format_error"),
        ("show", "-n", "50"),
        ("show", "--rejected"),
        ("verify",),
        ("regrade",),
    ],
    ids=" ".join,
)
def test_every_command_reads_them(run: Path, command: tuple[str, ...]) -> None:
    done = here(command[0], run, *command[1:])
    assert done.returncode == 0, done.stderr


def test_the_diagnosis_names_the_format_error(run: Path) -> None:
    causes = here("failures", run, "--code", "format_error", "-n", "100").stdout
    assert all(f"scripted:hostile-{number} " in causes for number in range(len(ARGUMENTS)))


def test_the_page_of_a_report_is_written(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    assert here("report", run, "--html", page, "--files", tmp_path / "files").returncode == 0
    assert "format error" in page.read_text().replace("_", " ")


@pytest.mark.parametrize("style", ["openai", "hf"])
@pytest.mark.parametrize("file", ["jsonl", "parquet"])
@pytest.mark.parametrize("kind", ["sft", "rl", "preference", "hf"])
def test_every_export_reads_them(run: Path, tmp_path: Path, kind: str, file: str, style: str) -> None:
    chosen = ["--min-reward", "0"] if kind == "hf" else ["--style", style, "--file", file]
    found = here_json("export", run, "-f", kind, "-o", tmp_path / "out", *chosen)
    assert sum(found["splits"].values()) > 0, found


def test_no_malformed_call_is_trained_on(run: Path, tmp_path: Path) -> None:
    here_json("export", run, "-f", "sft", "-o", tmp_path / "out", "--style", "hf")
    calls = 0
    for path in (tmp_path / "out").rglob("*.jsonl"):
        for row in map(json.loads, path.read_text().splitlines()):
            for message in row["messages"]:
                for call in message.get("tool_calls") or ():
                    if "malformed_arguments" in call["function"]["arguments"]:
                        calls += 1
                        assert not message["train"]
    assert calls > len(ARGUMENTS)


def test_the_viewer_shows_each(run: Path) -> None:
    async def walk() -> int:
        async with viewing(run) as client:
            links = set()
            for number in range(1, 5):
                listed = (await client.get(f"/run/run/episodes?page={number}"))[1]
                links |= set(re.findall(r'href="(/run/run/episode/[^"]*)"', listed))
            for link in links:
                status, text, _ = await client.get(html.unescape(link))
                assert status == 200, text
            return len(links)

    assert asyncio.run(walk()) == 2 * len(ARGUMENTS) + 1
