"""Files of an evaluation for CI: JUnit XML and a Markdown summary, as pure functions of its results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as xml

from t2t_dist.core.printing import clean, one_line
from t2t_dist.core.schema import INTENTS

from .results_table import ALL, ResultsTable
from .thresholds import ThresholdResult


def junit(results: ResultsTable, verdicts: Sequence[ThresholdResult], name: str, wall_s: float) -> bytes:
    """A JUnit file: a suite per agent, a case per intent. A case fails if a gate on it fails, and never by a low figure
    alone."""
    root = xml.Element("testsuites", name=clean(name))
    totals = {"tests": 0, "failures": 0, "skipped": 0}
    agents = list(dict.fromkeys([*results.agents, *(verdict.agent for verdict in verdicts)]))
    for agent in agents:
        suite = xml.SubElement(root, "testsuite", name=clean(agent or "run"))
        about = {verdict.intent for verdict in verdicts if verdict.agent == agent}
        counts = dict.fromkeys(totals, 0)
        for intent in (*INTENTS, ALL, ""):
            estimate = results.passes(1, agent, intent) if intent and agent in results.agents else None
            if intent not in about and (estimate is None or not (estimate.tasks or results.trials(agent, intent))):
                continue
            case = xml.SubElement(suite, "testcase", classname=clean(agent or "run"), name=intent or "gates")
            counts["tests"] += 1
            mine = [verdict for verdict in verdicts if (verdict.agent, verdict.intent) == (agent, intent)]
            failed = [verdict for verdict in mine if not verdict.passed]
            for verdict in failed:
                detail = f"{verdict.threshold}: {verdict.detail}"
                xml.SubElement(case, "failure", message=clean(detail), type="gate").text = clean(detail)
            counts["failures"] += bool(failed)
            if estimate is not None and estimate.value is not None:
                detail = (
                    f"pass^1 {estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}], {estimate.tasks} tasks"
                )
                xml.SubElement(case, "system-out").text = detail
            elif not failed:
                xml.SubElement(case, "skipped", message="no graded episode")
                counts["skipped"] += 1
        for key, value in counts.items():
            suite.set(key, str(value))
            totals[key] += value
    root.attrib |= {**{key: str(value) for key, value in totals.items()}, "time": f"{wall_s:.3f}"}
    xml.indent(root)
    return bytes(xml.tostring(root, encoding="utf-8", xml_declaration=True))


def markdown(
    summary: dict[str, Any], verdicts: Sequence[ThresholdResult] = (), changes: Sequence[dict[str, Any]] = ()
) -> str:
    """The summary of a run (see ``summary.summary_of``) in Markdown, as CI systems render it."""
    lines = [f"## {summary['kind']} `{summary['run_id']}`", ""]
    tasks = [intent for intent in INTENTS if any(intent in part["tasks"] for part in summary["agents"].values())]
    if summary["agents"]:
        lines += _table(
            ["agent", "", *tasks, ALL], [row for item in summary["agents"].items() for row in _rows(item, tasks)]
        )
        lines += ["", "In brackets: 95 % intervals over tasks."]
    else:
        lines.append("No episode has been graded.")
    if verdicts:
        rows = [
            [_cell(v.threshold), _cell(v.agent), v.intent, "ok" if v.passed else "**failed**", _cell(v.detail)]
            for v in verdicts
        ]
        lines += ["", "### Gates", "", *_table(["gate", "agent", "on", "", "found"], rows)]
    paired = [d for d in (*changes, *summary["differences"]) if d["k"] == 1]
    if paired:
        rows = [
            [
                d["what"],
                _cell(d["one"]),
                _cell(d["other"]),
                _cell(d["on"]),
                _change(d),
                f"{d['n']}{'' if d['paired'] else ' (not paired)'}",
            ]
            for d in paired
        ]
        head = ["compared", "pass^1 of", "minus that of", "on", "difference", "n"]
        lines += ["", "<details><summary>Differences</summary>", "", *_table(head, rows), "", "</details>"]
    if summary["failures"]:
        listed = ", ".join(f"{name} {n}" for name, n in summary["failures"].items())
        lines += ["", f"Without a result (they widen the bounds): {listed}."]
    for agent, by_code in summary.get("causes", {}).items():
        listed = ", ".join(f"`{code}` {n}" for code, n in by_code.items())
        lines += ["", f"{_cell(agent)} failed by: {listed}."]
    return "\n".join(lines) + "\n"


def _rows(item: tuple[str, dict[str, Any]], intents: Sequence[str]) -> list[list[str]]:
    agent, part = item
    cells = {**{i: (part["pass"].get(i, {}), part["interval"].get(i, {})) for i in intents}}
    cells[ALL] = (part["all"]["pass"], part["all"]["interval"])
    rows = []
    for k in part["all"]["pass"]:
        row = [_cell(agent), k]
        for values, bounds in cells.values():
            value = values.get(k)
            row.append("-" if value is None else f"{value:.3f} [{bounds[k][0]:.2f}, {bounds[k][1]:.2f}]")
        rows.append(row)
    return rows


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _change(difference: dict[str, Any]) -> str:
    return f"{difference['value']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]"


def _cell(text: str) -> str:
    """Text that can't end a cell or become markup."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", one_line(text))
