"""Whether an agent reports a change as made, or announces one. Pure.

Sure is only what the speaker, or the company, has just done to the customer's things: "I've cancelled it", "your
order has been cancelled", "done". What happened at another time, what a record shows, what a thing is like now, and
moving the customer on to somebody may be a report or none.
"""

from __future__ import annotations

import re

from t2t_dist.environments.short_texts import cached_if_short

from .clauses import Clause, clauses, is_terse
from .confirming import asks_to_confirm
from .handing_over import announces_hand_over, passes_on
from .lexicon import a_word_of, any_of, verb
from .verdict import Sign, verdict

_ADVERB = (
    r"(?:(?:now|just|also|already|only|then|still|all|both|hereby|gladly|once|again|right|away|next|since|too|today"
    r"|duly|\w+ly) )*+"
)
_CHANGED, _CHANGE, _CHANGING, _DID = verb("C", "n"), verb("C", "b"), verb("C", "g"), verb("C", "d")
#: One that is no noun, as "set" is.
_PARTICIPLE = r"[a-z]++~[A-Z]*C[A-Z]*d?n\b"
#: "I've taken a look", "added a note", "added it up": a verb of change, but nothing has been changed.
_IDLE = (
    r"(?! (?:a (?:close |quick |good )?(?:look|note)|my mind|sure|note|aside|(?:up )?your (?:file|profile|call|case"
    r"|details)"
    r"|you on hold|together|out the|an eye|up (?:your|the|my)|it up with|back to you|you (?:updated|posted|back)"
    r"|(?:your|the|this|that) (?:comments?|feedback|suggestions?|questions?|complaint|report|idea|point))\b)"
    r"(?!(?:(?<=added~Cdn)|(?<=add~Cb)|(?<=adding~Cg)) (?:(?:it|this|that|them|these|those|everything) )?(?:all )?up\b)"
)
_NEGATED = a_word_of(
    r"(?:not|no|never|nothing|nobody|none|neither)(?!\.? ?\d)(?! (?:fee|charge|extra|cost|problem|penny)\b)"
)

