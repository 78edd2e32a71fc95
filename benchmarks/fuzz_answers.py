"""Answers that no server should give: random mutations of recorded ones, and bombs.

    python -m benchmarks.fuzz_answers [--answers 100000] [--seed 0] [--quick]

**Mutations.** A real worker (without Ray) rolls out episodes whose agent and user are models behind one endpoint. Every
other answer of the endpoint is a recorded one, as it was recorded; the others are mutated, in the JSON (wrong types,
numbers out of range, nesting, fields lost, renamed and doubled, texts without end), in its bytes, or in the HTTP around
it (status, headers, lengths, encodings). Their rows go through shards and ledger, and are read and graded again at the
end. Counted are items that became a defect, exceptions that reached the event loop, and rows whose grade changed.

**Bombs.** A process that may not have more than 1 GB asks an endpoint 256 times, 64 at once; each answer is 1 MB that
unpacks to 1 GB. Its memory and the longest stall of its event loop are measured.

Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import io
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import psutil

from benchmarks.command import ROOT, environment
from tests.support.viewed import small_run

#: Model calls at once.
CONCURRENCY = 64
#: Bombs asked for, and what each of them unpacks to, in bytes.
BOMBS, UNPACKED = 256, 1 << 30
#: What the process that asks for bombs may have, in bytes.
ALLOWED = 1_000_000_000

# -- recorded answers --------------------------------------------------------------------------------------------------
USAGE = {"prompt_tokens": 812, "completion_tokens": 24, "total_tokens": 836}
ASSISTANT = {"role": "assistant", "content": "I have looked that up. Is there anything else?", "refusal": None}


def _call(arguments: Any, call_id: str = "call_abc123") -> dict[str, Any]:
    function = {"name": "list_holds", "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def _body(message: dict[str, Any], finish: str, choice: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    whole = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None, **(choice or {})}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [whole], **more}


#: What OpenAI, vLLM, SGLang, llama.cpp and Ollama answer, by seat.
RECORDED: dict[str, list[dict[str, Any]]] = {
    "agent": [
        _body(ASSISTANT, "stop", usage=USAGE | {"prompt_tokens_details": {"cached_tokens": 640}}),
        _body(
            {"role": "assistant", "content": None, "tool_calls": [_call('{"reader_id":"r1"}')]},
            "tool_calls",
            {"stop_reason": None, "token_ids": None},
            usage=USAGE,
            prompt_token_ids=None,
        ),
        _body(
            {
                "role": "assistant",
                "content": "",
                "reasoning_content": "Hm.",
                "tool_calls": [_call({"reader_id": "r2"})],
            },
            "tool_calls",
            {
                "token_ids": [5, 6, 7],
                "logprobs": {"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}] * 3},
            },
            usage=USAGE,
            prompt_token_ids=[1, 2, 3, 4],
        ),
        _body({"role": "assistant", "content": [{"type": "text", "text": "In parts."}]}, "stop", usage=None),
        _body({"content": None, "tool_calls": [_call("{}"), _call('{"card": 7}', "")]}, "tool_calls"),
    ],
    "user": [
        _body({"role": "assistant", "content": "Could you look at my holds, please?"}, "stop", usage=USAGE),
        _body({"role": "assistant", "content": "Yes, please go ahead.", "tool_calls": []}, "stop", usage=USAGE),
        _body({"role": "assistant", "content": "That is all. ###STOP###"}, "stop", usage=USAGE),
    ],
}


# -- mutations ---------------------------------------------------------------------------------------------------------
def _nested(levels: int) -> str:
    return "[" * levels + "]" * levels


#: Values that stand where another one should, as JSON texts.
HOSTILE = (
    *("null", "true", "false", "0", "-1", "1e999", "-0.0", "NaN", "Infinity", "1.5", '""', '" "', "[]", "{}", "[null]"),
    *(str(sign * (1 << bits) + more) for sign in (1, -1) for bits in (31, 53, 63, 64, 70) for more in (-1, 0, 1)),
    *('"\\ud800"', '"\\u0000"', '"\\u202e\\u001b[2J"', '"###STOP###"', '"<tool_call>{}</tool_call>"', '"nan"'),
    *(_nested(levels) for levels in (60, 65, 250, 300, 1000, 1030, 5000)),
    *('"9999999999999999999999"', "9" * 400, "9" * 5000, '{"a":' * 300 + "1" + "}" * 300),
    *(json.dumps(_nested(levels)) for levels in (65, 300, 2000)),
    *(json.dumps('{"reader_id":' + _nested(levels) + "}") for levels in (60, 65, 300, 1000, 2000)),
    *(json.dumps(f'{{"reader_id":{value}}}') for value in (1 << 64, -(1 << 70), "NaN", "1e999", "9" * 5000)),
)
#: Long ones, which are rarer.
LONG = (
    json.dumps("x" * 200_000),
    json.dumps([0] * 100_000),
    json.dumps("a b " * 500_000),
    json.dumps("y" * 9_000_000),
)
NAMES = (
    "choices",
    "message",
    "content",
    "tool_calls",
    "function",
    "arguments",
    "usage",
    "token_ids",
    "error",
    "detail",
)
RETRY_AFTER = ("1", "-1", "1e999", "nan", "9" * 400, "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "soon", "\xb2")


class _Raw(str):
    """A JSON text in a tree of values."""


def _written(value: Any) -> str:
    """The JSON of a tree that may hold ready-made texts; doubled keys are pairs in a list under the key ``""``."""
    if isinstance(value, _Raw):
        return value
    if isinstance(value, dict):
        return f"{{{','.join(f'{json.dumps(key)}:{_written(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    return json.dumps(value)


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """All (container, key or index) of a tree."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found.append((value, key))
        _places(inner, found)
    return found


