"""Whether a customer says yes, or gives in. Pure.

What an "okay" means depends on what it answers, so both take the agent's message before it, where there is one.
"""

from __future__ import annotations

import re

from t2t_dist.environments.short_texts import cached_if_short

from .clauses import clauses, in_plain_english
from .confirming import asks_to_confirm
from .lexicon import a_word_of, any_of, tagged, verb
from .offering import offers_more
from .refusing import refuses
from .sentences import sentences

# -- yes --------------------------------------------------------------------------------------------------------------
_INTERJECTIONS = (
    r"^\W*(?:(?:oh|ah|aw|well|thanks|thank you|and|hm+|ugh|so|then|right|but|quite|very|please|you know what)\b\W*)*?"
)
_RIGHT = (
    r"(?:right|correct|fine|great|perfect|okay|good|acceptable|brilliant|alright|all right|what i (?:want|need|said"
    r"|asked for|meant)\w*)"
)
_YES = a_word_of(
    rf"{_INTERJECTIONS}(?:yes+|y|aye|sure|surely|certainly|indeed|absolutely|definitely|of course|okay|k|correct"
    rf"|right|exactly|precisely|confirmed|confirm|affirmative|agreed|accepted|approved|fine|all right|alright|perfect"
    rf"|great|good|very good|deal|please (?:do|go|proceed|continue)|go ahead|go on|go for it|proceed|do it|do that"
    rf"|make it so|by all means|why not|no problem|(?:(?:i|he|she) ha(?:ve|s) )?no objections?|none whatsoever"
    rf"|not at all|you may|you have (?:it|my)|you got it|no doubt|works for me|(?:fine|okay|good) (?:by|with) me"
    rf"|happy to|(?:that|it) will (?:do|work|be)|sounds like a (?:\w+ )?plan)",
    rf"{_INTERJECTIONS}(?:(?:that|it|this|everything|all|\$?\d+)(?: (?:is|would be|will be|all sounds|sounds|looks"
    rf"|works))?"
    rf"(?: \w+)? {_RIGHT}|\w+ (?:works|suits)|sounds (?:very )?{_RIGHT}|looks {_RIGHT})",
    r"^\W*i (?:\w+ )?(?:confirm|agree|approve|accept|consent|do|am (?:sure|happy with|okay with|fine with))",
    r"^\W*i (?:do not (?:mind|see why not)|would not have it any other way)",
)
#: An assent that may stand anywhere: "I talked to my wife. So yes, let's do it."
_ASSENT = any_of(
    r"(?:yes|and|so|then|please|sure|okay)\W+(?:please )?(?:go ahead|proceed|let us do (?:it|that))\b|yes\W+please\b"
    r"|so yes\b",
    r"^\W*(?:go ahead|proceed|go for it)\b|(?<=[.!,] )(?:go ahead|go for it|do it|proceed)\b|by all means\b"
    r"|let us (?:proceed|go ahead|do (?:it|that))\b",
    r"please (?:do (?:so|it|that)|go ahead|proceed|continue)\b|(?:you have|give (?:you )?|got) ?my (?:full )?(?:yes"
    r"|okay|consent|permission|approval|blessing|authori[sz]ation)\b",
    r"i (?:hereby )?(?:confirm|authori[sz]e|agree to|consent|give my consent)\b|my consent\b|i want to proceed\b",
)
#: "Yes, cancel it": in tagged words.
_YES_DO = re.compile(rf"(?:^|[.!,] )\W*(?:yes|sure|exactly|correct|right)\W+(?:please\W+)?(?!take~){verb('CG', 'b')} ")
_NO = a_word_of(
    r"wait|hold on|hang on|hold your horses|second thought|changed my mind|i will pass|abort|scrap|scratch that|stop"
    r"|instead|never ?mind|withheld|i would mind|actually|before i|made up my mind|let us not|leave (?:it|that|the)"
    r"|forget it|anyway",
    r"(?:rather|absolutely|please|certainly|definitely) not|no (?:way|thanks|thank)|make (?:it|that) (?:an?|the|it)?"
    r"|^\W*(?:no|nope)",
    r"(?:do|did|would|could|can|will|am|is|are|has|was) not|not (?:yet|so fast|quite|that|okay|right|agree|accept"
    r"|sure)",
    r"but|though|except|however|maybe|what about|how about|could you|can you|would you|i demand|let me speak|who do i",
)
#: Words of a no that are none: "no problem", "it's no longer needed", "I don't mind".
_NO_NO = a_word_of(
    r"no (?:problem|worries|doubt|objections?|longer|need)|not at all|why not|is not (?:needed|necessary)"
    r"|can not stop you",
    r"(?:do(?:es)?|would) not (?:see why not|mind|bother me|need (?:it|them|that))|would not have it any other way",
    r"i am not (?:moving|going anywhere)|but (?:sure|yes|okay|fine|go ahead)",
)
_FLAT_NO = a_word_of(
    r"^\W*(?:no|nope|stop|wait|abort|do not|please do not|i (?:do|can|will) not|hold on|hang on|absolutely not"
    r"|certainly not)",
    r"no way|i will pass|not agree|not authori[sz]e|not okay|changed my mind|(?:is|was) not (?:what|right|correct|it)",
    r"no to|(?<=[.!] )i say no|(?<=[,;] )no(?! (?:problem|objections?|doubt|worries))|hold off|not quite|sleep on it"
    r"|not (?:yet|so fast|now)|let us not|rather not|abort|withheld|scrap|scratch that|second thought",
)
#: Said of another time, by somebody else, or on a condition.
_NOT_JUST_YES = a_word_of(
    r"if|unless|provided|as long as|only|until|(?<!what i )said|says|told|yesterday|last \w+|years? ago|he|she|they"
    r"|husband|wife|sister"
    r"|on reflection|shall not|need not|halve|half|rather|same thing|decision|window|rule|policy|again|guess|suppose"
)
#: Somebody wants, asks or tells something else than a yes.
_ELSE = a_word_of(
    r"i (?:would|want|need|meant|demand|insist|request|maintain|must|typed)|we (?:want|need|would)|could (?:you|we|i)"
    r"|can (?:you|we|i)|exception|reconsider|really no|policy|come on|look harder|claim|anyway|typo|changed|thanks"
    r"|thank you"
    r"|bye|goodbye|that is all|years|last time|sorry|there (?:is|has|must)|make (?:it|that)|hello|hi"
)
#: A yes to a question about a fact, a thank-you, a new request: nothing is agreed to.
_SAYS_A_FACT = a_word_of(
    r"it (?:did|does|has|was)|it is(?! (?:fine|good|correct|okay|right|great|perfect|a yes|all right|alright)\b)|i"
    r" am(?! (?:sure|happy|okay"
    r"|fine|good)\b)|i have|i did|i was|i will|i need|i would like|i want (?!to proceed|that|it|you to (?:go|do))\w+"
    r"|there (?:is|are)|the one|still the|number|code|email|zip|speaking|this is|one sec|a (?:second|moment)|take"
    r" your time|let me"
    r"|since|rules are|good thing|shame|pity|my (?!yes|okay|go-ahead|consent|permission|pleasure)\w+|\d{4,}"
    r"|(?<!\$)[a-z]+\d\w*|\S*[@#]\S*",
)
_PERHAPS_YES = a_word_of(
    r"yes|y|sure|okay|perfect|right|correct|agree\w*|accept\w*|confirm\w*|confrim|approve|consent|please do|exactly"
    r"|absolutely|definitely|of course|deal|happy|works|suits|obliged|brilliant|surer|certain|no doubt|no point"
    r"|objections?|that too|spot on|that is it|would be|i will take|take it|it is|go ahead|go on|go for it|why not"
    r"|can not stop you|for me|waiting for|what are we|that is (?:exactly )?it|wonderful|marvellous|lovely|love (?:it"
    r"|that)|amazing"
    r"|awesome|excellent|super|cool|fantastic|delighted|glad|gladly|pleased|bring it on|twist my arm|consents|all good"
    r"|sounds?|ideal|sign me up|count me in|the sooner|affirmative|aye|yh|never been more certain|i am in|you bet|let"
    r" us|suits|i will take|keep it|go 4 it|authori[sz]\w+|agreeable|put me (?:there|down|on)|get (?:it|that) done"
    r"|book it|be my guest|as you (?:say|wish|like)"
    r"|(?:no )?(?:reason|point) (?:not|why)|feel free|green light|thumbs up|why would i not|as good as"
)
#: "Remove it.", in tagged words.
_DO = any_of(
    rf"^\W*(?:(?:ugh|well|so|then|and|oh|please|just|both|quite) )*{verb('CG', 'b')}",
    rf"(?<=[.!,] ){verb('CG', 'b')} (?:me|it|them|that|both|the)\b",
)
_DO_THEN = re.compile(rf"[.!,] {verb('CG', 'b')} (?:me|it|them|that|both|the)\b")
#: What also just says that something was heard: a yes if no more follows than these.
_HEARD = any_of(
    r"^\W*(?:(?:oh|well)\W+)*(?:okay|k|sure|of course|certainly|right|fine|all right|alright|perfect|great|good"
    r"|no problem|very good|it is (?:alright|all right|fine|okay))\b"
)
_AND_NO_MORE = re.compile(
    r"\W*(?:(?:okay|sure|right|fine|perfect|great|good|thanks|thank you|please|then|and|very much|so much|sir|(?:with"
    r"|by|for|to) me|do (?:it|that)|go ahead|yes|(?:that|it) (?:is|sounds|works|would be) (?:fine|good|right|great"
    r"|perfect|okay|correct|all right|alright|well)|sounds \w+|works for me"
    r"|why not|let us \w+ (?:it|that|with that)|exactly|deal|of course|absolutely)\W*)*$"
)
_THUMBS_UP = re.compile("[\U0001f44d\U0001f44c\u2714\u2705]")
_OPENS_WITH_YES = a_word_of("^(?:yes|sure)")


