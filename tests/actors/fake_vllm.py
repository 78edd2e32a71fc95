"""Stand-in for an interpreter that has vLLM: answers the probe for its module, and plays a server on any other call.

It answers chat completions as ``tests.support.fake_endpoint.default_brain`` does and counts them in metrics named like
vLLM's.

``FAKE`` in the engine's environment says how it behaves, as words: ``crash``, ``silent`` (never listens), ``template``
(has none), ``stubborn`` (ignores SIGTERM), ``brood`` (leaves processes below it that ignore SIGTERM, one of them in a
session of its own; their pids go to the file ``PIDS``), ``bind`` (can't have its port, the first time), ``relapse``
(crashes at every start but the first), ``toolless`` (refuses tools). ``bind`` and ``relapse`` remember by the file
``SEEN``. While a file ``HOLD`` is there, a server answers :data:`FREE` completions and keeps all others waiting.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

#: Completions that a server answers while it is held.
FREE = 10

_IGNORES = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"


def interpreter(folder: Path) -> str:
    """An executable that can be given as ``engine.python``."""
    file = folder / "python"
    file.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} "$@"\n')
    file.chmod(0o755)
    return str(file)


class _Handler(BaseHTTPRequestHandler):
    model = ""
    template = True
    tools = True
    hold: Path | None = None
    lock = threading.Lock()
    begun = answered = tokens = 0

    def _answer(self, status: int, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(200, {})
        elif self.path == "/metrics":
            self._metrics()  # as vLLM, which asks for its key below /v1 only
        elif self.headers.get("Authorization") != f"Bearer {os.environ['VLLM_API_KEY']}":
            self._answer(401, {"error": "Unauthorized"})
        else:
            self._answer(200, {"data": [{"id": self.model}]})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/chat/completions":
            self._complete(raw)
        elif self.template:
            self._answer(200, {"tokens": [1]})
        else:
            self._answer(400, {"error": {"message": "you must provide a chat template"}})

    def _complete(self, raw: bytes) -> None:
        from tests.support.fake_endpoint import completion, default_brain

        kind, body = type(self), json.loads(raw)
        if body.get("tools") and not self.tools:
            message = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
            return self._answer(400, {"error": {"message": message}})
        with kind.lock:
            kind.begun += 1
            free = kind.begun <= FREE
        while not free and self.hold is not None and self.hold.exists():
            time.sleep(0.05)
        answer = completion(default_brain(body), raw, self.model)
        answer["choices"][0] |= {"token_ids": [1, 2], "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -1.0}]}}
        answer["prompt_token_ids"] = [3] * answer["usage"]["prompt_tokens"]
        with kind.lock:
            kind.answered += 1
            kind.tokens += answer["usage"]["completion_tokens"]
        self._answer(200, answer)

    def _metrics(self) -> None:
        running = self.begun - self.answered
        values = {
            "num_requests_running": running,
            "num_requests_waiting": 0,
            "kv_cache_usage_perc": min(1.0, running / 1000),
            "num_preemptions_total": 0,
            "prefix_cache_queries_total": 4 * self.answered,
            "prefix_cache_hits_total": 3 * self.answered,
            "prompt_tokens_total": 4 * self.answered,
            "generation_tokens_total": self.tokens,
        }
        lines = [f'vllm:{name}{{engine="0",model_name="{self.model}"}} {value:e}' for name, value in values.items()]
        labels = f'engine="0",model_name="{self.model}"'
        for bound in ("0.1", "+Inf"):
            lines.append(f'vllm:time_to_first_token_seconds_bucket{{{labels},le="{bound}"}} {self.answered}')
        raw = "\n".join([*lines, ""]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def _brood(pids: Path) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", _IGNORES], stdout=subprocess.PIPE, start_new_session=session)
        for session in (False, True)
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()  # from here on it ignores SIGTERM
    pids.write_text(" ".join(str(child.pid) for child in children))


def _serve(words: list[str], plays: set[str]) -> None:
    flags = dict(itertools.pairwise(words))
    print("starting", flush=True)
    if "crash" in plays:
        for line in range(80):
            print(f"line {line}")
        sys.exit("(EngineCore pid=1) ERROR 01-01 00:00:00 [core.py:1] ValueError: the weights are of another shape")
    if "bind" in plays and not (seen := Path(os.environ["SEEN"])).exists():
        seen.touch()
        sys.exit("OSError: [Errno 98] Address already in use")
    if "relapse" in plays:
        if (seen := Path(os.environ["SEEN"])).exists():
            sys.exit("RuntimeError: it was good only once")
        seen.touch()
    if "brood" in plays:
        _brood(Path(os.environ["PIDS"]))
    if "stubborn" in plays:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "silent" in plays:
        time.sleep(600)
    _Handler.model, _Handler.template = flags["--served-model-name"], "template" not in plays
    _Handler.tools = "toolless" not in plays
    _Handler.hold = Path(os.environ["HOLD"]) if "HOLD" in os.environ else None
    _Server((flags["--host"], int(flags["--port"])), _Handler).serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "-c":
        print(sys.argv[3] if len(sys.argv) > 3 else ("vllm", "0.30.0"))  # its module, or its version
    else:
        sys.path.insert(0, str(Path(__file__).parents[2]))
        _serve(sys.argv, set(os.environ.get("FAKE", "").split()))
