"""Tools that fail by plan: which, what an agent is expected to do then, and that grades can be made again."""

from __future__ import annotations

import asyncio
import time
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import FaultsConfig
from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import INTENTS, Task
from t2t_dist.environments.tool_faults import Fault, FaultyTools, with_tool_faults
from t2t_dist.environments.tools import Call, Kind
from t2t_dist.grading.diagnose import Diagnosis, diagnose
from t2t_dist.grading.expected import expected
from t2t_dist.grading.grade import grade
from t2t_dist.models.clients import Models
from t2t_dist.pipeline.episodes import EpisodeRunner
from t2t_dist.simulation.tool_fault_plan import check_tools, plan_of
from t2t_dist.storage.rows import faults_of, outcome_of, turn_of
from tests.support.made import Made
from tests.support.matrix import tasks_of
from tests.support.stored import stored
from tests.support.transcript import Transcript

#: The oracle's tools fail; it tries again, takes another way, or says that it can't be done.
ALL_OF = {"retry": 1.0, "switch": 1.0, "impossible": 1.0}


def rolled_out(made: Made, tasks: list[Task], agent: str, **faults: Any) -> list[dict[str, Any]]:
    """Rows of an agent's episodes; all are graded ones."""
    settings = {f"faults.{name}": value for name, value in faults.items()}
    runner = EpisodeRunner("run-1", load_config(None, {"agents": [agent], **settings}), Models(), made.domain)

    async def play() -> list[Any]:
        return [stored(await runner.run(task, agent, 0)) for task in tasks]

    done = asyncio.run(play())
    assert {each.table for each in done} == {"episodes"}, [each.row.get("message") for each in done]
    return [each.row for each in done]


@pytest.mark.parametrize("fault", ["retry", "switch", "impossible"])
def test_the_oracle_copes_with_every_fault(built_in: Made, fault: str) -> None:
    tasks = tasks_of(built_in, 8)
    rows = rolled_out(built_in, tasks, "scripted:oracle", **{fault: 1.0})
    wrong = [(row["task_id"], row["faults"], row["detail"]) for row in rows if row["reward"] != 1.0]
    assert wrong == []
    given = [row for row in rows if fault in faults_of(row).values()]
    refused = [turn for row in given for turn in row["turns"] if turn["role"] == "tool" and turn["error"]]
    if fault == "switch" and not given:
        assert built_in.domain.name != "retail", "nobody of the shop's customers can be found in another way"
        return
    assert len(given) >= len(tasks) / 5
    assert len(refused) >= len(given) / 2


def test_all_faults_at_once(built_in: Made) -> None:
    tasks = tasks_of(built_in, 6)
    rows = rolled_out(built_in, tasks, "scripted:oracle", **ALL_OF)
    assert [row["task_id"] for row in rows if row["reward"] != 1.0] == []
    by_id = {task.task_id: task for task in tasks}
    for row in rows:
        turns, plan = [turn_of(turn) for turn in row["turns"]], faults_of(row)
        # What regrade does, from what is stored: the same grade with the faults, another one without them.
        again = grade(built_in.domain, by_id[row["task_id"]], turns, row["termination"], plan)
        assert again == outcome_of(row)
        without = grade(built_in.domain, by_id[row["task_id"]], turns, row["termination"])
        assert "replay" in without.detail
        assert "replay" not in again.detail


def test_an_agent_that_gives_up_at_once_fails(shop: Made) -> None:
    """Silent never writes: under faults that can be overcome it is as wrong as without them."""
    tasks = shop.verified("general")[:6]
    assert [row["reward"] for row in rolled_out(shop, tasks, "scripted:silent", retry=1.0)] == [0.0] * 6
    for row, task in zip(rolled_out(shop, tasks, "scripted:silent", retry=1.0), tasks, strict=True):
        turns = [turn_of(turn) for turn in row["turns"]]
        why = diagnose(shop.domain, task, turns, row["termination"], outcome_of(row), row["flags"], faults_of(row))
        assert why.primary == "missing_write"


def test_writing_something_else_is_wrong_where_the_write_is_impossible(shop: Made) -> None:
    """A compliant agent's forbidden call fails by plan, and it was issued all the same."""
    tasks = shop.verified("infeasible")[:8]
    rows = rolled_out(shop, tasks, "scripted:compliant", impossible=1.0)
    assert fmean(row["reward"] for row in rows) == 0.0


