"""Questions in a model's words, and texts beside the requests: why a customer writes, what they know."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from t2t_dist.core.schema import Fact
from t2t_dist.core.text_match import spelled
from t2t_dist.environments.base import Domain
from t2t_dist.environments.language import QuestionWords
from t2t_dist.environments.variants import all_variants

from . import language as lang
from .domain_words import NOT, errand_words, lexicon_of
from .free_words import Asked, Limit, NotCarried, bounded
from .senses import ENDS, NUMBER, NUMBERS, STOPS, Lexicon, common, filler, spoken_date, stem, tokens
from .shown import Universe


def check_question(domain: Domain, universe: Universe, text: str, request: lang.Tell, known: QuestionWords) -> None:
    """Proves that a text asks the question that a domain has these words for. Raises NotCarried."""
    words, lexicon = tokens(bounded(text)), lexicon_of(domain, universe)
    marks = lexicon.marks(words)
    asks = [tokens(one) for one in all_variants(known.ask)]
    seen = [_question_parts(one) for one in asks]
    needed, allowed = frozenset.intersection(*seen), frozenset.union(*seen)
    here = _question_parts(words)
    sort = "counts" if isinstance(request.value, lang.Count) else "totals"
    if not any(mark.of(sort) for mark in marks):
        what = "how many they are" if sort == "counts" else "what they come to in all"
        raise NotCarried("question_differs", f"it does not ask {what}")
    if sort == "counts" and any(mark.of("totals") for mark in marks if not mark.of("counts")):
        raise NotCarried("question_differs", "it asks for a sum")
    is_counted = any(mark.of("counts") for one in asks for mark in common().marks(one))
    if sort == "totals" and not is_counted and any(mark.of("counts") for mark in marks):
        raise NotCarried("question_differs", "it asks how many they are")
    if missing := needed - here:
        raise NotCarried("part_dropped", f"it does not say: {', '.join(sorted(missing))}")
    if added := here - allowed:
        raise NotCarried("part_added", f"it says more than the question: {', '.join(sorted(added))}")
    own = {stem(word) for one in asks for word in one}
    holding = {at: mark for mark in marks for at in range(mark.start, mark.end)}
    asking = {at for mark in common().marks(words) if mark.of("questions") for at in range(mark.start, mark.end)}
    for at, word in enumerate(words):
        mark = holding.get(at)
        if at in asking:
            continue
        is_part = mark is not None and any(mark.of(sort) for sort in ("never", "rank", "exceptions", "value"))
        if is_part and mark is not None and not mark.of("idioms") and stem(word) not in own:
            raise NotCarried("part_added", f"'{word}' is not in the question")
        if mark is not None and (mark.of("conditions") or mark.of("leave")) and not mark.of("idioms"):
            raise NotCarried("condition_added", f"'{word}' is not in the question")
        covered = mark is not None and any(
            mark.of(s) for s in ("questions", "counts", "totals", "idioms", "quantifiers")
        )
        if word in NOT and not covered:
            raise NotCarried("negated", f"'{word}' may be the opposite of what is asked for")
        if NUMBER.fullmatch(word) or word in NUMBERS:
            raise NotCarried("number_added", f"'{word}' is no number of the question")
        if not covered and stem(word) not in own and word not in filler() and word not in STOPS | ENDS:
            raise NotCarried("word_unknown", f"what '{word}' means is not known")


def _question_parts(words: Sequence[str]) -> frozenset[str]:
    """What a question is about: groups of words that mean the same, and words that are in none."""
    found, covered = set[str](), set[int]()
    for mark in common().marks(words):
        groups = mark.of("questions")
        if groups or mark.of("counts") or mark.of("totals") or mark.of("idioms") or mark.of("quantifiers"):
            covered |= set(range(mark.start, mark.end))
        if groups and not mark.of("totals"):
            found.add(min(groups))
    return frozenset(found - {"come", "much", "money", "used"}) | {
        stem(word)
        for at, word in enumerate(words)
        if at not in covered and word.isalpha() and word not in filler() | NOT
    }


# -- texts beside the requests -----------------------------------------------------------------------------------------
def check_beside(
    domain: Domain,
    universe: Universe,
    text: str,
    facts: Sequence[Fact],
    errands: Sequence[Asked],
    limits: Sequence[Limit],
    questions: Sequence[str],
    numbers: Callable[[str], bool],
) -> None:
    """Proves that a text beside the requests (why they write, what they know) names no part that no request has.
    ``numbers``: whether a number in it is known. Raises NotCarried."""
    lexicon, stated = lexicon_of(domain, universe), Lexicon()
    for fact in facts:
        for said in (fact.text, fact.label, *fact.says, *map(spoken_date, fact.says)):
            stated.add(said, ("fact", fact.slot))
    for label in [*(words.label for words in domain.language.identity.values()), *questions]:
        stated.add(label, ("fact", label))
    words = tokens(bounded(text))
    allowed = {part for one in errands for thing in one.things.values() for part in (*thing.parts(), *thing.but)}
    deeds = {deed for one in errands for deed in errand_words(domain.origin, one.name).deeds}
    own = {stem(word) for question in questions for word in tokens(question)}
    own |= {word for one in errands for word in errand_words(domain.origin, one.name).stems}
    in_facts = {which for fact in facts for which in tokens(fact.text)}
    limited = {spelled(f"{limit.limit:g}") for limit in limits}
    holding = {at: mark for mark in lexicon.marks(words, stated.marks(words)) for at in range(mark.start, mark.end)}
    is_several = any(thing.quantity for one in errands for thing in one.things.values())
    for at, word in enumerate(words):
        mark = holding.get(at)
        if mark is not None and (mark.of("fact") or mark.of("idioms")):
            continue
        if mark is not None and (parts := [p for sort in ("rank", "test", "itself") for p in mark.of(sort)]):
            is_plain = words[mark.start : mark.end] in (["first"], ["last"]) and not (
                holding.get(mark.end) and holding[mark.end].of("noun")
            )
            if is_plain:
                continue  # "When you are first asked who you are"
            is_other = not allowed.intersection(parts) and not deeds.intersection(mark.of("deeds"))
            if is_other and not all(stem(w) in own or w in in_facts for w in words[mark.start : mark.end]):
                raise NotCarried("part_added", f"'{' '.join(words[mark.start : mark.end])}' is in no request")
        nouns = [one for place in range(at + 1, at + 5) if (one := holding.get(place)) is not None and one.of("noun")]
        if mark is not None and mark.of("quantifiers") and nouns and not (is_several or questions):
            raise NotCarried("quantity_added", f"'{word}' is in no request")
        if NUMBER.fullmatch(word) and spelled(word.lstrip("$").rstrip("%")) not in limited and not numbers(word):
            raise NotCarried("number_added", f"'{word}' is in no request")
