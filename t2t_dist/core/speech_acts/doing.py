"""Whether an agent reports a change as made, or announces one. Pure."""

from __future__ import annotations

import re

from t2t_dist.environments.short_texts import cached_if_short

from .clauses import Clause, clauses
from .confirming import asks_to_confirm
from .handing_over import passes_on
from .lexicon import verb
from .verdict import Sign, verdict

_ADVERB = (
    r"(?:(?:now|just|also|already|only|then|still|all|both|hereby|gladly|once|again|right|away|next|since|too|today|duly|\w+ly) )*+"
)
_CHANGED, _CHANGE, _CHANGING, _DID = verb("C", "n"), verb("C", "b"), verb("C", "g"), verb("C", "d")
#: One that is no noun, as "set" is.
_PARTICIPLE = r"[a-z]++~[A-Z]*C[A-Z]*d?n\b"
#: "I've taken a look", "put you on hold", "added a note": a verb of change, but nothing has been changed.
_IDLE = (
    r"(?! (?:a (?:close |quick |good )?(?:look|note)|sure|note|aside|(?:up )?your (?:file|profile|call|case|details)|you on hold|together|out the|an eye|up (?:your|the|my)"
    r"|(?:your|the|this|that) (?:comments?|feedback|suggestions?|questions?|complaint|report|idea|point)|it up with|back to you|you (?:updated|posted|back))\b)"
)
_I_HAVE = re.compile(
    rf"\b(?:i|we) have {_ADVERB}(?:gone (?:ahead|in) and {_ADVERB}|managed to )?{_CHANGED}{_IDLE}"
    rf"|\b(?:i|we) have {_ADVERB}(?:gone~?\w*|went~?\w*) (?:ahead|in) and {_ADVERB}{_CHANGED}|\b(?:i|we) went~?\w* ahead and {_ADVERB}{_DID}"
)
_HAS_BEEN = re.compile(rf"\b(?:has|have|is) {_ADVERB}been {_ADVERB}(?:{_CHANGED}|let go)")
_IS_NOW = re.compile(
    rf"\b(?:is|are) (?:(?:now|all) )+{_ADVERB}(?:{_CHANGED}|on (?:file|the)|on its way|active|live|off|on\b|gone|back|in\b|yours|down for)"
    rf"|\b(?:is|are|was|were) {_ADVERB}successfully {_CHANGED}|\b(?:is|are) {_CHANGED} (?:now|success?fully)\b|\bsuccessfully {_CHANGED}"
    rf"|\bis {_CHANGED} in (?:the|our|my) system\b"
)
_NOW_HAS = re.compile(
    r"(?<!\byou )(?<!\bi )(?<!\bwe )\bnow (?:has|have|reads?|shows?|carr(?:y|ies)|exists?|sits?|goes|follows?|includes?|belongs?|runs?|counts?)\b"
    r"|(?<!\byou )(?<!\bi )(?<!\bwe )\bwill now (?:be (?!able)|go |have |get |receive )"
)
_DONE = re.compile(
    r"^\W*(?:(?:okay|great|there|perfect|good news|right|and|so|it is|that is|this is|everything is|all|consider (?:it|that)|that has been|this has been"
    r"|it has been|both are|both have been|it is all|that is all|you are|you are all|now|yes|thanks|thank you) ?)*+"
    r"(?:done|sorted|taken care of|all set|completed?|good to go)\b(?! (?:with|by you))"
    r"|\b(?:is|are|has been|have been) (?:now |all )?(?:taken care of|all done|completed|carried out|dealt with|put through|sorted)\b"
    r"|\bwent (?:right |straight )?through\b(?! (?:twice|on (?:the )?\d))|\bhas gone (?:through|in)\b|\b(?:is|was|has been) (?:a success|successful)\b|\bdone and dusted\b|\bwithout a hitch\b"
    r"|\byou are (?:all )?(?:set|booked in|booked|sorted|signed up)\b(?! to)|(?<!that it )(?<!then it )\bis done\b|^(?:and )?it worked\b|\b(?:is|are) complete\b|^consider (?:it|that|yourself)\b|\bthere (?:you|we) (?:go|are)\b.*\b(?:now|more)\b"
)
_HEADLINE = re.compile(
    r"^\W*(?:(?:great|okay|perfect|good news|there|right|yes|all|and) )*"
    r"(?:(?!(?:not|no|never|status|you|i|we|if|to|is|are|was|were|be|been|being|has|have|had|will|can|get|got|by|which|that|also)\b)[\w#~-]+ ){0,3}"
    rf"(?!taken){_PARTICIPLE}\W*$"
)
#: Participles that as often tell what became of something long ago.
_LONG_AGO = r"\b(?:shipped|delivered|placed|dispatched|paid|ordered|posted|opened|used|closed|received|charged|billed|sent|recorded|blocked|suspended|locked)\b"
_HISTORY = re.compile(r"\balready (?:been )?\w+|\b(?:status|history|records?|log|notes?)\b")
_I_JUST = re.compile(rf"\b(?:i|we) {_ADVERB}just {_ADVERB}{_DID}{_IDLE}|\b(?:i|we) {_DID}{_IDLE}.*\b(?:just now|a (?:moment|minute|second) ago|seconds ago)\b")
#: When it was done, if not just now; by whom, if not by the agent.
_BEFORE_NOW = re.compile(
    r"\b(?:yesterday|last (?:week|month|year|night|time|\w+day)|(?:days?|weeks?|months?|years?|hours?) ago|earlier|previously|originally|in the past|back in|at the time"
    r"|when you|by (?:your|the (?:warehouse|carrier|customer|holder|bank|shop|seller))|you (?:\w+ )?(?:have|had) (?!been|now)|yourself|used to|had|unfortunately|sorry|afraid)\b"
)
_ON_A_DAY = re.compile(
    r"\b(?:was|were)\b.*\b(?:on|since|in|at) (?:the \d|\d|jan|feb|mar|apr|may\b|jun|jul|aug|sep|oct|nov|dec|mon|tues|wednes|thurs|fri|satur|sun)"
)
_NEGATED = re.compile(r"\b(?:not|no|never|nothing|nobody|none|neither)\b(?!\.? ?\d)(?! (?:fee|charge|extra|cost|problem|penny))")
_NOT_DONE = re.compile(
    r"\b(?:will|would|could|can|may|might|should|must|to|shall) (?:\w+ ){0,2}be\b|\b(?:being|almost|nearly|about to|going to|draft\w*|then it|great to hear|glad|would|could|will not|prepared|ready)\b"
)
_MAYBE_DONE = re.compile(
    rf"\bbeen {_ADVERB}{_CHANGE}|(?:^|\b(?:is|are|was|were|been|i|we|it|that|both|and|now|just|got|been|also|as|the \w+|your \w+|seat|order|system) ){_ADVERB}(?<!get )(?:{_CHANGED}|{_DID})"
    rf"|\b(?:i|we) have [a-z]+(?:ed|en)\b(?!~)|\bi have given\b|^(?:[\w#~-]+ ){{0,4}}{_PARTICIPLE}\W*$|^\W*(?:[\w#~-]+ ){{0,3}}{_CHANGED} (?:as of|per|at|to|and)\b"
)
_MAYBE_SO = re.compile(
    r"\bhas (?:now )?(?:left|gone|moved|ended|stopped|started)\b|\bi did\W*$|\bnot .*\bany ?more\b|\bas of (?:right )?now\b|\bhere and now\b|\bfrom now on\b"
    r"|\b(?:is|are) (?:now|off|gone|live|active|yours|history|up and running|no more|back|in place|in your|void|down to|all on)\b|\bis (?:on|in)\W*$"
    r"|\b(?:is|are) (?:[\w-]+ ){1,4}now\b|\bdone\b|\bsorted\b|\bgone\b|^\W*there\b(?! is| are)|\bconfirmed\b|\byou are (?:now )?(?:on|down|in)\b|\bit is\W*$"
    r"|\bthat is (?:you|it|the|your)\b|\bas of (?:now|today|this)\b|\b(?:sits?|stands?|reads?|shows) (?:on|in|now|that)\b|\b(?:in|back|on) now\b|\b(?:is|are) on\W*(?:$|the booking)"
)
_IS_CHANGED = re.compile(rf"\b(?:is|are) {_ADVERB}{_CHANGED}")
_APOLOGY = re.compile(r"\b(?:unfortunately|afraid|sadly|regrettably|sorry,? but)\b")


