"""The router beside a plain record of pins and requests, and beside the health of the engines it routes to."""

from __future__ import annotations

from collections import Counter
from statistics import median
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from t2t_dist.cluster.engines.health import Health, State
from t2t_dist.models.routing import OVERLOAD_EXTRA, OVERLOAD_FACTOR, REFUSALS, Choice, Reason, RequestOutcome, Router

ENGINES = ("e0", "e1", "e2", "e3")
KEYS = [f"{episode}/{seat}" for episode in range(12) for seat in ("agent", "user")]
FEW = KEYS[:5]
"""So few that the same one is moved, refused and failed in one example."""


class Model:
    """A router, and a record of what it said; every answer is compared with what the record allows."""

    def __init__(self, seed: int) -> None:
        self.router = Router(seed)
        self.usable: dict[str, bool] = {}
        self.pins: dict[str, str] = {}
        self.refused: Counter[str] = Counter()
        self.failed: set[str] = set()
        self.flying: list[tuple[str, str]] = []  # key, engine
        self.moves: Counter[str] = Counter()

    def set_engines(self, usable: dict[str, bool]) -> None:
        self.usable = dict(usable)
        self.router.set_engines(usable)

    def outstanding(self, engine: str) -> int:
        return sum(where == engine for _, where in self.flying)

    def overloaded(self, engine: str) -> bool:
        middle = median(self.outstanding(each) for each in self.usable)
        return self.outstanding(engine) > OVERLOAD_FACTOR * middle + OVERLOAD_EXTRA

    def route(self, key: str) -> Choice | None:
        pin = self.pins.get(key)
        others = {engine for engine, takes_new in self.usable.items() if takes_new and engine != pin}
        if pin is None:
            reason = None
        elif pin not in self.usable:
            reason = Reason.UNHEALTHY
        elif key in self.failed and others:
            reason = Reason.FAILED
        elif self.refused[key] >= REFUSALS and others:
            reason = Reason.REFUSED_TWICE
        elif key not in self.failed and self.refused[key] < REFUSALS and self.overloaded(pin):
            reason = Reason.OVERLOADED
        else:
            reason = None
        relief = {engine for engine in others if not self.overloaded(engine)}
        choice = self.router.route(key)
        if choice is None:
            assert not others, "there was an engine to go to"
            assert pin is None or reason is Reason.UNHEALTHY
            return None
        if pin is None:
            assert choice.moved is None
            assert choice.engine in others
        elif reason is None:
            assert choice == Choice(pin, None), "sticky unless there is a reason"
        elif reason is Reason.OVERLOADED:
            assert choice == Choice(pin, None) or (choice.engine in relief and choice.moved == reason)
            if len(others) <= 2 and relief == others != set():
                assert choice.moved == reason, "whichever two are drawn are better"
        else:
            assert choice.engine in others
            assert choice.moved == reason
        if choice.moved is not None:
            self.moves[choice.moved] += 1
        if choice.engine != pin:
            self.settled(key)
        self.pins[key] = choice.engine
        self.flying.append((key, choice.engine))
        return choice

    def settled(self, key: str) -> None:
        self.refused.pop(key, None)
        self.failed.discard(key)

    def done(self, flight: tuple[str, str], outcome: RequestOutcome) -> None:
        self.flying.remove(flight)
        key, engine = flight
        self.router.done(key, engine, outcome)
        if self.pins.get(key) != engine:
            return
        if outcome is RequestOutcome.REFUSED:
            self.refused[key] += 1
            self.failed.discard(key)
        else:
            self.settled(key)
        if outcome is RequestOutcome.FAILED:
            self.failed.add(key)

    def forget(self, key: str) -> None:
        self.router.forget(key)
        self.pins.pop(key, None)
        self.settled(key)

    def agrees(self) -> None:
        for engine in (*ENGINES, "never seen"):
            assert self.router.outstanding(engine) == self.outstanding(engine) >= 0
            assert self.router.pinned(engine) == sum(pin == engine for pin in self.pins.values())
        assert self.router.moves == self.moves
        if self.usable:
            assert self.router._median() == median(self.outstanding(engine) for engine in self.usable)

    def ends(self) -> None:
        """When all is done and forgotten, nothing is left."""
        for flight in [*self.flying]:
            self.done(flight, RequestOutcome.OK)
        self.agrees()
        for key in [*self.pins]:
            self.forget(key)
        self.agrees()
        assert not self.router._pins
        assert not self.router._in_flight
        assert self.router._engines.keys() == self.usable.keys()


