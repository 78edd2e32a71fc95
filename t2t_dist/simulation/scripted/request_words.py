"""The words of requests in plain English, for ``instructions.py``: verbs, leads, negations, places, "on" and "off".

Texts are in lower case with their short forms written out ("do not", "it is"). Repetitions are bounded or possessive,
so that no pattern is slow on long texts. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# -- verbs -------------------------------------------------------------------------------------------------------------
_TO_ON = "enable activate reenable reactivate connect reconnect allow permit unpause resume"
_TO_OFF = "disable deactivate disconnect stop quit kill exit close end cancel"
_KINDS = {
    "change": f"""
        {_TO_ON} {_TO_OFF}
        switch turn toggle set put flip restart reboot power reseat reinsert take remove insert change choose select
        push pull pop eject slide move shut cycle adjust reset restore modify swap get bring return pick unplug reload
        refresh install uninstall clear
    """,
    "look": """
        check look tell read see show describe verify confirm report view inspect examine glance peek recheck say
        review share
    """,
    # The way to something, or something else.
    "open": "open go use tap swipe press launch navigate head scroll click hit visit access enter drag",
    "do": "run start do try make perform give repeat conduct begin test measure",
    "keep": "keep leave stay remain",
    # Nothing happens on the device.
    "idle": """
        wait hold hang bear let worry ignore skip forget remember avoid refrain call send reply answer think note notice
    """,
}
#: Past and participle where they are not made with -ed.
_PAST = {
    "take": "took taken", "put": "put", "set": "set", "run": "ran", "do": "did done", "go": "went gone", "tell": "told",
    "get": "got gotten", "bring": "brought", "choose": "chose chosen", "see": "saw seen", "show": "showed shown",
    "make": "made", "leave": "left", "keep": "kept", "say": "said", "find": "found", "give": "gave given",
    "begin": "began begun", "hold": "held", "shut": "shut", "reset": "reset", "hit": "hit", "read": "read",
}  # fmt: skip


TO_ON, TO_OFF = frozenset(_TO_ON.split()), frozenset(_TO_OFF.split())


def _forms(base: str) -> Iterator[tuple[str, str]]:
    """The verb's forms, each "base", "ing", "past" or "third"."""
    yield base, "base"
    stem = base[:-1] if base.endswith("e") and not base.endswith("ee") else base
    for each in (stem, stem + stem[-1]):
        yield each + "ing", "ing"
        yield each + "ed", "past"
    yield base + "s", "third"
    yield base + "es", "third"
    for past in _PAST.get(base, "").split():
        yield past, "past"


#: Base of a verb -> what kind of thing it asks for.
KIND_OF = {base: kind for kind, bases in _KINDS.items() for base in bases.split()}
#: Form of a verb -> its base, and which forms that is.
VERBS: dict[str, tuple[str, set[str]]] = {}
for _base in KIND_OF:
    for _form, _name in _forms(_base):
        VERBS.setdefault(_form, (_base, set()))[1].add(_name)


def first_word(text: str) -> str:
    """The first word of a text; empty if it begins with none."""
    match = re.match(r"[\w-]+", text)
    return match[0] if match else ""


def is_verb(text: str) -> bool:
    """Whether a text begins with a verb in its base form."""
    verb = VERBS.get(first_word(text))
    return verb is not None and "base" in verb[1]


def has_verb(text: str, *forms: str) -> bool:
    """Whether a verb stands in the text in one of the forms, and can be in no other."""
    return any(word in VERBS and VERBS[word][1] <= set(forms) for word in re.findall(r"[\w-]+", text))


def any_word(words: Iterable[str]) -> re.Pattern[str]:
    """Any of the words as a whole, the longest first; three dots stand for up to four words."""
    each = [
        r"\W+(?:[\w'-]+\W+){0,4}?".join(re.escape(part.strip()) for part in word.split("..."))
        # "Turn on your phone's data" is not about the phone.
        + ("(?!')" if "..." in word else "")
        for word in sorted(set(words), key=len, reverse=True)
    ]
    return re.compile(rf"(?<!\w)(?:{'|'.join(each)})(?!\w)" if each else r"(?!)")


