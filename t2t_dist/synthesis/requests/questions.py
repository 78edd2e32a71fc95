"""Questions about a customer's records, or about what is done for them, whose answer stands in no single result: how
many, or how much in all.

A domain says what its customers ask, each question with its value as an expression (``questions`` of its words).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice, permutations
from typing import Any, NamedTuple

from t2t_dist.core.schema import Twin
from t2t_dist.environments.base import Domain
from t2t_dist.environments.language import QuestionWords
from t2t_dist.environments.tools import Call

from . import language as lang
from . import outcomes
from .evaluate import NoMeaning, is_number, meaning_of, records_of
from .shown import Shown, Universe, first_look, look_at, values_at
from .twins import Edits, as_json, doubled, first_world, place_of, record_changes, set_at, world_before

#: The slot of a twin in which the answer to a question is another.
ANSWER = "answer"
#: Worlds that are tried until the answer is another; and of these, with one record as another is.
_MOST_TRIED, _MOST_DOUBLED = 40, 20
#: How often a question about the results of what was done comes before those about records.
_ABOUT_RESULTS = 0.75


class Question(NamedTuple):
    """A question that a customer may ask: its expression, and its words."""

    request: lang.Tell
    words: QuestionWords


class Asked(NamedTuple):
    """A question in one customer's words, with its answer as it is said, and the look-ups that it takes."""

    question: Question
    text: str
    answer: str
    look_ups: list[Call]


def questions_of(domain: Domain) -> Mapping[str, Question]:
    """The questions of a domain by name. Raises ValueError: the value of one is no expression."""
    return _questions_of(domain.origin)


@lru_cache(maxsize=16)
def _questions_of(domain: Domain) -> Mapping[str, Question]:
    found: dict[str, Question] = {}
    for name, words in domain.language.questions.items():
        try:
            request = lang.read({"node": "tell", "value": words.value})
        except ValueError as error:
            raise ValueError(f"questions.{name}.value is no expression: {' '.join(str(error).split())}") from None
        if isinstance(request, lang.Tell):
            found[name] = Question(request, words)
    return found


def drawn(domain: Domain, customer: str, before: Sequence[Call], rng: random.Random) -> Asked | None:
    """A question whose answer, after the errands ``before``, has to be found out, and is another in some other world;
    ``None`` if there is none."""
    questions, world = list(questions_of(domain).values()), world_before(domain, before)
    universe = look_at(domain, world, customer) if questions else Universe(())
    drawn = rng.sample(questions, len(questions))
    if rng.random() < _ABOUT_RESULTS:
        drawn.sort(key=lambda question: not outcomes.parts_of(question.request))
    for question in drawn:
        try:
            meaning = meaning_of(domain, world, customer, question.request, universe, before)
        except NoMeaning:
            continue
        answer = meaning.facts[0]
        if is_question(domain, customer, universe, before, question, answer) and find_twin(
            domain, customer, 0, question.request, before
        ):
            text = rng.choice(question.words.ask)
            return Asked(question, text, answer_text(question.words, answer), meaning.look_ups)
    return None


def is_question(
    domain: Domain, customer: str, universe: Universe, done: Sequence[Call], question: Question, answer: Any
) -> bool:
    """Whether a question's answer, after these errands, has to be counted or worked out, and means one thing."""
    if not outcomes.parts_of(question.request):
        return _takes_counting(domain, customer, universe, question.request, answer)
    return (
        is_answer(answer)
        and outcomes.takes_working_out(domain, done, question.request, answer)
        and outcomes.is_clear(domain, done, question.words.unless)
    )


def is_answer(answer: Any) -> bool:
    """Whether an answer is a number that is not said of everything: more than one."""
    return is_number(answer) and answer > 1


def answer_text(words: QuestionWords, answer: float) -> str:
    """An answer as it is said: money with its cents."""
    if any("${value}" in text for text in words.say):
        return f"{answer:.2f}"
    return str(int(answer)) if float(answer).is_integer() else f"{answer:.2f}".rstrip("0")