class RouterMachine(RuleBasedStateMachine):
    """Engines come and go at will, requests end as they like, in any order, some twice."""

    @initialize(seed=st.integers(0, 2**64))
    def start(self, seed: int) -> None:
        self.model = Model(seed)
        self.ended: list[tuple[str, str]] = []

    @rule(usable=st.dictionaries(st.sampled_from(ENGINES), st.sampled_from([True, True, False])))
    def set_engines(self, usable: dict[str, bool]) -> None:
        self.model.set_engines(usable)

    @rule(usable=st.dictionaries(st.sampled_from(ENGINES), st.just(True), min_size=2))
    def all_is_well(self, usable: dict[str, bool]) -> None:
        self.model.set_engines(usable)

    @rule(keys=st.lists(st.sampled_from(FEW), max_size=6))
    def route(self, keys: list[str]) -> None:
        for key in keys:
            self.model.route(key)

    @rule(key=st.sampled_from(FEW), times=st.integers(1, 12))
    def route_one_again_and_again(self, key: str, times: int) -> None:
        for _ in range(times):
            self.model.route(key)

    @precondition(lambda self: self.model.flying)
    @rule(data=st.data(), outcome=st.sampled_from(RequestOutcome))
    def done(self, data: st.DataObject, outcome: RequestOutcome) -> None:
        flight = data.draw(st.sampled_from(self.model.flying))
        self.model.done(flight, outcome)
        self.ended.append(flight)

    @precondition(lambda self: self.ended)
    @rule(data=st.data(), outcome=st.sampled_from(RequestOutcome))
    def done_twice(self, data: st.DataObject, outcome: RequestOutcome) -> None:
        flight = data.draw(st.sampled_from(self.ended))
        if flight not in self.model.flying:
            self.model.router.done(*flight, outcome)

    @rule(key=st.sampled_from(FEW))
    def forget(self, key: str) -> None:
        self.model.forget(key)

    @invariant()
    def agrees(self) -> None:
        self.model.agrees()

    def teardown(self) -> None:
        if hasattr(self, "model"):
            self.model.ends()


TestRouter = RouterMachine.TestCase
TestRouter.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)


class HealthAndRouterMachine(RuleBasedStateMachine):
    """Engines live and die, the router is updated after every event, and conversations continue meanwhile."""

    @initialize(seed=st.integers(0, 1000), external=st.sets(st.sampled_from(ENGINES)))
    def start(self, seed: int, external: set[str]) -> None:
        self.now = 0.0
        self.health = {engine: Health(0.0, 60.0, restartable=engine not in external) for engine in ENGINES}
        self.model = Model(seed)
        self.update()

    def update(self) -> None:
        self.model.set_engines({e: health.takes_new for e, health in self.health.items() if health.takes_any})

    @rule(engine=st.sampled_from(ENGINES), word=st.sampled_from(["ready", "ready", "answered", "restarting", "tick"]))
    def good_word(self, engine: str, word: str) -> None:
        getattr(self.health[engine], word)(self.now)
        self.update()

    @rule(engine=st.sampled_from(ENGINES), times=st.integers(1, 6))
    def deaf(self, engine: str, times: int) -> None:
        for _ in range(times):
            self.now += 1.0
            self.health[engine].failed(self.now, "refused")
        self.update()

    @rule(engine=st.sampled_from(ENGINES))
    def exited(self, engine: str) -> None:
        self.health[engine].exited(self.now, "gone")
        self.update()

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for health in self.health.values():
            health.tick(self.now)
        self.update()

    @rule(keys=st.lists(st.sampled_from(FEW), min_size=1, max_size=6))
    def converse(self, keys: list[str]) -> None:
        for key in keys:
            pin = self.model.pins.get(key)
            choice = self.model.route(key)
            if choice is None:
                assert pin is None or not self.health[pin].takes_any
                assert not any(health.takes_new for health in self.health.values())
                continue
            state = self.health[choice.engine].state
            assert state in (State.HEALTHY, State.SUSPECT), "nothing goes to an engine that is dead or starting"
            if choice.engine != pin:
                assert state is State.HEALTHY, "and no new conversation to a suspect one"

    @precondition(lambda self: self.model.flying)
    @rule(data=st.data(), outcome=st.sampled_from(RequestOutcome))
    def done(self, data: st.DataObject, outcome: RequestOutcome) -> None:
        flight = data.draw(st.sampled_from(self.model.flying))
        health = self.health[flight[1]]
        self.model.done(flight, outcome)
        if outcome is RequestOutcome.FAILED:
            health.failed(self.now, "reset")
        else:
            health.answered(self.now)
        self.update()

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "model"):
            self.model.agrees()

    def teardown(self) -> None:
        if hasattr(self, "model"):
            self.model.ends()


TestHealthAndRouter = HealthAndRouterMachine.TestCase
TestHealthAndRouter.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


