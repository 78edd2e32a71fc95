"""An episode's page: what calls changed adds up to the final state, and gold stands beside what was done."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.core.schema import Episode, Task, ToolCall, Turn
from t2t_dist.environments import registry
from t2t_dist.environments.tools import READ, tool
from t2t_dist.grading.diagnose import CODES
from t2t_dist.view.episode import ShownEpisode, diagnosed, differing, reasons, show
from tests.support.finished_run import failed, played
from tests.support.made import Made, make
from tests.support.transcript import Transcript, gone_well
from tests.support.viewed import episode_of, library, row_of

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("xy", max_size=2), inner, max_size=3)
        | st.lists(st.fixed_dictionaries({"item_id": st.sampled_from("pqr"), "n": inner}), max_size=4)
    ),
    max_leaves=8,
)
records = st.dictionaries(st.sampled_from(["a", "b", "items"]), json_values, max_size=3)


def ordered(value: Any) -> list[tuple[str, list[str | None]]]:
    return sorted(value)


def text(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


# -- what differs ------------------------------------------------------------------------------------------------------
@settings(max_examples=40)
@given(records, records)
def test_records_differ_somewhere_exactly_when_they_are_not_the_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    found = list(differing([a, b]))
    assert list(differing([a, copy.deepcopy(a)])) == []
    assert (found == []) == (text(a) == text(b))
    assert all(before != after for _, (before, after) in found)
    assert ordered((path, [after, before]) for path, (before, after) in found) == ordered(differing([b, a]))


@settings(max_examples=40)
@given(records, records, records)
def test_three_records_differ_where_two_of_them_do(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    assert bool(list(differing([a, b, c]))) == any(list(differing(list(pair))) for pair in ((a, b), (a, c), (b, c)))


def test_an_element_is_named_by_its_id_and_one_more_moves_no_other() -> None:
    before = {"variants": [{"item_id": "a", "stock": 3}, {"item_id": "b", "stock": 5}]}
    after = {"variants": [{"item_id": "c", "stock": 1}, *copy.deepcopy(before["variants"])]}
    after["variants"][2]["stock"] = 6
    assert dict(differing([before, after])) == {
        "variants[b].stock": ["5", "6"],
        "variants[c]": [None, '{"item_id":"c","stock":1}'],
    }


def test_numbers_are_compared_by_their_value() -> None:
    assert list(differing([{"price": 50, "sums": [1.0]}, {"price": 50.0, "sums": [1]}])) == []
    assert list(differing([{"price": 50}, {"price": 50.5}])) == [("price", ["50", "50.5"])]


# -- a whole episode ---------------------------------------------------------------------------------------------------
def shown(made: Made, task: Task, **how: Any) -> tuple[dict[str, Any], ShownEpisode]:
    row = played(made, task, **how)[1]
    return row, show(row, task, made.domain)


def test_an_episode_that_went_well_ends_as_the_gold(made: Made) -> None:
    for task in made.verified()[:8]:
        row, page = shown(made, task)
        assert row["parts"]["db"] == 1.0
        assert page.unreplayed == ""
        assert {pair.mark for pair in page.records} <= {"same"}
        assert [pair.gold for pair in page.pairs if pair.mark == "same"] == task.grader.gold
        assert not any(call.note for turn in page.turns for call in turn.calls)
        # What the calls changed, one after the other, is what the final state differs in.
        grown = {(c.table, c.key) for t in page.turns for call in t.calls for c in call.changes}
        assert grown >= {(pair.table, pair.key) for pair in page.records}
        assert all(call.kind in ("write", "record") for t in page.turns for call in t.calls if call.changes)


def test_a_call_that_breaks_the_cited_rule_is_marked_whatever_its_arguments(shop: Made) -> None:
    """Grading does not forgive another address abroad than the listed one, and the page shows which call it was."""
    task = shop.one("infeasible", lambda t: t.grader.rule == 13)
    assert task.certificate is not None
    listed = task.certificate.forbidden_call
    assert listed is not None
    address = {**listed.arguments["address"], "address1": "1 Elsewhere Road"}
    talk = gone_well(shop.domain, task)
    talk.call(listed.name, {**listed.arguments, "address": address})
    episode = episode_of(played(shop, task)[1])
    episode.turns = talk.turns
    page = show(row_of(episode)[1], task, shop.domain)
    (marked,) = [call for turn in page.turns for call in turn.calls if call.forbidden]
    assert marked.name == listed.name


def test_one_in_which_nothing_was_done_misses_all_of_the_gold(made: Made) -> None:
    for task in made.verified("general")[:5]:
        _, page = shown(made, task, well=False)
        assert {pair.mark for pair in page.pairs} == {pair.mark for pair in page.records} == {"missing"}
        assert [f.actual for pair in page.records for f in pair.fields] == [
            f.before for pair in page.records for f in pair.fields
        ]


def test_a_write_with_another_argument_stands_beside_the_gold_one(desk: Made) -> None:
    task = desk.one("general", lambda t: [c.name for c in t.grader.gold if c.kind == "write"] == ["move_hold"])
    talk = Transcript(desk.domain).user("hello")
    for call in task.grader.gold:
        other = {"branch": "Hill" if call.arguments.get("branch") != "Hill" else "Harbour"}
        talk.call(call.name, call.arguments | (other if call.name == "move_hold" else {}))
    episode = episode_of(played(desk, task)[1])
    episode.turns = talk.turns
    page = show(row_of(episode)[1], task, desk.domain)
    (pair,) = [pair for pair in page.pairs if pair.mark != "same"]
    assert pair.mark == "other"
    assert pair.gold is not None
    assert pair.actual is not None
    assert pair.gold.name == pair.actual.name == "move_hold"
    (record,) = page.records
    assert record.mark == "other"
    assert [field.name for field in record.fields if not field.same] == ["branch"]


def test_calls_that_were_forbidden_refused_or_never_made_are_marked(desk: Made) -> None:
    task = desk.one("infeasible", lambda t: t.grader.forbidden and t.grader.forbidden[0].name in desk.domain.tools)
    pattern, talk = task.grader.forbidden[0], gone_well(desk.domain, task)
    assert task.certificate is not None
    assert task.certificate.forbidden_call is not None
    talk.calls((pattern.name, task.certificate.forbidden_call.arguments), ("no_such_tool", "not json"))
    talk.asked_for(("find_reader", {"card": "1"}))
    episode = episode_of(played(desk, task)[1])
    episode.turns = talk.turns
    page = show(row_of(episode)[1], task, desk.domain)
    bad, unknown, unmade = [call for turn in page.turns[-2:] for call in turn.calls]
    assert bad.forbidden
    assert not unknown.forbidden
    assert (unknown.kind, unknown.arguments, unknown.error) == ("unknown", None, True)
    assert unmade.result is None
    assert "not executed" in unmade.note


def test_an_altered_result_is_reported(desk: Made) -> None:
    task = desk.one("general")
    episode = episode_of(played(desk, task)[1])
    turn = next(turn for turn in episode.turns if turn.role == "tool")
    turn.content = "something else"
    page = show(row_of(episode)[1], task, desk.domain)
    notes = [call.note for t in page.turns for call in t.calls if call.note]
    assert notes == ["gave another result in the replay"]


# -- what can't be replayed --------------------------------------------------------------------------------------------
def test_without_a_domain_the_conversation_is_shown_all_the_same(desk: Made) -> None:
    task = desk.one("general")
    row = played(desk, task)[1]
    page = show(row, task, "there is no such domain")
    assert page.unreplayed == "there is no such domain"
    assert page.calls == len(task.grader.gold)
    assert {pair.mark for pair in page.pairs} == {"same"}
    assert page.records == []


def test_another_database_is_not_compared_with(desk: Made) -> None:
    task = desk.one("general")
    task.grader.initial = "0" * 32
    page = show(played(desk, task)[1], task, desk.domain)
    assert "not the one that this task was made on" in page.unreplayed
    assert page.records == []


def test_a_tool_that_reaches_outside_is_not_called_by_looking(desk: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def phone(world: Any) -> str:
        """Call somebody."""
        raise AssertionError("was called")

    outside = tool(READ, blocking=True)(phone)
    monkeypatch.setitem(desk.domain.tools.by_name, "phone", outside)
    task = desk.one("general")
    episode = episode_of(played(desk, task)[1])
    episode.turns[0].tool_calls = [ToolCall("1", "phone", "{}")]
    page = show(row_of(episode)[1], task, desk.domain)
    assert "phone waits for something outside" in page.unreplayed


# -- why ---------------------------------------------------------------------------------------------------------------
def test_what_grading_found_is_the_reason(desk: Made) -> None:
    row = played(desk, desk.one("general"), well=False)[1]
    assert "db" in [reason.title for reason in reasons(row)]
    good = reasons(played(desk, desk.one("general"))[1])
    assert good == []


def test_a_diagnosis_names_the_cause_and_its_place(desk: Made) -> None:
    task = desk.one("general")
    silent = diagnosed(played(desk, task, well=False)[1], task, desk.domain)
    assert silent
    assert {reason.title for reason in silent} <= {code.replace("_", " ") for code in CODES}
    assert diagnosed({"turns": None}, task, desk.domain) == []


def test_a_failure_is_named() -> None:
    row = failed(library().verified()[0])[1]
    assert reasons(row) == [("engine timeout", "no answer", None)]
    assert show(row, None, "none").turns == []


def test_calls_on_the_customers_own_device_are_replayed_and_stand_beside_the_gold(mobile: Made) -> None:
    task = mobile.one("general", lambda t: any(call.requestor for call in t.grader.gold))
    talk = Transcript(mobile.domain).user("hello")
    for call in task.grader.gold:
        assert not talk.call(call.name, call.arguments, seat=call.requestor or "agent").error
    row = row_of(episode_with(played(mobile, task, well=False)[1], talk.turns))[1]
    page = show(row, task, mobile.domain)
    assert [pair.mark for pair in page.pairs] == ["same"] * len(task.grader.gold)
    assert {pair.mark for pair in page.records} == {"same"}
    own = [call for turn in page.turns for call in turn.calls if call.own]
    assert len(own) == sum(call.requestor == "user" for call in task.grader.gold) > 0


def episode_with(row: dict[str, Any], turns: list[Turn]) -> Episode:
    episode = episode_of(row)
    episode.turns = turns
    return episode


@pytest.fixture(scope="module")
def mobile() -> Made:
    return make(registry.load("telecom"), 6)
