"""An Engine on a server that only plays vLLM. What a real one does is in tests/vllm."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from t2t_dist.actors import engine as engines
from t2t_dist.actors.engine import Engine, EngineFailed
from t2t_dist.config.engines import PoolConfig
from t2t_dist.core.errors import InputError
from tests.actors import fake_vllm
from tests.support.command_lines import command_of
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE_S

Make = Callable[..., Engine]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes engines; what they started is gone after the test."""

    def engine(plays: str = "", **settings: Any) -> Engine:
        env = {"FAKE": plays, "PIDS": str(tmp_path / "pids"), "SEEN": str(tmp_path / "seen")}
        config = PoolConfig(model="org/some-model", python=fake_vllm.interpreter(tmp_path), env=env, **settings)
        return Engine("e0", config, "a-secret", str(tmp_path / "e0.log"))

    yield engine
    for child in psutil.Process().children(recursive=True):
        if "fake_vllm" in " ".join(command_of(child)):
            child.kill()


def brood(tmp_path: Path, file: str = "pids") -> list[psutil.Process]:
    return [psutil.Process(int(pid)) for pid in (tmp_path / file).read_text().split()]


def left(tmp_path: Path) -> list[int]:
    """Those of them that are alive."""
    pids = tmp_path / "pids"
    return [int(pid) for pid in pids.read_text().split() if psutil.pid_exists(int(pid))] if pids.exists() else []


def gone(processes: list[psutil.Process], seconds: float = PATIENCE_S) -> bool:
    return not psutil.wait_procs(processes, timeout=seconds)[1]


async def test_start_serve_stop(make: Make, tmp_path: Path) -> None:
    engine = make()
    assert engine.status().state == "new"
    address = await engine.start()
    assert address.url == f"http://127.0.0.1:{address.port}/v1"
    assert (engine.status().state, engine.status().address) == ("ready", address)
    async with aiohttp.ClientSession() as session, session.get(f"{address.url}/models") as refused:
        assert refused.status == 401
    server = psutil.Process(address.pid)
    assert "a-secret" not in " ".join(server.cmdline())
    log = (tmp_path / "e0.log").read_text()
    assert "--served-model-name org/some-model" in log
    assert "a-secret" not in log
    assert engine.tail() == ["starting"]
    await engine.stop()
    assert gone([server])
    assert (engine.status().state, engine.status().address) == ("stopped", None)
    await engine.stop()


async def test_the_server_is_in_our_process_group(make: Make) -> None:
    engine = make()
    address = await engine.start()
    assert os.getpgid(address.pid) == os.getpgrp()
    await engine.stop()


async def test_an_exit_is_noticed_and_the_engine_starts_again_in_place(make: Make, tmp_path: Path) -> None:
    engine = make("brood")
    first = await engine.start()
    left = brood(tmp_path)
    watch = asyncio.create_task(engine.watch())
    await asyncio.sleep(0.3)
    assert not watch.done()
    os.kill(first.pid, signal.SIGKILL)
    end = await asyncio.wait_for(watch, 60)
    assert end.code == 128 + signal.SIGKILL
    assert end.tail == ["starting"]
    assert gone(left, 0)
    assert engine.status().state == "exited"
    second = await engine.start()
    assert (second.url, engine.status().starts) == (first.url, 2)
    assert second.pid != first.pid
    assert (tmp_path / "e0.log").read_text().count("==== ") == 2
    await engine.stop()


async def test_an_exit_that_nobody_watched(make: Make) -> None:
    engine = make()
    address = await engine.start()
    with pytest.raises(RuntimeError, match="engine e0 is ready"):
        await engine.start()
    os.kill(address.pid, signal.SIGKILL)
    while engine.status().state == "ready":  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    assert (await engine.start()).url == address.url
    await engine.stop()


async def test_stop_kills_what_ignores_it(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "STOP_S", 0.5)
    engine = make("brood stubborn")
    address = await engine.start()
    processes = [psutil.Process(address.pid), *brood(tmp_path)]
    await engine.stop()
    assert gone(processes, 0)


