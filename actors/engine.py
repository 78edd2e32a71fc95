"""Engine: one vLLM server, from its command line to its last process. What an InferenceActor does, without Ray.

It holds no object of an event loop, since Ray runs the methods of different concurrency groups on different loops.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import psutil

from t2t_dist.config.engines import PoolConfig
from t2t_dist.core.errors import InputError
from t2t_dist.environments.files import open_file
from t2t_dist.models.answers import TooLarge, body_of, open_session
from t2t_dist.models.openai import listed_models

from . import guard
from .families import parsers
from .server import command, environment, find_entry, given_flags
from .start_errors import explain_start_error, is_port_taken
from .templates import has_template, knows_tools, wants_reasoning

#: Lines of the log that accompany an error.
TAIL = 50
#: Seconds for a server to end in order after SIGTERM; the processes of its engine need a few.
STOP_S = 10.0
#: A process is checked this often, in seconds: an exit is noticed well before the requests on it time out.
_POLL_S = 0.1
#: A starting server is asked this often, in seconds.
_ASK_S = 0.5
#: The time limit for its answer, in seconds. A server whose health check takes longer is not ready.
_ANSWER_S = 5.0
#: Ports tried when one is taken between our check and the server's start.
_PORT_TRIES = 4
#: How much of the log's end is read for a tail or an error, in bytes; a traceback over eight workers fits.
_READ_BYTES = 256 << 10
#: The processes below a server are recorded this often, in seconds (see Engine._note).
_NOTE_S = 5.0


class EngineAddress(NamedTuple):
    """The address of a server: ``url`` ends in ``/v1``; ``pid`` is the API server's; ``log`` its log file."""

    url: str
    pid: int
    port: int
    log: str


class Exit(NamedTuple):
    """The end of a server: its exit code (128 + N for signal N) and the last lines of its log."""

    code: int
    tail: list[str]


class EngineStatus(NamedTuple):
    """The status of an engine.

    ``state``: new, starting, ready, exited (by itself), failed (to start) or stopped; ``since``: as of time.time();
    ``notes``: what the person should know, though it works; ``carry_reasoning``: whether the model's template uses the
    reasoning of earlier turns, known once a server is ready.
    """

    name: str
    state: str
    since: float
    starts: int
    address: EngineAddress | None
    log: str
    notes: tuple[str, ...]
    carry_reasoning: bool


class EngineFailed(InputError):
    """A server did not start. The message is one line; ``tail`` holds the last lines of its log."""

    def __init__(self, message: str, tail: list[str] | None = None) -> None:
        super().__init__(message)
        self.tail = tail or []

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.tail)


