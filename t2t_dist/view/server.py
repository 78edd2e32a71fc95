"""The web server of ``t2t view``: routes, templates, and the thread that follows the runs."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from aiohttp import web
from markupsafe import Markup, escape

from t2t_dist.core.errors import InputError
from t2t_dist.synthesis.intents import REGISTRY

from . import pages
from .connection import Connection
from .counts import by_combination, by_level, matrix, run_counts
from .guard import Guard, own_address
from .index import MISSED, NO_RESULT, PASSED
from .query import Query, address
from .runs import Runs, ViewedRun
from .text import CUT, PAGE, hue, laid_out, plain, spent, value_of, visible

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: Seconds between two reads of the ledgers.
_LOOK_EVERY = 1.0
_STATIC = {"view.css": "text/css", "view.js": "text/javascript", "icon.svg": "image/svg+xml"}
_log = logging.getLogger(__name__)


@cache
def templates() -> jinja2.Environment:
    """All templates, compiled at the start rather than when the first page is requested."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        autoescape=True,
        finalize=plain,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "v": visible, "exact": lambda text: Markup(escape(text)), "laid_out": laid_out, "spent": spent,
        "value": value_of, "hue": hue, "n": lambda n: f"{n:,}",
    }  # fmt: skip
    made.globals |= {
        "address": address, "Query": Query, "CUT": CUT, "PASSED": PASSED, "MISSED": MISSED, "NO_RESULT": NO_RESULT,
        "INTENTS": REGISTRY,
    }  # fmt: skip
    for name in made.list_templates():
        made.get_template(name)
    return made


def intent_rules() -> str:
    """CSS rules for the label of each intent, light and dark."""
    light, dark = [], []
    for name, spec in REGISTRY.items():
        colours = spec.colours
        light.append(f".intent.{name} {{ color: {colours.text}; background: {colours.background}; }}")
        dark.append(f".intent.{name} {{ color: {colours.dark_text}; background: {colours.dark_background}; }}")
    return "\n".join(["", *light, "@media (prefers-color-scheme: dark) {", *dark, "}", ""])


