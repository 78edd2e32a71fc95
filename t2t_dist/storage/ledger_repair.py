"""Check and repair of a ledger: what is wrong with each of its objects, and how the run goes on without a commit.

A repair can be killed between any two of its writes. Each is one object, and they come in an order in which readers
either see sums that are right, or still meet a commit that can't be read; a second repair completes the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .item_set import ItemSet
from .ledger import ENDED, TAKEN_BACK, Commit, LedgerState, body_with, commit_body, state_at_checkpoint
from .ledger_objects import (
    BadObject,
    Names,
    NoObject,
    ShardInfo,
    as_gaps,
    body_of,
    object_name,
    put_together,
    ranges_of,
    shards_in,
)
from .objects.base import Storage

#: The note of an empty commit that stands where one was dropped: why.
_DROPPED = "dropped"


class Entry(NamedTuple):
    """One object of the ledger as it is read back: ``problem`` says what is wrong with it, if anything is."""

    kind: str
    number: int
    problem: str = ""
    #: Of a commit: the shards it names, those that it says are gone, the commits that it takes back, whether it failed,
    #: whether it stands for one that was dropped.
    shards: Sequence[ShardInfo] = ()
    gone: Sequence[str] = ()
    taken_back: Sequence[int] = ()
    failed: bool = False
    dropped: bool = False

    @property
    def unread(self) -> bool:
        """Whether it could not be read."""
        return bool(self.problem) and not self.taken_back


def entries(storage: Storage) -> Iterator[Entry]:
    """Every object of the ledger, also commits that are missing. Raises InputError: a newer version, or no listing."""
    names = Names(storage)
    last = max((0, *names.commits, *names.checkpoints, *names.indexes))
    dropped: set[int] = set()
    kinds = {"commit": range(1, last + 1), "checkpoint": names.checkpoints, "index": names.indexes}
    for kind, numbers in kinds.items():
        for number in numbers:
            try:
                body = body_of(storage, kind, number)
            except NoObject:
                yield Entry(kind, number, "missing, though there are later ones")
                continue
            except BadObject as error:
                yield Entry(kind, number, str(error).removeprefix(storage.describe(object_name(kind, number)) + ": "))
                continue
            if kind != "commit":
                yield Entry(kind, number)
                continue
            taken_back, problem = body["notes"].get(TAKEN_BACK, ()), ""
            if _DROPPED in body["notes"]:
                dropped.add(number)
            if dropped.intersection(taken_back):
                problem = "takes back a commit that was dropped: a repair was interrupted"
            yield Entry(
                kind,
                number,
                problem,
                shards_in(body),
                body.get("gone", ()),
                taken_back,
                bool(body.get("failed")),
                number in dropped,
            )


class Plan(NamedTuple):
    """What a repair does. ``restored``: bodies of commits that can be made again from caches. ``dropped``: the numbers
    of those that can't, in the order in which they go; with them go ``rows``, and what ``unread`` of them named."""

    restored: Mapping[int, Mapping[str, Any]]
    dropped: Sequence[int]
    rows: int
    unread: int


def planned(storage: Storage, ledger: Iterable[Entry], spoilt: set[int]) -> Plan:
    """The plan for a ledger of which the commits in ``spoilt`` name damaged shards.

    A commit that takes others back is dropped with all of them, or none: what it takes back would be taken twice, or
    not at all. An unreadable commit may have been one, so the failures before it are dropped too: they are tried again.
    """
    commits = [entry for entry in ledger if entry.kind == "commit"]
    unread = {entry.number for entry in commits if entry.unread}
    found = restored(storage, sorted(unread))
    if spoilt.intersection(found):
        found = {}
    unread.difference_update(found)
    dropped = unread | spoilt | {entry.number for entry in commits if entry.problem and not entry.unread}
    dropped |= {entry.number for entry in commits if entry.failed and entry.number < max(unread, default=0)}
    for entry in reversed(commits):
        group = {entry.number, *entry.taken_back}
        if entry.taken_back and group & dropped:
            dropped |= group
    gone = {file for entry in commits for file in entry.gone}
    shards = [info for entry in commits if entry.number in dropped for info in entry.shards if info.file not in gone]
    # A commit that takes others back after them, and what can't be read last: until it is gone, nobody reads the sums.
    last = {entry.number: (entry.unread, bool(entry.taken_back)) for entry in commits}
    order = sorted(dropped, key=lambda number: (last[number], number))
    return Plan(found, order, sum(info.rows for info in shards), len(unread))


