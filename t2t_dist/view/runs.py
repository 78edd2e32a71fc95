"""Runs in the viewer: their identity, what has been read of them so far, and what can't be shown and why.

One thread follows the runs (:meth:`ViewedRun.refresh`): it reads the ledger's new commits and indexes the shards they
name. Requests read what has been indexed by then. What a run lacks is no error here but a line under ``problems``.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from functools import cache, cached_property
from itertools import chain, count
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from pydantic import ValidationError

from t2t_dist.config.domain import load_domain
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError, StoreUnavailable
from t2t_dist.core.schema import Task
from t2t_dist.environments.base import Domain
from t2t_dist.storage.ledger import RunState, advance, read_state
from t2t_dist.storage.manifest import NAME as MANIFEST
from t2t_dist.storage.manifest import Manifest, check_is_run, read_manifest
from t2t_dist.storage.objects.base import resolved
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.rows import from_row
from t2t_dist.storage.shard import Shard
from t2t_dist.storage.status import STALE_S, cut_short, doubtful_end, read_status

from .index import EPISODE_COLUMNS, TASK_COLUMNS, episode_index, task_index

_SHOWN_PROBLEMS = 20


#: Loading a domain takes seconds and memory: runs of one domain share it, and concurrent requests load it once.
_loading = threading.Lock()


@cache
def _domain(name: str, seed: int, scale: float) -> Domain:
    return load_domain(Config(domain=name, domain_seed=seed, scale=scale))


class ViewedRun:
    """One run directory."""

    def __init__(self, path: str, name: str) -> None:
        """``name`` is its name in addresses. Raises InputError: there is no such directory, or it is no run."""
        self.storage, self.path, self.name = open_storage(path), resolved(path), name
        self.manifest: Manifest | None = None
        self._described: dict[str, Any] = {}
        self.state = RunState()
        self.episodes, self.tasks = episode_index(), task_index()
        self.lost_rows = 0
        self.status: dict[str, Any] | None = None
        #: Whether the ledger has been read once, and everything it names has been indexed.
        self.opened = self.complete = False
        #: Mask of the episodes of rejected tasks, cached for the sizes ``(tasks, episodes)`` of the two indexes.
        self.rejected: tuple[tuple[int, int], np.ndarray] | None = None
        self._waiting: list[Shard] = []
        self._seen: dict[str, int] = {}
        self._gone = 0
        self._problems: list[str] = []
        self._status_problem = ""
        self._ledger_broken = False
        self._domain: Domain | str | None = None
        self._read_manifest()

    def _read_manifest(self) -> None:
        check_is_run(self.storage)
        try:
            self.manifest = read_manifest(self.storage)
            self._described = self.manifest.model_dump(mode="json")
        except InputError as error:
            # Of another version, or damaged: what can be read of it still describes the run.
            self._problems.append(f"{error}. The run and its rows are shown as far as they can be read")
            try:
                raw = orjson.loads(self.storage.read(MANIFEST) or b"{}")
            except (orjson.JSONDecodeError, InputError):
                raw = {}
            self._described = raw if isinstance(raw, dict) else {}

    # -- following -----------------------------------------------------------------------------------------------------
    def refresh(self, budget_s: float = 0.5) -> bool:
        """Read new commits, then index shards for about ``budget_s`` seconds; True if anything is new. One thread."""
        changed = self._follow()
        deadline = time.monotonic() + budget_s
        while self._waiting:
            shard = self._waiting[0]
            index, columns = (
                (self.tasks, TASK_COLUMNS) if shard.info.table == "tasks" else (self.episodes, EPISODE_COLUMNS)
            )
            try:
                index.add(shard, columns)
            except StoreUnavailable:
                break  # the next refresh tries again
            except (InputError, pa.ArrowException, KeyError) as error:
                self.lost_rows += shard.info.rows
                message = str(error) if isinstance(error, InputError) else f"{shard.info.file}: unreadable ({error})"
                self._problems.append(message)
            self._waiting.pop(0)
            changed = True
            if time.monotonic() >= deadline:
                break
        self.complete = self.opened and not self._waiting
        return changed

    def _follow(self) -> bool:
        before = self.status
        try:
            self.status, self._status_problem = read_status(self.storage), ""
        except InputError as error:
            self._status_problem = str(error)  # until the driver writes it again
        changed = (before or {}).get("state") != (self.status or {}).get("state")
        if not self.opened:
            self.opened = changed = True
            try:
                self.state = read_state(self.storage)
            except StoreUnavailable:
                self.opened = False
                return changed
            except InputError as error:
                self._broken(error)
            known = self.status["commits"] if self.status else 0
            if not self._ledger_broken and (why := cut_short(self.storage, known, self.state.last)):
                self._problems.append(why)
        try:
            changed |= advance(self.storage, self.state)
        except StoreUnavailable:
            pass  # the next refresh tries again
        except InputError as error:
            self._broken(error)
        if len(self.state.gone) > self._gone:  # a resumed run took failures back: their rows are in the indexes
            self._gone = len(self.state.gone)
            self.episodes, self.tasks, self.rejected = episode_index(), task_index(), None
            self.lost_rows, self._waiting, self._seen = 0, [], {}
        for table in ("tasks", "episodes", "failures"):
            shards = self.state.shards.get(table, [])
            self._waiting += [Shard(self.storage, info) for info in shards[self._seen.get(table, 0) :]]
            self._seen[table] = len(shards)
        return changed

    def _broken(self, error: InputError) -> None:
        """Report once that the ledger can't be read to its end."""
        if not self._ledger_broken:
            self._ledger_broken = True
            self._problems.append(f"{error}. What was committed before it is shown")

    @property
    def running(self) -> bool:
        """Whether a driver reports that it is at work, and did so recently."""
        status = self.status
        return status is not None and status["state"] == "running" and time.time() - status["at"] <= STALE_S

    @property
    def status_line(self) -> tuple[str, str]:
        """The run's state in one word, and a line of detail."""
        status = self.status
        if self.running:
            done = (status or {}).get("items", {})
            detail = f"{done.get('done', 0):,} of {done.get('total', 0):,} items" if done else ""
            return "running", detail
        if status is None:
            return "stored", ""
        if status["state"] == "running":
            return "silent", "its driver has written nothing for a while; run the same command to resume it"
        return str(status["state"]), str(status.get("why", ""))

    @property
    def problems(self) -> list[str]:
        unknown = self.opened and not self._ledger_broken and not self._status_problem
        doubt = doubtful_end(self.storage, self.status, self.run_id, self.state) if unknown else ""
        found = list(dict.fromkeys([*self._problems, *filter(None, [self._status_problem, doubt])]))
        more = len(found) - _SHOWN_PROBLEMS
        return found[:_SHOWN_PROBLEMS] + ([f"... and {more:,} more like these"] if more > 0 else [])

    @property
    def rows_named(self) -> int:
        """Rows of episodes, failures and tasks that the ledger names."""
        return sum(self.state.rows(table) for table in ("episodes", "failures", "tasks"))

    @property
    def rows_read(self) -> int:
        return self.episodes.rows + self.tasks.rows + self.lost_rows

    @property
    def version(self) -> str:
        """A text that changes when there is something new to show."""
        return f"{self.state.last}.{self.rows_read}.{self.status_line[0]}"

    # From its manifest, as far as it can be read.
    @property
    def kind(self) -> str:
        return str(self._described.get("kind", "run"))

    @property
    def run_id(self) -> str:
        return str(self._described.get("run_id", ""))

    @property
    def code(self) -> str:
        return str(self._described.get("code", ""))

    @property
    def domain_name(self) -> str:
        config = self._described.get("config")
        return str(config.get("domain", "")) if isinstance(config, dict) else ""

    @property
    def results(self) -> dict[str, Any]:
        """The settings that change results."""
        found = self._described.get("results")
        return found if isinstance(found, dict) else {}

    # -- what episodes refer to ----------------------------------------------------------------------------------------
    @cached_property
    def source_path(self) -> str | None:
        """The run whose tasks an evaluation uses."""
        config = self.manifest.config if self.manifest else None
        return config.source if config and self.kind == "evaluate" else None

    def domain(self) -> Domain:
        """The run's domain. Raises InputError where it can't be loaded here."""
        with _loading:
            if self._domain is None:
                try:
                    if self.manifest is None:
                        raise InputError("the run's settings can't be read, so its domain is not known")
                    config = self.manifest.config
                    self._domain = _domain(config.domain, config.domain_seed, config.scale)
                except InputError as error:
                    self._domain = str(error)
                except Exception as error:  # third-party code
                    self._domain = f"the domain could not be loaded: {type(error).__name__}: {error}"
        if isinstance(self._domain, str):
            raise InputError(self._domain)
        return self._domain

    def task(self, task_id: str) -> Task | None:
        """A task stored in this run. Raises InputError: its row can't be read."""
        row = self.tasks.find("task_id", task_id)
        if row is None:
            return None
        try:
            return from_row(Task, self.tasks.read(row))
        except (ValidationError, orjson.JSONDecodeError) as error:
            text = " ".join(str(error).split())[:200]
            raise InputError(f"the row of {task_id} does not hold a task: {text}") from None


