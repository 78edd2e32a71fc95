"""Whether an agent asks for a yes to a change. Pure."""

from __future__ import annotations

import re

from t2t_dist.environments.short_texts import cached_if_short

from .clauses import Clause, clauses
from .handing_over import offers, passes_on
from .lexicon import any_of, verb
from .verdict import Sign, verdict

_ADVERB = r"(?:(?:now|please|then|also|just|still|really|kindly|indeed|first|therefore|explicitly|\w+ly) )*+"
_ACT = verb("CG", "b")
_DO_IT = (
    r"(?:go ahead|proceed|continue|carry (?:on|out)|process|submit|finali[sz]e|complete|go (?:through|on)|start"
    r"|do (?:that|this|it|so|these)|make (?:this|that|the|these))"
)
_YES = (
    r"(?:(?:explicit|final|clear|simple|express|formal|verbal|firm|written) )*"
    r"(?:yes|okay|go-ahead|go ahead|permission|approval|confirmation|consent|assent|blessing|nod|thumbs up|agreement|green light)"
)
_THIS = r"(?:that|this|it|everything|these|those|all|all of (?:this|that|it))"
_FINE = r"(?:okay|correct|right|fine|alright|all right|acceptable|good|cool|in order)"
_CONTENT = r"(?:okay|happy|fine|sure|good|comfortable|certain|positive|all right|alright|content)"
#: Questions that want a yes, whatever follows.
_ASKS = any_of(
    rf"\b(?:may|can|could|shall|should) (?:i|we) {_ADVERB}{_DO_IT}\b",
    rf"\b(?:would|do) you (?:still )?(?:like|want|wish) (?:(?:me|us) )?(?:to )?{_ADVERB}(?:{_DO_IT}|confirm)\b",
    rf"^\W*(?:{_FINE} to )?{_DO_IT}\W*\?|\b{_FINE} to {_DO_IT}\b|\bmay (?:i|we) have your {_YES}\b|\bdo you mind if (?:i|we)\b|\bwould (?:that|this|it|\w+day) work\b",
    rf"\bare you (?:ready|prepared) to {_ADVERB}(?:{_DO_IT}|confirm)\b",
    r"\bdo you (?:still |hereby |\w+ly )?(?:agree|approve|accept|consent|assent|authori[sz]e|give)\b|^assent\b|\byou agree\b",
    r"\bdo you (?:\w+ly )?confirm\b(?! (?:your|the (?:email|address|number)))",
    r"\bdo (?:i|we) have your\b",
    rf"\b(?:do|does) {_THIS} (?:\w+ ){{0,3}}(?:look|sound|work|suit)\b|\b(?:sounds?|looks?|all) {_FINE}\b",
    rf"\b(?:is|are) {_THIS} (?:\w+ ){{0,3}}?(?:{_FINE}|a (?:yes|go|deal)|what you (?:want|had in mind|meant|are after))\b",
    rf"\bwould (?:it|that) be {_FINE}\b|\bare you (?:\w+ly )?{_CONTENT}\b|\bwould you mind if (?:i|we)\b",
    rf"\byou (?:are )?{_CONTENT} (?:for|with|to)\b|\b{_FINE} (?:for|with|by) (?:you|{_THIS})\b",
    r"^\W*(?:(?:so|and|or|then|is|that|this|it|all|are|we|you|on|to|for) )*"
    r"(?:okay|right|correct|alright|agreed|yes|yeah|go|deal|fine|confirm|good|good to go|all right|want me to|shall (?:i|we)"
    r"|should (?:i|we)|may i|a go|do you)\W*\?",
    r"^\W*(?:(?:so|okay|and|great|then|sure) )*you (?:want|would like|wish|are) \w+|\bgood to go on\b|\bany objections?\b|\byes to\b|\bis it a yes\b|\bis it correct that you want\b|\bwould you authori[sz]e\b",
)
#: Sentences that want a yes without asking.
_DEMANDS = any_of(
    r"\byes *(?:/|or) *(?:a )?no\b|\by */ *n\b",
    r"(?<!you )(?<!simply )(?<!just )\b(?:reply|answer|respond|type|say|write|enter|send) (?:with )?(?:a (?:simple )?)?[\"']?(?:yes|confirm|agree|okay)\b",
    rf"\b(?:need|needs|await|awaiting|wait for|waiting for|like|want|require|requires|get|have to have|hear|missing is|takes|only)"
    rf" (?:[\w']+ ){{0,3}}?(?:your|an?|the) {_YES}\b(?! (?:code|number|email))",
    rf"\byou (?:\w+ )?(?:give|gave) (?:me|us) (?:the|your|a) {_YES}\b|^\W*give (?:me|us) (?:the|your|a) {_YES}\b",
    r"\b(?:just|only) to (?:confirm|be sure|make sure)\b|^\W*(?:okay |great |so |sure )*to confirm\b|\bplease (?:verify|check|review) (?:the|these|this|that|if|all)\b|\bsay the word\b|\ba (?:simple )?\"?yes\"? from you\b|\bword from you\b|\bawaiting (?:\w+ )?confirmation\b|\b(?:need|have) to hear (?:it|that|you|a)\b",
    r"\blet (?:me|us) know (?:if|whether|once|when)\b.*\b(?:proceed|go ahead|okay|correct|agree|confirm|works|all right)\b",
    r"\b(?:once|when|until|if|as soon as|moment|without) you (?:have )?(?:confirm(?:ed)?|approved?|agreed?|okay|say (?:yes|so)|tell me yes|give)\b",
    rf"\bif (?:you are {_CONTENT}|(?:that|this|it|all this|everything) is {_FINE}|this is what you want)\b",
    r"\btell me (?:plainly|yes|if (?:that|it|this) is (?:okay|right|fine))\b|\bplease state .*\bconsent\b",
)
#: What else there is to confirm: "Please confirm your e-mail address" wants a fact, not a yes.
_A_FACT = (
    r" (?:to me )?(?:(?:(?:your|the|a|an|my|if|whether|that|is|are|for|me|full|first|last|new|current|billing|shipping|user|customer|account"
    r"|order|phone|zip|postal|four|digits|of|reservation|booking|flight|payment|exact|correct|specific|item|product|email|name) )*"
    r"(?:email|name|zip|code|address|identity|phone|account|user|customer|date|birth|numbers?|id|ids|digits|method|reason|size|colou?r|dates?"
    r"|option|reference|surname|spelling)\b|(?:whether |if )(?!you |this |that |it |everything|all |the following|these|the details)|(?:which|what|who|where|when|why|how)\b)"
)
_PLEASE_CONFIRM = re.compile(
    r"(?:please|kindly|could you|can you|would you|need you to|^\W*(?=confirm\b))(?: (?:please|just|also|explicitly|kindly|do|give me|the|your))*"
    rf" ?\bconfirm(?:ation)?\b(?!{_A_FACT})(?! (?:if|that|whether) you have )"
)
#: Questions that want a yes if what they name is a change.
_SHALL_I = any_of(
    rf"\b(?:shall|should|may) (?:i|we) {_ADVERB}{_ACT}",
    rf"\b(?:shall|should) (?:the|your|this|that|it|both|they)\b.*\bbe {verb('C', 'n')}",
    rf"\b(?:want|like|wish|prefer|authori[sz]e(?:~\w+)?|{_CONTENT} for|ready for) (?:me|us) to {_ADVERB}{_ACT}",
    rf"\byou still (?:like|want|wish) to {_ADVERB}{_ACT}",
    rf"\b(?:would|do) you (?:still )?(?:like|want) (?:your|the|this|that|it|both|all)\b.*{verb('C', 'n')}",
    rf"\b(?:with|if) (?:me|i) {verb('C', 'gdn')}",
    rf"^\W*(?:(?:and|so|okay|then) )*{verb('C', 'b')} (?:it|that|this|them|these|both|the|your|you)\b",
)
#: Questions about something else.
_OTHER_QUESTION = any_of(
    r"^(?:and |so |or |then )*(?:which|what|where|how|who|whom|when|why)\b",
    r"\b(?:which|what|where) (?:\w+ ){0,3}(?:should|shall) (?:i|we)\b|\bmay i ask\b",
    r"\bare you sure (?:it|that it|the|about the)|\bare you the\b|\bis (?:that|this) (?:the|your|about)\b",
    r"\bdate of birth\b|\bpostcode\b|\bdoes (?:that|this|it) (?:answer|help)\b",
    rf"\bconfirm(?:ation)?{_A_FACT}",
)
_LOOKS = re.compile(rf"\b(?:shall|should|may|can|could|like me to|want me to) (?:(?:i|we) )?{_ADVERB}[a-z]++~[LTX]+[a-z]+\b")
_PERHAPS = any_of(
    r"\b(?:confirm\w*|okay|yes|agree\w*|approv\w*|consent\w*|assent|permission|go ahead|go-ahead|proceed|sure|happy|correct|right"
    r"|fine|shall (?:i|we)|should (?:i|we)|may i|mind if|want|wish|would you|like me|^so\b|good to go|sound\w*|have me|still)\b"
)
_NAMES_A_YES = re.compile(r"\b(?:confirm(?:ation)?|yes|consent|assent|approv\w+|go-ahead|blessing|the nod)\b")
#: A yes of somebody else's, one that was given, one that is not wanted.
_ELSEWHERE = any_of(
    r"\b(?:supervisor|manager|guests|people|they|he|she|lender|doctor|others|learner|sister|brother|wife|husband)\b(?: \w+){0,2} (?:say|says|said|confirm|agree|approve|consent)",
    r"\bno need to\b|\byou did say\b|\bthe rule\b",
    r"\bhow (?:do|can|would) (?:you|i)\b|\bi can confirm\b|\bthank\w*\b|\b(?:have|has|i|been) confirmed\b|\balready\b|\bsee the yes\b|\bconfirmed\b",
    r"\b(?:with|following|after|upon) your (?:approval|consent|okay|confirmation)\b",
)
_OR = re.compile(r"\bor\b(?! (?:not|no)\b)")
_HOLDS_ON = re.compile(r"\b(?:hang|hold|wait|tick|sec|second|moment|bear|patien\w+|minute|slow|look\w*|pull\w*|check\w*)\b")
#: A question of so few words is about what stands before it.
_SHORT = 4


