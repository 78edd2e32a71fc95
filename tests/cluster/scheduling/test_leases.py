"""The table of leases against a model that keeps a deadline for every single lease and searches them all."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from t2t_dist.cluster.scheduling.leases import LeaseTable, Load, StaleLease

TERM = 60.0


class LeaseTableMachine(RuleBasedStateMachine):
    """Workers come, work, fall silent and go; every answer of the table is compared with the model's."""

    workers = Bundle("workers")

    def __init__(self) -> None:
        super().__init__()
        self.table = LeaseTable(TERM)
        self.now = 0.0
        self.table.lapsed(self.now)
        self.unfinished: dict[str, list[int]] = {}
        self.finished: dict[str, list[int]] = {}
        self.deadline: dict[tuple[str, int], float] = {}
        self.names = 0
        self.items = 0

    def held(self, worker: str) -> list[int]:
        return self.unfinished[worker] + self.finished[worker]

    def renewed(self, worker: str) -> None:
        for item in self.held(worker):
            self.deadline[worker, item] = self.now + TERM

    @rule(target=workers)
    def join(self) -> str:
        worker = f"w{self.names}"
        self.names += 1
        self.table.join(worker)
        self.unfinished[worker], self.finished[worker] = [], []
        return worker

    @rule(worker=workers, count=st.integers(0, 4))
    def grant(self, worker: str, count: int) -> None:
        items = list(range(self.items, self.items + count))
        self.items += count
        held = self.held(worker)
        deadline = self.deadline[worker, held[0]] if held else self.now + TERM
        assert self.table.grant(worker, items, self.now) == deadline
        self.unfinished[worker] += items
        self.deadline.update({(worker, item): deadline for item in items})

    @rule(worker=workers, data=st.data())
    def finish(self, worker: str, data: st.DataObject) -> None:
        items = data.draw(st.lists(st.sampled_from(self.held(worker) or [-1])))
        if -1 in items:
            with pytest.raises(StaleLease):
                self.table.finish(worker, items, self.now)
            return
        self.table.finish(worker, items, self.now)
        for item in items:
            if item in self.unfinished[worker]:
                self.unfinished[worker].remove(item)
                self.finished[worker].append(item)
        self.renewed(worker)

    @rule(worker=workers, data=st.data())
    def release(self, worker: str, data: st.DataObject) -> None:
        items = set(data.draw(st.lists(st.sampled_from(self.held(worker)), max_size=3))) if self.held(worker) else set()
        assert self.table.release(worker, [*items]) == len(items)
        for item in items:
            (self.unfinished if item in self.unfinished[worker] else self.finished)[worker].remove(item)
            del self.deadline[worker, item]

    @rule(worker=workers, others=workers)
    def refuse_what_another_holds(self, worker: str, others: str) -> None:
        before = self.table.load(worker)
        for item in self.held(others):
            if worker != others:
                with pytest.raises(StaleLease):
                    self.table.release(worker, [*self.held(worker), item])
        assert self.table.load(worker) == before, "a refused batch must change nothing"

    @rule(worker=workers)
    def renew(self, worker: str) -> None:
        assert self.table.renew(worker, self.now) == self.now + TERM
        self.renewed(worker)

    @rule(worker=consumes(workers))
    def drop(self, worker: str) -> None:
        holding = self.table.drop(worker)
        assert [*holding.unfinished] == self.unfinished[worker]
        assert sorted(holding.finished) == sorted(self.finished[worker])
        for item in self.held(worker):
            del self.deadline[worker, item]
        del self.unfinished[worker], self.finished[worker]
        for late in (
            lambda: self.table.finish(worker, [], self.now),
            lambda: self.table.release(worker, []),
            lambda: self.table.renew(worker, self.now),
            lambda: self.table.drop(worker),
        ):
            with pytest.raises(StaleLease):
                late()

    @rule(seconds=st.floats(0, TERM / 2 - 1))
    def look(self, seconds: float) -> None:
        self.now += seconds
        expected = {worker for (worker, _), deadline in self.deadline.items() if deadline <= self.now}
        assert set(self.table.lapsed(self.now)) == expected

    @rule(seconds=st.floats(TERM / 2 + 1, 10 * TERM))
    def look_after_a_pause(self, seconds: float) -> None:
        self.now += seconds
        assert self.table.lapsed(self.now) == [], "a driver that was away can't tell who was silent"
        for worker in self.unfinished:
            self.renewed(worker)

    @invariant()
    def loads_agree(self) -> None:
        for worker in self.unfinished:
            assert self.table.load(worker) == Load(len(self.unfinished[worker]), len(self.finished[worker]))
        assert self.table.unfinished == sum(map(len, self.unfinished.values()))
        assert self.table.uncommitted == sum(map(len, self.finished.values()))


TestLeaseTable = LeaseTableMachine.TestCase
TestLeaseTable.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_longest_silent_lapses_first() -> None:
    table = LeaseTable(TERM)
    for now, worker in enumerate("abc"):
        table.join(worker)
        table.grant(worker, [now], float(now))
    table.renew("a", 3.0)
    assert [table.lapsed(now) for now in (30.0, 60.0, 61.0, 62.5, 63.0)] == [[], [], ["b"], ["b", "c"], ["b", "c", "a"]]


def test_a_late_heartbeat_counts_until_the_lapse_is_declared() -> None:
    table = LeaseTable(TERM)
    table.join("a")
    table.grant("a", [0], 0.0)
    table.lapsed(40.0)
    assert table.renew("a", TERM + 5) == 2 * TERM + 5
    assert table.lapsed(TERM + 6) == []


def test_handing_work_to_a_hanging_worker_does_not_keep_it_alive() -> None:
    table = LeaseTable(TERM)
    table.join("a")
    for now in (0.0, 20.0, 40.0):
        assert table.grant("a", [int(now)], now) == TERM
        table.lapsed(now)
    assert table.lapsed(TERM) == ["a"]


def test_a_finished_item_is_a_sign_of_life_for_all_that_is_held() -> None:
    table = LeaseTable(TERM)
    table.join("a")
    table.grant("a", [0, 1], 0.0)
    table.lapsed(30.0)
    table.finish("a", [0], 45.0)
    assert table.lapsed(TERM) == []
    assert table.lapsed(75.0) == []
    assert table.lapsed(45.0 + TERM) == ["a"]


def test_time_does_not_run_backwards() -> None:
    table = LeaseTable(TERM)
    table.join("a")
    table.grant("a", [0], 100.0)
    assert table.renew("a", 50.0) == 100.0 + TERM


def test_a_name_joins_once_at_a_time_and_a_term_is_positive() -> None:
    table = LeaseTable(TERM)
    table.join("a")
    with pytest.raises(ValueError, match="'a' is here already"):
        table.join("a")
    with pytest.raises(ValueError, match="longer than 0 s"):
        LeaseTable(0)