class Runs:
    """The runs that are shown, and those their tasks come from."""

    def __init__(self, paths: Iterable[str]) -> None:
        """Raises InputError: a path is no run directory."""
        self.shown: list[ViewedRun] = []
        self._all: dict[str, ViewedRun] = {}
        self.missing: dict[str, str] = {}
        for path in paths:
            if resolved(path) not in self._all:
                self.shown.append(self._open(path))
        for run in list(self.shown):
            self._source(run)

    def _open(self, path: str) -> ViewedRun:
        taken = {run.name for run in self._all.values()}
        base = os.path.basename(resolved(path).rstrip("/")) or "run"
        names = chain([base], (f"{base}-{number}" for number in count(2)))
        name = next(name for name in names if name not in taken)
        run = self._all[resolved(path)] = ViewedRun(path, name)
        return run

    def _source(self, run: ViewedRun) -> None:
        if run.source_path and resolved(run.source_path) not in self._all:
            try:
                self._open(run.source_path)
            except InputError as error:
                self.missing[run.name] = f"its tasks come from a run that can't be opened: {error}"

    def __iter__(self) -> Any:
        return iter(list(self._all.values()))

    def get(self, name: str) -> ViewedRun | None:
        return next((run for run in self._all.values() if run.name == name), None)

    def tasks_of(self, run: ViewedRun) -> ViewedRun:
        """The run that holds the tasks of a run's episodes: itself, or the source of an evaluation."""
        if run.source_path:
            return self._all.get(resolved(run.source_path), run)
        return run

    def task(self, run: ViewedRun, task_id: str) -> Task | None:
        """The task of an episode of ``run``, from its source or from itself. Raises InputError."""
        return self.tasks_of(run).task(task_id) or run.task(task_id)

    def problems(self, run: ViewedRun) -> list[str]:
        return [*run.problems, *([self.missing[run.name]] if run.name in self.missing else [])]

    def refresh(self, budget_s: float = 0.5) -> bool:
        """Refresh every run, in the following thread; True if anything is new."""
        changed = [run.refresh(budget_s) for run in self]
        return any(changed)
