"""tasks.json in and out: rows that everything else can use, unknown keys kept, mistakes reported in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from t2t_dist.cli.main import app
from t2t_dist.core.errors import InputError
from t2t_dist.core.prompts.render import user_prompt
from t2t_dist.core.schema import Difficulty, Task, ToolCall, Turn
from t2t_dist.environments.base import Domain
from t2t_dist.grading.diagnose import diagnose
from t2t_dist.grading.grade import grade
from t2t_dist.grading.parts import ENDED
from t2t_dist.pipeline.recheck import reverify
from t2t_dist.simulation.conversation import Termination, roll_out
from t2t_dist.storage.rows import from_row, to_row
from t2t_dist.storage.source_run import Source
from t2t_dist.tau2.export_tasks import export_tasks
from t2t_dist.tau2.from_tau2 import import_task, reimport
from t2t_dist.tau2.import_run import import_file
from t2t_dist.tau2.initial_world import world_of
from t2t_dist.tau2.second_verdict import TERMINATIONS
from t2t_dist.tau2.to_tau2 import exported
from t2t_dist.tau2.verdict import GRADED
from tests.support.made import Made
from tests.support.toy_tau2 import CANCEL, FIND, TOY, Toy, raw
from tests.support.transcript import Transcript


def written(folder: Path, *tasks: Any, whole: Any = None) -> str:
    file = folder / "tasks.json"
    file.write_text(json.dumps(list(tasks) if whole is None else whole))
    return str(file)


@pytest.fixture(scope="module")
def toy() -> Domain:
    return Toy()


def one(toy: Domain, task: dict[str, Any], grading: Any = "tau2") -> Task:
    return import_task(toy, TOY, task, 0, grading).task


def test_a_task_becomes_a_row(toy: Domain) -> None:
    task = one(toy, raw())
    assert (task.verdict, task.intent, task.customer, task.writer) == ("verified", "general", "m1", "tau2")
    assert (task.trajectory_id, task.user.name, task.grader.basis) == ("tau2/0", "", ["tau2"])
    assert "Ada" not in user_prompt(task.user)  # whose account the gold is about is not the customer's to know
    assert [(c.name, c.kind, c.goal) for c in task.grader.gold] == [
        ("find_member_id_by_email", "read", -1),
        ("cancel_order", "write", 0),
    ]
    assert [(c.table, c.key) for c in task.grader.allowed_diff] == [("orders", "O1")]
    assert from_row(Task, to_row(task)) == task
    assert one(toy, raw(), "own").grader.basis == ["db"]


def test_instructions_can_be_one_text(toy: Domain) -> None:
    task = one(toy, raw(user_scenario={"persona": "Curt", "instructions": "Cancel O1."}))
    assert (task.user.reason_for_call, task.user.persona) == ("Cancel O1.", "Curt")


def test_import_and_export_keep_what_is_not_ours(tmp_path: Path) -> None:
    strange = raw(
        "1", annotations={"reviewed": [1, 2.50, None], "ü": "⚪"}, ticket="t", issues=[], required_documents=["d"]
    )
    strange["evaluation_criteria"]["actions"][0]["confidence"] = 0.1
    strange["user_scenario"]["mood"] = {"now": "calm"}
    tasks = [raw("0"), strange, raw("2", evaluation_criteria=None)]
    found = import_file(written(tmp_path, *tasks), str(tmp_path / "run"), TOY, "tau2")
    assert (found.verdicts, found.raised, found.rejected) == ({"verified": 3}, [], [])
    assert export_tasks([str(tmp_path / "run")], str(tmp_path / "out.json")) == 3
    assert json.loads((tmp_path / "out.json").read_text()) == tasks
    again = import_file(str(tmp_path / "out.json"), str(tmp_path / "again"), TOY, "tau2")
    assert again.run_id == found.run_id


def test_a_file_can_hold_its_tasks_under_a_key(tmp_path: Path) -> None:
    file = written(tmp_path, whole={"tasks": [raw()]})
    assert import_file(file, str(tmp_path / "run"), TOY, "tau2").verdicts == {"verified": 1}


def test_the_same_import_again_changes_nothing_and_another_is_refused(tmp_path: Path) -> None:
    file, out = written(tmp_path, raw()), str(tmp_path / "run")
    first = import_file(file, out, TOY, "tau2")
    assert import_file(file, out, TOY, "tau2").run_id == first.run_id
    assert len(list(Source(out).tasks())) == 1
    with pytest.raises(InputError, match="holds another run"):
        import_file(written(tmp_path, raw("other")), out, TOY, "tau2")


# -- the certificate ---------------------------------------------------------------------------------------------------
def test_gold_calls_that_raise_are_listed(tmp_path: Path) -> None:
    lost = {**CANCEL, "arguments": {"order_id": "O99", "reason": "mistake"}}
    unknown = {**CANCEL, "name": "fly", "arguments": {}}
    bad = raw("7")
    bad["evaluation_criteria"]["actions"] = [FIND, lost, unknown, CANCEL]
    file = written(tmp_path, raw("6"), bad)
    found = import_file(file, str(tmp_path / "run"), TOY, "tau2")
    assert [tuple(r) for r in found.raised] == [
        ("7", 1, "cancel_order", "write", "O99 not found"),
        ("7", 2, "fly", "absent", "Tool 'fly' not found."),
    ]
    assert found.verdicts == {"verified": 2}
    (task,) = [t for t in Source(str(tmp_path / "run")).tasks() if t.trajectory_id == "tau2/7"]
    assert task.detail.startswith("gold call 1 cancel_order raises: O99 not found; gold call 2 fly raises")
    assert task.certificate is not None
    assert task.certificate.reason == task.detail
    own = import_file(file, str(tmp_path / "own"), TOY, "own")
    assert own.verdicts == {"verified": 1, "gold_fails": 1}
    assert own.rejected[0][0] == "7"


def test_verifying_again_gives_the_same_and_finds_what_was_changed(toy: Domain, tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    import_file(written(tmp_path, raw("0"), raw("1")), out, TOY, "tau2")  # alike, and no duplicates
    verdicts, changed = reverify(Source(out))
    assert (verdicts, changed) == ({"verified": 2}, [])
    task = one(toy, raw())
    forged = task.model_copy(deep=True)
    forged.grader.gold[1].arguments["order_id"] = "O2"
    assert reimport(toy, forged).reasons == ["gold_differs"]
    forged = task.model_copy(deep=True)
    forged.grader.initial = "0" * 32
    assert reimport(toy, forged).reasons == ["other_database"]
    forged = task.model_copy(deep=True)
    forged.user.reason_for_call = "Cancel everything."
    assert reimport(toy, forged).reasons == ["sides_differ"]
    hard = Difficulty(**dict.fromkeys(Difficulty.model_fields, 5))
    for name, value in {"world": task.grader.allowed_diff, "twin_of": "task-1", "difficulty": hard}.items():
        forged = task.model_copy(update={name: value}, deep=True)
        assert reimport(toy, forged).reasons == ["sides_differ"], name
    forged = task.model_copy(deep=True)
    forged.raw = None
    with pytest.raises(InputError, match="does not hold what from"):
        reimport(toy, forged)


def test_what_an_earlier_version_imported_is_still_verified(toy: Domain) -> None:
    """It told the customer the name in the database, wrote results without spaces, and took no conversations."""
    earlier = one(toy, raw())
    earlier.user.name = "Ada Stone"
    earlier.grader.gold[1].result = json.dumps(json.loads(earlier.grader.gold[1].result), separators=(",", ":"))
    assert reimport(toy, earlier.model_copy(deep=True)) == earlier
    forged = earlier.model_copy(deep=True)
    forged.user.name = "Ben Stone"
    assert reimport(toy, forged).reasons == ["sides_differ"]
    forged = earlier.model_copy(deep=True)
    forged.grader.gold[1].result = earlier.grader.gold[1].result.replace("cancelled", "sent")
    assert reimport(toy, forged).reasons == ["gold_differs"]
    rejected = earlier.model_copy(update={"verdict": "rejected", "reasons": ["message_history"]})
    assert reimport(toy, rejected.model_copy(deep=True)) == rejected


def test_where_a_task_begins(toy: Domain, library: Domain) -> None:
    sent = {"env_type": "assistant", "func_name": "set_status", "arguments": {"order_id": "O1", "status": "sent"}}
    task = one(toy, raw(initial_state={"initialization_actions": [sent]}), "own")
    assert (task.reasons, task.grader.initial != toy.world().digest) == (["gold_fails"], True)
    assert world_of(toy, task).get("orders", "O1")["status"] == "sent"  # type: ignore[index]
    assert reimport(toy, task.model_copy(deep=True)) == task
    broken = one(toy, raw(initial_state={"initialization_actions": [{**sent, "func_name": "fly"}]}))
    assert broken.reasons == ["bad_initial_state"]
    assert "no attribute 'fly'" in broken.detail
    with pytest.raises(InputError, match="only a domain of tau2"):
        world_of(library, task)


async def test_a_task_can_continue_a_conversation(toy: Domain) -> None:
    placed = {"member_id": "m1", "item_ids": ["i1"]}
    history = [
        {"role": "assistant", "content": "Hi!"},
        {"role": "user", "content": "An order, please. And then cancel O1."},
        {"role": "assistant", "tool_calls": [{"id": "c", "name": "place_order", "arguments": placed}]},
        {"role": "tool", "id": "c", "content": "(as it was shown then)", "requestor": "assistant"},
    ]
    task = one(toy, raw(initial_state={"message_history": history}))
    assert (task.verdict, task.grader.initial) == ("verified", toy.world().digest)
    assert [(c.table, c.key) for c in task.grader.allowed_diff] == [
        ("members", "m1"), ("orders", "O1"), ("orders", "O13")
    ]  # fmt: skip
    assert reimport(toy, task.model_copy(deep=True)) == task
    played = await roll_out(task, toy, Cancels(), Leaves())
    assert [(t.seat, t.role, t.content) for t in played.turns[:4]] == [
        ("agent", "assistant", "Hi!"),
        ("user", "user", "An order, please. And then cancel O1."),
        ("agent", "assistant", None),
        ("agent", "tool", "(as it was shown then)"),
    ]
    assert played.turns[4].tool_calls[0].name == "cancel_order"
    graded = grade(toy, task, played.turns, played.termination)
    assert (graded.reward, graded.final, graded.final == task.grader.final) == (1.0, played.final, True)


class Cancels:
    name = "cancels"

    async def act(self, turns: list[Turn]) -> Turn:
        if turns[-1].role == "tool" and turns[-1].tool_call_id == "c":
            return Turn(
                "agent", "assistant", tool_calls=[ToolCall("d", "cancel_order", json.dumps(CANCEL["arguments"]))]
            )
        return Turn("agent", "assistant", "Done.")


class Leaves:
    name = "leaves"

    async def reply(self, turns: list[Turn]) -> Turn:
        return Turn("user", "user", "###STOP###")


# -- releases with lists of calls --------------------------------------------------------------------------------------
LISTS = [
    ("actions_should_be_taken", "actions_should_not_be_taken"),
    ("actions_should_taken", "actions_should_not_taken"),
]


@pytest.mark.parametrize(("required", "forbidden"), LISTS)
@pytest.mark.parametrize("place", ["top", "criteria", "scenario", "instructions"])
def test_required_and_forbidden_calls(toy: Domain, tmp_path: Path, place: str, required: str, forbidden: str) -> None:
    task = raw(evaluation_criteria={"actions": None, "communicate_info": [], "reward_basis": ["DB"]})
    scenario = task["user_scenario"]
    where = {"top": task, "criteria": task["evaluation_criteria"], "scenario": scenario}.get(
        place, scenario["instructions"]
    )
    where[required] = [
        {"name": "hand_over", "arguments": {}},
        {"name": "cancel_order", "arguments": CANCEL["arguments"]},
    ]
    where[forbidden] = [{"name": "drop_order", "arguments": {"order_id": "O2"}}]
    out = str(tmp_path / "run")
    import_file(written(tmp_path, task), out, TOY, "own")
    (stored,) = Source(out).tasks()
    grader = stored.grader
    assert [(p.name, p.arguments) for p in grader.required] == [
        ("hand_over", None),
        ("cancel_order", CANCEL["arguments"]),
    ]
    assert [(p.name, p.arguments) for p in grader.forbidden] == [("drop_order", {"order_id": "O2"})]
    assert (stored.intent, stored.verdict, grader.basis) == ("infeasible", "verified", ["db", "forbidden", "required"])
    # The gold that the release dropped is what is required and writes: the database part is not always 1.
    assert [call.name for call in grader.gold] == ["cancel_order"]
    prompt = user_prompt(stored.user)
    assert all(word not in prompt for word in ("drop_order", "hand_over", "should"))
    export_tasks([out], str(tmp_path / "out.json"))
    (back,) = json.loads((tmp_path / "out.json").read_text())
    assert "should" not in json.dumps(back["user_scenario"])
    assert back["actions_should_be_taken" if required in back and required == LISTS[0][0] else required]
    assert import_task(toy, TOY, back, 0, "own").task.grader == grader


def release(key: str, **more: Any) -> dict[str, Any]:
    """A task as a release has it: no id, the domain with a database of its own, calls by ``tool_name``."""
    made = raw(**more)
    del made["id"], made["evaluation_criteria"]["reward_basis"]
    made["user_scenario"]["instructions"] |= {
        "domain": "toy_explore",
        "infeasible_reason": "It is forbidden.",
        "actions_should_not_taken": [{"tool_name": "drop_order", "arguments": {"order_id": "O2"}}],
        "actions_should_be_taken": [{"tool_name": "hand_over", "arguments": {}}],
    }
    return {"trajectory_id": key, **made}


def test_a_release_is_imported_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    del (nameless := release("2"))["trajectory_id"]
    file.write_text("\n".join(json.dumps(task) for task in (release("traj_0028"), nameless)) + "\n")
    found = import_file(str(file), str(tmp_path / "run"), TOY, "own")
    assert found.verdicts == {"verified": 2}
    first, second = Source(str(tmp_path / "run")).tasks()
    assert [first.trajectory_id, second.trajectory_id] == ["tau2/traj_0028", "tau2/1"]
    assert (first.intent, [p.name for p in first.grader.forbidden], [p.name for p in first.grader.required]) == (
        "infeasible", ["drop_order"], ["hand_over"]
    )  # fmt: skip
    assert all(word not in user_prompt(first.user) for word in ("forbidden", "drop", "hand_over"))
    export_tasks([str(tmp_path / "run")], str(tmp_path / "out.json"))
    assert [task["id"] for task in json.loads((tmp_path / "out.json").read_text())] == ["traj_0028", "1"]


def test_a_file_for_another_database_is_not_verified(tmp_path: Path) -> None:
    lost = {**CANCEL, "arguments": {"order_id": "O99", "reason": "mistake"}}
    bad = [raw(key, evaluation_criteria={"actions": [lost, lost]}) for key in "abc"]
    file = written(tmp_path, *bad, raw("d"), raw("e", evaluation_criteria={"actions": None}))
    assert import_file(file, str(tmp_path / "run"), TOY, "tau2").verdicts == {"other_database": 5}
    stored = list(Source(str(tmp_path / "run")).tasks())
    assert {task.detail for task in stored} == {"6 of 8 gold calls of its file raise on this database"}
    code, out, _ = command("import", "tau2", file, "--domain", TOY, "--out", str(tmp_path / "again"))
    assert (code, len(out.splitlines())) == (0, 2)
    assert "6 gold calls raise, most of the file's: these 5 tasks are for another database; give its file" in out
    assert reverify(Source(str(tmp_path / "run")))[1] == []


def test_a_basis_that_only_releases_know(toy: Domain) -> None:
    task = raw(actions_should_not_taken=[{"tool_name": "cancel_order"}])
    task["evaluation_criteria"]["reward_basis"] = ["DB", "PROHIBITED_ACTION"]
    talk = Transcript(toy).user("Hi")
    talk.call("cancel_order", CANCEL["arguments"])
    talk.agent("Done.").user("###STOP###")
    graded = grade(toy, one(toy, task), talk.turns, "user_stop")
    assert (graded.reward, graded.detail["tau2"]) == (0.0, "reward 0 (DB 1, PROHIBITED_ACTION 0)")


def test_lists_that_hold_no_calls(toy: Domain) -> None:
    assert [p.name for p in one(toy, raw(actions_should_not_taken=["drop_order"])).grader.forbidden] == ["drop_order"]
    for wrong in ([1], [{"arguments": {}}], [{"name": "x", "arguments": [1]}]):
        with pytest.raises(InputError, match="actions_should_not_taken must list calls") as caught:
            one(toy, raw(actions_should_not_taken=wrong))
        assert "\n" not in str(caught.value)


# -- grading -----------------------------------------------------------------------------------------------------------
def details(toy: Domain, task: Task, talk: Transcript, end: str = "user_stop") -> tuple[float, dict[str, str]]:
    outcome = grade(toy, task, talk.turns, end)
    assert grade(toy, task, talk.turns, end) == outcome
    return outcome.reward, outcome.detail


def test_both_verdicts_stand_in_the_row_and_why_they_differ(toy: Domain) -> None:
    listed = raw(actions_should_not_taken=[{"name": "drop_order", "arguments": {}}])
    theirs, own = one(toy, listed), one(toy, listed, "own")
    talk = Transcript(toy).user("Hi")
    talk.call("cancel_order", CANCEL["arguments"])
    assert details(toy, theirs, talk) == (1.0, {"tau2": "reward 1 (DB 1)"})
    assert details(toy, own, talk) == (1.0, {"tau2": "reward 1 (DB 1)"})
    talk.call("drop_order", {"order_id": "O99"})  # refused, and issued all the same
    reward, detail = details(toy, theirs, talk)
    assert reward == 1.0
    assert detail["tau2_differs"] == "ours 0, tau2's 1; forbidden: tau2 has no forbidden calls"
    reward, detail = details(toy, own, talk)
    assert (reward, detail["forbidden"], detail["tau2"]) == (0.0, "drop_order was issued", "reward 1 (DB 1)")
    reward, detail = details(toy, theirs, talk, "max_steps")
    assert (reward, detail["tau2"]) == (0.0, "reward 0; terminated early: max_steps")
    assert "tau2_differs" not in detail


def test_a_fact_within_another_is_said_to_tau2_and_not_to_us(toy: Domain) -> None:
    facts = {"actions": [], "communicate_info": ["12"], "reward_basis": ["DB", "COMMUNICATE"]}
    talk = Transcript(toy).user("How many?").agent("There are 123.")
    reward, detail = details(toy, one(toy, raw(evaluation_criteria=facts)), talk)
    assert reward == 1.0
    assert detail["tau2_differs"].startswith("ours 0, tau2's 1; communicate: ours wants numbers and words whole")
    reward, detail = details(toy, one(toy, raw(evaluation_criteria=facts), "own"), talk)
    assert (reward, detail["communicate"]) == (0.0, "'12' was never said")


def test_what_refused_calls_leave_behind_counts(toy: Domain) -> None:
    talk = Transcript(toy).user("Hi")
    assert talk.call("pay_order", {"order_id": "O8", "payment_method_id": "gift_4"}).error
    nothing = {"actions": [], "reward_basis": ["DB"]}
    reward, detail = details(toy, one(toy, raw(evaluation_criteria=nothing), "own"), talk)
    assert (reward, "tau2_differs" in detail) == (0.0, False)  # for ours too: the world is tau2's


def test_the_cause_of_a_failure_shows_arguments_that_only_tau2_takes(toy: Domain) -> None:
    task, talk = one(toy, raw()), Transcript(toy).user("Hi")
    talk.call("set_amount", '{"order_id": "O1", "amount": [1%s, NaN]}' % (40 * "0"))
    found = diagnose(toy, task, talk.turns, "user_stop", grade(toy, task, talk.turns, "user_stop"))
    assert any(f"[1{40 * '0'},NaN]" in finding.detail for finding in found.findings)


def test_every_end_of_a_conversation_has_a_name_in_tau2() -> None:
    assert set(TERMINATIONS) == {end.value for end in Termination}
    assert {ours for ours, theirs in TERMINATIONS.items() if theirs in GRADED} == ENDED


def test_a_verdict_that_tau2_would_not_give(toy: Domain) -> None:
    check = {"env_type": "assistant", "func_name": "fly", "arguments": {}}
    criteria = {"env_assertions": [check], "reward_basis": ["ENV_ASSERTION"]}
    reward, detail = details(toy, one(toy, raw(evaluation_criteria=criteria)), Transcript(toy).user("Hi"))
    assert reward == 0.0
    assert detail["tau2"].startswith("no verdict; tau2 would raise an error: assertion fly raised AttributeError")


def test_tasks_of_our_own_in_a_world_of_tau2s_have_both_verdicts(toy: Domain) -> None:
    from tests.support.made import make
    from tests.support.transcript import gone_well

    task = make(toy, 2).one("general")
    outcome = grade(toy, task, gone_well(toy, task).turns, "user_stop")
    assert (outcome.reward, outcome.detail) == (1.0, {"tau2": "reward 1 (DB 1, COMMUNICATE 1)"})


# -- tasks of our own --------------------------------------------------------------------------------------------------
def test_our_tasks_in_tau2s_terms(made: Made) -> None:
    for task in made.verified():
        form = exported(task, made.domain)
        criteria, scenario = form["evaluation_criteria"], form["user_scenario"]
        names = [action["name"] for action in criteria["actions"]]
        if task.intent != "infeasible":
            assert (criteria["reward_basis"], names) == (["DB", "COMMUNICATE"], [c.name for c in task.grader.gold])
        elif task.grader.required:
            assert (criteria["reward_basis"], criteria["actions"][-1]["compare_args"]) == (["DB", "ACTION"], [])
            assert names[-1] == made.domain.transfer_tool
        else:
            assert criteria["reward_basis"] == ["DB"]
        said = json.dumps(scenario)
        assert all(pattern.name not in said for pattern in task.grader.forbidden)
        if task.user.change is not None:
            assert task.user.change.request in scenario["instructions"]["task_instructions"]


def test_our_tasks_come_back_as_they_went(made: Made) -> None:
    for task in made.verified()[:40]:
        back = import_task(made.domain, task.domain, exported(task, made.domain), 0, "own").task
        assert (back.verdict, back.intent, back.raw is not None) == ("verified", task.intent, True)
        assert back.grader.final == task.grader.final
        assert back.grader.forbidden == task.grader.forbidden
        assert back.grader.required == task.grader.required
        assert back.grader.communicate == task.grader.communicate
        assert back.customer in (task.customer, "")


# -- the command line --------------------------------------------------------------------------------------------------
def command(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.stdout, done.stderr


def test_import_and_export_from_the_command_line(tmp_path: Path) -> None:
    bad = raw("1")
    bad["evaluation_criteria"]["actions"] = [{**CANCEL, "arguments": {"order_id": "O99", "reason": "x"}}]
    file, run = written(tmp_path, raw("0"), bad), str(tmp_path / "run")
    code, out, _ = command("import", "tau2", file, "--out", run, "--domain", TOY)
    assert code == 0
    assert "2 tasks (2 verified)" in out
    assert "1 gold calls raise, in 1 tasks:" in out
    assert "task 1, call 0: cancel_order (a write): O99 not found" in out
    code, out, _ = command("import", "tau2", file, "--out", run, "--domain", TOY, "--json")
    summary = json.loads(out.splitlines()[-1])
    assert (summary["verdicts"], summary["tasks_affected"]) == ({"verified": 2}, ["1"])
    code, out, _ = command("verify", run, "--json")
    assert (code, json.loads(out)["changed"]) == (0, 0)
    code, out, _ = command("show", run, "-n", "1")
    assert code == 0
    assert "cancel_order" in out
    code, out, _ = command("export", run, "--format", "tau2", "--out", str(tmp_path / "out.json"), "--json")
    assert (code, json.loads(out)["tasks"]) == (0, 2)


BAD = [
    ("{", "is not JSON"),
    ('"x"', "must hold a list of tasks"),
    ("[]", "holds no task"),
    ('[{"id": "a"}]', "task 0 ('a') is not a task of tau2's: user_scenario: field required"),
    ("[3]", "task 0 is not a task of tau2's"),
    (json.dumps([raw("a"), raw("a")]), "two tasks have the id 'a'"),
    (json.dumps([raw("a", id=3)]), "id: input should be a valid string"),
    (
        json.dumps([raw("a", evaluation_criteria={"actions": [{"name": "x"}]})]),
        "evaluation_criteria.actions.0.action_id: field required",
    ),
    (json.dumps([raw("a", evaluation_criteria={"reward_basis": ["LUCK"]})]), "evaluation_criteria.reward_basis.0"),
    *(
        (json.dumps([raw("a", evaluation_criteria={"actions": [{**CANCEL, "arguments": {"order_id": odd}}]})]), message)
        for odd, message in (
            (10**25, "does not fit into 64 bits"),
            (float("nan"), "is not JSON"),
            (json.loads(70 * "[" + 70 * "]"), "is nested deeper than 64 levels"),
            ("\ud800", "is not JSON"),
        )
    ),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_invalid_files(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "tasks.json"
    file.write_text(text)
    code, out, error = command("import", "tau2", str(file), "--out", str(tmp_path / "run"), "--domain", TOY)
    assert (code, out, len(error.splitlines())) == (2, "", 1)
    assert error.startswith(f"error: {file}")
    assert message in error
    assert not (tmp_path / "run").exists()


def test_other_bad_input(tmp_path: Path) -> None:
    file, run = written(tmp_path, raw()), str(tmp_path / "run")
    for arguments, message in (
        (("import", "tau2", "no/such.json", "--out", run), "no/such.json: No such file"),
        (("import", "bfcl", file, "--out", run), "tasks can be imported from tau2"),
        (("import", "tau2", file, "--out", run, "--grading", "kind"), "--grading kind: give tau2 or own"),
        (("import", "tau2", file, "--out", run, "--domain", "retial"), "did you mean retail"),
        (("export", run, "--format", "tau2", "--out", str(tmp_path / "x.json")), "no such run directory"),
        (("export", run, "--format", "tau2", "--out", "x.json", "--intent", "odd"), "--intent odd"),
    ):
        code, out, error = command(*arguments)
        assert (code, out) == (2, ""), error
        assert message in error
    plain = raw(user_scenario={"instructions": "Cancel."})
    code, _, error = command("import", "tau2", written(tmp_path, plain), "--out", run)
    assert code == 2
    assert "does not say which domain it is for; give --domain" in error


def test_a_file_that_would_not_fit_into_memory(tmp_path: Path) -> None:
    with open(tmp_path / "tasks.json", "wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(InputError, match=r"3,221,225,472 bytes, and 268,435,456 are read at most; import it in parts"):
        import_file(str(tmp_path / "tasks.json"), str(tmp_path / "out"), TOY, "tau2")
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    file, run = written(tmp_path, raw()), str(tmp_path / "run")
    import_file(file, run, TOY, "tau2")
    for out, message in ((file, "exists; give a new file"), ("s3://a/b.json", "a file on this machine is needed")):
        code, _, error = command("export", run, "--format", "tau2", "--out", out)
        assert code == 2
        assert message in error
    assert json.loads(Path(file).read_text()) == [raw()]
