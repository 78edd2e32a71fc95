"""Agents that must not pass do not, on tasks that are well; where a task lets them, it is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from t2t_dist.config.settings import LimitsConfig
from t2t_dist.core.schema import Candidate, Task
from t2t_dist.evaluation.audit.floors import Floors
from t2t_dist.evaluation.audit.limits import verdicts
from t2t_dist.evaluation.audit.measures import Measure
from t2t_dist.evaluation.audit.priors import Priors
from tests.evaluation.audit.test_priors import branches, counted
from tests.support.made import Made
from tests.support.matrix import tasks_of


def of(made: Made, tasks: Sequence[Task], priors: Priors | None = None) -> dict[str, Measure]:
    floors = Floors(made.domain, LimitsConfig(), 0, (priors or counted(tasks)).score)
    return {measure.of: measure for measure in floors.measures(tasks)}


def spoiled(tasks: Sequence[Task], spoil: Callable[[Task], None]) -> list[Task]:
    copies = [task.model_copy(deep=True) for task in tasks]
    for task in copies:
        spoil(task)
    return copies


def test_on_the_shop_only_the_oracle_passes(shop: Made) -> None:
    found = of(shop, tasks_of(shop, 4))
    intents = ("general", "ambiguous", "changing", "infeasible")
    assert [found[f"oracle[{intent}]"].value for intent in intents] == [1.0] * 4
    floors = [measure for measure in found.values() if measure.name == "floor"]
    assert [measure.value for measure in floors] == [0.0] * 16
    assert all(measure.low == 0.0 < (measure.high or 0) < 0.6 for measure in floors)
    assert {measure.n for measure in floors} <= {3, 4}  # passer: not where a hand-over is right


def test_a_task_without_an_effect_is_passed_by_whoever_does_nothing(shop: Made) -> None:
    def nothing_wanted(task: Task) -> None:
        task.grader.final, task.grader.basis, task.grader.communicate = task.grader.initial, ["db"], []

    found = of(shop, spoiled(shop.verified("general")[:3], nothing_wanted))
    for agent in ("idle", "liar", "naysayer"):
        assert found[f"floor[{agent}, general]"].value == 1.0
    assert len(found["floor[liar, general]"].examples) == 3
    assert found["oracle[general]"].value == 0.0
    assert {v.threshold for v in verdicts(list(found.values())) if not v.passed} == {"floor<=0", "oracle>=1"}


def test_whoever_refuses_without_a_reason_gets_nothing_where_no_record_holds_it(desk: Made) -> None:
    """The library has no tool to put a refusal on record: its words have to name something of the reason."""
    refused = [t for t in desk.verified("infeasible") if t.grader.handling == "refuse" and len(t.user.goals) == 1]
    assert refused
    assert of(desk, refused[:3])["floor[naysayer, infeasible]"].value == 0


def test_the_gold_in_one_place_is_found_by_who_guesses_there(desk: Made) -> None:
    def first(task: Task) -> None:
        assert task.certificate is not None
        task.certificate.candidates.sort(key=lambda candidate: not candidate.after_clarification)

    tasks = desk.verified("ambiguous")[:16]
    planted = of(desk, spoiled(tasks, first))["guess[guess-first, ambiguous]"]
    assert (planted.value or 0) > 0.4
    assert "passed 1.000" in planted.detail
    assert not verdicts([planted])[0].passed
    assert verdicts([of(desk, tasks)["guess[guess-first, ambiguous]"]])[0].passed


def test_the_usual_value_is_found_by_who_takes_it(desk: Made) -> None:
    usual = of(desk, branches(desk, "Hill"))["guess[guess-usual, ambiguous]"]
    assert "passed 1.000" in usual.detail
    assert not verdicts([usual])[0].passed
    even = of(desk, branches(desk, "Hill", "Old Town", "Harbour"))["guess[guess-usual, ambiguous]"]
    assert verdicts([even])[0].passed


ADDRESS = "modify_user_address"


def test_carrying_out_the_first_request_too_is_graded(shop: Made, desk: Made) -> None:
    """A second address takes the place of the first, so only a grader that looks at the way sees that both were
    written; here it is told not to look."""

    def only_the_end(task: Task) -> None:
        task.grader.basis, task.grader.forbidden = ["db"], []

    def writes(task: Task) -> set[str]:
        assert task.certificate is not None
        assert task.certificate.first_call is not None
        return {task.certificate.first_call.name, *(call.name for call in task.grader.gold if call.kind == "write")}

    undone = [task for task in shop.verified("changing") if writes(task) == {ADDRESS}]
    assert of(shop, spoiled(undone[:3], only_the_end))["a_then_b[changing]"].value == 1.0
    elsewhere = [task for task in desk.verified("changing") if writes(task) == {"cancel_hold"}]
    found = of(desk, elsewhere[:3])
    assert (found["oracle[changing]"].value, found["a_then_b[changing]"].value) == (1.0, 0.0)


def test_a_rollout_without_a_result_is_no_pass_and_no_miss(desk: Made) -> None:
    def broken(task: Task) -> None:
        task.grader.gold[0].name = "no_such_tool"
        assert task.certificate is not None
        task.certificate.candidates = [Candidate(arguments={}, final="", after_clarification=True)]

    tasks = spoiled(desk.verified("ambiguous")[:1], broken)
    found = of(desk, tasks)
    assert found["guess[guess-first, ambiguous]"].value in (None, -1.0)
    assert found["a_then_b"].value is None
    assert {measure.detail for measure in of(desk, []).values()} == {"there are no tasks to roll agents out on"}
