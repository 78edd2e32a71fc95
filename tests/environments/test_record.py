"""Records refuse every change, at every depth, and are the same when their JSON is."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.environments.record import Record, Sealed, freeze, record_hash, thaw
from t2t_dist.environments.state import Base, digest_of

CLOCK = "2026-03-02T09:00:00"


def base() -> Base:
    return Base({"a": {"k": {"n": 1, "list": [3, [1], {"x": 1}], "map": {"y": [1]}}}, "b": {}}, CLOCK)


# -- frozen records ----------------------------------------------------------------------------------------------------
MUTATIONS_OF_A_DICT = {
    "set": lambda d: d.__setitem__("n", 2),
    "add": lambda d: d.__setitem__("new", 2),
    "del": lambda d: d.__delitem__("n"),
    "clear": lambda d: d.clear(),
    "pop": lambda d: d.pop("n"),
    "popitem": lambda d: d.popitem(),
    "setdefault": lambda d: d.setdefault("new", 2),
    "update": lambda d: d.update(n=2),
    "|=": lambda d: d.__ior__({"n": 2}),
}
MUTATIONS_OF_A_LIST = {
    "set": lambda x: x.__setitem__(0, 2),
    "slice": lambda x: x.__setitem__(slice(0, 1), []),
    "del": lambda x: x.__delitem__(0),
    "append": lambda x: x.append(1),
    "extend": lambda x: x.extend([1]),
    "insert": lambda x: x.insert(0, 1),
    "pop": lambda x: x.pop(),
    "remove": lambda x: x.remove(3),
    "clear": lambda x: x.clear(),
    "sort": lambda x: x.sort(key=str),
    "reverse": lambda x: x.reverse(),
    "+=": lambda x: x.__iadd__([1]),
    "*=": lambda x: x.__imul__(2),
}


def parts(value: Any) -> list[Any]:
    """The value and everything in it that could be changed."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [*([value] if isinstance(value, dict | list) else []), *(part for item in inner for part in parts(item))]


def sealed_records() -> list[Record]:
    """One of the base, one that a world edited, one that it added, one that a fork sees."""
    world = base().world()
    world.put("b", "new", {"n": 1, "list": [3, [1], {"x": 1}], "map": {"y": [1]}})
    world.edit("a", "k")["list"].append({"z": [1]})
    world.seal()
    found = [base().tables["a"]["k"], world.get("a", "k"), world.get("b", "new"), world.fork().get("a", "k")]
    return [record for record in found if record is not None]


@pytest.mark.parametrize("which", range(4), ids=["base", "edited", "added", "forked"])
def test_frozen_records_refuse_every_change_at_every_depth(which: int) -> None:
    record = sealed_records()[which]
    before = copy.deepcopy(record)
    assert len(parts(record)) >= 6
    for part in parts(record):
        for change in (MUTATIONS_OF_A_DICT if isinstance(part, dict) else MUTATIONS_OF_A_LIST).values():
            with pytest.raises(TypeError, match=r"use world\.edit"):
                change(part)
    assert record == before


def test_mutations_cover_what_dicts_and_lists_offer() -> None:
    """Every method whose call changes a plain dict or list is one that is refused."""
    reading = {"copy", "fromkeys", "get", "items", "keys", "values", "count", "index"}
    frozen = freeze({"list": []})
    for kind, value in ((dict, frozen), (list, frozen["list"])):
        public = {name for name in dir(kind) if not name.startswith("_")} - reading
        for name in public | ({"__setitem__", "__delitem__"} | {"__ior__", "__iadd__", "__imul__"} & set(dir(kind))):
            with pytest.raises(TypeError, match="shared by all worlds"):
                getattr(value, name)()