# -- done -------------------------------------------------------------------------------------------------------------
_I_HAVE = any_of(
    rf"(?:i|we) have {_ADVERB}(?:gone(?:~\w+)? (?:ahead|in) and {_ADVERB}|managed to )?{_CHANGED}{_IDLE}",
    rf"(?:i|we) have {_ADVERB}(?:allowed|forbidden|insured)\b",
    rf"(?:i|we) went(?:~\w+)? ahead and {_ADVERB}{_DID}",
)
_I_JUST = any_of(
    rf"(?:i|we) (?:\w+ )?just {_ADVERB}{_DID}{_IDLE}",
    rf"(?:i|we) {_DID}{_IDLE}.*\b(?:just now|a (?:moment|minute|second) ago|seconds ago)\b",
)
_IS_CHANGED_NOW = any_of(
    rf"successfully {_CHANGED}|(?:is|are) {_CHANGED} (?:now|success?fully|in (?:the|our|my) system)\b",
    rf"(?:is|are) (?:all )?now (?!shipped~|delivered~|processed~|closed~|blocked~|locked~){_CHANGED}",
)
#: What a thing is or has from now on.
_IS_NOW = any_of(
    r"(?<!you )(?:is|are) now (?:insured|allowed|forbidden|active again|up and running|back|off|as|ready for the trip"
    r"|(?:in|on)(?! (?:your|the|a|our|transit|stock|progress|review|line|front"
    r"|process)\b))\b|(?<!you )(?<!i )(?<!we )(?:now has|will now be [a-z]+ed)\b"
)
_OPENING = (
    r"(?:okay|great|there|perfect|good news|right|and|so|all(?! set)|now|yes|thanks|thank you|consider (?:it|that)"
    r"|both are|both have been|(?:it|that|this|everything) (?:is|has been)|it is all|that is all|you are|you are all)"
)
_DONE = any_of(
    rf"^\W*(?:{_OPENING} ?)*+(?:done|sorted|taken care of|all set|completed?|good to go)\b(?! (?:with|by you))",
    r"(?:is|are|has been|have been) (?:now |all )?(?:taken care of|all done|all set|complete|completed|carried out"
    r"|dealt with|put through|sorted)\b",
    r"went (?:right |straight )?through\b(?! (?:twice|on (?:the )?\d))|has gone (?:through|in)\b|done and dusted\b"
    r"|without a hitch\b",
    r"(?:is|was|has been) (?:a success|successful)\b|(?<!that it )(?<!then it )is done\b|^(?:and )?it worked\b",
    r"(?:(?:is|are) (?:up and running|active|online|open|on|off)|works) again\b",
    r"you are (?:all )?(?:set|booked in|booked|sorted|signed up)\b(?! (?:to|for|if|as)\b)|^consider (?:it|that"
    r"|yourself)\b",
)
_HAS_BEEN = any_of(rf"(?:has|have|is) {_ADVERB}been {_ADVERB}(?:{_CHANGED}|let go)")
_NO_SUBJECT = (
    r"(?!(?:not|no|never|status|you|i|we|if|to|is|are|was|were|be|been|being|has|have|had|will|can|get|got|by|which"
    r"|that|also)\b)"
)
#: "Booking confirmed", "Insurance: removed".
_HEADLINE = any_of(
    r"^\W*(?:(?:great|okay|perfect|good news|there|right|yes|all|and) )*"
    rf"(?:{_NO_SUBJECT}[\w#~-]+ ){{0,3}}(?!taken){_PARTICIPLE}\W*$"
)
#: Participles that as often tell what became of something long ago, after "has been" or alone.
_OFTEN_LONG_AGO = r"shipped|delivered|dispatched|ordered|opened|used|received|recorded|blocked|locked"
_HISTORY = a_word_of(_OFTEN_LONG_AGO, r"already (?:been )?\w+|status|history|records?|log|notes?")
_STATUS = a_word_of(_OFTEN_LONG_AGO, r"placed|paid|posted|closed|charged|billed|sent|suspended|status")
#: When it was done, if not just now; by whom, if not by the agent; how one knows.
_LONG_AGO = a_word_of(
    r"yesterday|last (?:week|month|year|night|time|\w+day)|(?:days?|weeks?|months?|years?|hours?) ago|earlier"
    r"|previously|originally|in the past|back in (?:the day|\d+|jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)"
    r"|at the time|when you|yourself|used to|(?:would|could|might|should|may|must) have|had|glad|(?:great"
    r"|good) to hear|unfortunately|sorry|afraid|since \w+|this morning|at \d+|on \w+day",
    r"by (?:your|you|the \w+|an? \w+)|you (?:\w+ )?(?:have|had) (?!been|now)\w+",
    r"(?:was|were)\b.*\b(?:on|since|in|at) (?:the \d|\d|jan|feb|mar|apr|may\b|jun|jul|aug|sep|oct|nov|dec|mon|tues"
    r"|wednes|thurs|fri|satur|sun)\w*",
    r"looks? (?:like|to)|seems?|appears?|apparently|(?:i|you) (?:can )?see|records?|notes|history|log|merely|only"
    r" (?!\d)\w+ed"
    r"|because|so far|in case|identity|verified|verification|as per|told|said|why|(?:he|she|they) (?:has|have)",
)
_APOLOGY = a_word_of("unfortunately|afraid|sadly|regrettably|sorry,? but")
_NOT_DONE = a_word_of(
    r"(?:will|would|could|can|may|might|must|to|shall) (?:\w+ ){0,2}be|should (?:\w+ )?be",
    r"being|almost|nearly|about to|going to|draft\w*|then it|would|could|will not|prepared|ready to|(?:i|we) (?:will"
    r"|shall|am|are)|let me|^\W*(?:\w+ )?\w+ing (?:now|it|that|this|the|your|both|you|them)",
)
#: A state that a change may have led to.
_PERHAPS_SO = any_of(
    r"(?:has|have) (?:now |just |already )?(?:left|gone|moved|ended|stopped|started|come|vanished|disappeared|dropped"
    r"|landed)\b|i did\b|not .*\bany ?more\b|no longer\b|here and now\b|from now on\b|instead of\b",
    r"(?:is|are) (?:now|off|on|gone|live|active|yours|history|up and running|no more|back|in place|in your|void|down to"
    r"|all on|out of|through|up|there)\b|it is (?:in|done)\b",
    r"(?:is|are) (?:\S+ ){1,4}now\b|is (?:on|in)\W*$|it is\W*$",
    r"^\W*there\b(?! is| are)|^with that\b|(?:again|now)\W*$|now [a-z]+s\b",
    r"done\b|sorted\b|gone\b|confirmed\b|successful\w*|(?:in|back|on) now\b|as of (?:right now|now|today|this)\b",
    r"you are (?:now )?(?:on|down|in|booked|signed|set)\b|that is (?:you|it|the|your)\b|(?:sits?|stands?|reads?|shows"
    r"|leaves) (?:on|in|now|that|the|at)\b|all (?:set|done|yours)\b|there you (?:go|are)\b|you will not (?:see|be|get"
    r"|pay)\b|(?:taken|came|come) off\b|good to go\b|it worked\b",
)
_PERHAPS_DONE = any_of(
    rf"{_PARTICIPLE}|(?:is|are|was|were|been|i|we|it|that|both|and|now|just|got|have|has|also) {_ADVERB}(?<!get )"
    rf"(?:{_CHANGED}|{_DID})|been {_ADVERB}{_CHANGE}",
    rf"(?:i|we) have {_ADVERB}{verb('X', 'n')}|(?:i|we) (?:have )?{_ADVERB}(?!needed|wanted)[a-z]+ed\b(?!~)|(?:has"
    rf"|have) {_ADVERB}been [a-z]+(?:ed|en)\b(?!~)"
    r"|i (?:have )?(?:given|gave|got|left|let)\b|^\W*(?:\w+ ){0,3}(?!need)[a-z]{3,}ed\W*$",
)
#: Nothing of ours, or nothing at all: "you had cancelled it yourself", "I've taken a look".
_NOT_BY_US = any_of(rf"you (?:had|have) (?!been|now){_ADVERB}{_CHANGED}|(?:taken|had)~\w+ (?:a|another) (?:\w+ )?look")
#: What a short message may say instead: no news of a change.
_SAYS_ELSE = any_of(
    rf"(?:not|no|never|nothing|will|shall|would|could|can|may|should|must|have to|let|please|thanks?|thank|sorry"
    rf"|hello|hi|if|you (?:are"
    rf" welcome|have|had|can|need)|i have|there (?:is|are)|costs?|takes|welcome|my pleasure|happy|glad|understood"
    rf"|noted|okay"
    rf"|got it|of course|sure|yes|certainly|to \w+|{verb('LTXD', 'bsgdn')}|\w+ing)\b"
)
_OF_THE_CUSTOMER = a_word_of(
    r"you|your (?:\w+ )?(?:case|call|chat|request|complaint|issue|query)|this (?:chat|conversation)"
)
_NO_MORE = re.compile(r"\bany ?more\b")


