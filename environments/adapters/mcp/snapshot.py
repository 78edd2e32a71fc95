"""Snapshots: the state of a server as records, from files of its directory or the rows of its SQLite file.

A snapshot reads the state of one directory repeatedly, and writes changed records into it. Both are exact: a directory
with written changes is in the same state as one in which a server made them. What could distinguish them is normalized
(file times) or part of the record (the hidden row number by which SQLite orders rows).
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from ...files import read_file
from ...json_text import Unreadable, read_json
from ...state import Key, Record, RecordDiff
from .config import SnapshotConfig

State = dict[Key, Record]
#: The modification time of all files of a world: 2000-01-01, in nanoseconds.
_TIME_NS = 946_684_800 * 10**9
_MAX_FILE, _MAX_STATE = 16 << 20, 64 << 20
#: Table of the database's schema.
SCHEMA = "schema"
#: SQLite's table of the highest number of each AUTOINCREMENT table.
_COUNTERS = "sqlite_sequence"


class SnapshotError(Exception):
    """Raised when the state can't be read, or a record can't be written; one line."""


class Snapshot(Protocol):
    """Reader and writer of the state of one directory."""

    def read(self) -> State:
        """All records by (table, key). Raises SnapshotError."""
        ...

    def apply(self, changes: Iterable[RecordDiff]) -> None:
        """Write changed records into the directory. Raises SnapshotError."""
        ...

    def close(self) -> None: ...


def snapshot_of(config: SnapshotConfig, folder: Path, shown: str) -> Snapshot:
    """The snapshot of a directory; ``shown`` replaces its path in records."""
    if config.sqlite is not None:
        return SqliteSnapshot(config, folder / config.sqlite)
    return FileSnapshot(config, folder, shown)


def glob_pattern(glob: str) -> re.Pattern[str]:
    """A pattern of paths: ``*`` within a folder, ``**`` through folders."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(parts.get(p, re.escape(p)) for p in re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", glob)))


class FileSnapshot:
    """Snapshot of files. Table ``files``, by path: ``{"text": ...}``, or ``{"base64": ...}`` if it is not UTF-8,
    ``{"directory": true}``, ``{"link": ...}``. A ``.json`` file also has its parsed content as ``data``, for rules."""

    def __init__(self, config: SnapshotConfig, folder: Path, shown: str) -> None:
        self.folder, self._shown = folder, shown
        self._wanted = [glob_pattern(glob) for glob in config.files]
        self._ignored = [glob_pattern(glob) for glob in config.ignore]
        self._known: dict[str, tuple[tuple[int, ...], Record]] = {}

    def read(self) -> State:
        known, self._known = self._known, {}
        for path, entry in self._entries(self.folder, ""):
            try:
                stat = entry.stat(follow_symlinks=False)
                seen = known.get(path)
                sign = _sign(stat)
                if seen is None or seen[0] != sign or entry.is_dir(follow_symlinks=False):
                    record = self._record(entry, stat.st_size)
                    sign = self._evened(entry.path)
                    self._known[path] = sign, record
                else:
                    self._known[path] = seen
            except FileNotFoundError:
                continue  # removed meanwhile
            except OSError as error:
                raise SnapshotError(f"{path} can't be read: {error.strerror}") from None
        return {("files", path): record for path, (_, record) in self._known.items()}

    def _entries(self, folder: Path | str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            path = prefix + entry.name
            if any(p.fullmatch(path) for p in self._ignored):
                continue
            if any(p.fullmatch(path) for p in self._wanted):
                yield path, entry
            if entry.is_dir(follow_symlinks=False):
                yield from self._entries(entry.path, path + "/")

    @staticmethod
    def _evened(path: str) -> tuple[int, ...]:
        """Set a fixed modification time; later writes are noticed by theirs."""
        os.utime(path, ns=(_TIME_NS, _TIME_NS), follow_symlinks=False)
        return _sign(os.lstat(path))

    def _record(self, entry: os.DirEntry[str], size: int) -> Record:
        if entry.is_symlink():
            return {"link": os.readlink(entry.path)}
        if entry.is_dir():
            return {"directory": True}
        if not entry.is_file():
            raise SnapshotError(f"{entry.name} is neither a file nor a directory")
        if size > _MAX_FILE:
            raise SnapshotError(f"{entry.name} has more than {_MAX_FILE >> 20} MiB; leave it out by snapshot.ignore")
        content = read_file(entry.path)
        try:
            text = content.decode().replace(str(self.folder), self._shown)
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(content).decode()}
        record: Record = {"text": text}
        if entry.name.endswith(".json"):
            try:
                record["data"] = read_json(text)
            except Unreadable:
                pass  # the text is enough
        return record

    def apply(self, changes: Iterable[RecordDiff]) -> None:
        changes = sorted(changes, key=lambda change: change.key)
        try:
            for change in reversed(changes):  # the contents of a folder before the folder
                path = self._inside(change.key)
                if change.before is not None and (change.after is None or change.before.keys() != change.after.keys()):
                    if "directory" in change.before:
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink(missing_ok=True)
            for change in changes:
                if change.after is not None:
                    self._write(self._inside(change.key), change.after)
        except OSError as error:
            raise SnapshotError(f"the state can't be put into {self.folder}: {error}") from None
        self.read()

    def _inside(self, key: str) -> Path:
        path = self.folder / key
        if Path(key).is_absolute() or ".." in Path(key).parts:
            raise SnapshotError(f"the path {key!r} leads out of the world")
        return path

    @staticmethod
    def _write(path: Path, record: Record) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if "directory" in record:
            path.mkdir(exist_ok=True)
        elif "link" in record:
            path.unlink(missing_ok=True)
            path.symlink_to(record["link"])
        else:
            path.write_bytes(base64.b64decode(record["base64"]) if "base64" in record else record["text"].encode())

    def close(self) -> None:
        """Nothing is kept open."""


