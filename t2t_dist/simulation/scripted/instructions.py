"""What an agent asks somebody to do with their own device, step by step, from plain English. Pure.

A message is read in clauses. Only a clause with the form of a request ("please ...", "you need to ...", an imperative,
"... should be off") is a step; any other is a mention, which only says what "it" stands for later on. What a clause
leaves out ("and the VPN", "then off again") is taken from the one before.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from t2t_dist.core import speech_acts as speech
from t2t_dist.core.speech_acts.clauses import plain_english
from t2t_dist.core.text_match import plain_lines

from . import request_words as words
from .request_words import KIND_OF, VERBS, any_word, first_word, places_removed, stands_alone, way_of


class Act(StrEnum):
    """What a step asks for. To do something ("run a test") may be either; to open something is the way to it."""

    CHANGE = "change"
    LOOK = "look"
    OPEN = "open"
    DO = "do"


@dataclass
class Step:
    """One thing to do, in lower case.

    Args:
        text: the clause, with what "it" stands for put in; of a change without the place ("on your phone").
        whole: its sentence.
        way: "on", "off", or empty where the words don't say.
        condition: on what it depends; empty if it is to be done anyhow.
        expected: it was said that it should be so, which "could you check?" makes a look.
    """

    text: str
    whole: str
    act: Act
    way: str = ""
    condition: str = ""
    expected: bool = False


class _Asked(NamedTuple):
    """What a clause asks for: the act, its verb and what follows it; ``negated`` if it is asked not to be done."""

    act: Act | None
    verb: str = ""
    rest: str = ""
    negated: bool = False


_NOTHING = _Asked(None)
_LEFT_ALONE = _Asked(Act.CHANGE, negated=True)
#: A time that is not now, in place of a condition.
_LATER = "later"
#: A clause with what joins it to that before.
_Piece = tuple[list[str], str]


@dataclass
class _Frame:
    """A sentence as far as it is read: what its next clause may leave out.

    Args:
        asks: it is a question. ``tagged``: one that ends with "isn't it?".
        terse: each of its clauses names something or begins with a verb: "VPN off, then reboot".
        single: it is one clause.
        sure: it says what is to be so ("make sure that ...").
        subject: the clause before says what somebody else does: "I'd resume it".
    """

    act: Act | None = None
    verb: str = ""
    negated: bool = False
    steps: list[Step] = field(default_factory=list)
    condition: str = ""
    text: str = ""
    asks: bool = False
    tagged: bool = False
    terse: bool = False
    single: bool = False
    sure: bool = False
    subject: bool = False
    expected: bool = False


class Reader:
    """A reader of one message after another.

    Args:
        things: what can be changed on the device, by the words for it.
        shown: what the device shows.
        phrases: requests that are known as a whole, such as "restart it".
        verbs: verbs of the tools' own names.
        states: what things can be set to, beside on and off.
    """

    def __init__(
        self,
        things: Collection[str],
        shown: Collection[str],
        phrases: Iterable[str],
        verbs: Iterable[str],
        states: Iterable[str],
    ) -> None:
        self._things, self._nouns = any_word(things), any_word([*things, *shown])
        self._phrases, self._states = any_word(phrases), any_word(states)
        self._verbs = frozenset(verbs)
        #: What "it" stands for in a change and in a look, and what "do that" does.
        self._topic = self._seen = self._deed = ""

    def steps(self, heard: str) -> list[Step]:
        """The steps of a message, in order."""
        found: list[Step] = []
        self._topic = self._seen = self._deed = ""
        heading = _Frame()
        for line in plain_lines(heard).splitlines():
            item = words.BULLET.match(line) is not None
            if line.strip() and not item:
                heading = _Frame()
            for sentence in speech.sentences(line):
                frame = self._sentence(sentence.text, heading if item else _Frame())
                found += frame.steps
                if not item and sentence.text.rstrip().endswith(":"):
                    # "What I'll do:" heads a list of which nothing is to be done by the customer.
                    own = frame.act is None and words.PERSON.search(frame.text) is not None
                    heading = _Frame(frame.act, frame.verb, frame.negated or own)
        return found

    def _sentence(self, raw: str, heading: _Frame) -> _Frame:
        """Read one sentence; ``heading`` is that of its list, if it stands in one."""
        text = plain_english(words.QUOTES.sub("", raw)).rstrip(".! ")
        for pattern, to in words.REWRITTEN:
            text = pattern.sub(to, text)
        text = " ".join(text.split())
        frame = _Frame(heading.act, heading.verb, heading.negated, text=text.rstrip("? "), asks="?" in text)
        pieces = [piece for piece in _pieces(frame.text) if words.unfilled(piece[1]) or "no" in piece[1].split()]
        frame.tagged = frame.asks and words.TAG.search(frame.text) is not None
        frame.single = len(pieces) == 1
        frame.terse = all(
            not (start := words.unfilled(piece)) or self._nouns.search(piece) or words.is_verb(start)
            for _, piece in pieces
        )
        for at, (joints, piece) in enumerate(pieces):
            main = self._apart(piece, joints, frame, pieces[at + 1 :])
            if main:
                self._clause(main, joints, frame, last=at + 1 == len(pieces))
        if heading.negated:
            frame.steps.clear()
        return frame

    # -- conditions, times and asides ------------------------------------------------------------------------------
    def _apart(self, piece: str, joints: list[str], frame: _Frame, rest: Sequence[_Piece]) -> str:
        """The piece as a request, if it may be one; conditions and times are kept in the frame."""
        if words.CONDITIONS & set(joints):
            return self._request_in_condition(piece) or self._suppose(piece, joints, frame, rest)
        if words.IN_TIME & set(joints):
            if not words.NOT_YET.search(piece):
                return self._done_before(piece)
            frame.condition = _LATER
            if not rest:
                frame.steps = frame.steps[:-1]
            return ""
        if {"so", "so that"} & set(joints) and (result := self._result(piece, frame)):
            return result
        if words.ASIDES & set(joints):
            self._remember(piece)
            return ""
        return piece

    def _request_in_condition(self, piece: str) -> str:
        """ "If you could restart it" asks; "if you can see it" does not."""
        match = words.IF_YOU_COULD.match(piece)
        if match is None or not words.is_verb(piece[match.end() :]):
            return ""
        kind = KIND_OF[VERBS[first_word(piece[match.end() :])][0]]
        return "" if match["can"] and kind == "look" else f"please {piece[match.end() :]}"

    def _suppose(self, piece: str, joints: list[str], frame: _Frame, rest: Sequence[_Piece]) -> str:
        """A condition holds for what follows, or for the step before it where nothing follows."""
        if words.POLITE.match(piece):
            return ""
        condition = self._filled(piece, self._topic) if words.is_state_of_it(piece) else piece
        self._remember(piece)
        trailing = bool(frame.steps) and joints[0] in (*words.CONDITIONS, ",")
        if trailing and (not rest or rest[0][0][-1] in ("and", "then", "but")):
            frame.steps[-1].condition = condition
        else:
            frame.condition = condition
        return ""

    def _done_before(self, piece: str) -> str:
        """ "After turning it off", "once you have turned it off": to be done first. Other times ask for nothing."""
        match = words.DONE_BEFORE.match(piece)
        base, forms = VERBS.get(match["verb"], ("", set())) if match else ("", set())
        asks = piece.startswith("you have ") or "ing" in forms or (piece.startswith("you ") and "base" in forms)
        if match and asks and KIND_OF.get(base) in ("change", "open", "do"):
            return f"please {base}{piece[match.end('verb') :]}"
        self._remember(piece)
        return ""

    def _result(self, piece: str, frame: _Frame) -> str:
        """ "Slide it to the left so that it's off": the only words that say which way count as a request."""
        way = way_of(piece)
        if not way or not frame.steps or words.NOT.search(piece):
            return ""
        last = frame.steps[-1]
        if last.way or self._phrases.search(last.text):
            return ""
        if self._things.search(last.text):
            frame.steps.pop()
            return f"turn {self._topic} {way}"
        noun = self._things.search(piece)
        return f"turn {noun[0]} {way}" if noun else ""

    # -- one clause ------------------------------------------------------------------------------------------------
    def _clause(self, piece: str, joints: list[str], frame: _Frame, last: bool) -> None:
        if "whether" in joints and frame.act in (Act.LOOK, None):
            if frame.act is Act.LOOK:
                self._add(Act.LOOK, piece, frame)
            return
        if words.NOT_YET.search(piece) and not frame.asks:
            self._remember(piece)
            return
        if frame.subject and joints[-1] in ("and", "then", "or") and words.is_verb(piece):
            return  # goes on with somebody else's deed
        frame.subject = False
        main, purpose = _purpose(piece)
        frame.expected = False
        asked = self._asked(main, frame)
        if asked.act is None:
            self._carry_on(main, joints, frame, last)
            return
        # "Don't restart it or take the SIM out": neither of them.
        negated = asked.negated or (frame.negated and not frame.steps and bool({"or", "nor"} & set(joints)))
        frame.act, frame.verb, frame.negated = asked.act, asked.verb, negated
        if negated:
            self._remember(main)
            return
        self._add(asked.act, f"{asked.verb} {asked.rest}".strip(), frame)
        if purpose and asked.act is Act.OPEN:
            self._clause(purpose, ["to"], frame, last)

    def _asked(self, piece: str, frame: _Frame) -> _Asked:
        """What a clause asks for by itself."""
        text = words.unfilled(piece)
        denied = None if frame.tagged else words.after_negation(text)
        if denied is not None:
            return self._denied(denied)
        if sure := words.SURE.match(text):
            rest = re.sub(r"^(?:you (?:have )?|to )*+", "", text[sure.end() :])
            if words.after_negation(rest) is not None:
                return self._asked(rest, frame)
            if first_word(rest) not in VERBS or first_word(rest) == "set":
                frame.sure = True
                return self._demanded(rest)
        if (wanted := words.WANTED.match(text)) and self._is_state(rest := text[wanted.end() :].strip()):
            return self._demanded(rest)
        lead = words.LEAD.match(text)
        rest = text[lead.end() :] if lead else text
        if lead and words.SURE.match(rest):
            return self._asked(rest, frame)
        if lead and rest.startswith("not "):
            return _LEFT_ALONE
        if rest.startswith("have ") and (self._nouns.search(rest) or re.match(r"have (?:the|your|it)\b", rest)):
            return self._demanded(rest.removeprefix("have "))
        if not words.OWN.match(text) or lead:
            asked = self._by_verb(rest, lead[0] if lead else "", piece, frame)
            if asked is not None:
                return asked
        if text.startswith("let me know"):
            return _Asked(Act.LOOK, "tell", text.removeprefix("let me know").strip())
        if needs := words.NEEDS.match(text):
            frame.expected = True
            return self._needed(text, needs)
        return _NOTHING

    def _is_state(self, text: str) -> bool:
        """Whether a text names something with what it is to be set to: "the VPN off"."""
        named = self._nouns.search(text) or words.PRONOUN.match(text)
        return bool(named and (way_of(text) or self._states.search(text))) and not words.is_verb(text)

    def _denied(self, text: str) -> _Asked:
        """What is asked not to be done: only "don't leave it on" asks for something."""
        way = way_of(text)
        if first_word(text) in ("have", "keep", "leave", "let") and way:
            return _Asked(Act.CHANGE, "turn", f"{words.way_removed(text)} {words.opposite(way)}")
        base = VERBS[first_word(text)][0] if first_word(text) in VERBS else ""
        return _Asked(Act.CHANGE, base, negated=True)

    def _by_verb(self, text: str, lead: str, piece: str, frame: _Frame) -> _Asked | None:
        """What a clause asks for that begins with a verb; ``None`` if it does not. ``lead``: what stood before it."""
        word = first_word(text)
        after = text[len(word) :].strip()
        if word not in VERBS:
            return _Asked(Act.CHANGE, word, after) if word in self._verbs else None
        base, forms = VERBS[word]
        if "base" not in forms and not (lead and "ing" in forms):
            return None
        kind = KIND_OF[base]
        if kind in ("keep", "idle"):
            return _LEFT_ALONE
        if frame.asks and not lead and kind == "change" and frame.single and "please" not in piece:
            return _NOTHING  # "turn it off?" asks whether to
        if base == "put" and re.match(r"(?:it|that|this|things|everything) right\b", after):
            return _NOTHING
        if base in ("do", "try") and re.match(r"(?:it|that|this|so)\b", after):
            verb, _, rest = self._deed.partition(" ")
            return _Asked(Act.CHANGE, verb, rest) if verb else _NOTHING
        if kind == "look":
            return self._by_look(base, after, lead)
        return _Asked(Act(kind), base, after)

    def _by_look(self, base: str, after: str, lead: str) -> _Asked:
        if base == "see" and after.startswith("to "):
            return _Asked(Act.DO, "do", after.removeprefix("to "))
        if (base == "look" and after.startswith("after ")) or after.startswith("you "):
            return _NOTHING
        if base == "look" and after.startswith("for "):
            return _Asked(Act.OPEN, "go", after)
        if lead.startswith("you ") and base in ("see", "find", "read", "show"):
            return _NOTHING  # "you will see a switch" says what there is
        if words.OF_ME.search(after) and not re.match(r"(?:me|us)\b", after) and not lead.startswith(("can", "could")):
            return _NOTHING
        return _Asked(Act.LOOK, base, after)

    def _needed(self, text: str, needs: re.Match[str]) -> _Asked:
        """ "X should be off", "X needs to be restarted". But "X should be off now" is what the agent expects."""
        after, subject = text[needs.end() :].strip(), needs["subject"]
        base, forms = VERBS.get(first_word(after), ("", set()))
        if words.NOT.search(subject) or needs["be"] in ("stay", "remain"):
            return _LEFT_ALONE
        if needs["be"] == "have":
            return self._demanded(after) if way_of(after) and self._nouns.search(after) else _NOTHING
        if not needs["be"] and "ing" not in forms and not self._phrases.search(after):
            return _NOTHING
        if words.BY_NOW.search(text):
            return _NOTHING
        if KIND_OF.get(base) == "look":
            return _Asked(Act.LOOK, base, subject)
        way = way_of(after, base)
        if needs["not"]:
            way = words.opposite(way)
            return _Asked(Act.CHANGE, "turn", f"{subject} {way}") if way else _LEFT_ALONE
        if way:
            return _Asked(Act.CHANGE, "turn", f"{subject} {way}")
        if base or after.startswith("a "):
            return _Asked(Act.CHANGE, base or "do", f"{subject} {after}")
        return _NOTHING

    def _demanded(self, rest: str) -> _Asked:
        """What is to be so: "the VPN is off"."""
        if re.search(r"\b(?:stays?|remains?)\b", rest):
            return _LEFT_ALONE
        way = words.opposite(way_of(rest)) if words.NOT.search(rest) else way_of(rest)
        if way:
            return _Asked(Act.CHANGE, "turn", f"{words.way_removed(rest)} {way}")
        done = (VERBS[word][0] for word in re.findall(r"[\w-]+", rest) if word in VERBS and "past" in VERBS[word][1])
        return _Asked(Act.CHANGE, next(done, "set"), rest)

    # -- what is no request by itself ------------------------------------------------------------------------------
    def _carry_on(self, piece: str, joints: list[str], frame: _Frame, last: bool) -> None:
        """A clause that goes on with the one before, a question, a request of a few words, or a mention."""
        text = words.unfilled(piece)
        way, noun = way_of(text), self._nouns.search(text)
        if frame.sure and not frame.negated and noun and way:
            asked = self._demanded(text)
            if not asked.negated:
                self._add(Act.CHANGE, f"{asked.verb} {asked.rest}", frame)
            return
        bare = not words.FINITE.search(text) and not words.has_verb(text, "past", "ing", "third")
        if bare and frame.negated and noun:
            self._remember(text)
        elif bare and frame.act is not None and not frame.negated and (noun or words.WAYS.search(text) or way):
            self._go_on(text, joints, frame)
        elif self._is_question(text, bare, frame, last):
            frame.act, frame.verb = Act.LOOK, "see"
            if not words.OF_ME.search(text):
                self._add(Act.LOOK, text, frame)
        elif bare and noun and frame.terse and frame.act is None and self._is_order(piece, joints, frame, last):
            frame.act, frame.verb = (Act.CHANGE, "turn") if way else (None, "")
            self._add(Act.CHANGE if way else Act.DO, f"{'turn' if way else 'do'} {text}", frame)
        else:
            self._remember(text)
            own = words.OWN.match(text) is not None
            if not frame.asks and (own or not bare):
                frame.act, frame.negated = None, own
                frame.subject = words.GOES_ON.match(text) is not None

    def _is_question(self, text: str, bare: bool, frame: _Frame, last: bool) -> bool:
        """Whether a clause asks what the device shows."""
        if not frame.asks or words.OWN.match(text) or words.NOT_ABOUT_STATE.match(text):
            return False
        named = self._nouns.search(text) is not None
        if not named and not words.SHOWN.search(text) and not self._states.search(text):
            return False  # "is that what you want?"
        return (named and (bare or last)) or frame.tagged or words.ASKED.match(text) is not None

    def _is_order(self, piece: str, joints: list[str], frame: _Frame, last: bool) -> bool:
        """Whether a few words without a verb ask for something: "VPN off", "then a speed test", "restart, please"."""
        if way_of(piece):
            return not words.has_verb(piece, "base")
        polite = "please" in frame.text and last
        return polite or "then" in joints or words.unfilled(piece) != piece

    def _go_on(self, text: str, joints: list[str], frame: _Frame) -> None:
        """ "And the VPN", "then off again": with the verb of the clause before, and its direction or object."""
        assert frame.act is not None
        before = frame.steps[-1] if frame.steps else None
        way = way_of(text, frame.verb)
        if not self._nouns.search(text):
            if before is not None and "or" in joints:
                before.way = ""  # on or off: nobody knows
            else:
                self._add(frame.act, f"{frame.verb} {self._topic} {text}", frame)
            return
        if frame.act is Act.CHANGE and not self._things.search(text):
            self._add(Act.DO, f"do {text}", frame)
            return
        if before is not None and frame.act is Act.CHANGE:
            if not way and not words.WAYS.search(text):
                way = before.way
            elif way and not before.way and not frame.condition:
                before.way = way  # "turn the data saver and the VPN off"
        self._add(frame.act, f"{frame.verb} {text}", frame, way)

    # -- steps and what they leave out -----------------------------------------------------------------------------
    def _add(self, act: Act, text: str, frame: _Frame, way: str = "") -> None:
        """One more step, with what its words leave out; none if it is for later."""
        verb, _, rest = text.partition(" ")
        filled = text
        if act is Act.LOOK and verb in words.TO_CHECK and stands_alone(rest):
            filled = f"{text} {self._seen}"
            if frame.steps and frame.steps[-1].expected:
                frame.steps.pop()
        elif not self._phrases.search(text) and verb not in ("give", "make"):
            filled = self._filled(text, self._topic if act is Act.CHANGE else self._shown(text))
            if filled == text and act is Act.CHANGE and not self._nouns.search(text) and stands_alone(rest):
                filled = f"{verb} {self._topic} {rest}"
        self._remember(text)
        if frame.condition != _LATER:
            # Where to look is what is asked for; where to change something is not.
            told = places_removed(filled) if act is Act.CHANGE else filled
            way = way or way_of(text, verb)
            frame.steps.append(Step(told, frame.text, act, way, frame.condition, frame.expected))

    def _shown(self, text: str) -> str:
        """What "it" stands for in a look; empty where it is nothing that a device shows: "the number it is about"."""
        return self._seen if words.SHOWN.search(text) or first_word(text) in (*words.TO_CHECK, "run", "repeat") else ""

    def _filled(self, text: str, it: str) -> str:
        """The text with what "it" stands for, if it names nothing itself."""
        if not it or self._nouns.search(text):
            return text
        return words.PRONOUN.sub(lambda match: it, text, count=1)

    def _remember(self, text: str) -> None:
        """What "it" stands for from now on: what is named that can be changed, or else what a verb is about."""
        bare = places_removed(text)
        for match in self._nouns.finditer(text):
            self._seen = match[0]
        # "I can't do it for you" leaves it to the customer, "I'll do it" does not.
        if (not words.OWN.match(text) or words.NOT.search(text)) and (deed := _deed_in(bare)):
            self._deed = self._filled(deed, self._topic)
        if named := self._things.search(bare) or (None if self._topic else self._nouns.search(bare)):
            self._topic = named[0]
            return
        word, _, after = bare.partition(" ")
        about = words.OBJECT.match(after) if word in VERBS and KIND_OF[VERBS[word][0]] == "change" else None
        if about:
            self._topic = about["noun"]


def _pieces(text: str) -> Iterator[_Piece]:
    """The clauses of a sentence, each with what joins it to that before."""
    joints: list[str] = []
    at = 0
    for match in words.JOINT.finditer(text):
        if piece := text[at : match.start()].strip():
            yield joints or [""], piece
            joints = []
        joints = [*joints, match[0].strip() or ","]
        at = match.end()
    if piece := text[at:].strip():
        yield joints or [""], piece


def _purpose(piece: str) -> tuple[str, str]:
    """A clause without what it is for, and that: "restart it | switch on the new settings"."""
    for match in words.TO.finditer(piece):
        before = piece[: match.start()].split()
        word = first_word(piece[match.end() :])
        if before and before[-1] not in words.NO_PURPOSE and (word in VERBS or word in ("apply", "fix")):
            return piece[: match.start()].strip().removesuffix("in order").strip(), piece[match.end() :]
    return piece, ""


def _deed_in(text: str) -> str:
    """What a mention says might be done, as a request: "the phone asks for a restart" is "restart"."""
    for match in re.finditer(r"[\w-]+", text):
        base, forms = VERBS.get(match[0], ("", set()))
        if KIND_OF.get(base) == "change" and forms & {"base", "ing"}:
            return f"{base} {text[match.end() :].strip()}".strip()
    return ""
