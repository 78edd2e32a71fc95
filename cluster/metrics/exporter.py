"""HTTP server of a run's metrics, in its own thread beside the driver's loop.

``/metrics``: all figures of the driver and its workers. ``/sd``: HTTP service discovery, with which Prometheus finds
the driver and the engines. ``/healthz``: whether the driver's loop still runs; needs no token.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from yarl import URL

from t2t_dist.config.settings import MetricsConfig
from t2t_dist.core.errors import InputError

from ..engines.health import State
from ..engines.reading import EngineReading
from .series import families
from .snapshot import Metrics

#: Seconds without an iteration after which the driver counts as hung. Starting workers may take two minutes.
SILENT_S = 180.0
#: Seconds for running requests when the server closes.
_CLOSE_S = 2.0


@contextmanager
def served(config: MetricsConfig, metrics: Metrics) -> Iterator[None]:
    """Context manager: serve the metrics if the settings have a port. Sets ``metrics.address``.

    Raises:
        InputError: the port is taken, the address is not of this machine, or the token's variable is empty.
    """
    if config.port is None:
        yield
        return
    exporter = Exporter(config, metrics)
    try:
        yield
    finally:
        exporter.close()


def targets(engines: Iterable[EngineReading], driver: str, run: str) -> list[dict[str, Any]]:
    """The targets of Prometheus' HTTP service discovery: the driver, and each engine with its own metrics.

    ``driver``: its host and port as Prometheus addressed them.
    """
    found = [{"targets": [driver], "labels": {"role": "driver", "run": run}}]
    for engine in engines:
        if not engine.counts or engine.state is State.GIVEN_UP:
            continue
        url = URL(engine.url.removesuffix("/v1") + "/metrics")
        labels = {"role": "engine", "run": run, "pool": engine.pool, "engine": engine.engine}
        labels |= {"__scheme__": url.scheme, "__metrics_path__": url.path}
        found.append({"targets": [f"{_host(url.host or '')}:{url.port}"], "labels": labels})
    return found


class _Collected(Collector):
    """Collector that prometheus_client calls at each scrape."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return families(self._metrics.snapshot)

    def describe(self) -> Iterable[Metric]:
        return ()  # spares the registry a collection to check for duplicate names


class Exporter:
    """The server and its thread; see :func:`served`."""

    def __init__(self, config: MetricsConfig, metrics: Metrics) -> None:
        self._metrics, self._linger_s = metrics, config.linger_s
        token = os.environ.get(config.token_env, "").strip() if config.token_env else ""
        if config.token_env and not (token and token.isascii() and token.isprintable()):
            raise InputError(f"cluster.metrics.token_env: the environment variable {config.token_env} has no token")
        self._bearer = f"Bearer {token}".encode() if token else b""
        self._registry = CollectorRegistry()
        self._registry.register(_Collected(metrics))
        ProcessCollector(registry=self._registry)
        self._last_scraped = threading.Event()
        try:
            family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
            self._socket = socket.create_server((config.host, config.port or 0), family=family)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"cluster.metrics can't listen on {config.host} port {config.port}: {reason};"
                f" set another port, or 0 for a free one"
            ) from None
        metrics.address = f"http://{_host(_reachable(config.host))}:{self._socket.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the server; with ``linger_s``, wait that long for the final figures to be scraped once."""
        if self._linger_s and self._metrics.snapshot.over:
            try:
                self._last_scraped.wait(self._linger_s)
            except KeyboardInterrupt:
                pass  # nothing else is left to do
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(2 * _CLOSE_S)
        self._metrics.address = ""

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/metrics", self._of_metrics)
        app.router.add_get("/sd", self._of_targets)
        app.router.add_get("/healthz", self._of_health)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_S)
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        await self._stopped.wait()
        await runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode()
        if self._bearer and request.path != "/healthz" and not hmac.compare_digest(given, self._bearer):
            return web.Response(status=401, text="a bearer token is needed\n", headers={"WWW-Authenticate": "Bearer"})
        response: web.StreamResponse = await handler(request)
        return response

    async def _of_metrics(self, request: web.Request) -> web.Response:
        last = self._metrics.snapshot.over
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        response = web.Response(body=encode(self._registry), headers={"Content-Type": content_type})
        response.enable_compression()
        if last:
            self._last_scraped.set()
        return response

    async def _of_targets(self, request: web.Request) -> web.Response:
        seen = self._metrics.snapshot
        return web.json_response(targets(seen.engines, request.host, seen.run.run_id))

    async def _of_health(self, request: web.Request) -> web.Response:
        seen = self._metrics.snapshot
        silent = time.time() - seen.at
        if not seen.over and silent > SILENT_S:
            return web.Response(status=503, text=f"the driver's loop has not run for {silent:.0f} s\n")
        return web.Response(text=f"{seen.state}\n")


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reachable(host: str) -> str:
    """The host to connect to: this machine's name if we listen on all addresses."""
    try:
        return socket.gethostname() if ipaddress.ip_address(host).is_unspecified else host
    except ValueError:
        return host
