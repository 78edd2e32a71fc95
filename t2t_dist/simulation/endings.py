"""How a simulated user ends a conversation: the markers in whatever way a model writes them, endings that come too
early, and good-byes without a marker. Pure.

What a customer says together with an ending must not be lost: an agent that could not act on it is no evidence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from t2t_dist.core import speech_acts as speech
from t2t_dist.core.schema import OUT_OF_SCOPE, STOP, TRANSFER, Turn

MARKERS = (STOP, TRANSFER, OUT_OF_SCOPE)
#: Good-byes in a row, without a marker and without a call of the agent's in between, that end a conversation.
GOODBYES = 3

_WRITTEN = re.compile(
    r"[*_`]{0,3}(?<!#)#{2,9}\s{0,3}(stop|transfer|out[-_ ]of[-_ ]scope)(?:\s{0,3}#{2,9}|(?=\W*$))[*_`]{0,3}",
    re.IGNORECASE,
)

_WORD = re.compile(r"\w")


def any_phrase(*phrases: str) -> re.Pattern[str]:
    """Matches any of the phrases (regular expressions), in whole words, in a text normalised by :func:`plain`."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)")


def plain(text: str) -> str:
    """Lower case, one line, straight apostrophes, without the markers that end a conversation."""
    if "#" in text:
        text = split_ending(text)[0]
    return " ".join(text.lower().replace("\u2019", "'").split())


def split_ending(text: str) -> tuple[str, str]:
    """A text without the marker in it, and that marker as it should be; empty if there is none.

    Models write them in small letters, with spaces inside, escaped as for Markdown.
    """
    if "#" not in text:
        return text, ""
    unescaped = text.replace("\\#", "#")
    found = list(_WRITTEN.finditer(unescaped))
    if not found:
        return text, ""
    names = {match[1].upper().replace("_", "-").replace(" ", "-") for match in found}
    marker = next(marker for marker in (TRANSFER, STOP, OUT_OF_SCOPE) if marker.strip("#") in names)
    rest = _WRITTEN.sub("", unescaped).strip()
    return rest if _WORD.search(rest) else "", marker


def is_early(turns: Sequence[Turn], text: str, marker: str) -> bool:
    """Whether a user's text and marker, in answer to these turns, end a conversation in which the agent could not act:
    before it said anything, between a yes and what the yes was for, by a hand-over that nobody made."""
    if not any(turn.seat == "user" and turn.role == "user" for turn in turns):
        return True
    heard = _last_said(turns, "agent")
    if marker == TRANSFER:
        return not speech.hands_over(heard)
    return stops_before_write([*turns, Turn("user", "user", f"{text} {marker}")])


def answers_a_question(turns: Sequence[Turn], text: str) -> bool:
    """Whether a text that comes with a marker answers the agent, and not by a no or a good-bye."""
    heard = _last_said(turns, "agent")
    if "?" not in heard or speech.offers_more(heard) or not text:
        return False
    words = plain(text)
    if _WANTS.search(words) or _repeats(turns, words):
        return True
    return not (_LEAVES.search(words) or _THANKS.search(words) or _GIVES_UP.search(words) or _ASKS.search(plain(heard)))


def _repeats(turns: Sequence[Turn], words: str) -> bool:
    """Whether the user says the same again that the agent has just answered; not of short messages."""
    return words.count(" ") >= 7 and words.rstrip("!. ") == plain(_last_said(turns, "user")).rstrip("!. ")


def only_goodbyes(turns: Sequence[Turn]) -> bool:
    """Whether the user's last :data:`GOODBYES` messages only take leave, and the agent promised nothing."""
    said = list(islice((turn for turn in reversed(turns) if turn.role != "tool"), 2 * GOODBYES))
    if len(said) < 2 * GOODBYES or any(turn.tool_calls for turn in said):
        return False
    answers = zip(said[::2], said[1::2], strict=True)
    return all(user.seat == "user" and _takes_leave(user.content or "", agent.content or "") for user, agent in answers)


def _takes_leave(text: str, heard: str) -> bool:
    """Whether a user's text without a marker takes leave, and wants nothing any more."""
    words, before = plain(text), plain(heard)
    if "?" in words or words.count(" ") > 40 or _WANTS.search(words) or _PROMISES.search(before):
        return False
    # "Thank you" alone is also said to somebody who will look into it.
    return bool(_LEAVES.search(words) or (_THANKS.search(words) and _CLOSES.search(before)))