def _done(clause: Clause, sorry: frozenset[int]) -> Sign:
    plain, tags = clause.plain, clause.tagged
    if clause.sentence in sorry or clause.asks or clause.supposed or passes_on(plain):
        return False
    negated = _NEGATED.search(plain) is not None
    past = _BEFORE_NOW.search(plain) is not None or _ON_A_DAY.search(plain) is not None
    if not negated and not past and not clause.depends:
        if _I_HAVE.search(tags) or _IS_NOW.search(tags) or _DONE.search(plain) or _I_JUST.search(tags) or _NOW_HAS.search(plain):
            return True
        if _HAS_BEEN.search(tags) or _HEADLINE.search(tags):
            return None if _HISTORY.search(plain) or re.search(_LONG_AGO, plain) else True
    if _NOT_DONE.search(plain) or (negated and not re.search(r"\bany ?more\b", plain)):
        return False
    if _MAYBE_SO.search(plain) or _I_HAVE.search(tags):
        return None
    if past:
        return None if _IS_CHANGED.search(tags) else False
    return None if _MAYBE_DONE.search(tags) else False


@cached_if_short
def reports_done(text: str) -> bool | None:
    """Whether the agent reports that the request has been carried out."""
    read = clauses(text)
    sorry = frozenset(clause.sentence for clause in read if _APOLOGY.search(clause.plain))
    said = verdict(_done(clause, sorry) for clause in read)
    return None if said and asks_to_confirm(text) else said


