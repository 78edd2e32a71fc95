"""Thresholds, and files for CI: JUnit that a parser reads, Markdown that nothing from a run can break."""

from __future__ import annotations

from xml.etree import ElementTree as xml

import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.evaluation.ci_files import junit, markdown
from t2t_dist.evaluation.compare import with_baseline
from t2t_dist.evaluation.results_table import ALL, ResultsTable
from t2t_dist.evaluation.summary import summary_of
from t2t_dist.evaluation.thresholds import ThresholdResult, drops, parse_threshold
from t2t_dist.storage.ledger import LedgerState
from tests.evaluation.test_results_table import batches_of, one

AGENTS = ["openai:good@http://h/v1", "scripted:hasty"]


@pytest.fixture
def results() -> ResultsTable:
    """The first agent passes everything; the other all that is general and nothing that is ambiguous."""
    rows = [one(n, 1.0, agent, "general") for n in range(10) for agent in AGENTS]
    rows += [one(n, float(agent == AGENTS[0]), agent, "ambiguous") for n in range(10) for agent in AGENTS]
    return ResultsTable.read(batches_of(rows))


def failed(text: str, results: ResultsTable) -> list[tuple[str, str]]:
    verdicts = parse_threshold(text, AGENTS, 2).verdicts(results)
    assert verdicts
    return [(verdict.agent, verdict.intent) for verdict in verdicts if not verdict.passed]


def test_a_gate_is_about_every_agent_and_intent_or_those_in_brackets(results: ResultsTable) -> None:
    good, hasty = AGENTS
    assert failed("pass^1>=0.6", results) == [(hasty, "ambiguous")]
    assert failed("pass^1[general]>=0.6", results) == []
    assert failed(f"pass^1[{good}]>=1", results) == []
    assert failed("pass^1[hasty, ambiguous]>0", results) == [(hasty, "ambiguous")]
    assert failed(" pass^1[all] >= 0.5 ", results) == []
    assert failed("pass^1[all]>0.5", results) == [(hasty, ALL)]
    # No task has two trials: that can't be a pass.
    assert len(failed("pass^2>=0", results)) == 4
    assert failed("pass^1>=0", ResultsTable.read(batches_of([]))) != []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pass^1", "write it as"),
        ("pass^1<0.5", "write it as"),
        ("pass^1[general>=0.5", "write it as"),
        ("pass^3>=0.5", "k is from 1 to 2"),
        ("pass^0>=0.5", "k is from 1 to 2"),
        ("pass^1>=60", "0.6 for 60 %"),
        ("pass^1[generall]>=0.5", "neither an intent nor an agent"),
    ],
)
def test_an_invalid_gate_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        parse_threshold(text, AGENTS, 2)
    assert "\n" not in str(refusal.value)


def test_drops_against_a_baseline(results: ResultsTable) -> None:
    before = ResultsTable.read(
        batches_of([one(n, 1.0, AGENTS[1], intent) for n in range(10) for intent in ("general", "ambiguous")])
    )
    compared = with_baseline(results, before)
    found = {verdict.intent: verdict.passed for verdict in drops(compared, 0.1)}
    assert found == {ALL: False, "general": True, "ambiguous": False}
    assert all(verdict.passed for verdict in drops(compared, 1.0))


def test_junit(results: ResultsTable) -> None:
    verdicts = parse_threshold("pass^1[ambiguous]>=0.6", AGENTS, 1).verdicts(results)
    root = xml.fromstring(junit(results, verdicts, "run\x00-1", 1.5))
    counts = {"tests": "6", "failures": "1", "skipped": "0"}
    assert root.attrib == {"name": "run\N{REPLACEMENT CHARACTER}-1", **counts, "time": "1.500"}
    cases = {(case.get("classname"), case.get("name")): case for case in root.iter("testcase")}
    assert {name for _, name in cases} == {"general", "ambiguous", ALL}
    broken = [key for key, case in cases.items() if case.find("failure") is not None]
    assert broken == [(AGENTS[1], "ambiguous")]
    failure = cases[broken[0]].find("failure")
    assert failure is not None
    assert "pass^1[ambiguous]>=0.6" in failure.get("message", "")
    out = cases[(AGENTS[0], "general")].find("system-out")
    assert out is not None
    assert out.text is not None
    assert "pass^1 1.000" in out.text


def test_junit_of_a_run_without_an_episode_fails_by_its_gate() -> None:
    empty = ResultsTable.read(batches_of([]))
    root = xml.fromstring(junit(empty, parse_threshold("pass^1>=0.6", [], 1).verdicts(empty), "r", 0.0))
    assert (root.get("tests"), root.get("failures")) == ("1", "1")
    only_failures = ResultsTable.read(batches_of([one(0, None)]))
    root = xml.fromstring(junit(only_failures, [], "r", 0.0))
    assert (root.get("tests"), root.get("skipped")) == ("2", "2")


def test_markdown(results: ResultsTable) -> None:
    summary = summary_of("evaluate", LedgerState(), results, "run-1", 1, "out", 1.0)
    summary["causes"] = {AGENTS[1]: {"acted_before_asking": 10}}
    verdicts = [ThresholdResult("pass^1>=0.6", "a|b<script>", "general", False, "x\ny")]
    text = markdown(summary, verdicts)
    assert "| scripted:hasty | pass^1 | 1.000 [" in text
    assert "**failed**" in text
    assert "a\\|b\\<script\\>" in text
    assert "| x y |" in text
    assert "scripted:hasty failed by: `acted_before_asking` 10." in text
    rows = [line for line in text.splitlines() if line.startswith("| scripted:hasty | pass")]
    assert all(line.count(" | ") == 4 for line in rows)
    nothing = markdown(summary_of("evaluate", LedgerState(), ResultsTable.read(batches_of([])), "run-1", 1, "out", 1.0))
    assert "No episode has been graded." in nothing
