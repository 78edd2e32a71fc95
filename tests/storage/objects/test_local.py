"""Storage on a real file system: whole objects or none, and one clear line when it refuses."""

import errno
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.storage.objects.opening import create_storage, open_storage
from tests.support.paths import ROOT


def test_put_replace_read_names_delete(tmp_path: Path) -> None:
    storage = create_storage(tmp_path / "run")
    assert storage.names() == []
    assert storage.put_if_absent("ledger/1.mp", b"one")
    assert not storage.put_if_absent("ledger/1.mp", b"other")
    assert storage.read("ledger/1.mp") == b"one"
    storage.replace("ledger/1.mp", b"new")
    storage.replace("config.yaml", b"x: 1")
    assert (storage.read("ledger/1.mp"), storage.size("ledger/1.mp")) == (b"new", 3)
    assert (storage.read("ledger/2.mp"), storage.size("nowhere/2.mp")) == (None, None)
    assert storage.names() == ["config.yaml", "ledger/1.mp"]
    assert storage.names("led") == storage.names("ledger/") == ["ledger/1.mp"]
    storage.delete("ledger/1.mp")
    storage.delete("ledger/1.mp")
    assert open_storage(tmp_path / "run").names() == ["config.yaml"]
    assert os.listdir(tmp_path / "run" / "tmp") == []


def test_one_of_many_puts_wins(tmp_path: Path) -> None:
    storage, start, won = create_storage(tmp_path), threading.Barrier(8), list[int]()

    def put(number: int) -> None:
        start.wait()
        if storage.put_if_absent("lock/1", b"%d" % number):
            won.append(number)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert storage.read("lock/1") == b"%d" % won[0]


def test_put_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: str, target: str) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    storage = create_storage(tmp_path)
    assert storage.put_if_absent("a/b", b"one")
    assert not storage.put_if_absent("a/b", b"two")
    assert storage.read("a/b") == b"one"


def test_shard_has_no_name_until_it_is_committed(tmp_path: Path) -> None:
    storage = create_storage(tmp_path)
    kept, dropped = storage.open_shard("episodes/a.arrow"), storage.open_shard("episodes/b.arrow")
    kept.sink.write(b"12345")
    dropped.sink.write(b"12345")
    assert storage.names() == []
    assert kept.commit().bytes == 5
    dropped.discard()
    assert storage.names() == ["episodes/a.arrow"]
    assert os.listdir(tmp_path / "tmp") == []
    storage.open_shard("episodes/c.arrow")
    storage.clear_temporary()
    assert os.listdir(tmp_path / "tmp") == []


def test_parents_are_made_on_request_only(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the directory .*/no does not exist"):
        create_storage(tmp_path / "no" / "run")
    assert not (tmp_path / "no").exists()
    assert create_storage(tmp_path / "no" / "run", parents=True).put_if_absent("a", b"")


def test_file_instead_of_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for attempt in (create_storage, open_storage):
        with pytest.raises(InputError, match="this is a file, not a"):
            attempt(tmp_path / "file")
    with pytest.raises(InputError, match="no such run directory"):
        open_storage(tmp_path / "absent")
    storage = create_storage(tmp_path)
    with pytest.raises(InputError, match="a file"):
        storage.put_if_absent("file/object", b"")


def test_unwritable_directory() -> None:
    """As an ordinary user, even when the tests run as root, whom permissions do not stop."""
    script = """
import os, sys
from t2t_dist.core.errors import InputError
from t2t_dist.storage.objects.opening import create_storage, open_storage
os.chmod(sys.argv[1], 0o555)
if os.geteuid() == 0:
    os.setuid(65534)
for path in (sys.argv[1], sys.argv[1] + "/run"):
    try:
        create_storage(path)
    except InputError as error:
        print(error)
"""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        command = [sys.executable, "-c", script, directory]
        root = ROOT
        result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
        assert result.stdout.count("permission denied; choose another directory") == 2, result
        assert result.stdout.count("\n") == 2
        assert directory in result.stdout


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "could not read or write it"),
    ],
)
def test_failing_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str) -> None:
    storage = create_storage(tmp_path)
    shard = storage.open_shard("episodes/a.arrow")

    def fails(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    for attempt in (
        lambda: storage.put_if_absent("a", b"data"),
        lambda: storage.replace("a", b"data"),
        lambda: create_storage(tmp_path),
        shard.commit,
    ):
        with pytest.raises(InputError, match=reason) as raised:
            attempt()
        assert "\n" not in str(raised.value)
        assert str(tmp_path) in str(raised.value)
    shard.discard()
    assert storage.names() == []
    assert os.listdir(tmp_path / "tmp") == []
