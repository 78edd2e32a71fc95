"""The driver's HTTP side, over real HTTP."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from t2t_dist.cluster.engines.health import State
from t2t_dist.cluster.metrics.exporter import SILENT_S, served, targets
from t2t_dist.cluster.metrics.snapshot import Metrics
from t2t_dist.cluster.scheduling.scheduler import Scheduler
from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import Config, MetricsConfig
from t2t_dist.core.errors import InputError
from t2t_dist.storage.ledger import LedgerState
from tests.cluster.metrics.test_snapshot import engine
from tests.support.patience import PATIENCE_S


class Clock:
    """Seconds since 1970, as somebody sets them."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def measured(clock: Clock | None = None) -> Metrics:
    return Metrics("run-1", "evaluate", Config(), LedgerState(), wall=clock or Clock())


@contextmanager
def serving(clock: Clock | None = None, **settings: Any) -> Iterator[Metrics]:
    metrics = measured(clock)
    with served(MetricsConfig(**{"port": 0, **settings}), metrics):
        metrics.update("running", Scheduler(10), None, {}, wanted=1)
        yield metrics


def get(url: str, token: str = "", **headers: str) -> tuple[int, str, dict[str, str]]:
    """Status, text and headers."""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            data, headers = response.read(), dict(response.headers)
            return (
                response.status,
                (gzip.decompress(data) if headers.get("Content-Encoding") == "gzip" else data).decode(),
                headers,
            )
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


# -- what it answers ---------------------------------------------------------------------------------------------------
def test_metrics_in_both_formats_and_compressed() -> None:
    with serving() as metrics:
        status, plain, headers = get(f"{metrics.address}/metrics")
        assert status == 200
        assert headers["Content-Type"].startswith("text/plain; version=")
        assert 't2t_items{state="waiting"} 10.0' in plain
        assert "process_resident_memory_bytes" in plain
        _, openmetrics, headers = get(
            f"{metrics.address}/metrics", Accept="application/openmetrics-text; version=1.0.0"
        )
        assert headers["Content-Type"].startswith("application/openmetrics-text")
        assert openmetrics.endswith("# EOF\n")
        _, text, headers = get(f"{metrics.address}/metrics", **{"Accept-Encoding": "gzip"})
        assert headers["Content-Encoding"] == "gzip"
        assert 't2t_items{state="waiting"} 10.0' in text
        assert get(f"{metrics.address}/config")[0] == 404


def test_the_driver_is_found_where_it_was_asked() -> None:
    with serving() as metrics:
        status, text, headers = get(f"{metrics.address}/sd", Host="driver.example:1234")
        assert status == 200
        assert headers["Content-Type"].startswith("application/json")
        assert json.loads(text) == [{"targets": ["driver.example:1234"], "labels": {"role": "driver", "run": "run-1"}}]


def test_engines_are_found_with_the_labels_of_pool_and_engine() -> None:
    engines = [
        engine(),
        engine("mine@0", url="https://models.example/team/v1"),
        engine("mine@1", url="http://[::1]:8000/v1"),
        engine("plain@0", counts={}),
        engine("mine#2", state=State.GIVEN_UP),
        engine("mine#3", state=State.DEAD),
    ]
    _, first, other, six, dead = targets(engines, "d:1", "run-1")
    assert first == {
        "targets": ["127.0.0.1:7"],
        "labels": {
            "role": "engine",
            "run": "run-1",
            "pool": "mine",
            "engine": "mine#0",
            "__scheme__": "http",
            "__metrics_path__": "/metrics",
        },
    }
    assert other["targets"] == ["models.example:443"]
    assert (other["labels"]["__scheme__"], other["labels"]["__metrics_path__"]) == ("https", "/team/metrics")
    assert six["targets"] == ["[::1]:8000"]
    assert dead["labels"]["engine"] == "mine#3", "one that is down should be seen to be"


