"""Writer of shards: a worker's rows become Arrow IPC files, which the driver commits to the ledger.

A worker's rows go into one open shard per table. Shards roll by size and age: they are finished (closed, made durable,
given their names) and reported to the driver. Only once the driver has committed them do their rows exist.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from .ledger import LedgerState, shards_of
from .ledger_objects import ShardInfo
from .migrations import stamped
from .objects.base import ShardFile, Storage
from .row_digest import without_half_pairs

#: Size at which a shard rolls: few files in a long run, and still small enough for one reader's memory.
MAX_BYTES = 128 << 20
#: Shards also roll by age, first after 2 s, then at doubling intervals up to 60 s. A killed worker loses what it has
#: not rolled yet: seconds in a young run, where mistakes show and people interrupt; up to a minute in an old one, which
#: in return has few files.
FIRST_ROLL_S = 2.0
LAST_ROLL_S = 60.0
#: Rows wait for a batch as dicts, in ten times the memory. Batches of this size still compress well; four times larger
#: ones cost 100 KB per live episode. Dicts are converted in slices, because the conversion holds the interpreter lock
#: and a whole batch would stall the event loop; slices below half a MiB cost more than they save.
_BATCH_BYTES = 1 << 20
_SLICES = 2
_FIRST_BATCH_ROWS = 32  # until the first batch has shown how large a row is
_MAX_BATCH_ROWS = 4096
_SHARD = re.compile(r"[a-z_]+/part-[^/]+\.arrow")

Row = Mapping[str, Any]


class ShardWriter:
    """Writer of one worker's rows.

    :meth:`add` is cheap. Conversion, compression and syncing happen in :meth:`spill` and in a cut's ``close``, which
    may run in a thread while more rows are added::

        if writer.add("episodes", rows):
            await asyncio.to_thread(writer.spill)
        ...
        if writer.due(time.monotonic()):
            cut, done = writer.cut(), items  # no await between the two: the cut holds these items' rows, no others
            shards = await asyncio.to_thread(cut.close)
    """

    def __init__(
        self,
        storage: Storage,
        schemas: Mapping[str, pa.Schema],
        worker: str,
        *,
        max_bytes: int = MAX_BYTES,
        first_roll_s: float = FIRST_ROLL_S,
        last_roll_s: float = LAST_ROLL_S,
        clock: Callable[[], float] = time.monotonic,
        token: str | None = None,
    ) -> None:
        """``worker`` ([A-Za-z0-9_-]+) becomes part of the file names; it need not be unique. ``token``: the rest of
        them, for the only writer that a directory will ever have; by default another each time."""
        if not re.fullmatch(r"[A-Za-z0-9_-]+", worker):
            raise ValueError(f"worker name {worker!r} has characters other than A-Z a-z 0-9 _ -")
        for table, schema in schemas.items():
            if any("map<" in str(column.type) for column in schema):
                raise ValueError(f"table {table}: a map is not read back as it was written; use a list of structs")
        self._storage = storage
        self._schemas = {table: stamped(schema) for table, schema in schemas.items()}
        self._names = {table: frozenset(schema.names) for table, schema in schemas.items()}
        self._max_bytes = max_bytes
        self._roll_s = first_roll_s
        self._last_roll_s = last_roll_s
        self._clock = clock
        # The token keeps a restarted worker from overwriting files of its predecessor with the same name.
        self._name = f"part-{worker}-{{:06d}}-{token or secrets.token_hex(4)}.arrow"
        self._sequence = 0
        self._batch_rows = dict.fromkeys(schemas, _FIRST_BATCH_ROWS)
        self._since: float | None = None
        self._open = self._next()

    def add(self, table: str, rows: Sequence[Row]) -> bool:
        """Take rows; True when a batch is complete and :meth:`spill` should be called.

        Raises ValueError for a column that the table lacks (Arrow would drop it silently), KeyError for an unknown
        table. If :meth:`spill` is not called, this does it, so that memory stays bounded.
        """
        names = self._names[table]
        for row in rows:
            if not names.issuperset(row):
                raise ValueError(f"table {table} has no column {', '.join(sorted(row.keys() - names))}")
        if self._since is None and rows:
            self._since = self._clock()
        pending = self._open.add(table, rows)
        if pending >= 2 * self._batch_rows[table]:
            self._open.spill()
        return pending >= self._batch_rows[table]

    def spill(self) -> None:
        """Write the rows waiting in memory into the open shards."""
        self._open.spill()

    def due(self, now: float | None = None) -> bool:
        """Whether the open shards should be cut, by size or by age; ``now`` in seconds of the writer's clock."""
        if self._since is None:
            return False
        age = (self._clock() if now is None else now) - self._since
        return age >= self._roll_s or self._open.bytes >= self._max_bytes

    def cut(self) -> Cut:
        """Separate the rows added so far; later ones go to new shards. Cheap: the work is in the cut's ``close``."""
        cut = self._open
        if self._since is not None:
            self._roll_s = min(2 * self._roll_s, self._last_roll_s)
            self._since = None
        self._open = self._next()
        return cut

    def flush(self) -> list[ShardInfo]:
        """Cut and finish the open shards. Rows that another thread adds meanwhile may or may not be included."""
        return self.cut().close()

    def _next(self) -> Cut:
        self._sequence += 1
        return Cut(self._storage, self._schemas, self._name.format(self._sequence), self._batch_rows)


