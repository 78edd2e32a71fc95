"""A benchmark: the same files each time, a normal run per part, and every change to it found."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import datasets  # type: ignore[import-untyped]
import orjson
import pyarrow.parquet as pq
import pytest

from t2t_dist.bench import Plan, check, make
from t2t_dist.bench.choosing import chosen
from t2t_dist.bench.manifest import NAME, listed, read_bench, write_bench
from t2t_dist.bench.plan import Part
from t2t_dist.cluster.launch import run
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import DamagedRun, InputError
from t2t_dist.core.schema import Task
from t2t_dist.environments.splits import SPLITS
from t2t_dist.storage.ledger import Ledger
from t2t_dist.storage.manifest import claim, read_manifest
from t2t_dist.storage.objects.opening import create_storage, open_storage
from t2t_dist.storage.rows import SCHEMAS
from t2t_dist.storage.source_run import Source
from t2t_dist.storage.stored_tasks import commit_tasks
from t2t_dist.storage.writer import ShardWriter
from t2t_dist.tau2.import_run import import_file
from tests.support.finished_run import LIBRARY
from tests.support.made import Made
from tests.support.runs import here, here_json

PLAN = Plan("small-set", seed=5, tasks=10, domains=(LIBRARY,), settings={"cluster.workers": 1})
PARTS = [part.name for part in PLAN.parts()]


def generated(part: Part, config: Config, where: str) -> None:
    run("generate", config, where)


@pytest.fixture(scope="module")
def whole(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bench") / "whole"
    make(PLAN, str(out), generated)
    return out


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "copy")


# -- making ------------------------------------------------------------------------------------------------------------
@pytest.mark.ray
def test_equal_plans_give_equal_files_however_they_were_made(whole: Path, tmp_path: Path) -> None:
    """Interrupted before its last part, resumed with more workers."""

    def interrupted(part: Part, config: Config, where: str) -> None:
        if part.split == SPLITS[-1]:
            raise KeyboardInterrupt
        generated(part, config, where)

    out = tmp_path / "again"
    with pytest.raises(KeyboardInterrupt):
        make(PLAN, str(out), interrupted)
    with pytest.raises(InputError, match="no benchmark"):
        check(str(out))
    made = make(Plan(**{**vars(PLAN), "settings": {"cluster.workers": 2}}), str(out), generated)
    assert made.manifest == read_bench(str(whole))
    assert listed(out) == listed(whole)


@pytest.mark.ray
def test_each_form_has_the_same_verified_tasks(whole: Path) -> None:
    manifest = read_bench(str(whole))
    assert manifest.total == 12, "two of each of three parts' levels 1 and 2: nothing is described in the library"
    for part in PLAN.parts():
        tasks = list(Source(str(whole / "runs" / part.name)).tasks())
        ids = [task.task_id for task in tasks]
        assert {task.verdict for task in tasks} == {"verified"}
        counted = Counter((str(task.level), task.intent) for task in tasks)
        counts = manifest.counts[part.name].items()
        assert counted == {(level, intent): n for level, by in counts for intent, n in by.items()}
        assert [t["id"] for t in orjson.loads((whole / "tau2" / f"{part.name}.json").read_bytes())] == ids
        table = pq.read_table(whole / "data" / f"{part.split}.parquet", columns=["task_id", "split"])
        assert table["task_id"].to_pylist() == ids
    card = (whole / "README.md").read_text("utf-8")
    assert f"# small-set, version {manifest.version}" in card
    assert f"{manifest.total} tasks" in card
    assert "license: apache-2.0" in card


@pytest.mark.ray
def test_datasets_and_tau2_read_their_forms(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    loaded = datasets.load_dataset(str(whole))
    manifest = read_bench(str(whole))
    assert list(loaded) == list(SPLITS)
    assert sum(split.num_rows for split in loaded.values()) == manifest.total
    first = next(iter(Source(str(whole / "runs" / PARTS[0])).tasks()))
    assert loaded["train"][0]["user"]["goals"][0]["request"] == first.user.goals[0].request
    assert loaded["train"][0]["difficulty"]["level"] == first.level
    file, domain = whole / "tau2" / f"{PARTS[0]}.json", f"{LIBRARY}:{SPLITS[0]}"
    found = import_file(str(file), str(tmp_path / "imported"), domain, "own")
    assert found.verdicts == {"verified": loaded["train"].num_rows}


@pytest.mark.ray
def test_a_part_is_evaluated_as_any_run_and_reported_by_level(whole: Path, tmp_path: Path) -> None:
    agents = ["--agent", "scripted:oracle", "--agent", "scripted:idle"]
    here_json("evaluate", whole / "runs" / PARTS[-1], *agents, "--workers", 1, "--out", tmp_path / "eval")
    done = here("report", tmp_path / "eval", "--no-html")
    summary = here_json("report", tmp_path / "eval", "--no-html")
    levels = read_bench(str(whole)).counts[PARTS[-1]]
    assert len(levels) > 1
    for agent, passed in (("scripted:oracle", 1.0), ("scripted:idle", 0.0)):
        found = summary["agents"][agent]["levels"]
        assert {level: part["tasks"] for level, part in found.items()} == {
            level: sum(intents.values()) for level, intents in levels.items()
        }
        assert {part["pass"]["pass^1"] for part in found.values()} == {passed}
    assert all(f"level {level}" in done.stdout for level in levels)
    pairs = [d["on"] for d in summary["differences"] if d["what"] == "agents"]
    assert pairs[-len(levels) :] == [f"level {level}" for level in levels]


@pytest.mark.ray
def test_what_is_there_is_not_made_again_nor_overwritten(whole: Path, tmp_path: Path) -> None:
    def never(part: Part, config: Config, where: str) -> None:
        raise AssertionError(part)

    assert make(PLAN, str(whole), never).again
    options = ["--name", PLAN.name, "--seed", PLAN.seed, "--tasks", PLAN.tasks, "--domain", LIBRARY]
    found = here_json("bench", "make", *options, "--out", whole)
    assert (found["made"], found["total"], found["version"]) == (False, 12, read_bench(str(whole)).version)
    with pytest.raises(InputError, match="holds another benchmark, small-set"):
        make(Plan("other", seed=5, tasks=10, domains=(LIBRARY,)), str(whole), never)
    (tmp_path / "mine").write_text("x")
    with pytest.raises(InputError, match="is not empty"):
        make(PLAN, str(tmp_path), never)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--name", "../x"], "--name ../x: give small letters"),
        (["--name", "x", "--tasks", "0"], "--tasks 0: give 1 or more"),
        (["--name", "x", "--set", "seed=3"], "--set seed: a benchmark sets this itself"),
        (["--name", "x", "--domain", "retial"], "did you mean retail"),
        (["--name", "x", "--domain", "retail", "--domain", "retail"], "give each domain once"),
    ],
)
def test_a_plan_that_can_not_be_made_is_refused_in_one_line(options: list[str], why: str, tmp_path: Path) -> None:
    done = here("bench", "make", *options, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert why in done.stderr
    assert not (tmp_path / "out").exists()


# -- choosing ----------------------------------------------------------------------------------------------------------
def levelled(tasks: list[Task], levels: list[int]) -> list[Task]:
    found = []
    for number, task in enumerate(tasks):
        assert task.difficulty is not None
        difficulty = task.difficulty.model_copy(update={"level": levels[number % len(levels)]})
        found.append(task.model_copy(update={"difficulty": difficulty}))
    return found


def test_levels_have_equal_shares_and_intents_as_far_as_there_are(shop: Made) -> None:
    tasks = levelled(shop.verified(), [1, 2, 3, 4, 5, 5])
    found = chosen(tasks, 42, seed=1)
    assert Counter(task.level for task in found) == {1: 8, 2: 8, 3: 8, 4: 9, 5: 9}
    assert max(n := Counter(task.intent for task in found).values()) - min(n) <= 1
    assert [task.task_id for task in found] == [t.task_id for t in tasks if t in found], "in the order of the run"
    few = chosen(levelled(shop.verified("general"), [1, 5]), 20, seed=1)
    assert Counter(task.level for task in few) == {1: 4, 5: 4}, "no level makes up for another"
    assert chosen(tasks, 42, seed=2) != found


def test_a_twin_goes_with_its_task(shop: Made) -> None:
    tasks = levelled(shop.verified("general")[:10], [1, 2, 3, 4, 5])
    twins = [task.model_copy(update={"task_id": f"{task.task_id}-twin", "twin_of": task.task_id}) for task in tasks]
    found = chosen([*tasks, *twins], 5, seed=1)
    first = [task.task_id for task in found if task.twin_of is None]
    assert [task.twin_of for task in found if task.twin_of is not None] == first
    assert len(first) == 5


# -- checking ----------------------------------------------------------------------------------------------------------
@pytest.mark.ray
def test_all_of_it_is_proved_again(whole: Path) -> None:
    found = here_json("bench", "verify", whole)
    manifest = read_bench(str(whole))
    assert found["holds"]
    assert found["verdicts"] == {"verified": manifest.total}
    assert found["files"] == len(manifest.files) == len(listed(whole)) - 1


@pytest.mark.ray
def test_one_flipped_byte_is_found(copy: Path) -> None:
    for place in (f"runs/{PARTS[0]}/run.json", "data/test.parquet", f"tau2/{PARTS[1]}.json", "README.md"):
        content = bytearray((copy / place).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / place).write_bytes(content)
        done = here("bench", "verify", copy)
        assert done.returncode == 1
        assert f"{place} is not what was written" in done.stdout
        content[len(content) // 2] ^= 1
        (copy / place).write_bytes(content)
    (copy / "notes.txt").write_text("mine")
    assert check(str(copy)).holds, "what is added beside the runs does not matter"
    for place in (f"runs/{PARTS[0]}/ledger/more.json", f"runs/{PARTS[0]}/report.html"):
        (copy / place).parent.mkdir(exist_ok=True)
        (copy / place).write_text("{}")
        assert [bad.file for bad in check(str(copy)).bad] == [place]
        (copy / place).unlink()
    (copy / "README.md").unlink()
    assert [bad.what for bad in check(str(copy)).bad] == ["is missing"]
    altered = (copy / NAME).read_text().replace('"seed": 5', '"seed": 6')
    (copy / NAME).write_text(altered)
    with pytest.raises(DamagedRun, match="altered"):
        check(str(copy))


@pytest.mark.ray
def test_a_forged_task_with_the_right_checksums_is_found(copy: Path) -> None:
    """Somebody changes a task and another's difficulty, and writes the run and the manifest again."""
    forged = copy / "runs" / PARTS[0]
    tasks = [task.model_copy(deep=True) for task in Source(str(forged)).tasks()]
    writes = next(task for task in tasks if task.grader.allowed_diff)
    writes.grader.final = writes.grader.initial
    other = next(task.difficulty for task in tasks if task is not writes)
    assert other is not None
    other.look_ups += 1
    manifest, bench = read_manifest(open_storage(forged)), read_bench(str(copy))
    shutil.rmtree(forged)
    storage = create_storage(forged)
    claim(storage, manifest)
    commit_tasks(Ledger(storage), ShardWriter(storage, SCHEMAS, "forger"), manifest.run_id, tasks, "forged")
    (copy / NAME).unlink()
    write_bench(copy, bench.model_copy(update={"files": listed(copy)}))
    found = check(str(copy))
    assert found.bad == []
    assert len(found.changed) == 2
    assert not found.holds
