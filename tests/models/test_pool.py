"""Requests of a pool wait in the worker for room on their engine: nothing leaks, nothing waits forever."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from t2t_dist.core.errors import EngineUnavailable
from t2t_dist.models import pool as balance
from t2t_dist.models.fleet_view import EngineView, Held, PoolView
from t2t_dist.models.pool import Pooled, Target
from t2t_dist.models.routing import Choice, RequestOutcome, Router


def view(takes_new: bool = True, process: int = 0, **limits: int) -> PoolView:
    """Engines with these limits."""
    return PoolView(
        {e: EngineView(f"http://{e}/v1", takes_new, limit, f"key of {e}", process) for e, limit in limits.items()}
    )


def pool(patience_s: float = 30.0, **limits: int) -> Pooled:
    pooled = Pooled("p", Router(0), patience_s)
    pooled.update(view(**limits))
    return pooled


async def turns() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def running(pooled: Pooled) -> dict[str, int]:
    return {engine: held.running for engine, held in pooled.held().items()}


class Stub:
    """A router that sends a key where the test says, and counts the requests in flight."""

    def __init__(self, **where: str) -> None:
        self.where = where
        self.usable: dict[str, bool] = {}
        self.out: Counter[tuple[str, str]] = Counter()
        self.ends: list[tuple[str, str, RequestOutcome]] = []
        self.forgotten: list[str] = []
        self.asked = 0

    def set_engines(self, usable: Mapping[str, bool]) -> None:
        self.usable = dict(usable)

    def route(self, key: str) -> Choice | None:
        self.asked += 1
        engine = self.where.get(key, "e0")
        if engine not in self.usable:
            return None
        self.out[key, engine] += 1
        return Choice(engine, None)

    def done(self, key: str, engine: str, outcome: RequestOutcome) -> None:
        self.out[key, engine] -= 1
        self.ends.append((key, engine, outcome))

    def forget(self, key: str) -> None:
        self.forgotten.append(key)


def stubbed(router: Stub, **limits: int) -> Pooled:
    pooled = Pooled("p", router, 30.0)
    pooled.update(view(**limits))
    return pooled


# -- placing -----------------------------------------------------------------------------------------------------------
async def test_a_request_goes_where_the_router_says_with_that_engines_key() -> None:
    pooled = stubbed(Stub(a="e1"), e0=1, e1=1)
    target = await pooled.place("a")
    assert target == Target("e1", "http://e1/v1", "key of e1")
    assert "key of" not in repr(target)
    assert "key of" not in repr(pooled.view)


async def test_while_no_engine_can_be_used_a_request_waits_for_one() -> None:
    pooled = pool()
    places = [asyncio.create_task(pooled.place(f"k{n}")) for n in range(3)]
    await turns()
    assert not any(place.done() for place in places)
    pooled.update(view(e0=3))
    assert {target.engine for target in await asyncio.gather(*places)} == {"e0"}


async def test_a_suspect_engine_gets_no_new_conversation_and_keeps_its_own() -> None:
    pooled = pool(e0=4)
    target = await pooled.place("old")
    pooled.done("old", target, RequestOutcome.OK)
    pooled.update(view(takes_new=False, e0=4))
    new = asyncio.create_task(pooled.place("new"))
    assert (await pooled.place("old")).engine == "e0"
    await turns()
    assert not new.done()
    pooled.update(view(e0=4))
    assert (await new).engine == "e0"


async def test_patience_has_an_end() -> None:
    pooled = pool(patience_s=0.05)
    with pytest.raises(EngineUnavailable, match=r"pool p: no engine could be used for 0\.05 s"):
        await pooled.place("a")


async def test_many_who_wait_beside_an_engine_in_its_time_out_sleep() -> None:
    """Each that wakes used to wake the others, for as long as the time-out lasted."""
    router = Stub()
    pooled = stubbed(router, e0=8)
    target = await pooled.place("first")
    pooled.done("first", target, RequestOutcome.FAILED, unreachable=True)
    waiting = [asyncio.create_task(pooled.place(f"k{n}")) for n in range(8)]
    await asyncio.sleep(0.1)
    asked = router.asked
    for _ in range(500):
        await asyncio.sleep(0)
    assert router.asked <= asked + len(waiting)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


# -- room --------------------------------------------------------------------------------------------------------------
async def test_a_limit_is_never_passed_and_all_get_their_turn() -> None:
    pooled, most = pool(e0=3), 0

    async def call(key: str) -> None:
        nonlocal most
        target = await pooled.place(key)
        most = max(most, running(pooled)["e0"])
        await asyncio.sleep(0)
        pooled.done(key, target, RequestOutcome.OK)

    await asyncio.gather(*(call(f"k{n}") for n in range(200)))
    assert most == 3
    assert running(pooled) == {"e0": 0}


async def test_the_conversations_that_began_first_go_first() -> None:
    pooled, order = pool(e0=1), list[str]()
    keys = [f"k{n}" for n in range(6)]
    for key in keys:  # so old are they
        pooled.done(key, await pooled.place(key), RequestOutcome.OK)
    blocks = await pooled.place("k0")

    async def call(key: str) -> None:
        target = await pooled.place(key)
        order.append(key)
        pooled.done(key, target, RequestOutcome.OK)

    shuffled = keys[1:]
    random.Random(1).shuffle(shuffled)
    assert shuffled != keys[1:]
    calls = [asyncio.create_task(call(key)) for key in ["newest", *shuffled]]
    await turns()
    assert order == []
    pooled.done("k0", blocks, RequestOutcome.OK)
    await asyncio.gather(*calls)
    assert order == [*keys[1:], "newest"]


async def test_a_higher_limit_lets_in_at_once_and_a_lower_one_waits_for_the_running() -> None:
    pooled = pool(e0=1)
    first = await pooled.place("a")
    others = [asyncio.create_task(pooled.place(f"k{n}")) for n in range(3)]
    await turns()
    assert running(pooled) == {"e0": 1}
    pooled.update(view(e0=3))
    await turns()
    assert running(pooled) == {"e0": 3}
    pooled.update(view(e0=1))
    pooled.done("a", first, RequestOutcome.OK)
    await turns()
    assert [task.done() for task in others] == [True, True, False]
    for task, key in zip(others, ("k0", "k1", "k2"), strict=True):
        pooled.done(key, await task, RequestOutcome.OK)
    assert running(pooled) == {"e0": 0}


async def test_a_cancelled_waiter_leaves_nothing_behind() -> None:
    router = Stub()
    pooled = stubbed(router, e0=1)
    target = await pooled.place("a")
    waits, next_one = (asyncio.create_task(pooled.place(key)) for key in ("b", "c"))
    await turns()
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    pooled.done("a", target, RequestOutcome.OK)
    pooled.done("c", await next_one, RequestOutcome.OK)
    assert running(pooled) == {"e0": 0}
    assert set(router.out.values()) == {0}


async def test_one_cancelled_in_the_moment_it_gets_room_gives_it_on() -> None:
    router = Stub()
    pooled = stubbed(router, e0=1)
    target = await pooled.place("a")
    waits, next_one = (asyncio.create_task(pooled.place(key)) for key in ("b", "c"))
    await turns()
    pooled.done("a", target, RequestOutcome.OK)  # "b" has room now and has not run yet
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    pooled.done("c", await next_one, RequestOutcome.OK)
    assert running(pooled) == {"e0": 0}
    assert set(router.out.values()) == {0}


# -- engines that go ---------------------------------------------------------------------------------------------------
async def test_an_engine_that_vanishes_sends_its_waiters_elsewhere() -> None:
    pooled = pool(e0=1)
    target = await pooled.place("a")
    waits = asyncio.create_task(pooled.place("b"))
    await turns()
    pooled.update(view(e1=1))
    assert (await waits).engine == "e1"
    assert running(pooled) == {"e0": 1, "e1": 1}
    pooled.done("a", target, RequestOutcome.FAILED, unreachable=True)
    assert running(pooled) == {"e1": 1}, "nothing is kept of an engine that is gone"


async def test_an_engine_that_vanishes_in_the_moment_of_room_is_not_used() -> None:
    pooled = pool(e0=1)
    target = await pooled.place("a")
    waits = asyncio.create_task(pooled.place("b"))
    await turns()
    pooled.done("a", target, RequestOutcome.OK)
    pooled.update(view(e1=1))
    assert (await waits).engine == "e1"
    assert running(pooled)["e1"] == 1
    assert running(pooled).get("e0", 0) == 0


async def test_an_unreachable_engine_is_left_alone_until_the_driver_speaks() -> None:
    pooled = pool(e0=2)
    target = await pooled.place("a")
    waits = asyncio.create_task(pooled.place("a"))
    pooled.done("a", await waits, RequestOutcome.OK)
    pooled.done("a", target, RequestOutcome.FAILED, unreachable=True)
    waits = asyncio.create_task(pooled.place("a"))
    await turns()
    assert not waits.done()
    pooled.update(view(e0=2))
    assert (await waits).engine == "e0"


async def test_the_time_out_of_an_unreachable_engine_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balance, "_SHUNNED_S", 0.05)
    pooled = pool(e0=2)
    pooled.done("a", await pooled.place("a"), RequestOutcome.FAILED, unreachable=True)
    assert (await pooled.place("a")).engine == "e0"


async def test_those_who_wait_for_room_leave_an_engine_that_became_unreachable() -> None:
    router = Stub()
    pooled = stubbed(router, e0=1, e1=1)
    target = await pooled.place("a")
    waits = asyncio.create_task(pooled.place("b"))
    await turns()
    router.where["b"] = "e1"
    pooled.done("a", target, RequestOutcome.FAILED, unreachable=True)
    assert (await waits).engine == "e1"


# -- refusals, and what the driver is sent -----------------------------------------------------------------------------
async def placed(pooled: Pooled, count: int) -> list[Target]:
    return [await pooled.place(f"k{n}") for n in range(count)]


async def test_a_refusal_halves_the_limit_and_a_crowd_refused_together_does_so_once() -> None:
    pooled = pool(e0=32)
    targets = await placed(pooled, 32)
    for n in range(16):
        pooled.done(f"k{n}", targets[n], RequestOutcome.REFUSED)
    more = [asyncio.create_task(pooled.place(f"m{n}")) for n in range(4)]
    await turns()
    assert not any(task.done() for task in more), "sixteen are there, and sixteen are allowed"
    pooled.done("k16", targets[16], RequestOutcome.OK)
    await turns()
    assert sum(task.done() for task in more) == 1
    assert pooled.held() == {"e0": Held(16, refused=16, answered=1)}
    pooled.done("k17", targets[17], RequestOutcome.REFUSED)
    for n in range(18, 25):
        pooled.done(f"k{n}", targets[n], RequestOutcome.OK)
    await turns()
    assert sum(task.done() for task in more) == 1, "eight are there, and eight are allowed"
    for task in more:
        task.cancel()
    await asyncio.gather(*more, return_exceptions=True)


async def test_a_refused_engine_always_gets_one() -> None:
    pooled = pool(e0=1)
    for _ in range(3):
        pooled.done("a", await pooled.place("a"), RequestOutcome.REFUSED)
    assert (await pooled.place("a")).engine == "e0"


async def test_answers_bring_the_limit_back_though_the_driver_says_nothing() -> None:
    pooled = pool(e0=4)
    targets = await placed(pooled, 4)
    for n in range(4):
        pooled.done(f"k{n}", targets[n], RequestOutcome.REFUSED)
    for _ in range(20):
        pooled.done("k", await pooled.place("k"), RequestOutcome.OK)
    assert len(await placed(pooled, 4)) == 4
    fifth = asyncio.create_task(pooled.place("fifth"))
    await turns()
    assert not fifth.done()
    fifth.cancel()


async def test_the_same_limit_again_is_no_news_and_another_one_is() -> None:
    pooled = pool(e0=4)
    targets = await placed(pooled, 4)
    for n in range(4):
        pooled.done(f"k{n}", targets[n], RequestOutcome.REFUSED)
    pooled.update(view(e0=4))
    first, second = (asyncio.create_task(pooled.place(key)) for key in ("a", "b"))
    await turns()
    assert (first.done(), second.done()) == (True, False)
    pooled.update(view(e0=3))
    await turns()
    assert second.done()


async def test_the_driver_is_told_how_calls_ended_once_each() -> None:
    pooled = pool(e0=8)
    targets = await placed(pooled, 5)
    ends = [RequestOutcome.OK, RequestOutcome.REFUSED, RequestOutcome.FAILED, RequestOutcome.FAILED]
    for n, outcome in enumerate(ends):
        pooled.done(f"k{n}", targets[n], outcome)
    assert pooled.held() == {"e0": Held(running=1, refused=1, failed=2, answered=1)}
    assert pooled.held() == {"e0": Held(running=1)}


async def test_a_call_that_broke_or_hung_on_an_earlier_process_does_not_count_against_the_present_one() -> None:
    pooled = pool(e0=8)
    targets = await placed(pooled, 3)
    pooled.done("k0", targets[0], RequestOutcome.FAILED, unreachable=True)
    assert pooled.held()["e0"] == Held(running=2), "broken connections are the polls' affair"
    pooled.done("k1", targets[1], RequestOutcome.FAILED)
    pooled.update(view())
    pooled.update(view(process=1, e0=8))
    pooled.done("k2", targets[2], RequestOutcome.FAILED)
    assert pooled.held()["e0"] == Held()


async def test_forget_is_passed_on_and_makes_a_conversation_young_again() -> None:
    router = Stub()
    pooled = stubbed(router, e0=1)
    for key in ("old", "new"):
        pooled.done(key, await pooled.place(key), RequestOutcome.OK)
    pooled.forget("old")
    pooled.forget("never seen")
    assert router.forgotten == ["old", "never seen"]
    blocks = await pooled.place("x")
    old, new = (asyncio.create_task(pooled.place(key)) for key in ("old", "new"))
    await turns()
    pooled.done("x", blocks, RequestOutcome.OK)
    await turns()
    assert (old.done(), new.done()) == (False, True)
    pooled.done("new", await new, RequestOutcome.OK)
    pooled.done("old", await old, RequestOutcome.OK)


# -- anything in any order ---------------------------------------------------------------------------------------------
ENGINES = ("e0", "e1", "e2")
KEYS = tuple(f"k{n}" for n in range(7))
VIEWS = st.dictionaries(
    st.sampled_from(ENGINES), st.tuples(st.booleans(), st.integers(1, 3), st.integers(0, 1)), max_size=3
)


class Machine(RuleBasedStateMachine):
    """Any calls of any conversations, ended or cancelled in any order, while engines come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.router = Router(3)
        self.now = 0.0
        self.pooled = Pooled("p", self.router, 1e6, lambda: self.now)
        self.waiting: list[tuple[str, asyncio.Task[Target]]] = []
        self.flying: list[tuple[str, Target]] = []
        self.allowed: Counter[str] = Counter()  # this many may be running: lowered limits take effect later

    def run(self) -> None:
        self.loop.run_until_complete(turns())
        for entry in [*self.waiting]:
            if entry[1].done():
                self.waiting.remove(entry)
                self.flying.append((entry[0], entry[1].result()))

    def teardown(self) -> None:
        try:
            self.pooled.update(view(e0=2))
            for _ in range(200):  # every request that was placed gets its turn
                self.run()
                if not self.flying:
                    break
                self.pooled.done(*self.flying.pop(0), RequestOutcome.OK)
            assert (self.waiting, self.flying) == ([], [])
            assert running(self.pooled) == {"e0": 0}
            assert [self.router.outstanding(engine) for engine in ENGINES] == [0, 0, 0]
            for key in KEYS:
                self.pooled.forget(key)
            assert [self.router.pinned(engine) for engine in ENGINES] == [0, 0, 0]
        finally:
            for _, task in self.waiting:
                task.cancel()
            self.loop.run_until_complete(turns())
            self.loop.close()

    @rule(engines=VIEWS)
    def update(self, engines: dict[str, tuple[bool, int, int]]) -> None:
        there = running(self.pooled)  # including those admitted that have not run since
        self.pooled.update(
            PoolView({e: EngineView(f"http://{e}", new, n, "", p) for e, (new, n, p) in engines.items()})
        )
        for engine, (_, limit, _) in engines.items():
            self.allowed[engine] = max(limit, there.get(engine, 0))
        self.run()

    @rule(key=st.sampled_from(KEYS))
    def place(self, key: str) -> None:
        self.waiting.append((key, self.loop.create_task(self.pooled.place(key))))
        self.run()

    @precondition(lambda self: self.flying)
    @rule(
        data=st.data(), outcome=st.sampled_from(list(RequestOutcome)), unreachable=st.booleans(), at_once=st.booleans()
    )
    def done(self, data: st.DataObject, outcome: RequestOutcome, unreachable: bool, at_once: bool) -> None:
        flight = data.draw(st.sampled_from(self.flying))
        self.flying.remove(flight)
        self.pooled.done(*flight, outcome, unreachable=unreachable and outcome is RequestOutcome.FAILED)
        if not at_once:
            self.run()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(entry)
        entry[1].cancel()
        self.run()

    @rule(seconds=st.floats(0.1, 5.0))
    def time_passes(self, seconds: float) -> None:
        """An engine's time-out may be over; a waiting call notices at the next call."""
        self.now += seconds

    @rule(key=st.sampled_from(KEYS))
    def forget(self, key: str) -> None:
        self.pooled.forget(key)

    @invariant()
    def no_more_than_allowed(self) -> None:
        for engine, held in running(self.pooled).items():
            assert 0 <= held <= max(self.allowed[engine], 1)
            assert self.router.outstanding(engine) >= held


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyOrder = Machine.TestCase


@given(st.integers(1, 5), st.lists(st.integers(0, 2), min_size=1, max_size=40), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_however_calls_end_all_end_and_the_counts_are_zero(limit: int, ends: list[int], seed: int) -> None:
    async def run() -> tuple[dict[str, int], int]:
        router, most = Router(seed), 0
        pooled = Pooled("p", router, 30.0)
        pooled.update(view(e0=limit, e1=limit))

        async def call(key: str, outcome: RequestOutcome) -> None:
            nonlocal most
            target = await pooled.place(key)
            most = max(most, *running(pooled).values())
            await asyncio.sleep(0)
            pooled.done(key, target, outcome)

        await asyncio.gather(*(call(f"k{n % 9}", list(RequestOutcome)[end]) for n, end in enumerate(ends)))
        assert router.outstanding("e0") + router.outstanding("e1") == 0
        return running(pooled), most

    held, most = asyncio.run(run())
    assert held == {"e0": 0, "e1": 0}
    assert most <= limit
