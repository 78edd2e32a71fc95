"""Plain words: sentences made from the names of tools, arguments and types, for a domain without words of its own.

``move_loan(loan_id="L-12", branch="Hill")`` becomes "Could you move loan L-12, please? The branch should be Hill."
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: Past participles that are not made by a rule.
_PAST = {
    "begin": "begun", "break": "broken", "bring": "brought", "build": "built", "buy": "bought", "choose": "chosen",
    "cut": "cut", "do": "done", "draw": "drawn", "find": "found", "freeze": "frozen", "get": "got", "give": "given",
    "hold": "held", "keep": "kept", "leave": "left", "lend": "lent", "let": "let", "make": "made", "pay": "paid",
    "overwrite": "overwritten", "put": "put", "read": "read", "rebuild": "rebuilt", "redo": "redone", "reset": "reset",
    "resend": "resent", "rewrite": "rewritten", "run": "run", "sell": "sold", "send": "sent", "set": "set",
    "show": "shown", "shut": "shut", "split": "split", "take": "taken", "tell": "told", "undo": "undone",
    "unfreeze": "unfrozen", "unset": "unset", "withdraw": "withdrawn", "write": "written",
}  # fmt: skip
#: Verbs of more than one syllable that double their last letter: cancelling, transferring.
_DOUBLING = frozenset((
    "cancel", "transfer", "refer", "defer", "submit", "resubmit", "permit", "admit", "commit", "begin", "reset",
    "unset", "label",
))  # fmt: skip
#: Verbs after which a thing comes to be: "book a flight", but "move my flight".
_MAKING = frozenset((
    "add", "apply", "arrange", "attach", "book", "build", "buy", "create", "draft", "file", "get", "give", "insert",
    "issue", "make", "open", "order", "place", "post", "raise", "reserve", "request", "schedule", "send", "start",
    "submit", "write",
))  # fmt: skip
_SWITCHING = frozenset(("activate", "deactivate", "disable", "enable"))
_VERBS = _MAKING | _SWITCHING | frozenset(_PAST) | frozenset((
    "accept", "adjust", "approve", "archive", "assign", "block", "cancel", "change", "check", "claim", "clear",
    "close", "complete", "confirm", "connect", "copy", "decline", "decrease", "deduct", "delete", "deliver",
    "disconnect", "dispute", "download", "drop", "edit", "end", "enroll", "enrol", "escalate", "exchange",
    "execute", "extend", "finish", "fix", "follow", "forward", "grant", "increase", "install", "invite", "join",
    "link", "list", "lock", "log", "merge", "modify", "move", "notify", "opt", "park", "pause", "pick", "process",
    "publish", "purchase", "push", "rate", "receive", "record", "recover", "redeem", "reduce", "refill", "refund",
    "refuse", "register", "reinstate", "reject", "release", "reload", "remove", "rename", "renew", "rent", "reopen",
    "repair", "replace", "report", "resolve", "restart", "restore", "resume", "retry", "return", "revoke", "save",
    "scan", "share", "ship", "sign", "skip", "stop", "subscribe", "suspend", "swap", "switch", "sync", "terminate",
    "test", "toggle", "top", "track", "transfer", "turn", "unblock", "unlink", "unlock", "unsubscribe", "update",
    "upgrade", "upload", "use", "validate", "verify", "waive",
))  # fmt: skip
#: Names of one word, or the last word of one, that are better taken for a thing: "arrange a refund".
_THINGS = frozenset((
    "appointment", "booking", "callback", "cancellation", "compensation", "credit", "discount", "exchange",
    "extension", "order", "payment", "refund", "replacement", "reservation", "return", "transfer", "upgrade",
    "visit",
))  # fmt: skip
_PARTICLES = frozenset(("in", "out", "up", "on", "off", "down", "over", "back"))
_PREPOSITIONS = frozenset((
    "to", "from", "for", "of", "with", "in", "on", "at", "by", "into", "as", "via", "between", "about",
))  # fmt: skip
#: Things that are not counted.
_UNCOUNTED = frozenset((
    "access", "baggage", "cash", "cover", "coverage", "credit", "data", "equipment", "feedback", "help",
    "information", "insurance", "internet", "luggage", "mail", "money", "notice", "parking", "roaming", "support",
))  # fmt: skip
#: The customer, in the name of a tool: "update_user_address" changes "my address".
_WHOSE = frozenset(("user", "customer", "client"))
#: Words that say what kind of name something has, and not what it is: a question for the number may be for any.
_GENERAL = frozenset(("number", "code", "name", "type", "id", "method", "info", "details"))
_IDS = ("_id", "_ids", "_uuid", "_ref")
#: What is as it is, while anything else is as the customer would like it.
_GIVEN = frozenset(("reason", "name", "birth", "number", "code", "problem", "cause", "issue", "why"))
#: Things that people know by their numbers.
_NUMBERED = frozenset(("account", "badge", "card", "licence", "license", "membership", "passport", "phone", "ticket"))
#: What else questions for a thing are put with, by a word of its name.
_USUAL = {
    "reason": ("why",),
    "date": ("when", "what day", "which day"),
    "day": ("when", "what date", "which date"),
    "time": ("when", "what hour", "which hour"),
    "hour": ("when", "what time", "which time"),
    "slot": ("when", "what time", "which time"),
    "address": ("where",),
    "city": ("where", "what town", "which town"),
    "town": ("where", "what city", "which city"),
    "location": ("where",),
    "place": ("where",),
    "branch": ("where",),
    "destination": ("where",),
    "origin": ("where", "from where"),
    "quantity": ("how many", "how much"),
    "count": ("how many",),
    "amount": ("how much",),
    "sum": ("how much",),
    "price": ("how much",),
    "guests": ("how many",),
    "passengers": ("how many",),
    "people": ("how many",),
    "nights": ("how many", "how long"),
    "days": ("how many", "how long"),
    "duration": ("how long",),
    "length": ("how long",),
    "size": ("how big", "how large"),
    "payment": ("how would you like to pay", "how do you want to pay", "pay with", "pay by"),
    "email": ("e-mail", "mail address"),
    "phone": ("mobile", "what number", "which number"),
    "zip": ("postal code", "postcode"),
    "postcode": ("zip", "postal code"),
    "color": ("colour",),
    "colour": ("color",),
    "kind": ("what type", "which type", "what sort"),
    "type": ("what kind", "which kind", "what sort"),
    "priority": ("how urgent",),
    "birth": ("born", "birthday"),
}


class Deed(NamedTuple):
    """A call in words: "renew loan L-12", "renewing loan L-12", "renewed loan L-12"; ``details`` is the sentence about
    its other arguments, or empty."""

    do: str
    doing: str
    done: str
    details: str


class Noun(NamedTuple):
    """The thing that an argument is: ``loan_id`` is the id of a ``loan``."""

    text: str
    is_id: bool

    @property
    def plural(self) -> bool:
        return _is_plural(self.text)

    @property
    def is_given(self) -> bool:
        """Whether it is as it is, while anything else is as the customer would like it."""
        return self.text.split()[-1] in _GIVEN


def words_of(name: str) -> list[str]:
    """The words of a name in snake_case, kebab-case, camelCase or dotted."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[^\W_]+", spaced.lower())


