"""Diversity of what customers ask for: how many requests there are once names, ids and values are masked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from heapq import nsmallest
from math import exp, log

from t2t_dist.core.identity import stable_hash
from t2t_dist.core.schema import Fact, Task
from t2t_dist.core.speech_acts import normalised

from .measures import Measure, share, unmeasured

_COMMONEST = 50
#: Requests of which self-BLEU is taken; words and pairs are counted over these, too.
_SAMPLE = 1000
_LONGEST = 4
_SPOKEN_FOR = re.compile(r"\S+@\S+|#?\w*\d[\w.,:/-]*")


def masked(text: str, facts: Sequence[Fact], names: Sequence[str] = ()) -> str:
    """A request in lower case, its values, names, numbers and ids each replaced by a mark."""
    plain = normalised(text)
    values = {normalised(value) for fact in facts for value in (fact.text, *fact.says)} | {*map(normalised, names)}
    for value in sorted(filter(None, values), key=lambda value: (-len(value), value)):
        if value in plain:
            plain = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "_", plain)
    return " ".join(_SPOKEN_FOR.sub("_", plain).split())


def requests_of(task: Task) -> list[str]:
    """The masked requests of a task, those of changes of mind last."""
    user = task.user
    names = [user.name, *user.name.split()]
    found = [masked(goal.request, [*goal.facts, *user.identity], names) for goal in user.goals]
    facts = [fact for goal in user.goals for fact in goal.facts]
    for change in user.changes:
        facts = [*change.facts, *facts]
        found.append(masked(change.request, [*facts, *user.identity], names))
    return found


class Diversity:
    """Counts of masked requests, and of tasks that are alike but for values."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._requests: Counter[str] = Counter()
        self._alike: set[str] = set()
        self._tasks = self._repeated = 0
        self._examples: list[str] = []

    def add(self, task: Task) -> None:
        requests = requests_of(task)
        self._requests.update(requests)
        gold = [(call.name, call.kind, sorted(call.arguments)) for call in task.grader.gold]
        key = stable_hash(task.intent, requests, gold, task.grader.rule)
        self._tasks += 1
        if key in self._alike:
            self._repeated += 1
            if len(self._examples) < 3:
                self._examples.append(f"{task.task_id}: {' / '.join(requests)}")
        self._alike.add(key)

    def measures(self) -> Iterator[Measure]:
        total = self._requests.total()
        if not total:
            for name in ("requests", "common_requests", "distinct_words", "self_bleu", "repeated_tasks"):
                yield unmeasured(name, "there are no requests")
            return
        common = self._requests.most_common(_COMMONEST)
        examples = tuple(f"{n} x {request}" for request, n in common[:3])
        yield Measure("requests", value=float(len(self._requests)), n=total, examples=examples)
        yield share("common_requests", "", "all", sum(n for _, n in common), total)
        sample = self._sample()
        for size in (1, 2, 3):
            grams = [gram for words in sample for gram in _grams(words, size)]
            if grams:
                yield Measure("distinct_words", f"{size}", value=len(set(grams)) / len(grams), n=len(grams))
        if len(sample) > 1:
            yield Measure("self_bleu", value=self_bleu(sample), n=len(sample))
        else:
            yield unmeasured("self_bleu", "there is one request only")
        yield share("repeated_tasks", "", "all", self._repeated, self._tasks, examples=self._examples)

    def _sample(self) -> list[list[str]]:
        """Requests as words, each as often as it occurs; of many, those with the smallest hashes."""
        every = ((request, number) for request, n in self._requests.items() for number in range(n))
        return [one.split() for one, _ in nsmallest(_SAMPLE, every, key=lambda one: stable_hash(self._seed, *one))]


def _grams(words: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    return (tuple(words[start : start + size]) for start in range(len(words) - size + 1))


def self_bleu(texts: Sequence[Sequence[str]]) -> float:
    """The mean BLEU of each text against all others (Zhu et al. 2018), with one added to the counts of pairs and more.

    Linear in the texts: of each gram the two texts that have it most often are kept, so that the one which is compared
    can be left out.
    """
    most: list[dict[tuple[str, ...], tuple[int, int, int]]] = [{} for _ in range(_LONGEST)]
    counts = [[Counter(_grams(words, size + 1)) for size in range(_LONGEST)] for words in texts]
    for number, by_size in enumerate(counts):
        for size, grams in enumerate(by_size):
            for gram, n in grams.items():
                first, whose, second = most[size].get(gram, (0, -1, 0))
                if n > first:
                    most[size][gram] = (n, number, first)
                elif n > second:
                    most[size][gram] = (first, whose, n)
    lengths = Counter(map(len, texts))
    return sum(_bleu(number, by_size, most, lengths) for number, by_size in enumerate(counts)) / len(texts)


def _bleu(
    number: int,
    counts: Sequence[Counter[tuple[str, ...]]],
    most: Sequence[dict[tuple[str, ...], tuple[int, int, int]]],
    lengths: Counter[int],
) -> float:
    """BLEU of one text against the others. ``most``: by gram, its largest count, whose it is, and the next largest."""
    logs = []
    for size, grams in enumerate(counts):
        matched = 0
        for gram, n in grams.items():
            first, whose, second = most[size][gram]
            matched += min(n, second if whose == number else first)
        smooth = 1 if size else 0
        total = grams.total() + smooth
        if not total or not matched + smooth:
            return 0.0
        logs.append(log((matched + smooth) / total))
    length = counts[0].total()
    others = lengths - Counter([length])
    closest = min(others, key=lambda other: (abs(other - length), other))
    brevity = 1.0 if length >= closest else exp(1 - closest / length)
    return brevity * exp(sum(logs) / len(logs))
