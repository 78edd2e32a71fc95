"""Runs as jobs of a real Ray head, sent, followed, cut off, stopped and killed."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest
import yaml

from t2t_dist.cluster.jobs import server as jobs
from t2t_dist.cluster.jobs.server import Job, JobServer, NoAnswer, UnknownJob, checked_address, follow, open_server
from t2t_dist.cluster.jobs.watch import LogLines, Watch
from t2t_dist.core.errors import InputError
from tests.support.brake import Brake
from tests.support.command_lines import command_of
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE_S
from tests.support.ray_head import BIN, TOKEN, CutProxy, Head, cut_proxy, environment, free_ports, ray_head
from tests.support.runs import command, duplicates, unnamed_shards
from tests.support.slow_runs import items_done, until_items, until_said

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def head(brake_folder: Path) -> Iterator[Head]:
    with ray_head() as found:
        yield found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's working tree: settings, and a key that must stay at home."""
    root = tmp_path_factory.mktemp("tree")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / "run.yaml").write_text("trajectories: 6\nseed: 7\nscale: 0.2\ncluster: {workers: 1}\n")
    slow = "domain: tests.support.slow_domain:SlowRetail\ntrajectories: 200\nscale: 0.5\nseed: 7\n"
    (root / "slow.yaml").write_text(slow + "cluster: {workers: 1}\n")
    (root / "evaluate.yaml").write_text("agents: ['scripted:silent']\nlimit: 4\ncluster: {workers: 1}\n")
    (root / ".env").write_text("KEY=secret\n")
    return root


def submit(*arguments: object, tree: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("submit", *arguments),
        capture_output=True,
        text=True,
        cwd=tree,
        env=environment(**changes),
        timeout=PATIENCE_S,
        check=False,
    )