def routed(router: Router, key: str) -> str:
    choice = router.route(key)
    assert choice is not None
    return choice.engine


def turn(router: Router, key: str, outcome: RequestOutcome = RequestOutcome.OK) -> Choice:
    """One request, to its end."""
    choice = router.route(key)
    assert choice is not None
    router.done(key, choice.engine, outcome)
    return choice


def test_a_conversation_stays_where_it_began() -> None:
    router = Router(1)
    router.set_engines(dict.fromkeys(ENGINES, True))
    homes = {key: turn(router, key).engine for key in KEYS}
    assert len({*homes.values()}) == len(ENGINES)
    for _ in range(5):
        assert {key: turn(router, key) for key in KEYS} == {key: Choice(homes[key], None) for key in KEYS}
    assert not router.moves


def test_nothing_to_route_to_is_none_and_counts_nothing() -> None:
    router = Router(1)
    assert router.route("a/agent") is None
    router.set_engines({"suspect": False})
    assert router.route("a/agent") is None, "a suspect engine takes no new conversation"
    assert (router.outstanding("suspect"), router.pinned("suspect")) == (0, 0)


def test_a_suspect_engine_keeps_what_it_has() -> None:
    router = Router(1)
    router.set_engines({"a": True})
    turn(router, "1/agent")
    router.set_engines({"a": False, "b": True})
    assert turn(router, "1/agent") == Choice("a", None)
    assert {turn(router, f"{n}/agent").engine for n in range(2, 20)} == {"b"}


def test_a_dead_engine_is_left_and_its_late_words_do_no_harm() -> None:
    router = Router(1)
    router.set_engines({"a": True})
    for _ in range(3):
        assert routed(router, "1/agent") == "a"
    router.set_engines({})
    assert router.route("1/agent") is None
    router.done("1/agent", "a", RequestOutcome.FAILED)
    router.set_engines(MappingProxyType({"b": True}))
    assert router.route("1/agent") == Choice("b", Reason.UNHEALTHY)
    router.set_engines({"b": True, "c": True})
    router.done("1/agent", "a", RequestOutcome.FAILED)
    assert turn(router, "1/agent") == Choice("b", None), "a word about the engine it left says nothing of this one"
    assert router.outstanding("a") == 1
    router.set_engines({"a": True, "b": True})
    router.done("1/agent", "a", RequestOutcome.OK)
    router.done("1/agent", "a", RequestOutcome.OK)
    router.done("1/agent", "nowhere", RequestOutcome.OK)
    assert (router.outstanding("a"), router.outstanding("b")) == (0, 1)


def test_a_failed_request_goes_elsewhere_the_second_time() -> None:
    router = Router(1)
    router.set_engines({"a": True})
    turn(router, "1/agent", RequestOutcome.FAILED)
    assert turn(router, "1/agent", RequestOutcome.FAILED) == Choice("a", None), "there is no other"
    router.set_engines({"a": True, "b": False})
    assert turn(router, "1/agent", RequestOutcome.FAILED) == Choice("a", None), "nor is a suspect one any better"
    router.set_engines({"a": True, "b": True})
    assert turn(router, "1/agent") == Choice("b", Reason.FAILED)
    assert turn(router, "1/agent") == Choice("b", None), "and there it stays"
    assert router.moves == {"failed": 1}


def test_a_failed_request_goes_even_to_a_busier_engine() -> None:
    for names in ("ab", "ba"):
        alone, busy = names
        router = Router(1)
        router.set_engines({busy: True})
        for n in range(9):
            routed(router, f"{n}/user")
        router.set_engines({alone: True})
        turn(router, "1/agent", RequestOutcome.FAILED)
        router.set_engines({alone: True, busy: True})
        assert turn(router, "1/agent") == Choice(busy, Reason.FAILED)


def test_one_refusal_is_borne_and_two_in_a_row_are_not() -> None:
    router = Router(1)
    router.set_engines({"a": True})
    turn(router, "1/agent")
    router.set_engines({"a": True, "b": True})
    for outcome in (
        RequestOutcome.REFUSED,
        RequestOutcome.OK,
        RequestOutcome.REFUSED,
        RequestOutcome.OK,
        RequestOutcome.REFUSED,
        RequestOutcome.REFUSED,
    ):
        assert turn(router, "1/agent", outcome) == Choice("a", None)
    assert turn(router, "1/agent", RequestOutcome.REFUSED) == Choice("b", Reason.REFUSED_TWICE)
    assert turn(router, "1/agent") == Choice("b", None), "it starts at none there"


