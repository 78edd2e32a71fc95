"""Check of all files of a run against what was written; and repair, which drops what is damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from t2t_dist.core.errors import InputError, StoreUnavailable

from .ledger import Entry, ShardInfo, drop_commits, entries, object_name
from .manifest import NAME as MANIFEST
from .manifest import read_manifest
from .objects.base import Storage
from .run_lock import RunLock, unreadable_locks
from .shard import Shard
from .status import NAME as STATUS
from .status import commits_known, corrected, cut_short, read_status


class Damage(NamedTuple):
    """Something that is not as it was written. ``rows`` are lost with it; ``commit`` is the one that named it, or that
    it is; None for what belongs to no commit."""

    file: str
    what: str
    rows: int = 0
    commit: int | None = None


@dataclass
class FileCheck:
    """The result: ``unchecked`` are shards without checksums, which could only be decoded; ``unnamed`` those that the
    ledger does not name, which the next driver removes."""

    files: int = 0
    bytes: int = 0
    damaged: list[Damage] = field(default_factory=list)
    unchecked: int = 0
    unnamed: list[str] = field(default_factory=list)


def check_files(storage: Storage) -> FileCheck:
    """Read every file of a run: manifest, ledger, status, locks, shards.

    Raises:
        InputError: written by a newer version. StoreUnavailable: the store is out of reach.
    """
    names, found = set(storage.names()), FileCheck()
    if MANIFEST not in names:
        found.damaged.append(Damage(MANIFEST, "missing"))
    for name, read in ((MANIFEST, read_manifest), (STATUS, read_status)):
        if name in names:
            found.files += 1
            found.damaged += _damage_in(name, lambda read=read: read(storage))  # type: ignore[misc]
    known, last = commits_known(storage), 0
    commits: list[tuple[int, ShardInfo]] = []
    gone = set[str]()
    for entry in entries(storage):
        found.files += 1
        last = max(last, entry.number)
        gone.update(entry.gone)
        commits += [(entry.number, info) for info in entry.shards]
        if entry.problem:
            number = entry.number if entry.kind == "commit" else None
            found.damaged.append(Damage(object_name(entry.kind, entry.number), entry.problem, commit=number))
    if why := cut_short(storage, known, last):
        found.damaged.append(Damage(STATUS, why))
    found.damaged += [Damage(name, "not what a driver writes") for name in unreadable_locks(storage)]
    commits = [(number, info) for number, info in commits if info.file not in gone]
    for number, info in commits:
        found.files += 1
        found.bytes += info.bytes
        found.unchecked += not info.sums
        shard = Shard(storage, info, lambda info, what: InputError(what))
        found.damaged += _damage_in(info.file, shard.check_all, info.rows, number)
    named = {info.file for _, info in commits}
    shards = (name for name in names if name.endswith(".arrow") and name.count("/") == 1)
    found.unnamed = sorted(name for name in shards if name not in named)
    return found


def _damage_in(name: str, read: Callable[[], object], rows: int = 0, commit: int | None = None) -> Iterator[Damage]:
    try:
        read()
    except StoreUnavailable:
        raise
    except InputError as error:
        yield Damage(name, str(error), rows, commit)


def repair(storage: Storage, found: FileCheck, notify: Callable[[str], None]) -> int:
    """Drop the commits that are damaged or name something damaged, so that their items are done again by the command
    that made the run; returns the number of rows dropped. Shards that are no longer named are removed by its driver.

    Raises:
        InputError: a manifest can't be repaired. RunBusy: a driver is at work.
    """
    broken = next((damage for damage in found.damaged if damage.file == MANIFEST), None)
    if broken is not None:
        raise InputError(
            f"{storage.describe(MANIFEST)} says which run this is and can't be repaired: restore it from a copy, or"
            " make the run again in another directory"
        )
    with RunLock(storage, notify=notify):
        ledger = list(entries(storage))
        commits, rows = _dropped(ledger, {damage.commit for damage in found.damaged if damage.commit is not None})
        last = max((entry.number for entry in ledger), default=0)
        caches = [
            damage.file for damage in found.damaged if damage.commit is None and damage.file.startswith("ledger/")
        ]
        if len(caches) < len(found.damaged):
            # First: should the repair be killed, nobody takes the run for a finished one.
            why = f"a repair dropped {rows:,} rows; the same command makes them again"
            corrected(storage, "stopped", why, last)
        drop_commits(storage, commits, "damaged files")
        for file in caches:
            storage.delete(file)
    return rows


def _dropped(ledger: Sequence[Entry], damaged: set[int]) -> tuple[set[int], int]:
    """The commits to drop with these, and the rows that are lost with them.

    A commit that takes others back is dropped with all of them, or none: what it takes back would be taken twice, or
    not at all. An unreadable commit may have been one, so the failures before it are dropped too: they are tried again.
    """
    commits = [entry for entry in ledger if entry.kind == "commit"]
    dropped = set(damaged)
    unread = max((entry.number for entry in commits if entry.problem), default=0)
    dropped |= {entry.number for entry in commits if entry.failed and entry.number < unread}
    for entry in reversed(commits):
        group = {entry.number, *entry.taken_back}
        if entry.taken_back and group & dropped:
            dropped |= group
    gone = {file for entry in commits for file in entry.gone}
    shards = [info for entry in commits if entry.number in dropped for info in entry.shards if info.file not in gone]
    return dropped, sum(info.rows for info in shards)
