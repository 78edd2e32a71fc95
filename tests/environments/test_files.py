"""Files that are opened without waiting: what is no regular file is refused, and what is too large."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from t2t_dist.environments.files import check_writable, read_file, read_text, write_file

#: What a person is told of each.
ODD = {
    "pipe": "this is a named pipe, not a file",
    "folder": "this is a directory, not a file",
    "socket": "this is a socket, not a file",
    "device": "this is a device, not a file",
    "dangling": "this is a link that leads nowhere, not a file",
    "loop": "Too many levels of symbolic links",
}


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Path]:
    """A folder with something of each kind."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "dangling").symlink_to("nowhere/at/all")
    (tmp_path / "loop").symlink_to("loop")
    here = os.getcwd()
    os.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        os.chdir(here)
        yield tmp_path


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_is_refused_at_once(odd: Path, kind: str) -> None:
    for use in (read_file, read_text, lambda path: write_file(path, b"x"), check_writable):
        with pytest.raises(OSError, match=ODD[kind]) as raised:
            use(odd / kind)
        assert raised.value.strerror == ODD[kind]
    assert kind in str(raised.value)


def test_a_file_has_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # takes no space
    with pytest.raises(
        OSError, match="this file is too large: 1,099,511,627,776 bytes, and 4,194,304 are read at most"
    ):
        read_text(path)
    path.write_bytes("é\r\nb".encode())
    assert (read_text(path), read_file(path, 5)) == ("é\nb", "é\r\nb".encode())


def test_trying_leaves_things_as_they_are(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("mine")
    check_writable(kept)
    check_writable(tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert kept.read_text() == "mine"
    write_file(kept, b"it")
    assert kept.read_text() == "it"
