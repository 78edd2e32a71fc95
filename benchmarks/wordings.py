"""How many ways the template writer has of putting things. Prints one JSON object.

    python -m benchmarks.wordings [--tasks 1000] [--domains retail,airline,telecom]

Values are masked ("cancel <order_id>"), so that only the wording counts. For whole requests, for their single
sentences, and by intent: how many there are, how many are distinct, and the share of all that the 50 commonest cover.
"fewest": of all kinds of request (and acts of the scripted customer), the one with the fewest wordings, for the persona
that has fewest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from benchmarks.material import converted, explored
from t2t_dist.core.schema import INTENTS, Fact, Task
from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from t2t_dist.environments.registry import BUILT_IN

COMMONEST = 50
_SENTENCE = re.compile(r"(?<=[.?!])\s+")


def masked(text: str, facts: Iterable[Fact]) -> str:
    """The text with the values of the facts replaced by their slots."""
    values = {value: fact.slot for fact in facts for value in (fact.text, *fact.says)}
    for value in sorted(values, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", f"<{values[value]}>", text, flags=re.I)
    return text


def requests(tasks: Sequence[Task]) -> Iterator[tuple[str, str]]:
    """Intent and masked text of every request."""
    for task in tasks:
        for goal in task.user.goals:
            yield task.intent, masked(goal.request, goal.facts)


def spread(texts: Sequence[str]) -> dict[str, Any]:
    counted = Counter(texts)
    common = sum(count for _, count in counted.most_common(COMMONEST))
    return {"all": len(texts), "distinct": len(counted), "commonest": round(common / max(1, len(texts)), 3)}


def made(domain: Domain, count: int) -> list[Task]:
    """The first ``count`` verified tasks."""

    async def make() -> list[Task]:
        found: list[Task] = []
        for index in range(10 * count):
            trajectory = explored(domain, index)
            for intent in INTENTS if trajectory.verdict == "kept" else ():
                task = await converted(domain, trajectory, intent)
                found += [task] if task.verdict == "verified" else []
            if len(found) >= count:
                break
        return found[:count]

    return asyncio.run(make())


def measured(domain: Domain, count: int) -> dict[str, Any]:
    tasks = made(domain, count)
    by_intent = defaultdict(list)
    for intent, text in requests(tasks):
        by_intent[intent].append(text)
    whole = [text for texts in by_intent.values() for text in texts]
    return {
        "tasks": len(tasks),
        "requests": spread(whole),
        "sentences": spread([part for text in whole for part in _SENTENCE.split(text)]),
        "by_intent": {intent: spread(texts) for intent, texts in by_intent.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--domains", default=",".join(BUILT_IN))
    given = parser.parse_args()
    print(json.dumps({name: measured(registry.load(name), given.tasks) for name in given.domains.split(",")}, indent=1))


if __name__ == "__main__":
    main()
