"""A world behaves like a private deep copy of its tables; digest, diff, order and lookups follow from the state."""

from __future__ import annotations

import copy
import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from t2t_dist.environments.record import thaw
from t2t_dist.environments.state import META, Base, Index, Record, RecordDiff, World, diff, digest_of

Tables = dict[str, dict[str, Record]]

CLOCK = "2026-03-02T09:00:00"
TABLES = ("a", "b")
BY_TAGS = Index("a", lambda record: record["tags"])

keys = st.sampled_from(["k1", "k2", "k3", "k4", "k5", "k6"])
tables = st.sampled_from(TABLES)
tags = st.sampled_from(["red", "green", "blue"])
records = st.fixed_dictionaries(
    {
        "n": st.integers(-3, 3) | st.sampled_from([1.5, 2.0, -0.0, 50.0]) | st.booleans() | st.none(),
        "tags": st.lists(tags, max_size=3),
        "deep": st.dictionaries(st.sampled_from("xy"), st.lists(st.integers(0, 2), max_size=2), max_size=2),
    }
)


def canonical(value: Any) -> str:
    """JSON with numbers by value, made without a word of the code under test."""

    def numbers(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: numbers(inner) for key, inner in item.items()}
        if isinstance(item, list):
            return [numbers(inner) for inner in item]
        return int(item) if isinstance(item, float) and item.is_integer() else item

    return json.dumps(numbers(value), sort_keys=True)


def content(world: World) -> Tables:
    return {table: {key: thaw(record) for key, record in world.scan(table)} for table in (*TABLES, META)}


def whole_digest(state: Tables) -> str:
    return digest_of({table: rows.items() for table, rows in state.items()})


class Pair:
    """A world, and the plain dicts that it must be like: ``sealed``, and ``now`` with the open call's edits."""

    def __init__(self, world: World, sealed: Tables) -> None:
        self.world, self.sealed, self.now = world, sealed, copy.deepcopy(sealed)


