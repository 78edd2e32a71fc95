"""The limit of an engine, on engines that behave, that change, and that do anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from t2t_dist.cluster.engines.admission import (
    FORGET_POLLS,
    GROW_BELOW,
    GROW_TO,
    NEAR,
    RECOVERY_POLLS,
    REFUSED_SECONDS,
    SETTLE_POLLS,
    SHRINK_ABOVE,
    Admission,
    LoadReading,
    Move,
    share,
)

CONVERGED = 300
"""Polls after which a steady engine's limit has come to rest: up or down by a factor of 1,000, and one forgetting."""


@dataclass
class Engine:
    """``kv(running)`` is fixed. It takes what fits into its cache, and what does not waits; each poll while something
    waits for the cache it preempts. With more than ``queue`` it rejects. ``demand``: what clients would send at most.
    ``lag``: of the difference to the limit, how much is still there a poll later."""

    kv: Callable[[int], float]
    demand: int = 10**9
    batch: int = 10**9
    queue: int = 10**9
    lag: float = 0.0
    tells_kv: bool = True
    load: int = 0
    now: float = 0.0
    preemptions: int = 0
    rejections: int = 0
    history: list[int] = field(default_factory=list)

    def poll(self, limit: int) -> LoadReading:
        self.now += 2.0
        self.history.append(limit)
        wanted = min(limit, self.demand)
        self.load = wanted + int((self.load - wanted) * self.lag)
        if self.load > self.queue:
            self.rejections += self.load - self.queue
            self.load = self.queue
        running = min(self.load, self.batch)
        if self.kv(running) > 1.0:
            self.preemptions += 1
            low, high = 0, running  # the most that fit
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if self.kv(middle) > 1.0 else (middle, high)
            running = low
        kv = min(1.0, self.kv(running)) if self.tells_kv else None
        return LoadReading(self.now, kv, running, self.load - running, self.preemptions, self.rejections)

    def run(self, admission: Admission, polls: int) -> list[Move]:
        return [admission.read(self.poll(admission.limit)) for _ in range(polls)]


def linear(per_request: float, capacity: float) -> Callable[[int], float]:
    return lambda running: running * per_request / capacity


def quiet(at: float, limit: int, kv: float | None = 0.5, *, preemptions: int = 0, rejections: int = 0) -> LoadReading:
    """The limit is used, nothing waits."""
    return LoadReading(at, kv, limit, 0, preemptions, rejections)


# ------------------------------------------------------------------------------------------------------ steady engines


@given(
    start=st.integers(1, 1000),
    per_request=st.floats(1.0, 5000.0),
    capacity=st.floats(1000.0, 1_000_000.0),
    demand=st.integers(0, 1200),
    batch=st.sampled_from([4, 64, 256, 10**9]),
)
@example(start=1, per_request=500.0, capacity=1000.0, demand=1200, batch=10**9)  # kv 0.5 or 1.0, nothing between
@example(start=1000, per_request=5000.0, capacity=1000.0, demand=1200, batch=10**9)  # not even one fits
@settings(max_examples=150, deadline=None)
def test_on_a_steady_engine_the_limit_comes_to_rest_and_stays(
    start: int, per_request: float, capacity: float, demand: int, batch: int
) -> None:
    kv = linear(per_request, capacity)
    engine = Engine(kv, demand=demand, batch=batch)
    admission = Admission(start, 1, 1000)
    engine.run(admission, CONVERGED)
    limit, preemptions = admission.limit, engine.preemptions
    assert {*engine.run(admission, 2 * FORGET_POLLS)} == {Move.HOLD}
    assert admission.limit == limit
    if limit > 1:
        assert engine.preemptions == preemptions
        assert kv(min(limit, demand, batch)) <= SHRINK_ABOVE
    if demand >= 1000 and batch >= 1000 and limit < 1000:
        assert kv(limit) >= GROW_BELOW or kv(limit + 1) > GROW_TO, "and it is no lower than it must be"


