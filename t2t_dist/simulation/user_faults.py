"""User faults: defects of the simulated user, found in a transcript.

A conversation spoiled by its user is no evidence about the agent, so user faults are flagged in the episode's row and
counted in the report. Pure functions of the transcript and the user's side; when in doubt, nothing is flagged: a person
should agree with every flag. Not to be confused with tool faults, which are planned (``tool_fault_plan.py``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from t2t_dist.core.schema import Turn, UserSide

from .endings import any_phrase, plain, stops_before_write

STOP_BEFORE_WRITE = "stop_before_promised_write"
EMPTY = "empty_message"
ROLE_SWAP = "role_swap"
LEAK = "leaks_instructions"
REPEAT = "repeats"
EARLY_ENDING = "early_ending"
NEVER_ENDS = "never_ends"
FLAGS = (STOP_BEFORE_WRITE, EMPTY, EARLY_ENDING, NEVER_ENDS, ROLE_SWAP, LEAK, REPEAT)
"""``EMPTY``, ``EARLY_ENDING`` (a marker that was ignored) and ``NEVER_ENDS`` are seen by the conversation loop only."""

#: Messages of fewer words may well be repeated ("Yes, please go ahead.").
REPEAT_WORDS = 8
#: Sentences of the instructions with fewer words may occur by chance.
LEAK_WORDS = 7


_YOURS = r"(?:e-?mail|(?:full |first |last )?name|zip|order (?:number|id)|account|user id)"
#: What only an agent says.
_AGENTS_WORDS = any_phrase(
    r"how (?:can|may) i (?:help|assist)(?: you)?",
    r"(?:what|anything) else (?:that )?(?:i can|can i|i could) (?:help|assist|do for you)",
    r"(?:can|may) i help you with",
    r"thanks? (?:you )?for (?:contacting|reaching out|your patience)",
    r"i(?:'ve| have)(?: gone ahead and)?(?: successfully)? (?:cancell?ed|processed|updated|modified|refunded) your",
    rf"(?:may|could|can) i (?:please )?have your {_YOURS}",
    rf"(?:please|could you) provide (?:me with )?your {_YOURS}",
    r"i(?:'ll| will) (?:now )?(?:transfer you|process (?:that|this|your)|(?:check|look up) (?:that|this|it) for you)",
)
_SPEAKER = re.compile(r"^\W*(?:support )?(?:agent|assistant|representative)\W*:", re.IGNORECASE | re.MULTILINE)
#: What only somebody who plays a role says.
_STAGE = any_phrase(
    r"(?:my|these|according to the) instructions",
    r"(?:task[ _]instructions|known[ _]info|unknown[ _]info|reason[ _]for[ _]call|system prompt)",
    r"(?:my persona|(?:in|stay in|out of) character|role-?play(?:ing)?)",
    r"simulat(?:ed|ing) (?:user|customer|conversation)",
    r"as an ai|language model",
    r"i(?:'m| am) playing (?:the|a)|i play (?:the|a) customer",
    r"i(?:'m| am| was|'ve been| have been) (?:told|instructed) (?:not to|to only|only to|to pretend|to act)",
)


def user_faults(turns: Sequence[Turn], side: UserSide) -> list[str]:
    """The flags of a conversation, in the order of :data:`FLAGS`; :data:`EMPTY` is added by the conversation loop."""
    said = [turn for turn in turns if turn.role != "tool" and turn.content and not turn.tool_calls]
    words = [(place, plain(turn.content or "")) for place, turn in enumerate(said) if turn.seat == "user"]
    if not words:
        return []
    found = set()
    if stops_before_write(turns):
        found.add(STOP_BEFORE_WRITE)
    secrets = _secrets(side)
    previous = ""
    for place, text in words:
        if _AGENTS_WORDS.search(text) or _SPEAKER.search(said[place].content or "") or _echoes(said, place, text):
            found.add(ROLE_SWAP)
        if _STAGE.search(text) or (secrets and any(secret in text for secret in secrets)):
            found.add(LEAK)
        if text == previous and text.count(" ") >= REPEAT_WORDS - 1:
            found.add(REPEAT)
        previous = text
    return [flag for flag in FLAGS if flag in found]


def _echoes(said: Sequence[Turn], place: int, text: str) -> bool:
    """Whether the user repeats the agent's last message."""
    before = said[place - 1] if place else None
    if before is None or before.seat != "agent" or text.count(" ") < 3:
        return False
    return text == plain(before.content or "")


def _secrets(side: UserSide) -> list[str]:
    """The sentences of the instructions that the user must not say: those that are in nothing it may say."""
    allowed = [side.reason_for_call, side.known_info, side.unknown_info]
    for goal in side.goals:
        allowed += [goal.request, *goal.questions, *(fact.answer for fact in goal.facts)]
    for change in side.changes:
        allowed += [change.request, *(fact.answer for fact in change.facts)]
    allowed += [side.claim.text] if side.claim is not None else []
    allowed += [side.mistake.answer] if side.mistake is not None else []
    allowed += [side.miscount.answer] if side.miscount is not None else []
    tellable = plain("\n".join(allowed))
    sentences = (plain(part).strip(" \"'") for part in re.split(r"[.!?:;\n]+", side.task_instructions))
    return [part for part in sentences if part.count(" ") >= LEAK_WORDS - 1 and part not in tellable]
