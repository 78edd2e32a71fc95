"""The explorer without a model: seeded, within its budget, looking before it writes; which trajectories are kept."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Step, Trajectory
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import is_valid_errand
from t2t_dist.environments.registry import BUILT_IN, load
from t2t_dist.environments.state import Record
from t2t_dist.environments.tools import Call, Kind
from t2t_dist.synthesis.bindings import canonical_json, domain_values
from t2t_dist.synthesis.explore import (
    MAX_STEPS,
    GraphExplorer,
    check_weights,
    explore_graph,
    judge_trajectory,
    rules_relied_on,
    step_budget,
    times,
)
from t2t_dist.synthesis.tool_graph import graph_of
from tests.support.library_domain import Library
from tests.support.made import Made, explored


# -- what an exploration is --------------------------------------------------------------------------------------------
def test_the_same_seed_explores_the_same_and_another_one_something_else(made: Made) -> None:
    domain, customer = made.domain, made.trajectories[3].customer
    assert explore_graph(domain, customer, 5) == explore_graph(domain, customer, 5)
    assert len({str(explore_graph(domain, customer, seed)) for seed in range(12)}) > 6


def test_nothing_remembered_from_earlier_explorations_shows_in_a_later_one(library: Domain) -> None:
    again = Library()
    for index in range(10):
        assert explored(again, index) == explored(library, index)


def test_no_call_is_made_twice(made: Made) -> None:
    for trajectory in made.trajectories:
        keys = [canonical_json([step.tool, step.arguments]) for step in trajectory.steps]
        assert len(set(keys)) == len(keys)


def test_the_budget_is_kept(made: Made) -> None:
    for trajectory in made.trajectories:
        explorer = GraphExplorer(made.domain, trajectory.customer, random.Random(trajectory.seed))
        steps = explorer.run()
        assert steps == trajectory.steps
        assert len(steps) <= explorer.budget <= MAX_STEPS


def test_only_the_tools_given_are_called_and_the_first_call_finds_the_customer(made: Made) -> None:
    for trajectory in made.trajectories:
        assert {step.tool for step in trajectory.steps} <= set(trajectory.tools)
        first = trajectory.steps[0]
        tool = made.domain.tools[first.tool]
        result = made.domain.execute(made.domain.world(), Call(first.tool, first.arguments))
        assert made.domain.identified(tool, result.value) == trajectory.customer
        others = set(made.domain.entry_tools) - {tool}
        assert not {step.tool for step in trajectory.steps} & {other.name for other in others}


def replayed(domain: Domain, trajectory: Trajectory) -> Iterator[tuple[Step, set[bytes]]]:
    """Each step with the values that the customer knows or that were shown before it."""
    world = domain.world()
    facts = domain.profile(world, trajectory.customer).facts
    shown = {canonical_json(value) for value in facts.values()}
    for step in trajectory.steps:
        yield step, set(shown)
        result = domain.execute(world, Call(step.tool, step.arguments))
        tool = domain.tools[step.tool]
        if not result.error:
            shown |= {canonical_json(found.value) for found in tool.found(result.value, step.arguments)}


def test_every_argument_stood_in_an_earlier_result_or_is_known_to_the_customer(made: Made) -> None:
    domain, checked = made.domain, 0
    rng = random.Random(0)
    for trajectory in made.trajectories:
        for step, shown in replayed(domain, trajectory):
            if step.error:  # a refusal is the proposal of a rule, not something found
                continue
            for name, value in domain_values(domain.tools[step.tool], step.arguments):
                if not domain.samples(domain.world(), name, trajectory.customer, rng):
                    assert canonical_json(value) in shown, (step.tool, name, value)
                    checked += 1
    assert checked > 80


def test_what_a_write_is_about_was_looked_up_before(made: Made) -> None:
    domain, graph, looked = made.domain, graph_of(made.domain), 0
    for trajectory in made.trajectories:
        done: set[tuple[str, bytes]] = set()
        for step in trajectory.steps:
            for name, value in domain_values(domain.tools[step.tool], step.arguments):
                detail = graph.detail_tool(name)
                if step.changed and detail is not None and name == "OrderId":
                    assert (detail.name, canonical_json(value)) in done
                    looked += 1
                done.add((step.tool, canonical_json(value)))
    assert looked > 20 or domain.name != "retail"


def test_writes_keep_the_rules_and_name_those_they_rely_on(made: Made) -> None:
    domain, writes = made.domain, 0
    for trajectory in made.trajectories:
        world = domain.world()
        for step in trajectory.steps:
            call = Call(step.tool, step.arguments)
            if step.changed:
                assert is_valid_errand(domain, world, call, trajectory.customer)
                writes += 1
            if step.kind == "write":
                numbers = [rule.number for rule in domain.rule_list if step.tool in rule.tools]
                assert step.rules == rules_relied_on(domain, step.tool) == numbers != []
            else:
                assert step.rules == []
            domain.execute(world, call)
            assert step.digest == world.digest
    assert writes >= len(made.trajectories) * 0.8


def test_some_look_ups_serve_nothing_and_most_tools_come_up(shop: Made) -> None:
    tools = {step.tool for trajectory in shop.trajectories for step in trajectory.steps}
    writes = {tool.name for tool in shop.domain.of_kind(Kind.WRITE)}
    assert writes <= tools
    assert {"list_user_orders", "get_order_details", "get_product_details"} <= tools


class NothingOpen(Library):
    """A library where no hold can be changed."""

    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        tables, clock = super().database(seed, scale)
        holds = {key: {**hold, "status": "fetched"} for key, hold in tables["holds"].items()}
        return {**tables, "holds": holds}, clock


def test_where_nothing_can_be_written_a_refusal_is_left_instead() -> None:
    domain = NothingOpen()
    for index in range(10):
        trajectory = explored(domain, index)
        last = trajectory.steps[-1]
        assert (last.tool, last.error, last.changed) == ("cancel_hold", True, False)
        assert trajectory.verdict == "kept"


# -- budget ------------------------------------------------------------------------------------------------------------
def test_budgets_are_those_of_the_paper() -> None:
    drawn = [step_budget(random.Random(seed)) for seed in range(4000)]
    assert min(drawn) == 2
    assert max(drawn) == MAX_STEPS == 12
    assert statistics.fmean(drawn) == pytest.approx(0.6 * MAX_STEPS, abs=0.15)
    assert statistics.stdev(drawn) == pytest.approx(MAX_STEPS / 5, abs=0.2)


# -- what is kept ------------------------------------------------------------------------------------------------------
def copy(trajectory: Trajectory) -> Trajectory:
    return trajectory.model_copy(deep=True)


@pytest.fixture
def good(desk: Made) -> Trajectory:
    """Two reads, then at least one write."""
    return copy(next(t for t in desk.trajectories if [s.kind for s in t.steps[:3]] == ["read", "read", "write"]))


def test_reasons_not_to_keep_a_trajectory(library: Domain, good: Trajectory) -> None:
    assert judge_trajectory(library, good) == "kept"

    empty = copy(good)
    empty.steps = []
    assert judge_trajectory(library, empty) == "empty"

    repeated = copy(good)
    repeated.steps.append(repeated.steps[1])
    assert judge_trajectory(library, repeated) == "repeated_call"

    unknown = copy(good)
    del unknown.steps[0]
    assert judge_trajectory(library, unknown) == "not_authenticated"

    reading = copy(good)
    reading.steps = reading.steps[:2]
    assert judge_trajectory(library, reading) == "no_effect"

    elsewhere = copy(good)
    elsewhere.steps[-1].digest = elsewhere.steps[0].digest
    assert judge_trajectory(library, elsewhere) == "not_replayable"

    other = copy(good)
    other.steps[2].arguments = {**other.steps[2].arguments, "hold_id": "H0-0"}
    assert judge_trajectory(library, other) in ("not_replayable", "breaks_rule")


def test_a_write_that_only_the_policy_forbids_is_not_kept(library: Domain) -> None:
    rule = next(rule for rule in library.rule_list if rule.number == 4)
    customer, call = next(
        (customer, call)
        for customer in library.customers(library.base)
        for call in rule.proposals(library.world(), customer)
    )
    trajectory = next(t for t in (explored(library, i) for i in range(20)) if t.customer == customer)
    world = library.world()
    trajectory.steps = trajectory.steps[:1]
    result = library.execute(world, call)
    assert result.changed
    step = trajectory.steps[0].model_copy(
        update={"tool": call.name, "kind": "write", "arguments": call.arguments, "changed": True}
    )
    step.digest = world.digest
    trajectory.steps.append(step)
    assert judge_trajectory(library, trajectory) == "breaks_rule"


# -- weights -----------------------------------------------------------------------------------------------------------
def errands_done(domain: Domain, count: int, weights: Mapping[str, float]) -> Counter[str]:
    """The agent's writes of so many explorations."""
    done: Counter[str] = Counter()
    for seed, customer in enumerate(domain.callers[:count]):
        _, steps = explore_graph(domain, customer, seed, weights)
        done.update(step.tool for step in steps if step.changed and step.requestor is None)
    return done


