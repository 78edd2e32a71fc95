"""Whether an agent says no. Pure."""

from __future__ import annotations

from t2t_dist.environments.short_texts import cached_if_short

from .clauses import Clause, by_sentence, clauses
from .confirming import asks_to_confirm
from .doing import promises_write, reports_done
from .handing_over import announces_hand_over, hands_over
from .lexicon import a_word_of, any_of, verb
from .offering import offers_more
from .verdict import Sign, verdict

_ADVERB = r"(?:(?:also|simply|just|therefore|currently|really|now|then|still|ever|even|yet|\w+ly) )*+"
_NOT = r"(?:not|no longer|never)"
_RIGHT = r"(?:authority|power|permission|right|means|way|option|ability|say|mandate)"
#: What somebody may be unable to do without refusing anything.
_NO_FAVOUR = (
    r"(?:find|locate|see|reach|read|hear|tell|identify|recogni[sz]e|verify|imagine|wait|thank|stress|apologi[sz]e"
    r"|seem|catch|follow|understand|say|be more|help but|believe|speak|express|emphasi[sz]e|undo|complain|think|blame"
    r"|load|open)"
)
_I_MAY_NOT = any_of(
    rf"(?:i|we)\b.{{0,30}}?\b(?:(?:can|could|may|must|shall) {_ADVERB}{_NOT}|not (?:\w+ )?(?:able|allowed|permitted"
    rf"|authori[sz]ed|entitled|cleared|in a position) to|not have (?:the |any )?{_RIGHT} (?:to|for)|(?:have"
    rf"|has) (?:got )?no {_RIGHT} (?:to|over|of)|lack the {_RIGHT} to)"
    rf" {_ADVERB}(?!{_NO_FAVOUR}\b)\w+"
)
_MAY_NOT_BE = any_of(
    rf"(?:can|could|may|will|shall|must|should) {_ADVERB}{_NOT} {_ADVERB}be {_ADVERB}"
    r"(?!(?:undone|reversed|reverted|undo|restored|recovered|reinstated|found|located|reached|guaranteed|seen|back"
    r"|there|in|a|long|needed|affected|surprised|able|refused|declined|turned|charged|billed|bothered|asked"
    r"|contacted)\b)\w+"
)
_NOT_GIVEN = any_of(
    rf"{_NOT} (?:\w+ly |quite |really |at all )?(?:possible|allowed|permitted|permit|permissible|eligible|an option"
    rf"|on the table|something (?:that )?(?:i|we)|supported|on offer|in my (?:power|gift|hands)|within (?:my|our)"
    rf"|up to me|going to happen|happening|negotiable|a thing (?:i|we|our)|refundable|transferable|exchangeable"
    rf"|returnable|feasible|a decision i|a call i|entitled)\b(?! (?:for you )?to (?:worry|find|tell))",
    r"(?:do|does) not qualify\b|can not succeed\b|(?:method|card|that|it|code|date) will not (?:do|work)\b",
)
_RULE = (
    r"(?:polic(?:y|ies)|rules?|terms|conditions|system|fares?|plans?|tariffs?|contract|agreement|regulations?"
    r"|warranty|guarantee|promise|law|schedule|clause|ticket|class|status|promo|promotion|offer|insurance|procedure"
    r"|guidelines?|bank|company|department|we|store|shop|software|checkout|hotel|airline)"
)
_PERMITS_NOT = any_of(
    rf"{_RULE}\b(?: \w+){{0,6}}? (?:do|does|did|will|would|can) {_ADVERB}{_NOT} {_ADVERB}(?:let|{verb('P', 'b')})",
    rf"{_RULE}\b(?: \w+){{0,5}}? {verb('D', 's')}|(?:rules|policy|law|clause \w+) (?:forbids?|prohibits?"
    rf"|rules? (?:it|that|this) out)\b",
    rf"(?:system|airline|bank|company|policy|i|we) not (?:{verb('P', 'b')}|have permission)|we do not do\b",
)
_DECLINES = any_of(
    r"(?:i|we) (?:\w+ )?(?:must|have to|need to|will have to|will|am going to have to|would have to|am obliged to"
    r"|am forced to)"
    rf" {_ADVERB}{verb('D', 'b')}|(?:i|we) have {_ADVERB}{verb('D', 'n')}",
    r"(?:is|are|has been|have been|was|were|been) (?:accordingly |hereby |therefore |thus )?"
    r"(?:declined|refused|rejected|denied|disallowed|dismissed)~D|turned(?:~\w+)? down\b",
)
_SAYS_NO = a_word_of(
    r"out of the question|off the table|(?:no|without) exceptions?|(?:hard|firm|clear|flat) no|no from (?:me|us)"
    r"|no can do|(?:have|had) to say no|(?:is|be) a no|afraid not|final sale|not my call|not going to happen"
    r"|hands are tied|t(?:ies|ied) (?:our|my) hands|above my pay ?grade",
    r"answer (?:is|stays|remains|has to be|must be)(?: still| a| the)? (?:no|same)|(?:will|would) have to stand",
    r"against (?:our|the|store|company|house|\w+) (?:polic(?:y|ies)|rules?|terms)|rules (?:it|that|this|you) out",
    r"(?:beyond|outside(?: of)?|exceeds) (?:what (?:i|we)|my|our|us)|more than (?:i|we) (?:can|may)",
    r"not (?:something|anything|a thing) (?:that )?(?:i|we)|no longer (?:something|in a position)",
    r"no way (?:for (?:me|us) )?(?:to|of|around|i|we)|nothing (?:more |else |further )?(?:that )?(?:i|we) (?:can"
    r"|could) (?:do|offer)",
    r"there is no(?: \w+){1,4} (?:that )?(?:i|we) (?:can|could|may)|there is no (?:room|leeway|provision|possibility)",
    r"i am (?:still )?not going to (?!lie|pretend|have you)\w+",
)
#: A no that lasts until something is done.
_CONDITION = a_word_of(
    r"until|till|unless|without (?:your|you|a|an|the|knowing|it|that|proof)|before (?:i|you|we|it|that|your|the)"
    r"|only (?:if|once|after|when)"
)
_IF = a_word_of("if|in case|assuming|whether")
#: Words of a no that refuses nothing.
_HARMLESS = a_word_of(
    r"(?:do|does|will|would|need|should|could) not (?:have|need|worry|hesitate|mind|matter|want to lose|take (?:a"
    r"|long))",
    r"not to worry|need not|never ?mind|not at all|whether or not|or not$|why not|^\W*(?:no|none)\W*$"
    r"|yes or (?:a )?no|no end",
    r"no (?:problem|trouble|worries|worry|charge|cost|fee|extra|doubt|need|matter|rush|hurry|later than|additional"
    r"|further|objection|difference|more|set-up|changes?|restrictions?|limits?|one|way back)|nobody",
    r"not (?:only|yet|just|sure|a penny|affected|be affected|be undone|be reversed|be reinstated|otherwise|any more"
    r"|close|hang|tell|be long|be able|for long|for much longer|your fault|my desk|change a thing|survive|applied yet"
    r"|missing|too)",
    r"not .*\bany ?more|(?:have|has|had|did|was|were|would) not|you (?:\w+ )?(?:do|have|are|were|need|will|would"
    r"|should|must) not",
    rf"not (?:\w+ ){{0,2}}?{_NO_FAVOUR}|please (?:\w+ )?do not|^do not|do not (?:want to|doubt|see)",
    r"nothing (?:has|have|was|is|will be|goes|comes|came|else)",
)
_NEGATION = a_word_of(
    r"not|no|never|none|neither|nor|nothing|hardly|lack|non-?\w+able|unfortunately|regret\w*|sadly|(?:has"
    r"|have) to (?:stay|stand|remain|go back|come)"
)
#: What a reason for a no is made of.
_REASON = a_word_of(
    r"only(?! (?:once|a few|if|when|after))|solely|sole|exclusively|alone|reserved|limited to|kept for|restricted"
    r"|excluded|the (?:most|maximum|limit|rules?|ceiling)|per (?:customer|person|basket|card|line|stamp)|one \w+ per"
    r"|need an?|must|has to|forbidden|prohibited",
    r"closed|closes|sold out|fully booked|out of stock|(?:has|have|had|is|are) expired|ended|ends|ending (?:on|at)"
    r"|used up|taken|occupied|destroyed|stopped|passed|past|behind us|ran until|(?:is|are) (?:out|full|off|gone)"
    r"|has gone|gone|deadline|too (?!much trouble)\w+",
    r"final|fixed|valid|payable|held|hidden|blocked|void|forfeit\w*|outside|beyond|stays|staying|remains?|as planned"
    r"|off limits|unsuccessful|resisted|borne|breach|law|in the book|or nothing|another matter|counts|wishful|sorry"
    r"|afraid|wish (?:i|it)|out of my (?:control|hands)",
)
_REGRETS = a_word_of(
    r"unfortunately|regrettably|sadly|afraid (?:that|not|i|we|it|this)|(?:i am|we are) afraid|(?:i|we) regret"
    r"|regret to"
)
_SORRY = a_word_of("sorry|apologi[sz]e")
#: Sorry for something else than a no.
_SYMPATHY = any_of(
    r"sorry (?:for|about|to (?:hear|keep|bother|make|learn|see)|that|you|if)\b",
    r"^\W*(?:(?:i am |we are )?(?:so |very |truly )sorry|sorry)\W*$",
)
_FINDS_NOTHING = a_word_of(
    rf"not (?:\w+ ){{0,3}}?{_NO_FAVOUR}|no (?:\w+ ){{0,3}}(?:found|matching|match|record|result)|nothing (?:comes"
    rf"|came|shows)"
)