async def test_nothing_is_left_when_the_guard_itself_is_killed(make: Make, tmp_path: Path) -> None:
    engine = make("brood")
    address = await engine.start()
    processes = [psutil.Process(address.pid), *brood(tmp_path)]
    processes[0].parent().kill()
    end = await asyncio.wait_for(engine.watch(), 60)
    assert end.code == 128 + signal.SIGKILL
    assert gone(processes)


OWNER = """
import asyncio, sys
from t2t_dist.actors.engine import Engine
from t2t_dist.config.engines import PoolConfig

async def main():
    python, log, pids = sys.argv[1:]
    config = PoolConfig(model="org/some-model", python=python, env={"FAKE": "brood stubborn", "PIDS": pids})
    print((await Engine("e0", config, "key", log).start()).pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_nothing_outlives_an_owner_that_is_killed(tmp_path: Path) -> None:
    arguments = [fake_vllm.interpreter(tmp_path), tmp_path / "log", tmp_path / "pids"]
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, *map(str, arguments)], stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as owner:
        assert owner.stdout is not None
        server = psutil.Process(int(owner.stdout.readline()))
        processes = [server, server.parent(), *brood(tmp_path)]
        owner.kill()
    assert gone(processes)


# -- starts that fail --------------------------------------------------------------------------------------------------
async def test_a_crash_gives_its_cause_and_the_last_lines(make: Make) -> None:
    engine = make("crash")
    with pytest.raises(EngineFailed, match="engine e0: vLLM: ValueError: the weights are of another shape") as failed:
        await engine.start()
    assert "\n" not in str(failed.value)
    assert len(failed.value.tail) == engines.TAIL
    assert failed.value.tail[-2] == "line 79"
    assert engine.status().state == "failed"
    assert isinstance(failed.value, InputError)
    copy = pickle.loads(pickle.dumps(failed.value))
    assert (str(copy), copy.tail) == (str(failed.value), failed.value.tail)


async def test_the_deadline(make: Make, tmp_path: Path) -> None:
    engine = make("silent brood", start_deadline_s=1.5)
    with pytest.raises(EngineFailed, match=r"did not answer within 1.5 s \(engine.start_deadline_s\)"):
        await engine.start()
    assert not left(tmp_path)


async def test_stop_ends_a_start(make: Make) -> None:
    engine = make("silent")
    start = asyncio.create_task(engine.start())
    while not engine.tail():  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    assert engine.status().state == "starting"
    await engine.stop()
    with pytest.raises(EngineFailed, match="was stopped while it started"):
        await start
    assert engine.status().state == "stopped"


async def test_a_cancelled_start_leaves_nothing(make: Make, tmp_path: Path) -> None:
    engine = make("silent brood")
    start = asyncio.create_task(engine.start())
    while not left(tmp_path):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert not left(tmp_path)


async def test_a_model_without_a_template_is_refused_though_it_loads(make: Make) -> None:
    with pytest.raises(EngineFailed, match=r"no chat template: set engine\.chat_template"):
        await make("template").start()


async def test_a_port_that_was_snatched_away_is_replaced(make: Make, tmp_path: Path) -> None:
    engine = make("bind")
    await engine.start()
    assert (tmp_path / "seen").exists()
    assert (tmp_path / "e0.log").read_text().count("==== ") == 2
    await engine.stop()


async def test_a_fixed_port_that_is_taken(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EngineFailed, match=f"port {port} is taken; free it"):
            await make(port=port).start()


async def test_a_fixed_port(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    engine = make(port=port)
    assert (await engine.start()).port == port
    await engine.stop()


async def test_engines_started_at_once_have_different_ports(make: Make) -> None:
    several = [make() for _ in range(4)]
    addresses = await asyncio.gather(*(engine.start() for engine in several))
    assert len({address.port for address in addresses}) == 4
    for engine in several:
        await engine.stop()


async def test_an_address_that_is_not_ours(make: Make) -> None:
    engine = make()
    engine.host = "192.0.2.1"
    with pytest.raises(InputError, match=r"can't listen on 192\.0\.2\.1"):
        await engine.start()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"python": "/no/such/python"}, "engine.python /no/such/python can't be started .No such file"),
        ({"python": sys.executable}, "vLLM is not installed for .*; pip install vllm there"),
        ({"model": "/no/such/model"}, "no model /no/such/model: no such directory on"),
        ({"chat_template": "/no/such.jinja"}, "engine.chat_template /no/such.jinja can't be read"),
        ({"args": {"port": 1}}, "engine.args has port, which is not set there but by engine.port"),
    ],
)
async def test_settings_that_can_not_be(make: Make, settings: dict[str, Any], message: str) -> None:
    engine = make()
    for name, value in settings.items():
        setattr(engine.config, name, value)
    with pytest.raises(InputError, match=message):
        await engine.start()
    assert engine.status().state == "failed"


# -- as a Ray actor ----------------------------------------------------------------------------------------------------
@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_the_actor_answers_while_it_starts_and_takes_its_server_with_it(tmp_path: Path) -> None:
    import ray

    from t2t_dist.actors.inference import InferenceActor

    def actor(plays: str, pids: Path) -> Any:
        env = {"FAKE": plays, "PIDS": str(pids)}
        config = PoolConfig(model="org/some-model", python=fake_vllm.interpreter(tmp_path), env=env)
        return InferenceActor.remote("e0", config, "key", str(tmp_path / "log"))

    hangs = actor("silent", tmp_path / "none")
    start = hangs.start.remote()
    deadline = time.monotonic() + 60
    while ray.get(hangs.status.remote()).state != "starting" or not ray.get(hangs.tail.remote()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ray.get(hangs.stop.remote())
    with pytest.raises(EngineFailed, match="was stopped while it started"):
        ray.get(start)
    ray.kill(hangs)

    serves = actor("brood stubborn", tmp_path / "pids")
    address = ray.get(serves.start.remote())
    processes = [psutil.Process(address.pid), *brood(tmp_path)]
    ray.kill(serves)
    assert gone(processes)

    killed = actor("brood stubborn", tmp_path / "more")
    address = ray.get(killed.start.remote())
    processes = [psutil.Process(address.pid), *brood(tmp_path, "more")]
    next(each for each in processes[0].parents() if "InferenceActor" in " ".join(command_of(each))).kill()
    assert gone(processes)


DRIVER = """
import sys, time
import psutil, ray
from t2t_dist.actors.inference import InferenceActor
from t2t_dist.config.engines import PoolConfig

