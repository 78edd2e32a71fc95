"""Whether an agent hands a customer over to a person, or offers more help. Pure."""

from __future__ import annotations

import re

from t2t_dist.environments.short_texts import cached_if_short

from .clauses import Clause, clauses
from .lexicon import any_of
from .verdict import Sign, verdict

_PERSON = (
    r"(?:humans?|agents?|person|people|colleagues?|supervisors?|specialists?|managers?|representatives?|reps?|teams?|advis[eo]rs?"
    r"|experts?|operators?|technicians?|desk|department|officers?|staff|somebody|someone|analysts?|librarian|dentist|doctor|nurse"
    r"|engineer|crew|finance|support|liaison)"
)
_WHO = rf"(?:an?|the|our|my|one of (?:our|my)|another|to) (?:[\w-]+ ){{0,3}}?{_PERSON}"
_CASE = r"(?:your|this|the) (?:\w+ )?(?:case|call|chat|conversation|request|complaint|matter|issue|query)"
_TOWARDS = r"(?:to|through|over|along|on|onto|across|with|via)\b(?! (?:me|us)\b)"


def _moves(passing: str, putting: str, moving: str) -> str:
    """A pattern of moving the customer to somebody, in one form of the verbs: "passing you over", "putting you through"."""
    return (
        rf"(?<!they )\b{passing} (?:you|them) (?:\w+ ){{0,2}}?{_TOWARDS}|\b{putting} you (?:\w+ ){{0,2}}?(?:through|across|in touch|over(?! to (?:the|plan)))\b"
        rf"|\b{moving} you (?:\w+ )?(?:over |across )?to {_WHO}\b|\b{passing} {_CASE} (?:\w+ )?{_TOWARDS}"
        rf"|\b(?:{passing}|{putting}) (?:it|this|that) (?:\w+ )?(?:to|over to|through to|on to|across to) {_WHO}\b"
    )


