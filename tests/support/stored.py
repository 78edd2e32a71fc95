"""The stored row of an episode or failure."""

from __future__ import annotations

from typing import Any, NamedTuple

from t2t_dist.pipeline.episodes import Finished, reward_of
from t2t_dist.pipeline.item_rows import ItemRows


class Stored(NamedTuple):
    """A row of ``episodes`` with its reward, or a row of ``failures``."""

    table: str
    row: dict[str, Any]
    reward: float | None


def stored(done: Finished) -> Stored:
    out = ItemRows()
    out.finished(done)
    ((table, (row,)),) = out.rows.items()
    return Stored(table, row, reward_of(done))
