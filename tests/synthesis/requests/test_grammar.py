"""The template's grammar: what it writes it reads as the same expression, and no two expressions share their words
where their values differ."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from t2t_dist.environments.base import Domain
from t2t_dist.environments.registry import load
from t2t_dist.environments.tools import Call
from t2t_dist.environments.variants import all_variants
from t2t_dist.synthesis.bindings import Binder, canonical_json, reachable_values
from t2t_dist.synthesis.requests import language as lang
from t2t_dist.synthesis.requests.check import within_of
from t2t_dist.synthesis.requests.conditions import said
from t2t_dist.synthesis.requests.describe import descriptions
from t2t_dist.synthesis.requests.evaluate import NoMeaning, records_of, value_of
from t2t_dist.synthesis.requests.kinds import identities, own_field
from t2t_dist.synthesis.requests.questions import questions_of
from t2t_dist.synthesis.requests.sets import sets_with
from t2t_dist.synthesis.requests.shown import first_look
from t2t_dist.synthesis.requests.words import (
    phrase,
    phrase_of_several,
    readings,
    readings_of_several,
    same_words,
)

CUSTOMERS, CALLS, WAYS = 12, 3, 3


@pytest.fixture(scope="module", params=["retail", "airline", "telecom"])
def domain(request: pytest.FixtureRequest) -> Domain:
    return load(request.param)


def described(domain: Domain, customer: str) -> Iterator[tuple[str, str, lang.Node]]:
    """Descriptions of arguments of calls that a customer may ask for, each with the errand and the argument's domain
    type."""
    values, universe = reachable_values(domain, customer), first_look(domain, customer)
    for name in [*(tool.name for tool in domain.tools if domain.errand(tool.name)), *domain.workflows]:
        errand = domain.errand(name)
        assert errand is not None
        for arguments in islice(Binder(errand, values).calls(), CALLS):
            for slot in arguments:
                spec = errand.parameters[slot]
                for node in descriptions(domain, customer, universe, Call(name, arguments), slot):
                    yield name, spec.item.name if spec.kind == "list" else spec.name, node


def value(domain: Domain, customer: str, node: Any) -> bytes | None:
    """What a description means, ``None`` where it means nothing."""
    try:
        return canonical_json(value_of(domain, domain.world(), customer, node, first_look(domain, customer)))
    except NoMeaning:
        return None


def test_a_description_is_read_as_the_expression_that_it_was_written_for(domain: Domain) -> None:
    rng, seen = random.Random(0), 0
    for customer in domain.customers(domain.base)[:CUSTOMERS]:
        universe, means = first_look(domain, customer), dict[tuple[str, str, str], bytes | None]()
        for errand, type_name, node in described(domain, customer):
            own = value(domain, customer, node)
            for text in {phrase(domain, node, rng) for _ in range(WAYS)}:
                within = within_of(node)
                found = readings(domain, universe, text, type_name, within, errand)
                assert any(same_words(one, node) for one in found), text
                for other in found:
                    # Words that may mean something else mean the same record, or make no task (check.py).
                    is_other = value(domain, customer, other) not in (own, None)
                    assert not (is_other and same_words(other, node)), text
                key = type_name, text, "" if within is None else str(lang.stored(within))
                assert means.setdefault(key, own) == own, f"'{text}' means two things"
                seen += 1
    assert seen > 20


def test_several_are_read_as_the_set_that_they_were_written_for(domain: Domain) -> None:
    rng, seen = random.Random(0), 0
    kinds = [kind for kind, words in domain.language.records.items() if words.plural]
    for customer in domain.customers(domain.base)[:CUSTOMERS]:
        universe, means = first_look(domain, customer), dict[str, set[str]]()
        for type_name, kind in [
            (name, kind) for kind in kinds for name, own in identities(domain).items() if kind in own
        ]:
            for one in universe.of(kind):
                for records in sets_with(domain, customer, universe, type_name, one.record[own_field(domain, kind)]):
                    members = records_of(domain, customer, universe, records)
                    ids = {str(member.record[own_field(domain, kind)]) for member in members}
                    text = phrase_of_several(domain, records, len(members), rng.random() < 0.5, rng)
                    found = readings_of_several(domain, universe, text, type_name)
                    assert any(same_words(other, records) for other in found), text
                    assert means.setdefault(text, ids) == ids, f"'{text}' means two sets"
                    seen += 1
    assert seen > 20 or not kinds


def test_no_two_conditions_have_the_same_words(domain: Domain) -> None:
    """Of the figures of one errand, or of one kind of record."""
    tells = [words.tell for words in domain.language.tools.values()]
    tells += [words.figures for words in domain.language.records.values()]
    for group in tells:
        means: dict[str, tuple[str, str, int]] = {}
        for tell in group:
            for relation, phrases in (("more", tell.above), ("less", tell.below)):
                for text in all_variants(phrases):
                    for limit in (5, 50, 500):
                        clause = text.format(value=said(tell, limit))
                        own = (tell.field, relation, limit)
                        assert means.setdefault(clause, own) == own, clause


def test_no_two_questions_have_the_same_words(domain: Domain) -> None:
    asked: dict[str, lang.Tell] = {}
    for question in questions_of(domain).values():
        for text in question.words.ask:
            assert asked.setdefault(text, question.request) == question.request, text