@given(
    per_request=st.floats(1.0, 100.0),
    capacity=st.floats(2000.0, 50_000.0),
    start=st.integers(1, 500),
    lag=st.floats(0.0, 0.8),
)
@settings(max_examples=100, deadline=None)
def test_nor_does_it_swing_on_one_that_follows_the_limit_slowly(
    per_request: float, capacity: float, start: int, lag: float
) -> None:
    """Requests last: what was admitted before a cut is still there for some polls after it, and tells nothing new."""
    engine = Engine(linear(per_request, capacity), lag=lag)
    admission = Admission(start, 1, 500)
    engine.run(admission, 2 * CONVERGED)
    limit = admission.limit
    assert {*engine.run(admission, 2 * FORGET_POLLS)} == {Move.HOLD}
    fits = min(500, int(capacity / per_request))
    assert limit >= 0.4 * fits
    assert min(engine.history) >= min(start, int(0.4 * fits)), "never far below what it can do"


@given(
    steps=st.lists(st.floats(0.0, 0.5), min_size=1, max_size=30),
    slope=st.floats(0.001, 0.2),
    tells_kv=st.booleans(),
    queue=st.integers(1, 150),
    start=st.integers(1, 200),
)
@settings(max_examples=100, deadline=None)
def test_on_any_engine_trouble_is_rare(
    steps: list[float], slope: float, tells_kv: bool, queue: int, start: int
) -> None:
    """KV use that rises in jumps, a queue that rejects; perhaps neither is seen before it happens."""

    def kv(running: int) -> float:
        return sum(steps[:running]) + max(0, running - len(steps)) * slope

    engine = Engine(kv, tells_kv=tells_kv, queue=queue)
    admission = Admission(start, 1, 200)
    engine.run(admission, CONVERGED)
    moves = engine.run(admission, 5 * FORGET_POLLS)
    lowered = [poll for poll, move in enumerate(moves) if move in (Move.SHRINK, Move.CUT)]
    for first, third in zip(lowered, lowered[2:], strict=False):
        assert third - first >= FORGET_POLLS, "at most twice in so many readings"


# -------------------------------------------------------------------------------------------------------------- trouble


@pytest.mark.parametrize("kv", [0.3, 0.6, 0.75, 0.85, 0.9, None])
def test_after_a_preemption_it_recovers_soon(kv: float | None) -> None:
    for former in range(2, 1200):
        admission = Admission(former, 1, 5000)
        for poll in range(2 + RECOVERY_POLLS):
            limit = admission.limit
            use = None if kv is None else kv * (limit / former)
            move = admission.read(LoadReading(float(poll), use, limit, 0 if poll else limit, int(poll > 0), 0))
            if poll == 1:
                assert move is Move.CUT
                assert admission.limit <= max(1, 0.7 * former)
        assert admission.limit >= int(NEAR * former)
        assert admission.limit < former, "where it was in trouble it does not go at once"


