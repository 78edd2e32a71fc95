"""The stages of an item: what a tool's crash becomes; rollouts that run beside them end with the item."""

from __future__ import annotations

import asyncio

import pytest

from t2t_dist.config.settings import Config
from t2t_dist.pipeline.stages import rollouts
from t2t_dist.pipeline.workloads import Generate


async def forever(ended: list[str]) -> None:
    try:
        await asyncio.sleep(600)
    finally:
        ended.append("ended")


async def broken() -> None:
    raise KeyError("a defect")


async def test_all_are_waited_for() -> None:
    said: list[int] = []

    async def say(number: int) -> None:
        await asyncio.sleep(0.01)
        said.append(number)

    async with rollouts() as rolled:
        rolled += [asyncio.create_task(say(number)) for number in range(3)]
    assert sorted(said) == [0, 1, 2]


async def test_where_one_breaks_the_others_end() -> None:
    ended: list[str] = []

    async def stage() -> None:
        async with rollouts() as rolled:
            rolled += [asyncio.create_task(forever(ended)) for _ in range(3)]
            rolled.append(asyncio.create_task(broken()))

    with pytest.raises(KeyError, match="a defect"):
        await stage()
    assert len(ended) == 3


async def test_where_a_stage_breaks_they_end_too() -> None:
    ended: list[str] = []

    async def stage() -> None:
        async with rollouts() as rolled:
            rolled += [asyncio.create_task(forever(ended)) for _ in range(3)]
            await asyncio.sleep(0)
            await broken()

    with pytest.raises(KeyError, match="a defect"):
        await stage()
    assert len(ended) == 3


async def test_a_tool_that_crashes_makes_a_failure_and_no_defect() -> None:
    work = Generate(Config(domain="tests.support.broken_domains:CrashingWrite", trajectories=6))
    done = [await work.run(item, 1) for item in range(work.size())]
    failures = [row for rows in done for row in rows.rows.get("failures", [])]
    assert {(row["failure"], row["stage"]) for row in failures} == {("tool_crash", "explore")}
    assert {row["message"].partition(",")[0] for row in failures} == {
        "cancel_hold raised NameError: name 'hold' is not defined"
    }
    assert all(row["verdict"] for rows in done for row in rows.rows.get("tasks", []))