#: What "okay" and "great, thanks" lack: those may only say that something was heard.
_ASKS_FOR_IT = a_word_of("yes|please|do|go|sure|sounds|works|deal|absolutely|of course|exactly|correct|right")
#: Words of an answer that says more than yes.
_LONG = 20


def _is_just_heard(plain: str) -> bool:
    """Whether words say no more than that something was heard: a yes, if one was asked for."""
    heard = _HEARD.search(plain)
    return heard is not None and _AND_NO_MORE.match(plain, heard.end()) is not None


@cached_if_short
def _agrees(text: str) -> bool | None:
    """Whether the words alone agree."""
    read = clauses(text)
    plain = in_plain_english(text)
    tags = tagged(plain)
    if not read:
        return _THUMBS_UP.search(text) is not None
    yes, assents = _YES.search(plain), _ASSENT.search(plain) or _YES_DO.search(tags)
    rest = _NO_NO.sub(" ", plain)
    if _FLAT_NO.search(rest):
        return False
    if _NO.search(rest):
        perhaps = yes or assents or _PERHAPS_YES.search(rest) or _DO_THEN.search(tags)
        return None if perhaps else False
    heard = _HEARD.search(plain)
    on_a_condition = _NOT_JUST_YES.search(rest) is not None
    if assents and not on_a_condition:
        return True
    if _is_just_heard(plain):
        return True if _ASKS_FOR_IT.search(plain) else None
    leaves = _LEAVES.search(plain) and not _OPENS_WITH_YES.search(plain)
    asks_at_once = any(clause.asks for clause in read if clause.sentence == read[0].sentence)
    if yes and not (heard or leaves or asks_at_once or on_a_condition or _SAYS_A_FACT.search(rest)):
        return True if len(plain.split()) <= _LONG else None
    if yes or _PERHAPS_YES.search(plain) or _DO.search(tags):
        return None
    return False if "?" in plain or _ELSE.search(rest) or _SAYS_A_FACT.search(rest) else None