def test_near_the_level_of_trouble_it_creeps_and_forgets_it_in_the_end() -> None:
    admission = Admission(200, 1, 1000)
    admission.read(quiet(0.0, 200))
    assert admission.read(quiet(1.0, 200, preemptions=1)) is Move.CUT
    limits = []
    for poll in range(2, FORGET_POLLS + 20):
        admission.read(quiet(float(poll), admission.limit, 0.1, preemptions=1))
        limits.append(admission.limit)
    assert limits[:6] == [140, 154, 169, 180, 180, 180]
    assert max(limits[: FORGET_POLLS - 1]) < 200
    assert 185 < limits[FORGET_POLLS // 2] < 195
    assert limits[-1] > 220, "then it is free to grow"


def test_the_way_back_ends_where_kv_says_so() -> None:
    admission = Admission(100, 1, 1000)
    admission.read(quiet(0.0, 100, 0.7))
    admission.read(quiet(1.0, 100, 0.7, preemptions=1))
    admission.read(quiet(2.0, 70, 0.7, preemptions=1))
    assert admission.limit == 70
    for poll in range(3, 20):  # requests have become larger: 70 now need what 90 did
        admission.read(quiet(float(poll), admission.limit, admission.limit / 95, preemptions=1))
    assert 0.75 <= admission.limit / 95 <= 0.85


def test_a_cut_is_of_what_the_engine_really_had() -> None:
    admission = Admission(500, 1, 1000)
    admission.read(quiet(0.0, 100, 0.8))
    admission.read(quiet(1.0, 40, 0.8, preemptions=1))
    assert admission.limit == 70, "not of the 40 that are left, nor of a limit of 500 that nothing used"


def test_what_is_draining_is_not_cut_again_for_some_time() -> None:
    admission = Admission(100, 1, 1000)
    admission.read(quiet(0.0, 100, 0.95)._replace(at=-1.0))
    assert admission.limit == 90
    moves = [admission.read(quiet(float(poll), 100, 0.95, preemptions=poll)) for poll in range(SETTLE_POLLS + 1)]
    assert moves == [Move.HOLD] * SETTLE_POLLS + [Move.CUT]


def test_a_counter_that_falls_is_an_engine_started_again() -> None:
    admission = Admission(100, 1, 1000)
    admission.read(quiet(0.0, 100, 0.7, preemptions=50, rejections=50))
    assert admission.limit == 100, "what happened before the first reading is not news"
    assert admission.read(quiet(1.0, 100, 0.7, preemptions=3, rejections=2)) is Move.HOLD
    assert admission.read(quiet(2.0, 100, 0.7, preemptions=3, rejections=2)) is Move.HOLD
    assert admission.read(quiet(3.0, 100, 0.7, preemptions=4, rejections=2)) is Move.CUT


def test_rejections_shrink_and_preemptions_cut() -> None:
    for counters, move, limit in (({"rejections": 1}, Move.SHRINK, 90), ({"preemptions": 1}, Move.CUT, 70)):
        admission = Admission(100, 1, 1000)
        admission.read(quiet(0.0, 100, 0.7))
        assert admission.read(quiet(1.0, 100, 0.7, **counters)) is move
        assert admission.limit == limit


def test_all_503s_of_a_moment_count_once_for_clients_and_metrics_together() -> None:
    admission = Admission(100, 1, 1000)
    admission.read(quiet(0.0, 100, 0.7))
    assert admission.refused(1.0) is Move.SHRINK
    assert {admission.refused(1.0 + call / 100) for call in range(100)} == {Move.HOLD}
    assert admission.read(quiet(2.0, 90, 0.7, rejections=101)) is Move.HOLD
    assert admission.limit == 90
    assert admission.refused(1.0 + REFUSED_SECONDS) is Move.SHRINK
    assert admission.limit == 81


# ------------------------------------------------------------------------------------------------- growing, and holding


@given(uses=st.lists(st.floats(GROW_BELOW, SHRINK_ABOVE), max_size=40))
def test_inside_the_band_nothing_moves(uses: list[float]) -> None:
    admission = Admission(64, 1, 1000)
    assert all(admission.read(quiet(float(poll), 64, kv)) is Move.HOLD for poll, kv in enumerate(uses))


@pytest.mark.parametrize(
    ("kv", "running", "waiting", "move"),
    [
        (0.5, 100, 0, Move.GROW),
        (0.5, 90, 0, Move.GROW),
        (0.5, 89, 0, Move.HOLD),  # not used
        (0.5, 91, 9, Move.GROW),
        (0.5, 90, 10, Move.HOLD),  # it has a queue
        (0.6, 100, 0, Move.HOLD),
        (0.9, 100, 0, Move.HOLD),
        (0.91, 100, 0, Move.SHRINK),
        (0.0, 100, 0, Move.GROW),
        (5e-324, 100, 0, Move.GROW),
        (float("nan"), 100, 0, Move.GROW),
        (None, 100, 0, Move.GROW),
        (None, 10, 90, Move.HOLD),
        (0.5, 0, 0, Move.HOLD),
    ],
)
def test_it_grows_while_used_below_the_band_and_without_a_queue(
    kv: float | None, running: int, waiting: int, move: Move
) -> None:
    admission = Admission(100, 1, 1000)
    assert admission.read(LoadReading(0.0, kv, running, waiting, 0, 0)) is move
    assert admission.limit == {Move.GROW: 110, Move.HOLD: 100, Move.SHRINK: 90}[move]


readings = st.builds(
    LoadReading,
    at=st.floats(0, 100),
    kv_use=st.none() | st.floats(0, 1),
    running=st.integers(0, 300),
    waiting=st.integers(0, 300) | st.just(0),
    preemptions=st.integers(0, 3),
    rejections=st.integers(0, 3),
)


@given(
    least=st.integers(1, 5),
    start=st.integers(5, 100),
    most=st.integers(100, 200),
    events=st.lists(readings | st.floats(0, 100), max_size=60),
)
@settings(max_examples=300, deadline=None)
def test_whatever_is_read_each_move_does_what_its_name_says(
    least: int, start: int, most: int, events: list[LoadReading | float]
) -> None:
    admission = Admission(start, least, most)
    last: LoadReading | None = None
    moves = dict.fromkeys(admission.moves, 0)
    for event in events:
        assert admission.moves == moves
        before = admission.limit
        move = admission.read(event) if isinstance(event, LoadReading) else admission.refused(event)
        after = admission.limit
        if move is not Move.HOLD:
            moves[move] += 1
        if move in (Move.SHRINK, Move.CUT):
            assert admission.trouble is not None
            assert after <= admission.trouble <= before
        assert least <= after <= most
        assert (after > before) == (move is Move.GROW)
        assert (after < before) == (move in (Move.SHRINK, Move.CUT))
        if not isinstance(event, LoadReading):
            assert move in (Move.HOLD, Move.SHRINK)
            continue
        if last is not None and event.at <= last.at:
            assert move is Move.HOLD, "late readings are dropped"
            continue
        news = last is not None and (event.preemptions > last.preemptions or event.rejections > last.rejections)
        kv = event.kv_use
        if move is Move.GROW:
            assert kv is None or kv < GROW_TO
            assert event.running + event.waiting >= 0.9 * before
            assert event.waiting <= max(1, 0.1 * event.running)
            assert not news
            assert after <= max(before + 1, 1.1 * before)
        elif move is Move.CUT:
            assert last is not None
            assert event.preemptions > last.preemptions
        elif move is Move.SHRINK:
            assert news or (kv is not None and kv > SHRINK_ABOVE)
        last = event
    assert admission.moves == moves


def test_limits_that_make_no_sense_are_refused() -> None:
    for start, least, most in ((5, 0, 10), (5, 6, 10), (11, 1, 10)):
        with pytest.raises(ValueError, match="least <= start <= most"):
            Admission(start, least, most)


# ---------------------------------------------------------------------------------------------------------- its workers


@given(limit=st.integers(1, 2000), workers=st.integers(1, 100), turn=st.integers(0, 1000))
def test_shares_add_up_to_the_limit_and_nobody_gets_nothing(limit: int, workers: int, turn: int) -> None:
    shares = share(limit, workers, turn)
    assert len(shares) == workers
    assert min(shares) >= 1
    assert sum(shares) == max(limit, workers)
    assert max(shares) - min(shares) <= 1


def test_the_odd_ones_go_round() -> None:
    assert [share(6, 4, turn) for turn in range(4)] == [[2, 2, 1, 1], [1, 2, 2, 1], [1, 1, 2, 2], [2, 1, 1, 2]]
    assert share(2, 4) == [1, 1, 1, 1], "more than the limit, or two workers would stand still"
    with pytest.raises(ValueError, match="over 0 workers"):
        share(5, 0)