# -- about to do it ---------------------------------------------------------------------------------------------------
_ABOUT_TO = r"(?:will|shall|am going to|are going to|am about to|are about to)"
_GO_AHEAD = rf"(?:(?:go|proceed)(?:~\w+)? (?:ahead )?(?:and |with |to )?{_ADVERB})?"
_WILL = re.compile(
    rf"\b(?:i|we) {_ADVERB}{_ABOUT_TO} {_ADVERB}(?:be )?(?:do )?{_ADVERB}{_GO_AHEAD}(?:be )?(?:{_CHANGE}|{_CHANGING}){_IDLE}(?! you (?:an?|the|another|some|information|more|know)\b)"
    rf"|\b(?:i|we) {_ADVERB}{_ABOUT_TO} {_ADVERB}(?:get|have) (?:that|this|it|the|your|those|these)\b.*{_CHANGED}"
    r"|\b(?:i|we) (?:\w+ )?(?:will|shall) (?:\w+ )?(?:go~?\w* ahead|proceed~?\w*|do (?:that|this|it|so))\b"
)
_I_AM = re.compile(rf"\b(?:i am|we are) {_ADVERB}{_CHANGING}{_IDLE}")
_LET_ME = re.compile(
    rf"\b(?:let me|moment while i|while i|allow me to|(?:seconds?|moment|minute) to) {_ADVERB}{_GO_AHEAD}(?:{_CHANGE}{_IDLE}|get (?:that|this|the|your|it)\b[^.?]*{_CHANGED}|do (?:that|this|it))"
)
_GERUND = re.compile(rf"^\W*(?:(?:okay|great|sure|perfect|got it|right|now|then|so|and|next|on it|first) )*{_CHANGING}{_IDLE}")
_FINITE = re.compile(r"\b(?:is|are|was|can|could|will|would|may|must|costs?|takes?|means?|needs?|requires?|has|have|drops|does|gives?|saves?|deletes?|by)\b")
_AT_ONCE = re.compile(
    r"\b(?:now|right away|as we speak|this (?:instant|second|minute|moment)|straight (?:off|away)|immediately|at once|in one go|both)\b|\.\.\.?$"
)
_HOLD_ON = re.compile(
    r"\b(?:one|a|just a|half a|a few) (?:sec|second|seconds|moment|min|minute|tick)\b|\bhang (?:tight|on)\b|\bstand by\b|\bbear with\b|\bplease (?:wait|hold)\b|\bwait a (?:little|moment)\b|\bsit tight\b|\bhold on\b|\bback in a\b"
)
_LATER = re.compile(
    r"\b(?:tomorrow|tonight|later|soon|shortly|next (?:week|month|year|\w+day)|(?:by|until|before|this|come) (?:monday|tuesday|wednesday|thursday|friday|saturday|sunday|afternoon|evening)"
    r"|by (?:noon|the end|next|end|e?mail|post)|within|in (?:the morning|a few|a couple|an hour|\d+ (?:hours|days|minutes))|as soon as|whenever|unless|end of|eventually|first thing|in writing|either way)\b"
)
_MAYBE_WILL = re.compile(
    rf"^doing (?:it|that|this)\b|\bwill be {_CHANGED} (?:now|immediately|right away|at once)\b|\b(?:i|we|the bank|the company) {_ADVERB}(?:{_ABOUT_TO}|hereby) |\b(?:i am|we are) {_ADVERB}[a-z]+ing\b|\blet me |\bon it\b|^\W*(?:[\w]+ )?{_CHANGING}"
    rf"|\bwhat is happening now\b|\bstarting now\b|\bhere (?:we go|goes)\b"
)
_NO_ACT = re.compile(
    rf"\b(?:i|we) {_ADVERB}{_ABOUT_TO} (?:be )?{_ADVERB}{_GO_AHEAD}(?:not|never|only|need|have|try|be|{verb('LTX', 'bg')})\b"
    rf"|\blet (?:me|us) {_ADVERB}{_GO_AHEAD}(?:know|{verb('LTX', 'b')})|\b(?:i am|we are) {_ADVERB}{verb('LTX', 'g')}"
)