class Mutations:
    """A source of mutated answers: whole HTTP responses, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.made = 0

    def recorded(self, seat: str) -> bytes:
        return response(json.dumps(self.chance.choice(RECORDED[seat])).encode())

    def mutated(self, seat: str) -> bytes:
        self.made += 1
        chance = self.chance
        tree = json.loads(json.dumps(chance.choice(RECORDED[seat])))
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            self._in_tree(tree)
        data = _written(tree).encode("utf-8", "surrogatepass")
        kind = chance.random()
        if kind < 0.12:
            data = self._in_bytes(data)
        return self._in_http(data) if kind > 0.85 else response(data)

    def _in_tree(self, tree: dict[str, Any]) -> None:
        chance = self.chance
        container, key = chance.choice(_places(tree, []))
        what = chance.random()
        if what < 0.55:
            container[key] = _Raw(chance.choice(HOSTILE if chance.random() > 0.005 else LONG))
        elif what < 0.7:
            del container[key]
        elif what < 0.8:
            container[key] = [container[key]] * chance.choice(
                (0, 1, 2, 300 if len(_written(container[key])) < 1000 else 3)
            )
        elif what < 0.9 and isinstance(container, dict):
            container[chance.choice(NAMES)] = container.pop(key)
        elif isinstance(container, dict):
            container[chance.choice(NAMES)] = _Raw(chance.choice(HOSTILE))
        else:
            container.append(_Raw(chance.choice(HOSTILE)))

    def _in_bytes(self, data: bytes) -> bytes:
        chance, at = self.chance, self.chance.randrange(len(data) + 1)
        return chance.choice(
            (
                lambda: data[:at],
                lambda: data[at:],
                lambda: data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
                lambda: data[:at] + chance.randbytes(chance.randrange(1, 9)) + data[at:],
                lambda: data + data,
                lambda: b"\xef\xbb\xbf" + data,
                lambda: data.decode("utf-8", "replace").encode("utf-16"),
                lambda: b"data: " + data + b"\n\ndata: [DONE]\n\n",
                lambda: b"<html>" + data,
            )
        )()

    def _in_http(self, data: bytes) -> bytes:
        chance = self.chance
        packed = gzip.compress(data, 1)
        wild = f"Retry-After: {chance.choice(RETRY_AFTER)}"
        return chance.choice(
            (
                lambda: response(data, chance.choice(("429 Slow", "500 Oops", "503 Full", "408 Late")), wild),
                lambda: response(
                    data, chance.choice(("400 Bad", "404 Not", "413 Large", "422 No", "302 Go", "204 None"))
                ),
                lambda: response(data, chance.choice(("099 X", "1000 X", "200", "2OO OK", "600 X", "200 OK\x00"))),
                lambda: response(packed, "200 OK", "Content-Encoding: gzip"),
                lambda: response(zlib.compress(data), "200 OK", "Content-Encoding: deflate"),
                lambda: response(
                    data, "200 OK", f"Content-Encoding: {chance.choice(('gzip', 'deflate', 'br', 'zstd', 'x'))}"
                ),
                lambda: response(packed[: len(packed) // 2], "200 OK", "Content-Encoding: gzip"),
                lambda: response(packed * 3, "200 OK", "Content-Encoding: gzip"),
                lambda: response(data, length=len(data) + chance.choice((-10, -1, 1, 10**6, 10**12))),
                lambda: response(data, length=chance.choice(("-1", "x", "9" * 30, "0x10", ""))),
                lambda: response(chunked(data, chance), "200 OK", "Transfer-Encoding: chunked", length=None),
                lambda: response(data, "200 OK", f"X: {'y' * chance.choice((100, 9_000))}"),
                lambda: response(data, "200 OK", "\r\n".join(f"X-{n}: y" for n in range(200))),
                lambda: response(data)[: chance.randrange(1, 200)],
                lambda: chance.randbytes(chance.randrange(1, 400)),
                lambda: b"",
            )
        )()


def response(data: bytes, status: str = "200 OK", header: str = "", length: object = -1) -> bytes:
    """A response; of the right length unless another is given, without one if it is ``None``."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", "Connection: close", *([header] if header else [])]
    if length is not None:
        lines.append(f"Content-Length: {len(data) if length == -1 else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + data


def chunked(data: bytes, chance: random.Random) -> bytes:
    """Chunks, now and then with a wrong length or end."""
    parts, at = [], 0
    while at < len(data):
        size = chance.randrange(1, 200)
        part = data[at : at + size]
        said = f"{len(part):x}" if chance.random() > 0.02 else chance.choice(("zz", "-1", "f" * 20, ""))
        parts += [said.encode(), b"\r\n", part, b"\r\n"]
        at += size
    return b"".join([*parts, chance.choice((b"0\r\n\r\n", b"0\r\n\r\n", b"", b"0\r\nX: y\r\n\r\n", b"0"))])


class Wire(asyncio.Protocol):
    """One connection of the endpoint: sends what ``answer`` gives for a request, as it is, and ends."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self.answer, self.received = answer, bytearray()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self.received.lower().find(b"content-length:", 0, head)
        needed = head + 4 + (int(self.received[at + 15 : self.received.find(b"\r", at)]) if at >= 0 else 0)
        if len(self.received) < needed:
            return
        assert self.transport is not None
        self.transport.write(self.answer(bytes(self.received[:needed])))
        # What was sent may be half an answer, or more than one: no other can follow on this connection.
        self.transport.close()


# -- processes ---------------------------------------------------------------------------------------------------------
async def answered(answer: Callable[[bytes], bytes], *arguments: object) -> dict[str, Any]:
    """The figures of this script in a process of its own, whose requests are answered so."""
    server = await asyncio.get_running_loop().create_server(lambda: Wire(answer), "127.0.0.1", 0, backlog=1024)
    command = [sys.executable, "-m", "benchmarks.fuzz_answers", "--at", str(server.sockets[0].getsockname()[1])]
    child = await asyncio.create_subprocess_exec(
        *command, *map(str, arguments), cwd=ROOT, env=environment(), stdout=subprocess.PIPE
    )
    said, _ = await child.communicate()
    server.close()
    if child.returncode:
        raise SystemExit(f"the process that asked ended with {child.returncode}")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


async def fuzzed(folder: Path, answers: int, seed: int) -> dict[str, Any]:
    """Figures of ``answers`` mutated answers."""
    mutations = Mutations(seed)

    def answer(request: bytes) -> bytes:
        if request.startswith(b"GET"):
            return response(str(mutations.made).encode())
        seat = "agent" if b'"tools":' in request else "user"
        return mutations.mutated(seat) if mutations.chance.random() < 0.5 else mutations.recorded(seat)

    return await answered(answer, "--answers", answers, "--folder", folder)


# -- a worker against the mutations ------------------------------------------------------------------------------------
async def roll_out(port: int, folder: Path, answers: int) -> dict[str, Any]:
    """Roll out episodes until the endpoint has given so many mutated answers."""
    from t2t_dist.actors.rollout import Orders, Worker
    from t2t_dist.config.loading import load_config
    from t2t_dist.models import openai
    from t2t_dist.pipeline.workloads import open_workload
    from t2t_dist.storage.ledger import Commit, Ledger
    from t2t_dist.storage.manifest import Manifest, claim
    from t2t_dist.storage.objects.opening import create_storage

    openai.RETRY_AFTER_CAP_S = 0.001
    troubles, made = list[str](), 0
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: troubles.append(str(context.get("exception") or context["message"])))
    name = f"openai:m@http://127.0.0.1:{port}/v1"
    settings: dict[str, Any] = {
        "domain": "tests.support.library_domain:Library",
        "source": str(folder / "tasks"),
        "agents": [name],
        "user": name,
        "trials": 1_000_000,
        "models": {"max_attempts": 2, "backoff_base_s": 0.0, "deadline_s": 20.0},
        "limits": {"attempts": 1, "max_steps": 12},
    }
    config = load_config(None, settings)
    work, storage = open_workload("evaluate", config, CONCURRENCY), create_storage(str(folder / "run"))
    fields = {"kind": "evaluate", "code": "0", "source": work.origin, "results": config.results_part()}
    claim(storage, Manifest(run_id=work.run_id, config=config, **fields))
    worker, ledger = Worker(work, storage, "w0", "rollout"), Ledger(storage)
    before_mb, began, given = _peak_mb(), time.monotonic(), 0
    with contextlib.redirect_stderr(io.StringIO()) as shown:  # the tracebacks of defects
        while True:
            made = await asyncio.to_thread(_made, port)
            over = made >= answers
            fresh = 0 if over else max(0, 2 * CONCURRENCY - len(worker._running))
            report = await worker.exchange(Orders([(item, 1) for item in range(given, given + fresh)], flush=over))
            given += fresh
            for written in report.written:
                ledger.append(Commit(written.shards, written.items, written.counters, written.digests))
            if over and not report.alive and not worker._batch.items and not report.written:
                break
    wall = time.monotonic() - began
    await worker.close()
    troubles += [line for line in shown.getvalue().splitlines() if line.startswith("Traceback")]
    figures = _figures(ledger.state.counters, made, troubles) | {
        "answers_per_s": round(made / wall, 1),
        "rss_before_mb": before_mb,
        "rss_peak_mb": _peak_mb(),
        "bound_mb": _bound_mb(before_mb, config.models.answer.mib),
    }
    return figures | {"read_again": read_again(folder / "run")}


def _made(port: int) -> int:
    """How many mutated answers the endpoint has given."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/made") as said:
        return int(said.read())


