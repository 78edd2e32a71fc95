"""Speech acts in what agents and customers write, recognised without a model and without knowing the domain.

Used wherever a message has to be understood: by the scripted user and agents, the mention check, triggers, process
checks and grading. They handle what language models write (markdown, lists, typographic characters) as well as
template sentences. All are pure functions; results are cached for short texts that came lately.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from t2t_dist.environments.short_texts import cached_if_short

from .text_match import mentions, normalised, numbers, plain_lines, says_number

__all__ = [
    "announces_hand_over",
    "asks_anything",
    "asks_for",
    "asks_to_confirm",
    "gives_in",
    "hands_over",
    "mentions",
    "normalised",
    "numbers",
    "offers_more",
    "promises_write",
    "refuses",
    "reports_done",
    "says_number",
    "says_yes",
    "sentences",
]

_BULLET = re.compile(r"^[ \t]*(?:[-+#>]+|\(?\d{1,2}[.)])[ \t]+", re.M)
#: Marks a line of a list, to distinguish it from the sentence that introduces the list.
_ITEM = "\x1e"
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")
#: Longer sentences are read in pieces of so many characters: what a pattern costs may grow with their square.
_PIECE = 1_000


class Sentence(NamedTuple):
    """One sentence or list line in lower case; ``asks`` if it is a question or a request for information."""

    text: str
    asks: bool


def _holds(text: str, stems: tuple[str, ...]) -> bool:
    """Whether any of the stems occurs: a necessary condition of a pattern, at a hundredth of its cost."""
    return any(stem in text for stem in stems)


@cached_if_short
def sentences(text: str) -> tuple[Sentence, ...]:
    """The text's sentences, very long ones in pieces; each line of a list is one, and asks if the line before the list
    asks."""
    found: list[Sentence] = []
    introduced = False
    for raw in _END.split(_BULLET.sub("\n" + _ITEM, plain_lines(text))):
        item = raw.startswith(_ITEM)
        line = raw.strip(_ITEM + " \t")
        if not line:
            continue
        asks = "?" in line or (_holds(line, _REQUEST_STEMS) and _REQUEST.search(line) is not None)
        if item:
            asks = asks or introduced
        else:
            introduced = asks and line.endswith(":")
        found += [Sentence(line[at : at + _PIECE], asks) for at in range(0, len(line), _PIECE)]
    return tuple(found)


_TELLING = (
    "provide|tell|give|share|send|specify|confirm|state|name|enter|supply|indicate|choose|select|pick|clarify"
    "|let me know|verify|identify"
)
_REQUEST_STEMS = (
    " you ",
    "please",
    "may i",
    "need",
    "require",
    "let me",
    "tell me",
    "provide",
    "specify",
    "choose",
    "sel",
    "conf",
)
_REQUEST = re.compile(
    rf"""\bplease\s+(?:also\s+)?(?:{_TELLING}|reply)\b
    |\b(?:could|can|would|will)\s+you\s+(?:please\s+|kindly\s+|also\s+)*(?:{_TELLING})\b
    |\bmay\s+i\s+(?:please\s+)?(?:have|ask|know|get)\b
    |\b(?:i|we)(?:'ll|\s+will|\s+would|'d)?\s+(?:also\s+|just\s+|still\s+)?(?:need|require)\b(?!\s+to\s+(?!know|have|ask|verify|confirm))
    |\blet\s+me\s+know\s+(?:which|what|the|your|whether|how|where|if)\b
    |\btell\s+me\b
    |^(?:provide|specify|choose|select|confirm)\b
    |,\s+please\W*$""",
    re.X,
)


# -- asking ----------------------------------------------------------------------------------------------------------
#: A question about what was listed before it.
_POINTS_BACK = re.compile(
    r"\bwhich\s+(?:one|ones|of\s+(?:these|those|them)|would|do|did|should|is\s+it)\b"
    r"|\bwhat\s+would\s+you\s+(?:prefer|like)\b|\bwhich\?"
)


@lru_cache(maxsize=512)
def _cue_pattern(cues: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(r"(?<!\w)(?:" + "|".join(re.escape(normalised(cue)) for cue in cues) + ")")


def asks_for(text: str, cues: Sequence[str]) -> bool:
    """Whether the text asks for something that one of ``cues`` names (``zip``, ``which order``).

    The cue stands in a question or request, in a list that one introduces, or before a question such as "Which one
    would you like?".
    """
    if not cues:
        return False
    pattern = _cue_pattern(tuple(cues))
    if not pattern.search(normalised(text)):
        return False
    back = False
    for sentence in reversed(sentences(text)):
        if (sentence.asks or back) and pattern.search(sentence.text):
            return True
        back = back or (sentence.asks and _POINTS_BACK.search(sentence.text) is not None)
    return False


def asks_anything(text: str) -> bool:
    """Whether the text contains a question or a request for information."""
    return any(sentence.asks for sentence in sentences(text))


_NOT_AN_ACT = (
    r"(?!(?:look|check|find|have|know|use|call|ask|transfer|connect|hand|put|search|help|assist|list|show|explain|wait"
    r"|note|tell|give|walk|escalate|forward|pass|see|be|say)\b)"
)
_GO = (
    r"(?:go\s+ahead|proceed|continue|carry\s+(?:on|out)|process|submit|finali[sz]e|complete"
    r"|do\s+(?:that|this|it|so|these)|make\s+(?:this|that|the|these))"
)
_CONFIRM = re.compile(
    rf"""\b(?:shall|should)\s+i\s+(?:now\s+|please\s+|then\s+|also\s+)*+{_NOT_AN_ACT}\w+[^?]*\?
    |\b(?:may|can|could)\s+i\s+(?:now\s+|please\s+|then\s+)*+{_GO}\b[^?]*\?
    |\b(?:would\s+you\s+like|do\s+you\s+want|would\s+you\s+want|do\s+you\s+wish|(?:you\s+)?(?:ok|okay|happy|fine)\s+for|if\s+you(?:'d|\s+would)\s+like|if\s+you\s+want)
      \s+me\s+to\s+(?:now\s+|then\s+|also\s+)*+{_NOT_AN_ACT}\w+
    |\b(?:would\s+you\s+like|do\s+you\s+(?:want|wish)|are\s+you\s+ready)\s+to\s+(?:{_GO}|confirm)\b
    |\bdo\s+you\s+(?:agree|confirm|approve|accept|consent)\b
    |\bare\s+you\s+(?:ok|okay|happy|fine|sure|good|comfortable)\b[^?]*\?
    |\b(?:is|are)\s+(?:that|this|it|everything|all|these)\b[^?]{{0,40}}\b(?:ok|okay|correct|right|fine|alright|acceptable|in\s+order|what\s+you\s+(?:want|had\s+in\s+mind))\b[^?]{{0,30}}\?
    |\bdo(?:es)?\s+(?:that|this|everything|it|these)\b[^?]{{0,30}}\b(?:look|sound|work|suit)\b[^?]*\?
    |\bdo\s+i\s+have\s+your\s+(?:ok|okay|go-ahead|permission|approval|confirmation|consent|yes)\b
    |\b(?:need|await|awaiting|wait\s+for|with)\s+your\s+(?:explicit\s+|final\s+)?(?:ok|okay|go-ahead|permission|approval|confirmation|consent|yes)\b
    |\(\s*(?:yes\s*(?:/|or)\s*no|y\s*/\s*n)\s*\)|\byes\s+or\s+no\b
    |\b(?:reply|answer|respond|type|say|write)\s+(?:with\s+)?(?:a\s+)?["']?yes\b
    |\blet\s+me\s+know\s+(?:if|whether|once|when)\b.*\b(?:proceed|go\s+ahead|okay|correct|agree|confirm|works|all\s+right)\b
    |\b(?:go\s+ahead|proceed|ok|okay|correct|right|agreed|alright|with\s+you|sound\s+good|with\s+this|with\s+that)\s*\?
    |\b(?:go\s+ahead|proceed)\s+with\b[^?]*\?""",
    re.X,
)
_PLEASE_CONFIRM = re.compile(
    r"(?:please|kindly|could\s+you|can\s+you|would\s+you|need\s+you\s+to|if\s+you|once\s+you|when\s+you|^)"
    r"(?:\s+(?:please|just|also|explicitly|kindly))*\s*\bconfirm\b"
    # "Please confirm your e-mail address" wants a fact, not a yes.
    r"(?!\s+(?:your|the|a)\s+(?:(?:full|first|last|new|current|billing|shipping|user|customer|account|order|phone|zip|postal)\s+)*"
    r"(?:e-?mail|name|zip|code|address|identity|phone|account|user|customer|date\s+of\s+birth|number|id)\b)"
    r"(?!\s+(?:which|what|who|where|when|why|how)\b)"
)
_WHAT_SHOULD_I = re.compile(r"\b(?:which|what|where|how|who|whom|when)\b[^?]*\b(?:should|shall)\s+i\b")


_CONFIRM_STEMS = ("?", "confirm", "yes", "let me know", "your ", "me to", "y/n", "y / n")


@cached_if_short
def asks_to_confirm(text: str) -> bool:
    """Whether the text asks for a yes to an action that it announces."""
    return any(
        _holds(s, _CONFIRM_STEMS)
        and (_PLEASE_CONFIRM.search(s) or (_CONFIRM.search(s) and not _WHAT_SHOULD_I.search(s)))
        and not (_more(s) or _transfers(s))
        for s, _ in sentences(text)
    )


_MORE = re.compile(
    r"\b(?:any(?:thing|\s*one)?|some(?:thing)?|what|who|how)\s+else\b"
    r"|\b(?:any|some)\s+(?:other|more|further|additional)\s+(?:questions?|requests?|concerns?|issues?|help|way|matters?|things?)\b"
    r"|\bfurther\s+(?:assistance|help|questions)\b|\belse\s+(?:i|we)\s+can\b|\bmore\s+(?:i|we)\s+can\s+(?:do|help)\b"
    r"|\bany\s+more\s+help\b|\b(?:that|this)\s+be\s+all\b"
)


def _more(text: str) -> bool:
    return _holds(text, ("else", "other", "more", "further", "additional", "be all")) and _MORE.search(text) is not None


@cached_if_short
def offers_more(text: str) -> bool:
    """Whether the agent asks if there is anything else, or offers further help."""
    return _more(normalised(text))


# -- refusing, doing, handing over -----------------------------------------------------------------------------------
_REFUSE = re.compile(
    r"""\b(?:can't|cannot|can\s+not|couldn't|won't\s+be\s+able|unable\s+to|not\s+able\s+to|am\s+not\s+allowed|can\s+no\s+longer)\b
    |\b(?:isn't|is\s+not|aren't|are\s+not|not)\s+(?:possible|allowed|permitted|eligible|available|something\s+(?:i|we)\s+can|covered)\b
    |\b(?:doesn't|does\s+not|don't|do\s+not|won't|will\s+not)\s+(?:allow|permit|let|qualify|cover|support|do\b|accept|offer)
    |\bimpossible\b|\bagainst\s+(?:our|the)\s+(?:policy|policies|rules)\b|\bhave\s+to\s+(?:decline|refuse)\b
    |\b(?:must|had\s+to|need\s+to)\s+(?:decline|refuse)\b|\b(?:has|have|was|were|is|been)\s+(?:been\s+)?declined\b
    |\bhave\s+to\s+say\s+no\b|\bi(?:'ve|\s+have)\s+declined\b|\bno\s+way\s+(?:for\s+me\s+)?to\b|\bmore\s+than\s+i\s+may\b
    |\bunfortunately\b|\b(?:i'm|i\s+am|we're|we\s+are)\s+(?:(?:really|very|so|truly)\s+)?(?:sorry|afraid)\b|^sorry,\s+but\b""",
    re.X,
)
#: Looks like a refusal but is none: an apology, a failed look-up, a warning about what happens afterwards.
_NO_REFUSAL = re.compile(
    r"""\bsorry\s+(?:for|about|to\s+hear|to\s+keep|that\s+you|you)\b|\bcan't\s+wait\b
    |\b(?:can't|cannot|couldn't|could\s+not|unable\s+to|not\s+able\s+to|don't|do\s+not|didn't|did\s+not)\s+(?:seem\s+to\s+)?(?:find|locate|see|be\s+undone|undo|reach|read|identify|hear|catch|understand|follow)\b
    |\b(?:undone|reversed|reverted|changed\s+again|modified\s+again|without|until|before\s+(?:i|you|we)|unless|afterwards|after\s+(?:that|this))\b""",
    re.X,
)


_REFUSE_STEMS = (
    "n't",
    "not",
    "unable",
    "impossible",
    "against",
    "decline",
    "refuse",
    "no ",
    "more than",
    "sorry",
    "afraid",
    "unfort",
    "say no",
)


def _refusal(s: str) -> bool:
    return (
        _holds(s, _REFUSE_STEMS)
        and not s.endswith("?")
        and _REFUSE.search(s) is not None
        and _NO_REFUSAL.search(s) is None
    )


@cached_if_short
def refuses(text: str) -> bool:
    """Whether the agent says that it can't, may not or will not do something."""
    return any(_refusal(s) for s, _ in sentences(text))


_LOOKED = (
    "found|located|verified|identified|looked|checked|delivered|shipped|placed|received|reviewed|understood|noted|seen"
    "|pulled|retrieved|already|got|had|to|read|gone|no|not|a|an|the|two|three|several|your|any|been\\s+(?:able|looking)"
)
_DONE = re.compile(
    rf"""\bi(?:'ve|\s+have)\s+(?:now\s+|just\s+|also\s+|successfully\s+)*+(?!(?:{_LOOKED})\b)\w+(?:ed|en|et|ut|ade|one|ent|t)\b
    |\b(?:has|have)\s+(?:now\s+|just\s+|also\s+)*+been\s+(?:successfully\s+|now\s+)*+(?!(?:{_LOOKED})\b)\w+(?:ed|en|et|ut|ade|one|ent|t)\b
    |\bwas\s+successful|\bsuccessfully\b|\bwent\s+through\b|\ball\s+set\b|\btaken\s+care\s+of\b
    |\b(?:is|are|that's|it's|all)\s+(?:all\s+|now\s+)?(?:done|complete|completed)\b|^\W*done\b
    |\b(?:is|are|will)\s+now\s+\w+|\bnow\s+(?:has|have|goes|go)\b""",
    re.X,
)
#: "Once it has been cancelled", "if", "would be": not done yet.
_NOT_DONE = re.compile(
    r"\b(?:once|after|when|if|until|as\s+soon\s+as|before)\b|\b(?:is|are)\s+now\s+(?:being|shipped|delivered|processed)\b"
    r"|\b(?:not|hasn't|haven't)\s+(?:yet\s+)?been\b|\bwill\s+now\s+(?!be\b)"
)


_DONE_STEMS = ("'ve ", "have ", "has ", "done", "success", "through", "all set", "complete", "taken care", "now")


@cached_if_short
def reports_done(text: str) -> bool:
    """Whether the agent reports that the request has been carried out."""
    return any(
        _holds(s, _DONE_STEMS)
        and not s.endswith("?")
        and _DONE.search(s) is not None
        and _NOT_DONE.search(s) is None
        and not _refusal(s)
        for s, _ in sentences(text)
    )


_PROMISE = re.compile(
    r"\b(?:i'll|i\s+will|i'm\s+going\s+to|i\s+am\s+going\s+to|i'm\s+about\s+to)\s+"
    r"(?:(?:now|then|also|just|next|right\s+away|immediately|gladly)\s+|go\s+ahead\s+(?:and|with)\s+)*+"
    rf"{_NOT_AN_ACT}(?!(?:need|happily|verify|review|pull|get|do\s+my\s+best|assume|keep|try|retrieve|consult|only|never|not|also)\b)\w+"
    r"|\b(?:let\s+me|one\s+moment\s+while\s+i)\s+(?:now\s+|then\s+)?(?:go\s+ahead|proceed|process|submit|make\s+(?:that|this|the)|complete|finali[sz]e|take\s+care)\b"
    r"|\bi'm\s+(?:now\s+)?(?:processing|submitting|making|completing|proceeding)\b"
)


_ON_CONDITION = re.compile(r"\b(?:once|if|after|unless)\s+you\b")


@cached_if_short
def promises_write(text: str) -> bool:
    """Whether the agent says that it is about to do something: a customer who leaves now leaves too early."""
    return any(_PROMISE.search(s) and not s.endswith("?") and not _ON_CONDITION.search(s) for s, _ in sentences(text))


_WHOM = r"(?:you|it|(?:your|this)\s+(?:case|call|request|chat|conversation)|the\s+(?:customer|case|conversation|chat))"
_PERSON = (
    r"(?:a|an|our|my|another|one\s+of\s+(?:our|my))\s+(?:\w+\s+){0,2}"
    r"(?:human|agent|colleagues?|supervisor|specialist|representative|person|manager|team)"
)
_TRANSFERS = re.compile(
    r"\b(?:transfer|connect|hand|pass|escalate|escalating|forward|refer|put|transferring|connecting|handing|passing"
    rf"|forwarding|putting)\s+{_WHOM}\b"
    rf"(?=.*\b(?:to|over|on|with|through|now|shortly)\b|[.!?]*$)"
    rf"|\b(?:transferred|connected|handed\s+over|escalated|forwarded|passed\s+on)\b(?=\s+(?:\w+\s+){{0,2}}(?:to|with)\s+(?:a\s+human|{_PERSON}))"
    rf"|\byou\s+(?:are|will\s+be|have\s+been)\s+(?:now\s+)?(?:being\s+)?(?:transferred|connected|handed)\b"
    rf"|\bi(?:'ve|\s+have)\s+(?:now\s+)?(?:transferred|handed|passed|connected)\s+{_WHOM}\b"
    r"|\bhand(?:ing)?\s+over\s+to\b"
)
_ALREADY = re.compile(
    r"\b(?:transferring|connecting|handing|passing|escalating|forwarding|putting)\b"
    r"|\b(?:is|are|'re)\s+(?:now\s+)?being\s+(?:transferred|connected|handed|passed|escalated)\b"
    r"|\b(?:have|has|'ve)\s+(?:now\s+)?(?:been\s+)?(?:transferred|connected|handed|passed|escalated|forwarded)\b"
)
_NOT_YET = re.compile(r"\b(?:before|if\s+you|going\s+to|would|could)\b")


#: "I can't hand you over": the negation stands right before the verb.
_NEGATED = re.compile(
    r"\b(?:can't|cannot|not|unable|won't|don't)\s+(?:\w+\s+){0,3}?(?:transfer|connect|hand|pass|escalat|forward|refer|put)"
)
_TRANSFER_STEMS = ("transfer", "connect", "hand", "pass", "escalat", "forward", "refer", "put")


def _transfers(s: str) -> bool:
    return _holds(s, _TRANSFER_STEMS) and _TRANSFERS.search(s) is not None


@cached_if_short
def hands_over(text: str) -> bool:
    """Whether the agent says that it is handing the customer over now, or has done so."""
    return any(
        _transfers(s) and _ALREADY.search(s) and not _NOT_YET.search(s) and not s.endswith("?")
        for s, _ in sentences(text)
    )


@cached_if_short
def announces_hand_over(text: str) -> bool:
    """Whether the agent says that it will hand the customer over, or asks whether it should."""
    return any(_transfers(s) and not _NEGATED.search(s) for s, _ in sentences(text))


# -- the customer ----------------------------------------------------------------------------------------------------
_YES = re.compile(
    r"^\W*(?:(?:oh|ah|well|great|perfect|good|excellent|thanks|thank\s+you|hm+)\W+)*"
    r"(?:yes|yep|yeah|yup|aye|sure|certainly|absolutely|definitely|of\s+course|ok|okay|correct|right|exactly|confirmed"
    r"|agreed|fine|all\s+right|alright|please\s+(?:do|go\s+ahead|proceed)|go\s+ahead|go\s+for\s+it|proceed|do\s+it|do\s+that"
    r"|sounds\s+(?:good|right|great|fine)|looks\s+(?:good|right|fine)|that(?:'s|\s+is|\s+would\s+be)\s+(?:\w+\s+)?(?:right|correct|fine|great|perfect|it|good|what\s+i\s+want)"
    r"|that\s+(?:works|sounds|looks)|i\s+(?:confirm|agree|approve|do)|by\s+all\s+means|perfect|great|good)\b"
)
_GO_AHEAD = re.compile(
    r"\b(?:yes,?\s+(?:please|go)|please\s+(?:do\s+(?:so|it|that)|go\s+ahead|proceed)|go\s+ahead|i\s+confirm)\b"
)
_BUT = re.compile(
    r"\b(?:wait|hold\s+on|hang\s+on|on\s+second\s+thought|changed\s+my\s+mind|not\s+(?:yet|so\s+fast|quite|that)|rather\s+not"
    r"|don't\s+(?:do|go|proceed)|do\s+not\s+(?:do|go|proceed)|stop)\b|^\W*(?:no|nope|actually)\b(?!\s+(?:problem|worries))"
    r"|\b(?:but|though)\s+(?:actually|first|instead|please\s+(?:use|change|make))\b"
)


@cached_if_short
def says_yes(text: str) -> bool:
    """Whether the customer agrees, without taking it back in the same breath."""
    body = normalised(text)
    return (_YES.search(body) is not None or _GO_AHEAD.search(body) is not None) and _BUT.search(body) is None


_GIVES_IN = re.compile(
    r"\b(?:never\s*mind|i\s+(?:see|understand)|understood|(?:leave|drop|forget)\s+(?:it|that)|so\s+be\s+it|fair\s+enough|if\s+you\s+say\s+so"
    r"|that(?:'s|\s+is|\s+was|\s+will\s+be|'ll\s+be)\s+(?:all|everything|it)|nothing\s+else|thanks\s+anyway|thank\s+you\s+anyway|good\s*bye|bye)\b"
    r"|^\W*(?:ok|okay|all\s+right|alright|fine|very\s+well|too\s+bad|a\s+pity|what\s+a\s+pity|no,?\s+(?:that|thanks|thank))\b"
)
_INSISTS = re.compile(
    r"\b(?:exception|really\s+(?:need|no|not|nothing)|insist|just\s+this\s+once|can't\s+you|can\s+you\s+not|isn't\s+there|is\s+there\s+(?:really\s+)?no|still\s+(?:want|need|like))\b"
)


@cached_if_short
def gives_in(text: str) -> bool:
    """Whether the customer accepts a refusal, or has nothing more to ask."""
    body = normalised(text)
    return _GIVES_IN.search(body) is not None and _INSISTS.search(body) is None
