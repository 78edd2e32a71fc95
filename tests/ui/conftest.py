"""One browser and one viewer for all tests of the pages: complete, hostile, empty and growing runs."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from t2t_dist.core.schema import Turn
from t2t_dist.view.server import serving
from tests.support import hostile
from tests.support.finished_run import played, rows_of, write_run
from tests.support.viewed import episode_of, library, row_of, rows_for, small_run
from tests.ui.browser import DESKTOP, Page, chromium

#: Where pictures of every screen are put, for a person to look at; nowhere by default.
SHOTS = os.environ.get("T2T_SHOTS")


class Site:
    """The viewer's address, the runs in it, and a browser tab that knows its token."""

    def __init__(self, url: str, page: Page, folder: Path) -> None:
        self.base, self.token = url.split("/?token=")
        self.page, self.folder = page, folder

    async def open(self, path: str) -> Page:
        await self.page.open(self.base + path)
        return self.page

    async def shoot(self, name: str) -> None:
        if SHOTS:
            keep(Path(SHOTS) / f"{name}.png", await self.page.picture(whole=True))


def keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, made = tmp_path_factory.mktemp("ui"), library()
    small_run(folder / "small")
    small_run(folder / "growing", tasks=8)
    running = {"run_id": "run-1", "state": "running", "why": "", "at": 4e9, "items": {"done": 2, "total": 9}}
    (folder / "growing" / "status.json").write_text(json.dumps(running))
    task = made.one("general")
    spoiled = hostile.spoiled(episode_of(played(made, task)[1]))
    write_run(folder / "hostile", [*rows_of([task]), row_of(spoiled)])
    long = episode_of(played(made, made.one("ambiguous"))[1])
    long.episode_id = "ep-long"
    costs = {
        "model": "m-7b",
        "t_model": 1.25,
        "prompt_tokens": 3120,
        "completion_tokens": 41,
        "finish_reason": "length",
    }
    long.turns = [
        Turn("agent" if n % 2 else "user", "assistant" if n % 2 else "user", f"message number {n}", "why not", **costs)
        for n in range(400)
    ]
    write_run(folder / "long", [*rows_for(made, made.tasks[:8], trials=12), row_of(long)])
    write_run(folder / "empty", [])
    small_run(folder / "broken", tasks=8)
    for shard in (folder / "broken" / "episodes").iterdir():
        shard.unlink()
    return folder


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(folder: Path) -> AsyncIterator[Site]:
    names = ("small", "growing", "hostile", "long", "empty", "broken")
    async with serving([str(folder / name) for name in names]) as url, chromium() as page:
        await page.screen(DESKTOP)
        await page.open(url)
        yield Site(url, page, folder)


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def quiet(site: Site) -> AsyncIterator[None]:
    """After every test: nothing that a page should not have done."""
    site.page.complaints.clear()
    await site.page.screen(DESKTOP)
    yield
    assert site.page.dialogs == []
    assert [complaint for complaint in site.page.complaints if "404" not in complaint and "401" not in complaint] == []
