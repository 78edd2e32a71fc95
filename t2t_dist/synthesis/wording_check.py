"""The mention check: the words carry every stated fact, and none of the withheld ones.

It makes a certificate hold for any writer: the intent proves the structure, and this check proves that the text states
the structure.
"""

from __future__ import annotations

from t2t_dist.core.schema import UserSide
from t2t_dist.core.speech_acts import mentions


def check_words(user: UserSide, is_free: bool = False) -> tuple[str, str] | None:
    """``None``, or a reason code and details. ``is_free``: what is described, and conditions, may be in other words
    than the template's, which ``requests/read_back.py`` reads.

    Codes: ``not_stated``, ``leaks_withheld``, ``not_known``, ``change_early``, ``goals_differ``.
    """
    for number, goal in enumerate(user.goals):
        opening = f"{goal.request} {' '.join(goal.questions)}"
        if goal.condition is not None and not is_free and not mentions(goal.request, [goal.condition]):
            return "not_stated", f"request {number + 1} does not say its condition: {goal.condition}"
        if goal.otherwise is not None:
            for fact in goal.otherwise.facts:
                said = (is_free and fact.described) or mentions(goal.request, fact.says)
                if not (said and mentions(goal.otherwise.request, fact.says)):
                    return "not_stated", f"request {number + 1} does not say the {fact.label}: {fact.says}"
        for fact in goal.facts:
            if fact.stated and not (is_free and fact.described) and not mentions(opening, fact.says):
                return "not_stated", f"request {number + 1} does not say the {fact.label}: {fact.says}"
            if not fact.stated:
                texts = [
                    user.reason_for_call,
                    *(f"{other.request} {' '.join(other.questions)}" for other in user.goals),
                ]
                if any(mentions(text, [said]) for text in texts for said in fact.says):
                    return "leaks_withheld", f"the opening gives away the {fact.label}: {fact.says}"
                if not mentions(user.known_info, fact.says):
                    return "not_known", f"known_info does not hold the {fact.label}: {fact.says}"
                if not mentions(fact.answer, fact.says):
                    return "not_stated", f"the answer does not say the {fact.label}: {fact.says}"
    for fact in user.identity:
        if not mentions(user.known_info, fact.says):
            return "not_known", f"known_info does not hold the {fact.label}"
    if user.change is not None:
        if not 0 <= user.change.goal < len(user.goals):
            return "goals_differ", f"the change is about goal {user.change.goal}, of {len(user.goals)}"
        first = {fact.slot: fact.says for fact in user.goals[user.change.goal].facts}
        news = [fact for fact in user.change.facts if first.get(fact.slot) != fact.says and fact.says]
        for fact in news:
            if not mentions(user.change.request, fact.says):
                return "not_stated", f"the change does not say the {fact.label}: {fact.says}"
        opening = " ".join([user.reason_for_call, *(goal.request for goal in user.goals)])
        if news and all(mentions(opening, fact.says) for fact in news):
            return "change_early", "the opening already says what the customer changes to"
    return None