def noun_of(slot: str) -> Noun:
    """What an argument is called in speech."""
    name = "_".join(words_of(slot))
    for ending in _IDS:
        if name.endswith(ending) and name != ending:
            thing = name.removesuffix(ending).replace("_", " ")
            return Noun(plural(thing) if ending == "_ids" else thing, True)
    words = name.replace("_", " ") or slot
    return Noun("ID" if words == "id" else words, words == "id" or words.endswith((" number", " code", " id")))


def deed(name: str, said: Mapping[str, str], whose: str) -> Deed:
    """The call in words. ``said``: its arguments as they are said; ``whose``: my, your or a."""
    verb, particle, chunks = _parsed(name)
    left = {slot: (noun_of(slot), text) for slot, text in said.items()}
    phrases = []
    for number, (preposition, words) in enumerate(chunks):
        head = words[-1] if words else ""
        about = next((s for s, (noun, _) in left.items() if noun.is_id and noun.text in (head, plural(head))), None)
        first = about is not None and about == next(iter(said))
        if about is not None and (first or number > 0 or verb in _MAKING):
            noun, text = left.pop(about)
            thing = named(noun.text, text)
        else:
            thing = _phrase(words, verb, whose, bool(preposition))
        phrases.append(f"{preposition} {thing}".strip())
    if not chunks:
        phrases.append(_object_of(left, said, whose))
    # An argument that is named like a preposition: "set my alarm to seven".
    phrases += [f"{slot} {left.pop(slot)[1]}" for slot in said if slot in _PREPOSITIONS and slot in left]
    rest = " ".join(part for part in (particle, *phrases) if part)
    do, doing, done = (f"{form} {rest}".strip() for form in (verb, ing_form(verb), past_form(verb)))
    return Deed(do, doing, done, details(left, next(iter(said), ""), whose))