def _words(*alternatives: str) -> str:
    """A pattern of any of the alternatives."""
    return f"(?:{'|'.join(alternatives)})"


def _whole(*alternatives: str) -> re.Pattern[str]:
    """A pattern that finds any of the alternatives as whole words."""
    return re.compile(rf"\b{_words(*alternatives)}\b")


# -- one way to say what is said in many -------------------------------------------------------------------------------
QUOTES = re.compile(r"(?<!\w)'|'(?!\w)|\"")
_WOULD_BE_GOOD = _words(
    r"it would (?:really )?(?:help|be (?:\w+ )?(?:good|great|best|nice|helpful|useful|kind|easier))",
    r"(?:i|we) would (?:really )?(?:appreciate it|be grateful|be glad|be happy)",
    r"would it be (?:okay|possible|all right)",
)
_REWRITTEN = {
    r"\bon ?/ ?off\b": "on or off",
    r"\balways-on\b": "permanent",
    r"\b(?:as well as|along with|together with|plus|and also)\b|&": "and",
    r"\bboth\b (?!of\b)": "",
    r"\bdouble[- ]check": "check",
    r"\b(?:have|having|take|taking|give|giving) (?:it |that )?(?:a|another|one more) (?:\w+ )?"
    r"(?:look|peek|glance|check)\b": "look",
    r"\bstop using\b": "turn off",
    # Requests.
    r"\b(?:i|we)(?: would| will| must| have to| need to| want to| am going to)*+(?: like to| kindly)*+"
    r" (?:request|ask|suggest|recommend|advise|propose)(?: that)? you(?: to)?\b": "please",
    rf"\b{_WOULD_BE_GOOD} (?:me |us )?if you (?:could|would|can)?": "please ",
    r"\b(?:is there (?:any|a) (?:chance|way)|any chance|do you think)(?: that| if)? you (?:could|can|might|would)"
    r"(?: be able to)?\b": "please",
    r"\bi (?:will|am going to) (?:have|ask|need)\b": "i want",
    # "It is the VPN that I want off", "what should be off is the VPN".
    r"\bit is ((?:the|your) [\w ]{1,30}?) (?:that )?(?:i|we) (?:want|need)(?: to be)?"
    r" ((?:\w+ )?(?:on|off)\b)": r"please turn \1 \2",
    r"\bit is ((?:the|your) [\w ]{1,30}?) (?:that|which) (?=needs|should|must|has to)": r"\1 ",
    r"\bwhat ((?:needs to|should|must|has to) be (?:\w+ )?(?:on|off)) is ((?:the|your) [\w ]{1,30})$": r"\2 \1",
    # Conditions.
    r"\bif (?:so|yes|that is the case|it does|they are|that is so)\b": "if it is",
    r"\b(?:if not|otherwise|if (?:it|that) is not the case)\b": "if it is not",
    r"\b(check|see|know|verify|confirm|look|find out|say|test|sure|wonder|tell (?:me|us)) if\b": r"\1 whether",
    # What it is now, and what it is for, says nothing about what to do.
    r"\bfor (?!you\b|me\b|us\b)(?:the |your )?[\w-]+(?: [\w-]+){0,2} to (?:work|take|apply|be|come|go|get|start"
    r"|function|register|connect)\b": "",
    r"\bfrom (?:[\w'-]+ ){1,5}?(?=(?:back )?to\b)": "",
    r"\b(?:set|switched|turned|toggled) to (?=on\b|off\b)": "",
}  # fmt: skip
REWRITTEN = [(re.compile(pattern), to) for pattern, to in _REWRITTEN.items()]

