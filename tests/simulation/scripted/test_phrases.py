"""The scripted customers' sentences: many for each act and persona, put together without seams."""

from __future__ import annotations

import random

import pytest

from t2t_dist.environments.tidy import clash
from t2t_dist.simulation.scripted.phrases import STYLES, Phrases, agent_acts, user_acts

VALUES = {
    "request": "Could you renew it?", "answers": "It's L-12.", "questions": "What does it cost?", "results": "It's on.",
    "texts": "a plan", "name": "Ada Bly", "value": "5", "options": "on or off",
    "reason": "it is late", "Reason": "It is late", "label": "loan", "labels": "name",
    "details": " (L-12)", "customer": "The customer", "thing": "your loan", "Thing": "Your loan",
    "condition": "it costs less than $5", "claim": "It's mine.", "but": "it's mine.",
    "told": "It costs $5.", "which": "costs me less", "said": "three", "count": "two", "expression": "1 + 2",
    "all": "both",
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_every_persona_has_a_dozen_wordings_of_each_act(style: str) -> None:
    acts = user_acts(f"{style}: and so on")
    assert {act: len(texts) for act, texts in acts.items() if len(texts) < 12} == {}
    others = [user_acts(other) for other in STYLES if other != style]
    assert all(set(acts["open"]) - set(other["open"]) for other in others)


@pytest.mark.parametrize("style", [*STYLES, "agent"])
def test_every_wording_reads_well(style: str) -> None:
    for act, texts in (agent_acts() if style == "agent" else user_acts(style)).items():
        phrases = Phrases({act: texts}, random.Random(0))
        for text in {phrases.say(act, **VALUES) for _ in range(4 * len(texts))}:
            assert clash(text) is None, (act, text)
            assert text[0].isupper(), (act, text)
