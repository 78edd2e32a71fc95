"""Reports for a terminal: the summary of a run, and tasks with their dialogues (``t2t show``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson
import pyarrow.compute as pc
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from t2t_dist.core.printing import one_line
from t2t_dist.core.schema import INTENTS, Fact, Task, Turn
from t2t_dist.environments.tool_faults import in_words
from t2t_dist.evaluation.costs import Cost
from t2t_dist.evaluation.failure_causes import Cause, Causes
from t2t_dist.evaluation.pairs import OUTCOMES
from t2t_dist.evaluation.summary import counted
from t2t_dist.storage.rows import faults_of, one_of, outcome_of, turn_of
from t2t_dist.storage.source_run import Source
from t2t_dist.storage.status import STALE_S
from t2t_dist.synthesis.grader_side import effects_in

from .consoles import cell
from .progress import counts_text, listed


def summary_tables(summary: dict[str, Any]) -> Iterator[RenderableType]:
    """The summary of a run (see ``evaluation.summary``) as tables."""
    any_tasks = any(summary["tasks"].values())
    if summary["trajectories"]:
        total = sum(summary["tasks"].values())
        rejected = ", ".join(f"{reason} {n}" for reason, n in summary["rejected"].items()) or "none"
        text = Text()
        text.append(f"{summary['trajectories']}", "bold").append(" trajectories -> ")
        twins = f" (twins: {summary['twins']})" if "twins" in summary else ""
        text.append(f"{total}", "bold").append(f" verified tasks{twins} -> ")
        text.append(f"{summary['episodes']}", "bold").append(f" graded episodes{_took(summary)}\n")
        text.append(f"not made or rejected: {one_line(rejected)}", "dim")
        yield text
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("agent", overflow="fold")
    table.add_column("")
    for intent in (*INTENTS, "all"):
        table.add_column(intent, justify="right", no_wrap=True)
    if any_tasks:
        counts = [summary["tasks"][intent] for intent in INTENTS]
        table.add_row("verified tasks", "", *map(str, counts), str(sum(counts)), style="dim")
    for agent, part in summary["agents"].items():
        ks = list(part["all"]["pass"])
        for k in dict.fromkeys((ks[0], ks[-1])):
            cells = [_cell(part["pass"].get(i, {}), part["interval"].get(i, {}), k) for i in INTENTS]
            whole = _cell(part["all"]["pass"], part["all"]["interval"], k)
            table.add_row(cell(agent) if k == ks[0] else "", k, *cells, whole)
    yield table
    yield from _by_level(summary["agents"])
    yield from _by_combination(summary["agents"])
    yield from _by_kind(summary["agents"])
    if "pairs" in summary:
        yield Text("")
        yield _pairs(summary["pairs"])
    compared = [d for d in (*summary.get("baseline", ()), *summary["differences"]) if d["k"] == 1]
    compared = [d for d in compared if d["what"] != "agents" or d["on"] == "all"]
    sure = [d for d in compared if (d["what"], d["on"]) == ("baseline", "all") or d["low"] > 0 or d["high"] < 0]
    if sure:
        yield Text("")
        yield _differences(sure, len(compared))
    for agent, causes in summary.get("causes", {}).items():
        listed = ", ".join(f"{code} {n}" for code, n in causes.items())
        yield Text(f"{one_line(agent)} failed by: ", "dim").append(listed, "default")
    if summary["failures"]:
        listed = ", ".join(f"{name} {n}" for name, n in summary["failures"].items())
        yield Text(f"failures (no reward; they widen the bounds): {one_line(listed)}", "yellow")
    if "undecided" in summary:
        yield Text(
            f"undecided (no words that code is sure of; they widen the bounds): {summary['undecided']}", "yellow"
        )
    for message in summary.get("messages", ()):
        head = Text(f"  {message['count']} x {one_line(message['what'])}", "yellow")
        yield head.append(f": {one_line(message['message'])}" if message["message"] else "", "default")
    if "dropped" in summary:
        yield _dropped(summary["dropped"])


def _by_level(agents: dict[str, dict[str, Any]]) -> Iterator[RenderableType]:
    """pass^1 and pass^k by structural difficulty; nothing where all tasks are of one level, or of none."""
    levels = sorted({level for part in agents.values() for level in part.get("levels", {})})
    if len(levels) < 2:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("agent", overflow="fold")
    table.add_column("")
    for level in levels:
        table.add_column(f"level {level}", justify="right", no_wrap=True)
    for agent, part in agents.items():
        found = part.get("levels", {})
        ks = list(part["all"]["pass"])
        for k in dict.fromkeys((ks[0], ks[-1])):
            cells = [_cell(found[n]["pass"], found[n]["interval"], k) if n in found else "-" for n in levels]
            table.add_row(cell(agent) if k == ks[0] else "", k, *cells)
    yield Text("")
    yield table


def _by_combination(agents: dict[str, dict[str, Any]]) -> Iterator[RenderableType]:
    """pass^1 and pass^k of tasks of several intents; nothing where there are none."""
    if not any("combinations" in part for part in agents.values()):
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("agent", overflow="fold")
    table.add_column("tasks that combine", overflow="fold")
    ks = list(next(iter(agents.values()))["all"]["pass"])
    for k in dict.fromkeys((ks[0], ks[-1])):
        table.add_column(k, justify="right", no_wrap=True)
    for agent, part in agents.items():
        for place, (name, found) in enumerate(part.get("combinations", {}).items()):
            cells = [_cell(found["pass"], found["interval"], k) for k in dict.fromkeys((ks[0], ks[-1]))]
            table.add_row("" if place else cell(agent), name, *cells)
    yield Text("")
    yield table


def _by_kind(agents: dict[str, dict[str, Any]]) -> Iterator[RenderableType]:
    """pass^1 by kind of request; nothing where no task has any."""
    found = {agent: part["kinds"] for agent, part in agents.items() if "kinds" in part}
    kinds = dict.fromkeys(kind for part in found.values() for kind in part)
    if not kinds:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("kind of request (pass^1)")
    for agent in found:
        table.add_column(cell(agent), justify="right")
    for kind in kinds:
        cells = [
            _cell(part[kind]["pass"], part[kind]["interval"], "pass^1") if kind in part else "-"
            for part in found.values()
        ]
        table.add_row(kind, *cells)
    yield Text("")
    yield table


def _dropped(fields: dict[str, int]) -> Text:
    listed = ", ".join(f"{name} {n}" for name, n in fields.items())
    return Text(f"left out of answers (wrong type, or out of range): {one_line(listed)}", "yellow")


def _took(summary: dict[str, Any]) -> str:
    """The time of this command, and of the run where that had other sessions; empty for a run that holds none."""
    wall_s, run_s = summary["wall_s"], summary["run_s"]
    if not run_s:
        return ""
    sessions = f" (the run: {run_s:.1f} s, over all its sessions)" if f"{wall_s:.1f}" != f"{run_s:.1f}" else ""
    return f" in {wall_s:.1f} s{sessions}"


#: Most comparisons on a terminal; the JSON and the page have them all.
_COMPARED = 12


def _differences(clear: Sequence[dict[str, Any]], of: int) -> RenderableType:
    """The differences of pass^1 whose interval leaves out 0, of ``of`` compared."""
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="dim")
    table.add_column("differences of pass^1")
    for name in ("on", "difference", "95 % interval", "n"):
        table.add_column(name, justify="left" if name == "on" else "right")
    for d in clear[:_COMPARED]:
        name = f"{d['one']} - {'baseline' if d['what'] == 'baseline' else d['other']}"
        paired = "" if d["paired"] else " (not paired)"
        table.add_row(
            cell(name), cell(d["on"]), f"{d['value']:+.3f}", f"[{d['low']:+.2f}, {d['high']:+.2f}]", f"{d['n']}{paired}"
        )
    if left := of - len(clear[:_COMPARED]):
        table.add_row(Text(f"and {left} smaller or uncertain ones", "dim"))
    return table


def _pairs(pairs: dict[str, Any]) -> RenderableType:
    """How many of the pairs of a task and its twin each agent passes both of, one of, and none."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("tasks with their twins", overflow="fold")
    for name in ("pairs", *(f"passes {name}" for name in reversed(OUTCOMES)), "left out"):
        table.add_column(name, justify="right", no_wrap=True)
    for agent, part in pairs.items():
        shares = [part["share"].get(name) for name in reversed(OUTCOMES)]
        cells = ["-" if share is None else f"{share[0]:.3f} [{share[1]:.2f}-{share[2]:.2f}]" for share in shares]
        table.add_row(cell(agent), str(part["pairs"]), *cells, str(part["left_out"]))
    return table


