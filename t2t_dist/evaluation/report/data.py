"""Data of a report, read in passes over the columns of a run: memory grows with tasks, not with transcripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from t2t_dist.core.schema import INTENTS
from t2t_dist.grading.parts import ENDED
from t2t_dist.storage.partial_run import PartialRun

from ..audit.auditing import Audit, audit_run
from ..costs import Cost, Price, costs_of
from ..failure_causes import LIMIT, Causes, causes_of
from ..problems import problems_of
from ..results_table import ResultsTable
from ..summary import summary_of

#: For the audit of a report: tasks and passed episodes that are read, and tasks that agents are rolled out on. ``t2t
#: audit`` takes more.
AUDITED, HEARD, ROLLED_OUT = 2000, 200, 12
#: Upper edges of the bins of durations, in seconds.
SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 1e9)


@dataclass
class ReportData:
    """The data of a report. Times are seconds since the epoch; cut off means ended at a limit."""

    reading: PartialRun
    results: ResultsTable
    summary: dict[str, Any]
    causes: Causes
    costs: list[Cost]
    audit: Audit
    #: Verdicts of trajectories; of tasks: (intent, ``verified`` or the first reason).
    explored: Counter[str] = field(default_factory=Counter)
    converted: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: Episodes by (messages, cut off), and by (index in SECONDS, cut off).
    lengths: Counter[tuple[int, bool]] = field(default_factory=Counter)
    durations: Counter[tuple[int, bool]] = field(default_factory=Counter)
    terminations: Counter[str] = field(default_factory=Counter)
    ended_at: np.ndarray = field(default_factory=lambda: np.zeros(0))
    failed_at: np.ndarray = field(default_factory=lambda: np.zeros(0))
    #: Calls by (tool, where): ``explored``, ``agents``, or an intent whose gold has the call.
    coverage: Counter[tuple[str, str]] = field(default_factory=Counter)
    tools: list[str] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        notes = [*self.reading.notes, *self.reading.unchecked]
        if self.reading.kind == "evaluate" and self.reading.source is not None:
            notes += [f"the run its tasks come from: {note}" for note in self.reading.source.notes]
        return notes


def read_report(
    reading: PartialRun, prices: Mapping[str, Price] | None = None, limit: int | None = LIMIT
) -> ReportData:
    """Read a run for a report. What can't be read raises nothing; it is in ``notes``."""
    results = ResultsTable.read(reading.batches)
    summary = summary_of(reading.kind, reading.state, results, reading.run_id, reading.trials, reading.path)
    if reading.config is not None:
        problems = problems_of(reading.kind, reading.config.until, reading.state, reading.batches)
        summary["messages"] = problems.get("messages", [])
    causes = causes_of(reading, limit)
    summary["causes"] = causes.by_agent()
    costs = costs_of(reading.state.counters, prices)
    audit = audit_run(reading, sample=ROLLED_OUT, tasks=AUDITED, episodes=HEARD)
    summary["audit"] = audit.plain()
    data = ReportData(reading, results, summary, causes, costs, audit)
    _episodes(reading, data)
    _tables(reading, data)
    if reading.domain is not None:
        data.tools = list(reading.domain.tools.by_name)
    return data


def _episodes(reading: PartialRun, data: ReportData) -> None:
    """Lengths, durations, ends and the calls of agents, in one pass over the columns of the transcripts."""
    columns = {name: ds.field(name) for name in ("termination", "started", "duration", "turns")}
    ended = []
    for batch in reading.batches("episodes", columns, ds.field("stage") == "rollout"):
        if not batch.num_rows:
            continue
        cut = [end not in ENDED for end in batch["termination"].to_pylist()]
        data.terminations.update(map(str, batch["termination"].to_pylist()))
        data.lengths.update(zip(pc.list_value_length(batch["turns"]).to_pylist(), cut, strict=True))
        seconds = batch["duration"].to_numpy(zero_copy_only=False)
        data.durations.update(zip(np.searchsorted(SECONDS, seconds).tolist(), cut, strict=True))
        ended.append(batch["started"].to_numpy(zero_copy_only=False) + seconds)
        _count_names(data, "agents", pc.list_flatten(batch["turns"]), "tool_calls")
    data.ended_at = np.concatenate(ended) if ended else np.zeros(0)
    failed = []
    for batch in reading.batches("failures", ["started", "duration", "failure"], ds.field("stage") == "rollout"):
        seconds = batch["duration"].to_numpy(zero_copy_only=False)
        failed.append(batch["started"].to_numpy(zero_copy_only=False) + seconds)
        deadline = [failure == "deadline" for failure in batch["failure"].to_pylist()]
        for place, over in zip(np.searchsorted(SECONDS, seconds).tolist(), deadline, strict=True):
            if over:
                data.durations[place, True] += 1
    data.failed_at = np.concatenate(failed) if failed else np.zeros(0)


def _count_names(data: ReportData, where: str, turns: Any, inner: str, name: str = "name") -> None:
    """Count the names of calls in an array of structs with a list of calls each."""
    names = pc.struct_field(pc.list_flatten(pc.struct_field(turns, inner)), name)
    for entry in pc.value_counts(names).to_pylist():
        data.coverage[str(entry["values"]), where] += entry["counts"]


def _tables(reading: PartialRun, data: ReportData) -> None:
    """Verdicts, and the tools used in explorations and golds."""
    for batch in reading.batches("trajectories", ["verdict", "steps"]):
        data.explored.update(map(str, batch["verdict"].to_pylist()))
        for entry in pc.value_counts(pc.struct_field(pc.list_flatten(batch["steps"]), "tool")).to_pylist():
            data.coverage[str(entry["values"]), "explored"] += entry["counts"]
    columns = {
        "intent": ds.field("intent"),
        "verdict": ds.field("verdict"),
        "reasons": ds.field("reasons"),
        "gold": ds.field("grader", "gold"),
    }
    for batch in reading.batches("tasks", columns):
        for intent, verdict, reasons in zip(
            batch["intent"].to_pylist(), batch["verdict"].to_pylist(), batch["reasons"].to_pylist(), strict=True
        ):
            data.converted[str(intent), str(verdict) if verdict == "verified" else (reasons or ["unknown"])[0]] += 1
    source = reading.source
    if source is None:
        return
    wanted = data.results.tasks if reading.kind == "evaluate" else None
    columns |= {"task_id": ds.field("task_id")}
    for batch in source.batches("tasks", columns, ds.field("verdict") == "verified"):
        if wanted is not None:
            batch = batch.filter(pc.is_in(batch["task_id"], value_set=pa.array(wanted.to_pylist(), pa.string())))
        for intent in INTENTS:
            gold = batch.filter(pc.is_in(batch["intent"], value_set=pa.array([intent])))["gold"]
            for entry in pc.value_counts(pc.struct_field(pc.list_flatten(gold), "name")).to_pylist():
                data.coverage[str(entry["values"]), intent] += entry["counts"]
