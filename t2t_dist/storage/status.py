"""``status.json``: the progress of a run, written by its driver every few seconds; and requests for stacks."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from t2t_dist.core.errors import DamagedRun, InputError

from .ledger import LedgerState
from .objects.base import Storage
from .sealed_json import sealed, unsealed

NAME = "status.json"
#: A request for the stacks of live episodes, put there by an observer; the driver answers in the second object.
ASKED, STACKS = "status-wanted.json", "status-stacks.json"
#: A running driver writes every 5 s; after this long without, it is gone or its store is out of reach.
STALE_S = 30.0


#: Seconds since 1970, within what a date can be made of.
_Moment = Annotated[float, Field(ge=0, le=1e11)]
_Seconds = Annotated[float, Field(ge=0, le=1e11)]
_Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    """A part of the status: what it lacks has its default, what is not known here is left out."""

    model_config = ConfigDict(allow_inf_nan=False)


class _Items(_Part):
    total: _Count = 0
    done: _Count = 0
    poisoned: _Count = 0
    waiting: _Count = 0
    unfinished: _Count = 0
    uncommitted: _Count = 0
    workers_lost: _Count = 0
    requeued: _Count = 0


class _Worker(_Part):
    rss_mb: float = 0.0
    node: str = ""


class _Slow(_Part):
    episode: str = ""
    task: str = ""
    agent: str = ""
    attempt: _Count = 0
    turns: _Count = 0
    age_s: float = 0.0
    split_s: dict[str, float] = {}


class _Engine(_Part):
    engine: str = ""
    pool: str = ""
    state: str = ""
    restarts: _Count = 0
    url: str = ""
    pid: int | None = None
    log: str = ""
    limit: int | float | None = None
    notes: list[str] = []
    metrics: dict[str, float] = {}
    #: When, the state, and why.
    timeline: list[tuple[_Moment, str, str]] = []


class _Status(_Part):
    """What is read of a status: whatever a command uses of it has its type, whoever wrote it."""

    run_id: str = ""
    state: str = ""
    why: str = ""
    at: _Moment
    began: _Moment = 0.0
    host: str = ""
    pid: int | None = None
    commits: _Count = 0
    elapsed_s: _Seconds = 0.0
    items: _Items = _Items()
    counts: dict[str, int | float] = {}
    yields: dict[str, float] = {}
    workers: dict[str, _Worker] = {}
    lag_ms: float = 0.0
    waiting_for: str = ""
    notes: list[str] = []
    slowest: list[_Slow] = []
    metrics: str = ""
    engines: list[_Engine] = []


class _Stacks(_Part):
    """A driver's answer to a request for stacks."""

    workers: dict[str, list[str]]


class StatusFile:
    """Writer of the status, for the driver."""

    def __init__(self, storage: Storage, run_id: str) -> None:
        self._storage, self._run_id = storage, run_id
        self._began = time.time()

    def write(self, state: str, why: str = "", **what: Any) -> None:
        """Write the progress; ``state`` is running, finished, stopped or failed, ``commits`` the ledger's last number.
        Errors of the store are ignored: they don't matter here, and will show with the shards and the ledger."""
        data = {"run_id": self._run_id, "state": state, "why": why, "at": time.time(), "began": self._began}
        data |= {"host": os.uname().nodename, "pid": os.getpid(), **what}
        try:
            self._storage.replace(NAME, sealed(data), wait=False)
        except InputError:
            pass


def read_status(storage: Storage) -> dict[str, Any] | None:
    """The last status, with its age in seconds as ``age_s``; ``None`` if none was written yet.

    Raises:
        InputError: the file can't be read.
    """
    data = storage.read(NAME)
    if data is None:
        return None
    try:
        found = _Status.model_validate(unsealed(orjson.loads(data)))
    except (ValueError, RecursionError):
        raise DamagedRun(
            f"{storage.describe(NAME)} can't be read; a driver at work writes it again, and the rest of the run is read"
            " without it"
        ) from None
    return found.model_dump() | {"age_s": max(0.0, time.time() - found.at)}


def corrected(storage: Storage, run_id: str, state: str, why: str, commits: int) -> None:
    """Write what is true into a status that no driver writes any more, or in place of one that can't be read."""
    right: dict[str, Any] = {"state": state, "why": why, "commits": commits}
    try:
        status = read_status(storage)
    except InputError:
        status = None
    if status is None or status["run_id"] != run_id:
        status = {"run_id": run_id, "at": time.time()}
    if any(status.get(name) != value for name, value in right.items()):
        status.pop("age_s", None)
        storage.replace(NAME, sealed(status | right))


def commits_known(storage: Storage) -> int:
    """The number of the last commit that the status knows of; 0 if it is not known. To be read before the ledger, which
    only grows."""
    try:
        return int((read_status(storage) or {"commits": 0})["commits"])
    except InputError:
        return 0


def cut_short(storage: Storage, known: int, last: int) -> str:
    """What is wrong with a ledger that ends at commit ``last`` although the status knows of ``known``; empty if it does
    not."""
    if known <= last:
        return ""
    return (
        f"{storage.describe('')}: its ledger ends at commit {last}, but {NAME} knows of {known}: the last"
        f" {known - last} are missing, and with them their rows; restore them from a copy, or go on without them: the"
        " command that made the run makes their items again"
    )


def doubtful_end(storage: Storage, status: Mapping[str, Any] | None, run_id: str, state: LedgerState) -> str:
    """Why it is not known whether the ledger is whole to its end; empty if the status or the ledger itself tells."""
    if status is not None and run_id and status["run_id"] not in (run_id, ""):
        return (
            f"{storage.describe(NAME)} is of the run {status['run_id']}, and the manifest beside it of {run_id}: one of"
            " the two files comes from elsewhere; restore it from a copy"
        )
    if status is not None or state.whole:
        return ""
    return (
        f"{storage.describe(NAME)} is missing, and the ledger does not end as a driver ends it: the run was not"
        " finished, or its last commits are missing; the command that made the run completes it"
    )


class StackRequests:
    """Requests for stacks, the driver's side. ``pending``: workers are to be asked for the stacks of their episodes."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.pending = False
        self._found: dict[str, list[str]] = {}

    def poll(self) -> None:
        """Look for a new request. Errors of the store are ignored."""
        try:
            if not self.pending and self._storage.read(ASKED) is not None:
                self._storage.delete(ASKED)
                self.pending, self._found = True, {}
        except InputError:
            pass

    def answer(self, worker: str, stacks: list[str] | None, workers: int) -> None:
        """Take a worker's stacks; once all ``workers`` have answered, write them to the store."""
        if not self.pending or stacks is None:
            return
        self._found[worker] = stacks
        if len(self._found) >= workers:
            self.pending = False
            try:
                self._storage.replace(STACKS, orjson.dumps({"at": time.time(), "workers": self._found}))
            except InputError:
                pass


def ask_for_stacks(storage: Storage, wait_s: float = 30.0) -> dict[str, list[str]]:
    """The stacks of the oldest live episodes, by worker, requested from the driver through the store.

    Raises:
        InputError: no answer in time: no driver is running, or it is stuck itself.
    """
    storage.delete(STACKS)
    storage.replace(ASKED, b"{}")
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        data = storage.read(STACKS)
        if data is not None:
            try:
                return _Stacks.model_validate_json(data).workers
            except ValidationError:
                raise InputError(f"{storage.describe(STACKS)} is not what a driver answers; ask again") from None
        time.sleep(0.2)
    storage.delete(ASKED)
    raise InputError(f"{storage.root}: no driver answered within {wait_s:g} s; is one running?")