# -- a sentence in clauses ---------------------------------------------------------------------------------------------
CONDITIONS = frozenset(("if", "unless", "in case"))
IN_TIME = frozenset(("when", "once", "after", "as soon as"))
ASIDES = frozenset((
    "so that", "because", "since", "before", "until", "till", "while", "instead of", "rather than", "without", "which",
    "who", "than", "although", "though", "even though",
))  # fmt: skip
_JOINING = _words(
    "and", "then", "or", "nor", "but", "so that", "so", "because", "since", "as soon as", "in case", "if", "unless",
    "whether", "when(?!ever)", "once(?! more| again)", "after(?!wards)", "before", "until", "till", "while",
    "instead of", "rather than", "without", "which", "who", "than", "even though", "although", "though",
)  # fmt: skip
JOINT = re.compile(rf"\s*(?:[;,()>\u2192|]|:(?!\d)|\.{{2,}}|\s-+\s)\s*|(?<!\S){_JOINING}(?!\S)")
TO = re.compile(r"\bto (?=[a-z])")
#: Words after which "to" does not say what for.
NO_PURPOSE = frozenset((
    "need", "needs", "want", "wants", "like", "have", "has", "had", "got", "you", "me", "us", "try", "sure", "how",
    "ready", "able", "going", "go", "is", "be", "ought", "remember", "forget", "best", "time", "ask", "step", "free",
    "next", "hesitate", "back", "set", "switch", "change", "it", "them", "over", "down", "and", "please", "careful",
    "switched", "changed", "turned", "moved", "move", "turn", "flip", "put", "connect", "connected", "return",
    "certain", "required", "happy", "willing", "possible", "happen",
))  # fmt: skip
BULLET = re.compile(r"^[ \t]*(?:[-+#>]+|\(?\d{1,2}[.)]|[a-z][.)])[ \t]+")

