"""Every fault of an endpoint, in every seat, from the HTTP answer to the row that is stored.

A fault that passes leaves a graded episode; one that stays leaves a row of the right failure class, with the transcript
and without a reward, or where it is the agent's own mistake a graded episode with reward 0. Never anything else.
"""

from __future__ import annotations

import random
from typing import Any

import orjson
import pyarrow as pa
import pytest

from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import FailureClass
from t2t_dist.evaluation.costs import costs_of
from t2t_dist.grading.grade import grade
from t2t_dist.models.clients import Models
from t2t_dist.models.metering import PREFIX
from t2t_dist.pipeline.episodes import EpisodeRunner
from t2t_dist.pipeline.item_rows import ItemRows
from t2t_dist.pipeline.stages import Stages
from t2t_dist.pipeline.workloads import Generate
from t2t_dist.storage.rows import SCHEMAS, turn_of
from t2t_dist.synthesis.explore import GraphExplorer, rules_relied_on
from tests.support.fake_endpoint import FAULTS, FakeEndpoint, Fault, Message, text, tool_call
from tests.support.fault_classes import REJECTED, RETRIED
from tests.support.stored import Stored, stored
from tests.support.tasks import cancelling, pending_order, shop

RETRY_AFTER = 0.05
#: Seconds for one request. "never" costs two of them a call.
DEADLINE_S = 0.3
REQUESTS, ATTEMPTS, MAX_ERRORS = 2, 2, 4

#: Answers of a model, and a mistake in them.
MISTAKES = ("bad_arguments", "unknown_tool")
TOO_LONG = ("context_length", "context_length_vllm")


def test_every_fault_of_the_endpoint_is_accounted_for() -> None:
    assert {*RETRIED, *REJECTED, *MISTAKES, *TOO_LONG, "delay"} == set(FAULTS)


def fault_of(kind: str) -> Fault:
    after = str(RETRY_AFTER) if kind in ("429", "500", "503") else None
    return Fault(kind, seconds=0.01, retry_after=after)


def settings(kind: str) -> dict[str, Any]:
    """Patient, except where an answer is waited for that never comes."""
    deadline = DEADLINE_S if kind == "never" else 10.0
    models = {"deadline_s": deadline, "max_attempts": REQUESTS, "backoff_base_s": 0.005}
    return {f"models.{name}": value for name, value in models.items()}


def fits(table: str, row: dict[str, Any]) -> bool:
    """Whether the store takes a row as it is."""
    pa.RecordBatch.from_pylist([row], schema=SCHEMAS[table]).validate(full=True)
    return set(row) == set(SCHEMAS[table].names)


def answered(messages: list[dict[str, Any]]) -> bool:
    """Whether every call in a conversation has its result: endpoints refuse one that has not."""
    for place, message in enumerate(messages):
        results = messages[place + 1 : place + 1 + len(message.get("tool_calls") or ())]
        if [call["id"] for call in message.get("tool_calls") or ()] != [each.get("tool_call_id") for each in results]:
            return False
    return True


# -- agent and user ----------------------------------------------------------------------------------------------------
def seat_of(body: dict[str, Any]) -> str:
    """Only the shop's agent has tools."""
    return "agent" if "tools" in body else "user"


def converse(body: dict[str, Any]) -> Message:
    """Both seats of a conversation that cancels the order, whatever came in between."""
    task, order = cancelling(), pending_order()[1]
    messages = body["messages"]
    if seat_of(body) == "user":
        said = [m["content"] for m in messages if m["role"] == "assistant" and not m.get("tool_calls")]
        lines = (task.user.goals[0].request, "Yes, please.", "Thank you! ###STOP###")
        return text(lines[min(len(said), 2)])
    done = sum(m["role"] == "tool" and not m["content"].startswith("Error") for m in messages)
    gold = task.grader.gold
    if done < 2 or (done == 2 and messages[-1]["role"] == "user"):
        return tool_call(gold[done].name, gold[done].arguments, f"call_{len(messages)}")
    if done == 2 and sum(m["role"] == "user" for m in messages) == 1:
        return text(f"I'd cancel order {order}, no longer needed, and refund it. Shall I (yes/no)?")
    return text(f"I've cancelled order {order}.")


