"""How many ways tasks and scripted customers have of putting things. Prints one JSON object.

    python -m benchmarks.wordings [--quick] [--tasks 1000] [--domain retail --domain airline ...]

Values are masked ("cancel <order_id>"), so that only the wording counts. "requests" are those of the verified tasks as
wholes, "sentences" the sentences that they consist of, "changes" what customers say when they change their mind; all:
how many, distinct: how many different ones, commonest: the share that the 50 commonest cover. "fewest_requests": the
kind of request with the fewest wordings, for the persona that has fewest, among so many draws; "fewest_acts": the same
for what scripted customers say later.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from benchmarks.material import converted, explored
from t2t_dist.core.schema import INTENTS, Fact, Task
from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from t2t_dist.environments.language import placeholders
from t2t_dist.environments.registry import BUILT_IN
from t2t_dist.simulation.scripted.phrases import STYLES, user_acts
from t2t_dist.synthesis.asking import asked

COMMONEST, DRAWS = 50, 200
_SENTENCE = re.compile(r"(?<=[.?!])\s+")


def masked(text: str, facts: Iterable[Fact]) -> str:
    """The text with the values of the facts replaced by their slots."""
    values = {value.lower(): fact.slot for fact in facts for value in (fact.text, *fact.says) if value}
    if not values:
        return text
    alternatives = "|".join(re.escape(value) for value in sorted(values, key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{alternatives})(?!\w)", lambda found: f"<{values[found[0].lower()]}>", text, flags=re.I)


def requests(tasks: Iterable[Task]) -> list[str]:
    """The masked requests of tasks."""
    return [masked(goal.request, goal.facts) for task in tasks for goal in task.user.goals]


def changes(tasks: Iterable[Task]) -> list[str]:
    """What the tasks' customers say instead, masked."""
    return [masked(change.request, change.facts) for task in tasks for change in task.user.changes]


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


def wordings(domain: Domain) -> Iterator[tuple[int, str, str]]:
    """The number of wordings, the kind of request and the persona."""
    language, rng = domain.language, random.Random(0)
    for name, words in language.tools.items():
        slots = {slot for text in words.request for slot in placeholders(text)}
        facts = [Fact(slot=slot, label=slot, text=f"<{slot}>", says=[slot], answer="") for slot in sorted(slots)]
        for style in STYLES if words.request else ():
            yield len({asked(language, name, facts, style, rng) for _ in range(DRAWS)}), name, style


def measured(domain: Domain, count: int) -> dict[str, Any]:
    tasks = made(domain, count)
    whole = requests(tasks)
    fewest, name, style = min(wordings(domain))
    return {
        "tasks": len(tasks),
        "requests": spread(whole),
        "sentences": spread([part for text in whole for part in _SENTENCE.split(text)]),
        "changes": spread(changes(tasks)),
        "by_intent": {intent: spread(requests(t for t in tasks if t.intent == intent)) for intent in INTENTS},
        "fewest_requests": {"wordings": fewest, "of": name, "persona": style},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the tasks, which have other shares")
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--domain", action="append", help="default: all that are built in")
    given = parser.parse_args()
    count = given.tasks // 10 if given.quick else given.tasks
    found = {name: measured(registry.load(name), count) for name in given.domain or BUILT_IN}
    fewest, act, style = min((len(texts), act, style) for style in STYLES for act, texts in user_acts(style).items())
    acts = {"wordings": fewest, "of": act, "persona": style}
    print(json.dumps({"domains": found, "fewest_acts": acts}))


if __name__ == "__main__":
    main()