# -- the form of a request ---------------------------------------------------------------------------------------------
_ADVERBS = _words(
    "please", "kindly", "also", "just", "now", "quickly", "then", "maybe", "possibly", "perhaps", "first", "again",
    "simply", "go ahead and", "briefly", "next", "only", "be so kind as to", "be able to", "try to", "try and", "try",
    "finally", "once more", "really", "actually", "probably", "still", "to", "do me a favou?r and", "start by",
    "begin by", "quick", "manually", "temporarily", "carefully",
)  # fmt: skip
_ADVERB = rf"(?:{_ADVERBS} )*+"
_FILLERS = _words(
    "please", "kindly", "now", "next", "next up", "then", "first(?:ly)?", "second(?:ly)?", "third(?:ly)?", "finally",
    "last(?:ly)?", "at last", "also", "just", "simply", "only", "so", "okay", "great", "good", "perfect", "well",
    "all right", "alright", "right", "sure", "yes", "hi", "hello", "go ahead and", "again", "once more",
    "one more thing", "for now", "in that case", "afterwards", r"(?:step|option) \w+", "tip", "instead", "actually",
    "maybe", "perhaps",
    "and", "or", "but", "quickly", "that", "that said", "to start", "for a start", "as a (?:first|next) step",
    "at this point", "in addition", "additionally", "carefully", "still", "meanwhile", "sir", "madam", "too", "as well",
    "let us try this", r"\d+[.)]?", "proceed (?:to|and)", "manually", "temporarily", "briefly", "up",
)  # fmt: skip
_FILLER = re.compile(rf"(?:{_FILLERS} )*+")
_AUXILIARIES = r"(?:(?:will|would|do|just|now|still|also|really|first|then|might|may|am|must) )*+"
_ASKING = "need|want|like|ask|have|require|love|suggest|recommend|advise|propose|asking|kindly ask|urge|encourage"
_YOU_MAY = (
    "will|would(?= (?:need|have|want|like|just|also))|now|just|also|can|could|should|must|may|might|then|first|simply"
    "|please|probably|still|only|will have"
)
_STEP = (
    r"(?:the|your|a|our) (?:next|first|last|final|other|best|only|easiest|second|third)? ?"
    r"(?:step|thing|fix|solution|way|move)"
)
#: What stands before the verb of a request that is no imperative.
LEAD = re.compile(
    _words(
        rf"(?:(?:would|do) you )?mind {_ADVERB}",
        rf"(?:could|can|would|will) (?:you|we) {_ADVERB}",
        rf"could i (?:ask|have|get|trouble) you {_ADVERB}",
        rf"(?:i|we) {_AUXILIARIES}(?:{_ASKING}) (?:(?:for|that) )?you (?:could )?(?:to )?{_ADVERB}",
        rf"we {_AUXILIARIES}(?:need to|should|have to|can|could|must|ought to|want to) {_ADVERB}",
        rf"you (?:(?:{_YOU_MAY}) )*+(?:(?:have|need|want|ought|had better|are|try|going|get) )*+(?:to )?{_ADVERB}",
        rf"let us {_ADVERB}",
        r"(?:be sure|make sure|make certain|ensure|remember|do not (?:forget|hesitate)|never forget|feel free"
        r"|it is (?:best|time|important)|(?:it is )?time|all you (?:need|have) to do is|see to it) ?"
        rf"(?:that )?(?:you )?(?:could |can |would |have |please )?(?:to )?(?:and )?{_ADVERB}",
        rf"how about {_ADVERB}",
        rf"why (?:do|would|should) not (?:you|we) {_ADVERB}",
        rf"would you be (?:so kind as|able|willing) to {_ADVERB}",
        rf"(?:is it|would it be) possible (?:for you )?to {_ADVERB}",
        rf"are you able to {_ADVERB}",
        rf"have you (?:already |ever )?tried {_ADVERB}",
        rf"what i (?:need|want|would like) (?:you to do )?(?:now |next )?is (?:for you )?(?:to )?{_ADVERB}",
        rf"my (?:suggestion|advice|request) (?:is|would be) (?:for you )?(?:to )?{_ADVERB}",
        rf"{_STEP}(?: \w+){{0,4}} (?:is|would be) (?:for you )?(?:to )?{_ADVERB}",
        rf"is (?:(?:just|simply|for you|to) )+{_ADVERB}",
        rf"(?:i|we) (?:would |do )?(?:suggest|recommend) {_ADVERB}",
        rf"(?:try|start (?:off )?by|begin (?:by|with)) {_ADVERB}",
    )
)
#: "If you could restart it, that would be great."
IF_YOU_COULD = re.compile(rf"you (?:could|would|will|might|(?P<can>can)) {_ADVERB}")
#: "After turning it off", "once you have turned it off".
DONE_BEFORE = re.compile(rf"(?:you (?:have |are done )?)?{_ADVERB}(?P<verb>[\w-]+)")
#: What is to be so: "make sure that it is off".
SURE = re.compile(
    r"(?:make (?:absolutely |really |very )?(?:sure|certain)|be (?:sure|certain)|ensure|see (?:to it )?that"
    r"|it is (?:\w+ )?(?:important|vital|essential|necessary|crucial|key|best) that)\b ?(?:that )?"
)
WANTED = re.compile(
    r"(?:i|we|you)(?: would| will| do| just| really)*+ (?:need|want|like|prefer|have to have|rather have)\b"
    r"(?! (?:to (?!be|have)|you|me|us)\b)"
)
NEEDS = re.compile(
    r"(?P<subject>(?!(?:i|we|you|there)\b)[^,]{1,80}?) "
    r"(?:(?:should|must|needs?|has|have|ought|is|wants|requires)(?: to)?|will (?:need|have) to"
    r"|(?:is|are) (?:required|supposed|meant) to)(?: also| first| really| just| now)? "
    r"(?P<not>(?:not|never|no longer) )?(?:to )?(?P<be>be|get|go|stay|remain|have been|have)?\b"
)
#: What the agent expects to be so by now.
BY_NOW = re.compile(r"\b(?:should|must)(?: now| already| be back\b)|\b(?:now|already|by now)$")