#: A message that is about to help, or has found something out.
_HELPS = a_word_of(
    r"yes|sure|of course|certainly|happy|glad|thanks?|thank you|welcome|please|kindly|let (?:me|us)|(?:you|i) (?:can"
    r"|may|see)|will|shall|going to|found|located|was|were|sorry (?:to|for|about)"
)
_OTHER_ACTS = (asks_to_confirm, reports_done, promises_write, announces_hand_over, hands_over, offers_more)


def _refuses(clause: Clause) -> Sign:
    """Whether a clause says no."""
    plain, tags = clause.plain, clause.tagged
    if clause.asks:
        return False
    negated = "no" in plain or "never" in plain or "lack" in plain
    if (
        (negated and (_I_MAY_NOT.search(plain) or _MAY_NOT_BE.search(plain) or _NOT_GIVEN.search(plain)))
        or _SAYS_NO.search(plain)
        or _PERMITS_NOT.search(tags)
        or (("D" in tags or "down" in plain) and _DECLINES.search(tags))
    ):
        return False if _CONDITION.search(plain) else None if _IF.search(plain) else True
    return None if _NEGATION.search(plain) and _NEGATION.search(_HARMLESS.sub(" ", plain)) else False


def _gives_a_reason(clause: Clause) -> bool:
    plain = clause.plain
    if clause.asks or not _REASON.search(plain) or _CONDITION.search(plain):
        return False
    return _REASON.search(_HARMLESS.sub(" ", _SYMPATHY.sub(" ", plain))) is not None


