"""Store of a run on any file system that pyarrow supports."""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa
import pyarrow.fs

from t2t_dist.core.errors import InputError

from .remote import RemoteStorage, StoreRefused

_CHUNK = 4 << 20


class ArrowStorage(RemoteStorage):
    """A store on any filesystem that pyarrow opens (gs, abfs, hdfs ...).

    Pyarrow can't put an object only if it is absent. So two drivers that take a run at the very same moment may both
    believe that they hold it, until the lock's next beat a few seconds later ends the one whose lock was overwritten.
    Drivers that start one after the other exclude each other as on any store.
    """

    def __init__(self, root: str, filesystem: pa.fs.FileSystem, path: str) -> None:
        super().__init__(root)
        self._fs = pa.fs.SubTreeFileSystem(path, filesystem)
        self._known: set[str] = set()

    @classmethod
    def of(cls, uri: str) -> ArrowStorage:
        """The store at a URI. Raises InputError: pyarrow does not know the scheme, or can't use the address."""
        try:
            filesystem, path = pa.fs.FileSystem.from_uri(uri)
        except (pa.ArrowException, OSError, ValueError) as error:
            text = str(error).splitlines()[0]
            raise InputError(f"{uri}: pyarrow can't open this ({text}); give a path, s3://, gs:// or hdfs://") from None
        return cls(uri, filesystem, path)

    @property
    def filesystem(self) -> pa.fs.FileSystem:
        return self._fs

    def _put(self, name: str, data: bytes) -> None:
        self._directory(name)
        with self._fs.open_output_stream(name) as out:
            out.write(data)

    def _put_new(self, name: str, data: bytes, again: bool) -> bool:
        there = self._get(name)
        if there is None:
            self._put(name, data)
            return self._get(name) == data
        return again and there == data

    def _get(self, name: str) -> bytes | None:
        try:
            with self._fs.open_input_stream(name) as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def _size(self, name: str) -> int | None:
        info = self._fs.get_file_info(name)
        return info.size if info.is_file else None

    def _list(self, prefix: str) -> list[str]:
        folder = prefix.rpartition("/")[0]
        selector = pa.fs.FileSelector(folder, recursive=True, allow_not_found=True)
        found = [info.path.removeprefix("/") for info in self._fs.get_file_info(selector) if info.is_file]
        return [name for name in found if name.startswith(prefix)]

    def _any(self) -> bool:
        return bool(self._fs.get_file_info(pa.fs.FileSelector("", allow_not_found=True)))

    def _delete(self, name: str) -> None:
        try:
            self._fs.delete_file(name)
        except FileNotFoundError:
            return

    def _upload(self, name: str, file: BinaryIO) -> None:
        self._directory(name)
        with self._fs.open_output_stream(name) as out:
            while chunk := file.read(_CHUNK):
                out.write(chunk)

    def _directory(self, name: str) -> None:
        folder = name.rpartition("/")[0]
        if folder and folder not in self._known:
            self._fs.create_dir(folder, recursive=True)
            self._known.add(folder)

    def _reason(self, error: Exception) -> str:
        if isinstance(error, PermissionError):
            raise StoreRefused("permission denied; check the credentials and what they may do")
        if isinstance(error, pa.ArrowException):  # connection errors are OSErrors
            raise StoreRefused(str(error).splitlines()[0][:200])
        if isinstance(error, OSError):
            return str(error).splitlines()[0][:200]
        raise error