# -- no request, or not now --------------------------------------------------------------------------------------------
#: The agent's own acts and offers.
OWN = re.compile(
    r"(?:(?:i|we)(?! (?:\w+ ){0,3}you\b)|(?:want|like|if you like)(?: for)? (?:me|us)|shall|should (?:i|we)|may i"
    r"|can i|could i|let me|allow me|would you like|do you want|would it|our|my)\b"
)
#: A clause with whose subject the verbs after an "and" go on: "I'd resume it and make sure ...".
GOES_ON = re.compile(r".*?\b(?:will|would|can|could|shall|may|might|should|going to|like to|want to|need to|let us)\b")
#: The agent speaks of itself: "confirm that I may go ahead" is no look at the device.
OF_ME = _whole(
    "(?:want|like|allow|okay|agree to) (?:me|us)",
    "for (?:me|us) to",
    "me to",
    "i",
    "we",
    "shall",
    "go ahead",
    "proceed",
)
PERSON = _whole("i", "we")
NOT = _whole("not", "never", "no longer", "no need")
_NO_TO = _words(
    r"do", r"you (?:do|will|would|should|must|need|can|may|shall)", r"we (?:do|will|would|should|must|need|can)",
    r"let us", r"please", r"i would", r"try", r"make sure", r"be sure", r"be careful", r"take care", r"better",
    r"it is", r"would", r"could", r"can", r"will",
)  # fmt: skip
_NEGATED = re.compile(
    r"(?:(?:please|just|so|now|but|and|also) )*+"
    rf"(?:{_NO_TO}(?: you)?(?: to)? not(?! (?:forget|hesitate|fail|neglect))|not|never(?! forget)|neither"
    r"|no need|there is no (?:need|reason)|no reason|it is (?:no longer|not) necessary|no|you (?:no longer|never)|avoid"
    r"|refrain|hold off|stop(?= \w+ing)|skip|ignore|forget about|wait|hold on|there is nothing)\b"
    r"(?P<rest>.*)",
    re.S,
)
_AFTER_NOT = re.compile(r"(?:(?:to|for you|need|have to|want|on|from|about|be|yet|worry|necessary|with) )*+")
NOT_YET = re.compile(
    r"\b(?:later(?! on)|tomorrow|tonight|next time|in (?:the )?future|in a (?:moment|minute|bit|while)|another time"
    r"|one day|someday)\b"
    r"|\byou (?:\w+ )?(?:arrive|land|travel|return|get (?:there|back|home)|come (?:back|home)|reach"
    r"|are (?:back|home|abroad|there|at))\b"
    r"|\bwe (?:are|have) (?:done|finished|through|all)\b|\byour (?:trip|flight|journey|holiday|travels)\b|^whenever\b"
)
#: Conditions that are only polite: "if you can".
POLITE = re.compile(
    r"you (?:can|could|would|like|want|wish|please)(?: to| please)?$"
    r"|you (?:do not mind|have (?:got )?(?:a|one|time)|are (?:able|ready|okay|willing))\b"
    r"|possible|(?:that|this|it) is (?:okay|fine|all right|alright|possible|not too much|easy)|at all possible|i may"
)
#: Conditions about what "it" is set to.
STATE_OF_IT = re.compile(
    r"(?:it|that|this|they)(?: (?:is|are|says|shows))?"
    r"(?: (?:not|already|still|currently|now|set|to|turned|switched|on|off|enabled|disabled|yet|to \w+))*"
)