_PASS = r"(?:transfer|connect|hand|pass|escalate|forward|route|refer|patch|redirect|relay)"
_PASSING = r"(?:transferring|connecting|handing|passing|escalating|forwarding|routing|referring|patching|redirecting|relaying)"
_PASSED = r"(?:transferred|connected|handed|passed|escalated|forwarded|routed|referred|patched|redirected|assigned)"
#: "Transferring you", "handing your case over": the customer, or what they wrote, on the way to somebody.
_ON_THE_WAY = any_of(
    _moves(_PASSING, r"(?:putting|getting|sending|flipping)", r"(?:switching|flipping|moving|sending|bringing|shifting)"),
    _moves(_PASSED, r"(?:put|got)", r"(?:switched|flipped|moved|sent|brought)"),
    r"\b(?:transferring|patching) you\b|\bconnecting you\b|\btransferred you\b(?! (?:from|in|to me|to us))",
    r"^\W*(?:(?:okay|sure|alright|great) )*(?:transferring|connecting|escalating)(?: now| you)?\W*$",
    rf"\byou (?:are|have been|are being|will now be|are going to be) (?:now |hereby |herewith |just )*(?:being )?(?:{_PASSED}|put through)\b",
    rf"\b(?:are|is) (?:now |hereby |herewith |accordingly )*being (?:now |hereby |herewith )*{_PASSED}\b",
    rf"\b(?:transferring|escalating|handing|passing|connecting|routing) (?:\w+ ){{0,3}}?to {_WHO}\b|\bover to (?:a|our|my) (?:\w+ ){{0,2}}{_PERSON}\b",
    rf"\bi (?:am )?transfer you\b|\b(?:have|has) (?:now |just )?(?:been )?escalated\b|\bhanding over to\b",
    rf"\b(?:is|are) (?:now )?(?:taking|joining) (?:over |you |us )*(?:this |the |your )?(?:chat|conversation|now|here|over)\b|\btakes (?:it|over) from here\b",
    rf"\b(?:bringing|calling|looping) in {_WHO}\b|\bgetting you (?:{_WHO}|somebody|someone)\b|\b{_CASE} has (?:now |just )*been {_PASSED}\b|\b(?:transferred|escalated|passed on|handed over|assigned) to {_WHO}\b",
)
_NOT_NOW = re.compile(
    r"\b(?:before|if|would|could|can|may|might|shall|should|want|like|not|never|no|unless|yesterday|tomorrow|always|to me|delivered|parcel|usually"
    r"|earlier|let me|recommend|suggest|consider|reluctan\w+|to transfer|payment|money|amount|funds|(?:will|going to) (?!now))\b"
)
#: Sure of the future only: "I'll transfer you now".
_WILL_NOW = re.compile(r"\bi (?:will|am going to|shall)\b.*\bnow\b")
_MAYBE_NOW = re.compile(
    rf"\b(?:{_PASSING}|{_PASSED}) (?:you|{_CASE})\b|\b(?:joining|joins|join|has joined|step(?:s|ping)? (?:in|aside)|takes? (?:it |this )?over|taking over|picks? up)\b"
    rf"|\bover to (?:you|him|her|them|[a-z]+\b)|\bover to .* (?:you )?go\b|\b(?:live )?queue\b|\blive agent\b|\bescalated\b|\bnow connected\b|\bnext voice\b"
    rf"|\b{_PERSON} (?:\w+ ){{0,4}}(?:coming on|on the (?:line|way)|right now|now)\b|\btransfer(?:ring|red)?\b|\bbeen brought in(?:to)?\b|\bwith you (?:shortly|in a (?:moment|minute)|presently)\b|\bis typing\b"
)
_OFFER = any_of(
    _moves(_PASS, r"(?:put|get|move|switch|flip|send)", r"(?:switch|flip|move|send|bring|shift)"),
    rf"\b(?:transfer|connect|patch) you\b|\btransfer to {_WHO}\b|\b(?:escalate|transfer|connect) {_CASE}\b|\bhand(?:ed|ing)? over to {_WHO}\b",
    rf"\b(?:speak|talk|talking|speaking|chat|word) (?:to|with) {_WHO}\b|\b(?:get|bring|fetch|call|loop) (?:you )?(?:in )?{_WHO}\b",
    r"\bbe (?:put through|connected|transferred|passed on|passed|handed over|handed|escalated) (?:over )?(?:to|with)\b",
    r"\b(?:loop|bring|get) (?:him|her|them|somebody|someone) in\b|\bto join us\b|\bconnect to you\b",
)
_MAYBE_OFFER = re.compile(
    r"\b(?:human|humans|supervisor|specialists?|colleagues?|advis[eo]rs?|somebody|someone|analysts?|staff|officers?|live agent|human agent|real person|case manager|a word with|get you one)\b|\ba transfer to\b"
)
_NEGATED = re.compile(r"\b(?:not|no|never|none)\b")


def passes_on(plain: str) -> bool:
    """Whether a clause is about passing the customer on to somebody."""
    return _ON_THE_WAY.search(plain) is not None or _OFFER.search(plain) is not None


_NOT_AT_ALL = re.compile(
    r"\b(?:not|never|no|if|yesterday|tomorrow|would|could|can|may|should|let me|recommend|suggest|reluctan\w+|parcel|payment|money|amount|usually|always|was|were|to me|to transfer)\b"
)
_WHO_CAN = re.compile(r"\b(?:who|that|which) (?:can|could|will|may|would)\b")


def _now(clause: Clause) -> Sign:
    plain = _WHO_CAN.sub("who", clause.plain)
    if clause.asks or clause.supposed:
        return False
    if _WILL_NOW.search(plain) and _OFFER.search(plain) and not _NEGATED.search(plain):
        return None
    if _ON_THE_WAY.search(plain) and not _NOT_NOW.search(plain):
        return True
    return None if _MAYBE_NOW.search(plain) and not _NOT_AT_ALL.search(plain) else False


