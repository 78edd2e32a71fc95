"""The shares of slots under arbitrary events: whatever happens, no more episodes run at once than there are slots."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from t2t_dist.cluster.scheduling.slots import SlotShares

LEASE_S = 4


@dataclass
class Worker:
    """A worker as it is, which the shares know from its reports alone."""

    limit: int = 0
    running: int = 0
    on_its_way: int | None = None  # a limit ordered, not received yet
    said: int | None = None  # episodes in a report that is not read yet
    asked: bool = False

    @property
    def most(self) -> int:
        """Episodes that it runs, or may begin before it hears from the driver again."""
        return max(self.running, self.limit, self.on_its_way or 0)


class SharesMachine(RuleBasedStateMachine):
    """Workers that begin as many episodes as they may, beside the shares."""

    @initialize(total=st.integers(1, 12))
    def start(self, total: int) -> None:
        self.total, self.now, self.names = total, 0, 0
        self.shares = SlotShares(total)
        self.workers: dict[str, Worker] = {}
        self.leaving: set[str] = set()
        self.ending: dict[str, tuple[int, Worker]] = {}

    def pick(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.workers)), label="worker")

    @precondition(lambda self: len(self.workers) < 6)
    @rule()
    def join(self) -> None:
        name = f"w{self.names}"
        self.names += 1
        self.shares.joined(name)
        self.workers[name] = Worker()

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), expected=st.integers(0, 3))
    def ask(self, data: st.DataObject, expected: int) -> None:
        self.ask_one(self.pick(data), expected)

    def ask_one(self, name: str, expected: int = 0) -> None:
        worker = self.workers[name]
        if not worker.asked:
            worker.asked, worker.on_its_way = True, self.shares.order(name, self.now, expected)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def receive(self, data: st.DataObject) -> None:
        self.receive_one(self.pick(data))

    def receive_one(self, name: str) -> None:
        worker = self.workers[name]
        if worker.on_its_way is not None:
            worker.limit, worker.on_its_way = worker.on_its_way, None

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def begin_all(self, data: st.DataObject) -> None:
        worker = self.workers[self.pick(data)]
        worker.running = max(worker.running, worker.limit)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), ended=st.integers(1, 12))
    def end(self, data: st.DataObject, ended: int) -> None:
        worker = self.workers[self.pick(data)]
        worker.running = max(0, worker.running - ended)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def report(self, data: st.DataObject) -> None:
        self.report_one(self.pick(data))

    def report_one(self, name: str) -> None:
        worker = self.workers[name]
        if worker.asked and worker.on_its_way is None:
            worker.said = worker.running

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        self.read_one(self.pick(data))

    def read_one(self, name: str) -> None:
        worker = self.workers[name]
        if worker.said is not None:
            self.shares.reported(name, worker.said)
            worker.said, worker.asked = None, False

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        name = self.pick(data)
        self.leaving.add(name)
        self.shares.leaving(name)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), ended=st.booleans())
    def go(self, data: st.DataObject, ended: bool) -> None:
        name = self.pick(data)
        worker = self.workers.pop(name)
        self.leaving.discard(name)
        if not ended:
            self.ending[name] = self.now + LEASE_S, worker
        self.shares.gone(name, None if ended else self.now + LEASE_S)
        self.shares.gone(name)

    @precondition(lambda self: self.ending)
    @rule(data=st.data())
    def ended(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.ending)), label="ended")
        del self.ending[name]
        self.shares.ended(name)
        self.shares.ended(name)

    @rule()
    def tick(self) -> None:
        self.now += 1
        self.ending = {name: gone for name, gone in self.ending.items() if gone[0] > self.now}

    @invariant()
    def never_more_than_there_are(self) -> None:
        if hasattr(self, "shares"):
            most = sum(
                worker.most for worker in [*self.workers.values(), *(worker for _, worker in self.ending.values())]
            )
            assert most <= self.total

    def teardown(self) -> None:
        """Once the lost have ended, all slots are in use, as evenly as they can be."""
        if not hasattr(self, "shares"):
            return
        self.now += LEASE_S
        for name in self.leaving:
            self.shares.gone(name)
            del self.workers[name]
        if not self.workers:  # slots come free when somebody asks for them
            self.join()
        for _ in range(4):
            for name in self.workers:
                self.ask_one(name)
                self.receive_one(name)
                self.workers[name].running = self.workers[name].limit  # what was begun before ends
                self.report_one(name)
                self.read_one(name)
        limits = [worker.limit for worker in self.workers.values()]
        assert sum(limits) == self.total == self.shares.taken
        assert max(limits) - min(limits) <= 1


TestShares = SharesMachine.TestCase
TestShares.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)


def test_slots_are_kept_for_workers_that_will_join_soon_and_taken_from_nobody() -> None:
    shares = SlotShares(256)
    shares.joined("a")
    assert shares.order("a", 0.0, expected=1) == 128
    assert shares.order("a", 1.0) == 256, "nobody comes any more"
    assert shares.order("a", 2.0, expected=1) == 256
    shares.joined("b")
    assert shares.order("b", 3.0) == 0, "all are taken until a has given some back"
    assert shares.order("a", 3.0) == 128
    shares.reported("a", 200)
    assert shares.order("b", 4.0) == 56
    shares.reported("a", 90)
    assert shares.order("b", 5.0) == 128


def test_with_fewer_slots_than_workers_the_next_one_gets_that_of_a_worker_that_goes() -> None:
    shares = SlotShares(1)
    for name in ("a", "b", "c"):
        shares.joined(name)
    assert [shares.order(name, 0.0) for name in ("a", "b", "c")] == [1, 0, 0]
    shares.gone("a", until=60.0)
    assert [shares.order(name, 59.0) for name in ("b", "c")] == [0, 0], "a may still be running something"
    assert [shares.order(name, 60.0) for name in ("b", "c")] == [1, 0]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="let nothing run"):
        SlotShares(0)
    shares = SlotShares(1)
    shares.joined("a")
    with pytest.raises(ValueError, match="here already"):
        shares.joined("a")
