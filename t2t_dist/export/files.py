"""Writers of exported rows, in an order that depends on the rows alone: spooled by key, then sorted piece by piece."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import orjson
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from .formats import columnar, extended, features_of

#: Rows that are sorted at once; a conversation takes about 50 KB.
_PIECE = 2000
_MAX_PIECES = 512
_BATCH = 64
_KEY_BITS = 64


class Spool:
    """An on-disk sorter: rows go in in any order and come out sorted by key, with one piece of them in memory.

    Keys are evenly spread (16 hex digits of a hash), so pieces of equal key ranges have about equal sizes.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self._count = min(max(1, -(-rows // _PIECE)), _MAX_PIECES)
        folder.mkdir()
        self._paths = [folder / f"{piece:03d}" for piece in range(self._count)]
        self._files: list[BinaryIO] = [path.open("wb") for path in self._paths]

    def put(self, key: str, number: int, row: Any) -> None:
        """``number`` orders rows of the same key."""
        piece = int(key, 16) * self._count >> _KEY_BITS
        self._files[piece].write(b"%s %06d %s\n" % (key.encode(), number, orjson.dumps(row)))

    def sorted(self) -> Iterator[tuple[str, int, Any]]:
        """All rows by key and number; the spool is deleted meanwhile."""
        for file, path in zip(self._files, self._paths, strict=True):
            file.close()
            # Sorted as text and parsed one by one: as objects a piece would take ten times the memory.
            piece = sorted(path.read_bytes().splitlines())
            path.unlink()
            for line in piece:
                key, number, row = line.split(b" ", 2)
                yield key.decode(), int(number), orjson.loads(row)
        self._paths[0].parent.rmdir()


class Sink(Protocol):
    """A writer of rows into one file."""

    def write(self, row: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


class Lines:
    """A writer of JSON lines. Columns that a row lacks are left out."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, row: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(row) + b"\n")

    def close(self) -> None:
        self._file.close()


class Columns:
    """A writer of Parquet, or of an Arrow stream as ``datasets`` stores it; the schema holds the features."""

    def __init__(self, path: Path, schema: pa.Schema, kind: str) -> None:
        metadata = {b"huggingface": orjson.dumps({"info": {"features": features_of(schema)}})}
        self._schema = schema.with_metadata(metadata)
        self._waiting: list[dict[str, Any]] = []
        self._tools: tuple[Any, Any] = (None, None)  # nearly always the same as the previous row's
        self._out: Any
        if kind == "parquet":
            self._out = pq.ParquetWriter(path, self._schema, compression="zstd")
            self._stored = self._schema
        else:
            self._stored = extended(self._schema)
            self._out = pa.ipc.new_stream(str(path), self._stored)

    def write(self, row: dict[str, Any]) -> None:
        made = columnar(self._schema, {**row, "tools": None})
        if row.get("tools") is not None:
            if row["tools"] is not self._tools[0]:
                self._tools = row["tools"], columnar(self._schema, {"tools": row["tools"]})["tools"]
            made["tools"] = self._tools[1]
        self._waiting.append(made)
        if len(self._waiting) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            batch = pa.RecordBatch.from_pylist(self._waiting, schema=self._schema)
            self._out.write_batch(batch if self._stored is self._schema else batch.cast(self._stored))
            self._waiting = []

    def close(self) -> None:
        self._flush()
        self._out.close()


#: ``--file`` (``arrow`` for the format hf) -> path of a split's rows in the folder.
PLACES = {"jsonl": "{}.jsonl", "parquet": "{}.parquet", "arrow": "{}/data-00000-of-00001.arrow"}


def open_sink(folder: Path, split: str, file: str, schema: pa.Schema) -> Sink:
    path = folder / PLACES[file].format(split)
    path.parent.mkdir(exist_ok=True)
    return Lines(path) if file == "jsonl" else Columns(path, schema, file)


def write_states(folder: Path, splits: dict[str, int], schema: pa.Schema, fingerprint: str) -> None:
    """Write the files that ``datasets.load_from_disk`` looks for beside the Arrow files."""
    for split in splits:
        info = {"features": features_of(schema), "citation": "", "description": "", "homepage": "", "license": ""}
        state: dict[str, Any] = {
            "_data_files": [{"filename": os.path.basename(PLACES["arrow"])}],
            "_fingerprint": f"{fingerprint}{split}",
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": split,
        }
        (folder / split / "dataset_info.json").write_bytes(orjson.dumps(info, option=orjson.OPT_INDENT_2))
        (folder / split / "state.json").write_bytes(orjson.dumps(state, option=orjson.OPT_INDENT_2))
    (folder / "dataset_dict.json").write_bytes(orjson.dumps({"splits": list(splits)}))