def _sign(read: tuple[Clause, ...], at: int) -> Sign:
    clause, plain = read[at], read[at].plain
    if _ELSEWHERE.search(plain) or offers(plain) or passes_on(plain):
        return False
    if _OTHER_QUESTION.search(plain) or _LOOKS.search(clause.tagged):
        return False
    if len(plain.split()) <= _SHORT and _about_something_else(read, at):
        return False
    if clause.sentence in _asked_who(read):
        return False
    if _DEMANDS.search(plain) or _PLEASE_CONFIRM.search(plain):
        return True
    if clause.asks:
        if _ASKS.search(plain):
            return True
        if _SHALL_I.search(clause.tagged):
            return None if any(_OR.search(other.plain) for other in read if other.sentence == clause.sentence) else True
        return None if _PERHAPS.search(plain) else False
    if clause.queried and _PERHAPS.search(plain):
        return None
    return None if _NAMES_A_YES.search(plain) else False


_WHO = re.compile(r"\bare you the\b|^(?:do|did|have) you\b(?! (?:\w+ )?(?:want|wish|agree|confirm|accept|consent|approve|give|like|authori[sz]e|assent))")


def _asked_who(read: tuple[Clause, ...]) -> set[int]:
    """The sentences that ask for a yes to something else: "yes or no: are you the account holder?"."""
    return {clause.sentence for clause in read if clause.asks and _WHO.search(clause.plain)}


def _about_something_else(read: tuple[Clause, ...], at: int) -> bool:
    """Whether what stands before a short question is no change: "Transfer to a person? Y/N", "give me a tick, okay?"."""
    number = read[at].sentence
    before = [other for other in read[max(0, at - 3) : at] if other.sentence >= number - 1]
    return any(
        offers(other.plain)
        or passes_on(other.plain)
        or (other.sentence == number and _HOLDS_ON.search(other.plain) is not None)
        for other in before
    )


@cached_if_short
def asks_to_confirm(text: str) -> bool | None:
    """Whether the text asks for a yes to an action that it announces."""
    read = clauses(text)
    return verdict(_sign(read, at) for at in range(len(read)))
