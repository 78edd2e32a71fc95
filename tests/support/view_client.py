"""The viewer, served, and a client that does a browser's part over real HTTP."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from t2t_dist.view.server import serving


class Client:
    """A browser's part: keeps the cookie once it has been given."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url
        self.base, self.token = url.split("/?token=")

    async def get(self, path: str, **more: Any) -> tuple[int, str, aiohttp.ClientResponse]:
        async with self.session.get(URL(self.base + path, encoded=True), **more) as response:
            return response.status, await response.text(), response

    async def read(self, path: str) -> str:
        """A page that has to be there, as the words on it."""
        status, text, _ = await self.get(path)
        assert status == 200, (path, words(text))
        return words(text)

    async def complete(self, name: str) -> None:
        """Until all rows are indexed."""
        for _ in range(400):
            if not json.loads((await self.get(f"/live?run={name}"))[1])["live"]:
                return
            await asyncio.sleep(0.02)
        raise AssertionError("never complete")


def words(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


@asynccontextmanager
async def viewing(*folders: Path, known: bool = True) -> AsyncIterator[Client]:
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address, not a name
    async with serving([str(folder) for folder in folders]) as url, aiohttp.ClientSession(cookie_jar=jar) as session:
        client = Client(session, url)
        if known:
            assert (await client.get(f"/?token={client.token}"))[0] == 200
            for folder in folders:
                await client.complete(folder.name)
        yield client