def test_faults_are_the_same_for_all_agents_and_trials_differ(shop: Made) -> None:
    tasks = tasks_of(shop, 5)
    plans = [
        [faults_of(row) for row in rolled_out(shop, tasks, f"scripted:{agent}", retry=0.3, late=0.2, late_s=0.0)]
        for agent in ("oracle", "hasty")
    ]
    assert plans[0] == plans[1]
    assert len({tuple(sorted(plan.items())) for plan in plans[0]}) > len(tasks) / 2
    config = FaultsConfig(retry=0.3)
    assert plan_of(config, shop.domain, tasks[0], 1) != plan_of(config, shop.domain, tasks[0], 2)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 10**6))
def test_shares(retry: float, more: float, seed: int) -> None:
    """A larger share takes more tools, and what was drawn for a tool stays."""
    desk = _desk()
    task = desk.verified("general")[0]
    small = plan_of(FaultsConfig(retry=min(retry, more)), desk.domain, task, seed)
    large = plan_of(FaultsConfig(retry=max(retry, more)), desk.domain, task, seed)
    assert set(small) <= set(large)
    names = {tool.name for tool in desk.domain.tools.side("agent") if tool.kind is not Kind.GENERIC}
    assert set(large) <= names
    assert plan_of(FaultsConfig(), desk.domain, task, seed) == {}
    assert set(plan_of(FaultsConfig(retry=1), desk.domain, task, seed)) == names


_MADE: list[Made] = []


def _desk() -> Made:
    return _MADE[0]


@pytest.fixture(autouse=True)
def _keep(desk: Made) -> None:
    _MADE[:] = [desk]


def test_somebody_can_always_be_found(built_in: Made) -> None:
    """Switched ways in are never all that a customer has."""
    for task in tasks_of(built_in, 15):
        plan = plan_of(FaultsConfig(switch=1.0), built_in.domain, task, 3)
        said = {fact.slot for fact in task.user.identity}
        open_ways = [tool for tool in built_in.domain.entry_tools if tool.name not in plan and tool.consumes() <= said]
        assert open_ways, task.task_id


def test_what_is_expected(shop: Made) -> None:
    task = shop.one("general", lambda task: len(task.grader.allowed_diff) > 0)
    write = next(call for call in task.grader.gold if call.kind == Kind.WRITE)
    for harmless in ({}, {write.name: "retry"}, {"no_such_tool": "impossible"}):
        usual = expected(shop.domain, task, harmless)
        assert (usual.finals, usual.communicate) == ((task.grader.final,), task.grader.communicate)
    stuck = expected(shop.domain, task, {write.name: "impossible"})
    assert task.grader.final not in stuck.finals


def test_a_call_that_fails_leaves_the_world_alone(shop: Made) -> None:
    task = shop.one("general", lambda task: len(task.grader.allowed_diff) > 0)
    write = next(call for call in task.grader.gold if call.kind == Kind.WRITE)
    domain = with_tool_faults(shop.domain, {write.name: Fault.RETRY.value})
    world = domain.world()
    for step in task.grader.gold[: task.grader.gold.index(write)]:
        assert not domain.execute(world, Call(step.name, step.arguments)).error
    before = world.digest
    first = domain.execute(world, Call(write.name, write.arguments))
    assert first.error
    assert "made again" in first.content
    assert world.digest == before
    second = domain.execute(world, Call(write.name, write.arguments))
    assert not second.error
    assert world.digest != before
    # The domain itself, and the next attempt at the episode, know nothing of it.
    assert with_tool_faults(shop.domain, {}) is shop.domain
    assert with_tool_faults(shop.domain, {write.name: "retry"}).execute(shop.domain.world(), Call(write.name, {})).error


async def test_what_is_late_holds_nobody_else_up(shop: Made) -> None:
    read = shop.domain.of_kind(Kind.READ)[0].name
    tools, world = FaultyTools(shop.domain.tools, {read: "late"}, 0.2), shop.domain.world()
    began = time.perf_counter()
    results = await asyncio.gather(*(tools.execute_async(world, read, "{}") for _ in range(20)))
    assert 0.2 <= time.perf_counter() - began < 2.0
    plain = shop.domain.tools.execute(world, read, "{}")
    assert [result.content for result in results] == [plain.content] * 20


def test_late_answers_are_in_the_transcripts_times(desk: Made) -> None:
    (row,) = rolled_out(desk, desk.verified("general")[:1], "scripted:oracle", late=1.0, late_s=0.02)
    times = [turn["t_tool"] for turn in row["turns"] if turn["role"] == "tool"]
    assert times
    assert min(times) >= 0.02
    assert row["reward"] == 1.0


