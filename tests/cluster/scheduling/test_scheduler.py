"""The scheduler in runs where some items kill the worker that runs them, and move by move."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.cluster.scheduling.leases import LEASE_SECONDS, Lease
from t2t_dist.cluster.scheduling.scheduler import FRUITLESS_LOSSES, MAX_ATTEMPTS, Scheduler
from t2t_dist.storage.item_set import ItemSet

# ---------------------------------------------------------------------------------------------- items that kill workers


class Run(NamedTuple):
    committed: Counter[int]
    poisoned: dict[int, int]  # item -> attempts
    losses: int


def run_to_the_end(
    scheduler: Scheduler,
    killers: set[int],
    workers: int,
    slots: int,
    chance: random.Random,
    max_attempts: int = MAX_ATTEMPTS,
) -> Run:
    """Real workers in small: each runs what it is leased in any order and speed, and dies of a killer at any moment
    between its start and what would have been its end. The dead are replaced under new names. Company is checked."""
    blamed: Counter[int] = Counter()
    committed: Counter[int] = Counter()
    poisoned: dict[int, int] = {}
    losses = 0
    names = (f"w{number}" for number in count())
    running: dict[str, list[int]] = {}
    shard: dict[str, list[int]] = {}

    def start() -> None:
        worker = next(names)
        scheduler.worker_joined(worker, slots)
        running[worker], shard[worker] = [], []

    for _ in range(workers):
        start()
    while not scheduler.done and scheduler.stopped is None:
        worker = chance.choice([*running])
        running[worker] += [lease.item for lease in scheduler.lease(worker, 0.0, chance.randint(1, slots))]
        assert sum(blamed[item] > 0 for item in running[worker]) <= max(1, int(slots ** (1 - 1 / (max_attempts - 1))))
        assert len(running[worker]) == 1 or all(blamed[item] < max_attempts - 1 for item in running[worker])
        if scheduler.flush_due(worker):
            scheduler.committed(worker, shard[worker])
            committed.update(shard[worker])
            shard[worker] = []
        if not running[worker]:
            continue
        item = chance.choice(running[worker])
        if item in killers:
            blamed.update(running.pop(worker))
            del shard[worker]
            scheduler.worker_lost(worker, 0.0)
            poisoned.update(dict(scheduler.poisoned()))
            losses += 1
            start()
        else:
            blamed[item] = 0
            running[worker].remove(item)
            shard[worker].append(item)
            scheduler.finished(worker, [item], 0.0)
    return Run(committed, poisoned, losses)


@settings(max_examples=100, deadline=None)
@given(
    n=st.integers(1, 120),
    share=st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]),
    workers=st.integers(1, 6),
    slots=st.integers(1, 40),
    window=st.integers(1, 60),
    chance=st.randoms(use_true_random=False),
)
def test_killers_are_poisoned_and_nobody_else(
    n: int, share: float, workers: int, slots: int, window: int, chance: random.Random
) -> None:
    killers = {item for item in range(n) if chance.random() < share}
    run = run_to_the_end(Scheduler(n, window=window), killers, workers, slots, chance)
    assert {*run.poisoned} == killers
    assert run.committed == Counter(set(range(n)) - killers), "each of the others once"
    assert run.losses <= MAX_ATTEMPTS * len(killers)
    assert all(attempts >= MAX_ATTEMPTS for attempts in run.poisoned.values())


@pytest.mark.parametrize("max_attempts", [2, 4])
def test_other_numbers_of_attempts_isolate_too(max_attempts: int) -> None:
    killers = {3, 50, 51, 99}
    run = run_to_the_end(Scheduler(100, max_attempts=max_attempts), killers, 3, 25, random.Random(5), max_attempts)
    assert {*run.poisoned} == killers
    assert run.committed == Counter(set(range(100)) - killers)
    assert run.losses <= max_attempts * len(killers)


# --------------------------------------------------------------------------------------------------------- move by move


def items(leases: list[Lease]) -> list[int]:
    return [lease.item for lease in leases]


def two_workers(n: int, slots: int = 16, **options: int) -> Scheduler:
    scheduler = Scheduler(n, **options)
    scheduler.worker_joined("a", slots)
    scheduler.worker_joined("b", slots)
    return scheduler


def test_lost_items_go_first_then_fresh_ones_in_order() -> None:
    scheduler = two_workers(10)
    assert items(scheduler.lease("a", 0.0, 3)) == [0, 1, 2]
    assert items(scheduler.lease("b", 0.0, 2)) == [3, 4]
    assert scheduler.worker_left("a") == [0, 1, 2]
    again = scheduler.lease("b", 1.0, 5)
    assert items(again) == [0, 1, 2, 5, 6]
    assert [lease.attempt for lease in again] == [2, 2, 2, 1, 1]
    assert {lease.expires for lease in again} == {LEASE_SECONDS}, "b's leases expire together"


def test_what_was_finished_waits_again_but_is_not_blamed() -> None:
    scheduler = two_workers(4, slots=4)
    for _ in range(2 * MAX_ATTEMPTS):
        worker = scheduler.workers[0]
        scheduler.worker_joined(f"{worker}'", 4)
        assert sorted(items(scheduler.lease(worker, 0.0, 4))) == [0, 1, 2, 3]
        scheduler.finished(worker, [0, 1, 2, 3], 0.0)
        assert sorted(scheduler.worker_lost(worker, 0.0)) == [0, 1, 2, 3]
    assert scheduler.poisoned() == []
    assert scheduler.lease(scheduler.workers[0], 0.0, 1)[0].attempt == 2 * MAX_ATTEMPTS + 1


def test_one_lost_worker_leaves_no_slot_of_the_others_empty() -> None:
    scheduler = two_workers(1000)
    scheduler.lease("a", 0.0, 16)
    scheduler.worker_lost("a", 0.0)
    leased = items(scheduler.lease("b", 0.0, 16))
    assert len(leased) == 16
    assert [item for item in leased if item < 16] == [0, 1, 2, 3], "four of the blamed, the root of 16 slots"


def test_at_most_half_of_the_workers_run_items_alone() -> None:
    scheduler = Scheduler(1000)
    for number in range(4):
        scheduler.worker_joined(f"w{number}", 16)
    for victim in ("v0", "v1"):
        scheduler.worker_joined(victim, 16)
        scheduler.lease(victim, 0.0, 16)
        scheduler.worker_lost(victim, 0.0)
    given = [len(scheduler.lease(f"w{number}", 0.0, 16)) for number in range(4)]
    assert given == [1, 1, 16, 16], "four items were blamed twice; two workers take one each, the others go on"
    assert scheduler.lease("w0", 0.0, 16) == [], "and nothing beside it"
    scheduler.finished("w0", [0], 1.0)
    assert items(scheduler.lease("w0", 1.0, 16)) == [2]


def test_a_busy_worker_is_emptied_before_it_runs_an_item_alone() -> None:
    scheduler = Scheduler(100)
    for victim, want in (("v0", 1), ("v1", 1)):
        scheduler.worker_joined(victim, 4)
        assert items(scheduler.lease(victim, 0.0, want)) == [0]
        if victim == "v0":
            scheduler.worker_lost(victim, 0.0)
    scheduler.worker_joined("w", 4)
    scheduler.lease("w", 0.0, 2)
    scheduler.worker_lost("v1", 0.0)
    assert scheduler.lease("w", 0.0, 2) == []
    scheduler.finished("w", [1], 0.0)
    assert scheduler.lease("w", 0.0, 2) == []
    scheduler.finished("w", [2], 0.0)
    assert scheduler.lease("w", 0.0, 2) == [Lease(0, attempt=3, expires=LEASE_SECONDS)]


def test_an_item_blamed_twice_stays_alone_when_no_other_waits_for_that() -> None:
    scheduler = Scheduler(100)
    for victim in ("v0", "v1"):
        scheduler.worker_joined(victim, 4)
        assert items(scheduler.lease(victim, 0.0, 1)) == [0]
        scheduler.worker_lost(victim, 0.0)
    scheduler.worker_joined("w", 4)
    assert items(scheduler.lease("w", 0.0, 4)) == [0]
    assert scheduler.lease("w", 0.0, 4) == []
    scheduler.finished("w", [0], 0.0)
    assert items(scheduler.lease("w", 0.0, 4)) == [1, 2, 3, 4]


def test_no_more_workers_are_emptied_than_items_are_to_run_alone() -> None:
    scheduler = Scheduler(1000)
    for number in range(6):
        scheduler.worker_joined(f"w{number}", 8)
    for victim in ("v0", "v1"):
        scheduler.worker_joined(victim, 4)
        scheduler.lease(victim, 0.0, 1)
        for number in range(6):
            scheduler.lease(f"w{number}", 0.0, 2)
        scheduler.worker_lost(victim, 0.0)
    assert [len(scheduler.lease(f"w{number}", 0.0, 2)) for number in range(6)] == [0, 2, 2, 2, 2, 2]


def test_window_bounds_what_is_not_committed() -> None:
    scheduler = two_workers(100, window=4)
    assert items(scheduler.lease("a", 0.0, 9)) == [0, 1, 2, 3]
    scheduler.finished("a", [0], 0.0)
    assert not scheduler.flush_due("a")
    scheduler.finished("a", [1], 0.0)
    assert scheduler.flush_due("a"), "half of the window"
    assert scheduler.lease("a", 0.0, 9) == []
    scheduler.committed("a", [0, 1])
    assert items(scheduler.lease("a", 0.0, 9)) == [4, 5]


def test_stop_drains() -> None:
    scheduler = two_workers(10)
    scheduler.lease("a", 0.0, 2)
    scheduler.stop("SIGTERM")
    scheduler.stop("something later")
    assert scheduler.stopped == "SIGTERM"
    assert scheduler.lease("b", 0.0, 1) == []
    scheduler.finished("a", [0, 1], 0.0)
    assert not scheduler.idle
    scheduler.committed("a", [0, 1])
    assert scheduler.idle
    assert not scheduler.done


def test_losing_worker_after_worker_stops_the_run_and_says_so() -> None:
    scheduler = Scheduler(5)
    losses = 0
    while scheduler.stopped is None:
        scheduler.worker_joined(f"w{losses}", 5)
        for lease in scheduler.lease(f"w{losses}", 0.0, 5):
            scheduler.finished(f"w{losses}", [lease.item], 0.0)
        scheduler.worker_lost(f"w{losses}", float(losses))
        losses += 1
    assert scheduler.stopped.startswith(f"{losses} workers in a row were lost")
    assert losses == FRUITLESS_LOSSES + 2
    assert scheduler.last_loss == losses - 1
    assert scheduler.poisoned() == []


def test_losses_with_progress_in_between_never_stop_the_run() -> None:
    scheduler = Scheduler(1000)
    for loss in range(3 * FRUITLESS_LOSSES):
        scheduler.worker_joined(f"w{loss}", 4)
        (lease,) = scheduler.lease(f"w{loss}", 0.0, 1)
        scheduler.committed(f"w{loss}", [lease.item])
        scheduler.worker_lost(f"w{loss}", 0.0)
    assert scheduler.stopped is None


def test_a_driver_that_was_away_judges_nobody() -> None:
    scheduler = two_workers(10)
    scheduler.lease("a", 0.0, 2)
    scheduler.expire(0.0)
    assert scheduler.expire(10 * LEASE_SECONDS) == []
    assert scheduler.expire(10.4 * LEASE_SECONDS) == []
    assert scheduler.expire(10.8 * LEASE_SECONDS) == []
    assert scheduler.expire(11 * LEASE_SECONDS) == ["a"]
    assert scheduler.workers == ["b"]


def test_ten_million_items_are_not_materialised() -> None:
    tracemalloc.start()
    scheduler = Scheduler(10_000_000, ItemSet([(5, 9_000_000)]))
    scheduler.worker_joined("a", 1000)
    leased = items(scheduler.lease("a", 0.0, 1000))
    scheduler.committed("a", leased[:500])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert leased[:7] == [0, 1, 2, 3, 4, 9_000_000, 9_000_001]
    assert scheduler.counts().done == 8_999_995 + 500
    assert peak < 4_000_000


def test_nothing_is_kept_of_items_that_are_done() -> None:
    """Every item is taken back once, then committed: what stays is the names of the workers gone."""
    tracemalloc.start()
    scheduler = Scheduler(20_000)
    for batch in range(20):
        for life in range(2):
            scheduler.worker_joined(f"w{batch}.{life}", 1000)
            leased = items(scheduler.lease(f"w{batch}.{life}", 0.0, 1000))
            if life:
                scheduler.committed(f"w{batch}.{life}", leased)
            scheduler.worker_left(f"w{batch}.{life}")
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert scheduler.done
    assert kept < 200_000


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="lets nothing run"):
        Scheduler(1, window=0)
    with pytest.raises(ValueError, match="proves nothing"):
        Scheduler(1, max_attempts=1)
    with pytest.raises(ValueError, match="3 items are done, of 2"):
        Scheduler(2, ItemSet([(0, 3)]))
    with pytest.raises(ValueError, match="0 slots"):
        Scheduler(1).worker_joined("a", 0)