async def episode(kind: str, faults: Any, **overrides: Any) -> tuple[Stored, FakeEndpoint]:
    async with FakeEndpoint(converse, faults) as fake:
        name = f"openai:m@{fake.url}"
        limits = {"limits.attempts": ATTEMPTS, "limits.max_errors": MAX_ERRORS}
        config = load_config(
            None, {"scale": 0.1, "agents": [name], "user": name, **limits, **settings(kind), **overrides}
        )
        models = Models(config.models)
        try:
            done = stored(await EpisodeRunner("run-1", config, models, shop()).run(cancelling(), name, 0))
        finally:
            await models.close()
    assert fits(done.table, done.row)
    assert all(answered(request.body["messages"]) for request in fake.requests)
    assert shop().world().digest == cancelling().grader.initial
    return done, fake


def graded(done: Stored) -> float:
    """The reward of an episode's row, which grading what is stored must give again."""
    assert done.table == "episodes"
    turns = [turn_of(turn) for turn in done.row["turns"]]
    outcome = grade(shop(), cancelling(), turns, done.row["termination"])
    assert outcome.reward == done.reward == done.row["reward"]
    assert outcome.final == done.row["final"]
    return outcome.reward


def spoken(row: dict[str, Any], seat: str) -> list[dict[str, Any]]:
    """A seat's turns that a model gave."""
    return [turn for turn in row["turns"] if turn["seat"] == seat and turn["model"]]


def at(seat: str, place: int, kind: str, times: int | None = 1) -> Any:
    """The fault for the requests of a seat from its ``place``-th on, ``times`` times or forever."""
    left = times

    def faults(_: int, body: dict[str, Any]) -> Fault | None:
        nonlocal left
        # By what the seat has said before (except the greeting), so that it holds in every attempt.
        own = sum(message["role"] == "assistant" for message in body["messages"]) - (seat == "agent")
        if seat_of(body) != seat or own < place or left == 0:
            return None
        left = None if left is None else left - 1
        return fault_of(kind)

    return faults


async def test_the_conversation_without_a_fault() -> None:
    done, fake = await episode("", ())
    assert graded(done) == 1.0
    assert done.row["termination"] == "user_stop"
    assert (len(spoken(done.row, "agent")), len(spoken(done.row, "user"))) == (5, 3)
    assert len(fake.requests) == 8


@pytest.mark.parametrize("seat", ["agent", "user"])
@pytest.mark.parametrize("kind", [*RETRIED, "delay"])
async def test_a_fault_that_passes_leaves_a_graded_episode_and_is_seen_in_it(kind: str, seat: str) -> None:
    done, fake = await episode(kind, at(seat, 1, kind))
    assert graded(done) == 1.0
    assert done.row["attempt"] == 1  # asked again by the client; the conversation was not begun again
    hit = spoken(done.row, seat)[1]
    assert len(fake.requests) == (8 if kind == "delay" else 9)
    if kind in ("429", "500", "503"):
        assert hit["t_queue"] >= RETRY_AFTER
    elif kind == "never":
        assert hit["t_queue"] >= DEADLINE_S
    elif kind == "delay":
        assert hit["t_model"] >= 0.01
    sent = [r.body["seed"] for r in fake.requests if seat_of(r.body) == seat]
    assert orjson.loads(hit["sampling"])["seed"] == sent[1] + (kind in ("empty", "filtered"))


@pytest.mark.parametrize("kind", MISTAKES)
async def test_a_mistake_of_the_agents_is_reported_to_it_and_can_be_corrected(kind: str) -> None:
    done, fake = await episode(kind, at("agent", 1, kind))
    assert graded(done) == 1.0
    (refused,) = [turn for turn in done.row["turns"] if turn["error"]]
    assert refused["content"].startswith("Error: ")
    assert len(fake.requests) == 9


