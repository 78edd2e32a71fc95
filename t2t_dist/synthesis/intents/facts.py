"""The facts a customer knows: about the arguments of a call, and about who they are."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from t2t_dist.core.schema import Fact
from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import World
from t2t_dist.environments.tidy import spoken_dates, tidy
from t2t_dist.environments.tools import Call

from ..tool_graph import graph_of


def facts_of(
    domain: Domain,
    world: World,
    call: Call,
    customer: str,
    withheld: Sequence[str],
    rng: random.Random,
    described: Mapping[str, str] = MappingProxyType({}),
) -> list[Fact]:
    """What the customer knows about a call's arguments, slot by slot. ``described``: those that they say in other words
    than by their value."""
    facts = []
    for slot in call.arguments:
        said = domain.describe(world, call, slot, customer)
        words, text, says = domain.language.slot(call.name, slot), said.own or said.text, list(said.says)
        if slot in described:
            text, says = described[slot], [described[slot]]
        facts.append(
            Fact(
                slot=slot,
                label=words.label,
                text=text,
                says=says,
                answer=tidy(rng.choice(words.answer or ["{value}"]).format(value=text)),
                # A slot that needs no words (whose account it is) answers no question.
                cues=(list(words.cues) or [words.label]) if says else [],
                stated=slot not in withheld,
                described=slot in described or None,
            )
        )
    return facts


def described_in(facts: Sequence[Fact]) -> list[str]:
    """What is described in a request."""
    return [fact.text for fact in facts if fact.described and fact.stated]


def said(domain: Domain, world: World, call: Call, slot: str, customer: str) -> tuple[str, ...] | None:
    """The words that state an argument, ``None`` where the call leaves it out."""
    return domain.describe(world, call, slot, customer).says if slot in call.arguments else None


def identity_facts(domain: Domain, world: World, customer: str, entry: Call, rng: random.Random) -> list[Fact]:
    """What the customer can say about who they are: all that the gold's entry call takes, and no other way in.

    A customer whom the gold finds by name and zip code does not know their e-mail address.
    """
    profile = domain.profile(world, customer)
    tool = domain.tools[entry.name]
    needed = {spec.name for spec in tool.parameters.values()}
    others = [t for t in graph_of(domain).entry if t is not tool]
    facts = []
    for type_name, value in profile.facts.items():
        helps_other_way = any(type_name in t.consumes() for t in others) and type_name not in needed
        if helps_other_way and any(t.consumes() == {type_name} for t in others):
            continue
        words = domain.language.who(type_name)
        facts.append(
            Fact(
                slot=type_name,
                label=words.label,
                text=value,
                says=[value],
                answer=tidy(rng.choice(words.answer).format(value=spoken_dates(value))),
                cues=list(words.cues),
            )
        )
    return facts
