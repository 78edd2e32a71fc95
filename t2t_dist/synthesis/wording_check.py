"""The mention check: the words carry every stated fact, and none of the withheld ones.

It makes a certificate hold for any writer: the intent proves the structure, and this check proves that the text states
the structure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from t2t_dist.core.schema import Change, Fact, UserSide
from t2t_dist.core.speech_acts import mentions

from .intents.parts import ADDED, TAKEN_BACK


def check_words(user: UserSide, is_free: bool = False) -> tuple[str, str] | None:
    """``None``, or a reason code and details. ``is_free``: what is described, and conditions, may be in other words
    than the template's, which ``requests/read_back.py`` reads.

    Codes: ``not_stated``, ``leaks_withheld``, ``not_known``, ``change_early``, ``goals_differ``.
    """
    for number, goal in enumerate(user.goals):
        opening = f"{goal.request} {' '.join(goal.questions)}"
        if goal.condition is not None and not is_free and not mentions(goal.request, [goal.condition]):
            return "not_stated", f"request {number + 1} does not say its condition: {goal.condition}"
        if goal.first is not None and not mentions(goal.request, [goal.first.request]):
            return "not_stated", f"request {number + 1} does not say what may be done first"
        if goal.whichever is not None and not mentions(goal.request, [goal.whichever]):
            return "not_stated", f"request {number + 1} does not say which is wanted: {goal.whichever}"
        for fact in goal.rather.facts if goal.rather is not None else ():
            if fact.stated and not mentions(goal.request, fact.says):
                return "not_stated", f"request {number + 1} does not say the {fact.label}: {fact.says}"
        if goal.otherwise is not None:
            if goal.otherwise.clause is not None and not mentions(goal.request, [goal.otherwise.clause]):
                return "not_stated", f"request {number + 1} does not say when else is wanted: {goal.otherwise.clause}"
            for fact in goal.otherwise.facts:
                # "If that can't be done, I'd take the white one", or "please cancel that order", is about the same.
                by_that = goal.otherwise.clause is not None or fact.described
                same = by_that and any(fact.says == one.says for one in goal.facts)
                first = (is_free and fact.described) or mentions(goal.request, fact.says)
                if not (first and (same or mentions(goal.otherwise.request, fact.says))):
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
    if user.second_change is not None and user.change is None:
        return "goals_differ", "the customer changes their mind a second time, and never a first time"
    before: Sequence[Fact] = ()
    own = ""
    for number, change in enumerate(user.changes):
        if not 0 <= change.goal < len(user.goals):
            return "goals_differ", f"the change is about goal {change.goal}, of {len(user.goals)}"
        if not number:
            before, own = user.goals[change.goal].facts, user.goals[change.goal].request
        others = " ".join(goal.request for place, goal in enumerate(user.goals) if place != change.goal)
        if wrong := _wrong_change(change, before, Said(own, others, user.reason_for_call)):
            return wrong
        before = change.facts
        own = f"{own} {change.request}" if change.part != TAKEN_BACK else own
    return None


class Said(NamedTuple):
    """What a customer has said before a change of mind: for the request that it is about, for the other ones, and as
    the reason for the call."""

    own: str
    others: str
    reason: str

    def says(self, phrases: Sequence[str]) -> bool:
        """Whether it was said for this request. What another request says, too, the reason says for that one."""
        in_reason = mentions(self.reason, phrases) and not mentions(self.others, phrases)
        return mentions(self.own, phrases) or in_reason


def _wrong_change(change: Change, before: Sequence[Fact], said: Said) -> tuple[str, str] | None:
    """What is wrong with the words of a change of mind. ``before``: what they wanted before."""
    first = {fact.slot: fact.says for fact in before}
    news = [(fact.label, fact.says) for fact in change.facts if first.get(fact.slot) != fact.says and fact.says]
    if change.part == TAKEN_BACK:
        if not any(mentions(change.request, says) for _, says in news):
            return "not_stated", f"the change does not say what stays: {', '.join(label for label, _ in news)}"
        return None
    if change.part == ADDED:
        if mentions(change.request, ["instead"]):
            return "not_stated", "what is said to be added is said to take the place of what was asked for"
        news = [(fact.label, _added(fact.says, first.get(fact.slot, []))) for fact in change.facts]
        news = [(label, says) for label, says in news if says]
    for label, says in news:
        if not mentions(change.request, says):
            return "not_stated", f"the change does not say the {label}: {says}"
    if news and all(said.says(says) for _, says in news):
        return "change_early", "the opening already says what the customer changes to"
    return None


def _added(says: Sequence[str], before: Sequence[str]) -> list[str]:
    """What is said now and was not before, as often as it is."""
    left, more = list(before), []
    for say in says:
        if say in left:
            left.remove(say)
        else:
            more.append(say)
    return more
