"""``status.json``: what a run is at, written by its driver every few seconds, for whoever looks at the store."""

from __future__ import annotations

import os
import time
from typing import Any

import orjson

from t2t_dist.core.errors import InputError

from .objects.base import Storage

NAME = "status.json"
#: Whoever looks at a run puts this there to be told where its episodes stand; the driver answers in the other.
ASKED, STACKS = "status-wanted.json", "status-stacks.json"
#: A running driver writes every 5 s; one silent for this long is gone, or its store out of reach.
STALE_S = 30.0


class StatusFile:
    """The driver's side."""

    def __init__(self, storage: Storage, run_id: str) -> None:
        self._storage, self._run_id = storage, run_id
        self._began = time.time()

    def write(self, state: str, why: str = "", **what: Any) -> None:
        """Say what the run is at: ``state`` is running, finished, stopped or failed. A store that refuses is no
        reason to end a run: its shards and its ledger will tell."""
        data = {"run_id": self._run_id, "state": state, "why": why, "at": time.time(), "began": self._began}
        data |= {"host": os.uname().nodename, "pid": os.getpid(), **what}
        try:
            self._storage.replace(NAME, orjson.dumps(data, option=orjson.OPT_INDENT_2), wait=False)
        except InputError:
            pass


def read_status(storage: Storage) -> dict[str, Any] | None:
    """What the driver wrote last, with ``age_s`` seconds since; ``None`` where none has written.

    Raises:
        InputError: the file can't be read.
    """
    data = storage.read(NAME)
    if data is None:
        return None
    try:
        status: dict[str, Any] = orjson.loads(data)
        status["age_s"] = max(0.0, time.time() - status["at"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise InputError(f"{storage.describe(NAME)} can't be read; the driver will write it anew") from None
    return status


class Wanted:
    """The driver's side of what somebody asked through the store: the stacks of the episodes that are alive.

    ``stacks`` says whether workers are to be asked for theirs.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.stacks = False
        self._found: dict[str, list[str]] = {}

    def look(self) -> None:
        """See whether somebody asked. A store that can't be read is no reason to end a run."""
        try:
            if not self.stacks and self._storage.read(ASKED) is not None:
                self._storage.delete(ASKED)
                self.stacks, self._found = True, {}
        except InputError:
            pass

    def heard(self, worker: str, stacks: list[str] | None, workers: int) -> None:
        """What a worker answered; once all have, it is written for whoever asked."""
        if not self.stacks or stacks is None:
            return
        self._found[worker] = stacks
        if len(self._found) >= workers:
            self.stacks = False
            try:
                self._storage.replace(STACKS, orjson.dumps({"at": time.time(), "workers": self._found}))
            except InputError:
                pass


def ask_for_stacks(storage: Storage, wait_s: float = 30.0) -> dict[str, list[str]]:
    """Where the oldest live episodes of each worker stand, asked of the driver through the store.

    Raises:
        InputError: no answer in time: no driver runs, or it is stuck itself.
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
    raise InputError(f"{storage.root}: no driver answered within {wait_s:g} s; does one run there?")
