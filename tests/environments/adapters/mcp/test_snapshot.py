"""A directory that changes were put into is in the state of one in which they were made: for files and for SQLite."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from t2t_dist.environments.adapters.mcp.config import SnapshotConfig
from t2t_dist.environments.adapters.mcp.snapshot import FileSnapshot, SnapshotError, SqliteSnapshot, State, glob_pattern
from t2t_dist.environments.state import RecordDiff


def changes(before: State, after: State) -> list[RecordDiff]:
    keys = sorted({*before, *after})
    return [RecordDiff(*key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


# -- files -------------------------------------------------------------------------------------------------------------
FILES = SnapshotConfig(files=["**"], ignore=["*.log"])


def files(folder: Path) -> FileSnapshot:
    return FileSnapshot(FILES, folder, "/shown")


CONTENT = st.one_of(st.text(max_size=5).map(str.encode), st.binary(max_size=5), st.just(b'{"a": 1}'))
PATH = st.sampled_from(["a.txt", "b.json", "d/a.txt", "d/e/b.txt", "d", "f/g.json"])
TREE = st.dictionaries(PATH, CONTENT, max_size=5)


def grow(folder: Path, tree: dict[str, bytes]) -> None:
    for path, content in tree.items():
        target = folder / path
        if not target.is_dir() and not any(parent.is_file() for parent in target.parents):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(one=TREE, other=TREE)
def test_a_tree_becomes_any_other(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    with TemporaryDirectory() as home:
        first, second = Path(home, "1"), Path(home, "2")
        for folder, tree in ((first, one), (second, other)):
            folder.mkdir()
            grow(folder, tree)
        snapshot, wanted = files(first), files(second).read()
        snapshot.apply(changes(snapshot.read(), wanted))
        assert snapshot.read() == files(first).read() == wanted


def test_what_a_record_of_a_file_says(tmp_path: Path) -> None:
    grow(tmp_path, {"a.json": b'{"n": 1}', "b.bin": b"\xff", "c.txt": f"in {tmp_path}/x".encode(), "d/x.log": b"no"})
    (tmp_path / "half.json").write_text("{")
    (tmp_path / "deep.json").write_text("[" * 300 + "]" * 300)
    (tmp_path / "l").symlink_to("a.json")
    assert {path: record for (_, path), record in files(tmp_path).read().items()} == {
        "a.json": {"text": '{"n": 1}', "data": {"n": 1}},
        "b.bin": {"base64": "/w=="},
        "c.txt": {"text": "in /shown/x"},
        "d": {"directory": True},
        "d/x.log": {"text": "no"},
        "half.json": {"text": "{"},
        "deep.json": {"text": "[" * 300 + "]" * 300},
        "l": {"link": "a.json"},
    }


def test_a_write_of_the_same_size_is_seen_and_times_are_even(tmp_path: Path) -> None:
    grow(tmp_path, {"a.txt": b"old"})
    snapshot = files(tmp_path)
    before = snapshot.read()
    (tmp_path / "a.txt").write_bytes(b"new")
    assert snapshot.read() != before
    assert os.stat(tmp_path / "a.txt").st_mtime == 946_684_800


@pytest.mark.parametrize("key", ["../out.txt", "/etc/out.txt", "d/../../out.txt"])
def test_no_record_leads_out_of_the_world(tmp_path: Path, key: str) -> None:
    (tmp_path / "world").mkdir()
    with pytest.raises(SnapshotError, match="leads out of the world"):
        files(tmp_path / "world").apply([RecordDiff("files", key, None, {"text": "x"})])
    assert os.listdir(tmp_path) == ["world"]


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("*.txt", "a.txt", True),
        ("*.txt", "d/a.txt", False),
        ("**/*.txt", "a.txt", True),
        ("**/*.txt", "d/e/a.txt", True),
        ("d/**", "d/e/a", True),
        ("a?c", "abc", True),
        ("a.c", "abc", False),
    ],
)
def test_patterns_of_paths(glob: str, path: str, fits: bool) -> None:
    assert bool(glob_pattern(glob).fullmatch(path)) is fits


# -- SQLite ------------------------------------------------------------------------------------------------------------
SCHEMA = """
CREATE TABLE plain (a, b);
CREATE TABLE keyed (id TEXT PRIMARY KEY, n INTEGER, UNIQUE (n));
CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT, v BLOB);
CREATE TABLE two (a TEXT, b TEXT, c, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE seen (n);
CREATE TRIGGER watch AFTER INSERT ON keyed BEGIN INSERT INTO seen VALUES (new.n); END;
INSERT INTO keyed VALUES ('x', 1), ('y', 2);
INSERT INTO numbered (v) VALUES (x'00ff'), ('text');
"""
STATEMENTS = [
    "INSERT INTO plain VALUES (1, 'a'), (1, 'a')",
    "DELETE FROM plain WHERE rowid = (SELECT min(rowid) FROM plain)",
    "UPDATE plain SET b = NULL",
    "INSERT OR REPLACE INTO keyed VALUES ('z', 3)",
    "UPDATE keyed SET n = 10 - n",  # 1 and 9, 2 and 8: values of a unique column change places
    "DELETE FROM keyed WHERE id = 'x'",
    "INSERT INTO numbered (v) VALUES (1.5)",
    "DELETE FROM numbered",
    "INSERT OR IGNORE INTO two VALUES ('p', 'q', 1)",
    "UPDATE two SET c = c + 1",
    "CREATE TABLE IF NOT EXISTS late (k INTEGER PRIMARY KEY, v)",
    "CREATE TABLE IF NOT EXISTS other AS SELECT 1 AS one",
    "DROP TABLE IF EXISTS two",
    "CREATE INDEX IF NOT EXISTS by_b ON plain (b)",
]


def template(folder: Path) -> Path:
    path = folder / "template.db"
    with sqlite3.connect(path) as database:
        database.executescript(SCHEMA)
    database.close()
    return path


def ran(path: Path, statements: list[str]) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA synchronous = OFF")
    for statement in statements:
        try:
            database.execute(statement)
        except sqlite3.Error:
            pass  # no such table any more
    database.close()


def rows(path: Path) -> dict[str, list[Any]]:
    """All rows in the order in which SQLite gives them, with their numbers where they have some."""
    database = sqlite3.connect(path)
    names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    found = {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    database.close()
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(one=st.lists(st.sampled_from(STATEMENTS), max_size=6), other=st.lists(st.sampled_from(STATEMENTS), max_size=6))
def test_a_database_becomes_any_other(one: list[str], other: list[str]) -> None:
    with TemporaryDirectory() as home:
        first, second = Path(home, "1.db"), Path(home, "2.db")
        made = template(Path(home))
        for path, statements in ((first, one), (second, other)):
            shutil.copy(made, path)
            ran(path, statements)
        config = SnapshotConfig(sqlite="x.db")
        snapshot, target = SqliteSnapshot(config, first), SqliteSnapshot(config, second)
        wanted = target.read()
        snapshot.apply(changes(snapshot.read(), wanted))
        assert snapshot.read() == wanted
        fresh = SqliteSnapshot(config, first)
        assert fresh.read() == wanted
        assert rows(first) == rows(second)
        # And both go on alike.
        for path in (first, second):
            ran(path, STATEMENTS)
        assert rows(first) == rows(second)
        for each in (snapshot, target, fresh):
            each.close()


def test_a_field_that_is_ignored_is_no_part_of_the_state_and_stays(tmp_path: Path) -> None:
    path = template(tmp_path)
    snapshot = SqliteSnapshot(SnapshotConfig(sqlite="x.db", ignore=["keyed.n"]), path)
    before = snapshot.read()
    assert before[("keyed", "x")] == {"id": "x", "rowid": 1}
    ran(path, ["UPDATE keyed SET n = 5 WHERE id = 'x'"])
    assert snapshot.read() == before
    snapshot.apply([RecordDiff("keyed", "x", before[("keyed", "x")], {"id": "x", "rowid": 9})])
    assert (("x", 5) in rows(path)["keyed"]) is True
    snapshot.close()