#: Of an offer that nobody asked about: "I could give you a voucher."
_TAKES_AN_OFFER = a_word_of(r"i (?:will|would) (?:take|like|have|accept|love)|i accept|deal|yes please|that would be")


def _opposes(rest: str) -> bool:
    """Whether the words do anything but agree to what was asked: say no, ask, or want something else."""
    return "?" in rest or _NO.search(rest) is not None or _FLAT_NO.search(rest) is not None or bool(_ELSE.search(rest))


def _may_answer(plain: str, before: str) -> bool:
    """Whether words may take what was offered, or agree to what was asked without being seen to be."""
    if _is_just_heard(plain) or _TAKES_AN_OFFER.search(plain):
        return True
    rest = _NO_NO.sub(" ", plain)
    return "?" in before and offers_more(before) is False and not (_opposes(rest) or _SAYS_A_FACT.search(rest))


#: "And how much is it?", and what leads to it: who asks so beside a yes does not take it back.
_ONLY_ASKS = re.compile(
    r"\W*(?:(?:and|but|oh|also|so|just|only|good|well)\W+)*"
    r"(?:how (?:much|many)\b|what (?:is|was|are|will|would|does|do|amount|exactly)\b|what's\b"
    r"|(?:please )?tell me (?:how|what|the)\b|(?:i would|i'd) like to know\b|(?:is|will) (?:that|it) (?:be )?more\b"
    r"|do i (?:get|have to|pay)\b"
    r"|(?:(?:i have|there is|there's|for me to know)\W+)?(?:just |only )?(?:a|one)(?: more| other| last)?"
    r" (?:question|thing)\b)"
)
_ASKS_FOR_MORE = re.compile(r"\b(?:instead|if|unless|could|can|rather|another|other than|different)\b")