def _cell(values: dict[str, Any], intervals: dict[str, Any], k: str) -> str:
    value = values.get(k)
    if value is None:
        return "-"
    low, high, *_ = intervals[k]
    return f"{value:.3f} [{low:.2f}-{high:.2f}]"


def costs_table(costs: Sequence[Cost]) -> RenderableType:
    """Calls, tokens, seconds and money by stage, seat and model."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("stage", "seat", "model", "calls", "failed", "prompt", "cached", "written", "seconds", "money"):
        table.add_column(column, justify="left" if column in ("stage", "seat", "model") else "right", overflow="fold")
    for cost in costs:
        money = "-" if cost.money is None else f"{cost.money:.4f}"
        numbers = (cost.calls, cost.failed, cost.prompt_tokens, cost.cached_tokens, cost.completion_tokens)
        table.add_row(*map(cell, (cost.stage, cost.seat, cost.model)), *map(str, numbers), f"{cost.model_s:.1f}", money)
    return table


def causes_tables(causes: Causes, listed: Sequence[Cause], count: int) -> Iterator[RenderableType]:
    """Causes by agent and intent, then the episodes: at most ``count`` of those ``listed``."""
    if causes.read < causes.failed:
        yield Text(f"{causes.read} of {causes.failed} failed episodes read; --all reads all of them", "dim")
    if not causes.primary and not causes.no_result:
        yield Text("No episode failed.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("agent", "intent", "cause", "first cause of", "applies to"):
        table.add_column(column, justify="right" if column.endswith(("of", "to")) else "left", overflow="fold")
    for key, n in sorted(causes.applies.items(), key=lambda item: (item[0][:2], -causes.primary[item[0]], item[0])):
        table.add_row(*map(cell, key), str(causes.primary[key]), str(n))
    for key, n in sorted(causes.no_result.items()):
        table.add_row(*map(cell, key[:2]), cell(f"no result: {key[2]}", "yellow"), str(n), str(n))
    yield table
    for cause in listed[:count]:
        of = one_line(f"{cause.agent} {cause.intent} {cause.trial}")
        head = Text(f"{one_line(cause.episode_id)}  ", "bold").append(f"{of}  ", "dim")
        also = f"  (also {one_line(', '.join(cause.codes[1:]))})" if len(cause.codes) > 1 else ""
        yield (
            head.append(one_line(cause.code), "red")
            .append(f": {one_line(cause.detail)}", "default")
            .append(also, "dim")
        )
    if len(listed) > count:
        yield Text(f"{len(listed) - count} more: -n {len(listed)}", "dim")


# -- status and doctor -------------------------------------------------------------------------------------------------
def status_tables(status: dict[str, Any], timeline: bool = False) -> Iterator[RenderableType]:
    """The status of a run (see ``storage.status``): progress, then each engine with its states and its log."""
    running = status["state"] == "running"
    gone = running and status["age_s"] > STALE_S
    state = f"no word for {status['age_s']:.0f} s: its driver is gone, or its store out of reach" if gone else ""
    head = Text(one_line(status["run_id"]), "bold").append(
        f"  {one_line(status['state'])}", "yellow" if gone else "green"
    )
    why = state or status["why"] or status.get("waiting_for", "")
    head.append(f"  {one_line(why)}", "yellow" if gone else "default")
    yield head
    items, counts = status["items"], status["counts"]
    over, rate = items["done"] + items["poisoned"], ""
    if running and (now := over - status.get("items_before", 0)) > 0:
        rate = f", {60 * now / max(status['elapsed_s'], 1e-9):.0f} items a minute"
    done = listed(f"{over} of {items['total']} items", counts_text(counts))
    yield Text(f"{done}; {status['elapsed_s']:.0f} s{rate}")
    if status.get("yields"):
        amounts = (f"{value:g} {name.replace('_', ' ')}" for name, value in status["yields"].items())
        yield Text(f"yield: {', '.join(amounts)}")
    if dropped := counted(counts, "dropped"):
        yield _dropped(dropped)
    for note in status.get("notes", []):
        yield Text(f"note: {one_line(note)}", "yellow")
    if status["workers"]:
        most = max(worker["rss_mb"] for worker in status["workers"].values())
        text = (
            f"{len(status['workers'])} workers, up to {most:.0f} MB each; event loops late by {status['lag_ms']:.0f} ms"
        )
        yield Text(f"{text} at most (99 %); {items['workers_lost']} workers lost, {items['requeued']} items done again")
    if running and not gone and status.get("metrics"):
        yield Text(f"metrics at {one_line(status['metrics'])}/metrics, for Prometheus at /sd", "dim")
    if running and status.get("slowest"):
        yield _slowest(status["slowest"])
    if not status["engines"]:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("engine", "state", "restarts", "limit", "running", "waiting", "KV use", "prefix hits", "tokens"):
        left = column in ("engine", "state")
        table.add_column(column, justify="left" if left else "right", overflow="fold" if left else "ellipsis")
    for engine in status["engines"]:
        metrics = engine["metrics"]
        asked = metrics.get("prefix_queries", 0)
        table.add_row(
            cell(engine["engine"]),
            cell(engine["state"], "green" if engine["state"] == "healthy" else "yellow"),
            str(engine["restarts"]),
            str(engine["limit"]),
            *(f"{metrics[name]:.0f}" if name in metrics else "-" for name in ("running", "waiting")),
            f"{metrics['kv_use']:.0%}" if "kv_use" in metrics else "-",
            f"{metrics.get('prefix_hits', 0) / asked:.0%}" if asked else "-",
            f"{metrics['generation_tokens']:.0f}" if "generation_tokens" in metrics else "-",
        )
    yield table
    for engine in status["engines"]:
        if engine["log"]:
            yield Text(one_line(f"log of {engine['engine']}: {engine['log']}"), "dim")
        for note in engine["notes"]:
            yield Text(f"note: {one_line(note)}", "yellow")
        if timeline or engine["restarts"]:
            for at, state, why in engine["timeline"]:
                when = datetime.fromtimestamp(at).strftime("%H:%M:%S")
                yield Text(f"  {when}  {one_line(state):<10}  {one_line(why)}", "default")


def _slowest(slowest: list[dict[str, Any]]) -> RenderableType:
    """The oldest running episodes, and where their time went."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    parts = ("queue", "model", "user", "tool", "waiting")
    for column in ("alive longest", "task", "agent", "turns", "age", *parts):
        table.add_column(column, justify="left" if column in ("alive longest", "task", "agent") else "right")
    for row in slowest:
        split = (f"{row['split_s'].get(part, 0.0):.1f}" for part in parts)
        named = (cell(row[key]) for key in ("episode", "task", "agent"))
        table.add_row(*named, str(row["turns"]), f"{row['age_s']:.1f} s", *split)
    return table


