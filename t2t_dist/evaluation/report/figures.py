"""The figures of a report, from its data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from t2t_dist.core.schema import INTENTS
from t2t_dist.grading.diagnose import CODES

from ..results_table import ALL
from ..stats import PassK
from .data import SECONDS, ReportData
from .drawing import Bar, Dot, bars, dots, heat, histogram, lines, short

_BINS = 40
#: Most agents, or pairs of agents, in one figure.
_MOST = 8


class Figure(NamedTuple):
    """A figure: a chart (``svg``, coloured by a style sheet) with a title and a caption."""

    name: str
    title: str
    caption: str
    svg: str


def figures(data: ReportData) -> list[Figure]:
    """Every figure that the run has data for."""
    makers: list[Callable[[ReportData], Iterator[Figure]]] = [
        _passes, _by_level, _decay, _agents_compared, _intents_compared, _taxonomy, _funnel, _lengths, _durations,
        _tokens, _throughput, _coverage,
    ]  # fmt: skip
    return [figure for make in makers for figure in make(data)]


# -- pass^k ------------------------------------------------------------------------------------------------------------
def _shown(data: ReportData) -> list[str]:
    return data.results.agents[:_MOST]


def _more(data: ReportData) -> str:
    left = len(data.results.agents) - _MOST
    return f" The first {_MOST} agents by name; the table has {left} more." if left > 0 else ""


def _dot(estimate: PassK, series: int, name: str) -> Dot | None:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    outer = None
    if estimate.if_failures_miss is not None and estimate.if_failures_pass is not None:
        outer = (estimate.if_failures_miss, estimate.if_failures_pass)
    tip = f"{name}: {estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}], {estimate.tasks} tasks"
    return Dot(estimate.value, estimate.low, estimate.high, series, tip, outer)


def _passes(data: ReportData) -> Iterator[Figure]:
    agents = _shown(data)
    for k in sorted({1, data.reading.trials}):
        groups: list[tuple[str, list[Dot | None]]] = []
        for intent in (*data.results.intents, ALL):
            estimates = [data.results.passes(k, agent, intent) for agent in agents]
            found_dots = [_dot(e, n, f"{agents[n]}, {intent}") for n, e in enumerate(estimates)]
            if any(found_dots):
                groups.append((intent, found_dots))
        if groups:
            what = "a trial passes" if k == 1 else f"{k} trials all pass"
            caption = (
                f"Share of tasks that {what}, with 95 % intervals over tasks. A pale band spans the values "
                "if every episode without a result had failed, or passed."
            )
            svg = dots(groups, agents, f"pass^{k} by intent", (0.0, 1.0))
            yield Figure(f"pass-{k}", f"pass^{k} by intent", caption + _more(data), svg)


def _by_level(data: ReportData) -> Iterator[Figure]:
    agents = _shown(data)
    groups: list[tuple[str, list[Dot | None]]] = []
    for level in data.results.levels:
        estimates = [data.results.passes(1, agent, level=level) for agent in agents]
        row = [_dot(e, n, f"{agents[n]}, level {level}") for n, e in enumerate(estimates)]
        if any(row):
            groups.append((f"level {level}", row))
    if len(groups) > 1:
        caption = "Share of tasks that a trial passes, by their structural difficulty, with 95 % intervals over tasks."
        svg = dots(groups, agents, "pass^1 by difficulty", (0.0, 1.0))
        yield Figure("pass-by-level", "pass^1 by difficulty", caption + _more(data), svg)


def _decay(data: ReportData) -> Iterator[Figure]:
    trials = data.reading.trials
    if trials < 2:
        return
    series = []
    for agent in _shown(data):
        values = [(float(k), data.results.passes(k, agent).value) for k in range(1, trials + 1)]
        series.append((agent, [(k, value) for k, value in values if value is not None]))
    if any(points for _, points in series):
        marks = [(float(k), str(k)) for k in range(1, trials + 1)]
        caption = "How fast pass^k falls as more trials must pass; it stays level for a reliable agent."
        yield Figure("reliability", "Reliability", caption, lines(series, "pass^k over k", "k", marks, 1.0))


def _compared(data: ReportData, what: str) -> list[dict[str, Any]]:
    return [d for d in data.summary["differences"] if d["what"] == what and d["k"] == 1]


def _agents_compared(data: ReportData) -> Iterator[Figure]:
    compared = [d for d in _compared(data, "agents") if d["on"] == ALL][: 2 * _MOST]
    if compared:
        groups = [(f"{_brief(d['one'])} - {_brief(d['other'])}", [_difference_dot(d, 0)]) for d in compared]
        caption = "Difference of pass^1 on the tasks that both have, with 95 % intervals; one without 0 is significant."
        svg = dots(groups, [], "Differences between agents", (-1.0, 1.0))
        yield Figure("agents-compared", "Agents, in pairs", caption, svg)


def _intents_compared(data: ReportData) -> Iterator[Figure]:
    compared = _compared(data, "intents")
    agents = [agent for agent in _shown(data) if any(d["on"] == agent for d in compared)]
    groups: list[tuple[str, list[Dot | None]]] = []
    for intent in data.results.intents:
        by_agent = {d["on"]: d for d in compared if d["one"] == intent}
        if by_agent:
            row = [_difference_dot(by_agent[a], n) if a in by_agent else None for n, a in enumerate(agents)]
            groups.append((intent, row))
    if groups:
        caption = "pass^1 on an intent minus pass^1 on the general task of the same trajectory: the cost of the twist."
        svg = dots(groups, agents, "Differences between intents", (-1.0, 1.0))
        yield Figure("intents-compared", "What each intent costs", caption, svg)


def _difference_dot(d: dict[str, Any], series: int) -> Dot:
    tip = f"{d['one']} - {d['other']} on {d['on']}: {d['value']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}], n {d['n']}"
    return Dot(d["value"], d["low"], d["high"], series, tip)


def _brief(agent: str) -> str:
    """An agent's name without its address."""
    return agent.partition(":")[2].partition("@")[0].rpartition("/")[2] or agent


