"""The command line from outside: what it prints, and its exit codes. Bad input is one clear line and exit 2."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from t2t_dist.storage.status import commits_known, corrected
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.matrix import FLAWS
from tests.support.runs import command, environment, here, here_json, t2t, t2t_json

pytestmark = pytest.mark.ray

TRAJECTORIES = 40
AGENTS = ("oracle", "hasty", "stubborn", "compliant", "silent")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """By a command of its own, which has no cluster and starts a Ray for itself."""
    out = tmp_path_factory.mktemp("cli") / "a"
    size = ("--trajectories", TRAJECTORIES, "--seed", 7, "--workers", 1)
    return out, t2t_json("generate", "--domain", "retail", *size, "--out", out)


def refused(*arguments: object, cwd: Path | None = None) -> str:
    """The one line that a refused command prints."""
    return refusal_of(here(*arguments, cwd=cwd))


def refusal_of(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    return lines[0]


# -- good input --------------------------------------------------------------------------------------------------------
def test_generate_prints_one_object_with_everything_in_it(generated: tuple[Path, dict[str, object]]) -> None:
    _, summary = generated
    expected = {
        "run_id",
        "trajectories",
        "tasks",
        "rejected",
        "episodes",
        "failures",
        "pass",
        "digest",
        "wall_s",
        "out",
    }
    assert expected <= summary.keys()
    assert summary["trajectories"] == TRAJECTORIES
    assert summary["failures"] == {}
    assert summary["pass"] == {i: {"pass^1": 1.0} for i in ("general", "ambiguous", "changing", "infeasible")}


def test_verify_and_regrade_find_nothing_changed(generated: tuple[Path, dict[str, object]]) -> None:
    out, summary = generated
    verified = here_json("verify", out)
    assert (verified["changed"], verified["damaged"]) == (0, [])
    assert verified["verdicts"]["verified"] == sum(summary["tasks"].values())  # type: ignore[attr-defined]
    regraded = here_json("regrade", out)
    assert (regraded["checked"], regraded["changed"]) == (summary["episodes"], 0)


def test_the_discrimination_matrix(generated: tuple[Path, dict[str, object]], local_ray: None, tmp_path: Path) -> None:
    flags = [*(part for name in AGENTS for part in ("--agent", f"scripted:{name}")), "--workers", 1]
    summary = here_json("evaluate", generated[0], *flags, "--out", tmp_path / "eval")
    assert summary["failures"] == {}
    matrix = {agent.removeprefix("scripted:"): cell["pass"] for agent, cell in summary["agents"].items()}
    value = {(agent, intent): by["pass^1"] for agent, row in matrix.items() for intent, by in row.items()}
    assert [value["oracle", intent] for intent in matrix["oracle"]] == [1.0] * 4
    assert value["hasty", "ambiguous"] <= 0.05
    assert value["stubborn", "changing"] <= 0.05
    assert value["compliant", "infeasible"] <= 0.05
    assert value["silent", "general"] == 0.0
    assert min(value[agent, "general"] for agent in ("hasty", "stubborn", "compliant")) >= 0.95
    assert "scripted:oracle" not in summary["causes"]
    for agent, codes in summary["causes"].items():
        own = sum(n for code, n in codes.items() if code in FLAWS[agent])
        assert own >= 0.95 * sum(codes.values()), (agent, codes)
    failures = here_json(
        "failures", tmp_path / "eval", "--all", "--code", "ignored_change", "--agent", "scripted:stubborn"
    )
    assert failures["read"] == failures["failed"] > 10
    assert len(failures["episodes"]) >= 0.95 * failures["failed"], "now and then it is something else that fails first"
    assert all(episode["intent"] == "changing" for episode in failures["episodes"])
    regraded = here_json("regrade", tmp_path / "eval")
    assert (regraded["checked"], regraded["changed"]) == (summary["episodes"], 0)


def test_tools_that_fail(generated: tuple[Path, dict[str, object]], local_ray: None, tmp_path: Path) -> None:
    flags = ["--agent", "scripted:oracle", "--agent", "scripted:silent", "--limit", 24, "--workers", 1]
    faults = ["--tool-faults", "retry=0.4,switch=0.3,impossible=0.2,late=0.3", "--set", "faults.late_s=0.01"]
    summary = here_json("evaluate", generated[0], *flags, *faults, "--out", tmp_path / "e")
    assert summary["failures"] == {}
    assert [by["pass^1"] for by in summary["agents"]["scripted:oracle"]["pass"].values()] == [1.0] * 4
    rows = list(RunReader(open_storage(tmp_path / "e"), SCHEMAS).rows("episodes", columns=["faults", "agent"]))
    given = [json.loads(row["faults"]) for row in rows if row["faults"]]
    assert len(given) > 40
    assert {fault for plan in given for fault in plan.values()} == {"retry", "switch", "impossible", "late"}
    regraded = here_json("regrade", tmp_path / "e")
    assert (regraded["checked"], regraded["changed"]) == (48, 0)


def test_a_model_behind_an_endpoint(generated: tuple[Path, dict[str, object]], local_ray: None, tmp_path: Path) -> None:
    endpoint = subprocess.Popen(
        [command()[0], "-m", "tests.support.fake_endpoint", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert endpoint.stdout is not None
        url = re.search(r"http://\S+", endpoint.stdout.readline())
        assert url is not None
        model = f"openai:m@{url[0]}"
        flags = ["--agent", model, "--user", model, "--concurrency", 64, "--limit", 20, "--workers", 1]
        summary = here_json("evaluate", generated[0], *flags, "--out", tmp_path / "eval")
    finally:
        endpoint.kill()
    assert summary["failures"] == {}
    assert summary["episodes"] == 20
    assert set(summary["agents"]) == {model}


def test_gates(generated: tuple[Path, dict[str, object]], shared_ray: None, local_ray: None, tmp_path: Path) -> None:
    small = ["evaluate", generated[0], "--limit", 8, "--workers", 1]
    flags = [*small, "--agent", "scripted:silent", "--out", tmp_path / "e"]
    bad = t2t(*flags, "--fail-under", "pass^1>=0.9")
    assert bad.returncode == 1
    assert "gate failed: pass^1>=0.9: scripted:silent general: pass^1 0.000 [0.000, " in bad.stderr
    oracle = [*small, "--out", tmp_path / "f"]
    files = ["--junit", tmp_path / "j.xml", "--markdown", tmp_path / "s.md"]
    assert here(*oracle, *files, "--fail-under", "pass^1[ambiguous]>=0.9").returncode == 0
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("failures") == "0"
    assert "| pass^1\\[ambiguous\\]\\>=0.9 | scripted:oracle | ambiguous | ok |" in (tmp_path / "s.md").read_text()
    # The worse one against the better one: each run has one agent, so they are compared.
    worse = here(*flags, "--baseline", tmp_path / "f", "--max-drop", "0.1", "--junit", tmp_path / "k.xml")
    assert worse.returncode == 1
    assert "pass^1 changed by -1.000" in worse.stderr
    assert int(ElementTree.parse(tmp_path / "k.xml").getroot().get("failures", "0")) >= 4
    same = here_json(*oracle, "--baseline", tmp_path / "f", "--max-drop", "0")
    assert same["failed_gates"] == []
    assert {change["value"] for change in same["baseline"]} == {0.0}


def test_report_prints_and_makes_a_page(generated: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    done = here("report", generated[0])
    assert done.returncode == 0, done.stderr
    assert "scripted:oracle" in done.stdout
    assert f"The page: {generated[0] / 'report.html'}" in done.stdout
    assert (generated[0] / "report.html").read_text().startswith("<!doctype html>")
    summary = here_json("report", generated[0], "--html", tmp_path / "p.html", "--files", tmp_path / "files")
    assert summary["html"] == str(tmp_path / "p.html")
    assert (tmp_path / "p.html").exists()
    assert (
        {"pass-1.svg", "funnel.csv"} <= set(summary["files"]) == {path.name for path in (tmp_path / "files").iterdir()}
    )
    assert (summary["agents"], summary["digest"]) == (generated[1]["agents"], generated[1]["digest"])
    assert here_json("report", generated[0], "--no-html").get("html") is None


def test_report_of_a_run_with_a_lost_shard_says_so(generated: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    run = copied(generated, tmp_path)
    next((run / "episodes").glob("*.arrow")).unlink()
    done = here("report", run)
    assert done.returncode == 0, done.stderr
    assert "note:" in done.stderr
    assert "missing" in done.stderr
    assert "report.html" in done.stdout


def test_stages_one_by_one_make_the_tasks_of_generate(local_ray: None, tmp_path: Path) -> None:
    explored = here_json("explore", "--trajectories", 20, "--seed", 7, "--workers", 1, "--out", tmp_path / "x")
    assert explored["trajectories"] == 20
    assert sum(explored["tasks"].values()) == 0
    converted = here_json("convert", tmp_path / "x", "--workers", 1, "--out", tmp_path / "y")
    assert min(converted["tasks"].values()) > 3
    assert here_json("verify", tmp_path / "y")["changed"] == 0


def test_show_prints_dialogues(generated: tuple[Path, dict[str, object]]) -> None:
    done = here("show", generated[0], "--intent", "ambiguous", "-n", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("reward 1") == 2
    assert "certificate" in done.stdout
    assert "customer" in done.stdout


def test_domains_and_check_domain() -> None:
    assert "retail" in here("domains").stdout
    checked = here_json("check-domain", "retail")
    assert checked["defects"] == 0
    assert len(checked["checks"]) >= 8


def test_print_config_reads_back(tmp_path: Path) -> None:
    done = here("generate", "--seed", 3, "--set", "limits.max_steps=60", "--print-config")
    (tmp_path / "c.yaml").write_text(done.stdout)
    again = here("generate", "--config", tmp_path / "c.yaml", "--print-config")
    assert again.stdout == done.stdout
    assert "# turns of agent and user together" in done.stdout
    assert "max_steps: 60" in done.stdout


# -- bad input ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "--domain", "retial"], "did you mean retail"),
        (["generate", "--domain", "nowhere.module:thing"], "can't be imported"),
        (["generate", "--agent", "scripted:orcale"], "scripted:oracle"),
        (["generate", "--set", "trajectorys=5"], "did you mean trajectories"),
        (
            ["generate", "--set", "limits.max_stps=5"],
            "--set limits.max_stps: there is no such setting; did you mean limits.max_steps?",
        ),
        (["generate", "--set", "limits"], "name=value"),
        (["generate", "--trajectories", "0"], "--trajectories: input should be greater than or equal to 1"),
        (["generate", "--config", "no-such-file.yaml"], "no-such-file.yaml"),
        (["generate", "--intent", "genral"], "--intent: input should be 'general'"),
        (["evaluate", "no-such-run"], "no-such-run"),
        (["verify", "no-such-run"], "no-such-run"),
        (["show", "no-such-run"], "no-such-run"),
        (["generate", "--agent", "openai:m@http://127.0.0.1:9/v1"], "127.0.0.1:9"),
        (["generate", "--fail-under", "high"], "pass^1>=0.6"),
        (["generate", "--fail-under", "pass^2>=0.5"], "k is from 1 to 1"),
        (["generate", "--fail-under", "pass^1[oracel]>=0.5"], "neither an intent nor an agent"),
        (["report", "no-such-run"], "no-such-run"),
        (["failures", "no-such-run", "--code", "bad_luck"], "forbidden_call"),
    ],
    ids=lambda value: value if isinstance(value, str) else "_".join(map(str, value[-1:])),
)
def test_bad_input(arguments: list[str], message: str, tmp_path: Path) -> None:
    assert message in refused(*arguments, cwd=tmp_path)


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ("retry", "write it as fault=share"),
        ("rety=0.3", "--tool-faults rety: there is no such setting; did you mean faults.retry?"),
        ("retry=2", "--tool-faults retry: input should be less than or equal to 1"),
    ],
)
def test_bad_faults(generated: tuple[Path, dict[str, object]], faults: str, message: str) -> None:
    done = here("evaluate", generated[0], "--tool-faults", faults)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_key_in_a_config_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("domain: retail\nverify: {min_marks: 5}\n")
    line = refusal_of(t2t("generate", "--config", tmp_path / "c.yaml"))
    assert "c.yaml" in line
    assert "did you mean verify.min_mark or verify.min_passes?" in line


def test_an_output_directory_of_another_config(generated: tuple[Path, dict[str, object]]) -> None:
    line = refused("generate", "--trajectories", TRAJECTORIES, "--seed", 8, "--out", generated[0])
    assert "seed (7 there, 8 now)" in line


def test_an_unwritable_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    assert "file" in refused("generate", "--out", tmp_path / "file" / "run")


def copied(generated: tuple[Path, dict[str, object]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(generated[0], tmp_path / "copy"))


def test_a_truncated_shard(generated: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    run = copied(generated, tmp_path)
    shard = next((run / "tasks").glob("*.arrow"))
    shard.write_bytes(shard.read_bytes()[:1000])
    line = refused("evaluate", run, "--out", tmp_path / "e")
    assert shard.name in line
    assert "rows" in line


def test_a_truncated_ledger_object(generated: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    run = copied(generated, tmp_path)
    objects = sorted((run / "ledger").glob("0*.mp"))
    objects[1].write_bytes(objects[1].read_bytes()[:20])
    line = refused("report", run)
    assert objects[1].name in line
    assert "verify" in line
    assert "--repair" in line


def test_tasks_of_another_schema_version(generated: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    run = copied(generated, tmp_path)
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(manifest | {"schema_version": 99}))
    line = refused("evaluate", run, "--out", tmp_path / "e")
    assert "99" in line


def test_altered_rows_are_found_by_verify(generated: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    run = copied(generated, tmp_path)
    shard = max((run / "tasks").glob("*.arrow"), key=lambda path: path.stat().st_size)
    data = bytearray(shard.read_bytes())
    for place in range(len(data) // 3, len(data) // 3 + 64):
        data[place] ^= 0x5A
    shard.write_bytes(bytes(data))
    done = here("verify", run)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert shard.name in done.stderr or "not those that were committed" in done.stderr


def test_a_flipped_bit_is_noticed_and_what_it_hit_is_made_again(
    generated: tuple[Path, dict[str, object]], local_ray: None, tmp_path: Path
) -> None:
    run = copied(generated, tmp_path)
    shard = max((run / "episodes").glob("*.arrow"), key=lambda path: path.stat().st_size)
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 4
    shard.write_bytes(bytes(data))
    regraded = here("regrade", run)
    assert (regraded.returncode, regraded.stdout) == (1, "")
    assert shard.name in regraded.stderr
    exported = here("export", run, "-f", "hf", "--out", tmp_path / "hf")
    assert shard.name in exported.stderr
    checked = here("verify", run, "--files")
    assert checked.returncode == 1
    assert f"episodes/{shard.name}: bytes" in checked.stderr
    assert "--repair" in refused("verify", run, "--repair")
    assert here_json("verify", run, "--files", "--repair")["dropped_rows"] > 0
    assert "not finished (stopped)" in here("report", run, "--no-html").stderr
    size = ("--trajectories", TRAJECTORIES, "--seed", 7, "--workers", 1)
    again = here_json("generate", "--domain", "retail", *size, "--out", run)
    assert again["digest"] == generated[1]["digest"]
    assert here_json("verify", run, "--files")["damaged"] == []
    # a driver that was killed after its last commit has left another status
    storage = open_storage(run)
    corrected(storage, str(again["run_id"]), "running", "", commits_known(storage))
    assert here_json("generate", "--domain", "retail", *size, "--out", run)["digest"] == again["digest"]
    assert here_json("status", run)["state"] == "finished"


def test_a_manifest_that_is_gone_is_not_made_up(
    generated: tuple[Path, dict[str, object]], local_ray: None, tmp_path: Path
) -> None:
    run = copied(generated, tmp_path)
    (run / "run.json").unlink()
    assert "which run this is" in refused("generate", "--domain", "retail", "--trajectories", 9, "--out", run)
    assert not (run / "run.json").exists()


async def test_a_wrong_key_is_one_line(generated: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    async with FakeEndpoint(api_key="right") as endpoint:
        flags = [generated[0], "--agent", f"openai:m@{endpoint.url}", "--out", tmp_path / "e"]
        line = refusal_of(await asyncio.to_thread(t2t, "evaluate", *flags))
    assert "right" not in line
    assert "key" in line
