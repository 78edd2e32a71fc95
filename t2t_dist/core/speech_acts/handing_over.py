"""Whether an agent hands a customer over to a person, or offers to. Pure."""

from __future__ import annotations

from t2t_dist.environments.short_texts import cached_if_short

from .clauses import Clause, clauses
from .lexicon import a_word_of, any_of
from .verdict import Sign, verdict

#: A place where people work, and no piece of furniture.
_DESK = r"(?<!standing )(?<!writing )(?<!computer )desk(?! (?:lamp|chair|pad|mat|fan|clock|organi[sz]er|drawer)s?\b)"
_PERSON = (
    r"(?:humans?|agents?|person|people|colleagues?|supervisors?|specialists?|managers?|representatives?|reps?|teams?"
    rf"|advis[eo]rs?|experts?|operators?|technicians?|{_DESK}|department|officers?|staff|somebody|someone|analysts?"
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
    r"(?:transferring|connecting|patching|escalating) you\b|transferred you\b(?! (?:from|in|to me|to us))"
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
    r"|usually|told|says?|said|why|who|when|once|whenever"
)
#: Somebody else did it, or it was at another time.
_HISTORY = (
    r"was|were|had|yesterday|earlier|ago|last \w+|at \d\S*|on \w+day|in (?:january|february|march|april|may|june|july"
    r"|august|september|october|november|december|\d{4})|notes?|log|records?|(?:can |i )see"
    r"|(?:they|he|she|bot|system|app|clerk|the other agent|my colleague(?: \w+){0,4}) (?:\w+ )?(?:transfer|connect"
    r"|hand|pass"
    r"|escalate|forward|route|refer|patch|redirect|move|switch|sent|put)\w*"
)
_NO_CUSTOMER = (
    r"parcels?|package|payment|money|amount|funds|savings|balance|points|neighbou?r|to me|to transfer (?!you)\w+"
    r"|airline|archive|accounts?|\$\S+|networks?|internet|wi-?fi|broadband|fib(?:re|er)|mains|grid|satellite"
)
#: What is done with customers in general, or was done by somebody else.
_THEIR_WAY = (
    r"only (?:where|when|if|in)|customers|people|(?:they|the \w+) (?:connect|put|pass|hand|transfer) you"
    r"|(?:the|an?|your|their|they) (?:[\w-]+ ){0,5}(?:put|connected|passed|sent|handed|transferred) you"
)
_NOT_NOW = a_word_of(
    _NEVER,
    _THEIR_WAY,
    _HISTORY,
    _NO_CUSTOMER,
    r"before|might|shall|want|like|unless|delivered|consider|(?:will|going to)(?! now)",
)
_NOT_NOW_OR_THEN = a_word_of(_NO_CUSTOMER, r"not|never|no|if|would|could|should|tomorrow|yesterday")
_LONG_AGO = a_word_of(
    _NO_CUSTOMER,
    _HISTORY,
    _THEIR_WAY,
    r"told|always|usually|(?:i|we) (?:did|have|already|just) (?:\w+ )?(?:sp[eo]a?ken?|spoke|talk(?:ed)?|ask(?:ed)?)",
)
_I_WILL = any_of(
    rf"(?:i|we) (?:will|am going to|are going to|shall|have to|need to)\b.*\b(?:{_PASS}|put|get) (?:you|{_CASE})\b"
    rf"|while i {_PASS}"
    r"|you will (?:now |soon )?be (?:with|speaking|talking|connected|in touch|in good)\b"
)
#: Somebody who may take over.
_SOMEBODY = a_word_of(
    rf"{_PERSON}|she|he|him|her|one of (?:them|us|my|our)|human|real person|in charge|guys|folks|bosses|boss|lead"
    rf"|tier \w+"
    r"|teammates?|chief|shift lead|associates?|pharmacists?|investigators?|clerks?|handlers?|consultants?|adjusters?"
    r"|lawyers?|solicitors?|professionals?"
    r"|counsell?ors?|coordinators?|mentors?|coach|tutors?|concierge|receptionists?|assessors?|adjudicators?|ombudsman"
    r"|directors?|accountants?|mechanics?|brokers?|planners?|registrar|secretary|attendants?|assistants?|duty \w+|unit"
    r"|owner|contact|buyers?|speakers?|escalations?|hand-?overs?|hand-?offs?"
)
_YOU_ARE_MOVED = a_word_of(
    rf"(?:{_PASSING}|{_PASSED}|bringing) (?:you|{_CASE})|transferring|transferred|escalated|now connected"
    r"|(?:over to|next voice is|this is now with|says (?:hi|hello) to you) \w+|live agent|you are (?:through|going"
    r" over)"
    r"|with you (?:shortly|in a (?:moment|minute)|presently|from here)|in the queue|queue for|hand-?off|handover"
    r"|you are (?:now )?in (?:\w+ ){0,3}queue|takes? (?:this |it )?over from (?:me|here)|(?:picks?|picking) up"
    r"|stepping (?:aside|in|out)|next in line|giv(?:e|ing) you (?:to|over)|fetching|transfer (?:is )?(?:complete"
    r"|started|under way|initiated|accepted)|stay (?:connected|on the line)|reins|your place in|hold (?:while|for)"
    r"|brought into|transfer(?:red)? to|transfer in|looped in|forward you|on the line (?:now|for you|with you)"
    r"|join(?:s|ed|ing) (?:us|you|this|the (?:chat|conversation))"
)
_OFFER = any_of(
    *_moves(_PASS, r"(?:put|get|move|switch|flip|send)", r"(?:switch|flip|move|send|bring|shift)"),
    rf"(?:transfer|connect|patch) you\b|transfer to {_TO_WHOM}\b|(?:escalate|transfer|connect) {_CASE}\b"
    rf"|connect to you\b",
    rf"hand(?:ed|ing)? over to {_TO_WHOM}\b|(?:speak|talk|talking|speaking|chat|word) (?:to|with) {_TO_WHOM}\b",
    rf"(?:get|bring|fetch|call|loop) (?:you )?(?:in )?{_TO_WHOM}\b|to join us\b",
    rf"(?:you|{_CASE}) (?:\w+ ){{0,2}}?be (?:put through|connected|transferred|passed on|passed|handed over|handed"
    r"|escalated) (?:over )?(?:to|with)\b",
    r"(?:loop|bring|get) (?:him|her|them|somebody|someone) in\b|get (?:him|her)\b",
)
_PERHAPS_OFFER = a_word_of(
    r"a word with|get you one|(?:a|the|this) transfer|talk it through|in person|hand you|put you|pass you|over to|by"
    r" phone"
)
_NEGATED = a_word_of("not|no|never|none")
_WHO_CAN = a_word_of("(?:who|that|which) (?:can|could|will|may|would)")