def _without_questions(text: str) -> str:
    """The text without the sentences in which somebody only asks for a figure."""
    kept = [s.text for s in sentences(text) if not _ONLY_ASKS.match(s.text) or _ASKS_FOR_MORE.search(s.text)]
    return " ".join(kept)


def says_yes(text: str, before: str | None = None) -> bool | None:
    """Whether the customer agrees, without taking it back in the same breath.

    ``before``: the agent's message that this answers. A yes agrees only where one was
    asked for.
    """
    said = _says_yes(text, before)
    if said or not (rest := _without_questions(text)):
        return said
    return said if len(rest) == len(text) else (_says_yes(rest, before) or said)


def _says_yes(text: str, before: str | None) -> bool | None:
    said = _agrees(text)
    if before is None:
        return said
    asked, plain = asks_to_confirm(before), in_plain_english(text)
    if asked is False:
        return None if said or _may_answer(plain, before) else False
    if asked is None and said:
        return True if _ASSENT.search(plain) or _YES_DO.search(tagged(plain)) else None
    rest = _NO_NO.sub(" ", plain)
    if said is False:
        return None if asked and not _opposes(rest) else False
    if asked and _is_just_heard(plain):
        return True
    if asked and _OPENS_WITH_YES.search(plain) and not ("?" in plain or _NO.search(rest) or _NOT_JUST_YES.search(rest)):
        return True
    return said


# -- giving in --------------------------------------------------------------------------------------------------------
#: Has nothing more to ask, or takes leave.
_LEAVES = a_word_of(
    r"(?:that|this) (?:is|was|will be) (?:all|everything|it)|nothing else|nothing left|no further questions|good ?bye"
    r"|bye|done here|have a (?:good|nice|lovely|great)|i will let you (?:go|get on)|^\W*nothing",
    r"thank(?:s| you) (?:\w+ )?(?:anyway|all the same)|thanks for (?:trying|checking)|i am (?:good|all set"
    r"|set)(?:\W+(?:thanks|thank you))?\W*$|cheers",
    r"^\W*no\W+(?:(?:thanks|thank you)\W+)?(?:all (?:good|done|set)|everything is \w+|that (?:is|was|will be) (?:all"
    r"|it|everything)|nothing|i am (?:good|fine)"
    r"|you have been)",
)
_YIELDS = a_word_of(
    r"never ?mind|i (?:see|understand)|understood|(?:leave|drop|forget) (?:it|that|everything)|so be it|fair enough"
    r"|if you say so|no worries|worth a try|i will live|you tried|did (?:what you|your best)|not your fault"
    r"|is what it is|i give up|i drop|take note of your|(?:accept|respect) (?:your|the|that) (?:decision|answer)"
    r"|withdraw|not press|i accept (?:it|that)(?=\W*$)|(?:okay|all right|alright|fine)\W+whatever\W*$|not argue with",
    r"i will (?:just )?(?:keep|leave|pay) it|can not be done it can not|^\W*(?:too bad|a pity|what a pity|shame)"
    r"|(?:very well|okay|all right|alright|fine)\W+(?:then\W*$|then (?:we|not|i will)|i guess|we|leave|so)",
)
_BARE = re.compile(r"\W*(?:okay|all right|alright|fine|very well|no\W+thank(?:s| you)|no)\W*")
_GOES_ON = a_word_of(
    r"exception|insists?|really no|just this once|can not you|reconsider|i want|make me|not accept|no sense"
    r"|must be something|check again|look (?:harder|again)|try again|i demand|ridiculous|i do not (?:care|want"
    r"|accept)|refund it|apply it|not leaving|emergency|wedding|speak to|instead"
)
_NEW_REQUEST = a_word_of(
    r"i would like|i need|i have another|there is (?:something|one)|one more thing|(?:could|can|would) you|(?:what"
    r"|how) about|give me|rebook|please (?!leave|forget)\w+|wait|but(?! i accept)|though|however|yes"
)
_PERHAPS_GIVES_IN = a_word_of(
    r"okay|all right|alright|fine|pity|shame|too bad|whatever|guess|understood|accept|no|nope|right|bye|goodbye|keep"
    r"|stay|home|rules?|fault|splendid|great|hear you|get it|good (?:day|night|evening)|elsewhere|better than nothing"
    r"|will do|can not be done|train|thanks anyway|not (?:right )?now|nothing|not that i|appreciate|oh well"
    r"|thanks for \w+|take care|no choice|hard feelings|then i \w+|(?:i|we) will \w+|then\W*$"
    r"|cheers|anyway|can not blame|trying|tried|worth (?:a|the|asking)|no use|no point|(?:do|does) not matter|could"
    r" be worse"
    r"|bad luck|tough luck|moving on|move on|drop|skip|settle|covers|everything|all (?:set|done|good)|helpful|be off"
    r"|makes sense|expected|figured|thought (?:so|as much)|had to ask|hoped|disappoint\w*|sad|respect|fair|let it"
)
#: To a refusal, or to an offer.
_NO_LEAVE_IT = a_word_of(r"^\W*(?:no\W+)?leave (?:it|that)|leave (?:it|that|everything) as (?:it|that|is)")
_MAY_BE_POLITE = a_word_of(
    r"no worries|(?:right|okay|ah)\W+understood|(?:all right|alright)\W+it could not be helped|that is all right"
)
_THREATENS = a_word_of(
    r"solicitor|lawyer|attorney|court|ombudsman|regulator|review|hear(?:ing)? from|competitor|elsewhere"
)
_NOT_SO = a_word_of(r"(?:certainly|absolutely|definitely) not|no way|i do not agree")
_TAKES_IT = a_word_of(r"^\W*(?:right|okay|fine|very well|shame|all right|alright|understood|a pity|pity)")
_NO_MORE = a_word_of(r"^\W*(?:no|nothing|not (?:right )?now)")


