"""Base of stores behind a network: whole objects, shards uploaded when complete, and retries.

While a store is out of reach, a call is repeated after 0.5 s, then 1, 2, 4 ... 10 s, for up to five minutes (or
``T2T_STORE_PATIENCE_S``), with a line in the log when the wait begins and ends. After that the call fails with
StoreUnavailable and the run ends, resumable. So that every call can be repeated, a shard is kept in a nameless file on
this machine until the store has it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar

from t2t_dist.core.errors import InputError, StoreUnavailable

from .base import TEMPORARY, ShardFile, Storage, Written
from .blocks import SummedSink
from .disk_errors import explained

#: Seconds to wait for a store that is out of reach; fewer at the first contact, where the address may be wrong.
PATIENCE_S = 300.0
FIRST_PATIENCE_S = 10.0
_FIRST_DELAY_S, _LAST_DELAY_S = 0.5, 10.0
_log = logging.getLogger("t2t")
T = TypeVar("T")


class StoreRefused(Exception):
    """The store gave a final answer; repeating the call would not change it. The message says what to do."""


class RemoteStorage(Storage):
    """A store with retries (:class:`~t2t_dist.storage.objects.base.Storage`). Subclasses provide the primitives and
    decide which errors are final."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.patience_s = float(os.environ.get("T2T_STORE_PATIENCE_S", PATIENCE_S))
        self._gave_up = False

    # -- primitives of each store -------------------------------------------------------------------------------------
    @abstractmethod
    def _put(self, name: str, data: bytes) -> None: ...

    @abstractmethod
    def _put_new(self, name: str, data: bytes, again: bool) -> bool:
        """False if it exists; ``again``: an earlier try got no answer, so what exists may be its result."""

    @abstractmethod
    def _get(self, name: str) -> bytes | None: ...

    @abstractmethod
    def _size(self, name: str) -> int | None: ...

    @abstractmethod
    def _list(self, prefix: str) -> list[str]:
        """All names below the root that begin with ``prefix``."""

    @abstractmethod
    def _any(self) -> bool:
        """Whether there is any object below the root."""

    @abstractmethod
    def _delete(self, name: str) -> None: ...

    @abstractmethod
    def _upload(self, name: str, file: BinaryIO) -> None:
        """Upload all of ``file``, which is at its start."""

    @abstractmethod
    def _reason(self, error: Exception) -> str:
        """Why the store did not answer, in a few words without secrets. Raises StoreRefused: it answered, finally."""

    # -- the common interface ---------------------------------------------------------------------------------------
    def first_contact(self, *, create: bool, patient: bool) -> None:
        """Check the address. Raises InputError: out of reach; with ``create``, not writable; without, no run there."""
        whole, self.patience_s = self.patience_s, min(self.patience_s, FIRST_PATIENCE_S)
        if patient:
            self.patience_s = whole
        try:
            if create:
                name = f"{TEMPORARY}/trial.{os.urandom(6).hex()}"
                self.replace(name, b"trial")
                self.delete(name)
            elif not self._patiently("", self._any):
                raise InputError(f"{self.root}: no such run; name one that t2t has written")
        except StoreUnavailable as error:
            if patient:
                raise
            raise InputError(str(error)) from None
        finally:
            self.patience_s = whole

    @property
    def logs(self) -> str:
        digest = hashlib.blake2b(self.root.encode(), digest_size=6).hexdigest()
        return os.path.join(tempfile.gettempdir(), f"t2t-logs-{os.getuid()}", digest)

    def describe(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"

    def put_if_absent(self, name: str, data: bytes) -> bool:
        tries = 0

        def put() -> bool:
            nonlocal tries
            tries += 1
            return self._put_new(name, data, tries > 1)

        return self._patiently(name, put)

    def replace(self, name: str, data: bytes, *, wait: bool = True) -> None:
        self._patiently(name, lambda: self._put(name, data), wait)

    def read(self, name: str) -> bytes | None:
        return self._patiently(name, lambda: self._get(name))

    def size(self, name: str) -> int | None:
        return self._patiently(name, lambda: self._size(name))

    def names(self, prefix: str = "") -> list[str]:
        found = self._patiently(prefix, lambda: self._list(prefix))
        return sorted(name for name in found if not name.startswith(f"{TEMPORARY}/"))

    def delete(self, name: str) -> None:
        self._patiently(name, lambda: self._delete(name))

    def clear_temporary(self) -> None:
        for name in self._patiently("", lambda: self._list(f"{TEMPORARY}/")):
            self.delete(name)

    def open_shard(self, name: str) -> RemoteShard:
        return RemoteShard(self, name)

    def send(self, name: str, file: BinaryIO) -> None:
        """Upload a whole file under this name."""

        def upload() -> None:
            file.seek(0)
            self._upload(name, file)

        self._patiently(name, upload)

    def _patiently(self, name: str, call: Callable[[], T], wait: bool = True) -> T:
        """The result of a call, repeated while the store is out of reach. After giving up once there are no more waits
        until the store answers again; otherwise the end of a run would wait for each object left to write."""
        began, delay, warned = time.monotonic(), _FIRST_DELAY_S, False
        while True:
            try:
                result = call()
            except (InputError, MemoryError):
                raise
            except Exception as error:
                try:
                    reason = self._reason(error)
                except StoreRefused as refused:
                    raise InputError(f"{self.describe(name)}: {refused}") from None
                waited = time.monotonic() - began
                patience = self.patience_s if wait and not self._gave_up else 0.0
                if waited + delay > patience:
                    self._gave_up = self._gave_up or wait
                    raise StoreUnavailable(
                        f"{self.describe(name)}: the store could not be reached for {waited:.0f} s ({reason}); "
                        "run the same command once it can be reached"
                    ) from None
                if not warned:
                    warned = True
                    _log.warning(
                        "%s can't be reached (%s); waiting for it, up to %.0f s", self.root, reason, self.patience_s
                    )
                time.sleep(delay)
                delay = min(2 * delay, _LAST_DELAY_S)
            else:
                if warned:
                    _log.warning("%s is back after %.0f s", self.root, time.monotonic() - began)
                self._gave_up = False
                return result


class RemoteShard(ShardFile):
    """A shard that grows in a nameless local file and is uploaded as a whole."""

    def __init__(self, storage: RemoteStorage, name: str) -> None:
        self._storage, self._name = storage, name
        self._where = tempfile.gettempdir()
        with self.explained():
            descriptor, path = tempfile.mkstemp(prefix="t2t-shard-")
            try:
                self._file: BinaryIO = open(path, "rb")  # noqa: SIM115 - closed by commit and discard
            finally:
                os.unlink(path)  # a killed worker leaves nothing
            self._summed = SummedSink(descriptor)
            self.sink = self._summed.sink

    @contextmanager
    def explained(self) -> Iterator[None]:
        with explained(self._where):
            yield

    def commit(self) -> Written:
        with self.explained(), self._file as file:
            written = self._summed.finish(sync=False)
            self._storage.send(self._name, file)
        return written

    def discard(self) -> None:
        self._summed.drop()
        self._file.close()
