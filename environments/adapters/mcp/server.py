"""Client of one MCP server process, usable from any thread.

The official SDK is asyncio: all connections run in one loop in its own thread, and callers wait for it.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil

from ...tools import ToolCrash, ToolError, ToolLost, ToolTimeout
from .config import ServerConfig
from .schemas import words
from .transport import END_S, Plain, by_http, by_stdio, ended

T = TypeVar("T")
_GUARD = Path(__file__).with_name("process_guard.py")
_PREFIX = "t2t-mcp-"
#: Bytes of a log, and of its end that is looked at; characters of an answer, and of a refusal by the protocol; tools.
_MAX_LOG, _LOG_END, _MAX_ANSWER, _MAX_REFUSAL, _MAX_TOOLS = 1 << 20, 4096, 4 << 20, 20_000, 1_000
# A server that prints to stdout is reported as one that does not start; the SDK's tracebacks would only repeat that.
logging.getLogger("mcp").setLevel(logging.CRITICAL)


class Offered(NamedTuple):
    """A tool as the server lists it."""

    name: str
    description: str
    schema: dict[str, Any]
    returns: dict[str, Any] | None
    read_only: bool


class Answer(NamedTuple):
    """The answer to a call: its text, and whether the server marks it as an error."""

    text: str
    error: bool


class NoStart(ValueError):
    """Raised when a server does not start, or does not speak MCP; one line."""


class _Loop:
    """The event loop of all connections; its thread starts with the first one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # The kernel signals the servers' guards when this thread ends: it must never end.
                threading.Thread(target=self._loop.run_forever, name="mcp", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(work, self._loop)


_LOOP = _Loop()


def sdk() -> None:
    """Raises ValueError: the SDK is not installed."""
    try:
        import mcp  # noqa: F401
    except ImportError:
        raise ValueError("MCP domains need the extra 'mcp': pip install 't2t-dist[mcp]'") from None


def fresh_folder() -> Path:
    """A new folder for one world; the server's guard, the caller or :func:`sweep` removes it."""
    return Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()


def sweep() -> None:
    """Remove folders of servers whose guard was killed too. Live servers hold a lock on the folder's log."""
    for log in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/log"):
        try:
            with log.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(log.parent, ignore_errors=True)
        except OSError:
            continue  # in use, or of another user


class Server:
    """A server process and its folder: ``folder/data`` is its world's directory, filled before :meth:`start`."""

    def __init__(self, config: ServerConfig, here: Path, folder: Path, mask: Callable[[str], str]) -> None:
        self.config, self.folder, self._mask = config, folder, mask
        self._names = {"dir": str(folder / "data"), "here": str(here), "python": sys.executable}
        self._log = (folder / "log").open("a+b")
        fcntl.flock(self._log, fcntl.LOCK_EX)  # the server inherits it with its stderr
        self._guard: psutil.Process | None = None
        self._session: Any = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stop = asyncio.Event()
        self._ended: Future[None] | None = None
        self._gone = threading.Event()
        self._broken = ""  # what made the connection unusable

    # -- start and end -----------------------------------------------------------------------------------------------
    def start(self) -> list[Offered]:
        """Start the process, initialize the session and list its tools. Raises NoStart."""
        if self.config.url is not None:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self._names["port"] = str(free.getsockname()[1])
        ready: Future[list[Offered]] = Future()
        self._ended = _LOOP.submit(self._serve(ready))
        try:
            return ready.result(self.config.start_timeout)
        except TimeoutError:
            problem = f"did not answer as an MCP server within {self.config.start_timeout:g} s"
        except Exception as error:
            problem = f"did not start as an MCP server ({_first(error)})"
        said = self._last_words()
        self.close()
        problem = self._broken or problem
        raise NoStart(f"the server '{self._filled(self.config.command)}' {problem}{': ' + said if said else ''}")

    async def _serve(self, ready: Future[list[Offered]]) -> None:
        """The whole connection, in one task as the SDK requires."""
        try:
            async with AsyncExitStack() as stack:
                from mcp import ClientSession

                received, sent, *_ = await self._transport(stack)
                session = await stack.enter_async_context(ClientSession(Plain(received), sent))
                await session.initialize()
                tools = await _tools(session)
                self._session, self._guard = session, self._found_guard()
                ready.set_result(tools)
                await self._stop.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error if isinstance(error, Exception) else RuntimeError(type(error).__name__))
        finally:
            self._session = None

    async def _transport(self, stack: AsyncExitStack) -> Any:
        """The streams to the server process, which runs under our guard."""
        from mcp.client.stdio import get_default_environment

        command = [self._filled(self.config.command), *(self._filled(arg) for arg in self.config.args)]
        guarded = [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), str(self.folder), *command]
        env = get_default_environment()
        env |= {name: os.environ[name] for name in self.config.inherit if name in os.environ}
        env |= {name: self._filled(value) for name, value in self.config.env.items()}
        if self.config.url is None:
            folder = Path(self._names["dir"])
            return await stack.enter_async_context(by_stdio(guarded, env, folder, self._log, self._set_broken))
        process = self._process = self._spawned(guarded, env)
        stack.push_async_callback(_stopped, process)
        await self._listening(process, int(self._names["port"]))
        return await by_http(stack, self._filled(self.config.url), self._set_broken)

    def _set_broken(self, why: str) -> None:
        self._broken = why

    def _spawned(self, command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
        """A server that uses HTTP; its stdin is still a pipe, which closes when we end."""
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            env=env,
            cwd=self._names["dir"],
            start_new_session=True,
        )

    @staticmethod
    async def _listening(process: subprocess.Popen[bytes], port: int) -> None:
        """Wait until the port is open; the caller bounds the time."""
        while process.poll() is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
        raise ConnectionError("it ended before it listened")

    def _filled(self, text: str) -> str:
        for name, value in self._names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def _found_guard(self) -> psutil.Process:
        return psutil.Process(int((self.folder / "pid").read_text()))

    def _last_words(self) -> str:
        """The last line that the server wrote to stderr, with secrets and the folder's name masked."""
        self._log.seek(max(0, os.fstat(self._log.fileno()).st_size - _LOG_END))
        lines = self._log.read(_LOG_END).decode(errors="replace").split("\n")
        return next((self._mask(line.strip())[:200] for line in reversed(lines) if line.strip()), "")

    @property
    def alive(self) -> bool:
        """Whether the process still runs, as far as known without a call."""
        if self._session is None or self._ended is None or self._ended.done():
            return False
        if self._process is not None and self._process.poll() is not None:
            return False
        return self._guard is not None and self._guard.is_running()

    def close(self) -> None:
        """End the process and everything it has started; does not wait."""
        try:
            (self._guard or self._found_guard()).terminate()  # psutil checks that the process id was not reused
        except (OSError, ValueError, psutil.Error):
            pass  # it has ended, or never began
        if self._ended is not None and not self._ended.done():
            _LOOP.submit(self._set_stop())
        if self._ended is not None:
            self._ended.add_done_callback(lambda _: self._cleared())
        else:
            self._cleared()

    def wait_closed(self, seconds: float = END_S) -> None:
        """After :meth:`close`: wait until process and folder are gone, ``seconds`` at most."""
        self._gone.wait(seconds)

    async def _set_stop(self) -> None:
        self._stop.set()
        if self._session is None and self._ended is not None:
            self._ended.cancel()  # it hangs before the handshake

    def _cleared(self) -> None:
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._gone.set()

    # -- calls -------------------------------------------------------------------------------------------------------
    def call(self, name: str, arguments: Mapping[str, Any]) -> Answer:
        """Make a call.

        Raises:
            ToolError: the server answers with an error of the protocol (wrong arguments).
            ToolTimeout: no answer in time. The server can't be used any more.
            ToolLost: the server ended before or during the call.
            ToolCrash: it answered with what is no answer, or too large.
        """
        from mcp.shared.exceptions import MCPError
        from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT

        seconds = self.config.timeout
        session = self._session
        if session is None:
            raise ToolLost(f"{name}: the MCP server has ended")
        try:
            result = _LOOP.submit(_call(session, name, dict(arguments), seconds)).result(seconds + END_S)
        except TimeoutError:
            self._check_usable(name)
            raise ToolTimeout(f"{name} did not answer within {seconds:g} s") from None
        except MCPError as error:
            self._check_usable(name)
            if error.code == REQUEST_TIMEOUT:
                raise ToolTimeout(f"{name} did not answer within {seconds:g} s") from None
            if error.code == CONNECTION_CLOSED or not self.alive:
                raise ToolLost(f"the MCP server ended during {name}{self._why()}") from None
            raise ToolError(self._mask(error.message[:_MAX_REFUSAL])) from None
        except Exception as error:
            self._check_usable(name)
            if not self.alive:
                raise ToolLost(f"the MCP server ended during {name}{self._why()}") from None
            raise ToolCrash(f"{name} answered what is not MCP: {_first(error)}") from None
        self._trim_log()
        text = "\n".join(part.text for part in result.content)
        if len(text) > _MAX_ANSWER:
            raise ToolCrash(f"{name} answered with more than {_MAX_ANSWER >> 20} MiB of text")
        return Answer(self._mask(text), bool(result.is_error))

    def _check_usable(self, name: str) -> None:
        if self._broken:
            raise ToolCrash(f"{name}: the MCP server {self._broken}") from None

    def _why(self) -> str:
        said = self._last_words()
        return f": {said}" if said else ""

    def _trim_log(self) -> None:
        if os.fstat(self._log.fileno()).st_size > _MAX_LOG:
            os.ftruncate(self._log.fileno(), 0)