#: Words of an answer that says little.
_SHORT = 6


@cached_if_short
def _accepts(text: str) -> bool | None:
    """Whether the words alone accept a no, or have nothing more to ask."""
    read = clauses(text)
    plain = in_plain_english(text)
    if _BARE.fullmatch(plain):
        return None
    asks = any(clause.asks for clause in read)
    leaves, yields = _LEAVES.search(plain), _YIELDS.search(plain)
    if _GOES_ON.search(plain) or _NOT_SO.search(plain):
        return None if leaves or yields else False
    if (leaves or yields) and not (
        asks or _NEW_REQUEST.search(plain) or _NO_LEAVE_IT.search(plain) or _DO_THEN.search(tagged(plain))
    ):
        return None if _THREATENS.search(plain) else True
    short = len(plain.split()) <= _SHORT and not _NEW_REQUEST.search(plain) and not _DO.search(tagged(plain))
    perhaps = (short or _PERHAPS_GIVES_IN.search(plain)) and not asks
    return None if leaves or yields or perhaps or _TAKES_IT.search(plain) else False


def gives_in(text: str, before: str | None = None) -> bool | None:
    """Whether the customer accepts a refusal, or has nothing more to ask after one.

    ``before``: the agent's message that this answers. Nobody gives in to a plan, or where nothing was refused.
    """
    said, plain = _accepts(text), in_plain_english(text)
    if before is None:  # of a good-bye alone one can't tell
        return said if said is False or _YIELDS.search(plain) else None
    if said is False:
        return said
    more, no = offers_more(before), refuses(before)
    if asks_to_confirm(before) and not more and no is False:
        return None if said else False
    if said is None and (more or no) and _BARE.fullmatch(plain):
        return True
    if said is None and no and _NO_LEAVE_IT.search(plain) and not (_NEW_REQUEST.search(plain) or "?" in plain):
        return True
    if said is None and more and _NO_MORE.search(plain) and "?" not in plain and " but " not in plain:
        return True
    # "No worries" may also answer an excuse, or a request to wait.
    return None if said and (no is False or (no is None and _MAY_BE_POLITE.search(plain))) else said
