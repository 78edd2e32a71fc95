"""The lock of a run directory: one driver per run, with live owners distinguished from dead ones.

The lock is the object ``lock/<n, 12 digits>.json`` with the highest number. A driver takes it by putting number n + 1
if absent, which exactly one of any number of contenders achieves. It may do so when object n is marked as released, or
when its owner is dead:

- Same machine (boot and process namespace, not only host name): the process is gone, or has another start time because
  its number was reused. Known at once.
- Another machine: the process can't be looked up, and clocks of two machines are never compared. The owner rewrites its
  object every few seconds; a contender watches it for 60 s of its *own* monotonic clock. Only if the bytes did not
  change for the whole time is the owner dead; any change means that it is alive.

The highest object is never deleted, lower ones are; so a slow contender that judged an old object finds a higher one
after its put and withdraws. An owner that was suspended for more than 60 s learns at its next beat that it was
replaced; ``Ledger.fence`` keeps it from committing before that.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from types import TracebackType

import orjson
import psutil

from t2t_dist.core.errors import InputError, RunBusy, StoreUnavailable

from .objects.base import Storage

#: Interval at which the owner should call :meth:`RunLock.beat`.
BEAT_S = 5.0
#: An owner on another machine is dead after this long without a beat: twelve beats, to tolerate a slow disk.
STALE_S = 60.0

FOLDER = "lock/"
_NAME = re.compile(r"lock/(\d{12})\.json")


@dataclass(frozen=True)
class Owner:
    """The content of a lock object."""

    host: str
    machine: str
    pid: int
    #: Seconds from the machine's boot to the process's start: unlike a date, not changed by setting the clock.
    started: float
    token: str
    command: str
    since: str
    beats: int = 0
    released: bool = False


class RunLock:
    """The lock of one run directory, as a context manager or by :meth:`acquire` and :meth:`release`."""

    def __init__(
        self,
        storage: Storage,
        *,
        command: str | None = None,
        stale_s: float = STALE_S,
        poll_s: float = 1.0,
        notify: Callable[[str], None] = lambda line: None,
    ) -> None:
        """``command`` is shown to other drivers that find the run busy; ``notify`` gets a line before a long wait."""
        self._storage = storage
        self._stale_s = stale_s
        self._poll_s = poll_s
        self._notify = notify
        self._number = 0
        self._owner = Owner(
            host=socket.gethostname(),
            machine=_machine(),
            pid=os.getpid(),
            started=_started(psutil.Process()),
            token=secrets.token_hex(16),
            command=" ".join(sys.argv) if command is None else command,
            since=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def acquire(self) -> None:
        """Take the lock, or raise RunBusy. Waits up to ``stale_s`` when the last owner was on another machine."""
        last = self._highest()
        if last and not self._is_free(_name(last)):
            raise self._busy(last)
        if not self._storage.put_if_absent(_name(last + 1), self._bytes()):
            raise self._busy(self._highest())
        if self._highest() != last + 1:
            self._storage.delete(_name(last + 1))
            raise self._busy(self._highest())
        self._number = last + 1
        for number in self._numbers()[:-1]:
            self._storage.delete(_name(number))

    def beat(self) -> None:
        """Show that this owner is alive; raises RunBusy when another one has taken the lock."""
        self._check()
        self._owner = replace(self._owner, beats=self._owner.beats + 1)
        self._storage.replace(_name(self._number), self._bytes())

    def release(self) -> None:
        """Release the lock, so that the next driver need not wait. Does nothing when it is no longer held."""
        number, self._number = self._number, 0
        try:
            if number and self._highest() == number:
                self._owner = replace(self._owner, released=True)
                self._storage.replace(_name(number), self._bytes())
        except StoreUnavailable:
            return  # the store is full or out of reach, hence the end; the next driver will find this process gone

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _check(self) -> None:
        highest = self._highest()
        owner = self._read(_name(highest))[1] if highest else None
        if not self._number or owner is None or owner.token != self._owner.token:
            taker = "someone" if owner is None else _who(owner)
            raise RunBusy(
                f"{self._storage.root}: this driver no longer holds the run, {taker} took it over; "
                "let that one finish, what was committed here is kept"
            )

    def _is_free(self, name: str) -> bool:
        """Whether the owner named by an object released it or is dead; may watch it for a while."""
        data, owner = self._read(name)
        if data is None:
            return True  # deleted by the owner of a higher one, which the put will meet
        if owner is not None:
            if owner.released:
                return True
            if owner.machine == self._owner.machine:
                return not _alive(owner)
        # On another machine, or not readable at all: only silence is proof.
        who = "an unreadable lock" if owner is None else _who(owner)
        self._notify(f"{self._storage.root}: held by {who}; watching it for up to {self._stale_s:.0f} s")
        end = time.monotonic() + self._stale_s
        while time.monotonic() < end:
            time.sleep(min(self._poll_s, max(0.0, end - time.monotonic())))
            asked = time.monotonic()
            if self._storage.read(name) != data:
                again = self._read(name)[1]
                return again is not None and again.released
            if time.monotonic() - asked > self._poll_s:
                end = (
                    time.monotonic() + self._stale_s
                )  # while the store was out of reach, the owner could not write either
        return True

    def _busy(self, number: int) -> RunBusy:
        owner = self._read(_name(number))[1]
        who = "another driver" if owner is None else f"{_who(owner)} since {owner.since}"
        command = "" if owner is None else f" ({owner.command})"
        return RunBusy(
            f"{self._storage.root}: in use by {who}{command}; wait for it or stop it, then run the same command"
        )

    def _read(self, name: str) -> tuple[bytes | None, Owner | None]:
        try:
            data = self._storage.read(name)
        except StoreUnavailable:
            raise
        except InputError as error:  # a pipe, a folder: no driver has put it there
            raise InputError(f"{error}; remove it if no driver is at work") from None
        return data, None if data is None else _owner_of(data)

    def _numbers(self) -> list[int]:
        return [int(match[1]) for name in self._storage.names(FOLDER) if (match := _NAME.fullmatch(name))]

    def _highest(self) -> int:
        return max(self._numbers(), default=0)

    def _bytes(self) -> bytes:
        return orjson.dumps(asdict(self._owner), option=orjson.OPT_INDENT_2)


def unreadable_locks(storage: Storage) -> list[str]:
    """Names of lock objects that are not what a driver writes."""
    found = []
    for name in filter(_NAME.fullmatch, storage.names(FOLDER)):
        try:
            data = storage.read(name)
        except StoreUnavailable:
            raise
        except InputError:
            data = b""
        if data is not None and _owner_of(data) is None:
            found.append(name)
    return found


def _owner_of(data: bytes) -> Owner | None:
    try:
        return Owner(**orjson.loads(data))
    except (ValueError, TypeError):
        return None


def _name(number: int) -> str:
    return f"{FOLDER}{number:012d}.json"


def _who(owner: Owner) -> str:
    return f"process {owner.pid} on {owner.host}"


def _machine() -> str:
    """Identity of a machine: equal for two processes exactly when one can look up the other by process number."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {psutil.boot_time():.0f}"


def _started(process: psutil.Process) -> float:
    return process.create_time() - psutil.boot_time()


def _alive(owner: Owner) -> bool:
    try:
        process = psutil.Process(owner.pid)
        # Clock ticks are exact; the tolerance is for systems that report whole seconds.
        return abs(_started(process) - owner.started) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