def _sign(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, stat.st_mode


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class SqliteSnapshot:
    """Snapshot of a SQLite file: a table of records per table, by primary key (``a/b`` if it has several columns), else
    by row number. ``schema`` has the SQL of tables, indexes, triggers and views."""

    def __init__(self, config: SnapshotConfig, file: Path) -> None:
        self.file, self._ignored = file, frozenset(config.ignore)
        self._connection: sqlite3.Connection | None = None
        self._seen: tuple[int, int] | None = None
        self._state: State = {}
        self._keys: dict[str, list[str]] = {}

    def _open(self) -> sqlite3.Connection:
        inode = self.file.stat().st_ino
        if self._connection is None or self._seen is None or self._seen[0] != inode:
            self.close()
            # One thread at a time uses the server, but not always the same one.
            self._connection = sqlite3.connect(self.file, timeout=5, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA synchronous = OFF")  # a world never outlives its process
            self._seen = inode, -1
        return self._connection

    def read(self) -> State:
        try:
            connection = self._open()
            assert self._seen is not None
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            if self._seen[1] != version:  # another connection has written
                self._state = dict(self._records(connection))
                self._seen = self._seen[0], version
        except (sqlite3.Error, OSError) as error:
            raise SnapshotError(f"{self.file.name} can't be read as a SQLite database: {error}") from None
        return self._state

    def _records(self, db: sqlite3.Connection) -> Iterator[tuple[Key, Record]]:
        made = db.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
        for kind, name, sql in made:
            if not name.startswith("sqlite_"):
                yield (SCHEMA, name), {"type": kind, "sql": sql}
        self._keys = {}
        for kind, name, _ in made:
            if kind == "table" and (not name.startswith("sqlite_") or name == _COUNTERS):
                yield from self._rows(db, name)

    def _rows(self, db: sqlite3.Connection, table: str) -> Iterator[tuple[Key, Record]]:
        columns = db.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
        keys = [c[1] for c in sorted((c for c in columns if c[5]), key=lambda c: c[5])]
        whole = len(keys) == 1 and next(c[2] for c in columns if c[1] == keys[0]).upper() == "INTEGER"
        if table == _COUNTERS:
            keys, whole = ["name"], True
        hidden = not whole
        try:
            rows = db.execute(
                f"SELECT rowid, * FROM {_quoted(table)}" if hidden else f"SELECT 0, * FROM {_quoted(table)}"
            )
        except sqlite3.OperationalError:  # WITHOUT ROWID
            hidden, rows = False, db.execute(f"SELECT 0, * FROM {_quoted(table)}")
        self._keys[table] = keys or ["rowid"]
        names = [c[1] for c in columns]
        for number, *values in rows:
            record: Record = {
                name: {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
                for name, value in zip(names, values, strict=True)
                if f"{table}.{name}" not in self._ignored
            }
            if hidden:
                record["rowid"] = number
            key = "/".join(str(values[names.index(k)]) for k in keys) if keys else str(number)
            yield (table, key), record

    def apply(self, changes: Iterable[RecordDiff]) -> None:
        changes = list(changes)
        if not changes:
            return
        try:
            db = self._open()
            self.read()
            db.execute("BEGIN IMMEDIATE")
            try:
                self._put(db, changes)
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
            self._seen = (self._seen[0], -1) if self._seen else None  # data_version does not change by our own writes
            self.read()
        except (sqlite3.Error, OSError, KeyError) as error:
            raise SnapshotError(f"the state can't be put into {self.file.name}: {error}") from None

    def _put(self, db: sqlite3.Connection, changes: list[RecordDiff]) -> None:
        schema = [change for change in changes if change.table == SCHEMA]
        rows = [change for change in changes if change.table != SCHEMA]
        for change in schema:
            if change.before is not None:
                db.execute(f"DROP {change.before['type']} IF EXISTS {_quoted(change.key)}")
        for kind in ("table", "index", "view", "trigger"):
            for change in schema:
                if change.after is not None and change.after["type"] == kind:
                    db.execute(change.after["sql"])
        if schema:
            dict(self._records(db))  # the new tables' keys
            dropped = {change.key for change in schema if change.before is not None}
            rows = [change for change in rows if change.after is not None or change.table not in dropped]
        # The effects of triggers are among the changes already.
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {_quoted(name)}")
        kept = [self._delete(db, change) for change in rows]
        for change, rest in zip(rows, kept, strict=True):
            if change.after is not None and change.table != _COUNTERS:
                self._insert(db, change.table, {**rest, **change.after})
        for change in rows:
            if change.table == _COUNTERS:  # changed by the inserts
                self._delete(db, change)
                if change.after is not None:
                    self._insert(db, change.table, change.after)
        for _, sql in triggers:
            db.execute(sql)

    def _delete(self, db: sqlite3.Connection, change: RecordDiff) -> dict[str, Any]:
        """Delete the row; returns its columns that are not part of the state."""
        record = change.before if change.before is not None else change.after
        assert record is not None
        keys = self._keys[change.table]
        test = " AND ".join(f"{_quoted(key)} IS ?" for key in keys)
        values = [_plain(record[key]) for key in keys]
        found = db.execute(f"SELECT * FROM {_quoted(change.table)} WHERE {test}", values)
        names, row = [c[0] for c in found.description], found.fetchone()
        db.execute(f"DELETE FROM {_quoted(change.table)} WHERE {test}", values)
        old = dict(zip(names, row, strict=True)) if row else {}
        return {name: value for name, value in old.items() if f"{change.table}.{name}" in self._ignored}

    @staticmethod
    def _insert(db: sqlite3.Connection, table: str, record: dict[str, Any]) -> None:
        names = ", ".join(_quoted(name) for name in record)
        marks = ", ".join("?" for _ in record)
        db.execute(f"INSERT INTO {_quoted(table)} ({names}) VALUES ({marks})", [_plain(v) for v in record.values()])

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _plain(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value