def stacks_lines(status: dict[str, Any]) -> Iterator[RenderableType]:
    """Where in the code the oldest episodes of each worker are, if that was asked."""
    for worker, stacks in status.get("stacks", {}).items():
        for stack in stacks or ["nothing is alive"]:
            yield Text(f"{one_line(worker)}: {stack.rstrip()}")


def findings_table(findings: Sequence[Any]) -> RenderableType:
    """The findings of ``t2t doctor``."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("what", "", "found"):
        table.add_column(column, overflow="fold")
    styles = {"ok": "green", "note": "yellow", "defect": "bold red"}
    for finding in findings:
        state = Text(finding.state, styles[finding.state])
        table.add_row(cell(finding.point), state, cell(finding.detail))
    return table


# -- show --------------------------------------------------------------------------------------------------------------
def show(
    console: Console,
    source: Source,
    intent: str | None,
    count: int,
    agent: str | None,
    rejected: bool = False,
    *,
    episodes: Source,
) -> int:
    """Print ``count`` tasks, evenly over the intents, each with an episode from ``episodes``, which may be another run.
    Returns the number of tasks."""
    wanted = [intent] if intent else list(INTENTS)
    tasks = list((source.rejected_tasks if rejected else source.verified_tasks)(count, wanted))
    dialogues = _episodes(episodes, [task.task_id for task in tasks], agent)
    for task in tasks:
        console.print(
            Panel(Group(*_task(task)), title=cell(f"{' + '.join(task.intents)}  {task.task_id}"), title_align="left")
        )
        row = dialogues.get(task.task_id)
        if row is not None:
            for part in _episode(row):
                console.print(part)
        console.print()
    return len(tasks)


def _episodes(source: Source, task_ids: list[str], agent: str | None) -> dict[str, dict[str, Any]]:
    """One episode per task: the first trial, of ``agent`` if one is named."""
    if not source.reader.state.rows("episodes"):
        return {}
    chosen = one_of("task_id", task_ids)
    if agent is not None:
        chosen &= pc.field("agent") == agent
    first: dict[str, dict[str, Any]] = {}
    for row in source.reader.rows("episodes", filter=chosen):
        before = first.get(row["task_id"])
        if before is None or (row["stage"], row["agent"], row["trial"]) < (
            before["stage"],
            before["agent"],
            before["trial"],
        ):
            first[row["task_id"]] = row
    return first


def _task(task: Task) -> Iterator[RenderableType]:
    user, grader = task.user, task.grader
    if user.goals:
        yield _line("customer", f"{user.name}; {user.persona}")
    else:  # rejected before there was anything to ask for
        yield _line("customer", "-")
    for number, goal in enumerate(user.goals, 1):
        yield _line(f"request {number}", " ".join([goal.request, *goal.questions]))
        withheld = [fact for fact in goal.facts if not fact.stated]
        if withheld:
            yield _line("  withheld", _facts(withheld))
    for change in user.changes:
        yield _line("change", f"when {change.trigger.replace('_', ' ')}: {change.request}")
    calls = [
        ("the customer's " if call.requestor else "") + _call(call.name, call.arguments)
        for call in effects_in(grader.gold)
    ]
    yield _line("gold", "; ".join(calls) or "-")
    if grader.forbidden:
        listed = "; ".join(_call(p.name, p.arguments or {}) for p in grader.forbidden)
        more = "" if grader.rule is None else f", and whatever else breaks R{grader.rule}"
        yield _line("forbidden", listed + more)
    if grader.required:
        yield _line("required", "; ".join(pattern.name for pattern in grader.required))
    if grader.communicate:
        yield _line("to be said", ", ".join(grader.communicate))
    certificate = task.certificate
    if certificate is not None and certificate.candidates:
        finals = len({candidate.final for candidate in certificate.candidates})
        clear = sum(candidate.after_clarification for candidate in certificate.candidates)
        many = len(certificate.candidates)
        text = f"{many} calls satisfy the request ({finals} final states), {clear} once it is cleared up"
        yield _line("certificate", text)
    if certificate is not None and certificate.rule is not None:
        yield _line("certificate", f"R{certificate.rule} ({certificate.enforced}): {certificate.reason}")
    if task.twin_of is not None:
        records = ", ".join(f"{one.table}/{one.key}" for one in task.world or ())
        yield _line("twin of", f"{task.twin_of}; {f'other records: {records}' if records else 'another limit'}")
    if task.verdict != "verified":
        yield _line("rejected", ": ".join(filter(None, [", ".join(task.reasons), task.detail])))


def _facts(facts: list[Fact]) -> str:
    return "; ".join(f"{fact.label}: {fact.text}" for fact in facts)


def _call(name: str, arguments: dict[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={orjson.dumps(value).decode()}' for key, value in arguments.items())})"


def _line(label: str, text: str) -> Text:
    return Text(f"{label:<12}", "bold").append(one_line(text, 100_000), "default")


def _episode(row: dict[str, Any]) -> Iterator[RenderableType]:
    outcome = outcome_of(row)
    for turn in map(turn_of, row["turns"]):
        yield from _turn(turn)
    broken = [name for name, kept in outcome.process.items() if not kept]
    verdict = Text(
        f"  {one_line(row['agent'])}: {outcome.reward_text}", "bold green" if outcome.reward >= 1 else "bold red"
    )
    verdict.append(f", {row['termination']}", "dim")
    for name, why in outcome.detail.items():
        verdict.append(f"; {one_line(name)}: {one_line(why)}", "red")
    if broken:
        verdict.append(f"; process: not {', not '.join(broken)}", "yellow")
    if faults := [f"{name} ({in_words(fault)})" for name, fault in faults_of(row).items()]:
        verdict.append(f"; tool faults: {', '.join(map(one_line, faults))}", "dim")
    yield verdict


def _turn(turn: Turn) -> Iterator[RenderableType]:
    if turn.role == "tool":
        style = "red" if turn.error else "dim cyan" if turn.seat == "user" else "dim"
        result = Text(turn.content or "", style, no_wrap=True, overflow="ellipsis")
        yield _hanging("      =", style, result, 7)
        return
    if turn.content:
        who, style = ("customer", "cyan") if turn.role == "user" else ("agent", "green")
        yield _hanging(f"  {who}", f"bold {style}", Text(turn.content, overflow="fold"))
    # Calls on the customer's own device are marked: the agent does not see them.
    label, style = ("  own >", "cyan") if turn.seat == "user" else ("      >", "magenta")
    for call in turn.tool_calls:
        text = Text(f"{one_line(call.name)}({call.arguments})", style, overflow="fold")
        yield _hanging(label, style, text, 7)


def _hanging(label: str, style: str, text: Text, width: int = 10) -> RenderableType:
    """A label, and beside it a text that wraps within its own column."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=width)
    grid.add_column()
    grid.add_row(Text(label, style), text)
    return grid
