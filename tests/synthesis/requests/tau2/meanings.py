"""What the requests of tau2-bench's tasks, written by hand, come to in its own worlds, beside the golds of its tasks.

    python -m tests.synthesis.requests.tau2.meanings [retail airline]

Needs an installed tau2 (1.0.1). Prints what differs and one JSON object; exit code 1 if anything differs. A gold's
calls that raise are left out, as in tau2. Lists that name a set are compared as sets.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import Call, Kind
from t2t_dist.synthesis.requests import language as lang
from t2t_dist.synthesis.requests.evaluate import NoMeaning, meaning_of
from t2t_dist.synthesis.requests.shown import first_look

from . import airline, retail
from .words import Case

CASES: Mapping[str, Mapping[str, Case]] = {"retail": retail.TASKS, "airline": airline.TASKS}


def golds(name: str) -> dict[str, Any]:
    """tau2's criteria, by task."""
    from tau2.utils.utils import DATA_DIR

    tasks = json.loads((Path(DATA_DIR) / "tau2" / "domains" / name / "tasks.json").read_text("utf-8"))
    return {task["id"]: task["evaluation_criteria"] for task in tasks}


def writes(domain: Domain, criteria: Mapping[str, Any]) -> list[Call]:
    """The calls of a gold that change the world."""
    world, made = domain.world(), []
    for action in criteria["actions"] or ():
        call = Call(action["name"], action["arguments"])
        result = domain.execute(world, call)
        if domain.tools[call.name].kind is Kind.WRITE and not result.error:
            made.append(call)
    return made


def meant(domain: Domain, case: Case) -> tuple[list[Call], list[Any]]:
    """The calls and the answers of a customer's requests, each after those before it. Raises NoMeaning.

    They speak of what is there when they call: "my pending order" may not be pending any more at their second request.
    """
    world, calls, facts = domain.world(), list[Call](), list[Any]()
    shown = first_look(domain, case.customer)
    for request in case.requests:
        meaning = meaning_of(domain, world, case.customer, lang.read(lang.stored(request)), shown)
        calls, facts = [*calls, *meaning.calls], [*facts, *meaning.facts]
        for call in meaning.calls:
            domain.carry_out(world, call)
    return calls, facts


def alike(call: Call) -> str:
    """A call in a form that is equal where it does the same: items come in any order, each with the one it becomes;
    5 is 5.0."""
    arguments = json.loads(json.dumps(call.arguments), parse_float=_plain)
    items = arguments.pop("item_ids", None)
    if items is not None:
        arguments["pairs"] = sorted(zip(items, arguments.pop("new_item_ids", items), strict=True))
    return json.dumps([call.name, arguments], sort_keys=True)


def _plain(number: str) -> float:
    value = float(number)
    return int(value) if value.is_integer() else value


def told(wanted: Sequence[str], facts: Sequence[Any]) -> bool:
    """Whether each fact that tau2 looks for is among the answers, as it would find it in a message."""
    said = " | ".join(_texts(facts)).casefold()
    return all(fact.replace(",", "").casefold() in said for fact in wanted)


def _texts(facts: Any) -> Iterator[str]:
    for fact in facts:
        if isinstance(fact, list):
            yield from _texts(fact)
        elif isinstance(fact, float):
            yield f"{fact:.2f}" if f"{fact:g}".count(".") else f"{fact:g}"
        else:
            yield str(fact)


def main(names: Sequence[str]) -> int:
    logging.disable(logging.WARNING)
    found: dict[str, dict[str, int]] = {}
    for name in names:
        domain, criteria = registry.load(f"tau2:{name}"), golds(name)
        counts = found[name] = {"tasks": len(criteria), "compared": 0, "differ": 0, "calls": 0, "facts": 0}
        for key, case in CASES[name].items():
            gold, facts = writes(domain, criteria[key]), criteria[key].get("communicate_info") or []
            try:
                calls, answers = meant(domain, case)
            except NoMeaning as error:
                calls, answers = [], [f"no meaning: {error}"]
            same = sorted(map(alike, calls)) == sorted(map(alike, gold)) and told(facts, answers)
            counts["compared"] += 1
            counts["calls"] += len(gold)
            counts["facts"] += len(facts)
            if not same:
                counts["differ"] += 1
                print(f"{name} {key}\n  meant {calls} {answers}\n  gold  {gold} {facts}")
    print(json.dumps({"benchmark": "tau2_meanings", "domains": found}))
    return 1 if any(counts["differ"] for counts in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(CASES)))