class Viewer:
    """The application on some runs. ``guard`` holds the token."""

    def __init__(self, runs: Runs, guard: Guard) -> None:
        self.runs, self.guard = runs, guard
        files = resources.files(__package__) / "static"
        self._static = {name: (files / name).read_bytes() for name in _STATIC}
        self._static["view.css"] += intent_rules().encode()
        # Part of their addresses, so that a browser may cache them for good.
        self._version = hashlib.blake2b(b"".join(self._static.values()), digest_size=6).hexdigest()
        templates()

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._answered])
        app.add_routes(
            [
                web.get("/", self._runs),
                web.get("/run/{run}", self._run),
                web.get("/run/{run}/tasks", self._tasks),
                web.get("/run/{run}/task/{task}", self._task),
                web.get("/run/{run}/episodes", self._episodes),
                web.get("/run/{run}/episode/{episode}", self._episode),
                web.get("/run/{run}/episode/{episode}/text/{turn}/{part}", self._text),
                web.get("/compare", self._compare),
                web.get("/live", self._live),
                web.get("/static/{version}/{name}", self._file),
            ]
        )
        app.cleanup_ctx.append(self._following)
        return app

    # -- around every request ------------------------------------------------------------------------------------------
    @web.middleware
    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self.guard.readable(request):
            return web.Response(status=400, text="This request is not UTF-8.\n")
        if not self.guard.named_well(request):
            return web.Response(status=403, text="This viewer answers to 127.0.0.1 and localhost only.\n")
        if request.method not in ("GET", "HEAD"):
            return web.Response(
                status=405, text="This viewer serves pages to read and nothing else.\n", headers={"Allow": "GET"}
            )
        if request.path.startswith("/static/"):
            return await handler(request)
        if "token" in request.query and (introduced := self.guard.introduced(request)) is not None:
            return introduced
        if not self.guard.known(request):
            wrong = "token" in request.query
            given = [(name, value) for name, value in request.query.items() if name != "token"]
            return self._page(request, "locked.html", 401, wrong=wrong, given=given, here=own_address(request))
        try:
            return await handler(request)
        except pages.NotThere as error:
            return self._page(request, "said.html", 404, title="Not found", detail=str(error))
        except InputError as error:
            return self._page(request, "said.html", 404, title="Can't be shown", detail=str(error))
        except web.HTTPNotFound:
            return self._page(request, "said.html", 404, title="Not found", detail=f"There is no page {request.path}")
        except web.HTTPException as error:
            return web.Response(status=error.status, text=f"{error.reason}\n")
        except Exception:
            _log.exception("a page failed: %s", request.path)
            detail = "The viewer failed on this page; the traceback is on its standard error"
            return self._page(request, "said.html", 500, title="Internal error", detail=detail)

    def _page(self, request: web.Request, name: str, status: int = 200, **shown: Any) -> web.Response:
        text = templates().get_template(name).render({"runs": self.runs, "assets": self._version, **shown})
        return web.Response(text=text, status=status, content_type="text/html")

    @asynccontextmanager
    async def _following_context(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._follow())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _following(self, app: web.Application) -> AsyncIterator[None]:
        async with self._following_context():
            yield

    async def _follow(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.runs.refresh)
            except Exception:  # the next refresh may succeed
                _log.exception("a run could not be followed")
            await asyncio.sleep(0.01 if any(not run.complete for run in self.runs) else _LOOK_EVERY)

    # -- pages ---------------------------------------------------------------------------------------------------------
    def _named(self, request: web.Request) -> ViewedRun:
        run = self.runs.get(request.match_info["run"])
        if run is None:
            names = ", ".join(run.name for run in self.runs)
            raise pages.NotThere(f"no run '{request.match_info['run']}' is open here; open runs: {names}")
        return run

    async def _runs(self, request: web.Request) -> web.Response:
        def work() -> list[Any]:
            return [(run, run_counts(run), matrix(run)) for run in self.runs]

        return self._page(request, "runs.html", listed=await asyncio.to_thread(work))

    async def _run(self, request: web.Request) -> web.Response:
        run = self._named(request)
        read = asyncio.to_thread(lambda: (matrix(run), by_level(run), by_combination(run)))
        cells, levels, combined = await read
        counts = run_counts(run)
        return self._page(request, "run.html", run=run, counts=counts, matrix=cells, levels=levels, combined=combined)

    async def _tasks(self, request: web.Request) -> web.Response:
        run = self._named(request)
        query = Query.of(request.query, list(run.tasks.facets))
        shown = await asyncio.to_thread(pages.tasks, self.runs, run, query)
        return self._page(request, "tasks.html", run=run, query=query, page_size=pages.PAGE, **shown)

    async def _episodes(self, request: web.Request) -> web.Response:
        run = self._named(request)
        query = self._episode_query(request, run)
        shown = await asyncio.to_thread(pages.episodes, self.runs, run, query)
        return self._page(request, "episodes.html", run=run, query=query, page_size=pages.PAGE, **shown)

    def _episode_query(self, request: web.Request, run: ViewedRun) -> Query:
        return Query.of(request.query, [*run.episodes.facets, "verdict"])

    async def _task(self, request: web.Request) -> web.Response:
        run = self._named(request)
        shown = await asyncio.to_thread(pages.task, self.runs, run, request.match_info["task"])
        return self._page(request, "task.html", run=run, **shown)

    async def _episode(self, request: web.Request) -> web.Response:
        run = self._named(request)
        query = self._episode_query(request, run)
        first = query.start

        def work() -> tuple[pages.EpisodePage, dict[str, Any]]:
            page = pages.episode(self.runs, run, request.match_info["episode"])
            return page, pages.neighbours(self.runs, run, query, page.number)

        page, beside = await asyncio.to_thread(work)
        return self._page(
            request, "episode.html", page=page, run=run, query=query.first, beside=beside, first=first,
            rows_shown=pages.ROWS,
        )  # fmt: skip

    async def _text(self, request: web.Request) -> web.Response:
        run, info = self._named(request), request.match_info
        number = int(info["turn"]) if info["turn"].isdecimal() and len(info["turn"]) < 9 else -1

        def work() -> str:
            return pages.turn_text(pages.episode(self.runs, run, info["episode"]), number, info["part"])

        text = await asyncio.to_thread(work)
        last = max(1, -(-len(text) // PAGE))
        at = min(Query.of(request.query, []).page, last)
        part = text[PAGE * (at - 1) : PAGE * at]
        return self._page(
            request, "text.html", run=run, episode_id=info["episode"], turn=number, part=info["part"], text=part,
            size=len(text), at=at, last=last,
        )  # fmt: skip

    async def _compare(self, request: web.Request) -> web.Response:
        both = await asyncio.to_thread(pages.compared, self.runs, request.query)
        return self._page(request, "compare.html", both=both)

    async def _live(self, request: web.Request) -> web.Response:
        """Polled by the pages every other second: has anything changed, and may it change again?"""
        names = request.query.getall("run", [])
        runs = [run for run in self.runs if run.name in names or not names]
        version = "-".join(run.version for run in runs)
        return web.json_response({"version": version, "live": any(run.running or not run.complete for run in runs)})

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._static:
            return web.Response(status=404, text="no such file\n")
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return web.Response(body=self._static[name], content_type=_STATIC[name], charset="utf-8", headers=headers)


@asynccontextmanager
async def serving(paths: list[str], port: int = 0, token: str | None = None) -> AsyncIterator[str]:
    """Context in which these run directories are served on the loopback interface; gives the address with the token.

    Raises InputError: one of them is no run directory, or the port is taken.
    """
    viewer = Viewer(Runs(paths), Guard(token))
    await asyncio.to_thread(viewer.runs.refresh, 0.0)  # the ledgers, so that the first page has its numbers
    runner = web.AppRunner(viewer.app(), shutdown_timeout=1.0)
    await runner.setup()
    loop, manager = asyncio.get_running_loop(), runner.server
    assert manager is not None
    try:
        try:
            listening = await loop.create_server(lambda: Connection(manager, loop=loop), "127.0.0.1", port)
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"port {port} of 127.0.0.1: {reason}; choose another --port, or leave it out") from None
        try:
            bound = listening.sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{bound}/?token={viewer.guard.token}"
        finally:
            listening.close()
    finally:
        await runner.cleanup()