def test_health_is_that_of_the_driver_s_loop() -> None:
    clock = Clock()
    with serving(clock) as metrics:
        assert get(f"{metrics.address}/healthz")[:2] == (200, "running\n")
        clock.ahead = -SILENT_S - 10
        metrics.update("failed", Scheduler(10), None, {}, wanted=1)
        assert get(f"{metrics.address}/healthz")[:2] == (200, "failed\n"), "over is not silent"
    with serving(clock) as metrics:
        status, text, _ = get(f"{metrics.address}/healthz")
        assert status == 503
        assert "has not run for 190 s" in text


# -- who may ask -------------------------------------------------------------------------------------------------------
def test_a_token_is_asked_for_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hush-hush")
    with serving(token_env="SOME_TOKEN") as metrics:
        for path in ("metrics", "sd"):
            status, text, headers = get(f"{metrics.address}/{path}")
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
            assert "hush" not in text
            assert get(f"{metrics.address}/{path}", "hush")[0] == 401
            assert get(f"{metrics.address}/{path}", "hush-hush")[0] == 200
        assert get(f"{metrics.address}/healthz")[0] == 200, "says nothing of the run"
        assert "hush-hush" not in repr(vars(metrics))


def test_an_address_that_others_reach_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for host in ("0.0.0.0", "::", "10.0.0.1", "driver.example"):
        with pytest.raises(InputError, match=f"host {host} can be reached from other machines: name a variable"):
            load_config(None, {"cluster.metrics.host": host})
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        assert load_config(None, {"cluster.metrics.host": host}).cluster.metrics.host == host
    monkeypatch.setenv("SOME_TOKEN", "hush-hush")
    with serving(host="0.0.0.0", token_env="SOME_TOKEN") as metrics:
        assert metrics.address.startswith(f"http://{socket.gethostname()}:"), "others can't ask for 0.0.0.0"
        port = metrics.address.rpartition(":")[2]
        assert get(f"http://127.0.0.1:{port}/metrics")[0] == 401


@pytest.mark.parametrize("value", [None, "", "  ", "a\nb", "schl\N{LATIN SMALL LETTER U WITH DIAERESIS}ssel"])
def test_a_variable_without_a_token_is_one_line(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("SOME_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("SOME_TOKEN", value)
    with pytest.raises(InputError, match="SOME_TOKEN has no token"), serving(token_env="SOME_TOKEN"):
        pass


# -- where and how long ------------------------------------------------------------------------------------------------
def test_a_taken_port_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        in_use = f"can't listen on 127.0.0.1 port {port}: Address already in use"
        with pytest.raises(InputError, match=in_use) as error, serving(port=port):
            pass
    assert "\n" not in str(error.value)


def test_nothing_listens_without_a_port_nor_afterwards() -> None:
    before = threading.active_count()
    metrics = measured()
    with served(MetricsConfig(), metrics):
        assert metrics.address == ""
        assert threading.active_count() == before
    with serving() as metrics:
        address = metrics.address
    assert metrics.address == ""
    assert threading.active_count() == before
    with pytest.raises(urllib.error.URLError):
        get(f"{address}/metrics")


def test_one_more_scrape_is_waited_for_at_the_end() -> None:
    seen: list[str] = []

    def scrape(metrics: Metrics, over: threading.Event) -> None:
        seen.append(get(f"{metrics.address}/metrics")[1])
        over.set()

    with serving(linger_s=60.0) as metrics:
        get(f"{metrics.address}/metrics")  # one before the end does not count
        metrics.update("finished", Scheduler(0), None, {}, wanted=1)
        over = threading.Event()
        later = threading.Timer(0.3, scrape, (metrics, over))
        later.start()
    assert over.wait(PATIENCE_S), "it was closed before"
    assert 't2t_run_state{state="finished"} 1.0' in seen[0]


def test_a_run_that_never_ended_is_not_waited_for() -> None:
    with pytest.raises(RuntimeError, match="broken"), serving(linger_s=3600.0):
        raise RuntimeError("broken")


def test_how_it_is_watched_is_no_part_of_a_run_s_identity() -> None:
    watched = load_config(None, {"cluster.metrics.port": 9400, "cluster.metrics.linger_s": 5})
    assert watched.results_part() == Config().results_part()
