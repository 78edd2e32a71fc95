"""What a domain's customers can describe, and what they lack words for: for ``t2t check-domain``."""

from __future__ import annotations

from collections.abc import Iterator

from t2t_dist.environments.base import Domain

from .kinds import identities
from .outcomes import parts_of
from .questions import questions_of
from .sequences import firsts_of
from .shown import first_look
from .twins import place_of

#: Customers whose records are looked at, and records of a type.
_CUSTOMERS, _RECORDS = 10, 40


def what_can_be_described(domain: Domain) -> list[str]:
    """What there is, and what is missing for more, each as a sentence without a full stop."""
    records, tools = domain.language.records, domain.language.tools
    fields = [(f"{kind}.{path}", words) for kind, record in records.items() for path, words in record.fields.items()]
    told = [name for name, words in fields if words.each or words.any or words.contains or words.named or words.above]
    ranked = [name for name, words in fields if words.most or words.least]
    results = [f"{name}.{tell.field}" for name, one in tools.items() for tell in one.tell if tell.above or tell.below]
    shown = [f"{kind}.{tell.field}" for kind, record in records.items() for tell in record.figures]
    asked = questions_of(domain)
    chosen = [f"{name}.{tell.field}" for name, one in tools.items() for tell in one.tell if tell.least or tell.most]
    found = {
        "customers describe records by": told,
        "they mean the first or the last, by": ranked,
        "they want something for several of": [kind for kind, record in records.items() if record.plural],
        "they want something for all parts of a record, by": [kind for kind, record in records.items() if record.all],
        "they mean a value by where it stands:": [name for name, words in fields if words.itself],
        "they mean what another record holds:": [name for name, words in fields if words.its],
        "they leave open which of several it is, for": [
            f"{kind} ({', '.join(choice.errands)})" for kind, record in records.items() for choice in record.choices
        ],
        "they make an errand depend on": [*results, *shown],
        "they add something to, or take a part back of": [name for name, words in tools.items() if words.part],
        "they want one of two errands, whichever has the less or the more of": chosen,
        "they allow, or want, something else first for": [first.words.errand for first in firsts_of(domain)],
        "they ask": [name for name, one in asked.items() if not parts_of(one.request)],
        "they ask about the results of what was done": [name for name, one in asked.items() if parts_of(one.request)],
    }
    said = [f"{what} {', '.join(dict.fromkeys(names))}" for what, names in found.items() if names]
    if not said:
        said.append("customers name all that they want")
    if missing := sorted(set(_without_words(domain))):
        said.append(f"with words under 'records' of language.yaml they could describe {', '.join(missing)}")
    if nowhere := _without_twins(domain):
        said.append(
            f"no task is made of the words for {', '.join(nowhere)}: the database holds no records under their ids, so "
            "there is no twin world in which the words mean another"
        )
    return said


def _without_twins(domain: Domain) -> list[str]:
    """The types of records with words of which look-ups show some, and the database has none."""
    found = []
    for kind in domain.language.records:
        shown = [one for customer in domain.callers[:_CUSTOMERS] for one in first_look(domain, customer).of(kind)]
        if shown and not any(place_of(domain, one) for one in shown[:_RECORDS]):
            found.append(kind)
    return found


def _without_words(domain: Domain) -> Iterator[str]:
    """The types of records that errands are about and results show, of which nobody can speak."""
    for errand in domain.errands:
        for spec in errand.parameters.values():
            name = spec.item.name if spec.kind == "list" else spec.name
            kinds = identities(domain).get(name, {})
            if kinds and name != domain.customer_type and not any(kind in domain.language.records for kind in kinds):
                yield next(iter(kinds))