# -- causes ------------------------------------------------------------------------------------------------------------
def _taxonomy(data: ReportData) -> Iterator[Figure]:
    counts = Counter[tuple[str, str]]()
    for (agent, _, code), n in data.causes.primary.items():
        counts[code, agent] += n
    agents = [agent for agent in _shown(data) if any(a == agent for _, a in counts)]
    codes = [code for code in CODES if any(c == code for c, _ in counts)]
    if codes:
        values = [[counts[code, agent] for agent in agents] for code in codes]
        caption = "The primary cause of each failed episode. All causes and the episodes are listed below."
        if data.causes.read < data.causes.failed:
            caption += f" Read: {data.causes.read} of {data.causes.failed}, drawn evenly."
        svg = heat(codes, [_brief(agent) for agent in agents], values, "Why episodes failed")
        yield Figure("causes", "Why episodes failed", caption + _more(data), svg)


# -- the funnel --------------------------------------------------------------------------------------------------------
def _funnel(data: ReportData) -> Iterator[Figure]:
    explored, converted = data.explored, data.converted
    if not explored and not converted:
        return
    total, kept = explored.total(), explored["kept"]
    rows = []
    if total:
        rows.append(Bar("explored", [(total, 0, f"{total} trajectories")], str(total)))
        rows.append(Bar("kept", [(kept, 0, f"{kept} kept")], str(kept)))
        dropped = [(reason, n) for reason, n in explored.most_common() if reason != "kept"]
        rows += [Bar(reason, [(n, 1, f"{n} {reason}")], str(n), 1) for reason, n in dropped]
    for intent in INTENTS:
        reasons = {reason: n for (name, reason), n in converted.most_common() if name == intent}
        if not reasons:
            continue
        verified = reasons.pop("verified", 0)
        rejected = sum(reasons.values())
        segments = [(verified, 2, f"{verified} verified"), (rejected, 1, f"{rejected} not made or rejected")]
        rows.append(Bar(intent, segments, f"{verified} of {verified + rejected}"))
        rows += [Bar(reason, [(n, 1, f"{n} {reason}")], str(n), 1) for reason, n in list(reasons.items())[:4]]
        if len(reasons) > 4:
            rest = sum(list(reasons.values())[4:])
            rows.append(Bar(f"{len(reasons) - 4} other reasons", [(rest, 1, "")], str(rest), 1))
    caption = "From explorations to verified tasks, by intent, with the reasons for missing tasks."
    names = ["trajectories", "not made or rejected", "verified tasks"]
    yield Figure("funnel", "From exploration to tasks", caption, bars(rows, names, "Funnel"))


# -- time and length ---------------------------------------------------------------------------------------------------
_ENDS = ("ended by itself", "cut off at a limit")


def _cut_share(counts: Counter[tuple[int, bool]]) -> str:
    cut = sum(n for (_, over), n in counts.items() if over)
    return f"{cut} of {counts.total()} ({cut / counts.total():.1%}) were cut off at a limit and would have been longer."