@pytest.mark.parametrize("kind", MISTAKES)
async def test_a_user_who_calls_a_tool_it_has_not_got_is_told_and_goes_on(kind: str) -> None:
    done, _ = await episode(kind, at("user", 1, kind))
    assert graded(done) == 1.0
    (refused,) = [turn for turn in done.row["turns"] if turn["error"]]
    assert (refused["seat"], refused["role"]) == ("user", "tool")


@pytest.mark.parametrize("seat", ["agent", "user"])
@pytest.mark.parametrize(("kind", "failure"), [*RETRIED.items(), *REJECTED.items()])
async def test_a_fault_that_stays_is_a_failure_row_with_the_transcript_and_no_reward(
    kind: str, failure: FailureClass, seat: str
) -> None:
    done, fake = await episode(kind, at(seat, 1, kind, times=None))
    assert (done.table, done.reward) == ("failures", None)
    assert "reward" not in done.row
    assert done.row["failure"] == failure.value
    assert f"seat {seat}" in done.row["message"] or kind in REJECTED
    assert fake.url in done.row["message"]
    attempts = 1 if kind in REJECTED else ATTEMPTS
    assert done.row["attempts"] == attempts
    # The last attempt's transcript: greeting, and all that was said before the fault.
    roles = [(turn["seat"], turn["role"]) for turn in done.row["turns"]]
    before = [("agent", "assistant"), ("user", "user"), ("agent", "assistant"), ("agent", "tool")]
    if seat == "user":
        before += [("agent", "assistant"), ("agent", "tool"), ("agent", "assistant")]
    assert roles == before
    asked = [body for body in (r.body for r in fake.requests) if seat_of(body) == seat]
    assert len(asked) == attempts * (1 + (1 if kind in REJECTED else REQUESTS))
    assert {usage["seat"] for usage in done.row["usage"]} == {"agent", "user"}


async def test_a_slow_endpoint_is_no_fault() -> None:
    done, _ = await episode("delay", at("agent", 0, "delay", times=None))
    assert graded(done) == 1.0


@pytest.mark.parametrize("kind", MISTAKES)
async def test_an_agent_that_only_makes_mistakes_is_graded_with_nothing(kind: str) -> None:
    done, fake = await episode(kind, at("agent", 1, kind, times=None))
    assert graded(done) == 0.0
    assert done.row["termination"] == "too_many_errors"
    assert done.row["attempt"] == 1
    assert sum(turn["error"] for turn in done.row["turns"]) == MAX_ERRORS
    assert len(fake.requests) == 1 + 1 + MAX_ERRORS


@pytest.mark.parametrize("kind", MISTAKES)
async def test_a_user_who_only_makes_mistakes_is_a_failure_and_not_the_agents(kind: str) -> None:
    done, _ = await episode(kind, at("user", 1, kind, times=None))
    assert (done.table, done.reward) == ("failures", None)
    assert done.row["failure"] == FailureClass.USER_SIMULATOR_FAULT.value
    assert done.row["attempts"] == ATTEMPTS
    assert sum(turn["error"] for turn in done.row["turns"]) == MAX_ERRORS


@pytest.mark.parametrize("kind", TOO_LONG)
async def test_a_context_that_is_full_ends_the_agents_episode_and_fails_the_users(kind: str) -> None:
    done, _ = await episode(kind, at("agent", 2, kind, times=None))
    assert graded(done) == 0.0
    assert done.row["termination"] == "context_exceeded"
    done, _ = await episode(kind, at("user", 1, kind, times=None))
    assert (done.table, done.row["failure"]) == ("failures", FailureClass.USER_SIMULATOR_FAULT.value)


async def test_the_conversations_own_deadline_is_a_failure_that_is_not_tried_again() -> None:
    done, _ = await episode("", at("user", 1, "never", times=None), **{"limits.deadline_s": 1.0})
    assert (done.table, done.row["failure"], done.row["attempts"]) == ("failures", FailureClass.DEADLINE.value, 1)
    assert [turn["content"] for turn in done.row["turns"]][1] == cancelling().user.goals[0].request


