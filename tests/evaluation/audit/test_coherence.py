"""Every check of the customer finds what it is for, and nothing in a task that is well."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from t2t_dist.core.schema import Fact, RecordChange, Task
from t2t_dist.environments.registry import load
from t2t_dist.evaluation.audit.coherence import CHECKS, Coherence
from t2t_dist.synthesis.grader_side import errands_in
from tests.support.made import Made, make


def placeholder(task: Task, made: Made) -> None:
    task.user.goals[0].request += " It is {order_id}."


def no_value(task: Task, made: Made) -> None:
    task.user.goals[0].request = "Please cancel None."


def nothing_asked(task: Task, made: Made) -> None:
    task.user.goals[0].request = " "


def twice(task: Task, made: Made) -> None:
    task.user.goals[0].request += " I want to to hear of it."


def one_of_the(task: Task, made: Made) -> None:
    task.user.goals[0].request += " I mean the one of the flights."


def empty_slot(task: Task, made: Made) -> None:
    task.user.goals[0].request += " Send it to my ."


def two_stops(task: Task, made: Made) -> None:
    task.user.goals[0].request += "."


def no_cue(task: Task, made: Made) -> None:
    fact = task.user.goals[0].facts[0]
    fact.stated, fact.cues = False, []


def other_answer(task: Task, made: Made) -> None:
    fact = task.user.goals[0].facts[0]
    fact.stated, fact.says, fact.answer = False, ["#W7777777"], "It's another one."


def not_in_the_request(task: Task, made: Made) -> None:
    task.user.goals[0].facts.append(Fact(slot="x", label="colour", text="mauve", says=["mauve"], answer="Mauve."))


def wrong_birth_date(task: Task, made: Made) -> None:
    task.grader.gold[0].arguments = {"birth_date": "1984-08-04"}
    before, after = ({"passengers": [{"birth_date": day}]} for day in ("1984-08-04", "1984-08-05"))
    task.grader.allowed_diff.append(RecordChange(table="reservations", key="R", before=before, after=after))


def of_another(task: Task, made: Made) -> None:
    orders = made.domain.base.tables["orders"]
    call = next(call for call in task.grader.gold if call.kind == "write")
    call.arguments["order_id"] = next(key for key, order in orders.items() if order["user_id"] != task.customer)


def again(task: Task, made: Made) -> None:
    task.user.goals.append(task.user.goals[0])


def as_before(task: Task, made: Made) -> None:
    assert task.user.change is not None
    task.user.change.request = task.user.goals[task.user.change.goal].request


def same_values(task: Task, made: Made) -> None:
    assert task.user.change is not None
    assert task.certificate is not None
    goal = task.user.change.goal
    task.user.change.facts = task.user.goals[goal].facts
    task.certificate.first_call = next(call for call in errands_in(task.grader) if call.goal == goal)


DEFECTS: list[tuple[str, str, Callable[[Task, Made], None]]] = [
    ("unfilled", "general", placeholder),
    ("unfilled", "general", no_value),
    ("unfilled", "general", nothing_asked),
    ("doubled_words", "general", twice),
    ("clumsy_words", "general", one_of_the),
    ("clumsy_words", "general", empty_slot),
    ("clumsy_words", "general", two_stops),
    ("never_said", "general", no_cue),
    ("never_said", "general", other_answer),
    ("never_said", "general", not_in_the_request),
    ("corrects_identity", "general", wrong_birth_date),
    ("records_of_others", "general", of_another),
    ("repeated_request", "general", again),
    ("same_change", "changing", as_before),
    ("same_change", "changing", same_values),
]


def found(made: Made, task: Task) -> dict[str, tuple[float, tuple[str, ...]]]:
    """What each check says of one task."""
    coherence = Coherence(made.domain)
    coherence.add(task)
    return {m.about: (m.value or 0.0, m.examples) for m in coherence.measures()}


@pytest.mark.parametrize(
    ("check", "intent", "spoil"), DEFECTS, ids=[f"{check}-{spoil.__name__}" for check, _, spoil in DEFECTS]
)
def test_each_defect_is_found_by_its_check(
    shop: Made, check: str, intent: str, spoil: Callable[[Task, Made], None]
) -> None:
    task = next(t for t in shop.verified() if t.intent == intent and "#W" in t.user.goals[0].request)
    task = task.model_copy(deep=True)
    assert not any(value for value, _ in found(shop, task).values())
    spoil(task, shop)
    value, examples = found(shop, task)[check]
    assert value == 1.0
    assert examples[0].startswith(f"{task.task_id}: ")


def test_every_check_has_a_defect() -> None:
    assert {check for check, _, _ in DEFECTS} == set(CHECKS)


def test_a_forbidden_request_for_the_data_of_others_is_meant_to_be_so(shop: Made) -> None:
    """R2: only the customer's own data. A rule forbids it, so the task is about it."""
    task = shop.one("infeasible", lambda task: task.grader.rule == 2)
    assert found(shop, task)["records_of_others"] == (0.0, ())


def test_an_address_may_be_another_one_from_now_on(shop: Made) -> None:
    """A customer who is found by the old zip code, and moves."""
    moves = shop.one(
        "general",
        lambda task: (
            "zip" in task.grader.gold[0].arguments
            and any(call.name == "modify_user_address" for call in task.grader.gold)
        ),
    )
    assert found(shop, moves)["corrects_identity"] == (0.0, ())


def test_a_relative_of_the_same_last_name_is_somebody_else() -> None:
    """Who books for the family may have another passenger's name put right; their own is what they were found by."""
    flights = make(load("airline"), 40)
    corrects = [task for task in flights.verified() if "correct_passenger" in str(task.grader.gold)]
    assert corrects
    assert all(found(flights, task)["corrects_identity"] == (0.0, ()) for task in corrects)
    task = corrects[0].model_copy(deep=True)
    person = task.grader.gold[0].arguments
    before, after = ({"passengers": [{**person, "last_name": name}]} for name in (person["last_name"], "Lind"))
    task.grader.allowed_diff.append(RecordChange(table="reservations", key="R", before=before, after=after))
    assert found(flights, task)["corrects_identity"][0] == 1.0