def apart(name: str, said: Mapping[str, str], whose: str) -> Deed:
    """The call in words that are the same whatever its arguments; the details name those and go on in the sentence."""
    within = {slot: text for slot, text in said.items() if slot in _PREPOSITIONS}
    rest = {slot: (noun_of(slot), text) for slot, text in said.items() if slot not in within}
    aside = details(rest, "", whose).removesuffix(".")
    return deed(name, within, whose)._replace(details=f"; {aside[:1].lower()}{aside[1:]}" if aside else "")


def details(said: Mapping[str, tuple[Noun, str]], first: str, whose: str) -> str:
    """A sentence that states things: "It's about loan L-12, and the branch should be Hill."; empty if there are none.

    ``first``: the first argument of the call, which is what it is about.
    """
    parts = [_stated(noun, text, slot == first, whose) for slot, (noun, text) in said.items()]
    if not parts:
        return ""
    between = ", and " if parts[0].startswith("it's about ") else " and "
    text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}{between}{parts[-1]}"
    return f"{text[:1].upper()}{text[1:]}."


def named(noun: str, text: str) -> str:
    """A value with what it is, unless it says so itself: "loan L-12", "booking B-3", "the Desk Lamp"."""
    spoken = text.lower().split()
    if any(word in spoken for word in (noun.split()[-1], _singular(noun.split()[-1]))):
        return text
    codes = [part for part in re.split(r",? and |, ", text) if part]
    bare = all(" " not in code and re.search(r"[\d#]", code) for code in codes)
    return f"{noun} {text}" if bare else text


def label_of_type(type_name: str) -> str:
    """A domain type in words: ``CardNumber`` is a "card number", ``UserId`` a "user ID"."""
    words = words_of(type_name)
    if len(words) == 1 and words[0] in _NUMBERED:
        words.append("number")
    return " ".join("ID" if word == "id" else word for word in words) or type_name


def cues_of(name: str) -> list[str]:
    """Words by which a question for something is recognised: its name, and what is usual besides."""
    noun, words = noun_of(name), words_of(name)
    cues = [noun.text.lower(), " ".join(words), name.lower()]
    if noun.plural:
        cues.append(_singular(noun.text.lower()))
    if noun.is_id and len(words) > 1:
        cues += [f"{noun.text.split()[-1].lower()} {way}" for way in ("id", "number")]
        cues += ["which one", "which of ", "its id", "its number"]
    if len(words) > 1:
        cues.append(" ".join(words[:-1]) if words[-1] in _GENERAL else noun.text.lower().split()[-1])
    for word in words:
        cues += _USUAL.get(word, ())
    return list(dict.fromkeys(cues))


# -- grammar -----------------------------------------------------------------------------------------------------------
def ing_form(verb: str) -> str:
    """``move`` -> ``moving``."""
    if verb.endswith("ie"):
        return f"{verb[:-2]}ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return f"{verb[:-1]}ing"
    return f"{verb}{verb[-1] if _doubles(verb) else ''}ing"


def past_form(verb: str) -> str:
    """The past participle: ``move`` -> ``moved``, ``send`` -> ``sent``."""
    if verb in _PAST:
        return _PAST[verb]
    if verb.endswith("e"):
        return f"{verb}d"
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ied"
    return f"{verb}{verb[-1] if _doubles(verb) else ''}ed"


