"""A row has one digest: before it is written and after it is read back, whatever must not count left out."""

import math
import tempfile
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.storage.ledger import Commit, Ledger
from t2t_dist.storage.objects.opening import create_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.row_digest import row_digest
from t2t_dist.storage.writer import ShardWriter

CALL = pa.struct([("id", pa.string()), ("n", pa.int64())])
TURN = pa.struct(
    [("content", pa.string()), ("calls", pa.list_(CALL)), ("logprobs", pa.list_(pa.float64())), ("t", pa.float64())]
)
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("seed", pa.uint64()),
        ("reward", pa.float64()),
        ("ok", pa.bool_()),
        ("parts", pa.struct([("db", pa.float64()), ("env", pa.float64())])),
        ("turns", pa.list_(TURN)),
        ("flags", pa.list_(pa.string())),
        ("started", pa.float64()),
    ]
)
NONE: frozenset[str] = frozenset()

text = st.text(st.characters(), max_size=8)  # half surrogate pairs among them
number = st.one_of(st.floats(), st.integers(-(2**53), 2**53), st.sampled_from([-0.0, 2.0**53, 1e300, 1e18]))
integer = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-9, 9).map(float))


def rows_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Dicts in which each field is absent, None or a value."""
    return st.fixed_dictionaries({}, optional={name: st.none() | field for name, field in fields.items()})


def lists_of(entry: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.none() | entry, max_size=3).flatmap(lambda found: st.sampled_from([found, tuple(found)]))


turns = rows_of(content=text, calls=lists_of(rows_of(id=text, n=integer)), logprobs=lists_of(number), t=number)
rows = rows_of(
    id=text,
    seed=st.integers(0, 2**64 - 1),
    reward=number,
    ok=st.booleans(),
    parts=rows_of(db=number, env=number),
    turns=lists_of(turns),
    flags=lists_of(text),
    started=number,
)


@settings(deadline=None, max_examples=150)
@given(st.lists(rows, min_size=1, max_size=5))
def test_digest_survives_storage(written: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        storage = create_storage(directory)
        writer = ShardWriter(storage, {"episodes": SCHEMA}, "w0")
        writer.add("episodes", written)
        Ledger(storage).append(Commit(shards=writer.flush()))
        read = list(RunReader(storage).rows("episodes"))
    assert len(read) == len(written)
    for before, after in zip(written, read, strict=True):
        assert row_digest(before, NONE) == row_digest(after, NONE)
        volatile = {"turns": frozenset({"t"})}
        assert row_digest(before, frozenset({"id"}), volatile) == row_digest(after, frozenset({"id"}), volatile)


BASE: dict[str, Any] = {
    "id": "a",
    "reward": 0.5,
    "parts": {"db": 1.0},
    "turns": [{"content": "x", "t": 1.0, "logprobs": [0.5, None]}, {"content": "y", "t": 2.0}],
    "flags": [],
}
VOLATILE = (frozenset({"started"}), {"turns": frozenset({"t"})})


@pytest.mark.parametrize(
    "change",
    [
        {"started": 5.0},
        {"turns": [{"content": "x", "logprobs": [0.5, None]}, {"content": "y", "t": 9.0, "calls": None}]},
        {"parts": {"env": None, "db": 1}},
    ],
)
def test_what_must_not_count(change: dict[str, Any]) -> None:
    assert row_digest(BASE | change, *VOLATILE) == row_digest(BASE, *VOLATILE)


def test_everything_else_counts() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"id": "b"},
        {"id": None},
        {"reward": 0.25},
        {"reward": math.nan},
        {"reward": math.inf},
        {"reward": -math.inf},
        {"reward": None},
        {"parts": {"db": 0.0}},
        {"parts": {}},
        {"parts": None},
        {"turns": BASE["turns"][::-1]},
        {"turns": BASE["turns"][:1]},
        {"turns": [*BASE["turns"], None]},
        {"turns": []},
        {"flags": None},
        {"flags": [None]},
    ]
    digests = [row_digest(BASE | change, *VOLATILE) for change in changes]
    assert len(set(digests)) == len(changes)
    assert all(0 <= digest < 2**128 for digest in digests)


def test_digest_is_the_same_for_ever() -> None:
    assert f"{row_digest(BASE, *VOLATILE):032x}" == "0b2aef9dcd9d3a88e3c77b257c771eb1"