class Worlds(RuleBasedStateMachine):
    """Several worlds of one base, forked from each other, each beside its plain model."""

    @initialize(rows=st.dictionaries(st.tuples(tables, keys), records, max_size=8))
    def begin(self, rows: dict[tuple[str, str], Record]) -> None:
        self.origin: Tables = {table: {} for table in TABLES} | {META: {"clock": {"now": CLOCK}}}
        for (table, key), record in rows.items():
            self.origin[table][key] = record
        self.base = Base({table: self.origin[table] for table in TABLES}, CLOCK)
        self.pairs = [Pair(self.base.world(), copy.deepcopy(self.origin))]

    def pick(self, data: st.DataObject) -> Pair:
        return self.pairs[data.draw(st.integers(0, len(self.pairs) - 1), "world")]

    @rule(data=st.data(), table=tables, key=keys)
    def get(self, data: st.DataObject, table: str, key: str) -> None:
        pair = self.pick(data)
        assert pair.world.get(table, key) == pair.now[table].get(key)

    @rule(data=st.data(), table=tables, key=keys, record=records)
    def put(self, data: st.DataObject, table: str, key: str, record: Record) -> None:
        pair = self.pick(data)
        given = copy.deepcopy(record)
        pair.world.put(table, key, given)
        pair.now[table][key] = record
        given["tags"].append("changed afterwards")

    @rule(data=st.data(), table=tables, key=keys, record=records)
    def edit(self, data: st.DataObject, table: str, key: str, record: Record) -> None:
        pair = self.pick(data)
        if key not in pair.now[table]:
            with pytest.raises(KeyError, match=f"{table} has no record '{key}'"):
                pair.world.edit(table, key)
            return
        for changed in (pair.world.edit(table, key), pair.now[table][key]):
            changed["n"] = record["n"]
            changed["tags"].extend(record["tags"])
            changed["deep"].setdefault("x", []).append(len(changed["tags"]))

    @rule(data=st.data(), table=tables, key=keys)
    def delete(self, data: st.DataObject, table: str, key: str) -> None:
        pair = self.pick(data)
        pair.world.delete(table, key)
        pair.now[table].pop(key, None)

    @rule(data=st.data())
    def seal(self, data: st.DataObject) -> None:
        pair = self.pick(data)
        before = pair.world.digest
        changed = pair.world.seal()
        assert changed == (canonical(pair.now) != canonical(pair.sealed)) == (pair.world.digest != before)
        pair.sealed = copy.deepcopy(pair.now)

    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        pair = self.pick(data)
        pair.world.discard()
        pair.now = copy.deepcopy(pair.sealed)

    @precondition(lambda self: len(self.pairs) < 5)
    @rule(data=st.data())
    def fork(self, data: st.DataObject) -> None:
        pair = self.pick(data)
        self.pairs.append(Pair(pair.world.fork(), copy.deepcopy(pair.sealed)))

    @rule(data=st.data(), times=st.integers(1, 9))
    def fork_deeply(self, data: st.DataObject, times: int) -> None:
        """One that was forked again and again, with a write between: more layers than are kept."""
        pair = self.pick(data)
        pair.world.discard()
        pair.now = copy.deepcopy(pair.sealed)
        for step in range(times):
            pair.world.put("b", "k1", {"n": step, "tags": [], "deep": {}})
            pair.world.seal()
            pair.world = pair.world.fork()
        pair.now["b"]["k1"] = {"n": times - 1, "tags": [], "deep": {}}
        pair.sealed = copy.deepcopy(pair.now)

    @rule(data=st.data())
    def adopt(self, data: st.DataObject) -> None:
        pair, other = self.pick(data), self.pick(data)
        assume(pair is not other)
        pair.world.adopt(other.world)
        pair.sealed, pair.now = copy.deepcopy(other.sealed), copy.deepcopy(other.sealed)

    @rule(data=st.data())
    def compare(self, data: st.DataObject) -> None:
        one, other = self.pick(data), self.pick(data)
        expected = [
            (table, key, one.sealed[table].get(key), other.sealed[table].get(key))
            for table in sorted(one.sealed)
            for key in sorted({*one.sealed[table], *other.sealed[table]})
            if canonical(one.sealed[table].get(key)) != canonical(other.sealed[table].get(key))
        ]
        assert [canonical(list(change)) for change in diff(one.world, other.world)] == [
            canonical(list(change)) for change in expected
        ]
        assert (one.world.digest == other.world.digest) == (not expected)

    @rule(data=st.data(), tag=tags)
    def lookup(self, data: st.DataObject, tag: str) -> None:
        world = self.pick(data).world
        assert list(world.lookup(BY_TAGS, tag)) == [(k, r) for k, r in world.scan("a") if tag in r["tags"]]

    @invariant()
    def every_world_is_like_its_model(self) -> None:
        for pair in getattr(self, "pairs", ()):
            assert content(pair.world) == pair.now
            for table in TABLES:
                listed = [key for key, _ in pair.world.scan(table)]
                assert listed == sorted(listed, key=lambda key: self.place(table, key))
            assert pair.world.digest == whole_digest(pair.sealed)
            assert [c[:2] for c in pair.world.changes()] == [c[:2] for c in diff(self.base.world(), pair.world)]

    def place(self, table: str, key: str) -> tuple[int, str]:
        order = list(self.origin[table])
        return (order.index(key), "") if key in order else (len(order), key)

    @invariant()
    def base_stays(self) -> None:
        if hasattr(self, "base"):
            assert self.base.tables == self.origin
            assert self.base.world().digest == whole_digest(self.origin)


Worlds.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, report_multiple_bugs=False)
TestWorlds = Worlds.TestCase


# -- copies ----------------------------------------------------------------------------------------------------------
def base() -> Base:
    return Base({"a": {"k": {"n": 1, "list": [3, [1], {"x": 1}], "map": {"y": [1]}}}, "b": {}}, CLOCK)