def test_a_tool_that_there_is_not(shop: Made) -> None:
    with pytest.raises(InputError, match="did you mean get_order"):
        check_tools(FaultsConfig(retry=1.0, tools=["get_ordr"]), shop.domain)
    check_tools(FaultsConfig(retry=1.0, tools=[shop.domain.of_kind(Kind.READ)[0].name]), shop.domain)


def test_only_chosen_tools(shop: Made) -> None:
    read = shop.domain.of_kind(Kind.READ)[0].name
    task = shop.verified("general")[0]
    assert plan_of(FaultsConfig(retry=1.0, tools=[read]), shop.domain, task, 1) == {read: "retry"}


def test_intents_come_through(shop: Made) -> None:
    rows = rolled_out(shop, tasks_of(shop, 4), "scripted:oracle", impossible=1.0)
    assert {row["intent"] for row in rows} == set(INTENTS)


# -- what is diagnosed -------------------------------------------------------------------------------------------------
def _why(made: Made, task: Task, talk: Transcript, plan: dict[str, str], end: str = "user_stop") -> Diagnosis:
    outcome = grade(made.domain, task, talk.turns, end, plan)
    return diagnose(made.domain, task, talk.turns, end, outcome, (), plan)


@pytest.mark.parametrize("plan", ["retry", "switch", "impossible"])
def test_a_call_that_was_made_to_fail_is_no_format_error(desk: Made, plan: str) -> None:
    """Whatever the call was: the tool's answer said nothing about it."""
    task = desk.verified("general")[0]
    faults = {"find_reader": plan}
    for arguments in ({"card": task.user.identity[0].text}, {"crad": 7}, "not json"):
        domain = with_tool_faults(desk.domain, faults)
        talk = Transcript(domain).user("hello")
        assert talk.call("find_reader", arguments).made_to_fail
        found = _why(desk, task, talk.agent("Sorry.").user("Bye. ###STOP###"), faults)
        assert "format_error" not in found.codes
        assert found.primary == "missing_write"
    # What it would have refused without a fault is the agent's own.
    talk = Transcript(with_tool_faults(desk.domain, faults)).user("hello")
    talk.call("no_such_tool", {})
    assert "format_error" in _why(desk, task, talk.user("Bye. ###STOP###"), faults).codes


def test_a_conversation_cut_off_by_tools_that_were_made_to_fail_is_no_fault_of_the_agent(desk: Made) -> None:
    task = desk.verified("general")[0]
    names = [tool.name for tool in desk.domain.tools.side("agent")]
    faults = dict.fromkeys(names, "retry")
    talk = Transcript(with_tool_faults(desk.domain, faults)).user("hello")
    for name in names:
        assert talk.call(name, {}).made_to_fail
    found = _why(desk, task, talk, faults, "too_many_errors")
    assert found.primary == "tool_fault"
    assert all(f"{name} (retry)" in found.findings[0].detail for name in names)
    # One that calls what is out of order again and again has itself to blame.
    faults = {"find_reader": "switch"}
    talk = Transcript(with_tool_faults(desk.domain, faults)).user("hello")
    for _ in range(10):
        talk.call("find_reader", {"card": "C1000"})
    assert _why(desk, task, talk, faults, "too_many_errors").primary == "looped"


def test_what_could_not_be_done_is_not_missing(desk: Made) -> None:
    """An agent that does something else is told of that, and not of the write that was impossible."""
    task = desk.one("general", lambda t: [c.name for c in t.grader.gold if c.kind == "write"] == ["move_hold"])
    faults = {"move_hold": "impossible"}
    talk = Transcript(with_tool_faults(desk.domain, faults)).user(task.user.goals[0].request)
    for call in task.grader.gold:
        talk.call(call.name, call.arguments)
    write = next(call for call in task.grader.gold if call.kind == "write")
    assert talk.call("cancel_hold", {"hold_id": write.arguments["hold_id"]}).changed
    found = _why(desk, task, talk.agent("I can't move it today.").user("Bye. ###STOP###"), faults)
    assert found.primary == "extra_write"
    assert "missing_write" not in found.codes
    assert "refused_feasible" not in found.codes
    # One that could have been repeated is missing, and the fault is named.
    faults = {"move_hold": "retry"}
    talk = Transcript(with_tool_faults(desk.domain, faults)).user(task.user.goals[0].request)
    for call in task.grader.gold:
        talk.call(call.name, call.arguments)
    found = _why(desk, task, talk.agent("It did not work.").user("Bye. ###STOP###"), faults)
    assert found.primary == "missing_write"
    assert found.findings[0].detail.endswith("; move_hold was made to fail (retry)")
