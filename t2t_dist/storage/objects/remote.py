"""Runs on stores that are reached over a network: whole objects, a shard sent when it is complete, and patience.

A store that is out of reach is waited for: a call is repeated after 0.5 s, then 1, 2, 4 ... 10 s, for up to five
minutes (``T2T_STORE_PATIENCE_S`` says otherwise), with a line in the log when the wait begins and when it ends. After
that the call fails with StoreUnavailable and the run ends, resumable. So that a repetition is always possible, a shard
is kept in a file of this machine, without a name there, until the store has it.
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

import pyarrow as pa
import pyarrow.fs

from t2t_dist.core.errors import InputError, StoreUnavailable

from .base import TEMPORARY, ShardFile, Storage
from .disk_errors import explained

#: Seconds for which a store out of reach is waited for; at the first contact, where the address may be wrong, fewer.
PATIENCE_S = 300.0
FIRST_PATIENCE_S = 10.0
_FIRST_DELAY_S, _LAST_DELAY_S = 0.5, 10.0
_log = logging.getLogger("t2t")
T = TypeVar("T")


class Refused(Exception):
    """The store answered, and asking again would not change the answer. The message says what to do."""


class RemoteStorage(Storage):
    """See :class:`~t2t_dist.storage.objects.base.Storage`. Subclasses give the primitives and say which errors are final."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.patience_s = float(os.environ.get("T2T_STORE_PATIENCE_S", PATIENCE_S))
        self._gave_up = False

    # -- of each kind of store ---------------------------------------------------------------------------------------
    @abstractmethod
    def _put(self, name: str, data: bytes) -> None: ...

    @abstractmethod
    def _put_new(self, name: str, data: bytes, again: bool) -> bool:
        """False if it exists; ``again``: an earlier try got no answer, so what exists may be ours."""

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
        """Everything in ``file``, which stands at its start."""

    @abstractmethod
    def _reason(self, error: Exception) -> str:
        """Why the store did not answer, in a few words without secrets. Raises Refused if it did, and for good."""

    # -- what everyone calls -----------------------------------------------------------------------------------------
    def first_contact(self, *, create: bool, patient: bool) -> None:
        """Raises InputError: it can't be reached or, with ``create``, not written; or, without, there is no run."""
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
        """A whole file under this name."""

        def upload() -> None:
            file.seek(0)
            self._upload(name, file)

        self._patiently(name, upload)

    def _patiently(self, name: str, call: Callable[[], T], wait: bool = True) -> T:
        """The call, repeated while the store is out of reach. One that was given up is not waited for again until it
        has answered: else the end of a run would wait once more for each thing left to write."""
        began, delay, told = time.monotonic(), _FIRST_DELAY_S, False
        while True:
            try:
                found = call()
            except (InputError, MemoryError):
                raise
            except Exception as error:
                try:
                    reason = self._reason(error)
                except Refused as refused:
                    raise InputError(f"{self.describe(name)}: {refused}") from None
                waited = time.monotonic() - began
                patience = self.patience_s if wait and not self._gave_up else 0.0
                if waited + delay > patience:
                    self._gave_up = self._gave_up or wait
                    raise StoreUnavailable(
                        f"{self.describe(name)}: the store could not be reached for {waited:.0f} s ({reason}); "
                        "run the same command when it can"
                    ) from None
                if not told:
                    told = True
                    _log.warning(
                        "%s can't be reached (%s); waiting for it, up to %.0f s", self.root, reason, self.patience_s
                    )
                time.sleep(delay)
                delay = min(2 * delay, _LAST_DELAY_S)
            else:
                if told:
                    _log.warning("%s is back after %.0f s", self.root, time.monotonic() - began)
                self._gave_up = False
                return found


class RemoteShard(ShardFile):
    """A shard that grows in a nameless file here and is sent as a whole."""

    def __init__(self, storage: RemoteStorage, name: str) -> None:
        self._storage, self._name = storage, name
        self._where = tempfile.gettempdir()
        with self.explained():
            descriptor, path = tempfile.mkstemp(prefix="t2t-shard-")
            os.close(descriptor)
            try:
                self.sink = pa.OSFile(path, mode="wb")
                self._file: BinaryIO = open(path, "rb")  # noqa: SIM115 - closed by commit and discard
            finally:
                os.unlink(path)  # a killed worker leaves nothing

    @contextmanager
    def explained(self) -> Iterator[None]:
        with explained(self._where):
            yield

    def commit(self) -> int:
        with self.explained(), self._file as file:
            self.sink.close()
            size = os.fstat(file.fileno()).st_size
            self._storage.send(self._name, file)
        return size

    def discard(self) -> None:
        self.sink.close()
        self._file.close()