def test_what_was_given_to_the_base_or_to_put_is_copied() -> None:
    given: Tables = {"a": {"k": {"list": [1]}}}
    shared = Base(given, CLOCK)
    world = shared.world()
    record = {"list": [1]}
    world.put("a", "new", record)
    world.seal()
    given["a"]["k"]["list"].append(2)
    given["a"]["other"] = {}
    record["list"].append(2)
    assert dict(world.scan("a")) == {"k": {"list": [1]}, "new": {"list": [1]}}


def test_an_edited_record_kept_after_its_call_no_longer_touches_the_world() -> None:
    world = base().world()
    kept = world.edit("a", "k")
    kept["n"] = 2
    world.seal()
    digest = world.digest
    kept["n"] = 3
    kept["list"].append(9)
    assert world.seal() is False
    assert (world.digest, world.get("a", "k")["n"]) == (digest, 2)  # type: ignore[index]


# -- reset and fork ----------------------------------------------------------------------------------------------------
def test_reset_is_a_fresh_world_and_base_is_untouched() -> None:
    shared = base()
    fresh = shared.world().digest
    world = shared.world()
    world.edit("a", "k")["map"]["y"].append(2)
    world.put("b", "new", {})
    assert world.seal() is True
    assert shared.world().digest == fresh == Base({"a": dict(shared.tables["a"]), "b": {}}, CLOCK).world().digest
    assert world.digest != fresh
    assert content(shared.world()) == content(base().world())


def test_touched_tells_of_a_call_under_way() -> None:
    world = base().world()
    assert not world.touched
    world.edit("a", "k")
    assert world.touched
    world.discard()
    assert not world.touched
    world.delete("a", "k")
    assert world.touched
    world.seal()
    assert not world.touched


def test_open_edits_are_not_carried_into_a_fork() -> None:
    world = base().world()
    world.edit("a", "k")["n"] = 7
    child = world.fork()
    world.seal()
    assert child.get("a", "k")["n"] == 1  # type: ignore[index]
    assert world.get("a", "k")["n"] == 7  # type: ignore[index]


def test_layers_are_merged_and_a_deep_fork_still_reads_everything() -> None:
    world = base().world()
    for step in range(40):
        world.put("b", f"r{step:02}", {"n": step})
        if step % 3 == 0 and step:
            world.delete("b", f"r{step - 1:02}")
        world.seal()
        world = world.fork()
    expected = {f"r{s:02}": {"n": s} for s in range(40) if not ((s + 1) % 3 == 0 and s < 39)}
    assert dict(world.scan("b")) == expected
    assert len(world._layers) <= 7
    assert world.digest == whole_digest(content(world))


def test_adopting_leaves_the_two_independent() -> None:
    world = base().world()
    private = world.fork()
    private.edit("a", "k")["n"] = 2
    private.seal()
    world.edit("a", "k")["n"] = 99
    world.adopt(private)
    assert (world.seal(), world.get("a", "k")["n"]) == (False, 2)  # type: ignore[index]
    private.edit("a", "k")["n"] = 3
    private.seal()
    assert world.get("a", "k")["n"] == 2  # type: ignore[index]
    world.edit("a", "k")["n"] = 4
    world.seal()
    assert private.get("a", "k")["n"] == 3  # type: ignore[index]


def test_worlds_of_different_bases_do_not_mix() -> None:
    one, other = base().world(), base().world()
    with pytest.raises(ValueError, match="different bases"):
        diff(one, other)
    with pytest.raises(ValueError, match="another base"):
        one.adopt(other)


def test_order_of_a_scan_follows_from_the_state_alone() -> None:
    one, other = base().world(), base().world()
    for world, order in ((one, "xyz"), (other, "zxy")):
        for key in order:
            world.put("b", key, {"n": 1})
            world.seal()
    assert one.digest == other.digest
    assert list(one.scan("b")) == list(other.scan("b")) == [(key, {"n": 1}) for key in "xyz"]


