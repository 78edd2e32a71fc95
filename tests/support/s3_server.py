"""A real S3 server on loopback for tests: moto's, over HTTP, in a process of its own.

Moto looks whether an object exists and puts it in two steps, and serves requests in threads; what S3 promises of
``If-None-Match: *`` is that this is one. So requests are carried out one after the other here. The process takes
commands on its stdin: ``down`` closes the port and every connection, ``up`` opens it again, with all objects kept.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.paths import ROOT
from tests.support.patience import PATIENCE_S

BUCKET = "runs"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST", "AWS_SECRET_ACCESS_KEY": "sesame-sesame-sesame-open"}


class S3Server:
    """One that runs; ``env`` is what a client's environment needs."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process, self.port = process, port
        self.endpoint = f"http://127.0.0.1:{port}"
        self.env = {**KEYS, "AWS_ENDPOINT_URL": self.endpoint, "AWS_REGION": "us-east-1"}
        self.env |= {"AWS_EC2_METADATA_DISABLED": "true"}

    def say(self, command: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(command, file=self._process.stdin, flush=True)
        assert self._process.stdout.readline() == f"{command}\n"

    def down(self) -> None:
        self.say("down")

    def up(self) -> None:
        self.say("up")


@contextmanager
def running() -> Iterator[S3Server]:
    command = [sys.executable, "-m", "tests.support.s3_server"]
    quiet = subprocess.DEVNULL
    env = {**os.environ, "PYTHONPATH": str(ROOT), **KEYS}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=quiet, text=True, env=env, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield S3Server(process, int(process.stdout.readline()))
        finally:
            process.stdin.close()  # it ends with its parent
            process.wait(PATIENCE_S)


def _serve() -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    app, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()
    open_sockets: set[socket.socket] = set()

    def one_by_one(environ: Any, start_response: Any) -> Any:
        with turn:
            return app(environ, start_response)

    class Handler(WSGIRequestHandler):
        def setup(self) -> None:
            super().setup()
            open_sockets.add(self.connection)

        def finish(self) -> None:
            open_sockets.discard(self.connection)
            super().finish()

        def log(self, *of: Any) -> None:
            pass

    def start(port: int) -> Any:
        server = make_server("127.0.0.1", port, one_by_one, threaded=True, request_handler=Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    server = start(0)
    port = server.server_port
    import boto3

    boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1").create_bucket(Bucket=BUCKET)
    print(port, flush=True)
    for line in sys.stdin:
        if line == "down\n":
            server.shutdown()
            server.server_close()
            for connection in list(open_sockets):
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        else:
            server = start(port)
        print(line, end="", flush=True)


if __name__ == "__main__":
    _serve()