def submitted(*arguments: object, tree: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("submit", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tree,
        env=environment(),
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of an error."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    return line


@pytest.fixture
def server(head: Head, monkeypatch: pytest.MonkeyPatch) -> JobServer:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    return open_server(head.url)


# -- to the end --------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def finished(head: Head, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """A run that went well though its connections were cut: its directory, what was printed as JSON, and its log."""
    out = tmp_path_factory.mktemp("runs") / "cut"
    with cut_proxy(head.url) as proxy:
        client = submitted("run.yaml", "--address", proxy.url, "--out", out, "--json", tree=tree)
        assert client.stderr is not None
        shown, cuts = list[str](), 0
        for line in client.stderr:
            shown.append(line)
            if line.startswith("Running entrypoint") and not cuts:
                cuts = proxy.cut(refuse_s=2)
        assert client.wait(PATIENCE_S) == 0, "".join(shown)
        assert cuts, "no connection was there to be cut"
    assert client.stdout is not None
    (line,) = client.stdout.read().splitlines()
    return out, json.loads(line), "".join(shown)


def test_success_though_the_connections_are_cut(finished: tuple[Path, dict[str, Any], str], server: JobServer) -> None:
    out, said, shown = finished
    assert said["trajectories"] == 6
    assert said["pass"]["general"] == {"pass^1": 1.0}
    assert (said["exit"], said["checked"], said["job"]["status"]) == (0, "ledger", "SUCCEEDED")
    log = [line for line in server.whole_log(said["job"]["id"]).splitlines() if not line.startswith("{")]
    assert len(log) > 5
    ours = shown.splitlines()
    assert [line for line in ours if line in log] == log, "lines of the log were lost or repeated"
    assert sum(duplicates(out).values()) == 0
    assert "not sent" in shown
    assert ".env" in shown


def test_a_client_that_attaches_gets_the_same_exit_code(
    head: Head, tree: Path, finished: tuple[Path, dict[str, Any], str], tmp_path: Path
) -> None:
    job = finished[1]["job"]["id"]
    # From a machine that does not see the store: by what the job printed.
    done = submit("--attach", job, "--address", head.url, "--out", tmp_path / "elsewhere", "--json", tree=tree)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["checked"] == "log"
    gated = submit("--attach", job, "--address", head.url, "--fail-under", "pass^1>1", "--json", tree=tree)
    assert gated.returncode == 1, gated.stderr
    assert json.loads(gated.stdout)["checked"] == "ledger"


def test_a_gate_fails_in_the_job_and_here(head: Head, tree: Path, finished: tuple[Path, dict[str, Any], str]) -> None:
    gate = ["--fail-under", "pass^1>1"]
    done = submit("run.yaml", "--address", head.url, "--out", finished[0], *gate, "--json", tree=tree)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert (said["exit"], said["job"]["exit_code"], said["checked"]) == (1, 1, "ledger")
    assert "gate failed: pass^1>1" in done.stderr


def test_a_run_without_a_result_exits_here_as_in_the_job(
    head: Head, tree: Path, finished: tuple[Path, dict[str, Any], str], tmp_path: Path
) -> None:
    known = ["--set", "until=convert", "--set", "intents=[general]"]
    known += ["--set", f"verify.reference_tasks=[{finished[0]}]"]
    done = submit("run.yaml", "--address", head.url, "--out", tmp_path / "none", *known, "--json", tree=tree)
    assert done.returncode == 3, done.stderr
    said = json.loads(done.stdout)
    assert (said["exit"], said["job"]["exit_code"], said["checked"]) == (3, 3, "ledger")
    assert said["messages"][0]["what"] == "contaminated"
    assert "no task was verified" in done.stderr


def test_a_job_is_compared_with_an_earlier_run_and_reported_to_ci(
    head: Head, tree: Path, finished: tuple[Path, dict[str, Any], str], tmp_path: Path
) -> None:
    files = ["--junit", tmp_path / "eval.xml", "--markdown", tmp_path / "eval.md"]
    gate = ["--baseline", finished[0], "--max-drop", "0.5", "--json"]
    asked = ["--kind", "evaluate", "--address", head.url, "--out", tmp_path / "silent"]
    done = submit("evaluate.yaml", finished[0], *asked, *gate, *files, tree=tree)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert (said["exit"], said["job"]["exit_code"]) == (1, 0), "the job was not asked, this command judges"
    assert "gate failed: max-drop 0.5" in done.stderr
    assert {change["on"] for change in said["baseline"]} >= {"all"}
    assert ElementTree.parse(tmp_path / "eval.xml").getroot().findall(".//failure")
    assert "max-drop" in (tmp_path / "eval.md").read_text("utf-8")
    # Judged again by the client that attaches: compared with itself, nothing dropped.
    attach = ["--attach", said["job"]["id"], "--address", head.url, "--json"]
    same = submit(*attach, "--baseline", tmp_path / "silent", "--max-drop", "0", tree=tree)
    assert same.returncode == 0, same.stderr
    unseen = submit(*attach, "--out", tmp_path / "elsewhere", *gate, tree=tree)
    assert unseen.returncode == 1, unseen.stderr
    assert "the run's store can't be read from here" in unseen.stderr


def test_plain_ray_job_submit(head: Head, finished: tuple[Path, dict[str, Any], str]) -> None:
    def ray_job(*more: str) -> subprocess.CompletedProcess[str]:
        run = ["t2t", "generate", "-n", "6", "--seed", "7", "--set", "scale=0.2", "--out", str(finished[0])]
        return subprocess.run(
            [str(BIN / "ray"), "job", "submit", "--address", head.url, "--", *run, *more],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=PATIENCE_S,
            check=False,
        )

    done = ray_job()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 trajectories ->" in done.stdout
    assert ray_job("--fail-under", "pass^1>1").returncode == 1


def test_the_workflow_step_by_step(head: Head, tree: Path, tmp_path: Path) -> None:
    """Every `run:` of the GitHub workflow, by the shell that GitHub would take, against this head."""
    workflow = yaml.safe_load((ROOT / "cluster" / "deploy" / "github-actions.yaml").read_text("utf-8"))
    assert workflow["defaults"]["run"]["shell"] == "bash"
    given = {
        "vars.RAY_API_SERVER_ADDRESS": head.url,
        "secrets.RAY_AUTH_TOKEN": TOKEN,
        "inputs.out": str(tmp_path / "dataset"),
        "github.run_id": "7001",
        "github.run_attempt": "1",
    }

    def filled(variables: dict[str, str]) -> dict[str, str]:
        return {n: re.sub(r"\$\{\{ (\S+) \}\}", lambda found: given[found[1]], v) for n, v in variables.items()}

    ran = []
    for job in workflow["jobs"].values():
        variables = environment(**filled({**workflow["env"], **job.get("env", {})}))
        for step in (step for step in job["steps"] if "run" in step):
            if step["name"] == "Install":
                extra = re.fullmatch(r"pip install -c constraints.txt -e '\.\[(\w+)\]'", step["run"])
                assert extra is not None
                assert (
                    extra[1] in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
                )
                continue  # what is installed is what the tests run in
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                capture_output=True,
                text=True,
                cwd=tree,
                env=variables,
                timeout=PATIENCE_S,
                check=False,
            )
            assert done.returncode == 0, (step["name"], done.stdout, done.stderr)
            ran.append(step["name"])
    assert ran == ["Send", "Follow", "Stop", "Evaluate"]
    summary, evaluation = (json.loads((tree / f"{name}.json").read_text()) for name in ("summary", "evaluation"))
    assert (summary["job"]["id"], summary["checked"]) == ("generate-7001-1", "ledger")
    assert sum(summary["tasks"].values()) > 10
    assert (evaluation["kind"], evaluation["episodes"], set(evaluation["agents"])) == (
        "evaluate",
        4,
        {"scripted:silent"},
    )


def driver_of(head: Head, out: Path) -> psutil.Process:
    """The command that Ray started; the driver proper is its child."""
    found = [p for p in head.processes() if str(out) in command_of(p) and "t2t_dist.cli" in command_of(p)]
    pids = {process.pid for process in found}
    (top,) = [process for process in found if process.ppid() not in pids]
    return top


def test_left_alone_then_stopped_then_killed(
    head: Head, tree: Path, tmp_path: Path, server: JobServer, brake: Brake
) -> None:
    out = tmp_path / "out"
    flags = ["--address", head.url, "--out", out]
    # Ctrl-C leaves the job running and says how to come back.
    client = submitted("slow.yaml", *flags, tree=tree)
    until_items(out, 1)
    client.send_signal(signal.SIGINT)
    _, said = client.communicate(timeout=PATIENCE_S)
    assert client.returncode == 75, said
    again = re.search(r"t2t submit --attach (\S+) --address (\S+)", said)
    assert again is not None, said
    assert str(server.details(again[1]).status) == "RUNNING"
    # A client that attaches may stop it: what it has is committed.
    client = submitted("--attach", again[1], "--address", again[2], "--stop-on-interrupt", tree=tree)
    until_said(client, "Running entrypoint")
    client.send_signal(signal.SIGINT)
    until_said(client, "stopping the job")
    brake.release()
    assert client.stderr is not None
    said = client.stderr.read()
    assert client.wait() == 75, said
    assert str(server.details(again[1]).status) == "STOPPED"
    assert unnamed_shards(out) == []
    # The same command resumes it; its driver is killed.
    done = items_done(out)
    brake.hold(done + 4)
    client = submitted("slow.yaml", *flags, "--json", tree=tree)
    until_items(out, done + 1)
    driver_of(head, out).kill()
    stdout, said = client.communicate(timeout=PATIENCE_S)
    assert client.returncode == 137, said
    assert json.loads(stdout)["job"]["status"] == "FAILED"
    assert "killed by signal 9" in said
    assert sum(duplicates(out).values()) == 0


# -- the log -----------------------------------------------------------------------------------------------------------
LINES = 120


def test_a_log_is_shown_once_whatever_is_cut(head: Head, server: JobServer) -> None:
    entry = f"i=0; while [ $i -lt {LINES} ]; do echo line $i; i=$((i+1)); sleep 0.06; done; printf 'no end'"
    job = server._client.submit_job(entrypoint=entry)
    shown, notices = list[str](), list[str]()

    def cutting(proxy: CutProxy) -> None:
        for rudely, refuse_s in ((False, 0.0), (True, 0.0), (False, 2.0)):
            time.sleep(1.5)
            proxy.cut(rudely=rudely, refuse_s=refuse_s)

    with cut_proxy(head.url) as proxy:
        far = open_server(proxy.url)
        threading.Thread(target=cutting, args=(proxy,), daemon=True).start()
        watch = Watch(time.monotonic(), every_s=0.5)
        ended = asyncio.run(follow(far, job, shown.append, watch, LogLines(), notices.append))
        assert proxy.accepted > 6
    assert (ended.how, ended.exit_code) == ("SUCCEEDED", 0)
    assert [line for line in shown if line.startswith("line ")] == [f"line {n}" for n in range(LINES)]
    assert shown[-1] == "no end"


# -- what can't be -----------------------------------------------------------------------------------------------------
def test_nobody_there(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(InputError, match=r"no Ray job server answers at .*ray\[default\]") as error:
        open_server(address, patience_s=0.0)
    assert "\n" not in str(error.value)


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "REQUEST_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(NoAnswer, match="timed out"):
            JobServer(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"RAY_AUTH_TOKEN": "another-token-0123456789abcdef01"}, "refuses the token"),
        ({"RAY_AUTH_TOKEN": "", "RAY_AUTH_MODE": "disabled"}, "(asks for|refuses the) token|asks for a token"),
        ({"RAY_AUTH_TOKEN": "", "RAY_AUTH_MODE": "", "RAY_AUTH_TOKEN_PATH": "/nowhere/token"}, "No such file"),
    ],
)
def test_tokens(head: Head, changes: dict[str, str], says: str) -> None:
    """In a process each: Ray reads a token once, and this process has tests to come that need the right one."""
    code = "import sys; from t2t_dist.cluster.jobs.server import open_server; open_server(sys.argv[1])"
    variables = {name: value for name, value in (environment() | changes).items() if value}
    done = subprocess.run([sys.executable, "-c", code, head.url], capture_output=True, text=True, env=variables)
    (line,) = [line for line in done.stderr.splitlines() if "InputError: " in line]
    assert re.search(says, line)
    assert done.stderr.strip().endswith(line)
    assert "another-token" not in done.stderr


