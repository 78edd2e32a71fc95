"""Data of each page, as plain values for its template. Blocking: the server calls these functions in threads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import twin_id
from t2t_dist.core.schema import Task
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.base import Domain
from t2t_dist.storage.rows import PARTS, from_row

from .counts import Cell
from .episode import ROWS as ROWS
from .episode import Explanation, ShownEpisode, changed, diagnosed, reasons, show
from .evidence import drawing, evidence
from .index import MISSED, PASSED, TableIndex
from .query import Query
from .runs import Runs, ViewedRun
from .search import SearchResult, search

PAGE = 50


class NotThere(Exception):
    """Raised where nothing is stored under an address; the message names what was looked for."""


class Listing(NamedTuple):
    """One page of a list: ``rows`` by number, how many rows match the filters, and the search, if there was one."""

    rows: list[int]
    matching: int
    counts: dict[str, dict[str, int]]
    found: SearchResult | None


# -- lists -------------------------------------------------------------------------------------------------------------
def _listing(index: TableIndex, query: Query, extra: np.ndarray | None, count: int) -> Listing:
    mask = index.select(query.facets, count)
    counts = {}
    for facet in index.facets:
        others = index.select(query.facets, count, leave_out=facet) if facet in query.facets else mask
        counts[facet] = index.counts(facet, others if extra is None else others & extra)
    if extra is not None:
        mask &= extra
    chosen = ordered(index, mask, query.order)
    if query.text:
        found = search(index, chosen, query.text, start=query.start, most=PAGE)
        return Listing(found.rows, len(chosen), counts, found)
    start = PAGE * (query.page - 1)
    return Listing([int(row) for row in chosen[start : start + PAGE]], len(chosen), counts, None)


def ordered(index: TableIndex, mask: np.ndarray, order: str) -> np.ndarray:
    """The rows of a mask: in the order of writing, the newest first, or the longest first."""
    rows = np.flatnonzero(mask)
    if order == "newest":
        return rows[::-1]
    if order == "longest":
        return rows[np.argsort(-np.nan_to_num(index.figure("duration", len(mask))[rows]), kind="stable")]
    return rows


def _of_tasks(runs: Runs, run: ViewedRun, query: Query, verdict: str, count: int) -> np.ndarray | None:
    """Mask of the episodes of one task, or of tasks with this verdict; ``None`` where the query asks for neither."""
    mask: np.ndarray | None = None
    if query.task:
        mask = run.episodes.matching("task_id", [query.task], count)
    if verdict:
        chosen = _rejected(runs, run, count)
        chosen = chosen if verdict == "rejected" else ~chosen
        mask = chosen if mask is None else mask & chosen
    return mask


def _rejected(runs: Runs, run: ViewedRun, count: int) -> np.ndarray:
    """Mask of the episodes of rejected tasks."""
    tasks = runs.tasks_of(run).tasks
    known = (tasks.rows, count)
    if run.rejected is None or run.rejected[0] != known:  # a whole pass over the ids: once per state of a run
        rows = np.flatnonzero(tasks.select({"verdict": "rejected"}, tasks.rows))
        ids = tasks.text("task_id", tasks.rows).take(rows).to_pylist()
        run.rejected = known, run.episodes.matching("task_id", ids, count) if ids else np.zeros(count, bool)
    return run.rejected[1]


@dataclass
class EpisodeLine:
    """A row of the list of episodes."""

    episode_id: str
    task_id: str
    facets: dict[str, str]
    trial: int
    started: float
    duration: float


def episode_line(index: TableIndex, row: int) -> EpisodeLine:
    trial, started, duration = (float(index.figure(name, row + 1)[row]) for name in ("trial", "started", "duration"))
    return EpisodeLine(
        episode_id=index.string("episode_id", row),
        task_id=index.string("task_id", row),
        facets={name: index.value(name, row) for name in index.facets},
        trial=0 if np.isnan(trial) else int(trial),
        started=started,
        duration=duration,
    )


def split_verdict(query: Query) -> tuple[Query, str]:
    """The query without its verdict, and the verdict: it is the task's, not a facet of an episode's own row."""
    own = {name: value for name, value in query.facets.items() if name != "verdict"}
    return query.at(facets=own), query.facets.get("verdict", "")


def episodes(runs: Runs, run: ViewedRun, query: Query) -> dict[str, Any]:
    """The page of episodes and failures. ``query`` may have the facet ``verdict``."""
    count = run.episodes.rows
    own, verdict = split_verdict(query)
    lines = _listing(run.episodes, own, _of_tasks(runs, run, query, verdict, count), count)
    if runs.tasks_of(run).tasks.rows:
        others = run.episodes.select(own.facets, count)
        if (of_task := _of_tasks(runs, run, own, "", count)) is not None:
            others &= of_task
        rejected = int(np.count_nonzero(others & _rejected(runs, run, count)))
        both = {"verified": int(np.count_nonzero(others)) - rejected, "rejected": rejected}
        lines.counts["verdict"] = {name: n for name, n in both.items() if n}
    else:
        lines.counts["verdict"] = {}
    return {"lines": lines, "episodes": [episode_line(run.episodes, row) for row in lines.rows]}


def neighbours(runs: Runs, run: ViewedRun, query: Query, row: int) -> dict[str, Any]:
    """The episodes before and after one in the list it was opened from, and its place there."""
    count = run.episodes.rows
    own, verdict = split_verdict(query)
    mask = run.episodes.select(own.facets, count)
    extra = _of_tasks(runs, run, query, verdict, count)
    rows = ordered(run.episodes, mask if extra is None else mask & extra, query.order)
    place = np.flatnonzero(rows == row)
    if not len(place) or query.text:
        return {"before": None, "after": None, "place": 0, "total": len(rows)}
    at = int(place[0])

    def name(number: int) -> str | None:
        return run.episodes.string("episode_id", int(rows[number])) if 0 <= number < len(rows) else None

    return {"before": name(at - 1), "after": name(at + 1), "place": at + 1, "total": len(rows)}


@dataclass
class TaskLine:
    """A row of the list of tasks; ``results`` by agent, from every opened run with episodes on the task."""

    task_id: str
    customer: str
    facets: dict[str, str]
    request: str
    results: dict[str, Cell] = field(default_factory=dict)


def tasks(runs: Runs, run: ViewedRun, query: Query) -> dict[str, Any]:
    """The page of tasks."""
    index = run.tasks
    count = index.rows
    lines = _listing(index, query, None, count)
    shown = []
    for row, words in zip(lines.rows, index.some(lines.rows, ["user"]), strict=True):
        goals = (words.get("user") or {}).get("goals") or [{}]
        facets = {name: index.value(name, row) for name in index.facets}
        request = goals[0].get("request") or ""
        shown.append(TaskLine(index.string("task_id", row), index.string("customer", row), facets, request))
    results = results_of(runs, run, [line.task_id for line in shown])
    for line in shown:
        line.results = results.get(line.task_id, {})
    return {"lines": lines, "tasks": shown}


def results_of(runs: Runs, run: ViewedRun, ids: list[str]) -> dict[str, dict[str, Cell]]:
    """``{task: {agent: Cell}}`` over every opened run whose tasks are stored in ``run``."""
    sums: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0]))
    for other in runs if ids else ():
        index = other.episodes
        if runs.tasks_of(other) is not run or not index.rows:
            continue
        for row in np.flatnonzero(index.matching("task_id", ids, index.rows)):
            line = episode_line(index, int(row))
            if line.facets["stage"] == "rollout":
                cell = sums[line.task_id][line.facets["agent"]]
                result = line.facets["result"]
                cell[0] += result == PASSED
                cell[1] += result in (PASSED, MISSED)
                cell[2] += result not in (PASSED, MISSED)
    return {task: {agent: Cell(*cell) for agent, cell in sorted(by.items())} for task, by in sums.items()}


# -- one task, one episode ---------------------------------------------------------------------------------------------
class Rolled(NamedTuple):
    """An episode on a task, and the run it belongs to."""

    run: ViewedRun
    line: EpisodeLine

    @property
    def name(self) -> str:
        """Its name in an address: ``run/episode``."""
        return f"{self.run.name}/{self.line.episode_id}"


def episodes_on(runs: Runs, owner: ViewedRun, task_id: str) -> list[Rolled]:
    """All episodes on a task of ``owner``, run by run, agent by agent."""
    found = []
    for run in runs:
        index = run.episodes
        if runs.tasks_of(run) is owner and index.rows:
            for row in np.flatnonzero(index.matching("task_id", [task_id], index.rows)):
                found.append(Rolled(run, episode_line(index, int(row))))
    return sorted(found, key=lambda r: (r.run.name, r.line.facets["agent"], r.line.facets["stage"], r.line.trial))


def domain_for(run: ViewedRun, task: Task | None) -> Domain | str:
    """The domain of a task of a run, or why it can't be loaded."""
    try:
        return run.domain() if task is None else domain_of(run.domain(), task)
    except InputError as error:
        return str(error)


