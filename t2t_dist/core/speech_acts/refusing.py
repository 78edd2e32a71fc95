"""Whether an agent says no. Pure.

Sure is only a no of the speaker's or of the company's rules, now and to a change: "I can't cancel it", "our policy does
not allow it", "unfortunately, it's sold out". What can't be undone before a change, what wasn't possible once, what
depends on something, bad news of another kind: all that may be a refusal or none.
"""

from __future__ import annotations

import re

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
_DEED = rf"(?:{verb('CGPX', 'b')}|do\b(?! (?:much|more)\b)|help(?:~\w+)? (?:you )?with~? ?\b|share~\w+|fit\b|squeeze\b)"
_T = r"(?:~\w+)?"
#: A no of the speaker's own: what they can't, may not or will not do.
_I_CAN_NOT = any_of(
    rf"(?:i|we) {_ADVERB}(?:(?:can|may|must|shall) {_ADVERB}{_NOT}|(?:am|are) (?:\w+ly )?not (?:\w+ )*?(?:able"
    rf"|allowed{_T}"
    rf"|permitted{_T}|authori[sz]ed{_T}|entitled{_T}|cleared{_T}|in a position) to) {_ADVERB}{_DEED}",
    rf"(?:i|we) (?:do not have (?:the |any )?{_RIGHT} (?:to|for)|have (?:got )?no {_RIGHT} (?:to|over|of)"
    rf"|lack the {_RIGHT} to)\b",
    rf"(?:i|we) (?:\w+ )?(?:must|have to|need to|will have to|am going to have to|am obliged to|am forced to)"
    rf" {_ADVERB}{verb('D', 'b')}|(?:i|we) have {_ADVERB}{verb('D', 'n')}",
    r"no way for me to\b|nothing (?:more |else |further )?(?:that )?(?:i|we) (?:can|could) (?:do|offer~\w+)(?! for"
    r" you\b)"
    r"|no \w+ (?:that )?(?:i|we) (?:can|could) (?:offer|connect)|more than (?:i|we) (?:can|may)\b",
    r"(?:not|no longer) (?:something|anything|a decision|a thing|a call) (?:that )?(?:i|we)\b|not (?:up to me|in"
    r" my (?:power|gift|hands)|within my)\b|out of my (?:control|hands)\b|above my pay ?grade\b",
    r"(?:have|had) to say~\w+ no\b|no from (?:me|us)\b|answer~\w+ (?:is|(?:stays|remains)~\w+|has to (?:stay~\w+|be))"
    r"(?: still| a| the)? (?:no|same)\b|hands are tied\b|no can do\b|afraid not\b|(?:is|be) a (?:hard |firm |clear "
    r"|flat )?no\b",
)
_RULE = (
    r"(?:polic(?:y|ies)|rules?|terms|conditions|regulations?|guidelines?|fare|tariff|plan~\w+|plan|warranty|contract)"
)
#: One of the rules, or of the thing that was asked for.
_IT_MAY_NOT = any_of(
    rf"(?:can|may) {_ADVERB}{_NOT} {_ADVERB}(?:be {_ADVERB}(?!undone|reversed|reverted){verb('CPX', 'n')}|come~\w+ back"
    r"|go~\w+ there|take~\w+ the place)",
    rf"is {_NOT} (?:\w+ly |really |at all )?(?:possible|allowed{_T}|permitted{_T}|supported|transferable|refundable"
    r"|returnable|an option|on the table|on offer)\b(?! (?:for you )?to\b)|will not be possible\b|(?:method|card)"
    r" will not"
    r" (?:do|work~\w+)\b|(?:do|does) not qualify\b",
    rf"{_RULE}\b(?: \w+){{0,3}}? (?:do|does) {_ADVERB}{_NOT} {_ADVERB}{verb('P', 'b')}"
    rf"|{_RULE}\b(?: \w+){{0,3}}? {verb('D', 's')}",
    r"(?:is|are|has been|have been|was|were) (?:accordingly |hereby |therefore )?(?:declined|refused|rejected"
    r"|denied)~D",
    r"out of the question\b|against (?:our|the|store|company) (?:polic(?:y|ies)|rules?|terms)\b|no exceptions\b",
)
#: A no that lasts until the customer has done something.
_UNTIL_YOU = a_word_of(
    r"(?:until|till|unless|without|before|if|once|when|only after) (?:i|we|you|your|knowing|verif\w+|confirm\w+)"
    r"|without (?:the|a|an) (?:\w+ )?(?:number|code|name|email|id|proof)"
)
#: Said of another time, by somebody else, of what should not happen, or not at all: no sure sign of any no.
_ELSEWHERE = a_word_of(
    r"would|could|normally|usually|ordinarily|otherwise|generally|told|tells|said|says|saying|thought|think|if|unless"
    r"|until|till|before|when|once|so (?:that )?(?:it|you|i|we|nobody|they)|^that (?:it|you|i|we|nobody|they)"
    r"|afterwards?|later|again|not that|not only"
    r"|not just|not because|why|mistake|card|payment|bank|undo\w*|reverse\w*|restore\w*|wait|stress|emphasi[sz]e"
)
#: What a no may be about, and not whose it is.
_PAID = a_word_of(r"payment method|(?:the|that|this|move|take|accept) (?:payment|card)")
_REGRETS = a_word_of(
    r"unfortunately|regrettably|sadly|afraid (?:that|not|i|we|it|this)|(?:i am|we are) afraid|(?:i|we) regret"
    r"|regret to|sorry|apologi[sz]e"
)
#: Sorry for something else than a no.
_SYMPATHY = any_of(
    r"sorry (?:for|about|to (?:hear|keep|bother|make|learn|see)|you|if)\b|sorry that (?:you|we|i|this|it) (?:have|had"
    r"|has|was|were)\b"
)
_JUST_SORRY = re.compile(r"^\W*(?:(?:i am |we are )?(?:so |very |truly )*sorry)\W*$")
#: A reason that leaves nothing to be done, as it may follow "unfortunately".
_SHUT = any_of(
    rf"already (?:been )?[\w~]+|too (?:late|early|soon|small|big|large|long ago|old)\b|past the (?:time|date"
    rf"|deadline)\b"
    r"|out of stock\b|sold out\b|fully booked\b|(?:has|have|is|are) (?:already )?expired\b"
    rf"|{_NOT} (?:available|eligible|refundable|returnable|exchangeable|transferable|possible|allowed|permitted"
    rf"|covered)\b"
    r"|non-?(?:refundable|returnable|transferable)\b|final sale\b|nothing that (?:i|we) could\b|final\b"
)
#: Words of a no that refuses nothing.
_HARMLESS = a_word_of(
    r"(?:do|does|will|would|need|should|could) not (?:have|need|worry|hesitate|mind|matter|want to lose|take (?:a"
    r"|long))",
    r"not to worry|need not|never ?mind|not at all|whether or not|or not$|why not|^\W*(?:no|none)\W*$"
    r"|yes or (?:a )?no|no end|no stop|no to \w+",
    r"no (?:problem|trouble|worries|worry|charge|cost|fee|extra|doubt|need|matter|rush|hurry|later than|additional"
    r"|further|objection|difference|more|set-up|changes?|restrictions?|limits?|one|way back|action|obstacles?)|nobody",
    r"not (?:only|yet|just|sure|a penny|affected|be affected|be undone|be reversed|otherwise|any more"
    r"|close|hang|tell|be long|for long|for much longer|your fault|my desk|change a thing|survive|applied yet"
    r"|missing)",
    r"not .*\bany ?more|(?:have|has|had|did|was|were) not|you (?:\w+ )?(?:do|have|are|were|need|will|would"
    r"|should|must) not",
    r"not (?:\w+ ){0,2}?(?:find|locate|see|reach|read|hear|imagine|thank|stress|help but|be more|blame|open|load)"
    r"|please (?:\w+ )?do not|^do not|do not (?:want to|doubt|see)",
    r"nothing (?:has|have|was|is|will be|goes|comes|came|else|about)",
)
_NEGATION = a_word_of(
    r"not|no|never|none|neither|nor|nothing|nobody|no one|hardly|lack\w*|non-?\w+able|unfortunately|alas|regret\w*"
    r"|sadly"
    r"|afraid|unbreakable|bad news|(?:has|have) to (?:stay|stand|remain|go back|come)"
)
#: What a reason for a no is made of, whatever else the message does.
_STOPS = a_word_of(
    r"sold out|fully booked|out of stock|(?:has|have|had|is|are) expired|used up|destroyed|behind us|too late"
    r"|too early|deadline|off limits|beyond|outside|only for|limited to|reserved for|restricted|excluded|solely"
    r"|exclusively|forbidden|prohibited|forfeit\w*|void|breach|stays|stay(?! (?:on|in|with|tuned|here))|remains|stuck"
    r"|declined|refused|rejected|denied"
    r"|the (?:most|maximum|limit|ceiling)|per (?:customer|person|basket|card|household|account|order)|one \w+ per"
    r"|wishful|resisted|i wish|if only|sorry to say|threw it out|locked|day of rest|non-?\w+able|stands|barred|void"
    r"|runs? until|runs? to|bound by|binding|tied|discretion|went the way|hoped|better news|disappoint\w*|however"
    r"|(?:leave|keep|left|kept) (?:\w+ ){0,4}?(?:in place|as it is|where it is|private)|(?:gets?|allows?|takes?|have)"
    r" one|was used"
    r"|(?:you|it|that|this|they|he|she) (?:will|would) (?:need|have) to|only the \w+|directly|in (?:a|the) branch|the"
    r" (?:best|least|lowest)"
    r"|no one|locks?|private|capped|cap|quota|(?:is|are) full|full up|limit\w*|rules you out|qualif\w+|not accept"
    r"|were only|was only|there is not|\w+less|outside|off the (?:cards|table|menu)|wanted to hear"
    r"|only (?:\w+ ){0,3}(?:allow\w*|offer\w*|available|possible|cover\w*|valid|over|above|from)|as planned"
)
#: The same, if the message does nothing else.
_REASON = a_word_of(
    r"only(?! (?:once|a few|if|when|after))|sole|alone|reserved|kept for|rules?|need an?|must|has to|closed|closes"
    r"|ended|ends|taken|occupied|stopped|passed|past|ran until|(?:is|are) (?:out|full|off|gone)|has gone|gone(?! ahead)"
    r"|too (?!much trouble)\w+|final|fixed|valid|payable|held|hidden|blocked|unsuccessful|borne|law|in the book"
    r"|or nothing|another matter|counts|sorry|afraid|out of my (?:control|hands)"
)
#: A message that is about to help, or has found something out.
_HELPS = a_word_of(
    r"yes|sure|of course|certainly|happy|glad|thanks?|thank you|welcome|please|kindly|hello|hi|hey|good (?:day"
    r"|morning|afternoon"
    r"|evening|news)|dear|great|perfect|wonderful|got it|understood|noted|okay|all right|alright|right|i understand|i"
    r" hear you"
    r"|appreciate|enjoy|take care|goodbye|bye|congratulations|done|all set|let (?:me|us)|you (?:can|may)|i see"
    r"|(?:i|we|you) (?:will|shall|am going to|are going to)|found|located|sorry (?:to|for|about)"
)
#: One of these, or a verb of declining, is in every sure no.
_NO_WORDS = ("no", "never", "lack", "more than", "hands are", "out of", "above my", "against", "answer")
_OTHER_ACTS = (asks_to_confirm, promises_write, announces_hand_over, hands_over, offers_more)


