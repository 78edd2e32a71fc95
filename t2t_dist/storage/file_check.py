"""Check of all files of a run against what was written; and repair, which drops what is damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from t2t_dist.core.errors import InputError, StoreUnavailable
from t2t_dist.core.identity import code_version

from .ledger import read_state
from .ledger_objects import FOLDER, object_name, shards_in
from .ledger_repair import Plan, drop_commits, entries, planned, put_back, restored
from .manifest import NAME as MANIFEST
from .manifest import check_is_run, read_manifest
from .objects.base import Storage
from .run_lock import FOLDER as LOCKS
from .run_lock import RunLock, unreadable_locks
from .shard import Shard
from .status import NAME as STATUS
from .status import corrected, cut_short, doubtful_end, read_status


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
    """Read every file of a run: manifest, ledger, status, locks, shards. What can't be read is a finding among others.

    Raises:
        InputError: no run, or a newer version wrote it. StoreUnavailable: the store is out of reach.
    """
    check_is_run(storage)
    found, run_id, known, last, status = FileCheck(), "", 0, 0, None
    with _noting(found, MANIFEST):
        found.files += 1
        run_id = read_manifest(storage).run_id
    with _noting(found, STATUS):
        status = read_status(storage)
        found.files += status is not None
        known = status["commits"] if status is not None else 0
    listed = {folder: _names(storage, found, folder) for folder in ("", FOLDER, LOCKS)}
    ledger = list(entries(storage)) if listed[FOLDER] else []
    again = restored(storage, [entry.number for entry in ledger if entry.unread])
    for entry in ledger:
        found.files += 1
        last = max(last, entry.number)
        number = entry.number if entry.kind == "commit" else None
        hint = "; a checkpoint and an index hold what it held, and a repair restores it" if number in again else ""
        if entry.problem:
            found.damaged.append(Damage(object_name(entry.kind, entry.number), entry.problem + hint, commit=number))
    why = cut_short(storage, known, last)
    if ledger and not any(entry.unread for entry in ledger):
        why = why or doubtful_end(storage, status, run_id, read_state(storage))
    if why:
        found.damaged.append(Damage(STATUS, why))
    if listed[LOCKS]:
        found.damaged += [Damage(name, "not what a driver writes") for name in unreadable_locks(storage)]
    gone = {file for entry in ledger for file in entry.gone}.union(*(body.get("gone", ()) for body in again.values()))
    commits = [(entry.number, info) for entry in ledger for info in entry.shards]
    commits += [(number, info) for number, body in again.items() for info in shards_in(body)]
    commits = [(number, info) for number, info in commits if info.file not in gone]
    rows_of: set[str] = set()
    for number, info in commits:
        found.files += 1
        found.bytes += info.bytes
        found.unchecked += not info.sums
        with _noting(found, info.file, info.rows, number):
            shard = Shard(storage, info, lambda info, what: InputError(what))
            shard.check_all()
            rows_of.update(shard.columns(["run_id"]).to_pydict().get("run_id", ()))
    if run_id and rows_of - {run_id}:
        what = f"is of the run {run_id}, and there are rows of {', '.join(sorted(map(str, rows_of - {run_id})))}"
        found.damaged.append(Damage(MANIFEST, what))
    named = {info.file for _, info in commits}
    shards = (name for name in listed[""] if name.endswith(".arrow") and name.count("/") == 1)
    found.unnamed = sorted(name for name in shards if name not in named)
    return found


def _names(storage: Storage, found: FileCheck, folder: str) -> list[str]:
    """The files in a folder; none, and a finding, if it can't be listed."""
    names: list[str] = []
    with _noting(found, folder or "."):
        names = storage.names(folder)
    return names


@contextmanager
def _noting(found: FileCheck, name: str, rows: int = 0, commit: int | None = None) -> Iterator[None]:
    """Whatever can't be read in it becomes a finding."""
    try:
        yield
    except StoreUnavailable:
        raise
    except InputError as error:
        found.damaged.append(Damage(name, str(error), rows, commit))


def not_remade(storage: Storage) -> str:
    """Why what a repair drops would not be made again; empty if it would."""
    there, here = read_manifest(storage).code, code_version()
    if there == here:
        return ""
    return (
        f"the run was made by other code ({there}; this is {here}), so that the command that made it would not make"
        " again what is dropped"
    )


def repair(storage: Storage, found: FileCheck, notify: Callable[[str], None], *, for_good: bool = False) -> Plan:
    """Restore what caches still hold, and drop the other commits that are damaged or name something damaged, so that
    their items are done again by the command that made the run. Shards that are no longer named are removed by its
    driver. ``for_good``: also if that command would not make them again.

    Raises:
        InputError: a manifest can't be repaired, or what is dropped would be lost. RunBusy: a driver is at work.
    """
    if any(damage.file == MANIFEST for damage in found.damaged):
        raise InputError(
            f"{storage.describe(MANIFEST)} says which run this is and can't be repaired: restore it from a copy, or"
            " make the run again in another directory"
        )
    manifest = read_manifest(storage)
    with RunLock(storage, notify=notify):
        ledger = list(entries(storage))
        files = {damage.file for damage in found.damaged}
        shards = [damage for damage in found.damaged if damage.file.endswith(".arrow")]
        plan = planned(storage, ledger, {damage.commit for damage in shards if damage.commit is not None})
        why = f"a repair dropped {plan.rows:,} rows; the same command makes them again"
        if plan.dropped and (lost := not_remade(storage)):
            if not for_good:
                raise InputError(
                    f"{storage.describe('')}: {lost}, and nothing was dropped; restore the damaged files from a copy,"
                    " repair and resume the run with the version that made it, or add --for-good to drop them for good"
                )
            why = f"a repair dropped {plan.rows:,} rows for good"
        put_back(storage, plan.restored)
        if plan.dropped or STATUS in files:
            # First: should the repair be killed, nobody takes the run for a finished one.
            corrected(storage, manifest.run_id, "stopped", why, max((entry.number for entry in ledger), default=0))
        drop_commits(storage, plan.dropped, "damaged files")
        for entry in ledger:
            if entry.problem and entry.kind != "commit":
                storage.delete(object_name(entry.kind, entry.number))
    return plan