# -- questions and mentions --------------------------------------------------------------------------------------------
ASKED = re.compile(
    r"(?:and |so |or |then |now )*+(?:is|are|was|were|do|does|did|has|have|had|can|could|what|which|how|whether|any)\b"
)
NOT_ABOUT_STATE = re.compile(
    r"(?:and |so )*+(?:why|when|where|who|how (?:long|often|many|much|do|can|to)"
    r"|what (?:happens|if|would|will|about|should|made)|do you know (?:how|where)"
    r"|(?:does|did|has|is) (?:that|this|it) (?:help\w*|work\w*|okay|fine|right|all right|correct|what)"
    r"|is there anything|can i|may i|would|should|have you (?:ever )?used)\b"
)
#: What a question about "it" asks of a device.
SHOWN = _whole(
    "on", "off", "enabled", "disabled", "active", "activated", "connected", "say", "says", "show", "shows", "see",
    "read", "reads", "display", "displays", "set", "selected", "status",
)  # fmt: skip
TAG = re.compile(
    r"(?:(?:is|are|was|were|did|do|does|has|have|had) (?:not )?(?:it|you|they|that)(?: not)?"
    r"|right|correct|yes|no|okay|true)\W*$"
)
#: What makes a clause a whole sentence, which needs nothing of the clause before.
FINITE = _whole(
    "is", "are", "am", "was", "were", "has", "have", "had", "does", "did", "do", "will", "would", "should", "might",
    "may", "can", "could", "must", "means?", "helps?", "works?", "shows?", "says?", "blocks?", "slows?", "needs?",
    "gets?", "keeps?", "lets?", "loads?", "stays?", "i", "we", "he", "she", "they", "there", "that", "this",
)  # fmt: skip
PRONOUN = re.compile(r"\b(?:it|that|this|them|these|those|they)\b(?! (?:way|time|step|point|case|works|helps))")
#: Verbs that ask for a look by themselves: "could you check?"
TO_CHECK = frozenset(("check", "verify", "look", "confirm", "see"))
_NO_OBJECT = _words(
    "on", "off", "back", "again", "now", "please", "thanks", "thank you", "me", "then", "(?:would|will|could|can) you",
    "in", "out", "it", "up", "down", "too", "right", "once", "more", "properly", "firmly", "there", "first",
    "completely", "fully", "for", "about", "around", "a", "few", r"\d+", "five", "ten", "fifteen", "twenty", "thirty",
    "seconds?", "minutes?", "moment", "least", "while", "at", "straight", "away", "immediately", "afterwards", "as",
    "well", "next", "carefully", "manually", "the", "your", "phone", "device", "settings", "menu",
)  # fmt: skip
_OBJECTLESS = re.compile(rf"(?:{_NO_OBJECT}\b\W*)*+$")
_NO_NOUN = r"(?!(?:on|off|it|in|to|for|and|back|again|out|at|from|now|please|with|by|is|are)\b)"
#: What a verb is about.
OBJECT = re.compile(
    r"(?:(?:on|off|back|down|up|out|again|over|right|all|to|completely) )*+"
    r"(?:(?:the|your|this|that|my|a|an|any|our|its) )*+"
    rf"(?P<noun>{_NO_NOUN}[\w'-]+(?: {_NO_NOUN}[\w'-]+){{0,2}})"
)

