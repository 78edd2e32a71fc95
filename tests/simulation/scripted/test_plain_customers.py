"""Customers of a domain without a language.yaml: they talk like people, and answer plain questions."""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
from collections.abc import Iterator

import pytest

from t2t_dist.cli.new_domain import write_domain
from t2t_dist.config.domain import load_domain
from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import Config
from t2t_dist.core.schema import INTENTS, Task
from t2t_dist.core.speech_acts import mentions
from t2t_dist.environments.language import Language
from t2t_dist.environments.telecom import Telecom
from t2t_dist.models.clients import Models
from t2t_dist.pipeline.episodes import EpisodeRunner
from t2t_dist.simulation.scripted.user import ScriptedUser
from t2t_dist.storage.rows import turn_of
from tests.support.made import Made, make
from tests.support.stored import stored

#: What the old words sounded like, and what no person says.
STILTED = re.compile(r"still open|[a-z]_[a-z]|\bi need help with this\b|\{|\bnone\b|\b(\w+) \1\b|[.?!][.,]|\(.*:", re.I)


@pytest.fixture(scope="module")
def courts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """What `t2t new-domain` writes, without its language.yaml."""
    folder = tmp_path_factory.mktemp("plain")
    named = write_domain("plain_courts", folder)
    (folder / "plain_courts" / "language.yaml").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        importlib.invalidate_caches()
        yield make(load_domain(Config(domain=named)), 40)
    for name in [name for name in sys.modules if name.split(".")[0] == "plain_courts"]:
        del sys.modules[name]


@pytest.fixture(params=["courts", "desk"])
def plain(request: pytest.FixtureRequest) -> Made:
    """That domain, and the tests' library."""
    found: Made = request.getfixturevalue(request.param)
    assert found.domain.language.tools == {}
    return found


def dialogues(made: Made, tasks: list[Task]) -> list[list[tuple[str, str]]]:
    """What both sides say with the oracle as agent; all of them pass."""
    runner = EpisodeRunner("run-1", load_config(None, {"agents": ["scripted:oracle"]}), Models(), made.domain)

    async def play() -> list[list[tuple[str, str]]]:
        found = []
        for task in tasks:
            row = stored(await runner.run(task, "scripted:oracle", 0)).row
            assert row["reward"] == 1.0, row
            turns = [turn_of(turn) for turn in row["turns"]]
            found.append([(turn.seat, turn.content) for turn in turns if turn.role != "tool" and turn.content])
        return found

    return asyncio.run(play())


def test_dialogues_read_like_those_of_people(plain: Made) -> None:
    tasks = [task for intent in INTENTS for task in plain.verified(intent)[:6]]
    assert len(tasks) >= 20
    for talk in dialogues(plain, tasks):
        for seat, text in talk:
            assert not STILTED.search(text), (seat, text)
            assert text[:1].isupper() or not text[:1].isalpha(), text


def test_customers_use_their_own_devices_as_they_are_told() -> None:
    """A domain with workflows, without its words."""
    phones = Telecom(seed=0, scale=0.3)
    phones.__dict__["language"] = Language()
    made = make(phones, 12)
    tasks = [task for task in made.verified() if any(call.requestor == "user" for call in task.grader.gold)]
    assert len(tasks) >= 5
    assert all(talk[-1][0] == "user" for talk in dialogues(made, tasks[:8]))


def test_no_task_is_lost_by_plain_words(plain: Made) -> None:
    assert [
        task.detail for task in plain.tasks if {"not_stated", "leaks_withheld", "not_known"} & set(task.reasons)
    ] == []


def questions(name: str, label: str) -> list[str]:
    return [
        f"What is the {label}?",
        f"Could you tell me the {label}, please?",
        f"Which {label} do you mean?",
        f"I'd need the {label} to go on.",
        f"Please provide the {label}.",
        f"What is the {name}?",
        f"Please provide the {name.replace('_', ' ')}.",
    ]


def test_customers_answer_plain_questions_about_each_slot(plain: Made) -> None:
    asked = 0
    for task in plain.verified("ambiguous")[:12]:
        for goal in task.user.goals[:1]:
            for fact in goal.facts:
                if fact.stated or not fact.says:
                    continue
                for question in questions(fact.slot, fact.label):
                    user = ScriptedUser(task.user, 1)
                    assert not mentions(user.respond("Hello, what can I do for you?"), fact.says)
                    assert mentions(user.respond(question), fact.says), question
                    asked += 1
    assert asked >= 28


def test_customers_answer_plain_questions_about_who_they_are(plain: Made) -> None:
    task = plain.verified("general")[0]
    (fact, *_) = task.user.identity
    for question in (
        f"May I have your {fact.label}?",
        f"What's your {fact.label}?",
        f"Could you give me the number of your {fact.label}?",
        "Who am I speaking with?",
        "How can I identify you?",
        "May I have your name, please?",
    ):
        user = ScriptedUser(task.user, 1)
        user.respond("Hello, what can I do for you?")
        answer = user.respond(question)
        assert mentions(answer, fact.says), (question, answer)
        if "name" in question or "Who" in question:
            assert mentions(answer, [task.user.name])