def task(runs: Runs, run: ViewedRun, task_id: str) -> dict[str, Any]:
    """A task with its certificate's evidence and the episodes on it."""
    row = run.tasks.find("task_id", task_id)
    if row is None:
        raise NotThere(f"task {task_id} is not among the rows read so far of {run.name}")
    stored = task_of_row(run.tasks.read(row), task_id)
    rolled = episodes_on(runs, run, task_id)
    by_agent: dict[tuple[str, str, str], list[Rolled]] = defaultdict(list)
    for each in rolled:
        by_agent[(each.run.name, each.line.facets["agent"], each.line.facets["stage"])].append(each)
    number = run.tasks.figure("index", run.tasks.rows)
    siblings = [
        (run.tasks.string("task_id", int(other)), run.tasks.value("intent", int(other)))
        for other in np.flatnonzero(number == number[row])
        if other != row
    ]
    proof = evidence(stored, domain_for(run, stored))
    pair = stored.twin_of or twin_id(stored.trajectory_id, stored.intent)
    return {
        "task": stored,
        "evidence": proof,
        "drawing": drawing(proof) if proof else None,
        "by_agent": dict(by_agent),
        "rolled": rolled,
        "siblings": [one for one in siblings if one[0] != pair],
        "pair": pair if run.tasks.find("task_id", pair) is not None else None,
        "own_world": [changed(one) for one in stored.world or ()],
        # Preselected: the first episode of the next agent.
        "chosen_second": next(
            (place for place, each in enumerate(rolled) if each.line.facets["agent"] != rolled[0].line.facets["agent"]),
            1,
        ),
    }