def addends(domain: Domain, customer: str, universe: Universe, done: Sequence[Call], request: lang.Tell) -> list[float]:
    """The figures of records, or of the results of what is ``done``, of which an answer is the plain sum; else none."""
    match request.value:
        case lang.Total(of=records, field=path):
            found = records_of(domain, customer, universe, records)
            return [float(value) for one in found for value in values_at(one.record, path)]
        case lang.Sum(of=lang.Results()):
            return outcomes.figures_in(domain, done, request)
    return []


def _takes_counting(domain: Domain, customer: str, universe: Universe, request: lang.Tell, answer: Any) -> bool:
    """Whether the answer is a number that stands in no single record, and more than one."""
    if not is_answer(answer):
        return False
    match request.value:
        case lang.Total():
            return len(records_of(domain, customer, universe, request.value.of)) > 1
        case lang.Count():
            return len(records_of(domain, customer, universe, request.value.of.model_copy(update={"where": ()}))) > 1
    return True


def find_twin(domain: Domain, customer: str, goal: int, request: lang.Tell, before: Sequence[Call]) -> Twin | None:
    """A world in which the answer to a question, after the errands ``before``, is another: one record
    differs from the start."""
    worlds = twin_worlds(domain, customer, goal, request, before)
    return first_world(worlds, goal, domain, customer, request.model_dump_json(), as_json(before))


def twin_worlds(domain: Domain, customer: str, goal: int, request: lang.Tell, before: Sequence[Call]) -> Iterator[Twin]:
    """The worlds in which the answer to a question is another."""
    universe = first_look(domain, customer)
    try:
        answer = meaning_of(domain, world_before(domain, before), customer, request, done=before).facts[0]
        found = _edits(domain, customer, universe, request)
        if outcomes.parts_of(request):
            found = outcomes.edits(domain, universe, before)
        edits = list(islice(found, _MOST_TRIED))
    except NoMeaning:
        return
    for edit in edits:
        try:
            other = _answer_in(domain.variant(edit), customer, request, before)
        except Exception:
            continue  # as for descriptions: no world, or no answer there
        if other is not None and other[0] != answer:
            yield Twin(goal=goal, slot=ANSWER, records=record_changes(domain, edit), value=other[0], final=other[1])


def _answer_in(domain: Domain, customer: str, request: lang.Tell, before: Sequence[Call]) -> tuple[Any, str] | None:
    """The answer after these errands, and the state then; ``None`` where one of them is refused."""
    world = domain.world()
    if not all(domain.carry_out(world, call) for call in before):
        return None
    return meaning_of(domain, world, customer, request, done=before).facts[0], world.digest


def _edits(domain: Domain, customer: str, universe: Universe, request: lang.Tell) -> Iterator[Edits]:
    """One of the records that the question is about as another is; or with another value in a field that decides: one
    of a test, or one that is added up."""
    paths: list[tuple[lang.Records, str]] = []
    for node in lang.nodes(request):
        if isinstance(node, lang.Total):
            paths.append((node.of, node.field))
        elif isinstance(node, lang.Records):
            paths += [(node.model_copy(update={"where": ()}), test.field) for test in node.where]
    held = [(path, records_of(domain, customer, universe, records)) for records, path in paths]
    pairs = (pair for _, records in held for pair in permutations(records, 2))
    yield from islice((edits for one, other in pairs for edits in doubled(domain, one, other)), _MOST_DOUBLED)
    for path, records in held:
        for one in records:
            for value in _others(universe, one, path):
                place = place_of(domain, one)
                if place is not None and (edits := set_at(domain, place, path, value)) is not None:
                    yield edits


def _others(universe: Universe, one: Shown, path: str) -> list[Any]:
    """Other values for a field: a number that is greater, or what stands there in records of its kind."""
    own = values_at(one.record, path)
    if len(own) != 1:
        return []
    if isinstance(own[0], int | float) and not isinstance(own[0], bool):
        return [own[0] + 10]
    if isinstance(own[0], bool):
        return [not own[0]]
    seen = [value for other in universe.of(one.kind) for value in values_at(other.record, path)]
    return [value for value in dict.fromkeys(v for v in seen if isinstance(v, str)) if value != own[0]]
