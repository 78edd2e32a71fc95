"""Verbs of customer service by what they do, in all their forms, and the tags that say so.

``tagged("i have cancelled it")`` is ``"i have cancelled~Cdn it"``: after the word stand the classes of the verb in
capital letters, then its forms in small ones. A word of no class stays as it is. The text is in lower case, so that
``"C" in tagged`` says whether a verb of the class stands in it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Change: what a company does to its records, its goods or a customer's money.
_CHANGE = """
    activate add adjust advance allocate alter amend append apply approve archive arrange attach authorise authorize
    backdate bill block book bump buy cancel cap change charge clear close combine complete confirm convert
    correct create credit cut deactivate debit decouple deduct defer delete detach disable disconnect dispatch
    divide double downgrade drop edit effect enable end enrol enroll enter erase exchange execute exempt
    expedite extend file fill finalise finalize fix flip fold free freeze get grant halt halve hit hold honor
    honour initiate insert install issue jot knock launch lengthen lift link liquidate lock log lower make mark
    merge migrate modify move nudge open opt order organise organize overwrite pair park patch pause pay place pop
    port postpone
    press process prolong purchase purge push put raise reactivate realign rearrange reassign rebill rebook
    recalculate recharge reconnect record recredit rectify redirect redo reduce refill refresh refund register
    reimburse reinstate reissue release relist reload relocate remit remove rename renew rent reopen reorder
    replace reprint request reroute reschedule rescind resend reserve reset reship resize restart restock
    restore resume retract return reverse revert revoke rotate save schedule scrap secure send set settle shift
    ship shorten skip slot sort split squeeze start stick stretch strike strip submit subscribe substitute
    subtract supersede suspend swap switch take terminate throw top transfer trim turn tweak unblock uncheck undo
    unfreeze unlink unlock unsubscribe unsuspend untick update upgrade validate vary void waive widen wipe
    withdraw zero
"""
#: Find out, say, prepare: nothing is changed by it.
_LOOK = """
    access advise analyse analyze answer apologise apologize appreciate ask assess assist assume assure
    authenticate await begin believe calculate check clarify come compare confirm consider consult continue
    count describe determine dig discover discuss draft examine expect explain explore fetch figure find follow
    gather give glance guarantee guess guide hang happen hear help hope identify imagine inquire inspect
    investigate keep know learn leave list listen locate look mention mind note notice outline peek prepare
    proceed promise provide pull quote read realise realize recall receive recheck recognise recognize recommend
    regret remain remember require research retrieve review run say scan search see share show sit speak spot
    stand start stay study suggest summarise summarize suppose talk tell think trace track try understand use
    verify view wait walk welcome work worry
"""
#: Pass a customer on to somebody else.
_PASS = """
    assign bring connect direct escalate fetch flip forward hand involve loop move pass patch put redirect refer
    relay reroute route send shift switch transfer
"""
#: Tell somebody something.
_TELL = """
    alert ask brief call chase contact drop email flag follow forward inform mail message notify pass phone ping
    post raise reach relay remind reply report respond revert ring shoot suggest talk tell text touch write
"""
_DECLINE = "decline deny disallow dismiss exclude forbid forfeit preclude prevent prohibit refuse reject veto withhold"
#: What a rule, a fare or a system does for somebody.
_PERMIT = """
    accept accommodate allow authorise authorize cover deal enable entitle extend give grant handle honor honour
    include make match offer permit provide qualify refund replace sell serve support take
"""
#: Do what was proposed.
_GO_ON = "commit complete confirm continue execute finalise finalize go proceed process submit"

CLASSES = {"C": _CHANGE, "L": _LOOK, "X": _PASS, "T": _TELL, "D": _DECLINE, "P": _PERMIT, "G": _GO_ON}

#: Past and participle where they are not made with -ed.
_IRREGULAR = {
    "begin": "began begun", "bring": "brought brought", "buy": "bought bought", "come": "came come",
    "cut": "cut cut",
    "deal": "dealt dealt", "dig": "dug dug", "find": "found found", "forbid": "forbade forbidden",
    "freeze": "froze frozen", "give": "gave given", "go": "went gone", "hang": "hung hung",
    "hear": "heard heard", "hold": "held held", "keep": "kept kept", "know": "knew known",
    "leave": "left left", "make": "made made", "pay": "paid paid", "put": "put put",
    "read": "read read", "redo": "redid redone", "reset": "reset reset", "ring": "rang rung", "run": "ran run",
    "say": "said said", "see": "saw seen", "sell": "sold sold", "send": "sent sent", "resend": "resent resent",
    "set": "set set", "shoot": "shot shot", "show": "showed shown", "sit": "sat sat", "speak": "spoke spoken",
    "split": "split split", "stand": "stood stood", "stick": "stuck stuck", "strike": "struck struck",
    "take": "took taken", "tell": "told told", "think": "thought thought", "throw": "threw thrown",
    "understand": "understood understood", "undo": "undid undone", "unfreeze": "unfroze unfrozen",
    "withdraw": "withdrew withdrawn", "withhold": "withheld withheld", "write": "wrote written",
    "overwrite": "overwrote overwritten",
}  # fmt: skip


def _forms(base: str) -> Iterator[tuple[str, str]]:
    """The verb's forms, each with its letter; where two spellings are in use (canceled, cancelled), both."""
    yield base, "b"
    stems = [base]
    if base.endswith("e") and not base.endswith("ee"):
        stems = [base[:-1]]
    elif base[-1] not in "aeiouwxy" and base[-2] in "aeiou" and base[-3] not in "aeiou":
        stems = [base, base + base[-1]]
    consonant_y = base.endswith("y") and base[-2] not in "aeiou"
    yield (base[:-1] + "ies" if consonant_y else base + "s"), "s"
    yield base + "es", "s"
    for stem in stems:
        yield stem + "ing", "g"
    if base in _IRREGULAR:
        past, participle = _IRREGULAR[base].split()
        yield past, "d"
        yield participle, "n"
        return
    for stem in [base[:-1] + "i"] if consonant_y else stems:
        yield stem + "ed", "d"
        yield stem + "ed", "n"


def _tags() -> dict[str, str]:
    classes: dict[str, set[str]] = {}
    forms: dict[str, set[str]] = {}
    for letter, verbs in CLASSES.items():
        for base in verbs.split():
            for word, form in _forms(base):
                classes.setdefault(word, set()).add(letter)
                forms.setdefault(word, set()).add(form)
    return {word: f"{word}~{''.join(sorted(classes[word]))}{''.join(sorted(forms[word]))}" for word in classes}


_TAGS = _tags()
_WORD = re.compile(r"[a-z]+")


def tagged(text: str) -> str:
    """The text with the classes and forms of its verbs."""
    return _WORD.sub(lambda match: _TAGS.get(match[0], match[0]), text)


def verb(classes: str, forms: str) -> str:
    """A pattern of a tagged verb of one of the classes in one of the forms."""
    return rf"[a-z]++~[A-Z]*[{classes}][A-Z]*[a-z]*[{forms}][a-z]*"


def any_of(*alternatives: str) -> re.Pattern[str]:
    """A pattern that finds any of the alternatives, each of which starts at the start of a word or of the text."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(alternatives)})")


def a_word_of(*alternatives: str) -> re.Pattern[str]:
    """A pattern that finds any of the alternatives as whole words."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(alternatives)})(?!\w)")
