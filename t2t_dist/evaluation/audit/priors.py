"""Priors of what customers keep back: a value, or a place among the candidates, that is right more often than chance.

An agent that never asks could learn it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import orjson

from t2t_dist.core.schema import GoldCall, Intent, Task
from t2t_dist.synthesis.grader_side import errands_in

from .measures import Measure, rate, share, unmeasured

#: A slot withheld in fewer tasks says nothing of what is usual.
_FEWEST = 20
_AMBIGUOUS: Intent = "ambiguous"


class Priors:
    """Counts over ambiguous tasks: the gold's values by tool and slot, in all and by customer; the gold's place."""

    def __init__(self) -> None:
        self._values: Counter[tuple[str, str, bytes]] = Counter()
        self._mine: defaultdict[str, Counter[tuple[str, str, bytes]]] = defaultdict(Counter)
        #: By tool and slot: the values that candidates have.
        self._possible: defaultdict[tuple[str, str], set[bytes]] = defaultdict(set)
        self._places: Counter[str] = Counter()
        self._chances = 0.0
        self._tasks = 0

    def add(self, task: Task) -> None:
        certificate = task.certificate
        if certificate is None or not certificate.candidates:
            return
        gold = _left_open(task)
        if gold is None:
            return
        for slot in certificate.withheld:
            key = gold.name, slot, _plain(gold.arguments.get(slot))
            self._values[key] += 1
            self._mine[task.customer][key] += 1
            self._possible[gold.name, slot].update(_plain(c.arguments.get(slot)) for c in certificate.candidates)
        finals = list(dict.fromkeys(candidate.final for candidate in certificate.candidates))
        if task.grader.final in finals:
            self._tasks += 1
            self._chances += 1 / len(finals)
            place = finals.index(task.grader.final)
            names = {"first": 0, "second": 1, "last": len(finals) - 1}
            self._places.update(name for name, where in names.items() if where == place)

    def score(self, task: Task, arguments: dict[str, Any]) -> float:
        """How often other customers meant these values of the slots that a task withholds."""
        certificate = task.certificate
        gold = _left_open(task)
        if certificate is None or gold is None:
            return 0.0
        keys = [(gold.name, slot, _plain(arguments.get(slot))) for slot in certificate.withheld]
        return float(sum(self._values[key] - self._mine[task.customer][key] for key in keys))

    def measures(self) -> Iterator[Measure]:
        if not self._values:
            why = "no task withholds anything"
            yield from (unmeasured("prior", why), unmeasured("place", why))
            return
        by_slot: defaultdict[tuple[str, str], Counter[bytes]] = defaultdict(Counter)
        for (tool, slot, value), n in self._values.items():
            by_slot[tool, slot][value] += n
        left = 0
        for (tool, slot), counts in sorted(by_slot.items()):
            if counts.total() < _FEWEST or len(self._possible[tool, slot]) < 2:
                left += 1
                continue
            ((value, most),) = counts.most_common(1)
            detail = f"{value.decode()[:60]}, of {len(self._possible[tool, slot])} values"
            yield rate("prior", f"{tool}.{slot}", _AMBIGUOUS, most, counts.total(), detail=detail)
        if left:
            why = f"{left} of {len(by_slot)} slots are not: withheld in fewer than {_FEWEST} tasks, or with one value"
            yield unmeasured("prior", why)
        for name in ("first", "second", "last"):
            found = share("place", name, _AMBIGUOUS, self._places[name], self._tasks)
            if found.value is not None:
                chance = self._chances / self._tasks
                found = found._replace(value=found.value - chance, detail=f"chance gives {chance:.3f}")
            yield found


def _left_open(task: Task) -> GoldCall | None:
    """What is done for the request that a task leaves open."""
    goal = task.certificate.parts.get(_AMBIGUOUS) if task.certificate else None
    return next((call for call in errands_in(task.grader) if call.goal == goal), None)


def _plain(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
