"""Priors: a value or a place that is right more often than chance."""

from __future__ import annotations

from collections.abc import Iterable

from t2t_dist.core.schema import Task
from t2t_dist.evaluation.audit.measures import Measure
from t2t_dist.evaluation.audit.priors import Priors
from t2t_dist.synthesis.grader_side import errands_in
from tests.support.made import Made


def counted(tasks: Iterable[Task]) -> Priors:
    priors = Priors()
    for task in tasks:
        priors.add(task)
    return priors


def of(tasks: Iterable[Task]) -> dict[str, Measure]:
    return {measure.of: measure for measure in counted(tasks).measures()}


def meant(task: Task) -> str:
    return str(next(call.arguments.get("branch") for call in errands_in(task.grader) if call.name == "move_hold"))


def branches(made: Made, *names: str) -> list[Task]:
    """The tasks in which a branch is withheld, and one of these is meant."""
    withheld = [t for t in made.verified("ambiguous") if t.certificate and t.certificate.withheld == ["branch"]]
    return [task for task in withheld if meant(task) in names]


def test_a_value_that_is_nearly_always_right_is_a_prior(desk: Made) -> None:
    even = of(branches(desk, "Hill", "Old Town", "Harbour"))["prior[move_hold.branch, ambiguous]"]
    assert even.value is not None
    assert even.value < 0.6
    always = of(branches(desk, "Hill") * 20)["prior[move_hold.branch, ambiguous]"]
    assert always.value == 1.0
    assert always.detail.startswith('"Hill", of ')


def test_few_tasks_are_no_evidence(desk: Made) -> None:
    found = of(branches(desk, "Hill")[:3])
    assert found["prior"].value is None
    assert "1 of 1 slots" in found["prior"].detail
    assert of(desk.verified("general"))["prior"].detail == "no task withholds anything"


def test_the_place_of_the_gold_is_compared_with_chance(desk: Made) -> None:
    """The tasks in which the first candidate is meant, as if no others had been made."""
    tasks = desk.verified("ambiguous")
    first = [t for t in tasks if t.certificate and t.certificate.candidates[0].after_clarification]
    assert 0 < len(first) < len(tasks)
    place = of(first)["place[first, ambiguous]"]
    assert place.value is not None
    assert place.value > 0.4
    assert abs(of(tasks)["place[first, ambiguous]"].value or 0.0) < 0.25


def test_what_others_mean_says_what_is_usual_but_not_what_this_customer_means(desk: Made) -> None:
    tasks = branches(desk, "Hill")
    priors, task = counted(tasks), tasks[0]
    others = sum(other.customer != task.customer for other in tasks)
    assert priors.score(task, {"branch": "Hill"}) == others > 3
    assert priors.score(task, {"branch": "Old Town"}) == 0
    alone = counted([task])
    assert alone.score(task, {"branch": "Hill"}) == 0