python, log, pids = sys.argv[1:]
config = PoolConfig(model="org/some-model", python=python, env={"FAKE": "brood stubborn", "PIDS": pids})
ray.init(address="local", num_cpus=1, object_store_memory=100 << 20, include_dashboard=False, log_to_driver=False)
actor = InferenceActor.remote("e0", config, "key", log)
server = psutil.Process(ray.get(actor.start.remote()).pid)
children = {each.name(): each.pid for each in psutil.Process().children(recursive=True)}
print(server.pid, children["raylet"], flush=True)
time.sleep(600)
"""


@pytest.mark.ray
@pytest.mark.parametrize("victim", ["driver", "raylet"])
def test_nothing_outlives_what_ray_loses(tmp_path: Path, victim: str) -> None:
    arguments = [fake_vllm.interpreter(tmp_path), tmp_path / "log", tmp_path / "pids"]
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, *map(str, arguments)], stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as driver:
        assert driver.stdout is not None
        server, raylet = map(int, driver.stdout.readline().split())
        processes = [psutil.Process(server), *brood(tmp_path)]
        ours = psutil.Process(driver.pid).children(recursive=True)
        os.kill({"driver": driver.pid, "raylet": raylet}[victim], signal.SIGKILL)
        try:
            assert gone(processes)
        finally:
            driver.kill()
            for process in ours:
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    pass