def _lengths(data: ReportData) -> Iterator[Figure]:
    if not data.lengths:
        return
    longest = max(length for length, _ in data.lengths)
    shortest = min(length for length, _ in data.lengths)
    step = max(1, -(-(longest - shortest + 1) // 24))
    columns = [[0.0, 0.0] for _ in range((longest - shortest) // step + 1)]
    for (length, cut), n in data.lengths.items():
        columns[(length - shortest) // step][cut] += n
    starts = [shortest + place * step for place in range(len(columns))]
    edges = [str(start) if step == 1 else f"{start}-{start + step - 1}" for start in starts]
    svg = histogram(edges, columns, _ENDS, "Messages per episode", "messages, tool results included")
    yield Figure("lengths", "How long conversations are", _cut_share(data.lengths), svg)


def _durations(data: ReportData) -> Iterator[Figure]:
    if not data.durations:
        return
    places = [place for place, _ in data.durations]
    first, last = min(places), min(max(places), len(SECONDS) - 1)
    columns = [[float(data.durations[place, cut]) for cut in (False, True)] for place in range(first, last + 1)]
    edges = [f"<{_seconds(SECONDS[place])}" if place < len(SECONDS) - 1 else "more" for place in range(first, last + 1)]
    svg = histogram(edges, columns, _ENDS, "Duration of an episode", "time per episode, waiting included")
    caption = f"{_cut_share(data.durations)} Ends: {', '.join(f'{k} {n}' for k, n in data.terminations.most_common())}."
    yield Figure("durations", "How long they take", caption, svg)


def _seconds(value: float) -> str:
    return f"{value * 1000:g}ms" if value < 1 else f"{value:g}s" if value < 60 else f"{value / 60:g}m"


def binned(data: ReportData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges in seconds, and the episodes and failures that ended between them."""
    times = np.concatenate([data.ended_at, data.failed_at])
    if not len(times):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    first, last = float(times.min()), float(times.max())
    edges = np.linspace(first, max(last, first + 1e-3), _BINS + 1)
    return edges, np.histogram(data.ended_at, edges)[0], np.histogram(data.failed_at, edges)[0]


def _throughput(data: ReportData) -> Iterator[Figure]:
    edges, ended, failed = binned(data)
    if len(edges) < 2 or ended.sum() + failed.sum() < 2:
        return
    per_minute = 60 / (edges[1] - edges[0])
    middles = (edges[:-1] + edges[1:]) / 2
    series = [("episodes per minute", [(float(x), float(n * per_minute)) for x, n in zip(middles, ended, strict=True)])]
    if failed.any():
        points = [(float(x), float(n * per_minute)) for x, n in zip(middles, failed, strict=True)]
        series.append(("failures per minute", points))
    long = edges[-1] - edges[0] > 86_400
    marks = [
        (float(x), datetime.fromtimestamp(float(x), UTC).strftime("%m-%d %H:%M" if long else "%H:%M:%S"))
        for x in np.linspace(edges[0], edges[-1], 4)
    ]
    caption = (
        f"{ended.sum()} episodes ended within {_span(edges[-1] - edges[0])}; pauses between sessions show as gaps."
    )
    yield Figure("throughput", "Throughput", caption, lines(series, "Throughput", "time (UTC)", marks))


def _span(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


# -- costs -------------------------------------------------------------------------------------------------------------
def _tokens(data: ReportData) -> Iterator[Figure]:
    costs = [cost for cost in data.costs if cost.calls + cost.failed]
    if not costs:
        return
    rows = []
    for cost in costs:
        fresh = cost.prompt_tokens - cost.cached_tokens
        parts = ((fresh, 0, "prompt"), (cost.cached_tokens, 5, "from a cache"), (cost.completion_tokens, 1, "written"))
        money = "" if cost.money is None else f", {cost.money:.2f}"
        name = f"{cost.stage}: {cost.seat}"
        if sum((c.stage, c.seat) == (cost.stage, cost.seat) for c in costs) > 1:
            name = f"{name} {_brief(cost.model)}"
        segments = [(float(n), series, f"{n} tokens {kind}") for n, series, kind in parts]
        rows.append(Bar(name, segments, f"{short(fresh + cost.cached_tokens + cost.completion_tokens)}{money}"))
    calls, failed = sum(cost.calls for cost in costs), sum(cost.failed for cost in costs)
    caption = f"{calls} calls were answered, {failed} were not; failed attempts are in the sums."
    svg = bars(rows, {0: "prompt", 5: "prompt, from a cache", 1: "written"}, "Tokens by stage and seat")
    yield Figure("tokens", "Tokens by stage and seat", caption, svg)


# -- coverage ----------------------------------------------------------------------------------------------------------
def grid(data: ReportData) -> tuple[list[str], list[str], list[list[int]]]:
    met = {tool for tool, _ in data.coverage}
    tools = [*data.tools, *sorted(met - {*data.tools})]
    columns = [c for c in ("explored", *INTENTS, "agents") if any(where == c for _, where in data.coverage)]
    return tools, columns, [[data.coverage[tool, column] for column in columns] for tool in tools]


def _coverage(data: ReportData) -> Iterator[Figure]:
    tools, columns, values = grid(data)
    if not columns:
        return
    golds = [place for place, column in enumerate(columns) if column in INTENTS]
    rows = zip(tools, values, strict=True)
    unused = [tool for tool, row in rows if tool in data.tools and not any(row[place] for place in golds)]
    caption = "Calls of each tool: in explorations, in the gold of verified tasks by intent, and by the agents."
    if unused and golds:
        caption += f" In no gold: {', '.join(unused[:12])}{' ...' if len(unused) > 12 else ''}."
    yield Figure(
        "coverage", "Coverage of the world", caption, heat(tools[:80], columns, values[:80], "Tools by intent")
    )
