"""What customers get wrong about themselves at first: an e-mail address with a slip, a zip code, a date of birth.

The wrong value leads to nobody, by no way in; the right one, which they give when asked again, leads to the gold.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import date, timedelta

from t2t_dist.core.schema import Fact, GoldCall, Mistake, Task
from t2t_dist.core.text_match import mentions
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tidy import spoken_dates, tidy
from t2t_dist.environments.tools import Call

from ..intents.rejection import TaskRejected

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DIGITS = re.compile(r"\d{2,}")
_LETTERS = re.compile(r"[a-z]{3,}", re.I)
#: So many days every month has, and so many months a year.
_IN_EVERY_MONTH, _MONTHS = 28, 12
#: Wrong values tried for a fact.
_TRIES = 8


def drawn(domain: Domain, entry: Call, customer: str, rng: random.Random) -> tuple[str, str] | None:
    """A fact that the gold's way in takes, and a wrong value for it; ``None``: there is none that leads to nobody."""
    facts = domain.profile(domain.world(), customer).facts
    slots = [spec.name for spec in domain.tools[entry.name].parameters.values() if spec.name in facts]
    for slot in rng.sample(slots, len(slots)):
        for _ in range(_TRIES):
            wrong = _slip(facts[slot], rng)
            if (
                wrong
                and wrong != facts[slot]
                and not mentions(wrong, [facts[slot]])
                and _not_found(domain, facts | {slot: wrong}, slot)
            ):
                return slot, wrong
    return None


def worded(domain: Domain, slot: str, wrong: str, rng: random.Random) -> Mistake:
    """The mistake as the customer makes it."""
    answer = rng.choice(domain.language.who(slot).answer).format(value=spoken_dates(wrong))
    return Mistake(slot=slot, text=wrong, answer=tidy(answer))


def proved(domain: Domain, task: Task) -> list[GoldCall] | None:
    """The ways in with the wrong value, none of which finds anybody; ``None`` where the customer makes no mistake.

    Raises TaskRejected: the wrong value finds somebody, or the words do not give it.
    """
    mistake = task.user.mistake
    if mistake is None:
        return None
    facts = domain.profile(domain.world(), task.customer).facts
    entry = domain.tools[task.grader.gold[0].name]
    right = facts.get(mistake.slot)
    said: Fact | None = next((fact for fact in task.user.identity if fact.slot == mistake.slot), None)
    if right is None or said is None or mistake.slot not in entry.consumes():
        raise _wrong("the mistake is about nothing that the customer is found by")
    if not mentions(mistake.answer, [mistake.text]) or mentions(mistake.answer, [right]):
        raise _wrong(f"'{mistake.answer}' does not say {mistake.text} in place of {right}")
    calls = _not_found(domain, facts | {mistake.slot: mistake.text}, mistake.slot)
    if not calls:
        raise _wrong(f"with {mistake.text}, somebody is found")
    return calls


def _not_found(domain: Domain, facts: dict[str, str], slot: str) -> list[GoldCall]:
    """The ways in that take a fact, with these values; empty if one of them finds anybody."""
    made, world = [], domain.world()
    for tool in domain.entry_tools:
        if slot not in tool.consumes() or not tool.consumes() <= facts.keys():
            continue
        arguments = {name: facts[spec.name] for name, spec in tool.parameters.items() if spec.name in facts}
        result = domain.execute(world, Call(tool.name, arguments))
        if not result.error and (result.value or domain.identified(tool, result.value) is not None):
            return []
        made.append(GoldCall(name=tool.name, kind=tool.kind.value, arguments=arguments, result=result.content))
    return made


def _slip(value: str, rng: random.Random) -> str:
    """The value as somebody gives it who is not careful; empty where it holds nothing to get wrong."""
    if _DATE.fullmatch(value):
        return _other_day(value, rng)
    if "@" in value:
        name, _, host = value.partition("@")
        return f"{wrong}@{host}" if (wrong := _swapped(name, rng, _LETTERS)) else ""
    return _swapped(value, rng, _DIGITS)


def _other_day(value: str, rng: random.Random) -> str:
    """One part only is wrong: a digit of the day, or the month."""
    day = date.fromisoformat(value)
    days = [day + timedelta(days=step) for step in (-10, -2, -1, 1, 2, 10)]
    slips = [d for d in days if d.month == day.month and (d.day // 10 == day.day // 10 or d.day % 10 == day.day % 10)]
    if day.day <= _IN_EVERY_MONTH:
        slips += [day.replace(month=month) for month in (day.month - 1, day.month + 1) if 1 <= month <= _MONTHS]
    return rng.choice(slips).isoformat()


def _swapped(value: str, rng: random.Random, what: re.Pattern[str]) -> str:
    """Two neighbours of a run changed round; empty where all are alike."""
    places = list(_neighbours(value, what))
    if not places:
        return ""
    place = rng.choice(places)
    return value[:place] + value[place + 1] + value[place] + value[place + 2 :]


def _neighbours(value: str, what: re.Pattern[str]) -> Iterator[int]:
    for run in what.finditer(value):
        for place in range(run.start(), run.end() - 1):
            if value[place] != value[place + 1]:
                yield place


def _wrong(detail: str) -> TaskRejected:
    return TaskRejected("mistake_differs", detail)
