"""The parts of a reward: one function each, registered in :data:`PARTS`.

To add one: a function from a :class:`Graded` to a :class:`Mark`, its line in :data:`PARTS`, and its column in ``PARTS``
of ``storage/rows.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from t2t_dist.core.naming import stems
from t2t_dist.core.printing import one_line
from t2t_dist.core.schema import GraderSide, RecordChange
from t2t_dist.core.speech_acts import mentions, refuses, reports_done, says_number
from t2t_dist.core.told import Meaning, told
from t2t_dist.environments.rules import Handling
from t2t_dist.environments.tools import Kind
from t2t_dist.synthesis.grader_side import fact_text, fields_of

from .expected import Expected
from .replay import Replay

#: Terminations of a conversation that ended by itself. In any other it was cut off.
ENDED = frozenset({"user_stop", "agent_stop", "transfer"})


class Graded(NamedTuple):
    """A finished episode as the parts see it: how it ended, its replay, the grader's side, the expected result."""

    termination: str
    replay: Replay
    grader: GraderSide
    expected: Expected


class Mark(NamedTuple):
    """The result of one part: 1.0, 0.0, or ``None`` where code can't be sure, and what was wrong or what is not certain
    ("" where there is nothing to say)."""

    value: float | None
    detail: str = ""


_PASSED = Mark(1.0)
#: Characters of a message that a detail quotes.
_SHOWN = 160


def ended(episode: Graded) -> Mark:
    """The conversation ended by itself."""
    return _PASSED if episode.termination in ENDED else Mark(0.0, f"cut off: {episode.termination}")


def db(episode: Graded) -> Mark:
    """The final state is one of the expected ones."""
    world, wanted = episode.replay.world, episode.expected
    return _PASSED if world.digest in wanted.finals else Mark(0.0, _difference(world.changes(), wanted.changes))


def forbidden(episode: Graded) -> Mark:
    """No forbidden call was issued, whether or not it was refused: none that the task lists, and none that breaks the
    rule it is about, with whatever arguments. The detail names the last one."""
    listed = episode.grader.forbidden
    broken = [call for call in episode.replay.issued if call.breaks_rule or call.is_one_of(listed)]
    return Mark(0.0, f"{broken[-1].name} was issued") if broken else _PASSED


def required(episode: Graded) -> Mark:
    """Every required call was issued. The detail names the last one that was not."""
    issued = episode.replay.issued
    absent = [pattern for pattern in episode.grader.required if not any(call.is_one_of([pattern]) for call in issued)]
    return Mark(0.0, f"{absent[-1].name} was not issued") if absent else _PASSED


def communicate(episode: Graded) -> Mark:
    """The customer was told every fact that they had to be. The detail names the last one that they were not."""
    absent = untold(episode.expected.communicate, episode.replay.heard, episode.grader)
    if not absent:
        return _PASSED
    spoken = any(says_number(text, absent[-1]) or mentions(text, [absent[-1]]) for text in episode.replay.said)
    return Mark(0.0, f"'{absent[-1]}' was {'said, but not as what it is' if spoken else 'never said'}")


def refused(episode: Graded) -> Mark:
    """The customer was told that what they asked for can't be done, and not that it was.

    What the world records about a refusal is in ``db``; this is what was said about it. Where it records nothing, words
    are all there is, so they have to name something of the reason as well. Of a task without a request to refuse, or
    with one to hand over, it asks nothing.
    """
    if episode.grader.handling != Handling.REFUSE.value:
        return _PASSED
    if claim := claimed(episode.replay):
        return Mark(0.0, f"says that it was done: {one_line(claim, _SHOWN)}")
    said = [refuses(text) for text in episode.replay.heard]
    if any(said):
        if episode.expected.recorded or _names(episode.replay.heard, episode.expected.reason):
            return _PASSED
        text = episode.replay.heard[said.index(True)]
        return Mark(None, f"not certain that this is for the right reason: {one_line(text, _SHOWN)}")
    if None in said:
        text = episode.replay.heard[said.index(None)]
        return Mark(None, f"not certain whether this refuses: {one_line(text, _SHOWN)}")
    return Mark(0.0, "the customer was never told that it can't be done")


def _names(heard: Sequence[str], reason: str) -> bool:
    """Whether what the customer heard names what the reason is about: two of its words, or the one that it has."""
    wanted = stems(reason) - _OF_ANY_REFUSAL
    return len(wanted & set().union(*map(stems, heard))) >= min(2, len(wanted))


#: What any refusal says, whatever its reason.
_OF_ANY_REFUSAL = stems(
    "sorry afraid unfortunately can can't cannot could couldn't not no nothing unable possible impossible allow allowed"
    " allows may must only policy policies rule rules do done does request requests requested customer customers agent"
    " anything any please help have has been will won't we our they them their what which when where there here if but"
    " me us as than before after once more other such each per one two thing things make made give given take want ask"
)


def claimed(replay: Replay) -> str:
    """The last message that says that something was done in an episode that has changed nothing; "" if none does."""
    if any(call.changed and call.kind == Kind.WRITE.value for call in replay.calls):
        return ""  # it may speak of that
    return next((text for text in reversed(replay.heard) if reports_done(text) and not refuses(text)), "")


def process(episode: Graded) -> Mark:
    """Every process check was kept; which one was not is stored beside the parts."""
    return Mark(float(all(episode.replay.process.values())))


#: Name of a part -> its function, in the order in which a grade lists them.
PARTS: dict[str, Callable[[Graded], Mark]] = {
    "ended": ended,
    "db": db,
    "forbidden": forbidden,
    "required": required,
    "communicate": communicate,
    "process": process,
    "refused": refused,
}


def untold(facts: Sequence[str], heard: Sequence[str], grader: GraderSide) -> list[str]:
    """The facts that none of the messages told the customer: see ``core/told.py``."""
    return [fact for fact in facts if not told(heard, fact, meaning_of(fact, grader))]


#: Names of a result's fields by what their sums are to the customer.
_REFUNDS, _CHARGES = ("refund",), ("to_pay", "price", "charge", "cost", "fee")


def meaning_of(fact: str, grader: GraderSide) -> Meaning:
    """Whether a figure is money that the customer gets back or pays, by the field of the gold's results that holds it;
    ``Meaning.ANY`` where that does not say."""
    fields = {
        name
        for call in grader.gold
        for name, value in fields_of(call.result).items()
        if value and fact_text(value) == fact
    }
    found = {
        meaning
        for meaning, stems in ((Meaning.REFUND, _REFUNDS), (Meaning.CHARGE, _CHARGES))
        if any(stem in name for name in fields for stem in stems)
    }
    return found.pop() if len(found) == 1 else Meaning.ANY


def _difference(changes: Sequence[Any], wanted: Sequence[RecordChange]) -> str:
    """The records in which the final state is not the gold's, in a few words."""
    mine = {(change.table, change.key): change.after for change in changes}
    gold = {(change.table, change.key): change.after for change in wanted}
    missing = [f"{t}/{k}" for (t, k) in gold if (t, k) not in mine]
    extra = [f"{t}/{k}" for (t, k) in mine if (t, k) not in gold]
    other = [f"{t}/{k}" for (t, k) in mine if (t, k) in gold and mine[(t, k)] != gold[(t, k)]]
    named = (("not changed", missing), ("changed without need", extra), ("changed otherwise", other))
    return "; ".join(f"{what}: {', '.join(where[:4])}" for what, where in named if where) or "another state"