async def test_an_attempt_after_a_failed_one_begins_with_a_fresh_world() -> None:
    """The fault comes after the write: made twice on one world, the second would be refused."""
    faults = iter([None] * 7 + ["503"] * REQUESTS)
    done, fake = await episode("503", lambda *_: next(faults, None))
    assert graded(done) == 1.0
    assert done.row["attempt"] == 2
    assert not any(turn["error"] for turn in done.row["turns"])
    assert len(fake.requests) == 7 + REQUESTS + 8


# -- explorer, writer and judge ----------------------------------------------------------------------------------------
RUN, SEED = "run-faults", 3
SEATS = ("explorer", "writer", "judge")
MARKS = {"realism": 8, "necessity": 8, "correctness": 9}


def work_at(url: str, seat: str, kind: str) -> Generate:
    """One trajectory and one task of it, with a model in one seat."""
    name = f"openai:m@{url}"
    given = {"explorer": name} if seat == "explorer" else {"writer": name} if seat == "writer" else {"judges": [name]}
    base = {"scale": 0.1, "trajectories": 1, "seed": SEED, "intents": ["general"], "until": "convert"}
    config: Config = load_config(None, {**base, **given, **settings(kind)})
    work = Generate(config)
    work.run_id = RUN  # the endpoint's port is in its name, and seeds derive from the run
    return work


async def stage(kind: str, seat: str, faults: Any) -> tuple[ItemRows, FakeEndpoint]:
    async with FakeEndpoint(faults=faults) as fake:
        work = work_at(fake.url, seat, kind)
        fake.brain = await brain_of(work, seat)
        try:
            out = await work.run(0, 1)
        finally:
            await work.close()
    for table, rows in out.rows.items():
        assert all(fits(table, row) for row in rows)
    assert all(answered(request.body["messages"]) for request in fake.requests)
    return out, fake


async def brain_of(work: Generate, seat: str) -> Any:
    """What a good model says there."""
    domain, customer = work.domain, work.customers[0]
    if seat == "judge":
        return lambda body: text(orjson.dumps(MARKS).decode())
    if seat == "writer":
        # The template's own words for the same structure.
        plain = Generate(work.config.model_copy(update={"writer": "template"}))
        plain.run_id = RUN
        (row,) = (await plain.run(0, 1)).rows["tasks"]
        user, goals = row["user"], row["user"]["goals"]
        words = {name: user[name] for name in ("reason_for_call", "known_info", "unknown_info", "task_instructions")}
        answer = orjson.dumps({**words, "requests": [goal["request"] for goal in goals]}).decode()
        return lambda body: text(answer)
    stages = Stages(Generate(work.config.model_copy(update={"explorer": "graph"})))
    found = await stages.explore(0, customer, 1, ItemRows())
    assert found is not None
    moves: list[dict[str, Any]] = [
        {"rules": rules_relied_on(domain, step.tool), "tool": step.tool, "arguments": step.arguments}
        for step in GraphExplorer(domain, customer, random.Random(found.seed)).run()
    ]

    def explore(body: dict[str, Any]) -> Message:
        made = sum(m["role"] == "user" and m["content"].startswith("Result (") for m in body["messages"])
        return text(orjson.dumps(moves[made] if made < len(moves) else {"done": True}).decode())

    return explore


def kept(out: ItemRows) -> bool:
    """Whether trajectory and task came out as they do without a fault."""
    (trajectory,), (task,) = out.rows["trajectories"], out.rows["tasks"]
    return trajectory["verdict"] == "kept" and task["verdict"] == "verified" and "failures" not in out.rows


def made_of(out: ItemRows) -> dict[str, int]:
    """The counts of what was made, without what it cost."""
    return {name: n for name, n in out.counts.items() if not name.startswith(PREFIX)}


