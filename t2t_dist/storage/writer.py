"""Writing rows into shards: batches, rolls, and the file that a commit names."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from .ledger import LedgerState, ShardInfo, shards_up_to
from .migrations import stamped
from .objects.base import ShardFile, Storage
from .row_digest import without_half_pairs

#: A finished shard is about this large: few files in a long run, and still a piece that fits one reader's memory.
MAX_BYTES = 128 << 20


#: Shards roll by age too, at first after 2 s and then at doubling intervals up to 60 s. What a killed worker loses is
#: what it had not rolled yet: a young run, where mistakes show and people interrupt, loses seconds; an old run, where
#: a minute is little, makes few files.
FIRST_ROLL_S = 2.0


LAST_ROLL_S = 60.0


#: Rows wait for a batch as dicts, which take ten times the memory: batches of this size still compress well, and four
#: times larger ones cost 100 KB for each live episode. Dicts become Arrow in slices, because that conversion holds the
#: interpreter and a whole batch at once would stall an event loop; smaller slices than half a MiB cost more than they
#: spare.
_BATCH_BYTES = 1 << 20


_SLICES = 2


_FIRST_BATCH_ROWS = 32  # until the first batch has shown how large a row is


_MAX_BATCH_ROWS = 4096


_SHARD = re.compile(r"[a-z_]+/part-[^/]+\.arrow")


Row = Mapping[str, Any]


class ShardWriter:
    """Writes one worker's rows.

    :meth:`add` is cheap. Conversion, compression and syncing happen in :meth:`spill` and in a cut's ``close``, which
    are safe in a thread while other rows are added::

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
    ) -> None:
        """``worker`` ([A-Za-z0-9_-]+) is part of the file names; it need not be unique."""
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
        # The token keeps a restarted worker of the same name from ever meeting its predecessor's files.
        self._name = f"part-{worker}-{{:06d}}-{secrets.token_hex(4)}.arrow"
        self._sequence = 0
        self._batch_rows = dict.fromkeys(schemas, _FIRST_BATCH_ROWS)
        self._since: float | None = None
        self._open = self._next()

    def add(self, table: str, rows: Sequence[Row]) -> bool:
        """Take rows; True when a batch has come together and :meth:`spill` is worth a call.

        Raises ValueError for a column that the table lacks (Arrow would drop it silently), KeyError for an unknown
        table. Where nobody spills, this does, so that memory stays bounded.
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
        """Write the rows that wait in memory into the open shards."""
        self._open.spill()

    def due(self, now: float | None = None) -> bool:
        """Whether the open shards should be cut, by size or by age; ``now`` in seconds of the writer's clock."""
        if self._since is None:
            return False
        age = (self._clock() if now is None else now) - self._since
        return age >= self._roll_s or self._open.bytes >= self._max_bytes

    def cut(self) -> Cut:
        """Set apart the rows added so far; later ones go to new shards. Cheap: the work is in the ``close`` of it."""
        cut = self._open
        if self._since is not None:
            self._roll_s = min(2 * self._roll_s, self._last_roll_s)
            self._since = None
        self._open = self._next()
        return cut

    def flush(self) -> list[ShardInfo]:
        """Cut and finish; what to log. Rows that another thread adds meanwhile may or may not be among them."""
        return self.cut().close()

    def _next(self) -> Cut:
        self._sequence += 1
        return Cut(self._storage, self._schemas, self._name.format(self._sequence), self._batch_rows)


class Cut:
    """The shards, one a table at most, for the rows between two cuts of a writer."""

    def __init__(
        self, storage: Storage, schemas: Mapping[str, pa.Schema], name: str, batch_rows: dict[str, int]
    ) -> None:
        self._storage = storage
        self._schemas = schemas
        self._name = name
        self._batch_rows = batch_rows  # shared between a writer's cuts: what one learns serves the next
        self._pending: dict[str, list[Row]] = {table: [] for table in schemas}
        self._parts: dict[str, _Part] = {}
        self._swapping = threading.Lock()  # held for moments, by the event loop too
        self._writing = threading.Lock()  # held while converting and writing

    @property
    def bytes(self) -> int:
        """Size of the largest shard so far."""
        return max((part.bytes for part in list(self._parts.values())), default=0)

    def add(self, table: str, rows: Iterable[Row]) -> int:
        """Take rows; the number that now wait in memory."""
        with self._swapping:
            self._pending[table].extend(rows)
            return len(self._pending[table])

    def spill(self) -> None:
        """Write the waiting rows. After a failure (InputError: the disk; ValueError: a row) the cut is void."""
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
        """Finish all shards: durable and under their names when this returns, and to be logged by the caller."""
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
        """Append one record batch; its uncompressed bytes."""
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
        return ShardInfo(self.table, self.name, self.rows, self.file.commit())


def _batch(table: str, rows: Sequence[Row], schema: pa.Schema) -> pa.RecordBatch:
    # Arrow's own conversion of dicts, nested ones included, is the fastest measured: taking them apart in Python
    # first, or going through JSON, is two to four times slower (benchmarks/store.py has the figure).
    try:
        return pa.RecordBatch.from_pylist(rows, schema=schema)
    except UnicodeEncodeError:
        return pa.RecordBatch.from_pylist([without_half_pairs(row) for row in rows], schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise ValueError(f"table {table}: a row does not fit the schema: {error}") from error


def clean(storage: Storage, state: LedgerState) -> list[str]:
    """Delete the shards that the ledger does not name, and unfinished files: what killed workers left behind.

    For the run's one driver, after ``Ledger.fence`` and before its workers start, else it would delete shards that
    are written but not yet logged. Returns the names of the deleted shards.
    """
    named = {shard.file for shard in shards_up_to(storage, state.last)}
    orphans = [name for name in storage.names() if _SHARD.fullmatch(name) and name not in named]
    for name in orphans:
        storage.delete(name)
    storage.clear_temporary()
    return orphans
