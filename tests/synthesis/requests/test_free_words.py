"""Requests in free words: paraphrases written by hand are taken where they are right, and else refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from t2t_dist.core.schema import Goal, Task
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.registry import load
from t2t_dist.environments.tools import Call
from t2t_dist.synthesis.requests import language as lang
from t2t_dist.synthesis.requests.free_words import NotCarried
from t2t_dist.synthesis.requests.parts import in_plain_words, is_readable
from t2t_dist.synthesis.requests.read_back import check_free_words, check_goal
from t2t_dist.synthesis.requests.shown import first_look
from tests.support.made import Made, make, verdict

CASES = Path(__file__).parent / "paraphrases" / "cases.yaml"
DOMAINS = ("retail", "airline", "telecom")


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.load(CASES.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded


@pytest.fixture(scope="module", params=DOMAINS)
def hard(request: pytest.FixtureRequest) -> Made:
    return make(load(request.param), 12, difficulty=4)


def refusal(case: dict[str, Any], text: str) -> str | None:
    """The code with which a text is refused as the request of a case; ``None``: it is taken."""
    domain, customer = load(case["domain"]), case["customer"]
    goal = Goal.model_validate(case["goal"] | {"request": text})
    request = lang.read(case["request"]) if case["request"] is not None else None
    call = Call(case["errand"], case["arguments"]) if case["errand"] is not None else None
    try:
        check_goal(domain, customer, first_look(domain, customer), goal, request, call)
    except NotCarried as wrong:
        return wrong.code
    return None


def said_by_a_model(task: Task) -> Task:
    return task.model_copy(update={"writer": "openai:somebody"}, deep=True)


def texts(cases: list[dict[str, Any]], batch: str, kind: str) -> Iterator[tuple[dict[str, Any], str]]:
    for case in cases:
        for text in case.get(batch, {}).get(kind, []):
            yield case, text.partition(" | ")[0]


@pytest.mark.parametrize(("batch", "least", "many"), [("first", 0.95, 70), ("second", 0.85, 80), ("third", 0.75, 4)])
def test_right_paraphrases_are_taken(cases: list[dict[str, Any]], batch: str, least: float, many: int) -> None:
    found = [(text, refusal(case, text)) for case, text in texts(cases, batch, "right")]
    lost = [one for one in found if one[1] is not None]
    assert len(found) >= many
    assert len(lost) <= (1 - least) * len(found), lost


@pytest.mark.parametrize(("batch", "many"), [("first", 90), ("second", 110), ("third", 40), ("fourth", 30)])
def test_wrong_paraphrases_are_refused(cases: list[dict[str, Any]], batch: str, many: int) -> None:
    found = list(texts(cases, batch, "wrong"))
    assert len(found) >= many
    assert [text for case, text in found if refusal(case, text) is None] == []


def test_what_is_longer_than_a_request_is_not_read(cases: list[dict[str, Any]]) -> None:
    case = cases[0]
    assert refusal(case, case["goal"]["request"] + " Thank you." * 10) is None
    assert refusal(case, case["goal"]["request"] + " Thank you." * 1_000) == "too_long"


def test_the_templates_own_requests_are_taken(cases: list[dict[str, Any]]) -> None:
    lost = [case["goal"]["request"] for case in cases if refusal(case, case["goal"]["request"]) is not None]
    # What comes "instead of" something else is not read.
    assert len(lost) <= 2, lost


def test_most_tasks_of_the_template_read_as_if_a_model_had_written_them(hard: Made) -> None:
    """And what is refused is refused by verify."""
    taken, lost = 0, list[tuple[Task, NotCarried]]()
    for task in hard.verified():
        assert task.certificate is not None
        try:
            check_free_words(domain_of(hard.domain, task), task, task.certificate)
            taken += 1
        except NotCarried as wrong:
            lost.append((task, wrong))
    assert taken >= 0.9 * (taken + len(lost)), [wrong for _, wrong in lost]
    for task, wrong in lost:
        assert verdict(hard.domain, said_by_a_model(task)) == wrong.code


TURNED = {"latest": "oldest", "oldest": "latest", "cheapest": "most expensive", "most expensive": "cheapest"}


@pytest.mark.parametrize("writer", ["template", "openai:somebody"])
def test_no_writer_gets_another_rank_past_verify(hard: Made, writer: str) -> None:
    """Whether the words are said to be the template's or a model's."""
    turned = 0
    for task in hard.verified():
        for number, goal in enumerate(task.user.goals):
            for fact in goal.facts:
                word = next((one for one in TURNED if fact.described and f" {one} " in f" {fact.text} "), None)
                if word is not None and fact.text in goal.request:
                    forged = task.model_copy(update={"writer": writer}, deep=True)
                    request = goal.request.replace(word, TURNED[word])
                    forged.user.goals[number].request = request
                    code = verdict(hard.domain, forged)
                    # What is not read in free words has to keep the template's.
                    assert code in ("part_dropped", "part_added", "not_stated", "not_read", "word_unknown"), request
                    turned += code not in ("not_read", "word_unknown")
    assert turned or hard.domain.name == "telecom"


LATEST = {"my latest ": "my most recent ", "my most recent ": "my latest "}


def test_a_row_of_the_template_can_be_a_models_and_not_the_other_way_round(hard: Made) -> None:
    """Other words for what is described are a model's only."""
    seen, readable = 0, [t for t in hard.verified() if verdict(hard.domain, said_by_a_model(t)) == "verified"]
    for task in readable:
        for number, goal in enumerate(task.user.goals):
            latest = next((one for f in goal.facts for one in LATEST if f.described and one in f.text), None)
            is_plain = not goal.condition and task.user.change is None and task.user.miscount is None
            if latest is not None and is_plain:
                free = task.model_copy(deep=True)
                free.user.goals[number].request = goal.request.replace(latest, LATEST[latest])
                if free.user.goals[number].request == goal.request:
                    continue
                free.user.reason_for_call = "You have a request."
                assert verdict(hard.domain, free) == "not_stated"
                assert verdict(hard.domain, said_by_a_model(free)) == "verified"
                seen += 1
    assert seen or hard.domain.name == "telecom"


def test_what_is_not_read_keeps_the_templates_words() -> None:
    domain = load("retail")
    this = lang.as_given("cancel_pending_order", {"order_id": "#W1", "reason": "no longer needed"})
    first = lang.FirstPossible(options=(this, this))
    assert is_readable(domain, this)
    assert not is_readable(domain, first)
    customer = domain.customers(domain.base)[0]
    goal = Goal(request="Cancel it.", condition="it costs less than $5")
    call = Call("cancel_pending_order", {"order_id": "#W1"})
    with pytest.raises(NotCarried, match="not_read"):
        check_goal(domain, customer, first_look(domain, customer), goal, first, call)


def test_a_bound_that_is_put_into_a_phrase_keeps_the_templates_words() -> None:
    more = lang.Test(field="data", relation="more", value=lang.Given(value=5))
    plan = lang.Record(among=lang.Records(kind="Plan", where=(more,)), by="price", order="least")
    chosen = lang.FieldOf(of=plan, field="plan_id")
    assert in_plain_words(load("telecom"), chosen, "a plan with more than 5 GB") == [
        'exactly these words: "a plan with more than 5 GB"'
    ]