def _refuses(clause: Clause, before_a_change: bool) -> Sign:
    """Whether a clause says no. ``before_a_change``: the message asks for a yes, so it may warn of what follows."""
    plain, tags = clause.plain, clause.tagged
    if clause.asks:
        return False
    says_no = "D" in tags or any(word in plain for word in _NO_WORDS)
    mine = _I_CAN_NOT.search(tags) if says_no else None
    if mine or (says_no and _IT_MAY_NOT.search(tags)):
        if _UNTIL_YOU.search(plain):
            return False
        warns = before_a_change and not mine
        return None if warns or clause.depends or _ELSEWHERE.search(_PAID.sub(" ", plain)) else True
    return None if _NEGATION.search(plain) and _NEGATION.search(_HARMLESS.sub(" ", plain)) else False


def _regrets(sentence: tuple[Clause, ...]) -> Sign:
    """Whether a sentence regrets what it says: "unfortunately, it has been shipped", "it stays with you, sorry"."""
    if _JUST_SORRY.search(sentence[-1].plain) and len(sentence) == 1:
        return False
    if not any(_REGRETS.search(_SYMPATHY.sub(" ", clause.plain)) for clause in sentence):
        return False
    if any(clause.depends or _UNTIL_YOU.search(clause.plain) for clause in sentence):
        return None
    return True if any(_SHUT.search(clause.tagged) for clause in sentence) else None


