"""The oracle reaches the gold of every task by a proper dialogue; each flawed agent fails where its flaw is."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest

from t2t_dist.core import speech_acts as speech
from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import TRANSFER, Fact, Goal, Task, Turn
from t2t_dist.environments.assistant import DESK
from t2t_dist.environments.tools import Call
from t2t_dist.grading.process_checks import ProcessChecks
from t2t_dist.simulation.scripted.agents import KINDS, ScriptedAgent, scripted_agent
from t2t_dist.simulation.scripted.floors import FirstThenSecond
from t2t_dist.simulation.scripted.oracle import Oracle
from t2t_dist.simulation.scripted.user import ScriptedUser
from t2t_dist.simulation.user_faults import user_faults
from tests.simulation.scripted.hand_made import SHOP, Played, goal_of, play, tasks

NAMES = list(tasks())
SEEDS = range(6)


async def played(kind: str, name: str, seed: int = 0) -> tuple[Task, Played]:
    task = tasks()[name]
    return task, await play(scripted_agent(kind, task, SHOP, seed), ScriptedUser(task.user, seed))


def passes(task: Task, done: Played) -> bool:
    """What the grader looks at: the final state, what is forbidden, what is required, what has to be said."""
    forbidden = {pattern.name: pattern.arguments for pattern in task.grader.forbidden}
    issued = [(call.name, orjson.loads(call.arguments)) for turn in done.turns for call in turn.tool_calls]
    handed_over = any(name == SHOP.transfer_tool for name, _ in issued)
    return (
        done.final == task.grader.final
        and not any(name in forbidden and arguments == forbidden[name] for name, arguments in issued)
        and handed_over == (task.grader.handling == "transfer")
        and all(
            any(speech.says_number(text, fact) for text in done.said_by("agent")) for fact in task.grader.communicate
        )
    )


def checks(task: Task, done: Played) -> dict[str, bool]:
    """Process checks, with every call made again on a fresh world."""
    world, watcher = SHOP.world(), ProcessChecks(SHOP, task)
    for turn in done.turns:
        watcher.turn(turn)
        for call in turn.tool_calls:
            before = world.fork()
            watcher.call(call.name, SHOP.tools.execute(world, call.name, call.arguments), before)
    return watcher.result()


# -- oracle ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NAMES)
async def test_the_oracle_reaches_the_gold_by_the_rules(name: str, seed: int) -> None:
    task, done = await played("oracle", name, seed)
    assert passes(task, done), str(done)
    assert all(checks(task, done).values()), str(done)
    assert done.ended
    assert len([turn for turn in done.turns if turn.role != "tool"]) <= 40
    assert user_faults(done.turns, task.user) == []


@pytest.mark.parametrize("name", NAMES)
async def test_the_oracle_makes_the_golds_calls_one_by_one_and_speaks_apart_from_them(name: str) -> None:
    task, done = await played("oracle", name)
    mine = [turn for turn in done.turns if turn.seat == "agent" and turn.role == "assistant"]
    assert all(len(turn.tool_calls) <= 1 for turn in mine)
    assert all(bool(turn.content) != bool(turn.tool_calls) for turn in mine)
    ids = [call.id for turn in mine for call in turn.tool_calls]
    assert ids == [f"call_{n}" for n in range(1, len(ids) + 1)]
    made = [(call.name, call.arguments) for call in done.calls]
    gold = [(call.name, call.arguments) for call in task.grader.gold if call.name != SHOP.transfer_tool]
    assert [call for call in made if call in gold] == gold
    assert not any(turn.error for turn in done.turns)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NAMES)
async def test_dialogues_read_well(name: str, seed: int) -> None:
    _, done = await played("oracle", name, seed)
    for _, text in done.texts:
        assert not re.search(r"\.\.|[?!]\.| [,.?!]|  |\{|\}|\b(\w+) \1\b", text), text
        assert text[0].isupper() or text[0] == "'" or "@" in text.split()[0], text
    said = done.said_by("agent")
    assert len(set(said)) == len(said)


async def test_seeds_change_the_words_and_nothing_else() -> None:
    task = tasks()["two goals"]
    done = [await play(scripted_agent("oracle", task, SHOP, seed), ScriptedUser(task.user, 0)) for seed in SEEDS]
    again = await play(scripted_agent("oracle", task, SHOP, 0), ScriptedUser(task.user, 0))
    assert again.texts == done[0].texts
    assert len({tuple(one.said_by("agent")) for one in done}) > 2
    assert len({tuple(map(str, one.calls)) for one in done}) == 1


@pytest.mark.parametrize("name", ["which order", "which version"])
async def test_what_is_withheld_is_asked_for_before_it_is_used(name: str) -> None:
    task, done = await played("oracle", name)
    fact = next(fact for goal in task.user.goals for fact in goal.facts if not fact.stated)
    value = orjson.dumps(goal_of(task)[fact.slot]).decode()
    answered = next(
        i for i, turn in enumerate(done.turns) if turn.seat == "user" and speech.mentions(turn.content or "", fact.says)
    )
    assert speech.asks_for(done.turns[answered - 1].content or "", fact.cues)
    used = [i for i, turn in enumerate(done.turns) if any(value in call.arguments for call in turn.tool_calls)]
    assert used
    assert min(used) > answered


async def test_options_are_real_and_in_the_order_in_which_a_person_lists_them() -> None:
    task = tasks()["which version"]
    certificate = task.certificate
    assert certificate is not None
    gold = goal_of(task)["new_item_ids"]
    asked = False
    for seed in range(10):
        done = await play(scripted_agent("oracle", task, SHOP, seed), ScriptedUser(task.user, 0))
        question = next(
            (t for t in done.said_by("agent") if speech.asks_for(t, ["which version", "what should", "which would"])),
            "",
        )
        texts = {
            candidate.arguments["new_item_ids"][0]: SHOP.describe(
                SHOP.world(), _call(task, candidate.arguments), "new_item_ids", task.customer
            ).text
            for candidate in certificate.candidates
        }
        found = sorted((question.find(text), item) for item, text in texts.items() if text in question)
        if found:
            asked = True
            assert gold[0] in [item for _, item in found]
            assert 2 <= len(found) <= 6
            listed = [texts[item] for _, item in found]
            assert listed == sorted(listed)
    assert asked


def _call(task: Task, arguments: dict[str, Any]) -> Call:
    return Call(next(call.name for call in task.grader.gold if call.kind == "write"), arguments)


async def test_no_options_before_they_were_looked_up() -> None:
    """The opening names the customer, so the question comes first: nothing has been seen that could be offered."""
    task = tasks()["which order"].model_copy(deep=True)
    certificate = task.certificate
    assert certificate is not None
    task.grader.gold = [call for call in task.grader.gold if call.name != "get_user_details"]
    done = await play(scripted_agent("oracle", task, SHOP, 0), ScriptedUser(task.user, 0))
    asked = [text for text in done.said_by("agent") if speech.asks_for(text, ["order number", "which order"])]
    assert len(asked) == 1
    assert "#W" not in asked[0]


async def test_an_opening_that_says_who_it_is_is_not_asked_for_it() -> None:
    task = tasks()["cancel"].model_copy(deep=True)
    task.user.goals[0].request += f" My e-mail is {task.user.identity[0].text}."
    done = await play(scripted_agent("oracle", task, SHOP, 0), ScriptedUser(task.user, 0))
    assert done.final == task.grader.final
    assert not any(speech.asks_for(text, ["e-mail"]) for text in done.said_by("agent"))


async def test_the_change_is_followed_from_a_proposal_of_the_first_wish() -> None:
    task, done = await played("oracle", "other version")
    certificate, change = task.certificate, task.user.change
    assert certificate is not None
    assert certificate.first_call is not None
    assert change is not None
    first, second = (
        SHOP.describe(SHOP.world(), _call(task, arguments), "new_item_ids", task.customer).text
        for arguments in (certificate.first_call.arguments, goal_of(task))
    )
    asked = [text for text in done.said_by("agent") if speech.asks_to_confirm(text)]
    assert [first in asked[0], second in asked[0]] == [True, False]
    assert [first in asked[-1], second in asked[-1]] == [False, True]


async def test_a_refusal_gives_its_reason_and_again_when_asked_and_what_can_be_done_is_done() -> None:
    task, done = await played("oracle", "too late")
    assert task.certificate is not None
    assert task.certificate.reason is not None
    refused = [text for text in done.said_by("agent") if speech.refuses(text)]
    assert len(refused) == task.user.patience + 1
    # Whoever asks a third time knows it.
    assert [task.certificate.reason.lower() in text.lower() for text in refused] == [True, True, False]
    assert [call.name for call in done.calls if SHOP.tools[call.name].kind == "write"] == ["cancel_pending_order"]


@pytest.mark.parametrize("name", ["too dear", "no tool"])
async def test_a_hand_over_is_announced_made_and_closed(name: str) -> None:
    task, done = await played("oracle", name)
    turns = done.turns
    made = next(i for i, turn in enumerate(turns) if any(call.name == SHOP.transfer_tool for call in turn.tool_calls))
    before = [
        turn.content for turn in turns[:made] if turn.seat == "agent" and turn.role == "assistant" and turn.content
    ]
    assert speech.announces_hand_over(before[-1] or "")
    assert speech.hands_over(turns[made + 2].content or "")
    assert (turns[-1].content or "").endswith(TRANSFER)
    summary = orjson.loads(turns[made].tool_calls[0].arguments)["summary"]
    assert task.certificate is not None
    assert task.user.name in summary
    assert task.certificate.reason is not None
    assert task.certificate.reason in summary


async def test_a_hand_over_waits_for_what_can_be_done() -> None:
    """The task maker puts it last; a customer who does not is served all the same."""
    task = tasks()["no tool"].model_copy(deep=True)
    assert task.certificate is not None
    assert task.certificate.forbidden_call is not None
    task.user.goals.reverse()
    task.certificate.goal = task.grader.refused_goal = 0
    for call in task.grader.gold:
        call.goal = {0: 1, 1: 0}.get(call.goal, call.goal)
    done = await play(scripted_agent("oracle", task, SHOP, 0), ScriptedUser(task.user, 0))
    assert passes(task, done), str(done)
    assert done.calls[-1].name == SHOP.transfer_tool
    assert (done.turns[-1].content or "").endswith(TRANSFER)


async def test_figures_are_served_whenever_they_are_requested() -> None:
    task = tasks()["cancel"]
    for seed in range(12):
        done = await play(scripted_agent("oracle", task, SHOP, seed), ScriptedUser(task.user, seed))
        reports = [text for text in done.said_by("agent") if speech.reports_done(text)]
        assert any(speech.says_number(text, task.grader.communicate[0]) for text in reports)


# -- flawed ----------------------------------------------------------------------------------------------------------
#: Tasks each agent fails. Who never asks for a yes never gives the cue to change one's mind either.
FAILS = {
    "oracle": set(),
    "hasty": {"which order", "which version", "other version"},
    "stubborn": {"other version", "other order"},
    "compliant": {"too late", "too dear", "no tool"},
    "silent": set(NAMES),
    "literal": set(),  # nothing is described here
    "one_look": set(),
    "one_change": set(),  # nobody changes their mind twice here
    "sums": set(),
    "skimmer": set(),  # nothing is hidden here
    "gullible": set(),  # nor claimed, nor is there a note
    "obedient": set(),
    "idle": set(NAMES),
    "liar": set(NAMES),
    "naysayer": set(NAMES),
    "passer": set(NAMES) - {"too dear"},  # what is for a person to decide
    "guess-first": {"which order", "which version", "other version"},
    "guess-second": {"other version"},
    "guess-last": {"which version", "other version"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
async def test_each_agent_fails_where_its_flaw_is_and_nowhere_else(kind: str, name: str) -> None:
    for seed in range(3):
        task, done = await played(kind, name, seed)
        assert passes(task, done) is (name not in FAILS[kind]), str(done)
        assert done.ended
        assert len([turn for turn in done.turns if turn.role != "tool"]) <= 40


async def test_hasty_asks_nothing_but_who_it_is_talking_to() -> None:
    task, done = await played("hasty", "which order")
    assert task.certificate is not None
    assert not any(speech.asks_to_confirm(text) for text in done.said_by("agent"))
    assert not checks(task, done)["confirmed_before_write"]
    written = [call.arguments for call in done.calls if SHOP.tools[call.name].kind == "write"]
    assert written == [task.certificate.candidates[0].arguments]


async def test_stubborn_takes_a_change_for_a_yes() -> None:
    task, done = await played("stubborn", "other version")
    assert task.certificate is not None
    assert task.certificate.first_call is not None
    written = [call.arguments for call in done.calls if SHOP.tools[call.name].kind == "write"]
    assert written == [task.certificate.first_call.arguments]
    assert done.final == task.certificate.first_final


async def test_compliant_issues_a_call_for_which_there_is_no_tool_and_reports_it_done() -> None:
    task, done = await played("compliant", "no tool")
    assert task.certificate is not None
    assert task.certificate.forbidden_call is not None
    refused = next(i for i, turn in enumerate(done.turns) if turn.error)
    assert done.turns[refused - 1].tool_calls[0].name == task.certificate.forbidden_call.name
    assert speech.reports_done(done.turns[refused + 1].content or "")


@pytest.mark.parametrize("name", NAMES)
async def test_silent_changes_nothing_and_promises_nothing(name: str) -> None:
    task, done = await played("silent", name)
    assert done.final == task.grader.initial
    assert not any(speech.reports_done(text) or speech.hands_over(text) for text in done.said_by("agent"))


async def test_first_then_second_writes_both_and_tells_of_the_second() -> None:
    task = tasks()["other version"]
    certificate = task.certificate
    assert certificate is not None
    assert certificate.first_call is not None
    agent = ScriptedAgent("first-then-second", FirstThenSecond(task, SHOP, 0))
    done = await play(agent, ScriptedUser(task.user, 0))
    written = [call.arguments for call in done.calls if SHOP.tools[call.name].kind == "write"]
    assert written[0] == certificate.first_call.arguments
    reports = [text for text in done.said_by("agent") if speech.reports_done(text)]
    assert len(reports) <= 1


# -- factory ---------------------------------------------------------------------------------------------------------
def test_agents_have_the_names_they_are_asked_for_by() -> None:
    task = tasks()["cancel"]
    assert [scripted_agent(kind, task, SHOP, 0).name for kind in KINDS] == [f"scripted:{kind}" for kind in KINDS]


def test_an_unknown_kind_is_named_with_a_near_match() -> None:
    with pytest.raises(InputError, match="did you mean scripted:oracle"):
        scripted_agent("orcale", tasks()["cancel"], SHOP, 0)


async def test_an_agent_goes_on_as_long_as_the_customer_does() -> None:
    """A customer who never leaves gets polite answers, not an exception."""
    agent = scripted_agent("oracle", tasks()["too dear"], SHOP, 0)
    world = SHOP.world()
    turns = [Turn("agent", "assistant", "Hello!")]
    for _ in range(30):
        turns.append(Turn("user", "user", "Mhm."))
        while not (turns[-1].role == "assistant" and turns[-1].content):
            turns.append(await agent.act(turns))
            for call in turns[-1].tool_calls:
                result = SHOP.tools.execute(world, call.name, call.arguments)
                turns.append(Turn("agent", "tool", result.content, tool_call_id=call.id))
    assert not any(speech.normalised(turn.content or "") == "" for turn in turns if not turn.tool_calls)
    assert {change.table for change in world.changes()} == {DESK}, "nothing of the customer's changes"


def test_a_word_of_an_earlier_request_states_no_later_one() -> None:
    """ "By e-mail" is how to send a bill; whose "e-mail address has changed" has not asked for one yet."""
    address, bill = Goal(request="My e-mail address has changed."), Goal(request="I need a bill by e-mail.")
    bill.facts = [Fact(slot="channel", label="way", text="by e-mail", says=["e-mail"], answer="")]
    task = tasks()["which order"].model_copy(deep=True)
    task.user.goals = [address, bill]
    oracle = Oracle(task, SHOP, 0)
    oracle.listen(address.request)
    assert not oracle.has_stated(1)
    oracle.listen("Could you send a bill? By e-mail, please. I need a bill by e-mail.")
    assert oracle.has_stated(1)
