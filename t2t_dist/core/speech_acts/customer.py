"""Whether a customer says yes, or gives in. Pure.

What an "okay" means depends on what it answers, so both take the agent's message before it, where there is one.
"""

from __future__ import annotations

import re

from t2t_dist.environments.short_texts import cached_if_short

from .clauses import clauses
from .confirming import asks_to_confirm
from .doing import reports_done
from .handing_over import offers_more
from .lexicon import any_of, verb
from .refusing import refuses

# -- yes --------------------------------------------------------------------------------------------------------------
_INTERJECTIONS = (
    r"^\W*(?:(?:oh|ah|aw|well|thanks|thank you|and|hm+|ugh|so|then|right|but|quite|very|please|you know what)\b\W*)*?"
)
_RIGHT = r"(?:right|correct|fine|great|perfect|okay|good|acceptable|brilliant|alright|all right|what i want(?:ed)?)"
_YES = any_of(
    rf"{_INTERJECTIONS}(?:yes+|y|aye|sure|surely|certainly|indeed|absolutely|definitely|of course|okay|k|correct|right|exactly|precisely|confirmed|confirm"
    r"|affirmative|agreed|accepted|approved|fine|all right|alright|perfect|great|good|deal|please (?:do|go|proceed|continue)|go ahead|go on"
    r"|go for it|proceed|do it|do that|make it so|by all means|why not|no problem|(?:i have |he has |she has )?no objections?|none whatsoever"
    r"|not at all|you may|you have (?:it|my)|you got it|no doubt|works for me|(?:fine|okay|good) (?:by|with) me|happy to|(?:that|it) will (?:do|work|be)|sounds like a (?:\w+ )?plan|very good)\b",
    rf"{_INTERJECTIONS}(?:(?:that|it|this|everything|all|\$?\d+)(?: (?:is|would be|will be|all sounds|sounds|looks|works))?(?: \w+)? {_RIGHT}|(?:that|it|this|\w+) (?:works|suits)|sounds (?:very )?{_RIGHT}|looks {_RIGHT})\b",
    r"^\W*i (?:\w+ )?(?:confirm|agree|approve|accept|consent|do|am (?:sure|happy with|okay with|fine with))\b",
    r"^\W*i do not (?:mind|see why not)\b|^\W*i would not have it any other way\b",
)
#: An assent that may stand anywhere: "I talked to my wife. So yes, let's do it."
_ASSENT = any_of(
    r"\b(?:yes|and|so|then|please|sure|okay)\W+(?:please )?(?:go ahead|proceed|let us do (?:it|that))\b|^\W*(?:go ahead|proceed|go for it)\b|[.!,] (?:please )?go ahead\b",
    r"\bplease (?:do (?:so|it|that)|go ahead|proceed|continue)\b|\byes\W+please\b|\bso yes\b|\blet us (?:proceed|go ahead|do (?:it|that))\b",
    r"\bi (?:hereby )?(?:confirm|authori[sz]e(?:~\w+)?|agree to|consent|give my consent)\b|\byou have my (?:yes|okay|consent|permission|approval)\b|\bmy consent\b|\bi want to proceed\b|\bby all means\b",
    rf"(?:^|[.!,] )\W*(?:yes|sure|okay|exactly|correct|right)\W+(?:please\W+)?(?!take~){verb('CG', 'b')} ",
)
_NO = any_of(
    r"\b(?:wait|hold on|hang on|hold your horses|second thought|changed my mind|i will pass|abort|scrap|scratch that|stop|instead|never ?mind|withheld|i would mind|actually|before i|made up my mind)\b",
    r"\b(?:rather|absolutely|please|certainly|definitely) not\b|\bno (?:way|thanks|thank)\b|\blet us not\b|\bleave (?:it|that|the)\b|\bmake (?:it|that) (?:an?|the|it)?\b",
    r"\b(?:do|did|would|could|can|will|am|is|are|has|was) not\b|\bnot (?:yet|so fast|quite|that|okay|right|agree|accept|sure)\b|^\W*(?:no|nope)\b",
    r"\b(?:but|though|except|however|maybe|what about|how about|could you|can you|would you|i demand|let me speak|who do i|forget it|anyway)\b",
)
#: Words of a no that are none: "no problem", "it's no longer needed", "I don't mind".
_NO_NO = any_of(
    r"\bno (?:problem|worries|doubt|objections?|longer|need)\b|\bnot at all\b|\bwhy not\b|\bdo(?:es)? not (?:see why not|mind|bother me|need (?:it|them|that))\b",
    r"\bwould not have it any other way\b|\bcan not stop you\b|\bis not (?:needed|necessary)\b|\bi am not (?:moving|going anywhere)\b|\bbut (?:sure|yes|okay|fine|go ahead)\b",
)
_FLAT_NO = any_of(
    r"^\W*(?:no|nope|stop|wait|abort|do not|please do not|i (?:do|can|will) not|hold on|hang on|absolutely not|certainly not)\b",
    r"\bno way\b|\bi will pass\b|\bnot agree\b|\bchanged my mind\b",
)
#: A yes to a question about a fact, a thank-you, a new request: nothing is agreed to.
_SAYS_A_FACT = any_of(
    r"\b(?:it is (?!fine|good|correct|okay|right|great|perfect|a yes|all right|alright)|i am (?!sure|happy|okay|fine|good)|i have|i did|i was|there (?:is|are)|still the|the one|number|code|email|zip|i will|i would like|i need|one sec|a (?:second|moment)|take your time|let me|since|rules are)\b",
    r"\bmy (?!yes|okay|go-ahead|consent|permission|pleasure)\w+|\bi want (?!to proceed|that|it|you to (?:go|do))|[@#]|\d{4,}|\bgood thing\b|\bshame\b|\bpity\b",
)
_PERHAPS_YES = any_of(
    r"\b(?:yes|y|sure|okay|perfect|right|correct|agree\w*|accept\w*|confirm\w*|confrim|approve|consent|please do|exactly|absolutely|definitely|of course|deal|happy|works|suits|obliged|brilliant|surer|certain|no doubt|no point|objections?|no mind|that too|would be|i will take|take it|it is|go ahead|go on|go for it)\b",
    rf"^\W*(?:(?:ugh|well|so|then|and|oh|please|just|both|quite) )*{verb('CG', 'b')}\b|[.!,] ?{verb('CG', 'b')} (?:it|them|that|me|both|the)\b|\bwhy not\b|\bcan not stop you\b",
)
#: A word that also just says that something was heard: a yes if nothing else follows.
_MERELY_HEARD = re.compile(
    r"^\W*(?:(?:oh|well)\W+)*(?:okay|k|sure|right|fine|all right|alright|perfect|great|good|it is (?:alright|all right|fine|okay)|no problem|very good)\b"
)
_AND_NO_MORE = re.compile(
    r"(?:(?:okay|sure|right|fine|perfect|great|good|thanks|thank you|please|then|and|very much|so much|sir|with me|by me|for me|to me|do (?:it|that)|go ahead|yes|(?:that|it) (?:is|sounds|works|would be) \w+|sounds \w+|works for me|why not|let us \w+ (?:it|that|with that)|exactly|deal|of course|absolutely)\W*)*$"
)
_THUMBS_UP = re.compile("[\U0001f44d\U0001f44c\u2714\u2705]")