def test_an_errand_is_explored_as_often_as_its_weight_says(retail: Domain) -> None:
    usual = errands_done(retail, 60, {})
    often = errands_done(retail, 60, {"modify_user_address": 20.0, "cancel_pending_order": 0.0})
    assert usual["cancel_pending_order"] > 0
    assert often["cancel_pending_order"] == 0
    assert often["modify_user_address"] > 2 * usual["modify_user_address"]


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_by_default_no_write_crowds_out_the_others(name: str) -> None:
    """A quarter of all at most, and something for chance."""
    done = errands_done(load(name), 150, {})
    assert max(done.values()) < 0.29 * done.total()
    assert set(done) == {tool.name for tool in load(name).of_kind(Kind.WRITE)}


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"cancel_order": 2.0}, "no errand 'cancel_order'; did you mean cancel_pending_order"),
        ({"x": 1.0}, "no errand 'x'; its errands are: cancel_pending_order, "),
    ],
)
def test_a_weight_for_what_is_no_errand(retail: Domain, weights: dict[str, float], said: str) -> None:
    with pytest.raises(InputError) as error:
        check_weights(weights, retail)
    assert str(error.value).startswith("errand_weights: retail has ")
    assert said in str(error.value)


def test_a_weight_of_0_for_every_errand(library: Domain) -> None:
    with pytest.raises(InputError, match="every errand has the weight 0; leave one of them out"):
        check_weights(dict.fromkeys([errand.name for errand in library.errands], 0.0), library)


def test_weights_are_multiplied() -> None:
    assert times({"a": 2.0, "b": 0.0}, {"a": 3.0, "c": 0.5}) == {"a": 6.0, "b": 0.0, "c": 0.5}
