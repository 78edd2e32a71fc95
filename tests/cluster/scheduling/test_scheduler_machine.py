"""The scheduler under arbitrary events: a driver that makes any valid call, in any order."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from t2t_dist.cluster.scheduling.leases import LEASE_SECONDS, Lease, StaleLease
from t2t_dist.cluster.scheduling.scheduler import FRUITLESS_LOSSES, MAX_ATTEMPTS, Poisoned, Scheduler
from t2t_dist.storage.item_set import ItemSet

TICK = LEASE_SECONDS / 4  # often enough that the driver does not count as away


class SchedulerMachine(RuleBasedStateMachine):
    """The scheduler beside a plain record of each item's state."""

    @initialize(
        n=st.integers(0, 40),
        done=st.sets(st.integers(0, 39), max_size=10),
        window=st.integers(1, 12),
        workers=st.integers(1, 4),
    )
    def start(self, n: int, done: set[int], window: int, workers: int) -> None:
        self.n, self.window = n, window
        self.already = {item for item in done if item < n}
        self.scheduler = Scheduler(n, ItemSet.of(self.already), window=window)
        self.now = 0.0
        self.heard: dict[str, float] = {}  # worker -> its last sign of life, while it holds something
        self.slots: dict[str, int] = {}
        self.unfinished: dict[str, list[int]] = {}
        self.finished: dict[str, list[int]] = {}
        self.past: list[tuple[str, list[int]]] = []  # workers gone, and what they had leased when they went
        self.attempts: Counter[int] = Counter()
        self.blamed: Counter[int] = Counter()
        self.committed: Counter[int] = Counter()
        self.poisoned: set[int] = set()
        self.names = 0
        self.scheduler.expire(self.now)
        for _ in range(workers):
            self.join(4)

    # ------------------------------------------------------------------------------------------------------- the events

    def pick(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.slots)), label="worker")

    def some(self, data: st.DataObject, items: list[int]) -> list[int]:
        return data.draw(st.lists(st.sampled_from(items), unique=True), label="items") if items else []

    @precondition(lambda self: len(self.slots) < 5)
    @rule(slots=st.integers(1, 9))
    def join(self, slots: int) -> None:
        worker = f"w{self.names}"
        self.names += 1
        self.scheduler.worker_joined(worker, slots)
        self.slots[worker], self.unfinished[worker], self.finished[worker] = slots, [], []

    @precondition(lambda self: self.slots)
    @rule(data=st.data(), want=st.integers(0, 12))
    def lease(self, data: st.DataObject, want: int) -> None:
        self.grant(self.pick(data), want)

    def grant(self, worker: str, want: int) -> list[Lease]:
        leases = self.scheduler.lease(worker, self.now, want)
        everywhere = {item for items in (*self.unfinished.values(), *self.finished.values()) for item in items}
        assert len(leases) <= want
        assert len({lease.item for lease in leases}) == len(leases)
        for item, attempt, expires in leases:
            assert 0 <= item < self.n
            assert item not in everywhere, "an item is with one live worker at a time"
            assert item not in self.already, "done before the run"
            assert not self.committed[item]
            assert item not in self.poisoned
            self.attempts[item] += 1
            assert attempt == self.attempts[item]
            assert self.now < expires <= self.now + LEASE_SECONDS
        if leases and not self.unfinished[worker] and not self.finished[worker]:
            self.heard[worker] = self.now
        self.unfinished[worker] += [lease.item for lease in leases]
        return leases

    @precondition(lambda self: self.slots)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        worker = self.pick(data)
        self.finish_items(worker, self.some(data, self.unfinished[worker] + self.finished[worker]))

    def finish_items(self, worker: str, items: list[int]) -> None:
        self.scheduler.finished(worker, items, self.now)
        self.heard[worker] = self.now
        for item in items:
            if item in self.unfinished[worker]:
                self.unfinished[worker].remove(item)
                self.finished[worker].append(item)
                self.blamed[item] = 0

    @precondition(lambda self: self.slots)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        worker = self.pick(data)
        self.commit_items(worker, self.some(data, self.unfinished[worker] + self.finished[worker]))

    def commit_items(self, worker: str, items: list[int]) -> None:
        self.scheduler.check(worker, items)
        self.scheduler.committed(worker, items)
        for item in items:
            self.committed[item] += 1
            (self.finished if item in self.finished[worker] else self.unfinished)[worker].remove(item)

    @precondition(lambda self: self.slots)
    @rule(data=st.data())
    def heartbeat(self, data: st.DataObject) -> None:
        worker = self.pick(data)
        assert self.scheduler.renew(worker, self.now) == self.now + LEASE_SECONDS
        self.heard[worker] = self.now

    @precondition(lambda self: self.slots)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        worker = self.pick(data)
        held = {*self.unfinished[worker], *self.finished[worker]}
        back = self.scheduler.worker_lost(worker, self.now)
        assert {*back} == held - self.gone([worker], blame=1)

    @precondition(lambda self: self.slots)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        worker = self.pick(data)
        held = {*self.unfinished[worker], *self.finished[worker]}
        assert {*self.scheduler.worker_left(worker)} == held
        assert not self.gone([worker], blame=0)

    @rule()
    def tick(self) -> None:
        self.now += TICK
        silent = [
            worker
            for worker, heard in self.heard.items()
            if heard + LEASE_SECONDS <= self.now and self.unfinished[worker] + self.finished[worker]
        ]
        lapsed = self.scheduler.expire(self.now)
        assert {*lapsed} == {*silent}
        self.gone(lapsed, blame=1)

    def gone(self, workers: list[str], blame: int) -> set[int]:
        """Record that these workers are gone, and compare what that poisoned."""
        poisoned = set()
        for worker in workers:
            unfinished, finished = self.unfinished.pop(worker), self.finished.pop(worker)
            for item in unfinished:
                self.blamed[item] += blame
                if self.blamed[item] == MAX_ATTEMPTS:
                    assert unfinished == [item], "the blame that poisons falls on an item that ran alone"
                    poisoned.add(item)
            self.past.append((worker, unfinished + finished))
            del self.slots[worker]
            self.heard.pop(worker, None)
        self.poisoned |= poisoned
        assert {*self.scheduler.poisoned()} == {Poisoned(item, self.attempts[item]) for item in poisoned}
        assert self.scheduler.poisoned() == [], "each is handed out once"
        return poisoned

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def word_of_the_dead(self, data: st.DataObject) -> None:
        worker, items = data.draw(st.sampled_from(self.past))
        before = self.scheduler.counts()
        for say in (
            lambda: self.scheduler.finished(worker, items, self.now),
            lambda: self.scheduler.check(worker, items),
            lambda: self.scheduler.committed(worker, items),
            lambda: self.scheduler.renew(worker, self.now),
            lambda: self.scheduler.lease(worker, self.now, 1),
        ):
            with pytest.raises(StaleLease):
                say()
        assert self.scheduler.worker_lost(worker, self.now) == []
        with pytest.raises(ValueError, match="needs a new name"):
            self.scheduler.worker_joined(worker, 1)
        assert self.scheduler.counts() == before

    # --------------------------------------------------------------------------------------------------- what must hold

    @invariant()
    def limits_hold(self) -> None:
        for worker, items in self.unfinished.items():
            assert len(items) <= self.slots[worker]
            assert len(items) + len(self.finished[worker]) <= self.window
            suspects = [item for item in items if self.blamed[item]]
            assert len(suspects) <= max(1, int(self.slots[worker] ** 0.5)), "blamed once: few a worker"
            if any(self.blamed[item] == MAX_ATTEMPTS - 1 for item in items):
                assert len(items) == 1, "blamed twice: alone"

    @invariant()
    def every_item_is_somewhere_once(self) -> None:
        counts = self.scheduler.counts()
        assert all(times <= 1 for times in self.committed.values())
        assert counts.done == len(self.already) + self.committed.total()
        assert counts.poisoned == len(self.poisoned)
        assert counts.unfinished == sum(map(len, self.unfinished.values()))
        assert counts.uncommitted == sum(map(len, self.finished.values()))
        assert counts.total == self.n == sum(counts[1:6])
        assert self.scheduler.idle == (counts.unfinished + counts.uncommitted == 0)
        assert self.scheduler.done == (counts.done + counts.poisoned == self.n)

    def teardown(self) -> None:
        """Workers that live from now on finish all of it, whatever happened, unless so many died that it stopped."""
        if not hasattr(self, "scheduler"):
            return
        self.join(3)
        for _ in range(20 * (self.n + 1)):
            for worker in self.slots:
                leases = self.grant(worker, 2)
                if self.scheduler.flush_due(worker):
                    self.commit_items(worker, [*self.finished[worker]])
                elif not leases and self.unfinished[worker]:
                    self.finish_items(worker, self.unfinished[worker][:1])
            if self.scheduler.done:
                break
        if self.scheduler.stopped is None:
            assert self.scheduler.done
            assert self.already | {*self.committed} | self.poisoned == {*range(self.n)}
        else:
            assert self.scheduler.idle
            assert self.scheduler.counts().workers_lost >= FRUITLESS_LOSSES


TestScheduler = SchedulerMachine.TestCase
TestScheduler.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