@cached_if_short
def hands_over(text: str) -> bool | None:
    """Whether the agent says that it is handing the customer over now, or has done so."""
    return verdict(map(_now, clauses(text)))


_LONG_AGO = re.compile(r"\b(?:yesterday|was|were|my colleague|the log)\b")


def _announces(clause: Clause) -> Sign:
    plain = clause.plain
    if passes_on(plain):
        return not (_NEGATED.search(plain) or _LONG_AGO.search(plain))
    return None if _now(clause) is None or _MAYBE_OFFER.search(plain) else False


@cached_if_short
def announces_hand_over(text: str) -> bool | None:
    """Whether the agent says that it will hand the customer over, or asks whether it should."""
    return verdict(map(_announces, clauses(text)))


# -- more help --------------------------------------------------------------------------------------------------------
_ELSE = re.compile(
    r"(?<!or )\b(?:anything|something|anyone|what|who|how) (?:else|more)\b(?! (?:is|was|that would|that could|missing|about|in the|in particular|specific|like)\b)"
    r"|\b(?:any|some) (?:other|more|further|additional) (?:questions?|requests?|concerns?|issues?|help|way|matters?|things?|assistance|support|queries|query|wish\w*|information|kinds?|type)\b"
    r"|\b(?:further|additional|more) (?:assistance|help|questions?|queries|matter)\b|\belse (?:i|we) can\b|\bmore (?:i|we|that i|that we) (?:can|could) (?:do|help|clear)\b"
    r"|\bis there anything (?:i|we) (?:can|could)\b|\b(?:can|could|may|shall) i (?:further )?(?:help|assist) you (?:further|with anything|some more)\b"
    r"|\b(?:will|would|is) that (?:be )?(?:all|everything)\b(?! (?:right|okay|fine|correct))|\bare we good\b|\bmore for me\b"
)
_ANY_TIME = re.compile(
    r"\b(?:do not hesitate|feel free|shout|get in touch|reach out|contact us|write to us|message me|let (?:me|us) know|(?:i am|we are|will be)(?: right| always| still)? (?:here|around)|message away|happy to help|here to help"
    r"|come back|all the time in the world|another hand)\b"
)
_COMES_UP = re.compile(
    r"\b(?:if|should)\b.*\b(?:anything|something|another (?:hand|thing|question)|other questions?|further|more (?:help|assistance|questions?|information)|assistance|help|questions?)\b|\bany ?time\b"
)
_MAYBE_MORE = re.compile(r"\b(?:else|more|another|further|additional|help|assist\w*|on your list)\b")
_FOR_A_REASON = re.compile(r"\bso (?:that )?(?:i|we) can\b|\b(?:provide|tell me|give me|confirm)\b")
_KNOWN = re.compile(r"\bnothing else\b|\bno one else\b|\b(?:can|may) i help you\b|\bbesides\b|\bmissing\b|\bmore (?:than|expensive)\b|\bhow (?:can|may) i\b")


def offers(plain: str) -> bool:
    """Whether a clause offers more help."""
    return _ELSE.search(plain) is not None


def _more(clause: Clause) -> Sign:
    plain = clause.plain
    if offers(plain):
        return True if clause.asks or clause.supposed or _ANY_TIME.search(plain) else None
    if not clause.asks:
        return False
    return None if _MAYBE_MORE.search(plain) and not (_KNOWN.search(plain) or _FOR_A_REASON.search(plain)) else False


def _at_any_time(read: tuple[Clause, ...]) -> Sign:
    """Help at any later time, said in several clauses: "should something come up, we're right here"."""
    for number in {clause.sentence for clause in read}:
        sentence = " ".join(clause.plain for clause in read if clause.sentence == number)
        if _ANY_TIME.search(sentence) and _COMES_UP.search(sentence):
            return True
    return False


@cached_if_short
def offers_more(text: str) -> bool | None:
    """Whether the agent asks if there is anything else, or offers further help."""
    read = clauses(text)
    return verdict([*map(_more, read), _at_any_time(read)])
