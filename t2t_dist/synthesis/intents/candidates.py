"""The candidates of a request: all calls that a customer who says this much, and no more, could mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from t2t_dist.core.schema import Candidate
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import after_valid
from t2t_dist.environments.tools import Call

from ..bindings import Binder, reachable_values
from .rejection import TaskRejected

#: With more candidates than this, a request is not ambiguous but says nothing.
MAX_CANDIDATES = 48
_MAX_TRIES = 400


def candidates_for(
    domain: Domain,
    customer: str,
    errands: Sequence[Call],
    number: int,
    withheld: Sequence[str],
    records: Sequence[Call] = (),
) -> list[Candidate]:
    """Every errand of the same name that agrees with what is stated, is valid, and leaves the other errands possible.

    ``records`` are what the task puts on record besides. Agreement is by what is *said*: a lamp in another order
    satisfies "the lamp" as well, and where a flight is left open but for its route, any flight on that route. At most
    :data:`MAX_CANDIDATES`, in the order of the customer's records.

    Raises:
        TaskRejected: a withheld slot needs no words, or there are too many candidates.
    """
    focal = errands[number]
    kind = domain.errand(focal.name)
    assert kind is not None
    world = domain.world()
    for call in errands[:number]:
        domain.carry_out(world, call)
    said = {slot: domain.describe(world, focal, slot, customer) for slot in focal.arguments}
    if any(not said[slot].says for slot in withheld):
        raise TaskRejected("no_ambiguity", "what says itself can't be withheld")

    def agrees(slot: str, value: Any, arguments: dict[str, Any]) -> bool:
        other = domain.describe(world, Call(kind.name, {**arguments, slot: value}), slot, customer)
        return other.rough == said[slot].rough if slot in withheld else other.says == said[slot].says

    lists = [slot for slot in withheld if isinstance(focal.arguments[slot], list)]
    sizes = {
        slot: len(value)
        for slot, value in focal.arguments.items()
        if isinstance(value, list) and (slot not in withheld or len(lists) > 1)
    }
    stated = {slot: [value] for slot, value in focal.arguments.items() if slot not in withheld}
    found: list[Candidate] = []
    for tries, arguments in enumerate(
        Binder(kind, reachable_values(domain, customer), extra=stated, accept=agrees, sizes=sizes).calls()
    ):
        if tries >= _MAX_TRIES:
            raise TaskRejected("too_open", f"more than {_MAX_TRIES} calls could be what the request means")
        call = Call(kind.name, arguments)
        after = after_valid(domain, world, call, customer)
        if after is None or not all(domain.carry_out(after, later) for later in (*errands[number + 1 :], *records)):
            continue
        clear = all(domain.describe(world, call, slot, customer).says == said[slot].says for slot in withheld)
        if len(found) == MAX_CANDIDATES:
            raise TaskRejected("too_open", f"more than {MAX_CANDIDATES} calls satisfy the request")
        found.append(Candidate(arguments=arguments, final=after.digest, after_clarification=clear))
    return found