async def _tools(session: Any) -> list[Offered]:
    """All tools, page by page (at most 100 pages)."""
    from mcp_types import PaginatedRequestParams

    found: list[Offered] = []
    cursor = None
    for _ in range(100):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
        for tool in page.tools:
            read_only = bool(tool.annotations and tool.annotations.read_only_hint)
            found.append(
                Offered(tool.name, words(tool.description or ""), tool.input_schema, tool.output_schema, read_only)
            )
        if len(found) > _MAX_TOOLS:
            raise ValueError(f"it lists more than {_MAX_TOOLS} tools")
        cursor = page.next_cursor
        if not cursor:
            break
    return found


async def _call(session: Any, name: str, arguments: dict[str, Any], seconds: float) -> Any:
    """The raw answer, without a check against the tool's output schema."""
    from mcp_types import CallToolRequest, CallToolRequestParams, CallToolResult

    request = CallToolRequest(params=CallToolRequestParams(name=name, arguments=arguments))
    return await asyncio.wait_for(session.send_request(request, CallToolResult), seconds)


async def _stopped(process: subprocess.Popen[bytes]) -> None:
    """End a server that uses HTTP: signal its guard, and wait."""
    process.terminate()
    if process.stdin is not None:
        process.stdin.close()
    await ended(process)


def _first(error: BaseException) -> str:
    """The message of an exception, or of the first one of a group, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(f"{error}".split())[:200] or type(error).__name__