class Cut:
    """The shards, at most one per table, with the rows between two cuts of a writer."""

    def __init__(
        self, storage: Storage, schemas: Mapping[str, pa.Schema], name: str, batch_rows: dict[str, int]
    ) -> None:
        self._storage = storage
        self._schemas = schemas
        self._name = name
        self._batch_rows = (
            batch_rows  # shared between a writer's cuts, so that each starts with the sizes measured before
        )
        self._pending: dict[str, list[Row]] = {table: [] for table in schemas}
        self._parts: dict[str, _Part] = {}
        self._swapping = threading.Lock()  # held only briefly, also by the event loop
        self._writing = threading.Lock()  # held while converting and writing

    @property
    def bytes(self) -> int:
        """Size of the largest shard so far."""
        return max((part.bytes for part in list(self._parts.values())), default=0)

    def add(self, table: str, rows: Iterable[Row]) -> int:
        """Take rows; returns how many now wait in memory."""
        with self._swapping:
            self._pending[table].extend(rows)
            return len(self._pending[table])

    def spill(self) -> None:
        """Write the waiting rows. After a failure (InputError: the disk; ValueError: a row) the cut is unusable."""
        with self._writing:
            for table in self._schemas:
                with self._swapping:
                    rows, self._pending[table] = self._pending[table], []
                if not rows:
                    continue
                try:
                    self._write(table, rows)
                except BaseException:
                    self._discard()
                    raise

    def close(self) -> list[ShardInfo]:
        """Finish all shards: they are durable and have their names when this returns; the caller has to commit them."""
        self.spill()
        with self._writing:
            try:
                return [part.finish() for part in self._parts.values()]
            except BaseException:
                self._discard()
                raise

    def _write(self, table: str, rows: Sequence[Row]) -> None:
        if table not in self._parts:
            self._parts[table] = _Part(self._storage, table, f"{table}/{self._name}", self._schemas[table])
        size = self._batch_rows[table]
        for start in range(0, len(rows), size):
            nbytes = self._parts[table].write(rows[start : start + size])
        mean = max(1, nbytes // len(rows[start:]))
        self._batch_rows[table] = min(max(_BATCH_BYTES // mean, 1), _MAX_BATCH_ROWS)

    def _discard(self) -> None:
        for part in self._parts.values():
            part.file.discard()


class _Part:
    """One shard being written."""

    def __init__(self, storage: Storage, table: str, name: str, schema: pa.Schema) -> None:
        self.table, self.name, self.schema = table, name, schema
        self.rows = 0
        self.bytes = 0
        self.file: ShardFile = storage.open_shard(name)
        with self.file.explained():
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            self._ipc = pa.ipc.new_file(self.file.sink, schema, options=options)

    def write(self, rows: Sequence[Row]) -> int:
        """Append one record batch; returns its uncompressed bytes."""
        size = -(-len(rows) // _SLICES)
        slices = [_batch(self.table, rows[start : start + size], self.schema) for start in range(0, len(rows), size)]
        (batch,) = pa.Table.from_batches(slices).combine_chunks().to_batches()
        with self.file.explained():
            self._ipc.write_batch(batch)
            self.bytes = self.file.sink.tell()
        self.rows += len(rows)
        return batch.nbytes

    def finish(self) -> ShardInfo:
        with self.file.explained():
            self._ipc.close()
        return ShardInfo(self.table, self.name, self.rows, *self.file.commit())


def _batch(table: str, rows: Sequence[Row], schema: pa.Schema) -> pa.RecordBatch:
    # Arrow's own conversion of nested dicts is the fastest measured: taking them apart in Python first, or going
    # through JSON, is two to four times slower (benchmarks/store.py has the figures).
    try:
        return pa.RecordBatch.from_pylist(rows, schema=schema)
    except UnicodeEncodeError:
        return pa.RecordBatch.from_pylist([without_half_pairs(row) for row in rows], schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise ValueError(f"table {table}: a row does not fit the schema: {error}") from error


def clean(storage: Storage, state: LedgerState) -> list[str]:
    """Delete what killed workers left behind: shards that the ledger does not name, and unfinished files.

    Only for the run's driver, after ``Ledger.fence`` and before its workers start; otherwise it would delete shards
    that are written but not yet committed. Returns the names of the deleted shards.
    """
    named = {shard.file for shard in shards_of(storage, state)}
    orphans = [name for name in storage.names() if _SHARD.fullmatch(name) and name not in named]
    for name in orphans:
        storage.delete(name)
    storage.clear_temporary()
    return orphans
