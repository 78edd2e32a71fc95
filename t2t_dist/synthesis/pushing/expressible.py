"""What a domain's customers can claim and get wrong, and where notes can mislead: for ``t2t check-domain``."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from t2t_dist.environments.base import Domain
from t2t_dist.environments.rules import Enforced, Rule, Settled
from t2t_dist.environments.tools import Call

from ..normal_calls import in_order
from ..requests.kinds import record_types
from ..requests.shown import first_look
from . import mistakes
from .claims import Asked, lifts

#: Customers asked, calls looked at for each rule, and worlds tried for what has no words.
_CUSTOMERS, _CALLS, _WORLDS = 30, 2, 40


class _Field(NamedTuple):
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.name}"


def what_can_push(domain: Domain) -> list[str]:
    """What there is, and what is missing for more, each as a sentence without a full stop."""
    claimed, unworded = dict[str, list[int]](), dict[str, list[int]]()
    for rule in domain.rule_list:
        for field in sorted({str(one) for one in _lifting(domain, rule)}):
            kind, _, name = field.partition(".")
            worded = name in domain.language.claims.get(kind, {})
            (claimed if worded else unworded).setdefault(field, []).append(rule.number)
    said = [f"customers can claim {_listed(claimed)}" if claimed else "customers claim nothing of records"]
    if unworded:
        said.append(f"with words under 'claims' of language.yaml they could claim {_listed(unworded)}")
    wrong = facts_got_wrong(domain)
    said.append(f"they get wrong at first: {', '.join(wrong)}" if wrong else "nobody gets wrong who they are")
    notes = [f"{kind}.{field}" for kind, field in domain.language.notes.items()]
    said.append(
        f"notes that instruct stand in {', '.join(notes)}"
        if notes
        else "no note instructs the agent: 'notes' of language.yaml names no field"
    )
    return said


def _listed(fields: dict[str, list[int]]) -> str:
    return ", ".join(f"{field} ({', '.join(f'R{number}' for number in numbers)})" for field, numbers in fields.items())


def _lifting(domain: Domain, rule: Rule) -> Iterator[_Field]:
    """Fields of records that would lift the rule if they held something else, for the first calls that break it."""
    if rule.enforced is Enforced.BY_ABSENCE:
        return
    for customer, call in islice(_breaking(domain, rule), _CALLS):
        asked, shown = Asked(domain, customer, call, rule, [], None), first_look(domain, customer).by_kind
        worded = domain.language.claims
        # A summary has no place of its own.
        others = {
            kind: [name for name in fields if name not in worded.get(kind, {})]
            for kind, fields in record_types(domain).items()
            if kind in shown and not kind.endswith("Summary")
        }
        for lift in (*lifts(asked, worded, random.Random(0)), *lifts(asked, others, random.Random(0), _WORLDS)):
            yield _Field(lift.shown.kind, lift.field)


def _breaking(domain: Domain, rule: Rule) -> Iterator[tuple[str, Call]]:
    """One call of each customer that breaks the rule and no other."""
    world = domain.world()
    for customer in domain.callers[:_CUSTOMERS]:
        for proposed in rule.proposals(world, customer):
            call = in_order(domain, proposed)
            reasons = domain.breaches(world, call, customer)
            if [one.rule for one in reasons] == [rule] and not isinstance(reasons[0].reason, Settled):
                yield customer, call
                break


def facts_got_wrong(domain: Domain) -> list[str]:
    """The labels of the facts that some customer can get wrong without being taken for somebody else."""
    found, rng = set[str](), random.Random(0)
    for customer in domain.callers[:_CUSTOMERS]:
        for tool in domain.entry_tools:
            drawn = mistakes.drawn(domain, Call(tool.name, {}), customer, rng)
            if drawn is not None:
                found.add(domain.language.who(drawn[0]).label)
    return sorted(found)