# -- changes -----------------------------------------------------------------------------------------------------------
def test_fields_of_a_change() -> None:
    assert RecordDiff("a", "k", {"x": 1, "y": 1, "gone": 3}, {"y": 1, "x": 2, "new": 4}).fields() == {
        "x": (1, 2),
        "gone": (3, None),
        "new": (None, 4),
    }
    assert RecordDiff("a", "k", None, {"x": 1}).fields() == {"x": (None, 1)}
    assert RecordDiff("a", "k", {"x": 1}, None).fields() == {"x": (1, None)}
    assert RecordDiff("a", "k", {"x": None}, {}).fields() == {"x": (None, None)}


# -- clock and ids -----------------------------------------------------------------------------------------------------
def test_clock_moves_only_when_told_and_is_part_of_the_state() -> None:
    world = base().world()
    assert world.now == datetime.fromisoformat(CLOCK)
    before = world.digest
    world.advance(days=1, minutes=5)
    assert world.now == datetime(2026, 3, 3, 9, 5)
    child = world.fork()
    world.seal()
    assert world.digest != before
    assert child.now == datetime.fromisoformat(CLOCK)
    world.advance(days=-1, minutes=-5)
    world.seal()
    assert world.digest == before


@given(
    st.lists(st.tuples(st.sampled_from(["refund", "note", "clock"]), st.sampled_from(["", "o1", "o2"])), max_size=12)
)
def test_ids_of_a_scope_count_from_one_whatever_is_issued_elsewhere(asked: list[tuple[str, str]]) -> None:
    def issue(order: list[tuple[str, str]]) -> tuple[dict[tuple[str, str], list[str]], str]:
        world = base().world()
        issued: dict[tuple[str, str], list[str]] = {}
        for prefix, scope in order:
            issued.setdefault((prefix, scope), []).append(world.new_id(prefix, *([scope] if scope else [])))
            world.seal()
        return issued, world.digest

    issued, digest = issue(asked)
    for (prefix, scope), ids in issued.items():
        stem = f"{prefix}-{scope}" if scope else prefix
        assert ids == [f"{stem}-{number}" for number in range(1, len(ids) + 1)]
    every = [one for ids in issued.values() for one in ids]
    assert len(set(every)) == len(every)
    assert issue(sorted(asked)) == (issued, digest) == issue(asked[::-1])


def test_a_discarded_id_is_issued_again() -> None:
    world = base().world()
    assert world.new_id("refund", "o1") == "refund-o1-1"
    world.discard()
    assert world.new_id("refund", "o1") == "refund-o1-1"
    assert world.new_id("refund", "o1") == "refund-o1-2"


# -- lookups -----------------------------------------------------------------------------------------------------------
def test_an_index_is_built_once_a_base() -> None:
    seen: list[int] = []

    def values(record: Record) -> list[int]:
        seen.append(record["n"])
        return [record["n"]]

    index = Index("a", values)
    shared = Base({"a": {str(n): {"n": n % 3} for n in range(9)}}, CLOCK)
    assert [key for key, _ in shared.world().lookup(index, 1)] == ["1", "4", "7"]
    assert [key for key, _ in shared.world().lookup(index, 2)] == ["2", "5", "8"]
    assert len(seen) == 9


def test_lookup_sees_open_edits_and_finds_a_record_once() -> None:
    shared = Base({"a": {key: {"tags": ["red", "red"]} for key in "pqr"}}, CLOCK)
    world = shared.world()
    world.edit("a", "q")["tags"] = ["blue"]
    world.put("a", "b", {"tags": ["red", "blue"]})
    assert [key for key, _ in world.lookup(BY_TAGS, "red")] == ["p", "r", "b"]
    assert [key for key, _ in world.lookup(BY_TAGS, "blue")] == ["q", "b"]
    world.discard()
    assert [key for key, _ in world.lookup(BY_TAGS, "red")] == ["p", "q", "r"]
    assert list(world.lookup(Index("no such table", lambda record: []), "red")) == []


def test_keys_and_positions_of_a_table() -> None:
    shared = Base({"a": {"z": {}, "b": {}, "m": {}}}, CLOCK)
    assert list(shared.keys("a")) == ["z", "b", "m"]
    assert shared.positions("a") == {"z": 0, "b": 1, "m": 2}
    assert shared.keys("a") is shared.keys("a")
    assert shared.keys("none") == []
