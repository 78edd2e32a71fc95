"""Store of a run on a local or mounted disk."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.fs

from t2t_dist.core.errors import InputError
from t2t_dist.environments.files import open_file, read_file

from .base import TEMPORARY, ShardFile, Storage, Written
from .blocks import SummedSink
from .disk_errors import explained

#: Most bytes of an object that is read whole; shards are not.
_MOST = 1 << 30
#: Names of objects end in a type; those of folders do not.
_OBJECT = re.compile(r"\.(arrow|json|mp)$")
#: Errors of os.link on file systems without hard links.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def _sync_directory(path: str) -> None:
    """Make the names in a directory durable: a rename is lost in a power cut until its directory is synced."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raised(error: OSError) -> None:
    """What can't be listed is not empty, unless it has gone meanwhile."""
    if not isinstance(error, FileNotFoundError):
        raise error


class LocalStorage(Storage):
    """A store in a directory; see :class:`~t2t_dist.storage.objects.base.Storage`."""

    def __init__(self, root: str) -> None:
        """Only keeps the path; ``create_storage`` and ``open_storage`` check the directory."""
        self.root = root
        self._known: set[str] = set()  # directories known to exist; saves a stat per object

    @classmethod
    def create(cls, root: str, *, parents: bool = False) -> LocalStorage:
        """``create_storage`` for an absolute path."""
        storage = cls(root)
        parent = os.path.dirname(storage.root)
        if not parents and not os.path.isdir(parent):
            raise InputError(f"{storage.root}: the directory {parent} does not exist; create it or choose another")
        if os.path.exists(storage.root) and not os.path.isdir(storage.root):
            raise InputError(f"{storage.root}: this is a file, not a directory; choose another run directory")
        with explained(storage.root):
            os.makedirs(storage.root, exist_ok=True)
            _sync_directory(parent)
        # A trial object reveals a read-only or full disk now, not after an hour of work.
        os.unlink(storage._temporary("trial", b"trial"))
        return storage

    @classmethod
    def open(cls, root: str) -> LocalStorage:
        """``open_storage`` for an absolute path."""
        storage = cls(root)
        if not os.path.isdir(storage.root):
            what = "this is a file, not a run directory" if os.path.exists(storage.root) else "no such run directory"
            raise InputError(f"{storage.root}: {what}; name a directory that t2t has written")
        return storage

    @property
    def filesystem(self) -> pa.fs.FileSystem:
        return pa.fs.SubTreeFileSystem(self.root, pa.fs.LocalFileSystem())

    @property
    def logs(self) -> str:
        return self.describe("logs")

    def describe(self, name: str) -> str:
        return f"{self.root}/{name}"

    def put_if_absent(self, name: str, data: bytes) -> bool:
        path = self._path(name)
        temporary = self._temporary(name, data)
        try:
            with explained(path):
                try:
                    os.link(temporary, path)
                except FileExistsError:
                    return self._stands(path)
                except OSError as error:
                    if error.errno not in _NO_LINKS:
                        raise
                    # Exclusive creation has one winner as well; a crash in it leaves half an object, which readers
                    # recognise by its checksum.
                    try:
                        self._write(path, data)
                    except FileExistsError:
                        return self._stands(path)
        finally:
            os.unlink(temporary)
        with explained(path):
            _sync_directory(os.path.dirname(path))
        return True

    @staticmethod
    def _stands(path: str) -> bool:
        """False: an object has this name already. Raises OSError: something that nobody has put there."""
        os.close(open_file(path))
        return False

    def replace(self, name: str, data: bytes, *, wait: bool = True) -> None:
        path = self._path(name)
        temporary = self._temporary(name, data)
        with explained(path):
            os.replace(temporary, path)
            _sync_directory(os.path.dirname(path))

    def read(self, name: str) -> bytes | None:
        path = self.describe(name)
        with explained(path):
            try:
                return read_file(path, _MOST)
            except FileNotFoundError:
                return None

    def size(self, name: str) -> int | None:
        path = self.describe(name)
        with explained(path):
            try:
                return os.stat(path).st_size
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ELOOP):
                    raise
                return 0 if os.path.islink(path) else None  # a link that leads nowhere stands there all the same

    def names(self, prefix: str = "") -> list[str]:
        found: list[str] = []
        top = os.path.normpath(self.describe(prefix.rpartition("/")[0]))
        with explained(top):
            for path, folders, files in os.walk(top, onerror=_raised):
                if path == self.root and TEMPORARY in folders:
                    folders.remove(TEMPORARY)
                inside = os.path.relpath(path, self.root).replace(os.sep, "/")
                start = "" if inside == "." else inside + "/"
                # A folder in place of an object is one that can't be read, and not one that is not there.
                found.extend(start + file for file in (*files, *filter(_OBJECT.search, folders)))
        return sorted(name for name in found if name.startswith(prefix))

    def delete(self, name: str) -> None:
        path = self.describe(name)
        with explained(path):
            try:
                os.unlink(path)
            except FileNotFoundError:
                return

    def clear_temporary(self) -> None:
        folder = os.path.join(self.root, TEMPORARY)
        with explained(folder):
            for entry in os.scandir(folder) if os.path.isdir(folder) else ():
                os.unlink(entry.path)

    def open_shard(self, name: str) -> LocalShard:
        path = self._path(name)
        temporary = self._temporary_path(name)
        with explained(temporary):
            return LocalShard(path, temporary)

    def _path(self, name: str) -> str:
        """The path of ``name``, after making its directory durable."""
        path = os.path.join(self.root, name)
        self._directory(os.path.dirname(path))
        return path

    def _directory(self, path: str) -> None:
        if path in self._known:
            return
        with explained(path):
            os.makedirs(path, exist_ok=True)
            _sync_directory(os.path.dirname(path))
        self._known.add(path)

    def _temporary_path(self, name: str) -> str:
        return self._path(f"{TEMPORARY}/{name.replace('/', '-')}.{secrets.token_hex(6)}")

    def _temporary(self, name: str, data: bytes) -> str:
        """Path of a new temporary file that holds ``data`` durably."""
        path = self._temporary_path(name)
        with explained(self.describe(name)):
            self._write(path, data)
        return path

    @staticmethod
    def _write(path: str, data: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            os.fsync(descriptor)
        except OSError:
            os.unlink(path)
            raise
        finally:
            os.close(descriptor)


class LocalShard(ShardFile):
    """A shard streamed to a temporary file; see :class:`~t2t_dist.storage.objects.base.ShardFile`."""

    def __init__(self, path: str, temporary: str) -> None:
        self._path = path
        self._temporary = temporary
        self._summed = SummedSink(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        self.sink = self._summed.sink

    @contextmanager
    def explained(self) -> Iterator[None]:
        with explained(self._path):
            yield

    def commit(self) -> Written:
        with explained(self._path):
            # Order matters: if the name were durable before the bytes, a power cut could leave a named, empty shard.
            written = self._summed.finish(sync=True)
            os.replace(self._temporary, self._path)
            _sync_directory(os.path.dirname(self._path))
        return written

    def discard(self) -> None:
        self._summed.drop()
        with explained(self._temporary):
            try:
                os.unlink(self._temporary)
            except FileNotFoundError:
                return
