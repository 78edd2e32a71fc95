"""A real Chromium, driven over its DevTools protocol: a WebSocket, which aiohttp speaks already.

Only what the tests need: open, click, type, ask the page, set a screen's size and colours, take a picture. Everything
the browser complains of (scripts refused by the policy, errors) is kept in ``complaints``.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.patience import PATIENCE_S

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)
PHONE, DESKTOP = (390, 844), (1440, 900)
#: Codes of keys that are no letters, as the protocol wants them.
_CODES = {"Enter": 13, "Escape": 27}


class Page:
    """A tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.complaints: list[str] = []
        self.dialogs: list[str] = []
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            event = json.loads(message.data)
            if "id" in event:
                self._answers.pop(event["id"]).set_result(event)
                continue
            method, more = event["method"], event.get("params", {})
            if method == "Page.loadEventFired":
                self._loaded.set()
            elif method == "Log.entryAdded":
                self.complaints.append(f"{more['entry']['source']}: {more['entry']['text']}")
            elif method == "Runtime.exceptionThrown":
                self.complaints.append(f"exception: {json.dumps(more['exceptionDetails'])[:400]}")
            elif method == "Page.javascriptDialogOpening":
                self.dialogs.append(more["message"])
                self._send("Page.handleJavaScriptDialog", {"accept": True}, next(self._numbers))

    def _send(self, method: str, more: dict[str, Any], number: int) -> asyncio.Future[dict[str, Any]]:
        future = asyncio.get_running_loop().create_future()
        self._answers[number] = future
        sending = asyncio.ensure_future(self._socket.send_json({"id": number, "method": method, "params": more}))
        future.add_done_callback(lambda _: sending.cancel() if not sending.done() else None)
        return future

    async def do(self, method: str, **more: Any) -> dict[str, Any]:
        answer = await asyncio.wait_for(self._send(method, more, next(self._numbers)), 30)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    async def open(self, url: str) -> None:
        self._loaded.clear()
        await self.do("Page.navigate", url=url)
        await asyncio.wait_for(self._loaded.wait(), 30)

    async def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; a promise is waited for."""
        answer = await self.do("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def text(self, selector: str = "body") -> str:
        found = await self.ask(f"document.querySelector({json.dumps(selector)})?.innerText")
        return str(found or "")

    async def count(self, selector: str) -> int:
        return int(await self.ask(f"document.querySelectorAll({json.dumps(selector)}).length"))

    async def until(self, expression: str, seconds: float = PATIENCE_S) -> None:
        """Wait until an expression holds; it may be asked while a page changes."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                if await self.ask(expression):
                    return
            except AssertionError:
                pass  # between two pages there is no context to ask in
            assert asyncio.get_running_loop().time() < deadline, f"never true: {expression}"
            await asyncio.sleep(0.03)

    async def leads(self, act: Callable[[], Any]) -> str:
        """Do something that opens another page; its address."""
        self._loaded.clear()
        await act()
        await asyncio.wait_for(self._loaded.wait(), 30)
        return str(await self.ask("location.pathname + location.search"))

    async def click(self, selector: str) -> None:
        box = await self.ask(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.do("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    async def key(self, key: str) -> None:
        code = _CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
        typed = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        await self.do("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **typed)
        await self.do("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def type(self, text: str) -> None:
        await self.do("Input.insertText", text=text)

    async def screen(self, size: tuple[int, int], dark: bool = False) -> None:
        width, height = size
        await self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.do("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self, whole: bool = False) -> bytes:
        """The screen, or the whole page, as PNG."""
        found = await self.do("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(found["data"])


@asynccontextmanager
async def chromium() -> AsyncIterator[Page]:
    """A browser with an empty profile and one tab, gone afterwards with all its processes."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program is not None, "no Chromium here: sh tests/support/debian.sh chromium"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        nowhere = subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*command, stdout=nowhere, stderr=nowhere, start_new_session=True)
        try:
            port = await _port(Path(profile) / "DevToolsActivePort", process)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    tab = next(each for each in await answer.json() if each["type"] == "page")
                async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    page = Page(socket)
                    for part in ("Page", "Runtime", "Log"):
                        await page.do(f"{part}.enable")
                    yield page
                    page.reader.cancel()
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the session of its own that it was started in
            await process.wait()


async def _port(file: Path, process: asyncio.subprocess.Process) -> int:
    """The port that Chromium chose; it writes it down when it listens."""
    for _ in range(600):
        if lines := _lines(file):
            return int(lines[0])
        assert process.returncode is None, "Chromium ended at once; run it by hand to see why"
        await asyncio.sleep(0.05)
    raise AssertionError("Chromium did not start within 30 s")


def _lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []
