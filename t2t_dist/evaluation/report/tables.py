"""The tables of a report, as its CSV files have them: the data of the figures, in full."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from t2t_dist.grading.diagnose import CODES

from ..costs import Cost
from ..pairs import OUTCOMES
from ..results_table import ALL
from .data import SECONDS, ReportData
from .figures import binned, grid


class Table(NamedTuple):
    """A table: rows of plain values under column names, as in a CSV file."""

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[Any]]


def tables(data: ReportData) -> list[Table]:
    """Every table, empty ones too: an empty file says more than a missing one."""
    return [
        _pass_table(data), _group_table(data, "level", data.results.levels),
        _group_table(data, "combination", data.results.combinations), _group_table(data, "kind", data.results.kinds),
        _pair_table(data), _difference_table(data),
        _cause_table(data), _episode_table(data),
        _funnel_table(data), _length_table(data), _cost_table(data), _throughput_table(data), _coverage_table(data),
        _audit_table(data),
    ]  # fmt: skip


def _pass_table(data: ReportData) -> Table:
    head = ("domain", "agent", "intent", "k", "value", "low", "high", "if_failures_miss", "if_failures_pass", "tasks")
    rows = []
    cells = list(data.results.cells())
    wholes = dict.fromkeys((domain, agent, ALL) for domain, agent, _ in cells)
    for domain, agent, intent in [*cells, *wholes]:
        for k in range(1, data.reading.trials + 1):
            p = data.results.passes(k, agent, intent, domain)
            rows.append((domain, agent, intent, k, *p[1:]))
    return Table("pass", head, rows)


def _group_table(data: ReportData, name: str, groups: Sequence[Any]) -> Table:
    """pass^k by one thing that tasks are grouped by, which is an argument of ``ResultsTable.passes``."""
    head = ("agent", name, "k", "value", "low", "high", "if_failures_miss", "if_failures_pass", "tasks")
    rows = [
        (agent, group, k, *data.results.passes(k, agent, **{name: group})[1:])
        for agent in data.results.agents
        for group in groups
        for k in range(1, data.reading.trials + 1)
    ]
    return Table(f"pass-by-{name}", head, rows)


def _pair_table(data: ReportData) -> Table:
    head = ("agent", "passed", "pairs", "of", "value", "low", "high", "left_out")
    rows = [
        (one.agent, name, one.counts[name], one.pairs, *one.shares.get(name, ("", "", "")), one.left_out)
        for one in data.results.pairs
        for name in OUTCOMES
    ]
    return Table("pairs", head, rows)


def _difference_table(data: ReportData) -> Table:
    head = ("what", "one", "other", "on", "k", "value", "low", "high", "n", "paired")
    return Table("differences", head, [[d[name] for name in head] for d in data.summary["differences"]])


def _cause_table(data: ReportData) -> Table:
    causes = data.causes
    head = ("agent", "intent", "code", "first_cause_of", "applies_to", "meaning")
    rows: list[tuple[Any, ...]] = [
        (agent, intent, code, causes.primary[agent, intent, code], n, CODES[code])
        for (agent, intent, code), n in sorted(causes.applies.items())
    ]
    rows += [
        (agent, intent, name, n, n, "no result: a failure of the infrastructure")
        for (agent, intent, name), n in sorted(causes.no_result.items())
    ]
    return Table("causes", head, rows)


def _audit_table(data: ReportData) -> Table:
    head = ("figure", "of", "on", "value", "low", "high", "n", "limit", "holds", "detail")
    rows = []
    for measure in data.audit.measures:
        limit = data.audit.limit(measure)
        judged = ("", "") if limit is None else (limit.text, "" if measure.value is None else limit.holds(measure))
        rows.append((*measure[:4], measure.low, measure.high, measure.n, *judged, measure.detail))
    return Table("audit", head, rows)


def _episode_table(data: ReportData) -> Table:
    head = ("episode_id", "agent", "intent", "task_id", "trial", "code", "detail", "codes")
    return Table("failed-episodes", head, [(*cause[:-1], " ".join(cause.codes)) for cause in data.causes.episodes])


def _funnel_table(data: ReportData) -> Table:
    rows = [("explore", "", verdict, n) for verdict, n in data.explored.most_common()]
    rows += [("convert", intent, verdict, n) for (intent, verdict), n in sorted(data.converted.items())]
    return Table("funnel", ("stage", "intent", "verdict", "count"), rows)


def _length_table(data: ReportData) -> Table:
    rows: list[tuple[Any, ...]] = [("messages", length, cut, n) for (length, cut), n in sorted(data.lengths.items())]
    rows += [
        ("seconds_up_to", SECONDS[min(p, len(SECONDS) - 1)], cut, n) for (p, cut), n in sorted(data.durations.items())
    ]
    return Table("lengths", ("what", "value", "cut_off", "episodes"), rows)


def _throughput_table(data: ReportData) -> Table:
    edges, ended, failed = binned(data)
    rows = [
        (
            datetime.fromtimestamp(float(start), UTC).isoformat(timespec="milliseconds"),
            round(float(edges[1] - edges[0]), 3),
            int(n),
            int(bad),
        )
        for start, n, bad in zip(edges[:-1], ended, failed, strict=True)
    ]
    return Table("throughput", ("from", "seconds", "episodes", "failures"), rows)


def _cost_table(data: ReportData) -> Table:
    rows: list[Sequence[Any]] = [
        (*cost[:-1], "" if cost.money is None else round(cost.money, 6)) for cost in data.costs
    ]
    return Table("costs", Cost._fields, rows)


def _coverage_table(data: ReportData) -> Table:
    tools, columns, values = grid(data)
    return Table("coverage", ("tool", *columns), [(tool, *row) for tool, row in zip(tools, values, strict=True)])
