"""What an engine says of itself, and the thread that asks it, over real HTTP."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.cluster.engines import poller as polling
from t2t_dist.cluster.engines.admission import LoadReading
from t2t_dist.cluster.engines.poller import Poller, PollResult, PollTarget, read_metrics
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.patience import PATIENCE_S

#: As a vLLM with two data-parallel engines writes it, cut down.
METRICS = """\
# HELP python_gc_objects_collected_total Objects collected during gc
# TYPE python_gc_objects_collected_total counter
python_gc_objects_collected_total{generation="0"} 11542.0
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="org/a-model"} 12.0
vllm:num_requests_running{engine="1",model_name="org/a-model"} 8.0
vllm:num_requests_waiting{engine="0",model_name="org/a-model"} 3.0
vllm:num_requests_waiting{engine="1",model_name="org/a-model"} 0.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 3.0
vllm:kv_cache_usage_perc{engine="0",model_name="org/a-model"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="org/a-model"} 7.5e-01
vllm:num_preemptions_total{engine="0",model_name="org/a-model"} 2.0
vllm:num_preemptions_created{engine="0",model_name="org/a-model"} 1.7538923e+09
vllm:prefix_cache_queries_total{engine="0",model_name="org/a-model"} 1.2345678e+07
vllm:prefix_cache_hits_total{engine="0",model_name="org/a-model"} 1.2e+07
vllm:prompt_tokens_total{engine="0",model_name="org/a-model"} 2e+06
vllm:generation_tokens_total{engine="0",model_name="org/a-model"} 345678.0
vllm:cache_config_info{block_size="16",cache_dtype="auto",engine="0"} 1.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.001",model_name="org/a-model"} 0.0
"""


# -- the text ----------------------------------------------------------------------------------------------------------
def test_series_of_one_name_are_added_up_and_shares_averaged() -> None:
    found = read_metrics(METRICS, 7.0)
    assert found is not None
    reading, counts = found
    assert reading == LoadReading(7.0, 0.5, running=20, waiting=3, preemptions=2, rejections=0)
    assert counts["prefix_queries"] == 12345678.0
    assert counts["prefix_hits"] == 12e6
    assert (counts["prompt_tokens"], counts["generation_tokens"]) == (2e6, 345678.0)


@pytest.mark.parametrize("text", ["", "<html>no</html>", "process_open_fds 12.0\n", "vllm:some_other_thing 3.0\n"])
def test_what_is_no_vllm_s_gives_nothing(text: str) -> None:
    assert read_metrics(text, 0.0) is None


def test_without_a_share_of_the_cache_its_use_is_not_known() -> None:
    for text in ("vllm:num_requests_running 3.0", 'vllm:num_requests_running 3.0\nvllm:kv_cache_usage_perc{e="0"} NaN'):
        found = read_metrics(text, 0.0)
        assert found is not None
        assert found[0].kv_use is None
        assert found[0].running == 3
        assert math.isnan(found[1]["kv_use"])


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "e", "1.2.3", "1e999", "1e300", "18446744073709551616", "-3"])
def test_a_count_that_is_no_number_counts_for_nothing(value: str) -> None:
    found = read_metrics(f'vllm:num_requests_running{{e="0"}} {value}\nvllm:num_requests_running{{e="1"}} 2.0\n', 0.0)
    assert found is not None
    assert found[0].running == 2


@given(st.text(alphabet='vllm:num_requests_running{}="0 1.eE+-NaInf\n', max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    found = read_metrics(f"vllm:num_requests_running 1\n{text}", 0.0)
    assert found is not None
    assert all(isinstance(value, int) for value in found[0][2:])


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=5))
def test_any_way_to_write_a_number_is_read(values: list[float]) -> None:
    lines = [f'vllm:generation_tokens_total{{engine="{n}"}} {value!r}' for n, value in enumerate(values)]
    found = read_metrics("\n".join(lines), 0.0)
    assert found is not None
    assert found[1]["generation_tokens"] == pytest.approx(sum(values))


# -- the thread --------------------------------------------------------------------------------------------------------
Answer = Callable[[], web.Response | Awaitable[web.Response]]


class Server:
    """A server in a thread of its own: ``routes`` by path; ``asked`` is every path it was asked for."""

    def __init__(self, **routes: Answer) -> None:
        self.routes, self.asked, self.keys = routes, list[str](), set[str]()
        self.loop = asyncio.new_event_loop()
        self.port = 0
        self._up, self._end = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: self.loop.run_until_complete(self._serve()), daemon=True)

    async def _answer(self, request: web.Request) -> web.Response:
        name = request.path.rsplit("/", 1)[-1]
        self.asked.append(name)
        self.keys.add(request.headers.get("Authorization", ""))
        if name not in self.routes:
            return web.Response(status=404)
        answer = self.routes[name]()
        return answer if isinstance(answer, web.Response) else await answer

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        self._up.set()
        await self._end.wait()
        await runner.cleanup()

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._up.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(PATIENCE_S)

    def engine(self, process: int = 0, key: str = "") -> PollTarget:
        return PollTarget("e", process, f"http://127.0.0.1:{self.port}/v1", "m", key)


def models(*names: str) -> Callable[[], web.Response]:
    return lambda: web.json_response({"data": [{"id": name} for name in names]})


@pytest.fixture
def poller(monkeypatch: pytest.MonkeyPatch) -> Iterator[Poller]:
    monkeypatch.setattr(polling, "POLL_S", 0.05)
    monkeypatch.setattr(polling, "PLAIN_POLL_S", 0.05)
    monkeypatch.setattr(polling, "ANSWER_S", 2.0)
    with closed(Poller()) as found:
        yield found


@contextmanager
def closed(poller: Poller) -> Iterator[Poller]:
    try:
        yield poller
    finally:
        poller.close()


def heard(poller: Poller, engine: PollTarget, count: int = 1) -> list[PollResult]:
    """So many words on an engine."""
    poller.set_targets({engine.engine: engine})
    found: list[PollResult] = []
    deadline = time.monotonic() + 30
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found += poller.results()
        time.sleep(0.01)
    return found


def test_an_engine_with_metrics(poller: Poller) -> None:
    with Server(metrics=lambda: web.Response(text=METRICS)) as server:
        first, second = heard(poller, server.engine(process=3, key="sk-1"), 2)[:2]
    assert (first.engine, first.process, first.error) == ("e", 3, None)
    assert first.reading is not None
    assert first.reading.running == 20
    assert first.counts is not None
    assert first.counts["generation_tokens"] == 345678.0
    assert second.at > first.at
    assert set(server.asked) == {"metrics"}
    assert server.keys == {"Bearer sk-1"}
    assert "sk-1" not in repr(server.engine(key="sk-1"))


@pytest.mark.parametrize("metrics", [lambda: web.Response(status=404), lambda: web.Response(text="fds 1.0\n")])
def test_an_endpoint_without_metrics_is_asked_for_its_models_from_then_on(
    poller: Poller, metrics: Callable[[], web.Response]
) -> None:
    with Server(metrics=metrics, models=models("m")) as server:
        found = heard(poller, server.engine(), 3)
    assert all(each[3:] == (None, None, None) for each in found)
    assert server.asked[:3] == ["metrics", "models", "models"]


def test_a_server_in_trouble_has_metrics_all_the_same_later(poller: Poller) -> None:
    answers = iter([web.Response(status=503)])
    with Server(
        metrics=lambda: next(answers, None) or web.Response(text=METRICS), models=lambda: web.Response(status=503)
    ) as server:
        first, second = heard(poller, server.engine(), 2)[:2]
    assert first.error == "/v1/models answers 503"
    assert second.reading is not None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda: web.Response(status=500), "/v1/models answers 500"),
        (lambda: web.Response(status=401), "/v1/models answers 401"),
        (lambda: web.Response(status=302, headers={"Location": "http://a..b/"}), "/v1/models answers 302"),
        (models("another"), "it does not serve m"),
        (lambda: web.json_response({"models": "of another shape"}), None),
        (lambda: web.Response(text="not json"), None),
        (lambda: web.Response(status=404), None),
        (lambda: web.Response(status=429), None),
    ],
)
def test_what_the_list_of_models_says(poller: Poller, answer: Callable[[], web.Response], error: str | None) -> None:
    with Server(models=answer) as server:
        assert heard(poller, server.engine())[0].error == error


def test_bytes_that_are_no_text_are_no_metrics(poller: Poller) -> None:
    with Server(metrics=lambda: web.Response(body=b"\xff\xfe\x00"), models=models("m")) as server:
        assert heard(poller, server.engine())[0].error is None


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"vllm:num_requests_running 1.0\n" * 4096


def test_metrics_without_end_are_none(poller: Poller) -> None:
    with Server(metrics=lambda: web.Response(body=endless()), models=models("m")) as server:
        assert heard(poller, server.engine())[0][3:] == (None, None, None)


def test_a_list_without_end_is_read_up_to_its_bound(poller: Poller) -> None:
    with Server(models=lambda: web.Response(body=endless())) as server:
        assert heard(poller, server.engine())[0].error == "the answer is larger than 8 MiB"


def test_nobody_there_is_an_error_each_time(poller: Poller) -> None:
    with Server() as server:
        engine = server.engine()
    found = heard(poller, engine, 2)
    assert all(each.reading is None and "Cannot connect" in (each.error or "") for each in found)


def test_a_poll_that_fails_in_any_other_way_is_an_error_too(poller: Poller) -> None:
    found = heard(poller, PollTarget("e", 0, "http://a..b/v1", "m"), 2)
    assert all(each.error for each in found)


def test_no_answer_in_time_is_an_error(poller: Poller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "ANSWER_S", 0.2)

    async def never() -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    with Server(metrics=never) as server, closed(Poller()) as quick:
        assert heard(quick, server.engine())[0].error == "TimeoutError"


async def test_a_fake_endpoint_is_one_without_metrics() -> None:
    with closed(Poller()) as poller:
        async with FakeEndpoint() as fake:
            engine = PollTarget("e", 0, fake.url, "m")
            found = await asyncio.to_thread(heard, poller, engine)
    assert found[0][3:] == (None, None, None)


def test_who_is_no_longer_asked_for_is_left_alone_and_the_thread_ends(poller: Poller) -> None:
    with Server(metrics=lambda: web.Response(text=METRICS)) as server:
        heard(poller, server.engine())
        poller.set_targets({})
        time.sleep(0.3)  # what was under way
        poller.results()
        asked = len(server.asked)
        time.sleep(0.3)
        assert (len(server.asked), poller.results()) == (asked, [])
    poller.close()
    assert not poller._thread.is_alive()