def restored(storage: Storage, unread: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Bodies for those of the commits that can't be read of which caches know: the sums of a checkpoint less those of
    the other commits, and the shards of indexes that no other commit names. The last one gets them, the others nothing,
    so that they stay together. Empty where that does not give the checkpoint again."""
    if not unread:
        return {}
    names = Names(storage)
    whole = state_at_checkpoint(storage, names)
    lost = [number for number in unread if number <= whole.last]
    if not lost:
        return {}
    holder, rest, named, gone = lost[-1], LedgerState(), set[str](), dict[str, int]()
    empty = body_with(Commit(notes={"restored": f"from checkpoint {whole.last}"}))
    bodies = dict.fromkeys(lost, empty)
    for number in range(1, whole.last + 1):
        if number not in bodies:
            body = commit_body(storage, number)
            rest.add(number, ItemSet(ranges_of(body["items"])), body)
            named.update(shard.file for shard in shards_in(body))
            gone |= {shard.file: number for shard in shards_in(body) if shard.file in whole.gone}
    shards = _shards_of_indexes(storage, names, lost)
    if shards is None:
        return {}
    items, undone = _less(whole.items, rest.items), _less(rest.items, whole.items)
    counters = {name: value - rest.counters.get(name, 0) for name, value in whole.counters.items()}
    digests = {table: digest - rest.digests.get(table, 0) for table, digest in whole.digests.items()}
    taken_back = sorted({number for file, number in gone.items() if file not in rest.gone})
    notes = empty["notes"] | ({ENDED: ""} if whole.ended and holder == whole.last else {})
    body = body_with(
        Commit(
            [shard for shard in shards if shard.file not in named],
            counters={name: value for name, value in counters.items() if value},
            digests={table: digest for table, digest in digests.items() if digest},
            notes=notes | ({TAKEN_BACK: taken_back} if taken_back else {}),
            failed=holder in whole.failed,
            stopped=whole.stopped if whole.stopped != rest.stopped else "",
        ),
        list(items),
    )
    if set(rest.failed) - set(whole.failed) or (rest.stopped and not whole.stopped):
        body["session"] = True  # else what was before it would still be the last session's
    if undone or whole.gone != rest.gone:
        body |= {"undone": as_gaps(undone), "gone": sorted(whole.gone - rest.gone)}
    bodies[holder] = body
    again = LedgerState()
    for number in range(1, whole.last + 1):
        body = bodies.get(number) or commit_body(storage, number)
        again.add(number, ItemSet(ranges_of(body["items"])), body)
    same = all(getattr(again, name) == getattr(whole, name) for name in ("items", "failed", "stopped", "gone"))
    return bodies if same else {}


def _shards_of_indexes(storage: Storage, names: Names, lost: Sequence[int]) -> list[ShardInfo] | None:
    """What the indexes of these commits name; ``None`` if there is none for one of them."""
    found, left = list[ShardInfo](), set(lost)
    for number in names.indexes:
        try:
            body = body_of(storage, "index", number)
        except BadObject:
            continue
        inside = {commit for commit in left if body["since"] < commit <= number}
        if inside:
            left -= inside
            found += shards_in(body)
    return None if left else found


def _less(items: ItemSet, others: ItemSet) -> ItemSet:
    found = ItemSet()
    found.update(items)
    found.remove(others)
    return found


def put_back(storage: Storage, restored: Mapping[int, Mapping[str, Any]]) -> None:
    """Write restored commits. Only under the run's lock, and before anything is dropped, which costs the caches."""
    for number, body in restored.items():
        storage.replace(object_name("commit", number), put_together("commit", number, body))


def drop_commits(storage: Storage, numbers: Sequence[int], why: str) -> None:
    """Replace commits by empty ones, in this order: their shards are no longer named, their items no longer done.

    Only under the run's lock. If it is interrupted, the same call completes it.
    """
    if not numbers:
        return
    names = Names(storage)
    for kind, known in (("checkpoint", names.checkpoints), ("index", names.indexes)):
        for number in known:
            if number >= min(numbers):  # a cache, which holds what is dropped
                storage.delete(object_name(kind, number))
    body = body_with(Commit(notes={_DROPPED: why}))
    for number in numbers:
        storage.replace(object_name("commit", number), put_together("commit", number, body))
