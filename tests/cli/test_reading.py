"""Every command that reads a run, on every kind of run: an answer or one clear line, and never a traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from t2t_dist.cli.main import app
from t2t_dist.core.schema import INTENTS
from t2t_dist.tau2.import_run import import_file
from tests.support.finished_run import failed, played, rows_of, write_run
from tests.support.runs import here
from tests.support.toy_tau2 import TOY, raw
from tests.support.view_client import viewing
from tests.support.viewed import BAD, GOOD, library, rows_for, small_run

#: Each reading command with its options; RUN is the run, OTHER one without tasks, OUT a path that does not exist.
READING = [
    "verify RUN",
    "verify RUN --against OTHER --json",
    "regrade RUN --json",
    "show RUN",
    "show RUN -n 0",
    "show RUN -n 50 --agent scripted:oracle",
    "show RUN --agent nobody",
    "show RUN --rejected",
    "show RUN --rejected --intent general -n 1",
    *(f"show RUN --intent {intent}" for intent in INTENTS),
    "status RUN",
    "status RUN --timeline --json",
    "report RUN --html OUT --price m=1/2",
    "report RUN --no-html --json",
    "failures RUN --all --json -n 0",
    "audit RUN -n 4 --json",
    "failures RUN --code missing_write --agent scripted:oracle --intent general",
    "export RUN --format sft --out OUT",
    "export RUN --format sft --out OUT --style openai --file parquet --balance --no-user-faults --max-turns 5 --json",
    "export RUN --format rl --out OUT",
    "export RUN --format preference --out OUT --process own_data_only --per-task 1",
    "export RUN --format hf --out OUT --intent general --agent scripted:oracle",
    "export RUN --format tau2 --out OUT --intent changing --json",
    "export RUN --format tau2-results --out OUT",
    "evaluate RUN --print-config",
    "convert RUN --print-config",
]
#: Those that take long, on the kinds that differ most.
SLOW = {"report RUN --no-html --files OUT": {"whole", "empty", "all failed"}}
#: Commands that read no run, or go on for as long as one lets them.
OTHERS = {
    "generate",
    "explore",
    "rollout",
    "import",
    "doctor",
    "domains",
    "check-domain",
    "new-domain",
    "submit",
    "view",
}
#: Pages of the viewer, with the run's name.
PAGES = [
    "/",
    "/run/{}",
    "/run/{}/tasks",
    "/run/{}/episodes",
    "/run/{}/episodes?q=hold",
    "/run/{}/tasks?verdict=rejected",
]

KINDS = (
    "whole", "explored only", "no verified task", "one intent", "all failed", "empty", "nothing committed",
    "being written", "killed", "evaluation", "evaluation of one intent", "evaluation without its source", "imported",
    "evaluation with failures only",
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One run of each kind, on the library and on the toy of tau2."""
    folder, made = tmp_path_factory.mktemp("kinds"), library()
    found = {name: folder / name.replace(" ", "-") for name in KINDS}
    tasks, rejected = made.verified(), [task for task in made.tasks if task.verdict == "rejected"]
    assert rejected
    small_run(found["whole"], tasks=12)
    write_run(found["explored only"], rows_of(made.trajectories), until="explore")
    write_run(found["no verified task"], [*rows_of(made.trajectories), *rows_of(rejected)])
    write_run(found["one intent"], rows_for(made, made.verified("changing")[:3]), intents=["changing"])
    write_run(found["all failed"], [*rows_of(tasks[:4]), *(failed(task) for task in tasks[:4])])
    write_run(found["empty"], [])
    write_run(found["nothing committed"], [])
    (found["nothing committed"] / "ledger" / "000000000001.mp").unlink()
    for name, state, at in (("being written", "running", 4e9), ("killed", "running", 1.0)):
        small_run(found[name], tasks=8)
        status = {
            "run_id": "run-1",
            "state": state,
            "why": "",
            "at": at,
            "elapsed_s": 2.0,
            "workers": {},
            "engines": [],
        }
        status |= {"counts": {}, "items": {"done": 3, "total": 9, "poisoned": 0, "workers_lost": 0, "requeued": 0}}
        (found[name] / "status.json").write_text(json.dumps(status))
    episodes = [played(made, task, agent=agent, well=agent == GOOD) for task in tasks[:6] for agent in (GOOD, BAD)]
    of = {"kind": "evaluate", "agents": [GOOD, BAD]}
    write_run(found["evaluation"], episodes, source=str(found["whole"]), **of)
    few = [played(made, task) for task in made.verified("changing")[:2]]
    write_run(found["evaluation of one intent"], few, source=str(found["one intent"]), **of)
    write_run(found["evaluation without its source"], episodes, source=str(folder / "gone"), **of)
    write_run(found["evaluation with failures only"], [failed(tasks[0])], source=str(found["whole"]), **of)
    (folder / "tasks.json").write_text(json.dumps([raw("0"), raw("1")]))
    import_file(str(folder / "tasks.json"), str(found["imported"]), TOY, "tau2")
    return found


