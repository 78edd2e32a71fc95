"""Infrastructure failures and what they leave open: the bounds of a disturbed run hold the undisturbed figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

import pyarrow as pa
import pytest

from t2t_dist.core.errors import EngineTimeout
from t2t_dist.core.schema import Turn, UserSide
from t2t_dist.environments.base import Domain
from t2t_dist.evaluation.results_table import ALL, ResultsTable
from t2t_dist.models.clients import Models
from t2t_dist.simulation.players import UserPlayer
from t2t_dist.simulation.seating import seat_user
from t2t_dist.storage.rows import SCHEMAS
from tests.support.finished_run import Row
from tests.support.made import Made
from tests.support.matrix import rolled_out, tasks_of

AGENTS = ["scripted:oracle", "scripted:hasty", "scripted:silent"]


class Leaves(UserPlayer):
    """A customer whose model answers once and then no more."""

    def __init__(self, user: UserPlayer) -> None:
        self.name, self._user, self._said = user.name, user, 0

    async def reply(self, turns: list[Turn]) -> Turn:
        self._said += 1
        if self._said > 1:
            raise EngineTimeout("no answer")
        return await self._user.reply(turns)


def seat_leaving(every: int) -> Callable[..., UserPlayer]:
    """In one of ``every`` episodes, chosen by its id, the customer's model stops answering."""

    def seat(models: Models, name: str, side: UserSide, domain: Domain, episode_id: str, seed: int) -> UserPlayer:
        user = seat_user(models, name, side, domain, episode_id, seed)
        return Leaves(user) if crc32(episode_id.encode()) % every == 0 else user

    return seat


def results_of(rows: list[Row]) -> ResultsTable:
    def batches(table: str, columns: list[str], filter: Any) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([SCHEMAS[table].field(name) for name in columns])
        wanted = [{name: row[name] for name in columns} for its, row in rows if its == table]
        yield pa.RecordBatch.from_pylist(wanted, schema=schema)

    return ResultsTable.read(batches)


@pytest.mark.parametrize("every", [2, 5])
def test_the_bounds_of_a_disturbed_run_hold_the_undisturbed_figure(
    shop: Made, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = tasks_of(shop, 4)
    calm = results_of(rolled_out(shop, tasks, AGENTS, trials=2))
    monkeypatch.setattr("t2t_dist.pipeline.episodes.seat_user", seat_leaving(every))
    rows = rolled_out(shop, tasks, AGENTS, trials=2)
    disturbed = results_of(rows)
    lost = sum(table == "failures" for table, _ in rows)
    assert 0 < lost < len(rows)
    assert disturbed.episodes == calm.episodes - lost
    open_cells = 0
    for agent in AGENTS:
        for intent in (*calm.intents, ALL):
            for k in (1, 2):
                truth, found = calm.passes(k, agent, intent).value, disturbed.passes(k, agent, intent)
                assert truth is not None
                assert found.if_failures_miss is not None
                assert found.if_failures_pass is not None
                assert found.if_failures_miss <= truth <= found.if_failures_pass
                open_cells += found.if_failures_miss < found.if_failures_pass
    assert open_cells > 10
    whole = calm.passes(1, "scripted:oracle")
    assert (whole.if_failures_miss, whole.if_failures_pass) == (whole.value, whole.value)


def test_all_agents_meet_the_same_customer(shop: Made) -> None:
    """Same task, same trial: same greeting and opening words, whichever agent is asked; another trial may differ."""
    tasks = tasks_of(shop, 3)
    openings: dict[tuple[str, int], set[tuple[str, str]]] = {}
    for _, row in rolled_out(shop, tasks, AGENTS, trials=3):
        first = (row["turns"][0]["content"], row["turns"][1]["content"])
        openings.setdefault((row["task_id"], row["trial"]), set()).add(first)
    assert len(openings) == 3 * len(tasks)
    assert all(len(said) == 1 for said in openings.values())
    by_task: dict[str, set[tuple[str, str]]] = {}
    for (task, _), said in openings.items():
        by_task.setdefault(task, set()).update(said)
    assert max(len(said) for said in by_task.values()) > 1
