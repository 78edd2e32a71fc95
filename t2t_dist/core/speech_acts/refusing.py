"""Whether an agent says no. Pure."""

from __future__ import annotations

import re
from collections import Counter

from t2t_dist.environments.short_texts import cached_if_short

from .clauses import Clause, clauses
from .confirming import asks_to_confirm
from .doing import promises_write, reports_done
from .lexicon import verb
from .verdict import Sign, verdict

_ADVERB = r"(?:(?:also|simply|just|therefore|currently|really|now|then|still|ever|even|yet|\w+ly) )*+"
_NOT = r"(?:not|no longer|never)"
#: "I can't", "we are not able to", "it is not for me to".
_MAY_NOT = (
    rf"\b(?:can|could|may|must|shall) {_ADVERB}{_NOT} |\bnot (?:\w+ )?(?:able|allowed|permitted|authori[sz]ed|entitled|cleared) to "
    rf"|\bnot (?:\w+ )?in a position to |\bnot have (?:the |any )?(?:authority|power|permission|right|means|option|ability) (?:to|for) "
    rf"|\b(?:have|has) (?:got )?no (?:authority|power|permission|right|means|way|option|say|mandate) (?:to |over |of )|\black the (?:authority|power|permission|right|means) to "
)
#: What somebody may be unable to do without refusing anything.
_NO_FAVOUR = (
    r"(?:find|locate|see|reach|read|hear|tell|identify|recogni[sz]e|verify|imagine|wait|thank|stress|apologi[sz]e|seem|catch|follow"
    r"|understand|say|be more|help but|believe|speak|express|emphasi[sz]e|undo|complain|think|blame|load|open)"
)
_I_MAY_NOT = re.compile(rf"\b(?:i|we)\b(?:.{{0,30}}?)(?:{_MAY_NOT}){_ADVERB}(?!{_NO_FAVOUR}\b)\w+")
_CONDITION = re.compile(r"\b(?:until|till|unless)\b|\bwithout (?:your|you|a|an|the|knowing|it|that|proof)\b|\bbefore (?:i|you|we|it|that|your|the)\b|\bonly (?:if|once|after|when)\b|\byet\b")
_MAY_NOT_BE = re.compile(
    rf"\b(?:can|could|may|will|shall|must|should) {_ADVERB}{_NOT} {_ADVERB}be {_ADVERB}"
    r"(?!(?:undone|reversed|reverted|undo|restored|recovered|reinstated|found|located|reached|guaranteed|seen|back|there|in|a|long|needed|affected|surprised|able|refused|declined|turned|charged|billed|bothered|asked|contacted)\b)\w+"
)
_NOT_GIVEN = re.compile(
    r"\b(?:not|no longer|never) (?:\w+ly |quite |really |at all )?(?:possible|allowed|permitted|permit|permissible|eligible|an option|on the table|something (?:that )?(?:i|we)"
    r"|supported|on offer|in my (?:power|gift|hands)|within (?:my|our)|up to me|going to happen|happening|negotiable|a thing (?:i|we|our)"
    r"|refundable|transferable|exchangeable|returnable|feasible|a decision i|a call i|entitled)\b(?! (?:for you )?to (?:worry|find|tell))"
    r"|\bdoes not qualify\b|\bdo not qualify\b|\bcan not succeed\b|\b(?:method|card|that|it|code|date) will not (?:do|work)\b"
)
_RULE = (
    r"(?:polic(?:y|ies)|rules?|terms|conditions|system|fares?|plans?|tariffs?|contract|agreement|regulations?|warranty|guarantee|promise|law|schedule|clause"
    r"|ticket|class|status|promo|promotion|offer|insurance|procedure|guidelines?|bank|company|department|we|store|shop|software|checkout|hotel|airline)"
)
_PERMITS_NOT = re.compile(
    rf"\b{_RULE}\b(?: \w+){{0,6}}? (?:do|does|did|will|would|can) {_ADVERB}{_NOT} {_ADVERB}(?:let|{verb('P', 'b')})"
    rf"|\b{_RULE}\b(?: \w+){{0,5}}? {verb('D', 'sb')}|\b(?:system|airline|bank|company|policy|i|we) not (?:{verb('P', 'b')}|have permission)"
    r"|\bwe do not do\b|\b(?:rules|policy|law|clause \w+) (?:forbids?|prohibits?|rules? (?:it|that|this) out)\b"
)
_DECLINES = re.compile(
    rf"\b(?:i|we) (?:\w+ )?(?:must|have to|need to|will have to|will|am going to have to|would have to|am obliged to|am forced to) {_ADVERB}{verb('D', 'b')}"
    rf"|\b(?:i|we) have {_ADVERB}{verb('D', 'n')}|\b(?:is|are|has been|have been|was|were|been) (?:accordingly |hereby |therefore |thus )?(?:declined|refused|rejected|denied|turned down|disallowed|dismissed)\b"
)
_SAYS_NO = re.compile(
    r"\bout of the question\b|\boff the table\b|\b(?:no|without) exceptions?\b|\b(?:hard|firm|clear|flat) no\b|\bno from (?:me|us)\b|\banswer (?:is|stays|remains|has to be|must be)(?: still| a| the)? (?:no|same)\b"
    r"|\bagainst (?:our|the|store|company|house|airline|hotel|bank|\w+) (?:polic(?:y|ies)|rules?|terms)\b|\bhands are tied\b|\bt(?:ies|ied) (?:our|my) hands\b|\babove my pay ?grade\b"
    r"|\b(?:beyond|outside(?: of)?|exceeds) (?:what (?:i|we)|my|our|us)\b|\bnot (?:something|anything|a thing) (?:that )?(?:i|we)\b"
    r"|\bno way (?:for (?:me|us) )?(?:to|of|around|i|we)\b|\bnothing (?:more |else |further )?(?:that )?(?:i|we) (?:can|could) (?:do|offer)\b"
    r"|\bthere is no(?: \w+){1,4} (?:that )?(?:i|we) (?:can|could|may)\b|\bnot going to happen\b|\bno can do\b"
    r"|\b(?:have|had) to say no\b|\b(?:will|would) have to stand\b|\bmore than (?:i|we) (?:can|may)\b"
    r"|\bno longer (?:something|in a position)\b|\bfinal sale\b|\b(?:is|be) a no\b|\bnot my call\b|\brules (?:it|that|this|you) out\b|\bthere is no (?:room|leeway|provision|possibility)\b"
    r"|\bi am (?:still )?not going to (?!lie|pretend|have you)\w+|\bafraid not\b"
)
_SORRY = re.compile(
    r"\b(?:unfortunately|regrettably|sadly|afraid (?:that|not|i|we|it|this)|i am afraid|we are afraid|i regret|we regret|regret to)\b"
)
_NO_SORRY = re.compile(r"\bsorry (?:for|about|to (?:hear|keep|bother|make|learn|see)|that|you|if)\b|^\W*(?:(?:i am |we are )?(?:so |very |truly )sorry|sorry)\W*$")
_ONLY_LOOKS = re.compile(
    rf"\bnot (?:\w+ ){{0,3}}?{_NO_FAVOUR}\b|\bno (?:\w+ ){{0,3}}(?:found|matching|match|record|result)\b|\bnothing (?:comes|came|shows)\b"
)
#: No, but no refusal.
_HARMLESS = re.compile(
    r"\b(?:do|does|will|would|need|should|could) not (?:have|need|worry|hesitate|mind|matter|want to lose|take (?:a|long))\b|\bnot to worry\b|\bneed not\b"
    r"|\bno (?:problem|trouble|worries|worry|charge|cost|fee|extra|doubt|need|matter|rush|hurry|later than|additional|further|objection|difference|more|set-up|changes?|restrictions?|limits?)\b"
    r"|\bnot (?:only|yet|just|sure|a penny|affected|be affected|be undone|be reversed|be reinstated|otherwise|any more|close|hang|tell|be long|be able)\b|\b(?:have|has|had|did|was|were|would) not\b|\bnothing (?:has|have|was|is|will be|goes|comes|came|else)\b|\byes or (?:a )?no\b|\bnot your fault\b|\bnot .*\bany ?more\b|\bnot for (?:much )?long\w*\b|\bnot my desk\b|\bnot change a thing\b|\bnot survive\b|\bnot applied yet\b|\bno end\b|\bno way back\b"
    r"|\bwhether or not\b|\bor not$|\bwhy not\b|^\W*(?:no|none)\W*$|\byou (?:\w+ )?(?:do|have|are|were|need|will|would|should|must) not\b|\b(?:no one|nobody)\b"
    rf"|\bnot (?:\w+ ){{0,2}}?{_NO_FAVOUR}\b|\bplease (?:\w+ )?do not\b|^do not\b|\bnever mind\b|\bnot at all\b|\bnothing else is\b|\bnot missing\b|\bno way back\b|\bis not too\b"
    r"|\bdo not (?:want to|doubt|see)\b"
)
_NEGATION = re.compile(
    r"\bnot (?:accept|permit|allow)(?:ed)?\b|\b(?:not|no|never|none|neither|nor|nothing|hardly|lack|non-?\w+able)\b|\b(?:unfortunately|regret\w*|sadly)\b|\b(?:has|have) to (?:stay|stand|remain|go back|come)\b"
)
#: What a reason for a no is made of.
_REASON = re.compile(
    r"\b(?:only(?! (?:once|a few|if|when|after))|solely|exclusively|alone|reserved for|limited to|kept for|closed|closes|sold out|fully booked|out of stock|(?:has|have|had|is|are) expired|too (?:late|far|long|big|old)"
    r"|must|has to|have to|stopped|final|hidden|blocked|void|forfeit\w*|outside|beyond|stays|remains?|behind us|unsuccessful|ran until|off limits|restricted|excluded|the (?:most|maximum|limit|rule|rules|ceiling)|(?:is|are) (?:out|full|off|gone)|has gone|passed|past"
    r"|taken\b|used up|ended|ends|ending (?:on|at)|destroyed|fixed|resisted|sole|borne|in the book|or nothing|another matter|counts|need a|need an|gone\b|per (?:customer|person|basket|card|line|stamp)|one \w+ per|breach|law|deadline|as planned|valid|payable|held|occupied|wishful|reserved|staying|sorry|afraid|wish (?:i|it)|out of my (?:control|hands))\b"
)


