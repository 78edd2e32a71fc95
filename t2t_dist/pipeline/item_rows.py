"""The rows of one work item, by table, with its counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from t2t_dist.core.schema import Episode
from t2t_dist.storage.ledger import UNDECIDED
from t2t_dist.storage.rows import episode_row, failure_row

from .episodes import Finished


@dataclass
class ItemRows:
    """Rows by table, and counts to be added up over the run. An item's rows are committed together."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, table: str, row: dict[str, Any]) -> None:
        self.rows.setdefault(table, []).append(row)

    def finished(self, done: Finished) -> None:
        """Add the row of an episode or a failure, and count it."""
        if isinstance(done, Episode):
            self.add("episodes", episode_row(done))
            self.counts[f"episodes.{done.stage}"] += 1
            if not done.outcome.decided and done.stage == "rollout":
                self.counts[UNDECIDED] += 1
        else:
            self.add("failures", failure_row(done))
            self.counts[f"failures.{done.failure}"] += 1