def _done(clause: Clause, passing: bool) -> Sign:
    """``passing``: the message passes the customer on, so that what "has been" done may be that."""
    plain, tags = clause.plain, clause.tagged
    negated = _NEGATED.search(plain) is not None
    changes = "C" in tags
    if not (negated or clause.depends or _LONG_AGO.search(plain)):
        if _I_HAVE.search(tags) or (changes and _I_JUST.search(tags)):
            return True
        if _DONE.search(plain) or _IS_NOW.search(plain) or (changes and _IS_CHANGED_NOW.search(tags)):
            return None if passing else True
        if changes and _HAS_BEEN.search(tags):
            return None if passing or _HISTORY.search(plain) else True
        if changes and _HEADLINE.search(tags):
            return None if passing or _STATUS.search(plain) else True
    if _NOT_DONE.search(plain) or _NOT_BY_US.search(tags) or (negated and not _NO_MORE.search(plain)):
        return False
    return None if _PERHAPS_SO.search(plain) or _PERHAPS_DONE.search(tags) else False


def _unless_you_are_passed_on(clause: Clause, sign: Sign) -> Sign:
    """Money and papers may be "handed over" as well; it is no change that a customer is."""
    if sign is False or not passes_on(clause.plain):
        return sign
    return False if _OF_THE_CUSTOMER.search(clause.plain) else None


