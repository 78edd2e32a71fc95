"""Requests are put in many ways, each of which carries the facts and reads well."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from t2t_dist.core.schema import Fact, Task
from t2t_dist.core.speech_acts import mentions
from t2t_dist.environments.language import Language, ToolWords, Words, placeholders
from t2t_dist.environments.registry import BUILT_IN, load
from t2t_dist.environments.tidy import clash
from t2t_dist.simulation.scripted.phrases import STYLES
from t2t_dist.synthesis.asking import asked, manner_of, mistyped
from t2t_dist.synthesis.convert import convert_one
from tests.support.made import Made

DETAILS = [
    Fact(slot="loan_id", label="loan", text="loan L-12", says=["L-12"], answer="It's loan L-12."),
    Fact(slot="reason", label="reason", text="I'm ill", says=["I'm ill"], answer="I'm ill."),
]


def language(request: str, **more: list[str]) -> Language:
    """Words for renewing a loan."""
    slots = {
        "loan_id": Words(label="loan", vague=["a loan of mine"], stated=["{value}", "It's {value}."]),
        "reason": Words(label="reason", stated=[" because {value}", "Since {value},", "{value}."]),
    }
    words = ToolWords.model_validate({"name": "renewing", "request": [request], "slots": slots, **more})
    return Language(tools={"renew_loan": words})


def texts(words: Language, facts: list[Fact] = DETAILS, style: str = "friendly", draws: int = 200) -> Counter[str]:
    rng = random.Random(7)
    return Counter(asked(words, "renew_loan", facts, style, rng) for _ in range(draws))


# -- how a request is put together -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("request_", "before", "lead", "kind", "do", "after"),
    [
        ("Could you renew {a}?", "", "", "agent", "renew {a}", ""),
        ("Please renew {a}.", "", "", "agent", "renew {a}", ""),
        ("I'd like you to renew {a}.", "", "", "agent", "renew {a}", ""),
        ("I want to keep {a}{b}.", "", "", "customer", "keep {a}{b}", ""),
        ("Can I keep {a}, please?", "", "", "customer", "keep {a}", ""),
        ("I need a copy of {a}.", "", "", "thing", "a copy of {a}", ""),
        ("I'd like to have {a} renewed.", "", "", "thing", "{a} renewed", ""),
        ("For {a}, I'd like to have lights.", "", "For {a}, ", "thing", "lights", ""),
        ("I'm ill. Could you renew {a}? It's late.", "I'm ill.", "", "agent", "renew {a}", "It's late."),
        ("I want {a}. Could you find it?", "I want {a}.", "", "agent", "find it", ""),
        ("{a} is broken.", "{a} is broken.", "", "", "", ""),
        ("I'd like {a}; please send it.", "I'd like {a}; please send it.", "", "", "", ""),
    ],
)
def test_a_request_is_taken_apart_where_it_asks(
    request_: str, before: str, lead: str, kind: str, do: str, after: str
) -> None:
    assert manner_of(request_) == (before, lead, kind, do, after)


@pytest.mark.parametrize("style", STYLES)
def test_an_authors_one_sentence_is_put_in_many_ways(style: str) -> None:
    words = language("Could you renew {loan_id}{reason}?")
    found = texts(words, style=style)
    assert len(found) >= 12
    assert all(mentions(text, ["L-12", "I'm ill"]) and clash(text) is None for text in found)
    assert len({text for text in found if text.startswith("Since I'm ill, ")}) > 1
    assert any(re.search(r"a loan of mine\b.*[.?] It's loan L-12\.$", text) for text in found)
    assert any(re.search(r"[.?] I'm ill\.$", text) for text in found)


def test_what_is_withheld_is_left_vague() -> None:
    facts = [fact.model_copy(update={"stated": False}) for fact in DETAILS]
    for text in texts(language("Could you renew {loan_id}{reason}?"), facts):
        assert "a loan of mine" in text
        assert not re.search("L-12|ill|because", text)


def test_a_sentence_that_begins_otherwise_stays_as_it_is() -> None:
    found = texts(language("My loan {loan_id} is due."), DETAILS[:1])
    assert all(re.match(r"My loan (loan L-12|a loan of mine) is due\.", text) for text in found)
    assert len(found) > 2


def test_a_sentence_that_says_why_stands_before_it_now_and_then() -> None:
    words = language("Could you renew {loan_id}?", why=["I'm ill."])
    told = sum(count for text, count in texts(words, DETAILS[:1]).items() if text.startswith("I'm ill. "))
    assert 20 < told < 100
    rng = random.Random(1)
    again = [asked(words, "renew_loan", DETAILS[:1], "brief", rng, again=True) for _ in range(100)]
    assert not any("I'm ill." in text or "a loan of mine" in text for text in again)


# -- the domains -------------------------------------------------------------------------------------------------------
def masked(text: str, facts: list[Fact]) -> str:
    for value in sorted({value for fact in facts for value in (fact.text, *fact.says) if value}, key=len, reverse=True):
        text = text.replace(value, "<>")
    return text


def test_requests_of_tasks_differ_in_more_than_their_values(built_in: Made) -> None:
    found = [masked(goal.request, goal.facts) for task in built_in.verified() for goal in task.user.goals]
    assert len(found) > 150
    assert len(set(found)) > 0.8 * len(found)
    assert max(Counter(found).values()) < 0.05 * len(found)


def test_what_customers_say_reads_well(built_in: Made) -> None:
    for task in built_in.verified():
        for text in said(task):
            assert clash(text) is None, text
            assert text[:1].isupper() or not text[:1].isalpha() or "@" in text.split()[0], text


def said(task: Task) -> list[str]:
    user = task.user
    goals = [text for goal in user.goals for text in (goal.request, *goal.questions)]
    answers = [fact.answer for facts in (user.identity, *(goal.facts for goal in user.goals)) for fact in facts]
    return [*goals, *answers, *([user.change.request] if user.change else ())]


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_persona_has_a_dozen_wordings_of_each_kind_of_request(name: str) -> None:
    words, rng = load(name, 0, 0.05).language, random.Random(3)
    for tool, own in words.tools.items():
        slots = {slot for text in own.request for slot in placeholders(text)}
        facts = [Fact(slot=slot, label=slot, text=f"the {slot}", says=[slot], answer="") for slot in sorted(slots)]
        for style in STYLES if own.request else ():
            found = {asked(words, tool, facts, style, rng) for _ in range(60)}
            assert len(found) >= 12, (tool, style)
            assert all(mentions(text, slots) for text in found)


def test_customers_say_dates_as_people_do(built_in: Made) -> None:
    born = [fact for task in built_in.verified() for fact in task.user.identity if fact.slot == "BirthDate"]
    assert all(mentions(fact.answer, fact.says) and fact.text not in fact.answer for fact in born)
    assert bool(born) == (built_in.domain.name != "retail")


# -- drawn again, and mistyped -----------------------------------------------------------------------------------------
async def test_words_that_lack_a_fact_are_drawn_again(desk: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    lossy = ToolWords(name="cancelling", request=["Could you cancel {hold_id}?", "I don't want it any more."])
    monkeypatch.setitem(desk.domain.__dict__, "language", Language(tools={"cancel_hold": lossy}))
    asking = [t for t in desk.verified("general") if any(call.name == "cancel_hold" for call in t.grader.gold)]
    assert len(asking) > 10
    for task in asking:
        trajectory = next(t for t in desk.trajectories if t.trajectory_id == task.trajectory_id)
        assert (await convert_one(desk.domain, trajectory, "general", None)).verdict == "verified"


async def test_requests_are_mistyped_only_when_that_is_asked_for(shop: Made) -> None:
    changed = 0
    for trajectory in shop.trajectories[:20]:
        plain, again, typed = [
            await convert_one(shop.domain, trajectory, "general", None, typos) for typos in (0.0, 0.0, 0.3)
        ]
        assert plain == again
        assert typed.verdict == plain.verdict
        assert typed.certificate == plain.certificate
        changed += [goal.request for goal in typed.user.goals] != [goal.request for goal in plain.user.goals]
    assert changed >= 12


def test_what_states_a_fact_is_never_mistyped() -> None:
    text = "Could you please send order #W12 to 9 Jessica Drive, because the blanket is late, to ann.other@example.com?"
    facts = [Fact(slot="item", label="item", text="the blanket", says=["blanket"], answer="")]
    typed = mistyped(text, facts, 0.5, random.Random(2))
    assert typed != text
    assert all(word in typed for word in ("#W12", "9 Jessica Drive", "the blanket", "ann.other@example.com"))
    assert mistyped(text, facts, 0.0, random.Random(2)) == text