@pytest.fixture(scope="module")
def outs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("outs")
    return (folder / f"out-{number}" for number in count())


def test_every_command_is_here() -> None:
    named = {
        command.name or (command.callback.__name__ if command.callback else "") for command in app.registered_commands
    }
    for group in app.registered_groups:
        assert group.typer_instance is not None
        named |= {
            command.name or (command.callback.__name__ if command.callback else "")
            for command in group.typer_instance.registered_commands
        }
    assert {name.replace("_", "-") for name in named} == {line.split()[0] for line in READING} | OTHERS


@pytest.mark.parametrize("kind", KINDS)
def test_every_reading_command_answers_or_says_in_one_line_why_not(
    runs: dict[str, Path], outs: Iterator[Path], kind: str
) -> None:
    wrong = []
    for line in [*READING, *(line for line, kinds in SLOW.items() if kind in kinds)]:
        words = {"RUN": str(runs[kind]), "OTHER": str(runs["explored only"]), "OUT": str(next(outs))}
        done = here(*(words.get(word, word) for word in line.split()))  # raises what the command raises
        errors = [text for text in done.stderr.splitlines() if text.startswith("error: ")]
        judged = line.startswith("audit") and done.returncode in (1, 3)  # limits missed, nothing to audit
        right = done.returncode == 0 or judged or (done.returncode == 2 and len(errors) == 1 and not done.stdout)
        if not right or "Traceback" in done.stderr:
            wrong.append((line, done.returncode, done.stdout[-300:], done.stderr[-600:]))
    assert wrong == []


@pytest.mark.parametrize("kind", KINDS)
async def test_every_page_of_the_viewer(runs: dict[str, Path], kind: str) -> None:
    async with viewing(runs[kind], known=False) as client:
        await client.get(f"/?token={client.token}")
        for page in PAGES:
            status, text, _ = await client.get(page.format(runs[kind].name))
            assert status == 200, (page, text)


def test_what_is_shown_of_an_evaluation_is_its_episodes_on_its_source(runs: dict[str, Path]) -> None:
    done = here("show", runs["evaluation of one intent"], "-n", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("reward 1") == 2
    assert "changing" in done.stdout
    rejected = here("show", runs["no verified task"], "--rejected").stdout
    assert "rejected" in rejected
    assert "customer    ;" not in rejected, "a customer of whom nothing was made is shown"


@pytest.mark.parametrize(
    "status",
    [
        "{}",
        "[]",
        "null",
        '{"at": 1, "state": 3}',
        '{"at": null}',
        '{"at": 1, "items": null}',
        '{"at": 1, "items": {"done": "a"}}',
        '{"at": 1, "counts": {"tasks.x": null}}',
        '{"at": 1, "workers": {"w": []}}',
        '{"at": 1, "engines": [{"timeline": [[1e300, "a", "b"]]}]}',
        '{"at": 1, "engines": [{"metrics": {"kv_use": "x"}}]}',
        '{"at": 1, "slowest": [3]}',
        '{"at": 1, "elapsed_s": "x", "state": "running"}',
        '{"at": 1e300}',
        '{"at": 1, "commits": -4}',
    ],
)
def test_a_status_that_is_none_is_said_in_one_line(tmp_path: Path, status: str) -> None:
    write_run(tmp_path / "run", [])
    (tmp_path / "run" / "status.json").write_text(status)
    for line in ("status RUN", "status RUN --json", "report RUN --no-html", "show RUN"):
        done = here(*(str(tmp_path / "run") if word == "RUN" else word for word in line.split()))
        assert done.returncode in (0, 2)
        if line.startswith("status"):
            assert done.returncode == 2
            assert "status.json can't be read" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    "line", ["status RUN", "report RUN", "verify RUN", "verify RUN --files", "show RUN", "view RUN"]
)
def test_a_folder_that_is_no_run(line: str, tmp_path: Path) -> None:
    """It is the same to all of them."""
    (tmp_path / "tasks").mkdir()
    done = here(*(str(tmp_path) if word == "RUN" else word for word in line.split()))
    said = f"error: {tmp_path}: this is not a run directory (it has no run.json); give the --out of an earlier run\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_damage_is_said_once_and_has_one_exit_code(tmp_path: Path, runs: dict[str, Path]) -> None:
    """1 where a command checks the run, 2 where one needs what is damaged, 0 where one shows what there is."""
    run = shutil.copytree(runs["whole"], tmp_path / "run")
    (shard,) = (run / "episodes").iterdir()
    data = bytearray(shard.read_bytes())
    for place in range(0, len(data), 4096):  # each column is damaged in its own place
        data[place] ^= 1
    shard.write_bytes(data)
    for line, code in (("verify", 1), ("verify --files", 1), ("regrade", 1), ("show", 2), ("report --no-html", 0)):
        command, *flags = line.split()
        done = here(command, run, *flags)
        assert done.returncode == code, (line, done.stderr)
        assert done.stderr.count(shard.name) == 1, (line, done.stderr)
    assert here("verify", tmp_path / "nowhere").returncode == 2
