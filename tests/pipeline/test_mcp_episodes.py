"""Episodes on MCP servers: what happens when the server dies, hangs or is killed; complete runs on real servers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from t2t_dist.config.settings import Config
from t2t_dist.core.identity import trajectory_id
from t2t_dist.core.schema import Task, Trajectory
from t2t_dist.environments.adapters.mcp.domain import McpDomain
from t2t_dist.models.clients import Models
from t2t_dist.pipeline.episodes import EpisodeRunner
from t2t_dist.pipeline.recheck import regrade, reverify
from t2t_dist.pipeline.workloads import Generate
from t2t_dist.storage.source_run import Source
from t2t_dist.synthesis.check_domain import check
from t2t_dist.synthesis.convert import convert_one
from t2t_dist.synthesis.explore import explore_graph
from tests.support.command_lines import command_of
from tests.support.mcp_domains import described, folder_of, gone, guards, made, processes, with_server
from tests.support.runs import ROOT, environment, t2t_json
from tests.support.stored import Stored, stored


# -- an episode and its server -----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """general: somebody wants a note changed. Made on servers that do as they should."""
    domain = made(tmp_path_factory.mktemp("notes"))
    trajectory = Trajectory(
        trajectory_id=trajectory_id("run-mcp", 0),
        index=0,
        domain="notes",
        customer="p0",
        explorer="graph",
        seed=1,
        initial=domain.world().digest,
    )
    trajectory.tools, trajectory.steps = explore_graph(domain, "p0", 1)
    found = asyncio.run(convert_one(domain, trajectory, "general", None))
    domain.pool.close()
    assert found.verdict == "verified", found.reasons
    assert any(call.name == "set_text" for call in found.grader.gold)
    return found


async def run(domain: McpDomain, task: Task) -> Stored:
    config = Config(domain="notes")
    runner = EpisodeRunner("run-mcp", config, Models(config.models, []), domain)
    return stored(await runner.run(task, "scripted:oracle", 0))


async def test_a_server_that_dies_once_costs_an_attempt(tmp_path: Path, task: Task) -> None:
    once = tmp_path / "once"
    domain = made(tmp_path, server__env={"FAULT": "die:set_text", "ONCE": str(once)})
    done = await run(domain, task)
    domain.pool.close()
    assert once.exists()
    assert (done.table, done.reward, done.row["attempt"]) == ("episodes", 1.0, 2)


@pytest.mark.parametrize(("fault", "failure"), [("die", "tool_crash"), ("hang", "tool_timeout")])
async def test_a_server_that_never_does_it_gives_a_failure_and_no_reward(
    tmp_path: Path, task: Task, fault: str, failure: str
) -> None:
    domain = made(tmp_path, server__env={"FAULT": f"{fault}:set_text"}, server__timeout=0.5)
    done = await run(domain, task)
    every = processes(tmp_path)
    domain.pool.close()
    assert (done.table, done.reward, done.row["failure"], done.row["attempts"]) == ("failures", None, failure, 3)
    assert "set_text" in done.row["message"]
    assert [turn["role"] for turn in done.row["turns"]][-1] == "assistant"  # the call that was not answered
    assert gone(every)


async def test_a_server_killed_in_mid_episode_costs_an_attempt_and_leaves_nothing(tmp_path: Path, task: Task) -> None:
    """It is in the middle of a call, with a child of its own, when it is killed from outside."""
    once, child = tmp_path / "once", tmp_path / "child"
    env = {"FAULT": "fork:set_text", "ONCE": str(once), "CHILD": str(child)}
    domain = made(tmp_path, server__env=env)
    running = asyncio.create_task(run(domain, task))
    while not (child.exists() and child.read_text()):
        await asyncio.sleep(0.02)
        assert not running.done()
    (guard,) = guards(tmp_path)
    folder, every = folder_of(guard), [*processes(tmp_path), psutil.Process(int(child.read_text()))]
    assert len(every) >= 3
    (server,) = [p for p in guard.children(recursive=True) if "".join(command_of(p)[1:2]).endswith("server.py")]
    server.kill()
    done = await running
    assert (done.table, done.reward, done.row["attempt"]) == ("episodes", 1.0, 2)
    assert gone(every)
    assert not folder.exists()
    fresh = processes(tmp_path)
    assert fresh
    assert not {p.pid for p in fresh} & {p.pid for p in every}
    domain.pool.close()
    assert gone(fresh)


# -- exploring -----------------------------------------------------------------------------------------------------
async def test_a_server_that_hangs_while_a_task_is_made_holds_nobody_up(tmp_path: Path) -> None:
    once = tmp_path / "once"
    file = described(tmp_path, server__env={"FAULT": "hang:set_text", "ONCE": str(once)})
    work = Generate(Config(domain=f"mcp:{file}", trajectories=1, seed=1))
    running = asyncio.create_task(work.run(0, 1))
    while not once.exists():
        await asyncio.sleep(0.02)
        assert not running.done()
    (guard,) = guards(tmp_path)
    next(
        p for p in guard.children(recursive=True) if "".join(command_of(p)[1:2]).endswith("server.py")
    ).kill()  # and so the call is made again, on another
    done = await running
    assert done.counts["tasks.general"] == 1
    assert "failures" not in done.rows
    assert {row["reward"] for row in done.rows["episodes"]} == {1.0}
    assert isinstance(work.domain, McpDomain)
    work.domain.pool.close()


async def test_explorations_that_break_their_server_are_failures_and_the_run_continues(tmp_path: Path) -> None:
    file = described(tmp_path, server__env={"FAULT": "die:set_text"})
    work = Generate(Config(domain=f"mcp:{file}", trajectories=3, seed=1))
    for item in range(work.size()):
        done = await work.run(item, 1)
        (failure,) = done.rows["failures"]
        assert (failure["failure"], failure["stage"]) == ("tool_crash", "explore")
        assert failure["message"] == "the MCP server ended during set_text: out of luck"
        assert "tasks" not in done.rows
    assert isinstance(work.domain, McpDomain)
    work.domain.pool.close()


# -- the end of the owner of a server ----------------------------------------------------------------------------------
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_server_outlives_its_owner(tmp_path: Path, number: signal.Signals) -> None:
    """Killed while a server hangs that has a child in a session of its own."""
    child = tmp_path / "child"
    file = described(tmp_path, server__env={"FAULT": "fork:set_text", "CHILD": str(child)})
    program = (
        "import sys; from t2t_dist.environments.adapters.mcp.domain import domain;"
        "from t2t_dist.environments.tools import Call;"
        "notes = domain(sys.argv[1])();"
        "notes.execute(notes.world(), Call('set_text', {'note_id': 'n0', 'text': 'x'}))"
    )
    owner = subprocess.Popen([sys.executable, "-c", program, str(file)], env=environment(), cwd=ROOT)
    try:
        until = time.monotonic() + 60
        while not (child.exists() and child.read_text()):
            time.sleep(0.02)
            assert owner.poll() is None
            assert time.monotonic() < until
        (guard,) = guards(tmp_path, psutil.Process(owner.pid))
        folder = folder_of(guard)
        every = [*processes(tmp_path, psutil.Process(owner.pid)), psutil.Process(int(child.read_text()))]
        assert len(every) >= 4
        assert folder.is_dir()
        os.kill(owner.pid, number)
    except BaseException:
        owner.kill()
        raise
    finally:
        owner.wait()
    assert gone(every)
    assert not folder.exists()


# -- whole runs on real servers ----------------------------------------------------------------------------------------
SERVERS = {"library": "mcp-server-sqlite", "desk": "mcp-server-filesystem"}


@pytest.mark.parametrize("world", SERVERS)
def test_a_third_party_server_is_a_sound_domain_whose_tasks_are_solved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: str
) -> None:
    with_server(SERVERS[world], monkeypatch)
    config = Config(domain=f"mcp:{described(tmp_path, world)}", trajectories=12, seed=1)
    assert [found for found in check(config) if not found.ok] == []
    work = Generate(config)

    async def everything() -> tuple[Counter[str], list[dict[str, Any]]]:
        total: Counter[str] = Counter()
        rows = []
        for item in range(work.size()):
            done = await work.run(item, 1)
            total += done.counts
            rows += done.rows.get("episodes", [])
        return total, rows

    counts, rows = asyncio.run(everything())
    every = processes(Path(SERVERS[world]))
    assert isinstance(work.domain, McpDomain)
    work.domain.pool.close()
    assert counts["trajectories"] == 12
    assert counts["tasks.general"] >= 8
    assert counts["tasks.infeasible"] >= 8
    assert {row["reward"] for row in rows} == {1.0}
    assert not any(name.startswith("failures") for name in counts)
    assert every
    assert gone(every)


@pytest.mark.ray
@pytest.mark.usefixtures("shared_ray")
def test_the_command_line_makes_a_run_that_can_be_checked_again(tmp_path: Path) -> None:
    file, out = described(tmp_path), tmp_path / "run"
    t2t_json("generate", "--domain", f"mcp:{file}", "--trajectories", 6, "--workers", 2, "--out", out)
    # Ray ends its workers without a word; their servers end all the same.
    assert gone([p for p in psutil.process_iter(["cmdline"]) if str(file.parent) in " ".join(p.info["cmdline"] or ())])
    source = Source(str(out))
    verdicts, changed = reverify(source)
    assert verdicts["verified"] >= 6
    assert changed == []
    graded, differ = regrade(source)
    assert graded >= 6
    assert differ == []
    assert {row["reward"] for row in source.reader.rows("episodes", columns=["reward"])} == {1.0}
