"""The labelled utterances: sound rows, two sets without a text in common, and a benchmark that keeps one set aside."""

from __future__ import annotations

import json

import pytest

from benchmarks.speech_acts import ACTS, FACTS, SETS, UTTERANCES, main, measured, rows

AGENT = {
    "refuses", "claims_done", "promises_later", "announces_write", "asks_to_confirm", "hands_over", "offers_hand_over",
    "offers_alternative", "offers_more", "asks_info",
}  # fmt: skip
CUSTOMER = {"agrees", "rejects", "changes_mind", "insists", "gives_in"}


@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize(("speaker", "acts"), [("agent", AGENT), ("customer", CUSTOMER)])
def test_each_act_is_performed_often_and_looked_like_as_often(which: str, speaker: str, acts: set[str]) -> None:
    found = rows(which, speaker)
    for row in found:
        assert row["speaker"] == speaker
        assert set(row["acts"]) <= acts, row
        assert not set(row["acts"]) & set(row["near"]), row
        assert row["text"].strip()
    for act in (act for act in ACTS.values() if act.speaker == speaker):
        assert sum(not act.labels.isdisjoint(row["acts"]) for row in found) >= 40, act.labels
    assert sum(bool(row["near"]) for row in found) >= len(found) / 2


def test_facts_are_told_and_not_told() -> None:
    found = rows("open", FACTS)
    assert 0.4 <= sum(row["told"] for row in found) / len(found) <= 0.6
    assert {row["fact"]["meaning"] for row in found} == {"refund", "charge", "balance", "count", "date", "text"}


def test_the_sets_have_no_text_in_common() -> None:
    messages = [
        {(row["before"], row["text"]) for kind in ("agent", "customer") for row in rows(which, kind)} for which in SETS
    ]
    assert sum(map(len, messages)) == len(set().union(*messages)) > 2_000


def test_errors_are_shown_of_the_open_set_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["speech_acts", "--errors", "refuses"])
    main()
    *shown, last = capsys.readouterr().out.splitlines()
    aside = (UTTERANCES / "aside").glob("*.jsonl")
    kept_aside = " ".join(" ".join(path.read_text().split()) for path in aside)
    assert shown
    assert not any(line.partition(": ")[2] in kept_aside for line in shown)
    figures = json.loads(last)
    shares = ("precision", "recall", "sure", "unsure", "false")
    for which in SETS:
        assert set(figures[which]) - {FACTS} == set(ACTS)
        assert all(0 <= each[share] <= 1 for each in figures[which].values() for share in shares)


@pytest.mark.parametrize("act", ACTS)
def test_acts_are_recognised_in_the_open_set(act: str) -> None:
    """A floor: whoever changes a pattern sees here what it costs. An answer alone often doesn't say what it means."""
    found = measured("open", act)
    assert found["precision"] >= (0.9 if act in ("agrees", "gives_in") else 0.98)
    assert found["recall"] >= 0.97
    assert found["false"] >= 0.98
    assert found["unsure"] <= (0.6 if act in ("agrees", "gives_in", "refuses") else 0.4)
