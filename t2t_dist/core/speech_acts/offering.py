"""Whether an agent offers more help. Pure."""

from __future__ import annotations

from t2t_dist.environments.short_texts import cached_if_short

from .clauses import Clause, by_sentence, clauses, joined
from .lexicon import a_word_of, any_of
from .verdict import Sign, verdict

_THINGS = (
    r"(?:questions?|requests?|concerns?|issues?|help|way|matters?|things?|assistance|support|queries|query|wish\w*"
    r"|information|kinds?|type)"
)
_ELSE = any_of(
    r"(?<!or )(?:anything|something|anyone|what|who|how) (?:else|more)\b"
    r"(?! (?:is|was|that would|that could|missing|about|in the|in particular|specific|like|going on|wrong"
    r"|happening)\b)",
    rf"(?:any|some) (?:other|more|further|additional) {_THINGS}\b",
    r"(?:further|additional|more) (?:assistance|help|questions?|queries|matter)\b|else (?:i|we) can\b",
    r"more (?:i|we|that i|that we) (?:can|could) (?:do|help|clear)\b|is there anything (?:i|we) (?:can|could)\b",
    r"(?:can|could|may|shall) i (?:further )?(?:help|assist) you (?:further|with anything|some more)\b",
    r"(?:will|would|is) that (?:be )?(?:all|everything)\b(?! (?:right|okay|fine|correct))|are we good\b(?! (?:to|on"
    r"|with))|more for me\b",
)
_AT_ANY_TIME = a_word_of(
    r"do not hesitate|feel free|shout|get in touch|reach out|contact us|write to us|message me|message away|let (?:me"
    r"|us) know|(?:i am|we are|will be)(?: right| always| still)? (?:here|around)|(?:happy|here) to help|come back"
    r"|another hand|all the time in the world"
)
_IN_NEED = any_of(
    r"(?:if|should)\b.*\b(?:anything|something|another (?:hand|thing|question)|other questions?|further|more (?:help"
    r"|assistance|questions?|information)|assistance|help|questions?)\b",
    r"any ?time\b",
)
#: In a question.
_PERHAPS = a_word_of(
    r"else|more|another|any other|other|further|additional|help|assist\w*|on your list|(?:that|this) (?:be )?(?:all"
    r"|everything)|today|worries|wish\w*|still|left|cover\w*|questions?|a hand|need me|go over|look at|anything"
    r"|something|all good|otherwise|apart from (?:that|this)"
    r"|covered|sorted|on your mind"
)
#: In a statement.
_PERHAPS_TOLD = a_word_of(
    r"ask away|(?:glad|happy|pleasure|delighted|ready|free|welcome|here|around) to (?:\w+ )?(?:help|assist|answer|ask"
    r"|write"
    r"|call|come back)|here for you|(?:right |still |always )here|at your (?:disposal|service)|all day|any ?time"
    r"|shout|hesitate|drop (?:me|us)|reach out|get in touch|come back|just (?:ask|say|write|type)|fire away|keep them"
    r" coming"
    r"|a message away|with (?:other|the other|any other) \w+|whatever (?:else|it is)|anything|questions?|where to"
    r" find|(?:if|should|whenever) (?:you|there|anything|something) (?:ever )?(?:need|have|think|run|come|crop|change"
    r"|is)|i am (?:only )?a \w+ away|need (?:me|us)"
)
_NO_OFFER = a_word_of(
    r"nothing else|no one else|(?:can|may) i help you|besides|missing|more (?:than|expensive)|how (?:can|may) i"
    r"|so (?:that )?(?:i|we) can|provide|tell me|give me|confirm"
)


#: Of what there may be more: of help, and not of facts.
_FOR_YOU = a_word_of(
    r"help\w*|assist\w*|need|want|like|wish|do|for you|today|can|could|may|shall|questions?|concerns?|all|everything"
    r"|you"
    r"|any \w+ \w+|(?:anything|something) (?:else|more)\W*$"
)
#: "What else have you tried?", "anything else on the bill that looks wrong?": more facts are asked for, not more help.
_MORE_FACTS = a_word_of(
    r"(?:did|have|had|were|was) you|you (?:\w+ )?(?:tried|took|noticed?|saw|see|remember|heard|bought|used|changed|did)"
    r"|(?:else|more|other \w+) (?:on|in|from|out of|that (?:looks?|seems?|is|was)|wrong|unusual|strange"
    r"|you (?:can|could) (?:tell|say|remember))"
)
#: Somebody asked so at another time.
_REPORTED = a_word_of(r"(?:asked|asks|wondered|inquired) (?:you |him |her |them )?(?:whether|if)|there was")
#: A question that surely is about something else. Of any other, such as "any loose ends?", the words don't say.
_ASKS_ELSE = a_word_of(
    r"(?:shall|should|may|can|could|do|am|are) (?:i|we)|(?:would|do|did|have|are|were|will|can|could) you(?: \w+)?"
    r"|you (?:want|would)"
    r"|want me|which|where|when|who|whose|how|why|what|your|confirm|correct|right|agree\w*|yes|okay|proceed|go ahead"
    r"|(?:is|was|are|does|has|have|had|did) (?:it|that|this|these|those|there|the|they|he|she)|or|the \w+|transfer\w*"
)


@cached_if_short
def offers(plain: str) -> bool:
    """Whether a clause in plain words offers more help."""
    return _ELSE.search(plain) is not None


def _sign(clause: Clause) -> Sign:
    plain = clause.plain
    if offers(plain):
        if _REPORTED.search(plain) or (clause.asks and _MORE_FACTS.search(plain)):
            return None
        return (
            True if (clause.asks and _FOR_YOU.search(plain)) or clause.supposed or _AT_ANY_TIME.search(plain) else None
        )
    perhaps = _PERHAPS.search(plain) or not _ASKS_ELSE.search(plain) if clause.asks else _PERHAPS_TOLD.search(plain)
    return None if perhaps and not _NO_OFFER.search(plain) else False


def _at_any_time(sentence: tuple[Clause, ...]) -> bool:
    """Whether help is offered at any later time, in clauses together: "should something come up, we're right here"."""
    whole = joined(sentence)
    return _AT_ANY_TIME.search(whole) is not None and _IN_NEED.search(whole) is not None


@cached_if_short
def offers_more(text: str) -> bool | None:
    """Whether the agent asks if there is anything else, or offers further help."""
    read = clauses(text)
    return True if any(map(_at_any_time, by_sentence(read))) else verdict(map(_sign, read))