class Engine:
    """The host of one server of a pool: starts it, watches it, stops it, and restarts it in place.

    Args:
        name: the engine's name, for its log and messages.
        config: its pool.
        key: the API key that it requires.
        log_file: appended to; each start begins with a line that shows the command.
        host: the address it listens on.
        gpus: how many GPUs it may use (the environment says which); 0 to run on CPUs.
    """

    def __init__(
        self, name: str, config: PoolConfig, key: str, log_file: str, host: str = "127.0.0.1", gpus: int = 0
    ) -> None:
        self.name, self.config, self.host, self.gpus = name, config, host, gpus
        self.log = Path(log_file)
        self._key = key
        self._process: subprocess.Popen[bytes] | None = None  # the guard's
        self._below: dict[int, psutil.Process] = {}
        self._address: EngineAddress | None = None
        self._log_start = 0
        self._starts = self._stops = 0
        self._state, self._since = "new", time.time()
        self._notes: tuple[str, ...] = ()
        self._carry_reasoning = False

    # -- start -------------------------------------------------------------------------------------------------------
    async def start(self) -> EngineAddress:
        """Start a server and wait until it answers for the model. After an exit it may be called again.

        Takes at most ``start_deadline_s`` and the seconds of a stop.

        Raises:
            EngineFailed: it did not start, and why; none of its processes is left.
            InputError: a setting that can't be used.
        """
        if (state := self.status().state) in ("starting", "ready"):
            raise RuntimeError(f"engine {self.name} is {state}")
        await self._kill_noted()  # left by a server whose end nobody watched
        stops = self._stops
        self._starts += 1
        self._set("starting")
        try:
            entry = await asyncio.to_thread(self._check)
            address = await self._start_somewhere(entry, stops)
        except BaseException:
            self._set("stopped" if self._stops != stops else "failed")
            raise
        self._note()
        self._address = address
        self._carry_reasoning = wants_reasoning(self.config)
        self._set("ready")
        return address

    def _check(self) -> str:
        """Check all that can be checked before minutes are spent on loading; the server's module."""
        config = self.config
        if config.model.startswith(("/", "./", "../", "~")) and not Path(config.model).expanduser().exists():
            raise EngineFailed(f"no model {config.model}: no such directory on {socket.gethostname()}")
        flags = given_flags(config)
        if has_template(config) is False and not flags.intersection(("chat-template", "tokenizer", "tokenizer-mode")):
            raise EngineFailed(_no_template(config.model))
        notes = [parsers(config).note]
        if not knows_tools(config) and "chat-template" not in flags:
            notes.append(
                f"the chat template of {config.model} knows no tools: an agent on it is never shown any"
                f" (set engine.chat_template)"
            )
        self._notes = tuple(note for note in notes if note)
        return find_entry(config)

    async def _start_somewhere(self, entry: str, stops: int) -> EngineAddress:
        """Start on the configured port, the last one, or a free one; on another if it was taken meanwhile."""
        deadline = time.monotonic() + self.config.start_deadline_s
        fixed = self.config.port
        wanted = [fixed] if fixed is not None else [self._address.port if self._address else 0, *[0] * _PORT_TRIES]
        for last, port in enumerate(wanted, start=1 - len(wanted)):
            try:
                with _reserved(self.host, port) as reserved:
                    return await self._start_on(reserved, entry, deadline, stops)
            except _PortTaken as error:
                if last == 0:
                    raise EngineFailed(str(error), error.tail) from None
        raise AssertionError("no port was tried")

    async def _start_on(self, port: int, entry: str, deadline: float, stops: int) -> EngineAddress:
        process = self._process = self._spawn(port, entry)
        try:
            assert process.stdout is not None
            with process.stdout as out:
                pid = int(await asyncio.to_thread(out.readline) or 0)
            address = EngineAddress(f"http://{_in_url(self.host)}:{port}/v1", pid, port, str(self.log))
            headers, timeout = {"Authorization": f"Bearer {self._key}"}, aiohttp.ClientTimeout(total=_ANSWER_S)
            async with open_session(headers=headers, timeout=timeout) as session:
                while not await _answers(session, address.url, self.config.model):
                    code = process.poll()
                    if self._stops != stops:
                        raise EngineFailed(f"engine {self.name} was stopped while it started", self.tail())
                    if code is not None:
                        raise self._failure(port, code)
                    if time.monotonic() > deadline:
                        seconds = self.config.start_deadline_s
                        raise EngineFailed(
                            f"engine {self.name} did not answer within {seconds:g} s (engine.start_deadline_s);"
                            f" its log is {self.log}",
                            self.tail(),
                        )
                    await asyncio.sleep(_ASK_S)
                if not await _renders(session, address.url, self.config.model):
                    raise EngineFailed(_no_template(self.config.model), self.tail())
        except BaseException:
            await self._end()
            raise
        return address

    def _spawn(self, port: int, entry: str) -> subprocess.Popen[bytes]:
        """Start the server under its guard, with its output in the log; its pid is the first line of stdout."""
        words = command(self.config, port, host=self.host, gpus=self.gpus, entry=entry)
        env = environment(self.config, self._key, gpus=self.gpus, base=os.environ)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(open_file(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as log:
            log.write(f"==== {time.strftime('%Y-%m-%d %H:%M:%S')} {self.name}: {shlex.join(words)}\n".encode())
            log.flush()
            self._log_start = log.tell()
            guarded = [sys.executable, "-P", guard.__file__, str(os.getpid()), str(STOP_S), *words]
            return subprocess.Popen(guarded, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)

    def _failure(self, port: int, code: int) -> EngineFailed:
        lines = self._lines()
        message = explain_start_error(lines, self.config, port, self.gpus, code)
        kind = _PortTaken if is_port_taken(lines) else EngineFailed
        return kind(f"engine {self.name}: {message} (log: {self.log})", lines[-TAIL:])

    # -- afterwards --------------------------------------------------------------------------------------------------
    async def watch(self) -> Exit:
        """Wait for the server's end, by itself or by :meth:`stop`. Its remaining processes are gone by then.

        Raises:
            RuntimeError: no server was started.
        """
        process = self._process
        if process is None:
            raise RuntimeError(f"engine {self.name} was not started")
        noted = time.monotonic()
        while (code := process.poll()) is None:
            await asyncio.sleep(_POLL_S)
            if time.monotonic() - noted > _NOTE_S:
                self._note()
                noted = time.monotonic()
        await self._kill_noted()
        self.status()
        return Exit(_code(code), self.tail())

    async def stop(self) -> None:
        """End the server: SIGTERM, then after STOP_S seconds SIGKILL for it and all below it. Idempotent.

        A start in progress fails.
        """
        self._stops += 1
        await self._end()
        self._set("stopped")

    def status(self) -> EngineStatus:
        if self._state == "ready" and self._process is not None and self._process.poll() is not None:
            self._set("exited")
        address = self._address if self._state == "ready" else None
        return EngineStatus(
            self.name,
            self._state,
            self._since,
            self._starts,
            address,
            str(self.log),
            self._notes,
            self._carry_reasoning,
        )

    def tail(self, n: int = TAIL) -> list[str]:
        """The last lines that the server wrote since its latest start."""
        return self._lines()[-n:]

    def _lines(self) -> list[str]:
        try:
            with open(open_file(self.log), "rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, end - _READ_BYTES))
                return log.read().decode(errors="replace").splitlines()
        except OSError:
            return []

    def _set(self, state: str) -> None:
        self._state, self._since = state, time.time()

    # -- the end of processes ----------------------------------------------------------------------------------------
    async def _end(self) -> None:
        """End the guard, and with it all processes below it. It does that itself; the rest is in case it can't."""
        process = self._process
        if process is None:
            return
        self._note()
        if process.poll() is None:
            process.terminate()
            deadline = time.monotonic() + STOP_S + 2 * _ANSWER_S
            while process.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - a process offers no event
                await asyncio.sleep(_POLL_S / 2)
            if process.poll() is None:
                self._note()
                process.kill()
                process.wait()
        await self._kill_noted()

    def _note(self) -> None:
        """Record the processes below the guard: if it is killed, they are nobody's children and can't be found.

        Their process group does not help: the actor itself is in it.
        """
        try:
            if self._process is not None:
                for process in psutil.Process(self._process.pid).children(recursive=True):
                    self._below.setdefault(process.pid, process)
        except psutil.Error:
            pass  # it has just ended

    async def _kill_noted(self) -> None:
        noted, self._below = list(self._below.values()), {}
        for process in noted:
            try:
                if process.is_running():  # and is the same process, not another with its pid
                    process.kill()
            except psutil.Error:
                pass
        while any(_alive(process) for process in noted):  # noqa: ASYNC110 - nor does an orphan
            await asyncio.sleep(_POLL_S / 2)


class _PortTaken(EngineFailed):
    """The server's port was taken; another may be free."""


@contextmanager
def _reserved(host: str, port: int) -> Iterator[int]:
    """Hold a port (0: any free one) until the server listens on it.

    The socket is bound but never listens: a server that sets SO_REUSEADDR, as all do, may bind to it as well, and the
    kernel does not give it to a process that asks for any free port.

    Raises:
        _PortTaken: another process listens on it.
        InputError: the host is no address of this machine.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                reason = "is taken" if error.errno == errno.EADDRINUSE else "may not be used by this user"
                raise _PortTaken(f"port {port} {reason}; free it, or leave engine.port out for a free one") from None
            raise InputError(f"an engine can't listen on {host}: {error.strerror}") from None
        yield held.getsockname()[1]


async def _answers(session: aiohttp.ClientSession, url: str, model: str) -> bool:
    """Whether the server is healthy and, asked with our key, lists the model: not another's server on this port."""
    try:
        async with session.get(url.removesuffix("/v1") + "/health") as health:
            if health.status != 200:
                return False
        async with session.get(f"{url}/models") as models:
            return models.status == 200 and model in listed_models(await body_of(models))
    except (aiohttp.ClientError, TimeoutError, TooLarge):
        return False


async def _renders(session: aiohttp.ClientSession, url: str, model: str) -> bool:
    """Whether the server can turn a conversation into a prompt. A model without a template loads nevertheless."""
    asked = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    try:
        async with session.post(url.removesuffix("/v1") + "/tokenize", json=asked) as answer:
            return answer.status != 400 or b"chat template" not in await body_of(answer)
    except (aiohttp.ClientError, TimeoutError, TooLarge):
        return True  # a different problem, or no such route


def _no_template(model: str) -> str:
    return f"model {model} has no chat template: set engine.chat_template to a file with one that suits it"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _code(code: int) -> int:
    return code if code >= 0 else 128 - code


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