@pytest.mark.parametrize("seat", SEATS)
async def test_each_seat_without_a_fault(seat: str) -> None:
    out, fake = await stage("", seat, ())
    assert kept(out)
    assert fake.requests
    assert len(out.rows["tasks"][0]["votes"]) == (seat == "judge")


@pytest.mark.parametrize("seat", SEATS)
@pytest.mark.parametrize("kind", [*RETRIED, "delay"])
async def test_a_fault_that_passes_changes_no_task(kind: str, seat: str) -> None:
    usual, healthy = await stage("", seat, ())
    out, fake = await stage(kind, seat, [fault_of(kind)])
    assert kept(out)
    assert made_of(out) == made_of(usual)
    # What it cost is counted all the same, and once for each answer.
    (cost,), (cheap,) = costs_of(out.counts), costs_of(usual.counts)
    assert (cost.stage, cost.seat, cost.failed) == (
        {"explorer": "explore", "judge": "verify"}.get(seat, "convert"),
        seat,
        0,
    )
    assert cost.calls == cheap.calls == len(healthy.requests)
    assert cost.completion_tokens == cheap.completion_tokens > 0
    assert len(fake.requests) == len(healthy.requests) + (kind != "delay")
    for field in ("user", "grader", "certificate"):
        assert out.rows["tasks"][0][field] == usual.rows["tasks"][0][field]


@pytest.mark.parametrize("seat", SEATS)
@pytest.mark.parametrize(("kind", "failure"), [*RETRIED.items(), *REJECTED.items()])
async def test_a_fault_that_stays_is_a_failure_row_of_its_stage(kind: str, failure: FailureClass, seat: str) -> None:
    out, fake = await stage(kind, seat, lambda *_: fault_of(kind))
    (row,) = out.rows["failures"]
    assert row["stage"] == ("explore" if seat == "explorer" else "convert")
    assert row["failure"] == failure.value
    assert fake.url in row["message"]
    assert "reward" not in row
    assert out.counts[f"failures.{failure.value}"] == 1
    assert sum(cost.failed for cost in costs_of(out.counts)) == 1
    # What was made before stays; of what failed there is nothing else.
    assert "tasks" not in out.rows
    assert len(out.rows.get("trajectories", ())) == (seat != "explorer")
    assert len(fake.requests) == (1 if kind in REJECTED else REQUESTS)


@pytest.mark.parametrize("kind", MISTAKES)
async def test_an_explorer_that_calls_tools_the_engines_way_is_told_and_goes_on(kind: str) -> None:
    out, _ = await stage(kind, "explorer", [None, kind])
    assert kept(out)
    usual, _ = await stage("", "explorer", ())
    assert ("no_such_tool" if kind == "unknown_tool" else '{"user_id": "u1') in out.rows["trajectories"][0]["raw"]
    assert out.rows["trajectories"][0]["steps"] == usual.rows["trajectories"][0]["steps"]


@pytest.mark.parametrize(
    ("seat", "kind", "reason"),
    [
        *(("explorer", kind, "bad_answer") for kind in MISTAKES),
        *(("explorer", kind, "context_exceeded") for kind in TOO_LONG),
        *(("writer", kind, "bad_words") for kind in (*MISTAKES, *TOO_LONG)),
        *(("judge", kind, "no_votes") for kind in (*MISTAKES, *TOO_LONG)),
    ],
)
async def test_an_unusable_answer_is_a_stored_rejection(seat: str, kind: str, reason: str) -> None:
    out, _ = await stage(kind, seat, lambda *_: kind)
    assert "failures" not in out.rows
    assert out.counts[f"rejected.{reason}"] == 1
    (trajectory,) = out.rows["trajectories"]
    if seat == "explorer":
        assert trajectory["verdict"] == reason
        assert "tasks" not in out.rows
    else:
        (task,) = out.rows["tasks"]
        assert (task["verdict"], task["reasons"]) == ("rejected", [reason])
        assert task["detail"]
