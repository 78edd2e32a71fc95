"""Whether an agent hands a customer over to a person, or offers to. Pure."""

from __future__ import annotations

from t2t_dist.environments.short_texts import cached_if_short

from .clauses import Clause, clauses
from .lexicon import a_word_of, any_of
from .verdict import Sign, verdict

_PERSON = (
    r"(?:humans?|agents?|person|people|colleagues?|supervisors?|specialists?|managers?|representatives?|reps?|teams?"
    r"|advis[eo]rs?|experts?|operators?|technicians?|desk|department|officers?|staff|somebody|someone|analysts?"
    r"|librarian|dentist|doctor|nurse|engineer|crew|finance|support|liaison)"
)
_TO_WHOM = rf"(?:an?|the|our|my|one of (?:our|my)|another|to) (?:[\w-]+ ){{0,3}}?{_PERSON}"
_CASE = r"(?:your|this|the) (?:\w+ )?(?:case|call|chat|conversation|request|complaint|matter|issue|query)"
_TOWARDS = r"(?:to|through|over|along|on|onto|across|with|via)\b(?! (?:me|us)\b)"


def _moves(passing: str, putting: str, moving: str) -> tuple[str, ...]:
    """Patterns of moving the customer on, in one form of the verbs: "passing you over", "putting you through"."""
    return (
        rf"(?<!they ){passing} (?:you|them) (?:\w+ ){{0,2}}?{_TOWARDS}",
        rf"{putting} you (?:\w+ ){{0,2}}?(?:through|across|in touch|over(?! to (?:the|plan)))\b",
        rf"{moving} you (?:\w+ )?(?:over |across )?to {_TO_WHOM}\b",
        rf"{passing} {_CASE} (?:\w+ )?{_TOWARDS}",
        rf"(?:{passing}|{putting}) (?:it|this|that) (?:\w+ )?(?:to|over to|through to|on to|across to) {_TO_WHOM}\b",
    )