def _bound_mb(before: float, mib: float) -> float:
    """What answers under way may take on top, one of them being parsed; see docs/engines.md."""
    return round(before + CONCURRENCY * (mib + 0.5) + 40 * mib, 1)


def _figures(counters: Any, made: int, troubles: list[str]) -> dict[str, Any]:
    def under(prefix: str) -> dict[str, int]:
        return {name.removeprefix(prefix): int(n) for name, n in sorted(counters.items()) if name.startswith(prefix)}

    failures = under("failures.")
    return {
        "answers": made,
        "episodes": int(counters.get("episodes.rollout", 0)),
        "failures": failures,
        "defects": failures.get("defect", 0) + len(troubles),
        "troubles": sorted(set(troubles))[:10],
        "dropped": under("dropped."),
    }


def read_again(run: Path) -> dict[str, Any]:
    """Every row of the run graded, diagnosed and exported again: what it holds, and what changed."""
    from t2t_dist.evaluation.failure_causes import causes_of
    from t2t_dist.evaluation.summary import summarise
    from t2t_dist.pipeline.recheck import damaged_tables, regrade
    from t2t_dist.storage.objects.opening import open_storage
    from t2t_dist.storage.partial_run import PartialRun
    from t2t_dist.storage.source_run import Source

    count, changed = regrade(Source(str(run)))
    causes = causes_of(PartialRun(str(run)))
    summary = summarise("evaluate", open_storage(str(run)), "", 1, str(run), 0.0)
    return {
        "regraded": count,
        "changed": len(changed),
        "damaged": list(damaged_tables(Source(str(run)))),
        "causes": dict(Counter({code: n for (_, _, code), n in causes.primary.items()}).most_common()),
        "summarised_episodes": summary["episodes"],
    }


