"""An engine that answers polls and no call: what workers tell of it, through the fleet to their own views."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from t2t_dist.cluster.engines.admission import LoadReading
from t2t_dist.cluster.engines.fleet import Fleet
from t2t_dist.cluster.engines.health import CALL_SECONDS, FAILURE_SECONDS, Health, State
from t2t_dist.cluster.engines.poller import PollResult
from t2t_dist.config.engines import PoolConfig
from t2t_dist.models.fleet_view import EngineView, Held


def running() -> Health:
    health = Health(0.0, 60.0)
    health.ready(1.0)
    return health


def polled_until(health: Health, begin: float, end: float) -> None:
    """Polls are answered every second."""
    now = begin
    while now <= end:
        health.answered(now)
        health.tick(now)
        now += 1.0


# -- one engine --------------------------------------------------------------------------------------------------------
def test_calls_that_lead_to_nothing_make_it_suspect_and_then_dead_whatever_polls_say() -> None:
    health = running()
    health.unserved(10.0, "no answer")
    polled_until(health, 10.0, 11.0)
    assert health.state is State.HEALTHY
    health.unserved(11.5, "no answer")
    assert (health.state, health.takes_new, health.takes_any) == (State.SUSPECT, False, True)
    polled_until(health, 12.0, 11.0 + CALL_SECONDS)
    assert health.state is State.SUSPECT
    polled_until(health, 12.0 + CALL_SECONDS, 12.0 + CALL_SECONDS)
    assert health.state is State.DEAD
    assert health.timeline[-1].why == "it answers polls, but no call for 60 s"


def test_one_answered_call_takes_it_all_back() -> None:
    health = running()
    for now in (10.0, 11.0, 12.0):
        health.unserved(now, "no answer")
    health.served(13.0)
    assert health.state is State.HEALTHY
    health.unserved(14.0, "no answer")
    polled_until(health, 15.0, 15.0 + 2 * CALL_SECONDS)
    assert health.state is State.HEALTHY


def test_many_at_one_moment_are_one() -> None:
    health = running()
    for n in range(100):
        health.unserved(10.0 + n * FAILURE_SECONDS / 200, "no answer")
    assert health.state is State.HEALTHY


def test_polls_that_fail_count_as_before_on_one_that_is_suspect_for_its_calls() -> None:
    health = running()
    for now in (10.0, 11.0):
        health.unserved(now, "no answer")
    for now in range(12, 18):
        health.failed(float(now), "refused")
    assert health.state is State.DEAD


def test_after_a_restart_nothing_is_held_against_it() -> None:
    health = running()
    for now in (10.0, 11.0):
        health.unserved(now, "no answer")
    health.exited(12.0, "gone")
    health.unserved(13.0, "no answer")
    assert health.restarting(20.0)
    health.unserved(21.0, "no answer", of=0)
    health.ready(22.0)
    health.unserved(23.0, "no answer", of=0)
    health.served(23.0, of=0)
    health.unserved(24.0, "no answer", of=1)
    polled_until(health, 25.0, 25.0 + 2 * CALL_SECONDS)
    assert health.state is State.HEALTHY


# -- the fleet ---------------------------------------------------------------------------------------------------------
class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


URLS = ["http://127.0.0.1:9/v1", "http://127.0.0.1:19/v1"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fleet(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """Two third-party endpoints, both up; only the test polls them."""
    api_key_of: Callable[[str | None], str] = lambda name: f"key in {name}" if name else ""  # noqa: E731
    pools = {"p": PoolConfig(model="m", urls=URLS, api_key_env="KEY", most=32)}
    found = Fleet(pools, "logs", api_key_of=api_key_of, clock=clock)
    monkeypatch.setattr(found._poller, "set_targets", lambda targets: None)
    assert not found.ready()
    answered(found, clock)
    yield found
    found._poller.close()


def answered(fleet: Fleet, clock: Clock) -> None:
    for name in fleet.engines:
        fleet._polled(PollResult(name, fleet.engines[name].health.restarts, clock.now))


def test_a_view_has_all_that_a_worker_needs_and_the_status_no_key(fleet: Fleet) -> None:
    view = fleet.view(0, 2)
    assert fleet.ready()
    assert view.pools["p"].engines == {
        f"p@{n}": EngineView(url, True, 16, "key in KEY", 0) for n, url in enumerate(URLS)
    }
    assert "key in" not in f"{view} {fleet.status()} {fleet.engines}"


def test_a_view_keeps_its_version_until_something_changes(fleet: Fleet, clock: Clock) -> None:
    first = fleet.view(0, 2)
    assert fleet.view(0, 2) is first
    assert fleet.view(1, 2).version != first.version
    fleet.engines["p@0"].health.exited(clock.now, "gone")
    second = fleet.view(0, 2)
    assert list(second.pools["p"].engines) == ["p@1"]
    assert second.version > first.version


def test_with_another_number_of_workers_all_are_told_their_new_share(fleet: Fleet) -> None:
    seen = {}
    for workers in (2, 1, 2, 3):
        for worker in range(workers):
            view = fleet.view(worker, workers)
            assert seen.setdefault(view.version, view.pools) == view.pools, "one version, two contents"
    assert len({view["p"].engines["p@0"].limit for view in seen.values()}) >= 3


def test_an_engine_whose_calls_hang_is_left_and_asked_again(fleet: Fleet, clock: Clock) -> None:
    hangs, works = Held(running=4, failed=2), Held(running=4, failed=1, answered=9)
    for _ in range(3):
        clock.now += 1.0
        fleet.record_results({"p@0": hangs, "p@1": works})
        answered(fleet, clock)
    takes_new = {name: seen.takes_new for name, seen in fleet.view(0, 1).pools["p"].engines.items()}
    assert takes_new == {"p@0": False, "p@1": True}
    for _ in range(int(CALL_SECONDS)):
        clock.now += 1.0
        answered(fleet, clock)
        fleet.tick()
    assert list(fleet.view(0, 1).pools["p"].engines) == ["p@1"]
    clock.now += 5.0
    answered(fleet, clock)
    again = fleet.view(0, 1).pools["p"].engines["p@0"]
    assert (again.takes_new, again.process) == (True, 1)


def test_refusals_lower_the_limit_of_the_engine_and_what_is_held_is_its_load(fleet: Fleet, clock: Clock) -> None:
    before = fleet.engines["p@0"].admission.limit
    fleet.record_results({"p@0": Held(running=20, refused=5), "p@1": Held(running=20)})
    assert fleet.engines["p@0"].admission.limit < before == fleet.engines["p@1"].admission.limit
    fleet.set_held([{"p@0": Held(3)}, {"p@0": Held(4), "p@1": Held(1)}])
    assert (fleet.engines["p@0"].held, fleet.engines["p@1"].held) == (7, 1)


def test_a_pool_is_known_by_what_its_polls_say(fleet: Fleet, clock: Clock) -> None:
    clock.now += 1.0
    reading = LoadReading(clock.now, 0.5, 10, 0, 0, 0)
    fleet._polled(PollResult("p@0", 0, clock.now, reading, {"running": 10.0, "kv_use": float("nan")}))
    assert fleet.status()[0]["metrics"] == {"running": 10.0}
    for _ in range(8):
        clock.now += 1.0
        fleet._polled(PollResult("p@0", 0, clock.now, error="refused"))
    assert [engine["state"] for engine in fleet.status()] == ["dead", "healthy"]
    assert fleet.status()[0]["timeline"][-1][2] == "6 failures in a row: refused"
