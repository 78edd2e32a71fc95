"""What went wrong in a run: whether it has any result, and the commonest messages of its failures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from t2t_dist.storage.have_results import SAID_BY_A_MODEL, failures, last_stage, without_result
from t2t_dist.storage.ledger import LedgerState

Batches = Callable[[str, list[str], Any], Iterable[pa.RecordBatch]]

#: Messages listed, and rows read for them: those of a run are alike, and their number is in its counters.
_LISTED, _READ = 5, 10_000
#: Longest message kept, in characters.
_LENGTH = 400
#: What differs between messages of one cause: numbers, and ids with digits in them.
_VARIES = re.compile(r"\w*\d[\w.]*")


def problems_of(kind: str, until: str, state: LedgerState, batches: Batches) -> dict[str, Any]:
    """``{"no_result": why, "messages": [{"what": class, "count": n, "message": text}, ...]}``, commonest first; empty
    for a run in which nothing failed. If the run has no result, tasks without usable words or votes count as failures;
    if nothing failed either, all rejected tasks do."""
    lost = without_result(last_stage(kind, until), state.counters, state.stopped)
    rejections = () if not lost else SAID_BY_A_MODEL if failures(state.counters) else None
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], str] = {}
    for what, message in _read(batches, rejections):
        key = what, _VARIES.sub("#", message)
        counts[key] += 1
        first.setdefault(key, message)
    found: dict[str, Any] = {"no_result": lost} if lost else {}
    if counts:
        common = counts.most_common(_LISTED)
        found["messages"] = [{"what": key[0], "count": n, "message": first[key][:_LENGTH]} for key, n in common]
    return found


def _read(batches: Batches, rejections: Collection[str] | None) -> Iterator[tuple[str, str]]:
    """(class, message) of failures, then (reason, detail) of tasks rejected for one of these reasons; ``None``: any."""
    left = _READ
    for batch in batches("failures", ["failure", "message"], None):
        for row in batch.slice(0, left).to_pylist():
            yield str(row["failure"]), " ".join(str(row["message"] or "").split())
        left -= batch.num_rows
        if left <= 0:
            return
    if rejections is not None and not rejections:
        return
    for batch in batches("tasks", ["reasons", "detail"], ds.field("verdict") == "rejected"):
        for row in batch.slice(0, left).to_pylist():
            reason = (row["reasons"] or ["rejected"])[0]
            if rejections is None or reason in rejections:
                yield reason, " ".join(str(row["detail"] or "").split())
        left -= batch.num_rows
        if left <= 0:
            return