def test_copies_of_frozen_values_can_be_changed_and_pickles_are_frozen_again() -> None:
    frozen = freeze({"list": [1, {"x": 1}]})
    free = copy.deepcopy(frozen)
    free["list"][1]["x"] = 2
    assert (free, frozen) == ({"list": [1, {"x": 2}]}, {"list": [1, {"x": 1}]})
    again = pickle.loads(pickle.dumps(frozen))
    assert again == frozen
    with pytest.raises(TypeError):
        again["list"][1]["x"] = 2
    assert orjson.dumps(frozen) == b'{"list":[1,{"x":1}]}'
    assert freeze(frozen) is frozen


# -- numbers and JSON --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (50, 50.0, True),
        (0, -0.0, True),
        ([1, {"x": 2.0}], [1.0, {"x": 2}], True),
        ((1, 2), [1, 2], True),
        ({"x": 1, "y": 2}, {"y": 2, "x": 1}, True),
        (50, 50.5, False),
        (1, True, False),
        (0, None, False),
        ("1.0]", "1]", False),
        (1, "1", False),
        ([1, 2], [2, 1], False),
    ],
)
def test_values_are_the_same_when_their_json_is(one: Any, other: Any, same: bool) -> None:
    shared = Base({"a": {"k": {"value": one}}}, CLOCK)
    edited, replaced = shared.world(), shared.world()
    edited.edit("a", "k")["value"] = other
    assert edited.seal() is (not same)
    replaced.delete("a", "k")
    replaced.seal()
    replaced.put("a", "k", {"value": other})
    replaced.seal()
    for world in (edited, replaced):
        assert (world.digest == shared.world().digest) is same
        assert (world.changes() == []) is same


@pytest.mark.parametrize("value", [{1, 2}, datetime(2026, 1, 1), {5: "not text"}, 1 << 80, "\ud800", object()])
def test_what_is_not_json_is_refused_and_nothing_is_sealed(value: Any) -> None:
    world = base().world()
    digest = world.digest
    world.edit("a", "k")["n"] = 2
    world.put("b", "bad", {"value": value})
    world.put("b", "good", {})
    with pytest.raises(TypeError, match="record 'bad' of table 'b' is not JSON: "):
        world.seal()
    world.discard()
    assert (world.digest, world.changes()) == (digest, [])
    with pytest.raises(TypeError, match="record 'k' of table 'a' is not JSON: "):
        Base({"a": {"k": {"value": value}}}, CLOCK).world()


def test_records_differ_by_where_they_are() -> None:
    record = {"n": 1}
    digests = {digest_of({table: [(key, record)]}) for table in "ab" for key in ("k", "l")}
    assert len(digests) == 4


numbers = st.integers(-(1 << 62), 1 << 62) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=4))
def test_freezing_thawing_and_sealing_keep_the_value_and_the_hash(record: Record) -> None:
    frozen, sealed = freeze(record), Sealed(record, 1).record
    for form in (frozen, thaw(frozen), sealed, thaw(sealed)):
        assert form == record
        assert list(form) == list(record)
        assert record_hash("t", "k", form) == record_hash("t", "k", record)
    assert thaw(frozen) is not record
    assert all(type(part) in (dict, list) for part in parts(thaw(frozen)))


def test_a_sealed_record_is_read_once_and_a_removed_one_is_none() -> None:
    sealed = Sealed({"n": [1]}, 7)
    assert sealed.record is sealed.record
    assert (Sealed(None, 0).record, Sealed(None, 0).hash, sealed.hash) == (None, 0, 7)


@given(st.integers(1 - (1 << 53), (1 << 53) - 1), st.text(max_size=3))
def test_a_whole_float_is_its_integer_anywhere_in_a_record(number: int, text: str) -> None:
    def record(n: float) -> Record:
        return {"a": n, "b": [n, text, n], "c": {text: n, "d": [[n]]}}

    assert record_hash("t", "k", record(float(number))) == record_hash("t", "k", record(number))
    assert record_hash("t", "k", record(number % 1000 + 0.5)) != record_hash("t", "k", record(number % 1000))