_IF = re.compile(r"\b(?:if|in case|assuming|whether)\b")


def _on_condition(clause: Clause) -> bool:
    """Whether a no holds until something is done: "I can't do that without your confirmation"."""
    return _CONDITION.search(clause.plain) is not None


def _sign(clause: Clause) -> Sign:
    plain = clause.plain
    if clause.asks:
        return False
    sure = (
        _I_MAY_NOT.search(plain)
        or _MAY_NOT_BE.search(plain)
        or _NOT_GIVEN.search(plain)
        or _PERMITS_NOT.search(clause.tagged)
        or _DECLINES.search(clause.tagged)
        or _SAYS_NO.search(plain)
    )
    if sure:
        return False if _on_condition(clause) else None if _IF.search(plain) else True
    return None if _NEGATION.search(_HARMLESS.sub(" ", plain)) else False


_SAYS_SORRY = re.compile(r"\b(?:sorry|apologi[sz]e)\b")


def _regrets(read: tuple[Clause, ...]) -> Sign:
    """Whether a sentence regrets what it says: "unfortunately, it has been shipped", "the earrings stay with you, sorry"."""
    unsure = False
    for number in {clause.sentence for clause in read if not clause.queried}:
        said = [clause for clause in read if clause.sentence == number]
        rest = [clause for clause in said if not _SAYS_SORRY.search(clause.plain)]
        sorry = any(_SAYS_SORRY.search(_NO_SORRY.sub(" ", clause.plain)) for clause in said)
        regrets = any(_SORRY.search(clause.plain) for clause in said)
        if not (regrets or (sorry and any(_sign(clause) is None or _gives_a_reason(clause) for clause in rest))):
            continue
        if not any(_on_condition(clause) or _ONLY_LOOKS.search(clause.plain) for clause in said):
            return True
        unsure = unsure or not any(_ONLY_LOOKS.search(clause.plain) for clause in said)
    return None if unsure else False


def _gives_a_reason(clause: Clause) -> bool:
    return not clause.asks and not _CONDITION.search(clause.plain) and _REASON.search(_NO_SORRY.sub(" ", clause.plain)) is not None


def _is_no(read: tuple[Clause, ...]) -> bool:
    """Whether a sentence is just "no"."""
    count = Counter(clause.sentence for clause in read)
    return any(clause.plain.strip(" .!") == "no" and count[clause.sentence] == 1 for clause in read)


@cached_if_short
def refuses(text: str) -> bool | None:
    """Whether the agent says that it can't, may not or will not do something."""
    read = clauses(text)
    said = verdict([*map(_sign, read), _regrets(read)])
    if said is False and (any(map(_gives_a_reason, read)) or _is_no(read)):
        # A bare reason may be all that a no consists of, where the message does nothing else.
        other = asks_to_confirm(text) or reports_done(text) or promises_write(text)
        return False if other else None
    return said
