"""Two sides with tools: errands that the customer carries out in part, from exploration to the grade of stored rows."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import orjson
import pytest

from t2t_dist.config.settings import ModelSettings
from t2t_dist.core.prompts.render import user_prompt
from t2t_dist.core.schema import Step, Task, Trajectory, Turn
from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import USER, Call, Kind
from t2t_dist.grading.grade import grade
from t2t_dist.grading.process_checks import ProcessChecks
from t2t_dist.models.clients import Models
from t2t_dist.simulation.conversation import Rollout, roll_out
from t2t_dist.simulation.model_players import ModelAgent
from t2t_dist.simulation.players import UserPlayer
from t2t_dist.simulation.scripted.agents import KINDS, scripted_agent
from t2t_dist.simulation.seating import seat_user
from t2t_dist.storage.rows import from_row, to_row, turn_of, turn_row
from t2t_dist.synthesis.convert import convert_one
from t2t_dist.synthesis.explore import GraphExplorer, explore_graph, judge_trajectory
from t2t_dist.synthesis.explore_llm import explore
from t2t_dist.synthesis.grader_side import errands_in
from t2t_dist.synthesis.intents.trajectory_errands import errands_of
from tests.support.ereader_domain import EReaders
from tests.support.fake_endpoint import FakeEndpoint, Message, text, tool_call
from tests.support.made import Made, make, remake, verdict


@pytest.fixture(scope="module")
def made() -> Made:
    """60 explorations of the telephone provider, converted."""
    return make(registry.load("telecom", 0, 0.2), 60)


@pytest.fixture(scope="module")
def domain(made: Made) -> Domain:
    return made.domain


def both(task: Task) -> bool:
    """Whether agent and customer both change something for one errand."""
    goals = {errand.goal for errand in task.grader.errands or ()}
    sides = {call.requestor for call in task.grader.gold if call.kind == "write" and call.goal in goals}
    return sides == {None, "user"}


def customer(domain: Domain, task: Task, seed: int = 0) -> UserPlayer:
    return seat_user(Models(), "scripted", task.user, domain, task.task_id, seed)


async def played(domain: Domain, task: Task, agent: str = "oracle", seed: int = 0) -> Rollout:
    script = scripted_agent(agent, task, domain, seed)
    return await roll_out(task, domain, script, customer(domain, task, seed), seed=seed)


def own_calls(turns: list[Turn]) -> list[Call]:
    return [Call(c.name, orjson.loads(c.arguments)) for t in turns if t.seat == USER for c in t.tool_calls]


# -- explore and convert -----------------------------------------------------------------------------------------------
def test_exploration_uses_the_customers_tools_where_a_workflow_needs_them(made: Made, domain: Domain) -> None:
    steps = [step for trajectory in made.trajectories for step in trajectory.steps]
    assert all(step.requestor == ("user" if domain.tools[step.tool].side == USER else None) for step in steps)
    names = Counter(errand.name for t in made.trajectories for errand in errands_of(domain, t))
    assert set(names) >= set(domain.workflows) - {"restore_signal"}
    # What a workflow covers is never done by itself.
    assert not set(names) & {name for flow in domain.workflow_list for name in flow.covers}


def test_the_explorer_is_given_the_tools_of_its_workflows(domain: Domain) -> None:
    given = [
        GraphExplorer(domain, customer, random.Random(seed)).tools
        for seed, customer in enumerate(domain.customers(domain.base)[:20])
    ]
    assert sum(any(tool.side == USER for tool in tools) for tools in given) > 5


def test_tasks_of_every_intent_have_calls_of_the_customers_own(made: Made) -> None:
    own = Counter(t.intent for t in made.verified() if any(call.requestor for call in t.grader.gold))
    assert own["general"] >= 15
    assert own["changing"] >= 8
    assert min(own["ambiguous"], own["infeasible"]) >= 3
    assert any(both(task) for task in made.verified("general"))


def test_a_step_on_the_device_that_belongs_to_no_workflow_makes_no_task(domain: Domain) -> None:
    customer = domain.customers(domain.base)[0]
    number = domain.at_hand(domain.world(), customer)["phone_number"][0]
    entry = explore_graph(domain, customer, 0)[1][0]
    world, call = domain.world(), Call("set_network_mode", {"phone_number": number, "mode": "4G only"})
    result = domain.execute(world, call)
    step = Step(
        tool=call.name,
        kind="write",
        arguments=call.arguments,
        result=result.content,
        changed=result.changed,
        digest=world.digest,
        requestor="user",
    )
    trajectory = Trajectory(
        trajectory_id="t",
        index=0,
        domain="telecom",
        customer=customer,
        explorer="x",
        seed=0,
        initial=domain.world().digest,
        steps=[entry, step],
    )
    task = asyncio.run(convert_one(domain, trajectory, "general", None))
    assert task.reasons == ["loose_step"]
    assert "set_network_mode" in task.detail


async def test_a_model_explores_with_the_customers_tools_and_makes_the_same_errand(made: Made, domain: Domain) -> None:
    source = made.one("general", lambda task: both(task) and len(errands_in(task.grader)) == 1)
    calls = [call for call in source.grader.gold if call.name != "get_customer_details"]

    def brain(body: dict[str, Any]) -> Message:
        made_so_far = sum(m["role"] == "user" for m in body["messages"]) - 1
        if made_so_far == len(calls):
            return text('{"done": true}')
        call = calls[made_so_far]
        rules = [14] if call.kind == "write" and call.requestor is None else []  # the device's writes rely on no rule
        move = {"thought": "next", "rules": rules, "tool": call.name, "arguments": call.arguments}
        return text(orjson.dumps(move).decode())

    models = Models(ModelSettings(deadline_s=5.0))
    async with FakeEndpoint(brain) as fake:
        model = models.chat(f"openai:m@{fake.url}", "explorer")
        tools = [call.name for call in calls]
        found = await explore(domain, source.customer, tools, 12, [], model, 1)
        prompt = fake.requests[0].body["messages"][0]["content"]
    await models.close()
    assert found.verdict == "kept"
    assert [(step.tool, step.requestor) for step in found.steps] == [(call.name, call.requestor) for call in calls]
    assert "on the customer's own device, changes something" in prompt
    trajectory = made.trajectories[0].model_copy(
        update={"customer": source.customer, "steps": found.steps, "explorer": "m"}, deep=True
    )
    assert judge_trajectory(domain, trajectory) == "kept"
    task = await convert_one(domain, trajectory, "general", None)
    assert task.verdict == "verified", task.detail
    assert task.grader.errands == source.grader.errands
    assert task.grader.final == source.grader.final


# -- certificates ------------------------------------------------------------------------------------------------------
def test_certificates_stand_again_on_what_was_stored(made: Made, domain: Domain) -> None:
    for task in made.verified():
        again = from_row(Task, to_row(task))
        assert again == task
        assert verdict(domain, again) == "verified"


def test_a_gold_that_is_not_the_workflows_is_found_out(made: Made, domain: Domain) -> None:
    task = made.one("general", both)
    own = next(call for call in task.grader.gold if call.requestor and call.kind == "write")

    forged = task.model_copy(deep=True)
    forged.grader.gold = [call for call in forged.grader.gold if call != own]
    assert verdict(domain, remake(domain, forged)) == "gold_differs"

    forged = task.model_copy(deep=True)
    next(call for call in forged.grader.gold if call == own).requestor = None
    assert verdict(domain, forged) == "gold_differs"

    forged = task.model_copy(deep=True)
    forged.grader.errands = None
    assert verdict(domain, forged) == "goals_differ"

    forged = task.model_copy(deep=True)
    assert forged.grader.errands is not None
    forged.grader.errands[0].name = "restore_everything"
    assert verdict(domain, forged) == "goals_differ"

    forged = task.model_copy(deep=True)
    forged.user.at_hand = {"phone_number": ["555-200-0000"]}
    assert verdict(domain, forged) == "identity_differs"


def test_leaving_out_any_change_on_the_device_leaves_another_state(made: Made) -> None:
    for task in made.verified("general"):
        assert task.certificate is not None
        writes = [call for call in task.grader.gold if call.kind == "write"]
        assert len(task.certificate.without) == len(writes)
        assert task.grader.final not in task.certificate.without


# -- roll out and grade ------------------------------------------------------------------------------------------------
async def test_the_matrix_of_agents_and_intents_on_tasks_with_two_sides(made: Made, domain: Domain) -> None:
    rewards: dict[tuple[str, str], list[float]] = {}
    for task in made.verified():
        if not task.grader.errands:
            continue
        for kind in KINDS:
            done = await played(domain, task, kind, task.seed & 0xFF)
            outcome = grade(domain, task, done.turns, done.termination.value)
            assert outcome.final == done.final
            rewards.setdefault((kind, task.intent), []).append(outcome.reward)
            if kind == "oracle":
                assert done.flags == []
                assert all(outcome.process.values()), outcome.process
    for intent in ("general", "ambiguous", "changing", "infeasible"):
        assert set(rewards["oracle", intent]) == {1.0}
    for flawed in (("hasty", "ambiguous"), ("compliant", "infeasible"), ("silent", "general"), ("silent", "changing")):
        assert set(rewards[flawed]) == {0.0}, flawed
    assert set(rewards["stubborn", "changing"]) == {0.0}


async def test_the_customer_does_what_the_gold_has_them_do_and_the_device_is_graded(made: Made, domain: Domain) -> None:
    task = made.one("general", both)
    done = await played(domain, task)
    gold = [Call(call.name, call.arguments) for call in task.grader.gold if call.requestor]
    assert own_calls(done.turns) == gold
    # The transcript as it is stored gives the same grade; one in which the customer did nothing does not.
    stored = [turn_of(turn_row(turn)) for turn in done.turns]
    assert grade(domain, task, stored, "user_stop").reward == 1.0
    idle = [turn for turn in done.turns if not (turn.seat == USER and (turn.tool_calls or turn.role == "tool"))]
    outcome = grade(domain, task, idle, "user_stop")
    assert outcome.parts["db"] == 0.0
    assert "phones/" in outcome.detail["db"]


async def test_the_agent_learns_of_the_device_only_what_the_customer_says(made: Made, domain: Domain) -> None:
    """A model in the agent's seat is sent none of the customer's calls and results; it sees the lines it looks up."""
    task = made.one("general", both)
    steps = [call for call in task.grader.gold if call.goal >= 0]
    number = next(call.arguments["phone_number"] for call in steps if call.requestor)
    said = iter(["Please look at the status bar of the phone and tell me what you see.", "Thanks. Bye! ###STOP###"])
    async with FakeEndpoint(lambda body: text(next(said))) as fake:
        models = Models(ModelSettings(deadline_s=5.0))
        agent = ModelAgent(models.chat(f"openai:m@{fake.url}", "agent"), domain, "ep-1")
        done = await roll_out(task, domain, agent, customer(domain, task))
        await models.close()
    (call,) = own_calls(done.turns)
    assert call == Call("check_status_bar", {"phone_number": number})
    result = next(turn.content for turn in done.turns if turn.role == "tool")
    heard = [m for m in fake.requests[-1].body["messages"] if m["role"] == "user"]
    assert result in heard[-1]["content"]
    assert [m["role"] for m in fake.requests[-1].body["messages"]] == [
        "system",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    names = [tool["function"]["name"] for tool in fake.requests[-1].body["tools"]]
    assert not set(names) & {tool.name for tool in domain.user_tools}


async def test_a_model_as_the_customer_uses_its_own_tools_when_it_is_told_to(made: Made, domain: Domain) -> None:
    task = made.one("general", lambda task: both(task) and len(task.user.goals) == 1)
    todo = [call for call in task.grader.gold if call.requestor]
    guides = {call.name: domain.language.tool(call.name).guide[0].split("{")[0].strip() for call in todo}

    def brain(body: dict[str, Any]) -> Message:
        last = body["messages"][-1]
        if last["role"] == "tool":
            return text(f"Okay. {last['content']}")
        own = sum(m["role"] == "assistant" for m in body["messages"])
        if own == 0:
            return text(task.user.goals[0].request)
        for call in todo:
            if guides[call.name] in last["content"]:
                return tool_call(call.name, call.arguments, f"u{own}")
        if "anything else" in last["content"].lower() or "do you need" in last["content"].lower():
            return text("No, thanks. ###STOP###")
        if "?" in last["content"] and ("go ahead" in last["content"] or "Shall I" in last["content"]):
            return text("Yes, please go ahead.")
        return text(" ".join(fact.answer for fact in task.user.identity) + " Yes, please.")

    async with FakeEndpoint(brain) as fake:
        models = Models(ModelSettings(deadline_s=5.0))
        name = f"openai:m@{fake.url}"
        user = seat_user(models, name, task.user, domain, "ep-1", 0)
        agent = scripted_agent("oracle", task, domain, 0)
        # One wording each: the fake customer knows an instruction by how it begins.
        agent._script.words.phrases.pick = lambda options, about: options[0]  # type: ignore[attr-defined]
        done = await roll_out(task, domain, agent, user)
        await models.close()
    outcome = grade(domain, task, done.turns, done.termination.value)
    assert outcome.reward == 1.0, outcome.detail
    assert own_calls(done.turns) == [Call(call.name, call.arguments) for call in todo]
    body = fake.requests[0].body
    assert {tool["function"]["name"] for tool in body["tools"]} == {tool.name for tool in domain.user_tools}
    assert "Your tools are your own device" in body["messages"][0]["content"]
    assert all(
        number in body["messages"][0]["content"]
        for number in domain.at_hand(domain.world(), task.customer)["phone_number"]
    )


def test_the_prompt_says_what_is_at_hand_only_where_there_are_tools(made: Made) -> None:
    side = made.one("general", both).user
    assert "You have at hand (phone_number)" in user_prompt(side, has_tools=True)
    assert "at hand" not in user_prompt(side, has_tools=False)


@pytest.fixture(scope="module")
def ereaders() -> Made:
    return make(EReaders(), 40)


async def test_a_domain_without_words_of_its_own_works_as_well(ereaders: Made) -> None:
    """Sentences made of the tools' names: less pretty, and all intents come out and are solved."""
    made = ereaders
    own = [task for task in made.verified() if task.grader.errands]
    assert len(own) >= 20
    for task in own:
        done = await played(made.domain, task)
        outcome = grade(made.domain, task, done.turns, done.termination.value)
        assert outcome.reward == 1.0, (outcome.detail, [turn.content for turn in done.turns])
        assert {"check_shelf", "sync_ereader"} == {call.name for call in own_calls(done.turns)}


# -- process -----------------------------------------------------------------------------------------------------------
def test_a_write_of_the_workflow_wanted_first_is_too_early_before_the_change(made: Made, domain: Domain) -> None:
    def first_writes(task: Task) -> list[Call]:
        first = task.certificate.first_call if task.certificate else None
        if first is None or first.name not in domain.workflows or first.goal != 0:
            return []
        steps, world = [], domain.world()
        for step in domain.steps(world, Call(first.name, first.arguments)):
            domain.execute(world, step)
            steps.append(step)
        return [s for s in steps if domain.tools[s.name].kind is Kind.WRITE and domain.tools[s.name].side != USER]

    task = made.one("changing", lambda task: first_writes(task))
    call = first_writes(task)[0]
    checks = ProcessChecks(domain, task)
    checks.call(call.name, domain.execute(domain.world(), call), domain.world())
    assert checks.result()["trigger_first"] is False
    change = task.user.change
    assert change is not None
    checks = ProcessChecks(domain, task)
    checks.turn(Turn("agent", "assistant", "I would do that now. Shall I go ahead?"))
    checks.turn(Turn("user", "user", change.request))
    checks.call(call.name, domain.execute(domain.world(), call), domain.world())
    assert checks.result()["trigger_first"] is True
