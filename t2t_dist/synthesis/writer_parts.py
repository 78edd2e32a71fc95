"""What a writer is told of a customer's goals: what has to be said, part by part, and in whose words.

What is described is given by its parts, and the writer finds words of its own for it. What can't be read back in other
words (``requests/read_back.py``) keeps the template's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from t2t_dist.core.schema import Fact, Goal, UserSide
from t2t_dist.environments.base import Domain

from .requests import language as lang
from .requests.conditions import said, tell_of
from .requests.parts import in_plain_words
from .requests.questions import questions_of
from .requests.read_back import may_be_free


class GoalParts(NamedTuple):
    """What a writer is told of one goal.

    ``is_free``: it may say it in words of its own; ``parts``: by slot, what an argument is described by; ``condition``:
    when the customer wants it; ``question``: what they ask, where they ask and want nothing else.
    """

    is_free: bool
    parts: Mapping[str, Sequence[str]]
    condition: Sequence[str] = ()
    question: Sequence[str] = ()


def parts_of(domain: Domain, user: UserSide, requests: Mapping[str, Any] | None) -> list[GoalParts]:
    """The parts of each goal; ``requests``: their expressions, as they are stored."""
    found = []
    for number, goal in enumerate(user.goals):
        stored = (requests or {}).get(str(number))
        is_counted = user.miscount is not None and user.miscount.goal == number
        found.append(_parts(domain, goal, lang.read(stored) if stored is not None else None, is_counted))
    return found


def _parts(domain: Domain, goal: Goal, request: lang.Node | None, is_counted: bool) -> GoalParts:
    is_free = may_be_free(domain, request, goal, is_counted)
    if request is None or not is_free:
        return GoalParts(is_free, {})
    if isinstance(request, lang.Tell):
        return GoalParts(True, {}, question=_question(domain, request))
    errand = request.then if isinstance(request, lang.If) else request
    facts = [*goal.facts, *(goal.otherwise.facts if goal.otherwise is not None else ())]
    parts = {fact.slot: _described(domain, errand, fact) for fact in facts if fact.described}
    condition = _condition(domain, request, goal) if isinstance(request, lang.If) else ()
    return GoalParts(True, parts, condition)


def _described(domain: Domain, errand: lang.Node, fact: Fact) -> list[str]:
    is_set = isinstance(errand, lang.Each) and fact.slot == errand.slot
    node: lang.Node | None = errand.among if isinstance(errand, lang.Each) and is_set else None
    if node is None and isinstance(errand, lang.Do | lang.Each):
        node = errand.arguments.get(fact.slot)
    return in_plain_words(domain, node, fact.text) if node is not None else [f'exactly these words: "{fact.text}"']


def _condition(domain: Domain, request: lang.If, goal: Goal) -> list[str]:
    compares, tell = request.condition, tell_of(domain, request)
    if not isinstance(compares, lang.Compares) or not isinstance(compares.right, lang.Given) or tell is None:
        return []
    way = "less" if compares.relation == "less" else "more"
    unit = "" if tell.is_money else ", with its unit"
    return [
        f'what it is about: "{tell.ask[0]}"',
        f"that figure is {way} than {said(tell, compares.right.value)} (this number as it stands{unit}, and no other)",
        f'in the template\'s words: "only if {goal.condition}"',
    ]


def _question(domain: Domain, request: lang.Tell) -> list[str]:
    words = next((one.words for one in questions_of(domain).values() if one.request == request), None)
    kind = "how many they are" if isinstance(request.value, lang.Count) else "what they come to in all, added up"
    examples = " or ".join(f'"{text}"' for text in words.ask) if words is not None else ""
    return [f"it asks {kind}", f"in the template's words: {examples}"]
