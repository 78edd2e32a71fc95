"""results.json: one agent's episodes in tau2's form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import episode_id
from t2t_dist.core.schema import Episode, Task
from t2t_dist.environments.base import Domain
from t2t_dist.grading.grade import grade
from t2t_dist.storage.rows import episode_row
from t2t_dist.tau2.export_results import export_results, messages
from t2t_dist.tau2.from_tau2 import import_task
from tests.support.finished_run import Row, failed, rows_of, write_run
from tests.support.toy_tau2 import Toy
from tests.support.transcript import Transcript
from tests.tau2.test_import_run import CANCEL, TOY, raw


@pytest.fixture(scope="module")
def toy() -> Domain:
    return Toy()


def episode(
    toy: Domain, task: Task, talk: Transcript, *, agent: str = "a", trial: int = 0, end: str = "user_stop"
) -> Row:
    made = Episode(
        episode_id=episode_id("run-1", "rollout", f"{task.task_id}/{agent}", trial),
        run_id="run-1",
        stage="rollout",
        domain=TOY,
        task_id=task.task_id,
        trajectory_id=task.trajectory_id,
        intent=task.intent,
        trial=trial,
        attempt=1,
        seed=7,
        agent=agent,
        user="scripted",
        termination=end,
        turns=talk.turns,
        outcome=grade(toy, task, talk.turns, end),
        flags=[],
        started=1_700_000_000.0,
        duration=2.5,
    )
    return "episodes", episode_row(made)


def conversation(toy: Domain, *, cancels: bool = True) -> Transcript:
    talk = Transcript(toy).user("Cancel O1, please.")
    if cancels:
        talk.calls(("get_order_details", {"order_id": "O1"}), ("cancel_order", CANCEL["arguments"]))
    talk.call("toggle_airplane_mode", {}, seat="user") if not cancels else None
    return talk.agent("It is done.").user("###STOP###")


@pytest.fixture
def run(toy: Domain, tmp_path: Path) -> Path:
    criteria = {
        "actions": [CANCEL],
        "communicate_info": ["done"],
        "env_assertions": [
            {
                "env_type": "assistant",
                "func_name": "assert_status",
                "arguments": {"order_id": "O1", "status": "cancelled"},
            }
        ],
        "reward_basis": ["DB", "COMMUNICATE", "ENV_ASSERTION"],
    }
    task = import_task(toy, TOY, raw("x", evaluation_criteria=criteria), 0, "tau2").task
    other = import_task(toy, TOY, raw("y", evaluation_criteria=None), 1, "tau2").task
    rows = [
        *rows_of([task, other]),
        episode(toy, task, conversation(toy)),
        episode(toy, task, conversation(toy, cancels=False), trial=1),
        episode(toy, other, conversation(toy)),
        episode(toy, other, conversation(toy), trial=1, end="max_steps"),
        failed(task, "a", 2),
        episode(toy, task, conversation(toy), agent="b"),
    ]
    write_run(tmp_path / "run", rows, domain=TOY)
    return tmp_path / "run"


def exported(run: Path, agent: str | None) -> dict[str, Any]:
    out = run.parent / "results.json"
    export_results(str(run), str(out), agent)
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_episodes_as_simulations(run: Path) -> None:
    found = exported(run, "a")
    assert [task["id"] for task in found["tasks"]] == ["x", "y"]
    info = found["info"]
    assert (info["num_trials"], info["agent_info"]["llm"], info["environment_info"]["domain_name"]) == (3, "a", TOY)
    shown = [
        (s["task_id"], s["trial"], s["termination_reason"], s["reward_info"]["reward"]) for s in found["simulations"]
    ]
    assert shown == [
        ("x", 0, "user_stop", 1.0),
        ("y", 0, "user_stop", 1.0),
        ("x", 1, "user_stop", 0.0),
        ("y", 1, "max_steps", 0.0),
        ("x", 2, "infrastructure_error", 0.0),
    ]
    first = found["simulations"][0]
    assert first["start_time"] == "2023-11-14T22:13:20.000000"
    assert first["end_time"] == "2023-11-14T22:13:22.500000"
    assert first["info"]["t2t"] == {"reward": 1.0, "termination": "user_stop", "agent": "a"}
    reward = first["reward_info"]
    assert reward["reward_breakdown"] == {"DB": 1.0, "COMMUNICATE": 1.0, "ENV_ASSERTION": 1.0}
    assert reward["db_check"] == {"db_match": True, "db_reward": 1.0}
    assert [check["action"]["action_id"] for check in reward["action_checks"]] == ["c"]
    assert [check["met"] for check in reward["env_assertions"]] == [True]
    assert [check["met"] for check in reward["communicate_checks"]] == [True]
    assert found["simulations"][3]["reward_info"]["reward_basis"] is None
    assert found["simulations"][4]["reward_info"]["info"]["note"] == "engine_timeout: no answer"


def test_where_tau2_raises_there_is_no_verdict(toy: Domain, tmp_path: Path) -> None:
    """An assertion about something that is not there: evaluate-trajs would give up the whole file."""
    known = {"env_type": "assistant", "func_name": "assert_status", "arguments": {"order_id": "O1", "status": "sent"}}
    lost = {**known, "arguments": {"order_id": "O99", "status": "sent"}}
    criteria = {"actions": [CANCEL], "communicate_info": ["done"], "env_assertions": [known, lost, known]}
    task = import_task(toy, TOY, raw("x", evaluation_criteria=criteria), 0, "tau2").task
    talk = conversation(toy, cancels=False)
    write_run(tmp_path / "run", [*rows_of([task]), episode(toy, task, talk)], domain=TOY)
    (simulation,) = exported(tmp_path / "run", "a")["simulations"]
    assert simulation["termination_reason"] == "infrastructure_error"
    assert simulation["reward_info"] == {
        "reward": 0.0,
        "info": {"note": "tau2 gives no verdict: assertion assert_status raised KeyError: 'O99'"},
    }
    assert simulation["info"]["t2t"]["termination"] == "user_stop"
    assert len(simulation["messages"]) == len(talk.turns)


@pytest.mark.parametrize("seat", ["agent", "user"])
def test_half_a_reply_of_an_earlier_version_has_no_verdict(toy: Domain, tmp_path: Path, seat: str) -> None:
    task = import_task(toy, TOY, raw("x"), 0, "tau2").task
    whole, half = conversation(toy), conversation(toy)
    next(turn for turn in half.turns if turn.seat == seat).finish_reason = "abort"
    rows = [episode(toy, task, whole), episode(toy, task, half, trial=1)]
    write_run(tmp_path / "run", [*rows_of([task]), *rows], domain=TOY)
    first, second = exported(tmp_path / "run", "a")["simulations"]
    assert first["termination_reason"] == "user_stop"
    assert (second["termination_reason"], second["reward_info"]["reward"]) == ("infrastructure_error", 0.0)
    assert second["reward_info"]["info"]["note"] == "half a reply: abort"


def test_arguments_that_only_tau2_reads_are_exported(toy: Domain) -> None:
    talk = Transcript(toy).user("Hi")
    talk.call("count_orders", '{"a": NaN, "b": 1%s}' % (40 * "0"))
    (call,) = next(message["tool_calls"] for message in messages(talk.turns, 0.0) if message.get("tool_calls"))
    assert repr(call["arguments"]) == "{'a': nan, 'b': 1%s}" % (40 * "0")


def test_each_tool_message_answers_its_call_by_id(toy: Domain) -> None:
    talk = conversation(toy)
    talk.call("count_orders", {})
    talk.asked_for(("count_orders", "not JSON"))
    found = messages(talk.turns, 0.0)
    calls = [call["id"] for message in found for call in message.get("tool_calls") or ()]
    answers = [message["id"] for message in found if message["role"] == "tool"]
    assert answers == calls[:-1]
    assert len(set(calls)) == len(calls)
    assert all(message["tool_calls"] is None or message["tool_calls"] for message in found if message["role"] != "tool")
    assert found[-1]["tool_calls"][0]["arguments"] == {"malformed_arguments": "not JSON"}
    own = messages(conversation(toy, cancels=False).turns, 0.0)
    assert [m["requestor"] for m in own if m["role"] == "tool"] == ["user"]
    assert [m["turn_idx"] for m in own] == list(range(len(own)))


def test_which_run_and_agent(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has episodes of a, b; a results\.json is of one"):
        exported(run, None)
    with pytest.raises(InputError, match="name it with --agent"):
        exported(run, "c")
    assert len(exported(run, "b")["simulations"]) == 1
    with pytest.raises(InputError, match=r"results\.json exists"):
        exported(run, "b")
    task = import_task(Toy(), TOY, raw("x"), 0, "tau2").task
    write_run(tmp_path / "empty", rows_of([task]), domain=TOY)
    with pytest.raises(InputError, match="holds no episodes"):
        exported(tmp_path / "empty", None)