@cached_if_short
def _on_the_way(plain: str) -> bool:
    return _ON_THE_WAY.search(plain) is not None


@cached_if_short
def _names_somebody(plain: str) -> bool:
    return _SOMEBODY.search(plain) is not None


@cached_if_short
def passes_on(plain: str) -> bool:
    """Whether a clause in plain words is about passing the customer on to somebody."""
    return _on_the_way(plain) or _OFFER.search(plain) is not None


def _now(clause: Clause) -> Sign:
    plain = clause.plain
    if clause.asks or clause.supposed:
        return False
    if _on_the_way(plain) and not _NOT_NOW.search(_WHO_CAN.sub("who", plain)):
        return None if clause.depends else True
    if clause.depends:
        return False
    if not (_names_somebody(plain) or _YOU_ARE_MOVED.search(plain) or _I_WILL.search(plain)):
        return False
    return False if _NOT_NOW_OR_THEN.search(_WHO_CAN.sub("who", plain)) else None


@cached_if_short
def _signs_of_now(text: str) -> tuple[Sign, ...]:
    return tuple(map(_now, clauses(text)))


@cached_if_short
def hands_over(text: str) -> bool | None:
    """Whether the agent says that it is handing the customer over now, or has done so."""
    return verdict(_signs_of_now(text))


def _announces(clause: Clause, now: Sign) -> Sign:
    plain = clause.plain
    if passes_on(plain):
        return False if _NEGATED.search(plain) else None if _LONG_AGO.search(plain) else True
    return None if now is None or _names_somebody(plain) or _PERHAPS_OFFER.search(plain) else False


@cached_if_short
def announces_hand_over(text: str) -> bool | None:
    """Whether the agent says that it will hand the customer over, or asks whether it should."""
    return verdict(map(_announces, clauses(text), _signs_of_now(text)))