@cached_if_short
def _agrees(text: str) -> bool | None:
    """Whether the words alone agree."""
    read = clauses(text)
    plain = " , ".join(clause.plain for clause in read)
    if not plain:
        return True if _THUMBS_UP.search(text) else False
    yes, assents = _YES.search(plain) is not None, _ASSENT.search(" , ".join(clause.tagged for clause in read)) is not None
    rest = _NO_NO.sub(" ", plain)
    if _NO.search(rest):
        return None if (yes or assents) and not _FLAT_NO.search(rest) else False
    asks = any(clause.asks for clause in read)
    heard = _MERELY_HEARD.match(plain)
    if heard and not assents and not _AND_NO_MORE.match(plain[heard.end() :].lstrip(" ,.!")):
        return None
    if assents or (yes and not asks and not _SAYS_A_FACT.search(rest) and not (_LEAVES.search(plain) and not _OPENS_WITH_YES.search(plain))):
        return True
    return None if yes or _PERHAPS_YES.search(" , ".join(clause.tagged for clause in read)) else False


def says_yes(text: str, before: str | None = None) -> bool | None:
    """Whether the customer agrees, without taking it back in the same breath.

    ``before``: the agent's message that this answers. A yes to something else than a question for one agrees to nothing.
    """
    said = _agrees(text)
    if before is None or said is False:
        return said
    asked = asks_to_confirm(before)
    if asked is False:
        return None if said else False
    return True if asked and _OPENS_WITH_YES.search(text.lower()) and not _NO.search(_NO_NO.sub(" ", text.lower())) else said


_OPENS_WITH_YES = re.compile(r"^\W*(?:yes|yep|yeah|yup|sure)\b(?!.*\?)")

