"""The ledger of a run: what is done, as a numbered log of small immutable objects.

A row exists once a commit names the shard that holds it. Commit ``n`` is the object ``ledger/<n, 12 digits>.mp``; it is
put only if absent, so that one of two competing drivers fails, and it is written as a whole or not at all.

Two more kinds of objects are caches, and any of them may be deleted. ``ledger/checkpoint-<n>.mp`` holds the sums after
commit ``n``: a driver opens a run with the last one and the commits after it, and keeps no list of shards, so that its
memory does not grow with the run. ``ledger/index-<n>.mp`` names the shards of the commits from the previous index up to
``n``: a reader, which needs all shards, reads these instead of single commits.

``ledger_objects.py`` has the objects as bytes, ``ledger_repair.py`` their check and repair.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from t2t_dist.core.errors import DamagedRun, InputError, RunBusy

from .item_set import ItemSet
from .ledger_objects import (
    BadObject,
    Names,
    NoObject,
    as_gaps,
    body_of,
    object_name,
    put_together,
    ranges_of,
    shards_in,
)
from .ledger_objects import ShardInfo as ShardInfo
from .objects.base import Storage

#: Commits between two checkpoints, and two indexes: at most this many are read one by one when a driver opens the run,
#: and it keeps the shards of at most this many.
CHECKPOINT_EVERY = 256
#: The counter of the seconds that a run has taken, over all its sessions.
WALL_SECONDS = "wall_seconds"
#: The counter of graded rollouts of which nobody can say whether they passed.
UNDECIDED = "undecided"
#: The counter of the verified tasks that are twins of others.
TWINS = "twins"
#: The largest count that is stored.
_MOST = (1 << 63) - 1
#: Notes: the numbers of the commits that one takes back; why a driver ended with this one.
TAKEN_BACK, ENDED = "taken back", "ended"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Commit:
    """What one commit adds to a run, atomically."""

    shards: Sequence[ShardInfo] = ()
    #: Numbers (>= 0) of the work items whose rows are in ``shards``.
    items: Iterable[int] = ()
    #: Added to the run's counters by name.
    counters: Mapping[str, int | float] = field(default_factory=dict)
    #: Added to the run's digest of each table, modulo 2**128.
    digests: Mapping[str, int] = field(default_factory=dict)
    #: For people and tools; kept in the log, not in the state.
    notes: Mapping[str, Any] = field(default_factory=dict)
    #: No item in it has a result: the commit may be taken back, so that its items are tried again.
    failed: bool = False
    #: Why the run stops early, if it does since all of it fails.
    stopped: str = ""


@dataclass
class LedgerState:
    """The sum of all commits up to number ``last`` (0: none yet), without their shards: what a driver needs."""

    last: int = 0
    items: ItemSet = field(default_factory=ItemSet)
    counters: dict[str, int | float] = field(default_factory=dict)
    digests: dict[str, int] = field(default_factory=dict)
    #: Numbers of the last session's commits whose items have no result.
    failed: list[int] = field(default_factory=list)
    #: Why the last session stopped early, if it did since all of it failed.
    stopped: str = ""
    #: Files of shards that were taken back: no row of them exists any more.
    gone: set[str] = field(default_factory=set)
    #: Whether the last commit is one with which a driver ended.
    ended: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing can be missing at its end: a driver ended it, or one commit holds all, as of an import."""
        return self.ended or not self.last or (self.last == 1 and len(self.items) > 0)

    def add(self, number: int, items: ItemSet, body: Mapping[str, Any]) -> None:
        """Add the commit of this number."""
        self.items.update(items)
        if body.get("session"):
            self.failed, self.stopped = [], ""
        if body.get("failed"):
            self.failed.append(number)
        self.stopped = body.get("stopped", self.stopped)
        if "undone" in body:
            self.items.remove(ItemSet(ranges_of(body["undone"])))
            self.gone.update(body["gone"])
        for name, value in body["counters"].items():
            self.counters[name] = _held(self.counters.get(name, 0) + value)
        for table, digest in body["digests"].items():
            self.digests[table] = (self.digests.get(table, 0) + int.from_bytes(digest)) % 2**128
        self.ended = ENDED in body.get("notes", ())
        self.last = number


@dataclass
class RunState(LedgerState):
    """The sum of all commits with their shards, by table: what a reader needs."""

    shards: dict[str, list[ShardInfo]] = field(default_factory=dict)

    def _add_shards(self, shards: Iterable[ShardInfo]) -> None:
        for shard in shards:
            if shard.file not in self.gone:
                self.shards.setdefault(shard.table, []).append(shard)

    def rows(self, table: str) -> int:
        """Number of rows of ``table``."""
        return sum(shard.rows for shard in self.shards.get(table, ()))