@pytest.mark.parametrize(("held", "moves"), [(OVERLOAD_EXTRA, False), (OVERLOAD_EXTRA + 1, True)])
def test_an_overloaded_engine_is_left_when_the_median_says_so(held: int, moves: bool) -> None:
    router = Router(1)
    router.set_engines({"a": True})
    turn(router, "mine/agent")
    for request in range(held):
        routed(router, f"{request}/agent")
    router.set_engines({"a": True, "b": True, "c": True})  # the median is 0
    choice = turn(router, "mine/agent")
    assert (choice.engine != "a") == moves
    assert choice.moved == ("overloaded" if moves else None)


def test_where_all_that_is_open_is_overloaded_nothing_moves() -> None:
    """The median is that of suspect engines, idle since they get nothing new."""
    router = Router(1)
    router.set_engines({"a": True, "b": True})
    homes = {f"{n}/agent": routed(router, f"{n}/agent") for n in range(20)}
    router.set_engines({"a": True, "b": True, "c": False, "d": False, "e": False})
    assert {key: router.route(key) for key in homes} == {key: Choice(home, None) for key, home in homes.items()}


def test_an_engine_that_is_gone_is_dropped_with_its_last_conversation() -> None:
    router = Router(1)
    router.set_engines({"a": True})
    turn(router, "1/agent")
    turn(router, "2/agent")
    router.set_engines({"b": True})
    turn(router, "1/agent")
    assert router.pinned("a") == 1
    turn(router, "2/agent")
    assert [*router._engines] == ["b"], "or a run in which engines come and go fills the memory"


def test_what_leaves_an_overloaded_engine_is_its_excess() -> None:
    """Half of the conversations begin before the other nine engines are there: they spread, each once."""
    router = Router(7)
    router.set_engines({"e0": True})
    keys = [f"{n}/agent" for n in range(400)]
    for key in keys[:200]:
        routed(router, key)
    router.set_engines({f"e{n}": True for n in range(10)})
    at = dict.fromkeys(keys[:200], "e0")
    for key in keys[200:]:
        at[key] = routed(router, key)
    for _ in range(5):
        for key in keys:
            router.done(key, at[key], RequestOutcome.OK)
            at[key] = routed(router, key)
    assert max(Counter(at.values()).values()) <= OVERLOAD_FACTOR * 40 + OVERLOAD_EXTRA
    assert {*router.moves} == {Reason.OVERLOADED}
    assert router.moves.total() < 250, "they move to where they can stay"


@given(seed=st.integers(0, 2**64), engines=st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_two_choices_spread_evenly(seed: int, engines: int) -> None:
    router = Router(seed)
    router.set_engines({f"e{n}": True for n in range(engines)})
    for n in range(20 * engines):
        routed(router, f"{n}/agent")
    held = [router.outstanding(f"e{n}") for n in range(engines)]
    assert sum(held) == 20 * engines
    assert max(held) <= 25, "one choice gives 30 and more"


def test_conversations_that_wait_in_their_tools_are_spread_by_pins() -> None:
    router = Router(3)
    router.set_engines(dict.fromkeys(ENGINES, True))
    for n in range(400):
        turn(router, f"{n}/agent")
    assert all(95 <= router.pinned(engine) <= 105 for engine in ENGINES)


def test_the_same_seed_places_alike_whatever_the_order_of_the_engines() -> None:
    def places(seed: int, engines: list[str]) -> list[str]:
        router = Router(seed)
        router.set_engines(dict.fromkeys(engines, True))
        return [routed(router, key) for key in KEYS]

    assert places(1, [*ENGINES]) == places(1, [*reversed(ENGINES)])
    assert places(1, [*ENGINES]) != places(2, [*ENGINES])


def test_a_thousand_engines_one_of_them_overloaded() -> None:
    router = Router(5)
    router.set_engines({"e0": True})
    for n in range(19):
        routed(router, f"{n}/user")
    turn(router, "mine/agent")
    router.set_engines({f"e{n}": True for n in range(1000)})
    for n in range(10_000):
        routed(router, f"{n}/agent")
    assert median(router.outstanding(f"e{n}") for n in range(1000)) == 10
    assert router.outstanding("e0") == 19
    assert routed(router, "mine/agent") == "e0", "19 is 1.5 x 10 + 4"
    choice = router.route("mine/agent")
    assert choice is not None
    assert choice.moved == "overloaded", "20 is more"


def test_what_is_forgotten_is_placed_anew() -> None:
    router = Router(1)
    router.set_engines({"a": True})
    routed(router, "1/agent")
    router.forget("1/agent")
    router.forget("never seen")
    assert (router.outstanding("a"), router.pinned("a")) == (1, 0)
    router.set_engines({"b": True})
    assert router.route("1/agent") == Choice("b", None)
    router.done("1/agent", "a", RequestOutcome.FAILED)
    assert router.outstanding("a") == 0
    assert turn(router, "1/agent") == Choice("b", None)