def _doubles(verb: str) -> bool:
    one_syllable = len(re.findall(r"[aeiouy]+", verb)) == 1
    return verb in _DOUBLING or (one_syllable and re.search(r"[^aeiou][aeiou][^aeiouwxy]$", verb) is not None)


def _is_plural(text: str) -> bool:
    return text in ("people", "children") or (text.endswith("s") and not text.endswith(("ss", "us", "is", "as")))


def plural(text: str) -> str:
    """``reply`` -> ``replies``, and a plural as it is."""
    if _is_plural(text):
        return text
    if re.search(r"[^aeiou]y$", text):
        return f"{text[:-1]}ies"
    return f"{text}{'es' if text.endswith(('s', 'x', 'z', 'ch', 'sh')) else 's'}"


def _singular(text: str) -> str:
    if not _is_plural(text) or text in ("people", "children"):
        return text
    if text.endswith("ies"):
        return f"{text[:-3]}y"
    return text[:-2] if text.endswith(("sses", "xes", "ches", "shes")) else text[:-1]


def _parsed(name: str) -> tuple[str, str, list[tuple[str, list[str]]]]:
    """The verb of a tool's name, its particle, and its objects, each with its preposition."""
    words = words_of(name) or [name]
    if words[0] not in _VERBS:
        verbs = [place for place, word in enumerate(words[:-1]) if word in _VERBS]
        if verbs:
            words = words[verbs[0] :]  # "calendar_create_event"
        elif words[-1] in _THINGS or words[-1] in _VERBS:
            words = ["arrange", *words]  # "seat_upgrade"
    elif len(words) == 1 and words[0] in _THINGS:
        words = ["arrange", *words]
    verb, *rest = words
    particle = rest.pop(0) if len(rest) > 1 and rest[0] in _PARTICLES else ""
    chunks: list[tuple[str, list[str]]] = []
    for word in rest:
        if word in _PREPOSITIONS and chunks:
            chunks.append((word, []))
        elif not chunks:
            chunks.append(("", [word]))
        else:
            chunks[-1][1].append(word)
    return verb, particle, [chunk for chunk in chunks if chunk[1]]


def _phrase(words: Sequence[str], verb: str, whose: str, after_preposition: bool) -> str:
    """A thing with its article or owner: "my address", "a flight", "lights"."""
    left = [word for word in words if word not in _WHOSE and word not in ("a", "an", "the", "my", "your")] or [
        "account"
    ]
    text = " ".join(left)
    making = verb in _MAKING and not after_preposition
    if left[0] == "all":
        return f"all {whose if whose != 'a' else 'the'} {' '.join(left[1:])}".strip()
    if left[-1] in _UNCOUNTED and (making or verb in _SWITCHING or whose == "a"):
        return text
    if _is_plural(left[-1]):
        return text if making or whose == "a" else f"{whose} {text}"
    if making or whose == "a" or left[0] in ("new", "another", "extra"):
        return f"{_article(text)} {text}"
    return f"{whose} {text}"


def _object_of(left: dict[str, tuple[Noun, str]], said: Mapping[str, str], whose: str) -> str:
    """The object of a name that is only a verb: the first thing that it is about, else the person."""
    first = next(iter(said), None)
    if first is not None and first in left and left[first][0].is_id:
        noun, text = left.pop(first)
        return named(noun.text, text)
    return {"my": "me", "your": "you"}.get(whose, "somebody")


def _article(text: str) -> str:
    return "an" if re.match(r"[aeio]|u(?!ni|s[aei])", text) else "a"


def _stated(noun: Noun, text: str, is_about: bool, whose: str) -> str:
    """``whose``: the customer says how it should be, the agent how it will be."""
    if noun.is_id and is_about:
        return f"it's about {named(noun.text, text)}"
    if named(noun.text, text) == text and noun.text.split()[-1] in text.lower().split():
        return f"it's {text}"
    if noun.text.endswith("reason") and re.match(r"(it|i|my|they|we|he|she)\b", text, re.I):
        return f"the {noun.text} is that {text}"
    if noun.is_given or (noun.is_id and noun.plural and not noun.text.startswith("new ")):
        return f"the {noun.text} {'are' if noun.plural else 'is'} {text}"
    return f"the {noun.text} {'will' if whose == 'your' else 'should'} be {text}"
