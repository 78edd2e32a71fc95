"""With a real tau2 (tau2-bench 1.0.1): its worlds, its tasks and its evaluator beside ours.

`T2T_TAU2_PYTHON` names the Python that has it, or it is installed here; else this file is left out, and the summary
says so.
All 144 tasks: `python -m tests.environments.adapters.tau2.agreement`.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.storage.source_run import Source
from tests.conftest import TAU2_PYTHON
from tests.support.runs import environment


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert TAU2_PYTHON is not None
    return subprocess.run(
        [TAU2_PYTHON, "-m", *arguments], env=environment(), capture_output=True, text=True, timeout=600, check=False
    )


def t2t(*arguments: str) -> dict[str, Any]:
    done = run("t2t_dist.cli", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def data(domain: str, file: str = "tasks.json") -> str:
    assert TAU2_PYTHON is not None
    code = "from tau2.utils.utils import DATA_DIR; print(DATA_DIR)"
    done = subprocess.run([TAU2_PYTHON, "-c", code], capture_output=True, text=True, check=True)
    return str(Path(done.stdout.splitlines()[-1]) / "tau2" / "domains" / domain / file)


def test_our_verdict_is_tau2s() -> None:
    done = run("tests.environments.adapters.tau2.agreement", "mock", "telecom")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["compared"], found["differ"]) == (225, 0)
    assert len({key.rsplit("/", 1)[1] for key in found["rewards"]}) == 3  # 0, 1, and where tau2 raises


def test_our_answers_are_tau2s() -> None:
    done = run("tests.environments.adapters.tau2.answers", "mock", "retail", "telecom", "--worlds", "8")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])["domains"]
    assert all(counts["calls"] > counts["refused"] > 0 for counts in found.values())


def test_an_endpoint_gets_the_requests_that_tau2_run_sends() -> None:
    done = run("tests.environments.adapters.tau2.requests", "mock:create_task_1", "telecom:3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["requests"] > 20


def test_its_retail_tasks_come_with_the_gold_calls_that_raise(tmp_path: Path) -> None:
    file, run_dir = data("retail"), str(tmp_path / "run")
    found = t2t("import", "tau2", file, "--out", run_dir)
    assert found["verdicts"] == {"verified": 114}
    assert (len(found["raised"]), len(found["tasks_affected"])) == (18, 15)
    assert {r["task"]: r["name"] for r in found["raised"] if r["kind"] == "write"} == dict.fromkeys(
        ("64", "105"), "exchange_delivered_order_items"
    )
    assert t2t("verify", run_dir)["changed"] == 0
    t2t("export", run_dir, "--format", "tau2", "--out", str(tmp_path / "out.json"))
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(Path(file).read_text())


@pytest.mark.parametrize("domain", ["retail", "airline"])
def test_tasks_made_in_its_world_are_loaded_and_solved_there(tmp_path: Path, domain: str) -> None:
    made = t2t("generate", "--domain", f"tau2:{domain}", "-n", "6", "--workers", "1", "--out", str(tmp_path / "run"))
    assert made["tasks"]
    stored = list(Source(str(tmp_path / "run")).verified_tasks(intents=["infeasible"]))
    assert len({task.grader.rule for task in stored}) > 1
    t2t("export", str(tmp_path / "run"), "--format", "tau2", "--out", str(tmp_path / "tasks.json"))
    done = run("tests.environments.adapters.tau2.replay", str(tmp_path / "tasks.json"), domain)
    assert done.returncode == 0, done.stdout
    assert set(json.loads(done.stdout)["rewards"]) == {"1.0"}


@pytest.mark.parametrize(("domain", "kinds"), [("retail", 7), ("telecom", 3)])
def test_hard_tasks_in_its_world_are_proved_and_solved(tmp_path: Path, domain: str, kinds: int) -> None:
    size = ("-n", "10", "--difficulty", "3", "--twins", "--workers", "1")
    made = t2t("generate", "--domain", f"tau2:{domain}", *size, "--out", str(tmp_path / "run"))
    assert made["pass"] == {intent: {"pass^1": 1.0} for intent in made["pass"]}
    pairs = made["pairs"]["scripted:oracle"]
    assert pairs["both"] == pairs["pairs"] >= 3
    assert len(made["agents"]["scripted:oracle"]["kinds"]) >= kinds
    assert t2t("verify", str(tmp_path / "run"))["changed"] == 0


def test_the_oracle_guides_a_scripted_customer_through_telecoms_tasks(tmp_path: Path) -> None:
    t2t("import", "tau2", data("telecom", "tasks_small.json"), "--out", str(tmp_path / "run"))
    scripted = ("--agent", "scripted:oracle", "--user", "scripted", "--workers", "1")
    t2t("evaluate", str(tmp_path / "run"), *scripted, "--out", str(tmp_path / "evaluation"))
    rewards = [row["reward"] for row in Source(str(tmp_path / "evaluation")).reader.rows("episodes")]
    assert rewards == [1.0] * 20


def test_its_domains_by_name() -> None:
    done = run("t2t_dist.cli", "check-domain", "tau2:retial")
    assert done.returncode == 2
    assert "the installed tau2 has no domain 'retial'; did you mean retail?" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tau2:retail_explore", "name its file, as in --domain tau2:retail_explore@db_generated.json"),
        ("tau2:retail@nowhere.json", "nowhere.json: no such file"),
        ("tau2:mock@bm25", "tau2's mock takes no 'retrieval_variant', only db, user_db, solo_mode"),
        ("tau2:banking_knowledge@bm26", "Unknown retrieval variant: 'bm26'"),
    ],
)
def test_what_a_domain_does_not_take(name: str, message: str) -> None:
    done = run("t2t_dist.cli", "check-domain", name)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert message in done.stderr


def test_a_release_is_set_in_its_own_database(tmp_path: Path) -> None:
    """Retail with other people and orders, as releases have it: there the gold is made, on tau2's own it is not."""

    def moved(file: str) -> str:
        return Path(data("retail", file)).read_text().replace("#W", "#X").replace("usuf", "ussuf")

    (tmp_path / "db.json").write_text(moved("db.json"))
    tasks = json.loads(moved("tasks.json").replace('"retail"', '"retail_explore"'))
    kept = [task for task in tasks if task["id"] in ("0", "1")]
    for task in kept:
        task["trajectory_id"] = f"traj_{task.pop('id')}"
    (tmp_path / "tasks.json").write_text(json.dumps(kept))
    given = ("import", "tau2", str(tmp_path / "tasks.json"), "--out")
    named = t2t(*given, str(tmp_path / "own"), "--domain", f"tau2:retail_explore@{tmp_path / 'db.json'}")
    assert (named["verdicts"], named["raised"]) == ({"verified": 2}, [])
    assert set(t2t(*given, str(tmp_path / "other"), "--domain", "tau2:retail")["verdicts"]) == {"other_database"}