def task_of_row(row: dict[str, Any], task_id: str) -> Task:
    """The task in a row. Raises InputError: it holds none."""
    try:
        return from_row(Task, row)
    except ValueError as error:
        raise InputError(f"the row of {task_id} does not hold a task: {' '.join(str(error).split())[:200]}") from None


@dataclass
class EpisodePage:
    """The data of an episode's page."""

    run: ViewedRun
    row: dict[str, Any]
    task: Task | None
    task_run: ViewedRun
    shown: ShownEpisode
    passed: bool | None
    undecided: bool
    parts: list[tuple[str, float, bool]]
    diagnosis: list[Explanation]
    reasons: list[Explanation]
    notes: list[str]
    number: int


def episode(runs: Runs, run: ViewedRun, episode_id: str) -> EpisodePage:
    """Raises NotThere, InputError (its row can't be read)."""
    number = run.episodes.find("episode_id", episode_id)
    if number is None:
        raise NotThere(f"episode {episode_id} is not among the rows read so far of {run.name}")
    row, notes = run.episodes.read(number), []
    stored: Task | None = None
    try:
        stored = runs.task(run, row["task_id"])
        if stored is None and row["task_id"]:
            missing = runs.missing.get(run.name, f"task {row['task_id']} is not stored here")
            notes.append(f"{missing}: gold and certificate can't be shown")
    except InputError as error:
        notes.append(str(error))
    domain = domain_for(run, stored)
    shown = show(row, stored, domain)
    reward = row.get("reward")
    undecided = reward is not None and reward < 1.0 <= row["reward_high"]
    diagnosis: list[Explanation] = []
    if stored is not None and reward is not None and not isinstance(domain, str) and not shown.unreplayed:
        diagnosis = diagnosed(row, stored, domain)
    basis = {"ended", *(stored.grader.basis if stored else ())}
    parts = row.get("parts") or {}
    return EpisodePage(
        run=run,
        row=row,
        task=stored,
        task_run=runs.tasks_of(run),
        shown=shown,
        passed=None if reward is None or undecided else reward >= 1.0,
        undecided=undecided,
        parts=[(name, parts[name], name in basis) for name in PARTS if parts.get(name) is not None],
        diagnosis=diagnosis,
        reasons=reasons(row),
        notes=notes,
        number=number,
    )


def turn_text(page: EpisodePage, turn: int, part: str) -> str:
    """A turn's full text: ``content``, ``reasoning``, ``call-0`` (its arguments) or ``result-0``. Raises NotThere."""
    shown = next((each for each in page.shown.turns if each.number == turn), None)
    kind, _, number = part.partition("-")
    if shown is not None:
        if kind in ("content", "reasoning"):
            return getattr(shown.turn, kind) or ""
        if kind in ("call", "result") and number.isdecimal() and int(number) < len(shown.calls):
            call = shown.calls[int(number)]
            return call.raw if kind == "call" else call.result or ""
    raise NotThere(f"turn {turn} of this episode has no {part}")


def compared(runs: Runs, names: Mapping[str, str]) -> list[EpisodePage]:
    """The two episodes that an address names as ``run/episode``. Raises NotThere, InputError."""
    pages = []
    for side in ("a", "b"):
        name, _, episode_id = names.get(side, "").partition("/")
        run = runs.get(name)
        if run is None:
            raise NotThere(f"'{names.get(side, '')}' is no episode of an opened run; choose two on the page of a task")
        pages.append(episode(runs, run, episode_id))
    return pages
