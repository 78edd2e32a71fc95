"""The audit of a run: is this data worth training on? Every group of measures over one pass of its tasks.

In memory are ids, counts, one sample of tasks, and a batch of rows; samples are drawn by hashes of ids, so that the
same run and seed give the same figures.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any

import orjson
import pyarrow.dataset as ds
from pydantic import ValidationError

from t2t_dist.config.settings import LimitsConfig
from t2t_dist.core.identity import stable_hash
from t2t_dist.core.prompts.render import agent_prompt
from t2t_dist.core.schema import Task
from t2t_dist.grading.knowledge import told_figures, unseen_figures
from t2t_dist.storage.partial_run import PartialRun
from t2t_dist.storage.rows import from_row, one_of, turn_of

from ..thresholds import ThresholdResult, failed_thresholds
from .coherence import Coherence
from .coverage import Coverage
from .diversity import Diversity
from .floors import Floors, not_rolled_out
from .limits import Limit, limit_on, verdicts
from .measures import MEASURES, Measure, rate, unmeasured
from .priors import Priors

#: Tasks that agents are rolled out on, evenly over the intents.
SAMPLE = 200
#: Passed episodes whose messages are read.
EPISODES = 1000
_SHOWN = 3


@dataclass
class Audit:
    """The figures of an audit with their verdicts; ``tasks`` were read, agents rolled out on ``sampled`` of them."""

    run: str
    tasks: int
    sampled: int
    episodes: int
    seed: int
    measures: list[Measure]
    given: tuple[Limit, ...] = ()
    #: What limits the reading of the run, one line each; and the first shard that could not be read, if any.
    notes: list[str] = field(default_factory=list)
    damaged: str = ""
    verdicts: list[ThresholdResult] = field(init=False)

    def __post_init__(self) -> None:
        order = list(MEASURES)
        self.measures.sort(key=lambda measure: order.index(measure.name))
        self.verdicts = verdicts(self.measures, self.given)

    @property
    def missed(self) -> list[str]:
        """The limits that are missed, each once."""
        return failed_thresholds(self.verdicts)

    @property
    def not_measured(self) -> list[Measure]:
        return [measure for measure in self.measures if measure.value is None]

    def limit(self, measure: Measure) -> Limit | None:
        return limit_on(measure, self.given)

    def misses(self, measure: Measure) -> bool:
        limit = self.limit(measure)
        return measure.value is not None and limit is not None and not limit.holds(measure)

    def missed_lines(self) -> Iterator[tuple[str, list[str]]]:
        """A line for each limit that is missed, and for each check or agent that misses it, with a few examples."""
        lines: dict[tuple[str, str], list[Measure]] = {}
        for measure in filter(self.misses, self.measures):
            limit = self.limit(measure)
            assert limit is not None
            # What has examples gets a line of its own; rules and tools are listed.
            lines.setdefault((limit.text, measure.about if measure.examples else ""), []).append(measure)
        for (text, _), measures in lines.items():
            listed = ", ".join(_listed(measure) for measure in measures)
            examples = [example for measure in measures for example in measure.examples]
            yield f"{text}: {listed}", examples[:_SHOWN]
        yield from ((f"{verdict.threshold}: {verdict.detail}", []) for verdict in self.verdicts if not verdict.intent)

    def plain(self) -> dict[str, Any]:
        """Ready for JSON."""
        rows = []
        for measure in self.measures:
            if measure.value is not None:
                limit = self.limit(measure)
                judged = {"limit": limit.text, "holds": limit.holds(measure)} if limit else {"limit": None}
                rows.append({**measure._asdict(), "examples": list(measure.examples), **judged})
        return {
            "run": self.run,
            "tasks": self.tasks,
            "sampled": self.sampled,
            "episodes": self.episodes,
            "seed": self.seed,
            "measures": rows,
            "not_measured": [{"what": measure.of, "why": measure.detail} for measure in self.not_measured],
            "missed": self.missed,
            "notes": self.notes,
        }


def _listed(measure: Measure) -> str:
    """A figure in a line that names its measure already."""
    detail = f" ({measure.detail})" if measure.examples and measure.detail else ""
    return f"{measure.of.partition('[')[2].rstrip(']')} {measure.shown}{detail}".strip()


def audit_run(
    reading: PartialRun,
    *,
    sample: int = SAMPLE,
    seed: int = 0,
    tasks: int | None = None,
    episodes: int = EPISODES,
    given: Sequence[Limit] = (),
) -> Audit:
    """Audit a run from its stored rows.

    Args:
        sample: tasks to roll agents out on, evenly over the intents.
        tasks: most tasks to read; default: all.
        episodes: most passed episodes to read.
        given: limits in place of the product's.
    """
    domain, source = reading.domain, reading.source
    priors, coherence, coverage = Priors(), Coherence(domain), Coverage(domain)
    diversity = Diversity(seed)
    read, kept = 0, []
    wanted, sampled = _chosen(source, sample, tasks, seed)
    for task in _tasks(source, wanted):
        read += 1
        priors.add(task)
        coherence.add(task)
        coverage.add(task)
        if task.twin_of is None:  # a twin has its original's words
            diversity.add(task)
        if task.task_id in sampled:
            kept.append(task)
    kept.sort(key=lambda task: stable_hash(seed, task.task_id))
    measures: list[Measure] = []
    if domain is None:
        measures += not_rolled_out("the domain can't be loaded")
    else:
        limits = reading.config.limits if reading.config is not None else LimitsConfig()
        measures += Floors(domain, limits, seed, priors.score).measures(kept)
    for group in (priors, coherence, coverage, diversity):
        measures += group.measures()
    heard, found = _told(reading, episodes, seed)
    measures += found
    runs = [reading] if source is None or source is reading else [reading, source]
    return Audit(
        run=reading.path,
        tasks=read,
        sampled=len(kept),
        episodes=heard,
        seed=seed,
        measures=measures,
        given=tuple(given),
        notes=[note for run in runs for note in (*run.notes, *run.unchecked)],
        damaged=next((run.damaged for run in runs if run.damaged), ""),
    )


def _chosen(source: PartialRun | None, sample: int, most: int | None, seed: int) -> tuple[set[str] | None, set[str]]:
    """Ids of the tasks to read (``None``: all) and of those to roll out, from a pass over ids."""
    by_intent: defaultdict[str, list[str]] = defaultdict(list)
    verified = ds.field("verdict") == "verified"
    for batch in source.batches("tasks", ["task_id", "intent"], verified) if source is not None else ():
        for row in batch.to_pylist():
            by_intent[row["intent"]].append(row["task_id"])

    def drawn(ids: Iterable[str], count: int) -> list[str]:
        return nsmallest(count, ids, key=lambda task_id: stable_hash(seed, task_id))

    total = sum(map(len, by_intent.values()))
    wanted = None
    if most is not None and total > most:
        wanted = set(drawn((one for ids in by_intent.values() for one in ids), most))
        by_intent = defaultdict(list, {intent: [i for i in ids if i in wanted] for intent, ids in by_intent.items()})
    # What an intent lacks goes to the others.
    sampled: set[str] = set()
    left = sorted(by_intent.values(), key=len)
    for number, ids in enumerate(left):
        sampled.update(drawn(ids, (sample - len(sampled)) // (len(left) - number)))
    return wanted, sampled


def _tasks(source: PartialRun | None, wanted: set[str] | None) -> Iterator[Task]:
    if source is None:
        return
    unreadable = 0
    for batch in source.batches("tasks", None, ds.field("verdict") == "verified"):
        for row in batch.to_pylist():
            if wanted is not None and row["task_id"] not in wanted:
                continue
            try:
                task = from_row(Task, row)
            except (ValidationError, orjson.JSONDecodeError):
                unreadable += 1
                continue
            yield task
    if unreadable:
        source.note(f"{unreadable} tasks can't be read")


def _told(reading: PartialRun, most: int, seed: int) -> tuple[int, list[Measure]]:
    """How many passed episodes were read, and the figures in them that the agent can't have known."""
    if reading.domain is None:
        return 0, [unmeasured("unseen_figures", "the domain can't be loaded")]
    passed = (ds.field("stage") == "rollout") & (ds.field("reward") >= 1.0)
    ids = (
        row["episode_id"] for batch in reading.batches("episodes", ["episode_id"], passed) for row in batch.to_pylist()
    )
    chosen = nsmallest(most, ids, key=lambda one: stable_hash(seed, one))
    if not chosen:
        return 0, [unmeasured("unseen_figures", "no episode passed")]
    before = agent_prompt(reading.domain)
    told, invented = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    examples: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    columns = ["episode_id", "agent", "intent", "turns"]
    for batch in reading.batches("episodes", columns, one_of("episode_id", sorted(chosen))):
        for number in range(batch.num_rows):
            (row,) = batch.slice(number, 1).to_pylist()
            key = row["agent"], row["intent"]
            turns = [turn_of(turn) for turn in row["turns"]]
            odd = [figure for figure in unseen_figures(turns, before) if not figure.in_call]
            told[key] += len(told_figures(turns))
            invented[key] += len(odd)
            room = max(0, _SHOWN - len(examples[key]))
            examples[key] += [
                f"{row['episode_id']}: {figure.what}: {turns[figure.turn].content}" for figure in odd[:room]
            ]
    rows = [
        rate("unseen_figures", *key, min(invented[key], count), count, examples=examples[key])
        for key, count in sorted(told.items())
        if count
    ]
    return len(chosen), rows or [unmeasured("unseen_figures", "no agent told a figure in a passed episode")]