# -- on or off ---------------------------------------------------------------------------------------------------------
_WHERE = _words(
    "phone", "device", "handset", "smartphone", "mobile", "cell ?phone", "iphone", "android", "tablet", "line",
    "number", "account", "screen", "display", "side", "end", "page", "list", "top", "unit", "wi-?fi",
)  # fmt: skip
#: "Turn on the phone" is about the phone, "turn the VPN on the phone off" says only where it is.
_NO_PARTICLE = r"(?<!\bturn )(?<!\bswitch )(?<!\bpower )(?<!turning )(?<!switching )(?<!powering )(?<!back )"
_PLACE = re.compile(
    rf"{_NO_PARTICLE}\b(?:on|off|in|from|at)(?: (?:the|your|this|that|my|our|each|either|other|top of (?:the|your)))*+"
    rf"(?: (?!on\b|off\b|and\b)[\w-]+)?? {_WHERE}\b(?!'s?\b)"
    r"(?: (?:with|for) (?:the )?(?:number )?[\d-]{7,}| ending in \d+)?"
    r"|\bon (?:the )?[\d-]{7,}|\bon (?:ios|android|5g|4g|3g|lte|it|screen|top)\b"
    r"|\b(?:in|under|inside|within|from|via|through)(?: (?:the|your|its|that|this))*+(?: [\w-]+){0,3}?"
    r" (?:settings?|menu|section|page|tab|app|panel|cent(?:er|re))\b"
)
_BEFORE_ON = _words(
    "move", "go", "goes", "going", "later", "hold", "hang", "carry", "based", "depends?", "depending", "from now",
    "log", "sign", "read", "focus", "tap", "click", "press", "rely", "so", "hit", "works?", "effect", "check",
    r"info\w*", "follow", "hand", "pass",
)  # fmt: skip
#: "On" and "off" that are no direction.
_IDIOM = re.compile(
    rf"\b{_BEFORE_ON}\s+(?:up )?on\b|\bon (?:the other hand|its own|purpose|hold|time|demand|to)\b"
    r"|\b(?:hold|cut|log|sign|pay|drop)(?:s|ping)? off\b"
)
WAYS = _whole("on", r"off(?!-)")
_IS_ON = _whole("enabled", "activated", "active", "connected", "allowed", "enabling", "activating")
_IS_OFF = _whole("disabled", "deactivated", "inactive", "disconnected", "disabling", "deactivating")
#: "Put it into airplane mode", "take it out of airplane mode".
_INTO = re.compile(r"\b(?:put|set|place|switch|go|get|bring)\b[\w ']{0,40}\b(?:in|into) (?:the )?(?=\w)")
_OUT_OF = re.compile(r"\b(?:take|get|bring|come|switch|exit|move)\b[\w ']{0,40}\b(?:out of|off of)\b|\bexit\b")
_GOES_INTO = frozenset(("put", "place", "go", "get", "bring", "switch"))
_STATE = _whole("not", "is", "are", "be", "being", "keep", "leave", "let", "turned", "switched", "stay", "no longer")


def places_removed(text: str) -> str:
    """The text without where ("on your phone") and without the words in which "on" is no direction."""
    return " ".join(_IDIOM.sub(" ", _PLACE.sub(" ", text)).split())


def way_of(text: str, verb: str = "") -> str:
    """Which way something is to be switched, or is: "on", "off", or empty where the words name neither or both."""
    if verb in TO_ON or verb in TO_OFF:
        return "on" if verb in TO_ON else "off"
    found = {match[0] for match in WAYS.finditer(places_removed(text))}
    if _IS_ON.search(text):
        found.add("on")
    if _IS_OFF.search(text):
        found.add("off")
    if not found and _OUT_OF.search(text):
        found.add("off")
    elif not found and verb in _GOES_INTO and _INTO.search(text):
        found.add("on")
    return found.pop() if len(found) == 1 else ""


def way_removed(text: str) -> str:
    """What a clause says is on or off, without that."""
    text = WAYS.sub(" ", _IS_OFF.sub(" ", _IS_ON.sub(" ", places_removed(text))))
    return " ".join(_STATE.sub(" ", text).split())


def opposite(way: str) -> str:
    """The other way; empty stays empty."""
    return {"on": "off", "off": "on"}.get(way, "")


def unfilled(clause: str) -> str:
    """A clause without the words that lead up to it."""
    start = _FILLER.match(clause + " ")
    return clause[start.end() :] if start else clause


def after_negation(clause: str) -> str | None:
    """What a clause asks not to do; ``None`` if it denies nothing."""
    match = _NEGATED.match(clause)
    return None if match is None else _AFTER_NOT.sub("", match["rest"].strip(), count=1)


def stands_alone(rest: str) -> bool:
    """Whether what follows a verb names no object: "now, please"."""
    return _OBJECTLESS.match(rest.strip()) is not None


def is_state_of_it(condition: str) -> bool:
    """Whether a condition is about what "it" is set to: "it is not off already"."""
    return STATE_OF_IT.fullmatch(condition) is not None