@cached_if_short
def reports_done(text: str) -> bool | None:
    """Whether the agent reports that the request has been carried out."""
    read = clauses(text)
    sorry = {clause.sentence for clause in read if _APOLOGY.search(clause.plain)}
    passing = announces_hand_over(text) is not False
    could = [clause for clause in read if not (clause.asks or clause.supposed or clause.sentence in sorry)]
    said = verdict(_unless_you_are_passed_on(clause, _done(clause, passing)) for clause in could)
    if said is False and is_terse(read) and any(not _SAYS_ELSE.search(clause.tagged) for clause in could):
        return None
    # A plan tells the new state as well: "Friday at noon it is, two nights. Is that all right?"
    return None if said and asks_to_confirm(text) else said


# -- about to do it ---------------------------------------------------------------------------------------------------
_ABOUT_TO = r"(?:will|shall|am going to|are going to|am about to|are about to)"
_GO_AHEAD = rf"(?:(?:go|proceed)(?:~\w+)? (?:ahead )?(?:and |with |to )?{_ADVERB})?"
_WILL = any_of(
    rf"(?:i|we) {_ADVERB}{_ABOUT_TO} {_ADVERB}(?:be )?(?:do )?{_ADVERB}{_GO_AHEAD}(?:be )?(?:{_CHANGE}"
    rf"|{_CHANGING}){_IDLE}"
    r"(?! you (?:an?|the|another|some|information|more|know)\b)",
    rf"(?:i|we) {_ADVERB}{_ABOUT_TO} {_ADVERB}(?:get|have) (?:that|this|it|the|your|those|these)\b.*{_CHANGED}",
    r"(?:i|we) (?:\w+ )?(?:will|shall) (?:\w+ )?(?:go(?:~\w+)? ahead\b(?! and)|proceed(?:~\w+)?(?! to)|do (?:that"
    r"|this|it|so))\b",
    rf"(?:i am|we are) {_ADVERB}{_CHANGING}{_IDLE}",
    rf"(?:let me|moment while i|while i|allow me to|(?:seconds?|moment|minute) to) {_ADVERB}{_GO_AHEAD}"
    rf"(?:{_CHANGE}{_IDLE}|get (?:that|this|the|your|it)\b[^.?]*{_CHANGED}|do (?:that|this|it))",
)
_GERUND = any_of(
    rf"^\W*(?:(?:okay|great|sure|perfect|got it|right|now|then|so|and|next|on it|first) )*{_CHANGING}{_IDLE}"
)
_FINITE = a_word_of(
    r"is|are|was|can|could|will|would|may|must|costs?|takes?|means?|needs?|requires?|has|have|drops|does|gives?"
    r"|saves?|deletes?|by"
)
_AT_ONCE = re.compile(
    r"\b(?:now|right away|as we speak|this (?:instant|second|minute|moment)|straight (?:off|away)|immediately|at once"
    r"|in one go)\b|\.\.\.?$"
)
_HOLD_ON = a_word_of(
    r"(?:one|a|just a|half a|a few) (?:secs?|seconds?|moment|min|minute|tick)|hang (?:tight|on)|stand by|bear with"
    r"|please (?:wait|hold)|wait a (?:little|moment)|sit tight|hold on|back in a"
)
_DAY = r"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday|afternoon|evening)"
_LATER = a_word_of(
    rf"tomorrow|tonight|later(?! one)|soon|shortly|next (?:week|month|year|\w+day)|(?:by|until|before|this"
    rf"|come) {_DAY}",
    r"by (?:noon|the end|next|end|e?mail|post)|within|in (?:the morning|a few|a couple|an hour|\d+ (?:hours|days"
    r"|minutes))",
    r"whenever|unless|end of|eventually|first thing|in writing|either way",
)
#: What is told to somebody, or looked up: no change.
_NO_CHANGE = any_of(
    rf"(?:i|we) {_ADVERB}{_ABOUT_TO} (?:be )?{_ADVERB}{_GO_AHEAD}(?:not|never|only|need|have|try|be"
    rf"|{verb('LT', 'bg')}|{verb('X', 'bg')} (?:you|this|that|it|your (?:\w+ )?(?:case|chat|call)))\b",
    rf"let (?:me|us) {_ADVERB}{_GO_AHEAD}(?:know|{verb('LTX', 'b')})|(?:i am|we are) {_ADVERB}{verb('LTX', 'g')}",
)
_TELLS = a_word_of(
    r"(?:rais(?:e|ing)|bring(?:ing)?|tak(?:e|ing)|put(?:ting)?|submit(?:ting)?) (?:this|that|it|your \w+)"
    r" (?:with|up|to|before|in front of)"
)
_PERSON = a_word_of(r"someone|somebody|colleague|supervisor|specialist|manager|agent|team|technician|him|her")
#: "Give me the number and I'll unlock it": not yet. "Let me work that out: I'll take off the fee": only on paper.
_ONLY_THEN = a_word_of(
    r"^\W*(?:(?:please|just|then|so|yes|okay) )*(?:give|send|tell|type|enter|upload|reply|share|show)(?! me a)",
    r"let me (?:work|figure|reckon|add) (?:that|this|it|these) (?:out|up)|let me (?:calculate|do the (?:sums?|maths?))",
)
_PERHAPS_WILL = any_of(
    rf"(?:i|we|the bank|the company) {_ADVERB}(?:{_ABOUT_TO}|hereby) |^(?:will|shall) |(?:and|then) shall "
    rf"|(?:i|we) (?:am |are )?{_ADVERB}{_CHANGE}|^\W*(?:in|off|out|here|up|down) (?:it )?(?:goes?|comes?)\b|(?:i am"
    rf"|we are) {_ADVERB}[a-z]+ing\b|let me ",
    rf"^\W*(?:\w+ )?{_CHANGING}|^doing (?:it|that|this)\b|will be {_CHANGED} (?:now|immediately|right away|at once)\b",
    rf"(?:i|we|bank|company) {_ADVERB}(?:proceeds?\b|{verb('C', 'b')})|(?:is|are) (?:now )?being {_CHANGED}"
    rf"|^\W*(?:\w+ )?(?!nothing|anything|something|everything|during)[a-z]{{3,}}ing\b(?!~)|on it\b|will do\b|coming"
    rf" (?:right )?up\b|leave (?:it|this|that) (?:with|to) me\b|consider it\b|what is happening now\b|starting now\b"
    rf"|here (?:we go|goes)\b|(?:this|that) very (?:second|minute|moment|instant)\b|coming (?:off|out)\b|watch me\b"
    rf"|with my next \w+\b",
)


