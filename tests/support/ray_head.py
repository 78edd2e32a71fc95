"""A real Ray head with its dashboard, in processes, ports and a folder of its own; and a way to cut connections."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.paths import ROOT
from tests.support.patience import PATIENCE_S

TOKEN = "the-token-of-a-test-0123456789abcdef"
BIN = Path(sys.executable).parent


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def environment(**changes: str) -> dict[str, str]:
    """For clients and for the head: this Python and this tree first, the head's token, no other cluster."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = f"{BIN}{os.pathsep}{kept.get('PATH', '')}"
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", **token, **changes}


class Head:
    """``url`` is its job server's."""

    def __init__(self, folder: Path) -> None:
        gcs, dashboard, agent, agent_grpc, metrics, client = free_ports(6)
        self.url, self.folder = f"http://127.0.0.1:{dashboard}", folder
        self.log = (folder / "head.log").open("w")
        flags = {
            "port": gcs,
            "dashboard-host": "127.0.0.1",
            "dashboard-port": dashboard,
            "dashboard-agent-listen-port": agent,
            "dashboard-agent-grpc-port": agent_grpc,
            "metrics-export-port": metrics,
            "ray-client-server-port": client,
            "temp-dir": folder / "ray",
            "num-cpus": 4,
            "object-store-memory": 100 << 20,
        }
        command = [
            str(BIN / "ray"),
            "start",
            "--head",
            "--block",
            *(f"--{name}={value}" for name, value in flags.items()),
        ]
        self.process = subprocess.Popen(
            command, env=environment(), stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True
        )

    def wait(self, seconds: float = PATIENCE_S) -> None:
        """Until the job server answers."""
        request = urllib.request.Request(f"{self.url}/api/version", headers={"Authorization": f"Bearer {TOKEN}"})
        deadline = time.monotonic() + seconds
        while True:
            try:
                urllib.request.urlopen(request, timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, (self.folder / "head.log").read_text()[-2000:]
                assert time.monotonic() < deadline, "the head's job server did not come up"
                time.sleep(0.2)

    def processes(self) -> list[psutil.Process]:
        """All of this head's that are alive, its workers and their jobs too."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid == self.process.pid or str(self.folder) in " ".join(process.cmdline()):
                    found.append(process)
                    found += process.children(recursive=True)
            except psutil.Error:
                continue
        return list(dict.fromkeys(found))

    def stop(self) -> None:
        """Kill it, and see that it ran until now and that nothing is left."""
        ended = self.process.poll()
        processes = self.processes()
        for process in processes:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait(PATIENCE_S)
        self.log.close()
        others = [process for process in processes if process.pid != self.process.pid]
        assert psutil.wait_procs(others, timeout=PATIENCE_S)[1] == []
        assert ended is None, f"the head ended by itself: {(self.folder / 'head.log').read_text()[-2000:]}"


@contextmanager
def ray_head() -> Iterator[Head]:
    folder = Path(tempfile.mkdtemp(prefix="t2t-head-"))  # short: Ray puts sockets into it, whose paths have a limit
    head = Head(folder)
    try:
        head.wait()
        yield head
    finally:
        head.stop()
        shutil.rmtree(folder, ignore_errors=True)


class CutProxy:
    """Passes connections on to ``url``, until they are cut."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._target = (host, int(port))
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._cut: set[socket.socket] = set()
        self.accepted = 0
        self._refusing_until = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, *, rudely: bool = False, refuse_s: float = 0.0) -> int:
        """Close every connection, by FIN or rudely by RST; refuse new ones for a while. Gives how many there were."""
        self._refusing_until = time.monotonic() + refuse_s
        pairs, self._pairs = self._pairs, []
        self._cut.update(each for pair in pairs for each in pair)
        for each in [each for pair in pairs for each in pair]:
            try:
                if rudely:
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # Wakes the thread that reads from it, which closes it: what it has open, nobody else can close.
                each.shutdown(socket.SHUT_RD if rudely else socket.SHUT_RDWR)
            except OSError:
                continue
        return len(pairs)

    def close(self) -> None:
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            self.accepted += 1
            if time.monotonic() < self._refusing_until:
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            if source not in self._cut:
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if source in self._cut:
            source.close()


@contextmanager
def cut_proxy(url: str) -> Iterator[CutProxy]:
    proxy = CutProxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
