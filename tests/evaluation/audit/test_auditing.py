"""The audit of a run as a whole: from stored rows, the same each time, and never silent about what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from t2t_dist import audit
from t2t_dist.core.errors import DamagedRun, InputError
from t2t_dist.core.schema import INTENTS
from t2t_dist.evaluation.audit.measures import MEASURES
from t2t_dist.evaluation.report.data import read_report
from t2t_dist.evaluation.report.page import page
from t2t_dist.evaluation.report.tables import tables
from t2t_dist.storage.partial_run import PartialRun
from tests.support.finished_run import failed, played, rows_of, write_run
from tests.support.made import Made
from tests.support.matrix import matrix_run
from tests.support.runs import here, here_json


@pytest.fixture(scope="module")
def run(shop: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The oracle and one that lies in no episode's way, on tasks of the shop."""
    folder = tmp_path_factory.mktemp("audited") / "run"
    matrix_run(folder, shop, each=5, agents=["scripted:oracle", "scripted:silent"])
    return folder


def test_every_figure_is_measured_or_said_not_to_be(run: Path) -> None:
    found = audit(str(run), sample=8)
    assert {measure.name for measure in found.measures} == set(MEASURES)
    assert (found.tasks, found.sampled, found.episodes) == (20, 8, 20)
    assert {measure.name for measure in found.not_measured} == {"prior"}
    oracle = [measure for measure in found.measures if measure.name == "oracle"]
    assert [(measure.on, measure.value, measure.n) for measure in oracle] == [(intent, 1.0, 2) for intent in INTENTS]
    assert found.notes == []


def test_the_same_run_and_seed_give_the_same_figures_another_seed_another_sample(run: Path) -> None:
    one, again, other = (audit(str(run), sample=4, seed=seed).plain() for seed in (1, 1, 2))
    assert one == again
    assert one != other


async def test_in_a_running_event_loop_it_works_as_well(run: Path) -> None:
    assert audit(str(run), sample=4).sampled == 4


def test_a_figure_that_stands_nowhere_is_found_in_what_would_be_trained_on(shop: Made, tmp_path: Path) -> None:
    tasks = shop.verified("general")[:3]
    rows = [*rows_of(tasks), *(played(shop, task) for task in tasks)]
    write_run(tmp_path / "clean", rows, domain="retail")
    said = [turn for turn in rows[-1][1]["turns"] if turn["seat"] == "agent" and turn["content"]][-1]
    said["content"] += " The handling costs $1234.57."
    write_run(tmp_path / "run", rows, domain="retail")
    clean, found = (audit(str(tmp_path / name), sample=0) for name in ("clean", "run"))
    missed = "unseen_figures[scripted:oracle]<=0"
    assert missed not in clean.missed
    assert missed in found.missed
    assert any("$1234.57" in example for _, examples in found.missed_lines() for example in examples)


def test_episodes_that_failed_their_task_teach_nothing(shop: Made, tmp_path: Path) -> None:
    task = shop.one("general")
    write_run(tmp_path / "run", [*rows_of([task]), played(shop, task, well=False)], domain="retail")
    found = audit(str(tmp_path / "run"), sample=0)
    assert {measure.of: measure.detail for measure in found.not_measured}["unseen_figures"] == "no episode passed"


def test_without_tasks_nothing_passes_silently(tmp_path: Path) -> None:
    write_run(tmp_path / "run", [])
    done = here("audit", tmp_path / "run")
    assert done.returncode == 3
    listed = {line.split(":")[1].strip() for line in done.stderr.splitlines() if line.startswith("not measured")}
    assert {"oracle", "floor", "guess", "a_then_b", "unseen_figures", "prior", "odd", "requests"} <= listed
    assert "missed" not in done.stderr


def test_an_evaluation_is_audited_by_the_tasks_it_took(run: Path, shop: Made, tmp_path: Path) -> None:
    task = next(task for task in shop.verified("general"))
    write_run(tmp_path / "eval", [played(shop, task)], kind="evaluate", source=str(run), domain="retail")
    found = audit(str(tmp_path / "eval"), sample=4)
    assert (found.tasks, found.sampled, found.episodes) == (20, 4, 1)


def test_the_command_exits_1_and_says_which_limit_is_missed(run: Path) -> None:
    done = here("audit", run, "-n", 8, "--fail-under", "requests>=10000", "--json")
    assert done.returncode == 1
    summary = json.loads(done.stdout)
    assert "requests>=10000" in summary["missed"]
    assert "missed: requests>=10000" in done.stderr
    assert {row["name"] for row in summary["measures"]} <= set(MEASURES)
    assert all(row["holds"] for row in summary["measures"] if row["name"] in ("oracle", "floor"))


def test_the_command_exits_0_where_every_limit_is_kept(run: Path) -> None:
    loose = ["rule_share>=0", "write_share<=1", "a_then_b<=1", "unseen_figures<=1", "odd<=1", "guess<=1"]
    flags = [part for limit in loose for part in ("--fail-under", limit)]
    assert here_json("audit", run, "-n", 4, *flags)["missed"] == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--fail-under", "prior"], "write it as"),
        (["--fail-under", "floors<=1"], "did you mean floor"),
        (["-n", "-3"], ""),
    ],
)
def test_a_bad_option_is_one_line_and_exit_2(run: Path, flags: list[str], said: str) -> None:
    done = here("audit", run, *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_damaged_run_is_refused(run: Path, shop: Made, tmp_path: Path) -> None:
    write_run(tmp_path / "run", rows_of(shop.verified()[:4]), domain="retail")
    (shard,) = (tmp_path / "run" / "tasks").iterdir()
    shard.write_bytes(shard.read_bytes()[:-200])
    with pytest.raises(DamagedRun, match=shard.name):
        audit(str(tmp_path / "run"), sample=0)
    assert here("audit", tmp_path / "run", "-n", 0).returncode == 2
    with pytest.raises(InputError, match="no such run"):
        audit(str(tmp_path / "nowhere"))


def test_the_report_has_a_section_and_a_table(shop: Made, run: Path, tmp_path: Path) -> None:
    data = read_report(PartialRun(str(run)))
    assert data.audit.sampled == 12
    assert data.summary["audit"]["missed"] == data.audit.missed
    text = page(data)
    assert "Worth training on?" in text
    (table,) = [table for table in tables(data) if table.name == "audit"]
    assert {row[0] for row in table.rows} == set(MEASURES)
    empty = tmp_path / "empty"
    write_run(empty, [failed(shop.verified()[0])], domain="retail")
    assert 'id="audit"' not in page(read_report(PartialRun(str(empty))))
