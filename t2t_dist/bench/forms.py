"""A benchmark's tasks as Hugging Face's ``datasets`` reads them: one Parquet file per split, all domains together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from t2t_dist.export.files import PLACES, open_sink
from t2t_dist.storage.rows import SCHEMAS

FOLDER = "data"
#: The columns of the tasks table, and the split that a row is of.
SCHEMA = pa.schema(
    [*(column for column in SCHEMAS["tasks"] if column.name != "run_id"), pa.field("split", pa.string())]
)


def place_of(split: str) -> str:
    """The path of a split's rows in the folder."""
    return f"{FOLDER}/{PLACES['parquet'].format(split)}"


def write_parquet(folder: Path, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Write the rows of each split."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for split, of_split in rows.items():
        sink = open_sink(folder / FOLDER, split, "parquet", SCHEMA)
        for row in of_split:
            sink.write(dict(row))
        sink.close()