def test_a_job_that_can_not_begin(head: Head, tree: Path, tmp_path: Path) -> None:
    done = submit("run.yaml", "--address", head.url, "--out", tmp_path / "o", "--python", "no-such-python", tree=tree)
    assert "there is no 'no-such-python' on the head; name its Python with --python" in refused(done)


def test_a_job_that_is_not_there(server: JobServer) -> None:
    with pytest.raises(InputError, match="knows no job nothing"):
        server.about("nothing")
    with pytest.raises(UnknownJob):
        server.stop("nothing")


def test_an_id_is_used_once(server: JobServer, finished: tuple[Path, dict[str, Any], str]) -> None:
    taken = finished[1]["job"]["id"]
    with pytest.raises(InputError, match=f"--attach {taken}"):
        server.submit(Job(["domains"], {}, job_id=taken))


@pytest.mark.parametrize("address", ["ray://head:10001", "auto", "", "http://"])
def test_invalid_addresses(address: str) -> None:
    with pytest.raises(InputError, match="8265"):
        checked_address(address)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run.yaml"], "--address http://HEAD:8265"),
        (["run.yaml", "--address", "http://h:1", "--out", "runs/x"], "shared disk"),
        (["run.yaml", "--address", "http://h:1", "--out", "/x", "--kind", "make"], "generate, convert, evaluate"),
        (["run.yaml", "--address", "http://h:1", "--out", "/x", "--kind", "evaluate"], "t2t submit CONFIG RUN"),
        (["run.yaml", "--address", "http://h:1", "--out", "/x", "--max-drop", "0.1"], "add --baseline RUN"),
        (["--attach", "j", "--address", "http://h:1", "--junit", "/none/x.xml"], "there is no directory /none"),
        (["run.yaml", "--address", "http://h:1", "--out", "/x", "--no-wait", "--junit", "x.xml"], "--attach JOB"),
        (["run.yaml", "--address", "http://h:1", "--out", "/x", "--env", "NOT_SET_HERE"], "NOT_SET_HERE=VALUE"),
        (["run.yaml", "--address", "http://h:1", "--out", "/x", "--set", "sed=3"], "did you mean seed"),
        (["run.yaml", "--address", "http://h:1", "--out", "/x", "--fail-under", "all good"], "pass^1>=0.6"),
        (["none.yaml", "--address", "http://h:1", "--out", "/x"], "none.yaml"),
    ],
)
def test_bad_input_is_found_before_anything_is_sent(
    arguments: list[str], says: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from t2t_dist.cli.main import app

    monkeypatch.chdir(tree)
    done = CliRunner().invoke(app, ["submit", *arguments], env={"RAY_API_SERVER_ADDRESS": ""})
    assert done.exit_code == 2, done.output
    assert says in " ".join(done.output.split())