_PASS = r"(?:transfer|connect|hand|pass|escalate|forward|route|refer|patch|redirect|relay)"
_PASSING = (
    r"(?:transferring|connecting|handing|passing|escalating|forwarding|routing|referring|patching|redirecting"
    r"|relaying)"
)
_PASSED = r"(?:transferred|connected|handed|passed|escalated|forwarded|routed|referred|patched|redirected|assigned)"
_NOW = r"(?:now |just |hereby |herewith |accordingly )*"
#: The customer, or what they wrote, is on the way to somebody.
_ON_THE_WAY = any_of(
    *_moves(_PASSING, r"(?:putting|getting|sending|flipping)", r"(?:switching|flipping|moving|sending|bringing)"),
    *_moves(_PASSED, r"(?:put|got)", r"(?:switched|flipped|moved|sent|brought)"),
    r"(?:transferring|connecting|patching) you\b|transferred you\b(?! (?:from|in|to me|to us))"
    r"|i (?:am )?transfer you\b",
    r"^\W*(?:(?:okay|sure|alright|great) )*(?:transferring|connecting|escalating)(?: now| you)?\W*$",
    rf"you (?:are|have been|are being|will now be|are going to be) {_NOW}(?:being )?(?:{_PASSED}|put through)\b",
    rf"(?:are|is) {_NOW}being {_NOW}{_PASSED}\b|{_CASE} has {_NOW}been {_PASSED}\b|(?:have"
    rf"|has) {_NOW}(?:been )?escalated\b",
    rf"(?:transferring|escalating|handing|passing|connecting|routing) (?:\w+ ){{0,3}}?to {_TO_WHOM}\b",
    rf"(?:transferred|escalated|passed on|handed over|assigned) to {_TO_WHOM}\b|handing over to\b",
    rf"over to (?:a|our|my) (?:\w+ ){{0,2}}{_PERSON}\b|(?:bringing|calling|looping) in {_TO_WHOM}\b",
    rf"getting you (?:{_TO_WHOM}|somebody|someone)\b|takes (?:it|over) from here\b",
    r"(?:placed|put) in (?:\w+ ){1,2}queue\b",
    r"(?:is|are) (?:now )?(?:taking|joining) (?:over |you |us )*(?:this |the |your )?(?:chat|conversation|now|here"
    r"|over)\b",
)
_NEVER = (
    r"not|never|no|if|yesterday|tomorrow|would|could|can|may|should|let me|recommend|suggest|reluctan\w+|always"
    r"|usually"
)
_NO_CUSTOMER = r"parcel|payment|money|amount|funds|to me|to transfer"
_NOT_NOW = a_word_of(
    _NEVER, _NO_CUSTOMER, r"before|might|shall|want|like|unless|delivered|earlier|consider|(?:will|going to)(?! now)"
)
_NOT_AT_ALL = a_word_of(_NEVER, _NO_CUSTOMER, "was|were")
_I_WILL_NOW = any_of(r"i (?:will|am going to|shall)\b.*\bnow\b")
_PERHAPS_NOW = any_of(
    rf"(?:{_PASSING}|{_PASSED}) (?:you|{_CASE})\b|transfer(?:ring|red)?\b|escalated\b|now connected\b"
    rf"|been brought in(?:to)?\b",
    r"(?:joining|joins|join|has joined|step(?:s|ping)? (?:in|aside)|takes? (?:it |this )?over|taking over|picks? up)\b",
    r"over to \w+|queue\b|live agent\b|next voice\b|is typing\b|with you (?:shortly|in a (?:moment|minute)"
    r"|presently)\b",
    rf"{_PERSON} (?:is|are) (?!not\b|no\b)|(?:is|are) (?:picking up|on the line|here|with you|there) (?:as|for|now)\b"
    rf"|as we speak",
    rf"{_PERSON} (?:\w+ ){{0,4}}(?:coming on|on the (?:line|way)|right now|now)\b",
)
_OFFER = any_of(
    *_moves(_PASS, r"(?:put|get|move|switch|flip|send)", r"(?:switch|flip|move|send|bring|shift)"),
    rf"(?:transfer|connect|patch) you\b|transfer to {_TO_WHOM}\b|(?:escalate|transfer|connect) {_CASE}\b"
    rf"|connect to you\b",
    rf"hand(?:ed|ing)? over to {_TO_WHOM}\b|(?:speak|talk|talking|speaking|chat|word) (?:to|with) {_TO_WHOM}\b",
    rf"(?:get|bring|fetch|call|loop) (?:you )?(?:in )?{_TO_WHOM}\b|to join us\b",
    r"be (?:put through|connected|transferred|passed on|passed|handed over|handed|escalated) (?:over )?(?:to|with)\b",
    r"(?:loop|bring|get) (?:him|her|them|somebody|someone) in\b",
)
_PERHAPS_OFFER = a_word_of(
    r"humans?|supervisor|specialists?|colleagues?|advis[eo]rs?|somebody|someone|analysts?|staff|officers?|live agent"
    r"|real person|case manager|a word with|get you one|a transfer to"
)
_NEGATED = a_word_of("not|no|never|none")
_LONG_AGO = a_word_of("yesterday|was|were|my colleague|the log")
_WHO_CAN = a_word_of("(?:who|that|which) (?:can|could|will|may|would)")


@cached_if_short
def passes_on(plain: str) -> bool:
    """Whether a clause in plain words is about passing the customer on to somebody."""
    return _ON_THE_WAY.search(plain) is not None or _OFFER.search(plain) is not None


def _now(clause: Clause) -> Sign:
    if clause.asks or clause.supposed or clause.depends:
        return False
    plain = _WHO_CAN.sub("who", clause.plain)
    if _ON_THE_WAY.search(plain) and not _NOT_NOW.search(plain):
        return True
    if _I_WILL_NOW.search(plain) and _OFFER.search(plain) and not _NEGATED.search(plain):
        return None
    return None if _PERHAPS_NOW.search(plain) and not _NOT_AT_ALL.search(plain) else False


@cached_if_short
def hands_over(text: str) -> bool | None:
    """Whether the agent says that it is handing the customer over now, or has done so."""
    return verdict(map(_now, clauses(text)))


def _announces(clause: Clause) -> Sign:
    if passes_on(clause.plain):
        return not (_NEGATED.search(clause.plain) or _LONG_AGO.search(clause.plain))
    return None if _PERHAPS_OFFER.search(clause.plain) or _now(clause) is None else False


@cached_if_short
def announces_hand_over(text: str) -> bool | None:
    """Whether the agent says that it will hand the customer over, or asks whether it should."""
    return verdict(map(_announces, clauses(text)))