def _gives_a_reason(clause: Clause, reason: re.Pattern[str]) -> bool:
    plain = clause.plain
    if clause.asks or not reason.search(plain) or _UNTIL_YOU.search(plain):
        return False
    return reason.search(_HARMLESS.sub(" ", _SYMPATHY.sub(" ", plain))) is not None


@cached_if_short
def refuses(text: str) -> bool | None:
    """Whether the agent says that it can't, may not or will not do something."""
    read = clauses(text)
    before_a_change = asks_to_confirm(text) is not False
    sentences = by_sentence(read)
    said = verdict(
        [_refuses(clause, before_a_change) for clause in read]
        + [_regrets(sentence) for sentence in sentences if not sentence[0].queried]
    )
    if said is not False:
        return said
    just_no = any(len(sentence) == 1 and sentence[0].plain.strip(" .!") == "no" for sentence in sentences)
    if just_no or any(_gives_a_reason(clause, _STOPS) for clause in read):
        return None
    if any(_gives_a_reason(clause, _REASON) for clause in read):
        # A bare reason may be all that a no consists of, where the message does nothing else.
        return False if before_a_change or reports_done(text) or promises_write(text) else None
    if all(
        clause.asks or clause.supposed or _HELPS.search(clause.plain) or _HARMLESS.search(clause.plain)
        for clause in read
    ):
        return False
    # So may a statement of any kind: "Sundays are a day of rest for our couriers."
    return None if not reports_done(text) and all(act(text) is False for act in _OTHER_ACTS) else False