class Ledger:
    """The log of one run, opened by its driver, which holds the run's lock."""

    def __init__(self, storage: Storage) -> None:
        """Reads the state; raises InputError for a damaged, missing or newer object."""
        self._storage = storage
        names = Names(storage)
        self.state, self._covered, tail = _read(storage, names)
        # Those above are damaged; dropping them keeps the good one when old checkpoints are deleted.
        self._checkpoints = [number for number in names.checkpoints if number <= self._covered]
        self._indexed = max((number for number in names.indexes if number <= self._covered), default=0)
        if self._indexed == self._covered:
            self._shards = tail  # those of the commits since the last index
        else:  # the last index is missing: the next one starts at the one before it
            self._shards = list(_shards_of(storage, self._indexed, self._covered)) + tail

    def append(self, commit: Commit, **more: Any) -> int:
        """Make ``commit`` durable and add it to :attr:`state`; returns its number.

        Raises RunBusy when another driver has written a commit with that number, ValueError when an item is already
        done (its rows would count twice); both before anything is written.
        """
        numbers = sorted(set(commit.items))
        items = ItemSet.of(numbers)
        if again := list(self.state.items.common(items)):
            raise ValueError(f"{len(again)} items are done already, the first is {again[0]}")
        number = self.state.last + 1
        body = body_with(commit, numbers) | more
        name = object_name("commit", number)
        if not self._storage.put_if_absent(name, put_together("commit", number, body)):
            raise RunBusy(
                f"{self._storage.describe(name)}: another driver has written this commit; "
                "stop one of the two, then run the same command"
            )
        self.state.add(number, items, body)
        self._shards += commit.shards
        if number - self._covered >= CHECKPOINT_EVERY:
            self._checkpoint()
        return number

    def fence(self, driver: str) -> int:
        """Append an empty commit in the name of a new driver, before it cleans up or leases work.

        A driver that lost its lock while it was suspended may wake up and try to commit. It then uses the number that
        this call has taken, and fails; so it can never name a shard that the new driver's clean-up has removed.
        """
        return self.append(Commit(notes={"driver": driver}), session=True)

    def take_back(self, counted: Callable[[str], bool]) -> int:
        """Append a commit that takes back those of the last session whose items have no result: their items are to be
        done again, and their rows exist no more. Returns the number of items.

        Args:
            counted: whether a counter of this name counts rows; others (what was spent) stay as they are.
        """
        items, gone = list[int](), list[str]()
        counters, digests = dict[str, int | float](), dict[str, int]()
        for number in self.state.failed:
            body = commit_body(self._storage, number)
            items += ItemSet(ranges_of(body["items"]))
            gone += [shard.file for shard in shards_in(body)]
            for name, value in body["counters"].items():
                if counted(name):
                    counters[name] = counters.get(name, 0) - value
            for table, digest in body["digests"].items():
                digests[table] = digests.get(table, 0) - int.from_bytes(digest)
        commit = Commit(counters=counters, digests=digests, notes={TAKEN_BACK: self.state.failed})
        self.append(commit, session=True, undone=as_gaps(sorted(items)), gone=gone)
        return len(items)

    def _checkpoint(self) -> None:
        """Write an index of the shards since the last one, then the sums."""
        state = self.state
        index = {"since": self._indexed, "shards": self._shards}
        sums = {
            "whole": state.items.whole,
            "items": {block: bits.to_bytes(128) for block, bits in state.items.loose()},
            "counters": state.counters,
            "digests": {table: digest.to_bytes(16) for table, digest in state.digests.items()},
            "failed_commits": state.failed,
            "stopped": state.stopped,
            "gone_shards": sorted(state.gone),
            "ended": state.ended,
        }
        self._covered = state.last  # also on failure: the next attempt comes after the usual number of commits
        try:
            # One older checkpoint stays as a fallback. Replaced, not put if absent: a damaged one may have this name.
            for number in self._checkpoints[:-1]:
                self._storage.delete(object_name("checkpoint", number))
            self._storage.replace(object_name("index", state.last), put_together("index", state.last, index))
            self._indexed, self._shards = state.last, []
            self._storage.replace(object_name("checkpoint", state.last), put_together("checkpoint", state.last, sums))
        except InputError as error:
            # The commit itself is durable and must not appear failed because of a cache.
            _log.warning("no checkpoint of the ledger: %s", error)
            return
        self._checkpoints = [*self._checkpoints[-1:], state.last]


def read_state(storage: Storage) -> RunState:
    """The state of a run, which may be in progress; raises InputError as :class:`Ledger` does."""
    names = Names(storage)
    state, covered, tail = _read(storage, names)
    run = RunState(**vars(state))
    run._add_shards(chain(_indexed(storage, names, covered), tail))
    return run


def shards_of(storage: Storage, state: LedgerState) -> Iterator[ShardInfo]:
    """The shards of a state, in the order of their commits; reads the ledger piece by piece."""
    return (shard for shard in _indexed(storage, Names(storage), state.last) if shard.file not in state.gone)


