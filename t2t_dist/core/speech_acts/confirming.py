"""Whether an agent asks for a yes to a change. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from t2t_dist.environments.short_texts import cached_if_short

from .clauses import Clause, by_sentence, clauses
from .handing_over import passes_on
from .lexicon import a_word_of, any_of, verb
from .offering import offers
from .verdict import Sign, verdict

_ADVERB = r"(?:(?:now|please|then|also|just|still|really|kindly|indeed|first|therefore|explicitly|\w+ly) )*+"
_ACT = verb("CG", "b")
_DO_IT = (
    r"(?:go ahead|proceed|continue|carry (?:on|out)|process|submit|finali[sz]e|complete|go (?:through|on)|start"
    r"|do (?:that|this|it|so|these)|make (?:this|that|the|these))"
)
_YES = (
    r"(?:(?:explicit|final|clear|simple|express|formal|verbal|firm|written) )*(?:yes|okay|go-ahead|go ahead"
    r"|permission|approval|confirmation|consent|assent|blessing|nod|thumbs up|agreement|green light)"
)
_THIS = r"(?:that|this|it|everything|these|those|all|all of (?:this|that|it))"
_FINE = r"(?:okay|correct|right|fine|alright|all right|acceptable|good|cool|in order)"
_CONTENT = r"(?:okay|happy|fine|sure|good|comfortable|certain|positive|all right|alright|content)"
#: Questions that want a yes, whatever follows.
_ASKS = any_of(
    rf"(?:may|can|could|shall|should) (?:i|we) {_ADVERB}{_DO_IT}\b|may (?:i|we) have your {_YES}\b|do (?:i"
    rf"|we) have your\b",
    rf"(?:would|do) you (?:still )?(?:like|want|wish) (?:(?:me|us) )?(?:to )?{_ADVERB}(?:{_DO_IT}|confirm)\b",
    rf"are you (?:ready|prepared) to {_ADVERB}(?:{_DO_IT}|confirm)\b|good to go on\b|{_FINE} to {_DO_IT}\b",
    r"do you (?:still |hereby |\w+ly )?(?:agree(?! that)|approve|accept|consent|assent|authori[sz]e|give)\b|^assent\b"
    r"|you agree\b(?! that)",
    r"do you (?:\w+ly )?confirm\b(?! (?:your|the (?:email|address|number)))|would you authori[sz]e\b",
    rf"(?:do|does) {_THIS} (?:\w+ ){{0,3}}(?:look|sound|work|suit)\b|(?:sounds?|looks?|all) {_FINE}\b",
    rf"(?:is|are) {_THIS} (?:\w+ ){{0,3}}?(?:{_FINE}|a (?:yes|go|deal)|what you (?:want(?:ed)?|would like|had in mind"
    rf"|meant"
    rf"|are after))\b",
    rf"would (?:it|that) be {_FINE}\b|are you (?:\w+ly )?{_CONTENT} (?:with|for|to|about|that|if|you)\b"
    r"|are you (?:\w+ly )?(?:sure|certain|positive)\b|(?:would|do) you mind if (?:i|we)\b"
    rf"|any objections?\b",
    rf"you (?:are )?{_CONTENT} (?:for|with|to)\b|{_FINE} (?:for|with|by) (?:you|{_THIS})\b",
    r"would (?:that|this|it|\w+day) work\b|yes to\b|is it a yes\b|is it correct that you want\b",
    rf"^\W*{_DO_IT}\W*\?|^\W*(?:(?:so|okay|and|great|then|sure) )*you (?:want|would like|wish|are) \w+",
    r"^\W*(?!are you (?:okay|all right|alright|right)\W*\?)(?:(?:so|and|or|then|is|that|this|it|all|are|we|you|on|to"
    r"|for) )*(?:okay|right|correct|alright|agreed|yes"
    r"|go|deal|fine|confirm|good|good to go|all right|want me to|shall (?:i|we)|should (?:i|we)|may i|a go"
    r"|do you)\W*\?",
)
#: Sentences that want a yes without asking.
_DEMANDS = any_of(
    r"yes *(?:/|or) *(?:a )?no\b|y */ *n\b|^\W*(?:okay |great |so |sure )*to confirm\b|(?:just|only) to (?:confirm"
    r"|be sure)\b",
    r"(?<!you )(?<!simply )(?<!just )(?:reply|answer|respond|type|say|write|enter|send) (?:with )?(?:a (?:simple )?)?"
    r"[\"']?(?:yes|confirm|agree|okay)\b",
    r"(?:needs?|await|awaiting|wait for|waiting for|like|want|requires?|get|have to have|hear|missing is|takes|only)"
    rf" (?:[\w']+ ){{0,3}}?(?:your|an?|the) {_YES}\b(?! (?:code|number|e?mail|text|message|letter|sms|slip|link"
    rf"|shortly|soon|by|in))|awaiting (?:\w+ )?confirmation\b",
    rf"you (?:\w+ )?(?:give|gave) (?:me|us) (?:the|your|a) {_YES}\b|^\W*give (?:me|us) (?:the|your|a) {_YES}\b",
    r"please (?:verify|check|review) (?:the|these|this|that|if|all)\b|please state .*\bconsent\b",
    r"say the word\b(?! and (?:i|we) will (?:find|get|fetch))|a (?:simple )?\"?yes\"? from you\b|word from you\b"
    r"|(?:need|have) to hear (?:it|that|you|a)\b",
    r"let (?:me|us) know (?:if|whether|once|when)\b.*\b(?:proceed|go ahead|okay|correct|agree|confirm|works"
    r"|all right|(?:looks?|sounds?) (?:good|right|fine)|happy with)\b",
    r"(?:once|when|until|if|as soon as|moment|without) you (?:have )?"
    r"(?:confirm(?:ed)?|approved?|agreed?|okay|say (?:yes|so)|tell me yes|give)\b",
    rf"if (?:you are {_CONTENT}|(?:that|this|it|all this|everything) is {_FINE}|this is what you want)\b",
    r"tell me (?:plainly|yes|if (?:that|it|this) is (?:okay|right|fine))\b",
)
#: What else there is to confirm: "Please confirm your e-mail address" wants a fact, not a yes.
_A_FACT = (
    r" (?:to me )?(?:the (?:[\w-]+ ){0,2}(?:code|pin|digits)\b|(?:(?:your|the|an?|my|if|whether|that|is|are|for|me"
    r"|full|first|last|new|current|billing|shipping"
    r"|user|customer|account|order|phone|zip|postal|four|digits|of|reservation|booking|flight|payment|exact|correct"
    r"|specific|item|product|email|name) )*(?:email|name|zip|code|address|identity|phone|account|user|customer|date"
    r"|birth|numbers?|ids?|digits|method|reason|size|colou?r|dates?|option|reference|surname|spelling)\b|(?:whether "
    r"|that "
    r"|if )(?!you (?:would|want|agree|wish|still|accept|are (?:happy|okay|sure|fine|ready))|this |that |it "
    r"|everything|all |the following|these|the details)|(?:which|what|who|where|when|why"
    r"|how)\b)"
)
_PLEASE_CONFIRM = any_of(
    r"(?:please|kindly|could you|can you|would you|need you to|^\W*(?=confirm\b))"
    r"(?: (?:please|just|also|explicitly|kindly|do|give me|the|your))* ?"
    rf"\bconfirm(?:ation)?\b(?!{_A_FACT})(?! (?:if|that|whether) you have )"
)
#: Questions that want a yes if what they name is a change.
_SHALL_I = any_of(
    rf"(?:shall|should|may|am) (?:i|we) (?:to )?{_ADVERB}{_ACT}",
    rf"(?:shall|should) (?:the|your|this|that|it|both|they)\b.*\bbe {verb('C', 'n')}",
    rf"(?:want|like|wish|prefer|authori[sz]e(?:~\w+)?|{_CONTENT} for|ready for) (?:me|us) to {_ADVERB}{_ACT}",
    rf"you still (?:like|want|wish) to {_ADVERB}{_ACT}|(?:with|if) (?:me|i) {verb('C', 'gdn')}",
    rf"(?:would|do) you (?:still )?(?:like|want) (?:your|the|this|that|it|both|all)\b.*{verb('C', 'n')}",
    rf"^\W*(?:(?:and|so|okay|then) )*{verb('C', 'b')} (?:it|that|this|them|these|both|the|your|you)\b",
)
#: Questions about something else.
_OTHER_QUESTION = a_word_of(
    r"^(?:and |so |or |then )*(?:which|what|where|how|who|whom|when|why)|(?:which|what|where) (?:\w+ ){0,3}(?:should"
    r"|shall) (?:i|we)",
    r"are you sure (?:it|that it|the|about the)|are you the|is (?:that|this) (?:the|your|about)|may i ask"
    r"|date of birth|postcode",
    r"does (?:that|this|it) (?:answer|help)",
    rf"confirm(?:ation)?{_A_FACT}",
)
_LOOKS = any_of(rf"(?:shall|should|may|can|could|like me to|want me to) (?:(?:i|we) )?{_ADVERB}[a-z]++~[LTX]+[a-z]+\b")
#: A question about what the customer knows, has or did.
_OF_THEM = a_word_of(
    r"^(?:and |so |but |okay )*(?:did|was|were|has|have|had|is|are|does|do) (?:you|your|it|that|this|there|the|they"
    r"|he|she|any\w*)|(?:could|can|would|will|may) (?:you|i)|one moment|(?:him|her|them)self"
)
_PERHAPS = a_word_of(
    r"confirm\w*|okay|yes|agree\w*|accept\w*|approv\w*|consent\w*|assent|permission|go ahead|go-ahead|proceed|sure"
    r"|happy|correct|right|fine|(?:shall|should|am) (?:i|we)|may i|mind if|want|wish|would you|like me|^so|good to go"
    r"|sound\w*|have me|still"
)
_NAMES_A_YES = a_word_of(
    r"confirm(?:ation)?|whether you|yes|consent|assent|approv\w+|go-ahead|blessing|the nod|your (?:okay|word|wish"
    r"|call)|when you are|up to you|let me know|waiting (?:on|for) you|if you (?:want|would like|wish|say"
    r"|like|prefer)|give me (?:a|the)|happy to (?:do|make|go|book|set)"
    r"|^\W*(?:(?:please|kindly|just|simply|then|so|and) )*(?:write|type|reply|say|tap|press|click|answer|nod)\b.*"
)
#: What is confirmed of somebody, or done by somebody else: no change, if none is named.
_WHO = a_word_of(
    r"name|surname|birth\w*|e-?mail|phone|account holder|registered|on file|spelled|identity|speaking (?:to|with)"
    r"|colleague|supervisor|manager|specialist|someone|somebody|technician|get (?:her|him|them)|under that"
)
#: A yes of somebody else's, one that was given, one that is not wanted.
_ELSEWHERE = a_word_of(
    r"(?:supervisor|manager|guests|people|they|he|she|lender|doctor|others|learner|sister|brother|wife"
    r"|husband)(?: \w+){0,2}"
    r" (?:say|says|said|confirm|agree|approve|consent)",
    r"no need to|(?:do|does|will) not need|you did say|the rule|how (?:do|can|would) (?:you|i)|i can confirm|thank\w*"
    r"|confirmed|already|see the yes",
    r"(?:with|following|after|upon) your (?:approval|consent|okay|confirmation)",
)
#: "Yes or no: are you the account holder?"
_ASKS_WHO = any_of(
    r"are you the\b",
    r"^(?:do|did|have) you\b(?! (?:\w+ )?(?:want|wish|agree|confirm|accept|consent|approve|give|like|authori[sz]e"
    r"|assent))",
)
_CHANGES = any_of(rf"{verb('C', 'gnd')}|(?:shall|should|may|i|we|will|would|me to) (?:\w+ )?{verb('CG', 'b')}")
_OR = a_word_of(r"or(?! (?:not|no)\b)")
_HOLDS_ON = a_word_of(
    r"hang|hold on|hold tight|wait|bear|patien\w+|slow|look\w*|pull\w*|check\w*|(?:a|one) (?:tick|sec|second|moment"
    r"|minute)"
)
#: Of a fact, where no change is named.
_IS_RIGHT = any_of(
    r"^\W*(?:(?:so|and|okay|but) )*(?:is|are|am|was|were|do|did|have)\b.*\b(?:right|correct)\W*$"
    r"|^\W*(?:right|correct)\W*$|\b(?:yes or no|y */ *n)\W*$"
)
_QUOTED_QUESTION = re.compile(r"[\"\u201c][^\"\u201c\u201d]*\?[\"\u201d]")
#: A question of so few words is about what stands before it, up to so many clauses back.
_SHORT, _BACK = 4, 3


def _wants(clause: Clause, sentence: tuple[Clause, ...]) -> Sign:
    """Whether a clause wants a yes, to whatever."""
    plain = clause.plain
    if _DEMANDS.search(plain) or _PLEASE_CONFIRM.search(plain):
        return True
    if clause.asks and _ASKS.search(plain):
        return True
    if clause.asks and ("C" in clause.tagged or "G" in clause.tagged) and _SHALL_I.search(clause.tagged):
        return None if any(_OR.search(other.plain) for other in sentence) else True
    if clause.queried:
        return None if _PERHAPS.search(plain) or (clause.asks and not _OF_THEM.search(plain)) else False
    return None if _NAMES_A_YES.search(plain) else False


def _is_something_else(clause: Clause) -> bool:
    """Whether a clause asks for a fact, offers help or a person, or is about a yes that is not wanted now."""
    plain = clause.plain
    if _ELSEWHERE.search(plain) or _OTHER_QUESTION.search(plain) or _LOOKS.search(clause.tagged):
        return True
    return offers(plain) or passes_on(plain)


def _follows_something_else(clause: Clause, before: list[Clause]) -> bool:
    """Whether a short question is about no change: "Transfer to a person? Y/N", "give me a tick, okay?"."""
    return len(clause.plain.split()) <= _SHORT and any(
        offers(other.plain)
        or passes_on(other.plain)
        or (other.sentence == clause.sentence and _HOLDS_ON.search(other.plain))
        for other in before
        if other.sentence >= clause.sentence - 1
    )


def _named(what: re.Pattern[str], read: list[Clause]) -> bool:
    return any(what.search(clause.plain) for clause in read)


def _signs(text: str) -> Iterator[Sign]:
    before: list[Clause] = []
    read = clauses(_QUOTED_QUESTION.sub(" ", text))
    changes = any(_CHANGES.search(clause.tagged) for clause in read)
    for sentence in by_sentence(read):
        about_them = any(clause.asks and _ASKS_WHO.search(clause.plain) for clause in sentence)
        for clause in sentence:
            sign = False if about_them else _wants(clause, sentence)
            if sign is not False and (_is_something_else(clause) or _follows_something_else(clause, before)):
                sign = False
            if sign and not changes and (_IS_RIGHT.search(clause.plain) or _named(_WHO, [*before, *sentence])):
                sign = None
            before = [*before, clause][-_BACK:]
            yield sign


@cached_if_short
def asks_to_confirm(text: str) -> bool | None:
    """Whether the text asks for a yes to an action that it announces."""
    return verdict(_signs(text))