def _peak_mb() -> float:
    """The process's highest resident memory; what getrusage says has that of the parent in it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return round(int(line.split()[1]) / 1024, 1)
    raise SystemExit("this system does not say how much memory a process has had")


# -- bombs -------------------------------------------------------------------------------------------------------------
def bomb(unpacked: int) -> bytes:
    """A gzip body that unpacks to a completion of this size."""
    packer, parts, piece = zlib.compressobj(9, wbits=31), list[bytes](), b" " * (1 << 20)
    parts.append(packer.compress(b'{"choices":[{"message":{"content":"'))
    parts += [packer.compress(piece) for _ in range(unpacked >> 20)]
    parts.append(packer.compress(b'"}}]}'))
    return b"".join([*parts, packer.flush()])


async def bombed(unpacked: int, count: int) -> dict[str, Any]:
    """The figures of a process that is sent bombs."""
    body = bomb(unpacked)
    whole = response(body, "200 OK", "Content-Encoding: gzip")
    figures = await answered(lambda _: whole, "--bombs", count)
    return {"bomb_kb": round(len(body) / 1024), "unpacks_to_mb": unpacked >> 20, **figures}


async def ask_for_bombs(port: int, count: int) -> dict[str, Any]:
    """Ask ``count`` times, :data:`CONCURRENCY` at once, in a process that may not have more than :data:`ALLOWED`."""
    import t2t_dist.actors.rollout  # what a worker has loaded
    from t2t_dist.config.settings import ModelSettings
    from t2t_dist.core.errors import EngineBadResponse
    from t2t_dist.models.chat import Conversation
    from t2t_dist.models.clients import Models

    assert t2t_dist.actors.rollout
    memory = psutil.Process().memory_info()
    # Libraries reserve address space that they never use: what is limited is what may be added.
    limit = memory.data + ALLOWED - memory.rss
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    before, lag, outcomes = _peak_mb(), 0.0, Counter[str]()
    models = Models(ModelSettings(max_attempts=1))
    chat, few = models.chat(f"openai:m@http://127.0.0.1:{port}/v1", "agent"), asyncio.Semaphore(CONCURRENCY)

    async def one() -> None:
        async with few:
            try:
                await chat.complete(Conversation([b'{"role":"user","content":"Hello"}']))
            except EngineBadResponse:
                outcomes["engine_bad_response"] += 1
            except Exception as error:
                outcomes[type(error).__name__] += 1

    async def watch() -> None:
        nonlocal lag
        while True:
            at = time.perf_counter()
            await asyncio.sleep(0.01)
            lag = max(lag, time.perf_counter() - at - 0.01)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(one() for _ in range(count)))
    watching.cancel()
    await models.close()
    peak = _peak_mb()
    return {
        "asked": count,
        "at_once": CONCURRENCY,
        "outcomes": dict(outcomes),
        "rss_before_mb": before,
        "rss_peak_mb": peak,
        "bound_mb": _bound_mb(before, models.settings.answer.mib),
        "limit_mb": round(ALLOWED / (1 << 20), 1),
        "longest_stall_ms": round(1000 * lag, 1),
    }


# -- all of it ---------------------------------------------------------------------------------------------------------
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=100_000, help="mutated answers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="few answers, small bombs")
    for internal, kind in (("--at", int), ("--bombs", int), ("--folder", Path)):
        parser.add_argument(internal, type=kind, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.at:
        asked = ask_for_bombs(given.at, given.bombs) if given.bombs else roll_out(given.at, given.folder, given.answers)
        print(json.dumps(asyncio.run(asked)))
        return
    answers = 1_000 if given.quick else given.answers
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small_run(folder / "tasks")
        figures = asyncio.run(fuzzed(folder, answers, given.seed))
    bombs = asyncio.run(bombed(64 << 20, CONCURRENCY) if given.quick else bombed(UNPACKED, BOMBS))
    print(json.dumps({"benchmark": "fuzz_answers", "seed": given.seed, **figures, "bombs": bombs}))


if __name__ == "__main__":
    main()