def _regrets(sentence: tuple[Clause, ...]) -> Sign:
    """Whether a sentence regrets what it says: "unfortunately, it has been shipped", "it stays with you, sorry"."""
    if not any(_REGRETS.search(clause.plain) for clause in sentence):
        if not any(_SORRY.search(_SYMPATHY.sub(" ", clause.plain)) for clause in sentence):
            return False
        rest = [clause for clause in sentence if not _SORRY.search(clause.plain)]
        if not any(_refuses(clause) is None or _gives_a_reason(clause) for clause in rest):
            return False
    if any(_FINDS_NOTHING.search(clause.plain) for clause in sentence):
        return False
    return None if any(_CONDITION.search(clause.plain) for clause in sentence) else True


@cached_if_short
def refuses(text: str) -> bool | None:
    """Whether the agent says that it can't, may not or will not do something."""
    read = clauses(text)
    said = verdict(map(_refuses, read))
    if said:
        return True
    sentences = by_sentence(read)
    said = verdict([said, *(_regrets(sentence) for sentence in sentences if not sentence[0].queried)])
    if said is not False:
        return said
    just_no = any(len(sentence) == 1 and sentence[0].plain.strip(" .!") == "no" for sentence in sentences)
    if just_no or any(map(_gives_a_reason, read)):
        # A bare reason may be all that a no consists of, where the message does nothing else.
        return False if asks_to_confirm(text) or reports_done(text) or promises_write(text) else None
    if any(clause.asks or _HELPS.search(clause.plain) or _HARMLESS.search(clause.plain) for clause in read):
        return False
    # So may a statement of any kind: "Sundays are a day of rest for our couriers."
    return None if all(act(text) is False for act in _OTHER_ACTS) else False
