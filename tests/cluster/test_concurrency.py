"""``--concurrency`` is a bound at every moment: counted at an endpoint, with workers that come and go."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from t2t_dist.cluster.launch import Result, run
from t2t_dist.config.loading import load_config
from tests.support.fake_endpoint import FakeEndpoint, Message, default_brain, in_thread, text
from tests.support.finished_run import LIBRARY, rows_of, write_run
from tests.support.made import Made
from tests.support.patience import until
from tests.support.runs import rollout_workers

pytestmark = pytest.mark.ray

TASKS = 16


@pytest.fixture(scope="module")
def tasks(desk: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("concurrency") / "tasks"
    write_run(folder, rows_of(desk.verified()[:TASKS]))
    return folder


def evaluated(endpoint: FakeEndpoint, tasks: Path, out: Path, slots: int, workers: int) -> Result:
    model = f"openai:m@{endpoint.url}"
    settings = {"domain": LIBRARY, "source": str(tasks), "agents": [model], "user": model}
    settings |= {"verify.reference_trials": 0, "cluster.workers": workers, "cluster.concurrency": slots}
    return run("evaluate", load_config(None, settings), str(out))


@pytest.mark.parametrize(("slots", "workers"), [(3, 2), (1, 3)])
def test_no_more_requests_at_once_than_slots(
    slots: int, workers: int, tasks: Path, local_ray: None, tmp_path: Path
) -> None:
    async def slowly(body: dict[str, Any]) -> Message:
        await asyncio.sleep(0.02)  # so that requests meet
        return default_brain(body)

    with in_thread(FakeEndpoint(slowly)) as endpoint:
        result = evaluated(endpoint, tasks, tmp_path / "e", slots, workers)
    assert result.state.counters["episodes.rollout"] == TASKS
    assert endpoint.most == slots, "and all of them were used"


def test_the_slots_of_a_killed_worker_are_used_again_and_never_twice(
    tasks: Path, local_ray: None, tmp_path: Path
) -> None:
    goes_on = threading.Event()

    async def held(body: dict[str, Any]) -> Message:
        while not goes_on.is_set():  # noqa: ASYNC110 - the event is of another thread
            await asyncio.sleep(0.02)
        return default_brain(body) if body.get("tools") else text("Good bye. ###STOP###")

    def kill_one() -> None:
        try:
            until(lambda: endpoint.running == 3, "all slots in use", 120)
            rollout_workers(psutil.Process())[0].kill()
            until(lambda: endpoint.running < 3, "the requests of the killed worker gone", 120)
            until(lambda: endpoint.running == 3, "its slots in use again", 120)
        finally:
            goes_on.set()

    with in_thread(FakeEndpoint(held)) as endpoint, ThreadPoolExecutor(1) as other:
        killing = other.submit(kill_one)
        result = evaluated(endpoint, tasks, tmp_path / "e", 3, 2)
        killing.result()
    assert result.state.counters["episodes.rollout"] == TASKS
    assert endpoint.most == 3