#: "I'll raise this with catering": told to somebody, and no change.
_TELLS = re.compile(
    r"\b(?:rais(?:e|ing)|bring(?:ing)?|tak(?:e|ing)|put(?:ting)?|submit(?:ting)?) (?:this|that|it|your \w+) (?:with|up|to|before|in front of)\b"
)


def _announces(clause: Clause, held: bool, later: frozenset[int]) -> Sign:
    plain, tags = clause.plain, clause.tagged
    if _TELLS.search(plain) or clause.asks or clause.depends or passes_on(plain) or _NEGATED.search(plain):
        return False
    if _WILL.search(tags) or _I_AM.search(tags) or _LET_ME.search(tags):
        return None if clause.queried else clause.sentence not in later
    if _GERUND.search(tags) and not _FINITE.search(plain):
        return True if _AT_ONCE.search(plain) or held else None
    if clause.sentence in later or _NO_ACT.search(tags):
        return False
    return None if _MAYBE_WILL.search(tags) else False


@cached_if_short
def promises_write(text: str) -> bool | None:
    """Whether the agent says that it is about to do something: a customer who leaves now leaves too early."""
    read = clauses(text)
    held = any(_HOLD_ON.search(clause.plain) for clause in read)
    later = frozenset(clause.sentence for clause in read if _LATER.search(clause.plain))
    said = verdict(_announces(clause, held, later) for clause in read)
    return False if said is not False and asks_to_confirm(text) else said
