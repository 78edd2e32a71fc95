"""What went wrong in a run: whether it has any result, and the commonest messages of its failures."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow.dataset as ds

from t2t_dist.storage.have_results import SAID_BY_A_MODEL, failures, last_stage, without_result
from t2t_dist.storage.ledger import LedgerState

from .results_table import Batches, ResultsTable

#: Messages listed, and rows read for them: those of a run are alike, and their number is in its counters.
_LISTED, _READ = 5, 10_000
#: Longest message kept, in characters.
_LENGTH = 400
#: What differs between messages of one cause: numbers, and ids with digits in them.
_VARIES = re.compile(r"\w*\d[\w.]*")


def problems_of(
    kind: str, until: str, state: LedgerState, batches: Batches, table: ResultsTable | None = None
) -> dict[str, Any]:
    """``{"no_result": why, "messages": [{"what": class, "count": n, "message": text}, ...]}``, commonest first; empty
    for a run in which nothing failed. If the run has no result, tasks without usable words or votes count as failures;
    if nothing failed either, all rejected tasks do. ``agents_without_result``, where others have some: by agent, how
    many of its episodes ``failed``, and the commonest message as above. ``table``: the run's results."""
    lost = without_result(last_stage(kind, until), state.counters, state.stopped)
    rejections = () if not lost else SAID_BY_A_MODEL if failures(state.counters) else None
    counts, by_agent = _Messages(), defaultdict[str, _Messages](_Messages)
    for what, message, agent in _read(batches, rejections):
        counts.add(what, message)
        by_agent[agent].add(what, message)
    found: dict[str, Any] = {"no_result": lost} if lost else {}
    if common := counts.common(_LISTED):
        found["messages"] = common
    if table is not None and table.episodes:
        failed = {agent: table.trials(agent) for agent in table.agents}
        without = {
            agent: {"failed": sum(one.failed * n for one, n in trials.items()), **by_agent[agent].common(1)[0]}
            for agent, trials in failed.items()
            if by_agent[agent].first and not any(one.graded for one in trials)
        }
        found |= {"agents_without_result": without} if without else {}
    return found


@dataclass
class _Messages:
    """Messages, counted where they differ in more than numbers."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, what: str, message: str) -> None:
        key = what, _VARIES.sub("#", message)
        self.counts[key] += 1
        self.first.setdefault(key, message)

    def common(self, most: int) -> list[dict[str, Any]]:
        return [
            {"what": key[0], "count": n, "message": self.first[key][:_LENGTH]}
            for key, n in self.counts.most_common(most)
        ]


def _read(batches: Batches, rejections: Collection[str] | None) -> Iterator[tuple[str, str, str]]:
    """(class, message, agent) of failures, then (reason, detail, nobody) of tasks rejected for one of these reasons;
    ``None``: any."""
    left = _READ
    for batch in batches("failures", ["failure", "message", "agent"], None):
        for row in batch.slice(0, left).to_pylist():
            yield str(row["failure"]), " ".join(str(row["message"] or "").split()), str(row["agent"])
        left -= batch.num_rows
        if left <= 0:
            return
    if rejections is not None and not rejections:
        return
    for batch in batches("tasks", ["reasons", "detail"], ds.field("verdict") == "rejected"):
        for row in batch.slice(0, left).to_pylist():
            reason = (row["reasons"] or ["rejected"])[0]
            if rejections is None or reason in rejections:
                yield reason, " ".join(str(row["detail"] or "").split()), ""
        left -= batch.num_rows
        if left <= 0:
            return