def _announces(clause: Clause, held: bool, later: bool) -> Sign:
    """``held``: the customer is asked to wait. ``later``: the sentence names another time than now."""
    plain, tags = clause.plain, clause.tagged
    if ("C" in tags or "G" in tags or "do " in plain) and _WILL.search(tags):
        if later and not _LATER.search(plain):
            return True if _AT_ONCE.search(plain) else None
        return None if clause.queried or _PERSON.search(plain) else not later
    if "C" in tags and _GERUND.search(tags) and not _FINITE.search(plain):
        return True if held or _AT_ONCE.search(plain) else None
    perhaps = _PERHAPS_WILL.search(tags) or (held and _HOLD_ON.search(plain))
    return None if perhaps and not (later and _LATER.search(plain)) and not _NO_CHANGE.search(tags) else False


@cached_if_short
def promises_write(text: str) -> bool | None:
    """Whether the agent says that it is about to do something: a customer who leaves now leaves too early."""
    read = clauses(text)
    held = any(_HOLD_ON.search(clause.plain) for clause in read)
    later = {clause.sentence for clause in read if _LATER.search(clause.plain)}
    not_yet = {clause.sentence for clause in read if _ONLY_THEN.search(clause.plain)}
    could = (clause for clause in read if not (clause.asks or clause.depends or _NEGATED.search(clause.plain)))
    said = verdict(
        False if sign is not False and (_TELLS.search(clause.plain) or passes_on(clause.plain)) else sign
        for clause in could
        for sign in [_announces(clause, held, clause.sentence in later) and (clause.sentence not in not_yet or None)]
    )
    if said is False or not asks_to_confirm(text):
        return said
    # A plan is no promise, but part of it may be under way: "I'm moving the first one now. Do you agree to the other?"
    return None if said and any(_AT_ONCE.search(clause.plain) and not clause.queried for clause in read) else False
