"""Runs on a real S3 server over HTTP, and on any pyarrow filesystem: the same primitives, one winner, patience."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.fs
import pytest

from t2t_dist.core.errors import InputError, RunBusy, StoreUnavailable
from t2t_dist.storage.file_check import check_files
from t2t_dist.storage.ledger import Commit, Ledger
from t2t_dist.storage.objects.arrow import ArrowStorage
from t2t_dist.storage.objects.base import Storage, resolved
from t2t_dist.storage.objects.opening import create_storage, open_storage
from t2t_dist.storage.objects.remote import RemoteStorage
from t2t_dist.storage.objects.s3 import S3Storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.run_lock import RunLock
from t2t_dist.storage.writer import ShardWriter, clean
from tests.support import s3_server
from tests.support.paths import ROOT
from tests.support.s3_server import KEYS, S3Server

SCHEMA = pa.schema([("number", pa.int64()), ("text", pa.string())])


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server.running() as server:
        yield server


@pytest.fixture
def s3(server: S3Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The address of a run of its own."""
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    return f"s3://runs/{request.node.name}"


@pytest.fixture(params=["s3", "arrow"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "s3":
        return create_storage(request.getfixturevalue("s3"))
    return ArrowStorage("arrow://run", pa.fs.LocalFileSystem(), str(tmp_path))


def test_put_replace_read_names_delete(storage: Storage) -> None:
    assert storage.names() == []
    assert storage.put_if_absent("ledger/1.mp", b"one")
    assert not storage.put_if_absent("ledger/1.mp", b"other")
    assert not storage.put_if_absent("ledger/1.mp", b"one")
    assert storage.read("ledger/1.mp") == b"one"
    storage.replace("ledger/1.mp", b"new")
    storage.replace("config.yaml", b"x: 1")
    assert (storage.read("ledger/1.mp"), storage.size("ledger/1.mp")) == (b"new", 3)
    assert (storage.read("ledger/2.mp"), storage.size("nowhere/2.mp")) == (None, None)
    assert storage.names() == ["config.yaml", "ledger/1.mp"]
    assert storage.names("led") == storage.names("ledger/") == ["ledger/1.mp"]
    storage.replace("tmp/half", b"")
    storage.clear_temporary()
    storage.delete("ledger/1.mp")
    storage.delete("ledger/1.mp")
    assert storage.names() == ["config.yaml"]
    assert not storage.describe("a/b").startswith("/")


def test_rows_and_ledger_and_clean_up(storage: Storage) -> None:
    writer, ledger = ShardWriter(storage, {"tasks": SCHEMA}, "w1"), Ledger(storage)
    for number in range(3):
        writer.add("tasks", [{"number": number, "text": "x" * 1000}])
        ledger.append(Commit(shards=writer.flush(), items=[number], notes={"ended": ""}))
    writer.add("tasks", [{"number": 9, "text": "never committed"}])
    (orphan,) = writer.flush()
    dropped = storage.open_shard("tasks/part-w1-000099-aa.arrow")
    dropped.sink.write(b"half")
    dropped.discard()
    reader = RunReader(storage)
    assert [row["number"] for row in reader.rows("tasks")] == [0, 1, 2]
    assert reader.table("tasks").num_rows == 3
    assert clean(storage, Ledger(storage).state) == [orphan.file]
    assert [row["number"] for row in RunReader(storage).rows("tasks")] == [0, 1, 2]
    shard = RunReader(storage).shards("tasks")[1]
    data = bytearray(storage.read(shard.info.file) or b"")
    data[len(data) // 2] ^= 1
    storage.replace(shard.info.file, bytes(data))
    with pytest.raises(InputError, match=r"tasks/part-w1-.* are not those that were written; 1 rows of table tasks"):
        list(RunReader(storage).rows("tasks"))
    assert [damage.file for damage in check_files(storage).damaged] == ["run.json", shard.info.file]


def test_one_of_many_puts_wins_whichever_process_it_is_in(s3: str) -> None:
    script = """
import sys
from t2t_dist.storage.objects.opening import create_storage, open_storage
storage = open_storage(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(sum(storage.put_if_absent(f"ledger/{n}", sys.argv[2].encode()) for n in range(30)))
"""
    storage = create_storage(s3)
    storage.replace("run.json", b"{}")
    pipe, root = subprocess.PIPE, ROOT
    racers = [
        subprocess.Popen([sys.executable, "-c", script, s3, name], stdin=pipe, stdout=pipe, text=True, cwd=root)
        for name in "abc"
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    won = [0, 0, 0]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for place, racer in enumerate(racers):
        won[place] = int(racer.communicate()[0])
    assert sum(won) == 30
    written = [storage.read(f"ledger/{number}") for number in range(30)]
    assert [written.count(name) for name in (b"a", b"b", b"c")] == won


def test_one_of_two_drivers_gets_the_run_and_the_fence_stops_the_other(s3: str) -> None:
    storage, held, busy = create_storage(s3), list[RunLock](), list[str]()
    start = threading.Barrier(4)

    def take() -> None:
        lock = RunLock(storage)
        start.wait()
        try:
            lock.acquire()
            held.append(lock)
        except RunBusy as error:
            busy.append(str(error))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(busy)) == (1, 3)
    assert all(f"process {os.getpid()}" in text for text in busy)
    old, new = Ledger(storage), Ledger(storage)
    new.fence("new")
    with pytest.raises(RunBusy, match="another driver has written this commit"):
        old.append(Commit(items=[1]))
    held[0].release()
    with RunLock(storage):
        assert not Ledger(storage).state.items


def test_a_put_that_was_carried_out_but_not_answered_is_ours(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = create_storage(s3)
    assert isinstance(storage, S3Storage)
    client = storage._client
    put, failures = client.put_object, [True, True, False]

    def cut_off(**of: object) -> object:
        answer = put(**of)
        if failures and failures.pop(0):
            raise storage._errors.ReadTimeoutError(endpoint_url="http://x")
        return answer

    monkeypatch.setattr(client, "put_object", cut_off)
    monkeypatch.setattr("t2t_dist.storage.objects.remote._FIRST_DELAY_S", 0.01)
    assert storage.put_if_absent("ledger/1", b"mine")  # put, no answer; then "exists", with our bytes
    assert open_storage(s3).put_if_absent("ledger/2", b"theirs")
    failures[:] = []
    refusals = [True]

    def unreached(**of: object) -> object:
        if refusals and refusals.pop():
            raise storage._errors.ConnectTimeoutError(endpoint_url="http://x")
        return put(**of)

    monkeypatch.setattr(client, "put_object", unreached)
    assert not storage.put_if_absent("ledger/2", b"mine")  # not reached; then "exists", with bytes of another
    assert storage.read("ledger/2") == b"theirs"


def test_a_large_shard_goes_in_parts(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("t2t_dist.storage.objects.s3._PART", 5 << 20)
    storage = create_storage(s3)
    shard, data = storage.open_shard("tasks/a.arrow"), os.urandom(12 << 20)
    shard.sink.write(data)
    assert storage.names() == []
    assert shard.commit().bytes == len(data) == storage.size("tasks/a.arrow")
    assert storage.read("tasks/a.arrow") == data


def test_parts_that_a_killed_writer_left_are_dropped(s3: str) -> None:
    storage = create_storage(s3)
    assert isinstance(storage, S3Storage)
    of = storage._of("tasks/half.arrow")
    started = storage._client.create_multipart_upload(**of)
    storage._client.upload_part(**of, UploadId=started["UploadId"], PartNumber=1, Body=b"half")
    storage.clear_temporary()
    assert "Uploads" not in storage._client.list_multipart_uploads(Bucket=of["Bucket"], Prefix=of["Key"])


def test_a_store_that_is_away_is_waited_for(
    s3: str, server: S3Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("t2t_dist.storage.objects.remote._LAST_DELAY_S", 0.5)
    storage = create_storage(s3)
    ledger = Ledger(storage)
    shard = storage.open_shard("tasks/a.arrow")
    shard.sink.write(b"12345")
    server.down()
    timer = threading.Timer(2.0, server.up)
    timer.start()
    with caplog.at_level(logging.WARNING, "t2t"):
        assert shard.commit().bytes == 5
    timer.join()
    assert ledger.append(Commit(items=[1])) == 1
    assert storage.size("tasks/a.arrow") == 5
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "can't be reached (EndpointConnectionError" in messages[0]
    assert "waiting for it, up to 300 s" in messages[0]
    assert "is back after" in messages[1]


def test_in_the_end_it_is_given_up_once_and_reported(
    s3: str, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T2T_STORE_PATIENCE_S", "3.0")
    storage, tries = create_storage(s3), list[int]()
    assert isinstance(storage, S3Storage)
    put = storage._client.put_object
    monkeypatch.setattr(storage._client, "put_object", lambda **of: (tries.append(1), put(**of)))
    server.down()
    try:
        for most in (3, 1):  # at 0, 0.5 and 1.5 s, if they fail at once; then no more waiting, or no run would ever end
            tries.clear()
            with pytest.raises(StoreUnavailable, match=r"could not be reached for .* run the same command once it can"):
                storage.replace("a", b"1")
            assert min(most, 2) <= len(tries) <= most
        tries.clear()
        with pytest.raises(StoreUnavailable):
            storage.replace("status.json", b"{}", wait=False)
        assert len(tries) == 1
    finally:
        server.up()
    storage.replace("a", b"1")
    assert storage.read("a") == b"1"


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIATESTTESTTESTTEST:sesame-sesame-sesame-open@runs/x",
        "s3://AKIATESTTESTTESTTEST@runs/x",
        "s3://runs/x?secret_key=sesame-sesame-sesame-open&access_key=AKIATESTTESTTESTTEST",
        "gs://runs/x?credentials=sesame-sesame-sesame-open",
    ],
)
def test_keys_in_an_address_are_refused_and_not_repeated(address: str) -> None:
    for attempt in (create_storage, open_storage):
        with pytest.raises(InputError, match="never in the address") as raised:
            attempt(address)
        assert not any(key in str(raised.value) for key in KEYS.values())


def test_bad_addresses_are_reported(s3: str, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("t2t_dist.storage.objects.remote.FIRST_PATIENCE_S", 0.1)
    messages = {
        "s3://runs": "no bucket or no path",
        "s3://runs/x?colour=red": "unknown option colour",
        "s3://nowhere/x": "there is no bucket nowhere",
        "zz://a/b": "pyarrow can't open this",
        f"s3://runs/x?endpoint_override=127.0.0.1:{_free_port()}&scheme=http": "could not be reached",
    }
    for address, what in messages.items():
        with pytest.raises(InputError, match=what) as raised:
            create_storage(address)
        assert not isinstance(raised.value, StoreUnavailable), "a wrong address is bad input"
        assert "\n" not in str(raised.value)
    with pytest.raises(InputError, match="no such run"):
        open_storage(f"{s3}-absent")


def test_endpoint_and_region_may_stand_in_the_address(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    address = f"s3://runs/in address?endpoint_override=127.0.0.1:{server.port}&scheme=http&region=us-east-1"
    storage = create_storage(address)
    storage.replace("a", b"1")
    assert storage.describe("a") == "s3://runs/in address/a"
    again = open_storage(storage.describe(""))
    assert again.read("a") == b"1"
    assert again.filesystem.get_file_info("a").size == 1


def test_wrong_keys_are_refused_at_once(server: S3Server) -> None:
    storage = S3Storage.__new__(S3Storage)
    RemoteStorage.__init__(storage, "s3://runs/x")
    import botocore.exceptions

    storage._errors, storage._bucket = botocore.exceptions, "runs"
    for code, status in (("InvalidAccessKeyId", 403), ("AccessDenied", 403), ("InvalidRequest", 400)):
        answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        error = botocore.exceptions.ClientError(answer, "PutObject")  # type: ignore[arg-type]

        def fails(error: Exception = error) -> None:
            raise error

        with pytest.raises(InputError, match=f"{code}") as raised:
            storage._patiently("a", fails)
        assert not isinstance(raised.value, StoreUnavailable)


def test_a_path_is_made_absolute_and_an_address_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolved("runs/a") == str(tmp_path / "runs/a")
    assert resolved("s3://runs/a") == "s3://runs/a"
    assert create_storage(f"file://{tmp_path}/b").root == str(tmp_path / "b")


def _free_port() -> int:
    import socket

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])