def advance(storage: Storage, state: RunState) -> bool:
    """Add new commits to a state read earlier, to follow a run; True if there were any.

    Raises InputError for a damaged or newer commit; those before it have been added by then.
    """
    before = state.last
    while storage.size(object_name("commit", state.last + 1)) is not None:
        number = state.last + 1
        body = commit_body(storage, number)
        state.add(number, ItemSet(ranges_of(body["items"])), body)
        state._add_shards(shards_in(body))
        if "gone" in body:
            shards, state.shards = list(chain(*state.shards.values())), {}
            state._add_shards(shards)
    return state.last > before


def repair(storage: Storage) -> str:
    """How to go on without something damaged, as the end of a message."""
    return (
        f"`t2t verify {storage.describe('').rstrip('/')} --files --repair` drops it, and then the command that made"
        " the run makes its items again"
    )


def _read(storage: Storage, names: Names) -> tuple[LedgerState, int, list[ShardInfo]]:
    """The sums, the number of the checkpoint they start from, and the shards of the commits after it."""
    state, shards = state_at_checkpoint(storage, names), list[ShardInfo]()
    covered = state.last
    tail = [number for number in names.commits if number > covered]
    for expected, number in enumerate(tail, covered + 1):
        if number != expected:
            raise _gone(storage, expected)
        body = commit_body(storage, number)
        state.add(number, ItemSet(ranges_of(body["items"])), body)
        shards += shards_in(body)
    return state, covered, shards


def state_at_checkpoint(storage: Storage, names: Names) -> LedgerState:
    """The sums in the last checkpoint that can be read; those of no commit if there is none."""
    state = LedgerState()
    for number in reversed(names.checkpoints):
        try:
            body = body_of(storage, "checkpoint", number)
        except BadObject as error:
            _log.warning("%s; falling back to an older checkpoint or to the commits themselves", error)
            continue
        state.add(number, _items_of(body), body)
        state.failed, state.gone = body.get("failed_commits", []), set(body.get("gone_shards", ()))
        state.ended = body.get("ended", False)
        break
    return state


def _items_of(body: Mapping[str, Any]) -> ItemSet:
    """The items in a checkpoint's body."""
    if isinstance(body["items"], list):
        return ItemSet(ranges_of(body["items"]))  # version 1
    items = ItemSet([(0, 1024 * body["whole"])])
    items.add_blocks((block, int.from_bytes(bits)) for block, bits in body["items"].items())
    return items


def _indexed(storage: Storage, names: Names, last: int) -> Iterator[ShardInfo]:
    """The shards of the commits up to ``last``: from indexes, or from the commits where an index is missing."""
    at = 0
    for number in names.indexes:
        if number > last:
            break
        try:
            body = body_of(storage, "index", number)
        except BadObject as error:
            _log.warning("%s; reading its commits", error)
            continue
        if body["since"] >= at:  # else it overlaps what was read: its commits are read one by one
            yield from _shards_of(storage, at, body["since"])
            yield from shards_in(body)
            at = number
    yield from _shards_of(storage, at, last)


def _shards_of(storage: Storage, since: int, last: int) -> Iterator[ShardInfo]:
    """The shards of the commits after ``since`` up to ``last``."""
    for number in range(since + 1, last + 1):
        yield from shards_in(commit_body(storage, number))


def commit_body(storage: Storage, number: int) -> dict[str, Any]:
    """The body of a commit. Raises InputError, which names what is lost with it."""
    try:
        return body_of(storage, "commit", number)
    except NoObject:
        raise _gone(storage, number) from None
    except BadObject as error:
        raise DamagedRun(
            f"{error}: commit {number} is lost, and with it which shards and items it named; "
            f"restore it from a copy; or {repair(storage)}"
        ) from None


def _gone(storage: Storage, number: int) -> DamagedRun:
    return DamagedRun(
        f"{storage.describe(object_name('commit', number))}: missing, though later commits exist: commit {number} "
        f"is lost, and with it which shards and items it named; restore it from a copy; or {repair(storage)}"
    )


def body_with(commit: Commit, numbers: Sequence[int] = ()) -> dict[str, Any]:
    """A commit as it is stored; ``numbers`` are its items, ascending."""
    return {
        "shards": list(commit.shards),
        "items": as_gaps(numbers),
        "counters": {name: _held(value) for name, value in commit.counters.items()},
        "digests": {table: (digest % 2**128).to_bytes(16) for table, digest in commit.digests.items()},
        "notes": dict(commit.notes),
        **({"failed": True} if commit.failed else {}),
        **({"stopped": commit.stopped} if commit.stopped else {}),
    }


def _held(count: int | float) -> int | float:
    """A count that can be stored: a sum that would not fit stays at the largest one that does."""
    return min(count, _MOST)