def stops_before_write(turns: Sequence[Turn]) -> bool:
    """Whether the last message stops the conversation while agreeing to, or not waiting for, the agent's next write,
    or without a word where the agent asks whether it may.

    Not if the agent could have made it before: it got the yes, or promised, one message ago and called nothing.
    """
    said = [place for place, turn in enumerate(turns) if _is_said(turn)]
    if len(said) < 2 or STOP not in (turns[said[-1]].content or "") or not _awaits(turns, said[-2:]):
        return False
    before = said[-4:-2]
    called = any(turn.tool_calls for turn in turns[said[-3] : said[-2]]) if len(said) > 2 else False
    return called or len(before) < 2 or not _awaits(turns, before)


def _awaits(turns: Sequence[Turn], places: Sequence[int]) -> bool:
    """Whether, after an agent's message and the user's answer, it is for the agent to act."""
    asking, answering = (turns[place] for place in places)
    if (asking.seat, answering.seat) != ("agent", "user"):
        return False
    offered, answer = plain(asking.content or ""), plain(answering.content or "")
    if _PROMISES.search(offered) and not offered.endswith("?"):
        return True
    agrees = not answer or (_AGREES.search(answer) and not answer.startswith("no"))
    return bool(agrees and _ASKS.search(offered))


def _last_said(turns: Sequence[Turn], seat: str) -> str:
    """The last message of a side that the other got; empty if there is none."""
    return next((turn.content or "" for turn in reversed(turns) if turn.seat == seat and _is_said(turn)), "")


def _is_said(turn: Turn) -> bool:
    return turn.role != "tool" and bool(turn.content) and not turn.tool_calls


_DO = "(?:go ahead|proceed|process|submit|cancel|change|modify|return|exchange|update|book|do (?:that|this|it))"
#: The agent's last message asks for agreement to a plan ...
_ASKS = any_phrase(
    rf"(?:shall|should|may|can) i (?:now )?(?:{_DO}|continue)",
    rf"(?:would|do) you (?:like|want) me to {_DO}",
    r"(?:please|do you|could you|can you) confirm",
    r"confirm (?:that|if|whether) you",
    r"(?:say|reply|answer)(?: with)? ['\"]?yes",
    r"\(yes",
    r"is (?:that|this|it) (?:ok|okay|all right|alright|correct|right|fine)",
    r"do you agree",
)
#: ... or promise an act that has not been done.
_PROMISES = any_phrase(
    rf"(?:i'll|i will|i'm going to|i am going to|i'm about to|let me) (?:now )?(?:just )?(?:{_DO}|take care of)",
    r"one moment",
    r"hold on",
    r"bear with me",
    r"please wait",
    r"give me a (?:moment|minute|second)",
)
_AGREES = any_phrase(
    r"yes|yeah|yep|sure|ok|okay|correct|confirmed|i confirm|proceed|go ahead|please do|do it",
    r"sounds (?:good|right|great)",
    r"(?:that's|that is) (?:right|correct|fine)",
)
_LEAVES = any_phrase(
    r"(?:good)?bye|see you|take care|farewell|(?:so|catch you) l(?:ong|ater)|cheerio",
    r"(?:have|enjoy) (?:a|an|your|the)(?: rest of (?:your|the))?(?: \w+)? (?:day|one|evening|night|afternoon|morning"
    r"|weekend|week)",
    r"(?:that|this|it)(?:'s| is| was| will be|'ll be)(?: really)? (?:all|everything|it)(?! (?:right|wrong))",
    r"(?:nothing|no(?:thing)? (?:more|further|other)) (?:else|questions?)|nothing else|i(?:'m| am) (?:all set|done)",
    r"good (?:day|night)",
)
_THANKS = any_phrase(r"thanks?|thank you|cheers|much appreciated|appreciate (?:it|that|your|the)")
_CLOSES = any_phrase(
    r"(?:you're|you are|most) welcome|my pleasure|(?:glad|happy) to help|(?:good)?bye|(?:anything|something) else"
    r"|have an? \w+ \w+"
)
_GIVES_UP = any_phrase(
    r"^\W*(?:no|nope|fine|i see|understood|i understand|all right|alright|okay|never ?mind)"
    r"|forget it|leave it|give up|a pity|too bad|nowhere|in circles|elsewhere|another (?:time|day|way)"
    r"|(?:don't|do not) (?:know|have)"
)
_WANTS = any_phrase(
    r"(?<!yes, )(?<!yes )please(?! (?:do|go|proceed))|(?:can|could|would) you|i (?:want|need|would like)|i'd like|but"
    r"|wait|hold|also|one more|before (?:i|you)"
)
