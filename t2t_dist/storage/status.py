"""``status.json``: the progress of a run, written by its driver every few seconds; and requests for stacks."""

from __future__ import annotations

import os
import time
from typing import Any

import orjson

from t2t_dist.core.errors import InputError

from .objects.base import Storage
from .sealed_json import sealed, unsealed

NAME = "status.json"
#: A request for the stacks of live episodes, put there by an observer; the driver answers in the second object.
ASKED, STACKS = "status-wanted.json", "status-stacks.json"
#: A running driver writes every 5 s; after this long without, it is gone or its store is out of reach.
STALE_S = 30.0


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
        status: dict[str, Any] = unsealed(orjson.loads(data))
        status["age_s"] = max(0.0, time.time() - status["at"])
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{storage.describe(NAME)} can't be read; a driver at work writes it again, and the rest of the run is read"
            " without it"
        ) from None
    return status


def corrected(storage: Storage, state: str, why: str, commits: int) -> None:
    """Correct a status that no driver writes any more; one that can't be read is removed."""
    try:
        status = read_status(storage)
    except InputError:
        return storage.delete(NAME)
    right = {"state": state, "why": why, "commits": commits}
    if status is not None and any(status.get(name) != value for name, value in right.items()):
        del status["age_s"]
        storage.replace(NAME, sealed(status | right))


def commits_known(storage: Storage) -> int:
    """The number of the last commit that the status knows of; 0 if it is not known. To be read before the ledger, which
    only grows."""
    try:
        known = (read_status(storage) or {}).get("commits")
    except InputError:
        return 0
    return known if isinstance(known, int) else 0


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
            found: dict[str, list[str]] = orjson.loads(data)["workers"]
            return found
        time.sleep(0.2)
    storage.delete(ASKED)
    raise InputError(f"{storage.root}: no driver answered within {wait_s:g} s; is one running?")
