"""An engine's health under arbitrary words about it, and what each word does."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from t2t_dist.cluster.engines.health import (
    DEAD_AFTER,
    FAILURE_SECONDS,
    HEALTHY_SECONDS,
    LEADS_TO,
    MAX_RESTARTS,
    RESTART_SECONDS,
    RESTART_SECONDS_MOST,
    SUSPECT_AFTER,
    TIMELINE_LENGTH,
    Health,
    State,
    Transition,
)

START = 600.0
STARTS = (State.STARTING, State.RESTARTING)
RUNS = (State.HEALTHY, State.SUSPECT)


def healthy(now: float = 0.0, *, restartable: bool = True, max_restarts: int = MAX_RESTARTS) -> Health:
    health = Health(now, START, restartable=restartable, max_restarts=max_restarts)
    health.ready(now)
    return health


def fail(health: Health, now: float, times: int) -> float:
    """That many failures, a second apart, the first at ``now``. Returns when the last was."""
    for failure in range(times):
        health.failed(now + failure, "refused")
    return now + times - 1


def begin_restart(health: Health) -> float:
    """Wait until it is due, and begin. Returns when that was."""
    due = health.restart_at
    assert due is not None
    assert health.restarting(due)
    return due


class HealthMachine(RuleBasedStateMachine):
    """Any words in any order; after each, what changed must be what that word may change."""

    @initialize(restartable=st.booleans(), max_restarts=st.integers(0, 3))
    def start(self, restartable: bool, max_restarts: int) -> None:
        self.now = 0.0
        self.restartable, self.max_restarts = restartable, max_restarts
        self.health = Health(self.now, START, restartable=restartable, max_restarts=max_restarts)
        self.path = [State.STARTING]
        self.failures = 0
        self.counted = float("-inf")

    def seen(self, *, became: tuple[State, ...]) -> None:
        """Compare the transitions since the last look with those that are expected."""
        path = [transition.state for transition in self.health.timeline]
        assert tuple(path[len(self.path) :]) == became
        self.path = path
        if self.health.state not in RUNS:
            self.failures, self.counted = 0, float("-inf")

    def death(self) -> tuple[State, ...]:
        """What a death leads to, by what it has led to."""
        given_up = self.restartable and self.health.state is State.GIVEN_UP
        return (State.DEAD, State.GIVEN_UP) if given_up else (State.DEAD,)

    @rule(seconds=st.sampled_from([0.0, FAILURE_SECONDS / 2, FAILURE_SECONDS, 1.0, 30.0, RESTART_SECONDS_MOST, START]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def wait_for_the_restart(self) -> None:
        self.now = max(self.now, self.health.restart_at or 0.0)

    @rule()
    def tick(self) -> None:
        before, since = self.health.state, self.health.timeline[-1].at
        self.health.tick(self.now)
        late = before in STARTS and self.now - since >= START
        self.seen(became=self.death() if late else ())

    @rule()
    def ready(self) -> None:
        before, due = self.health.state, self.health.restart_at
        self.health.ready(self.now)
        became: tuple[State, ...] = ()
        if before in (*STARTS, State.SUSPECT):
            became = (State.HEALTHY,)
        elif before is State.DEAD and not self.restartable and due is not None and due <= self.now:
            became = (State.RESTARTING, State.HEALTHY)
        self.failures, self.counted = 0, float("-inf")
        self.seen(became=became)

    @rule()
    def answered(self) -> None:
        before = self.health.state
        self.health.answered(self.now)
        self.failures, self.counted = 0, float("-inf")
        self.seen(became=(State.HEALTHY,) if before is State.SUSPECT else ())

    @rule()
    def failed(self) -> None:
        before = self.health.state
        became: tuple[State, ...] = ()
        if before in RUNS and self.now - self.counted >= FAILURE_SECONDS:
            self.failures += 1
            self.counted = self.now
        self.health.failed(self.now, "refused")
        if before is State.HEALTHY and self.failures == SUSPECT_AFTER:
            became = (State.SUSPECT,)
        elif before in RUNS and self.failures == DEAD_AFTER:
            became = self.death()
        elif before is State.RESTARTING and not self.restartable:
            became = (State.DEAD,)
        self.seen(became=became)

    @rule()
    def exited(self) -> None:
        before = self.health.state
        self.health.exited(self.now, "killed")
        self.seen(became=self.death() if before in (*STARTS, *RUNS) else ())

    @rule()
    def restarting(self) -> None:
        due, restarts = self.health.restart_at, self.health.restarts
        may = due is not None and due <= self.now
        assert self.health.restarting(self.now) == may
        assert self.health.restarts == restarts + may
        self.seen(became=(State.RESTARTING,) if may else ())

    @rule(word=st.sampled_from(["ready", "answered", "failed", "exited"]))
    def word_about_an_earlier_process(self, word: str) -> None:
        before, due = self.health.timeline, self.health.restart_at
        of = self.health.restarts - 1
        if word in ("ready", "answered"):
            getattr(self.health, word)(self.now, of=of)
        else:
            getattr(self.health, word)(self.now, "late", of=of)
        assert (self.health.timeline, self.health.restart_at) == (before, due)

    @invariant()
    def the_laws_hold(self) -> None:
        health = self.health
        for here, there in pairwise(self.path):
            assert there in LEADS_TO[here]
            assert (here, there) != (State.DEAD, State.HEALTHY)
        assert health.state is self.path[-1]
        assert health.takes_new == (health.state is State.HEALTHY)
        assert health.takes_any == (health.state in RUNS)
        assert (health.restart_at is not None) == (health.state is State.DEAD)
        if not self.restartable:
            assert health.state is not State.GIVEN_UP
        if health.state is State.GIVEN_UP:
            assert health.restarts >= self.max_restarts
        if health.restart_at is not None:
            assert health.restart_at <= self.now + RESTART_SECONDS_MOST
        assert len(health.timeline) < TIMELINE_LENGTH, "or this machine misses transitions"
        assert all(here.at <= there.at for here, there in pairwise(health.timeline))


TestHealth = HealthMachine.TestCase
TestHealth.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)


def test_the_forbidden_transition_is_not_in_the_table() -> None:
    assert State.HEALTHY not in LEADS_TO[State.DEAD]
    assert {state for state in State if State.HEALTHY in LEADS_TO[state]} == {*STARTS, State.SUSPECT}
    assert LEADS_TO[State.GIVEN_UP] == frozenset()


def test_its_life_is_shown_by_the_timeline() -> None:
    health = Health(0.0, START)
    assert (health.state, health.takes_new, health.takes_any) == (State.STARTING, False, False)
    health.failed(1.0, "refused")
    health.answered(2.0)
    assert health.state is State.STARTING, "until it lists the model, what answers is not the model"
    health.ready(90.0)
    assert (health.takes_new, health.takes_any) == (True, True)
    fail(health, 100.0, SUSPECT_AFTER)
    assert (health.state, health.takes_new, health.takes_any) == (State.SUSPECT, False, True)
    health.answered(110.0)
    health.exited(120.0, "killed by signal 9")
    health.restarting(120.0 + RESTART_SECONDS)
    health.ready(200.0)
    assert health.timeline == [
        Transition(0.0, State.STARTING, "begun"),
        Transition(90.0, State.HEALTHY, "ready"),
        Transition(101.0, State.SUSPECT, "refused"),
        Transition(110.0, State.HEALTHY, "answered again"),
        Transition(120.0, State.DEAD, "killed by signal 9"),
        Transition(122.0, State.RESTARTING, "restart 1"),
        Transition(200.0, State.HEALTHY, "ready"),
    ]
    assert health.restarts == 1


def test_only_failures_in_a_row_count() -> None:
    health = healthy()
    for now in range(100):
        fail(health, 10.0 * now, SUSPECT_AFTER - 1)
        health.answered(10.0 * now + 5)
    assert health.state is State.HEALTHY
    end = fail(health, 2000.0, DEAD_AFTER - 1)
    assert health.state is State.SUSPECT
    health.failed(end + 1, "timed out")
    assert health.state is State.DEAD
    assert health.timeline[-1].why == f"{DEAD_AFTER} failures in a row: timed out"


def test_a_hundred_calls_that_break_at_once_are_one_failure() -> None:
    health = healthy()
    for call in range(100):
        health.failed(10.0 + call * FAILURE_SECONDS / 200, "reset")
    assert health.state is State.HEALTHY
    health.failed(10.0 + FAILURE_SECONDS, "refused")
    assert health.state is State.SUSPECT


def test_a_late_answer_of_a_dead_engine_changes_nothing() -> None:
    health = healthy()
    health.exited(10.0, "gone")
    before = health.timeline
    for now in (10.0, 11.0, 1000.0):
        health.answered(now)
        health.ready(now)
        health.failed(now, "reset")
        health.exited(now, "gone")
    assert health.timeline == before
    assert health.restart_at == 10.0 + RESTART_SECONDS


def test_calls_of_the_old_process_do_not_take_the_new_one_down() -> None:
    health = healthy()
    health.exited(0.0, "hung")
    health.ready(begin_restart(health) + 60)
    for now in range(100, 160):
        health.failed(float(now), "timed out", of=0)
    health.exited(160.0, "old process reaped", of=0)
    assert health.state is State.HEALTHY
    fail(health, 200.0, SUSPECT_AFTER)
    health.answered(210.0, of=0)
    assert health.state is State.SUSPECT, "nor does its late answer vouch for the new one"
    health.answered(210.0, of=1)
    assert health.state is State.HEALTHY


def test_a_start_that_takes_too_long_is_a_death() -> None:
    health = Health(0.0, 100.0)
    health.tick(99.0)
    assert health.state is State.STARTING
    health.tick(100.0)
    assert health.timeline[-1] == Transition(100.0, State.DEAD, "not ready within 100 s")
    due = begin_restart(health)
    health.tick(due + 99)
    assert health.state is State.RESTARTING, "the time counts from the restart"
    health.tick(due + 100)
    assert health.state is State.DEAD
    healthy_one = healthy()
    healthy_one.tick(1e6)
    assert healthy_one.state is State.HEALTHY


def test_restarts_that_lead_to_nothing_come_later_and_later_and_end() -> None:
    health = healthy(max_restarts=8)
    health.exited(0.0, "no memory")
    delays = []
    while health.restart_at is not None:
        delays.append(health.restart_at - health.timeline[-1].at)
        assert not health.restarting(health.restart_at - 0.5), "not before it is due"
        now = begin_restart(health)
        health.ready(now + 30)
        health.exited(now + 30 + HEALTHY_SECONDS - 1, "no memory")
    assert delays == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert health.state is State.GIVEN_UP
    assert health.timeline[-1].why == "8 restarts in a row failed"
    for word in (health.ready, health.answered, health.restarting, health.tick):
        word(1e6)
    assert health.state is State.GIVEN_UP


def test_one_that_is_never_to_be_restarted_is_given_up_at_its_death() -> None:
    health = healthy(max_restarts=0)
    health.exited(1.0, "gone")
    assert health.state is State.GIVEN_UP
    assert health.restart_at is None


@given(served=st.floats(0, 2 * HEALTHY_SECONDS), suspect=st.booleans())
def test_a_healthy_stretch_makes_the_next_death_the_first_again(served: float, suspect: bool) -> None:
    health = healthy(max_restarts=3)
    health.exited(0.0, "gone")
    for _ in range(2):
        now = begin_restart(health)
        health.exited(now, "gone")
    now = begin_restart(health)
    health.ready(now)
    if suspect:
        fail(health, now, SUSPECT_AFTER)
    health.answered(now + served)
    health.exited(now + 3 * HEALTHY_SECONDS, "gone")  # time alone says nothing: the last answer was at `served`
    if now + served - now >= HEALTHY_SECONDS:
        assert health.restart_at == now + 3 * HEALTHY_SECONDS + RESTART_SECONDS
    else:
        assert health.state is State.GIVEN_UP


def test_an_external_engine_is_asked_again_for_ever_and_comes_back() -> None:
    health = healthy(restartable=False, max_restarts=1)
    now = fail(health, 0.0, DEAD_AFTER)
    gaps = []
    for _ in range(20):
        due = health.restart_at
        assert due is not None
        gaps.append(due - now)
        now = due
        health.failed(now, "refused")
        assert health.state is State.DEAD
    assert gaps[:3] == [2.0, 4.0, 8.0]
    assert gaps[-1] == RESTART_SECONDS_MOST
    assert len(health.timeline) == 4, "asking it again does not fill the timeline"
    health.ready(now + 1)
    assert health.state is State.DEAD, "an answer nobody asked for may be a late one"
    health.ready(now + RESTART_SECONDS_MOST)
    assert [transition.state for transition in health.timeline[-3:]] == [State.DEAD, State.RESTARTING, State.HEALTHY]


def test_an_external_engine_may_also_be_asked_through_restarting() -> None:
    health = healthy(restartable=False)
    health.exited(0.0, "unreachable")
    due = begin_restart(health)
    health.answered(due)
    assert health.state is State.RESTARTING
    health.failed(due, "refused")
    assert health.state is State.DEAD
    assert health.restart_at == due + 2 * RESTART_SECONDS
    health.ready(begin_restart(health))
    assert health.state is State.HEALTHY


def test_time_does_not_run_backwards_and_bad_limits_are_refused() -> None:
    health = healthy(100.0)
    health.exited(50.0, "gone")
    assert health.timeline[-1].at == 100.0
    with pytest.raises(ValueError, match="longer than 0 s"):
        Health(0.0, 0)
    with pytest.raises(ValueError, match="at least 0, not -1"):
        Health(0.0, START, max_restarts=-1)


def test_the_timeline_keeps_the_latest() -> None:
    health = healthy()
    now = 10.0
    while health.timeline[0].at < 10.0:
        now = fail(health, now, SUSPECT_AFTER) + 1
        health.answered(now)
    assert len(health.timeline) == TIMELINE_LENGTH
    assert health.timeline[-1] == Transition(now, State.HEALTHY, "answered again")