# -- giving in --------------------------------------------------------------------------------------------------------
#: Has nothing more to ask, or takes leave.
_LEAVES = any_of(
    r"\b(?:that|this) (?:is|was|will be) (?:all|everything|it)\b|\bnothing else\b|\bnothing left\b|\bno further questions\b|\bgood ?bye\b|\bbye\b|\bhave a (?:good|nice|lovely|great)\b|\bdone here\b|\bi will let you (?:go|get on)\b",
    r"\bthank(?:s| you) (?:\w+ )?(?:anyway|all the same)\b|\bthanks for (?:trying|checking)\b|^\W*no\W+(?:that|nothing|i am (?:good|fine)|you have been)\b|\bi am (?:good|all set|set)\b(?: thanks?)?\W*$|^\W*nothing\b",
)
_GIVES_IN = any_of(
    r"\bnever ?mind\b|\b(?:i (?:see|understand)|understood)\b|\b(?:leave|drop|forget) (?:it|that|everything)\b|\bso be it\b|\bfair enough\b|\bif you say so\b|\bno worries\b|\bworth a try\b|\bi will live\b",
    r"\btake note of your\b|\b(?:accept|respect) (?:your|the|that) (?:decision|answer)\b|\bwithdraw\b|\bnot press\b|\bi drop\b|\byou tried\b|\b(?:did what you|did your best)\b|\bnot your fault\b|\bis what it is\b|\bi give up\b|\bnot argue with\b",
    r"\bi will (?:just )?(?:keep|leave|pay) it\b|\bcan not be done it can not\b|^\W*(?:too bad|a pity|what a pity|shame)\b|\b(?:very well|okay|all right|alright|fine)\W+(?:then|i guess|we|leave|so)\b",
)
_BARE = re.compile(r"^\W*(?:okay|all right|alright|fine|very well|no\W+thank(?:s| you)|no)\W*$")
_GOES_ON = any_of(
    r"\b(?:exception|insist|really no|just this once|can not you|reconsider|i want|make me|not accept|no sense|must be something|check again|look harder|look again|try again|i demand|ridiculous|i do not (?:care|want|accept)|refund it|apply it|not leaving|cannot accept|emergency|wedding|speak to|insists|instead)\b",
)
_NEW_REQUEST = any_of(
    r"\b(?:i would like|i need|i have another|there is (?:something|one)|one more thing|could you|can you|would you|what about|how about|give me|rebook|please (?!leave|forget)\w+|wait)\b|\bbut\b|\bthough\b|\bhowever\b|\byes\b"
)
_PERHAPS_GIVES_IN = any_of(
    r"\b(?:okay|all right|alright|fine|pity|shame|too bad|whatever|guess|understood|accept|no|nope|right|bye|goodbye|keep|stay|home|never mind|rules?|fault|splendid|great|hear you|get it|good (?:day|night|evening)|elsewhere|better than nothing|will do|can not be done|train|thanks anyway|not (?:right )?now|nothing|appreciate)\b"
    r"|\b(?:then i|i will|we will) \w+|\bthen\W*$"
)


_TAKES_IT = re.compile(r"^\W*(?:right|okay|fine|very well|shame|all right|alright|understood|a pity|pity)\b")


@cached_if_short
def _accepts(text: str) -> bool | None:
    """Whether the words alone accept a no, or have nothing more to ask."""
    read = clauses(text)
    plain = " , ".join(clause.plain for clause in read)
    asks = any(clause.asks for clause in read)
    leaves, yields = _LEAVES.search(plain) is not None, _GIVES_IN.search(plain) is not None
    if _BARE.search(plain):
        return True
    if _GOES_ON.search(plain):
        return None if leaves else False
    if (leaves or yields) and not asks and not _NEW_REQUEST.search(plain):
        return True
    perhaps = _PERHAPS_GIVES_IN.search(plain) and (not asks or _TAKES_IT.search(plain))
    return None if leaves or yields or perhaps else False


_NO_MORE = re.compile(r"^\W*(?:no|nope|nah|nothing|not (?:right )?now)\b(?!.*(?:\?|\bbut\b))")


def gives_in(text: str, before: str | None = None) -> bool | None:
    """Whether the customer accepts a refusal, or has nothing more to ask.

    ``before``: the agent's message that this answers. Nobody gives in to a plan.
    """
    said = _accepts(text)
    if before is None or said is False:
        return said
    if refuses(before) is False and asks_to_confirm(before) and not offers_more(before):
        return False
    if said is None and offers_more(before) and _NO_MORE.search(text.lower()):
        return True
    open_end = any(act(before) is not False for act in (refuses, offers_more, reports_done))
    return said if open_end else None
