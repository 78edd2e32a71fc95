"""Worlds on one live environment: each is as if it had the environment to itself, and the base stays as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.environments.adapters.tau2 import adapted
from t2t_dist.environments.adapters.tau2.bench import Bench, set_up
from t2t_dist.environments.adapters.tau2.ground import BenchGround, FreshGround, ground_of
from t2t_dist.environments.adapters.tau2.naming import Hints
from t2t_dist.environments.adapters.tau2.tables import ORDER, Tracked
from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import World, digest_of
from t2t_dist.environments.tools import Call, ToolCrash
from tests.support.toy_tau2 import PhoneDB, PhoneKit, Shop, ShopKit, Toy, tool

MEMBERS, ORDERS, BILLS = ("m1", "m2", "m9"), ("O1", "O2", "O3", "O13"), ("b1", "b2", "N4", "b9")


def calls() -> st.SearchStrategy[Call]:
    order, member = st.sampled_from(ORDERS), st.sampled_from(MEMBERS)
    return st.one_of(
        st.builds(lambda o: Call("cancel_order", {"order_id": o, "reason": "mistake"}), order),
        st.builds(
            lambda o, m: Call("pay_order", {"order_id": o, "payment_method_id": m}),
            order,
            st.sampled_from(["gift_1", "card_1", "gift_2"]),
        ),
        st.builds(lambda m: Call("place_order", {"member_id": m, "item_ids": ["i1"]}), member),
        st.builds(lambda o: Call("drop_order", {"order_id": o}), order),
        st.builds(lambda m: Call("bill_first", {"member_id": m, "due": 3.0}), member),
        st.just(Call("turn_bills", {})),
        st.builds(lambda b: Call("pay_bill", {"bill_id": b}), st.sampled_from(BILLS)),
        st.builds(lambda b: Call("bar_all", {"barred": b}), st.booleans()),
        st.just(Call("toggle_airplane_mode", {})),
        st.just(Call("check_phone", {})),
        st.just(Call("count_orders", {})),
        st.builds(lambda m: Call("list_bills", {"member_id": m}), member),
        st.builds(lambda m: Call("get_member_details", {"member_id": m}), member),
        st.just(Call("find_member_id_by_email", {"email": "finn@example.com"})),
    )


class Alone:
    """An environment of its own."""

    def __init__(self) -> None:
        self.env = Shop()

    def call(self, call: Call, side: str) -> str:
        try:
            result = self.env.make_tool_call(
                call.name, requestor="user" if side == "user" else "assistant", **call.arguments
            )
            self.env.sync_tools()
        except Exception as error:
            return f"Error: {error}"
        return self.env.to_json_str(result)

    def state(self) -> dict[str, Any]:
        own = self.env.user_tools.db.model_dump(mode="json")
        return self.env.tools.db.model_dump(mode="json") | {f"user.{name}": value for name, value in own.items()}


def state_of(world: World) -> dict[str, Any]:
    """The same of a world."""
    found: dict[str, Any] = {}
    for name in ("members", "orders", "bills", "opened", "user.phone", "user.owner"):
        records = dict(world.scan(name))
        if name == "bills":
            order = world.get(ORDER, name)
            found[name] = [records[key] for key in (order["keys"] if order else records)]
        elif name in ("members", "orders"):
            found[name] = records
        else:
            record = records["value"]
            found[name] = record["value"] if set(record) == {"value"} else record
    return found


@pytest.fixture(scope="module")
def toy() -> Domain:
    return Toy()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), calls()), max_size=25))
def test_worlds_in_turn_are_as_if_each_were_alone(toy: Domain, steps: list[tuple[int, Call]]) -> None:
    worlds, alone = [toy.world() for _ in range(3)], [Alone() for _ in range(3)]
    for number, call in steps:
        side = toy.side_of(call.name)
        result = toy.execute(worlds[number], call)
        text = alone[number].call(call, side)
        assert (result.content, result.error) == (text, text.startswith("Error: "))
    for world, other in zip(worlds, alone, strict=True):
        assert state_of(world) == other.state()
        tables = {name: list(world.scan(name)) for name in {*toy.base.tables, ORDER}}
        assert digest_of(tables) == world.digest
    untouched = toy.world()
    assert state_of(untouched) == Alone().state()
    assert toy.execute(untouched, Call("count_orders", {})).content == '"12"'


def test_forks_go_their_own_ways(toy: Domain) -> None:
    world = toy.world()
    toy.execute(world, Call("place_order", {"member_id": "m1", "item_ids": ["i1"]}))
    fork = world.fork()
    toy.execute(fork, Call("cancel_order", {"order_id": "O13", "reason": "mistake"}))
    assert world.get("orders", "O13")["status"] == "pending"  # type: ignore[index]
    assert fork.get("orders", "O13")["status"] == "cancelled"  # type: ignore[index]
    assert toy.execute(world, Call("get_order_details", {"order_id": "O13"})).value["status"] == "pending"


def test_a_refused_call_keeps_what_it_did_and_says_what_the_tool_says(toy: Domain) -> None:
    world = toy.world()
    result = toy.execute(world, Call("pay_order", {"order_id": "O8", "payment_method_id": "gift_4"}))
    assert (result.error, result.content) == (True, "Error: The gift card's balance is too low")
    assert toy.execute(world, Call("get_order_details", {"order_id": "O8"})).value["status"] == "paying"
    assert toy.execute(toy.world(), Call("get_order_details", {"order_id": "O8"})).value["status"] == "pending"


def test_wrong_names_and_arguments_are_answered_as_tau2_does(toy: Domain) -> None:
    world = toy.world()
    assert toy.tools.execute(world, "no_such_tool", {}).content == "Error: Tool 'no_such_tool' not found."
    assert toy.tools.execute(world, "check_phone", {}, "agent").content == "Error: Tool 'check_phone' not found."
    for name in ("colour", "world", "self"):
        assert f"'{name}'" in toy.tools.execute(world, "count_orders", {name: 1}).content
    assert "not JSON" in toy.tools.execute(world, "count_orders", "{").content


@pytest.mark.parametrize("amount", ["NaN", "-Infinity", "1e400", "1" + 40 * "0", "5", "5.0", '"é\\u00e9"', "null"])
def test_arguments_are_read_as_tau2_reads_them(toy: Domain, amount: str) -> None:
    text = f'{{"order_id": "O2", "amount": {amount}}}'
    wanted = Alone().call(Call("set_amount", json.loads(text)), "agent")
    assert toy.tools.execute(toy.world(), "set_amount", text).content == wanted


def test_a_side_without_tools_is_told_so(toy: Domain) -> None:
    class Deskless(Shop):
        def __init__(self) -> None:
            super().__init__()
            self.user_tools = None

    alone = adapted("alone", Deskless, Hints(customers="members"))()
    result = alone.tools.execute(alone.world(), "check_phone", "{}", "user")
    assert (result.content, result.error) == ("Error: User tools not available", True)


def test_tools_that_are_not_shown_can_be_called(toy: Domain) -> None:
    """tau2 lets a side call what it should discover first, and each side has its own tools, whatever their names."""
    phone = {name: tool for name, tool in vars(PhoneKit).items() if not name.startswith("__")}

    class Hiding(Shop):
        def __init__(self) -> None:
            super().__init__()
            self.tools.is_discoverable = lambda name: name == "drop_order"
            self.user_tools = type("Both", (PhoneKit,), phone | {"count_orders": PhoneKit.check_phone})(PhoneDB())

    hiding = adapted("hiding", Hiding, Hints(customers="members"))()
    assert "drop_order" not in hiding.tools
    assert hiding.tools.execute(hiding.world(), "drop_order", '{"order_id": "O1"}').content == "Dropped"
    assert hiding.tools.execute(hiding.world(), "count_orders", "{}").content == '"12"'
    assert "service" in hiding.tools.execute(hiding.world(), "count_orders", "{}", "user").content


def test_the_two_sides_are_synchronised_after_a_call(toy: Any) -> None:
    world = toy.world_from(
        {"initialization_actions": [{"env_type": "user", "func_name": "own", "arguments": {"member_id": "m1"}}]}
    )
    assert "service True" in toy.execute(world, Call("check_phone", {})).content
    toy.execute(world, Call("bar_all", {"barred": True}))
    assert "service False" in toy.execute(world, Call("check_phone", {})).content
    assert "service True" in toy.execute(toy.world(), Call("check_phone", {})).content


def test_a_state_that_can_not_be_set_up_is_said(toy: Any) -> None:
    action = {"env_type": "assistant", "func_name": "set_status", "arguments": {"order_id": "O99", "status": "sent"}}
    with pytest.raises(ValueError, match="initial state can't be set up: KeyError: 'O99'"):
        toy.world_from({"initialization_actions": [action]})
    with pytest.raises(ValueError, match="no attribute 'fly'"):
        toy.world_from({"initialization_actions": [{"env_type": "user", "func_name": "fly", "arguments": {}}]})


def test_data_of_a_state_is_laid_over_the_database(toy: Any) -> None:
    world = toy.world_from({"initialization_data": {"agent_data": {"orders": {"O1": {"status": "lost"}}, "opened": 3}}})
    assert toy.execute(world, Call("get_order_details", {"order_id": "O1"})).value["status"] == "lost"
    assert world.get("opened", "value") == {"value": 3}
    assert toy.execute(toy.world(), Call("get_order_details", {"order_id": "O1"})).value["status"] == "pending"


@pytest.mark.parametrize(
    "data",
    [
        {"agent_data": {"opened": 3}},
        {"user_data": {"phone": {"airplane_mode": True}}},
        {"agent_data": {"opened": 3}, "user_data": {"opened": 4}},
    ],
)
def test_data_of_a_state_makes_one_database_of_both_sides(toy: Any, data: dict[str, Any]) -> None:
    """As in tau2: the tools of the side without data find nothing of theirs there."""
    state, alone = {"initialization_data": data}, Alone()
    set_up(alone.env, state)
    world = toy.world_from(state)
    names = ("check_phone", "toggle_airplane_mode", "check_phone", "count_orders", "turn_bills", "count_orders")
    answers = [alone.call(Call(name, {}), toy.side_of(name)) for name in names]
    assert [toy.execute(world, Call(name, {})).content for name in names] == answers
    assert any("object has no attribute" in answer for answer in answers)
    assert toy.execute(toy.world(), Call("check_phone", {})).content == Alone().call(Call("check_phone", {}), "user")


def test_what_a_toolkit_keeps_beside_its_database_is_a_worlds_own() -> None:
    class Unlocking(ShopKit):
        def __init__(self, db: Any) -> None:
            super().__init__(db)
            self.unlocked, self.seen = {"orders": [1]}, {"O1"}

        @tool("write")
        def unlock(self, what: str) -> str:
            """Unlock a tool."""
            self.unlocked.setdefault(what, []).append(len(self.seen))
            self.seen.add(what)
            return f"{self.unlocked} {sorted(self.seen)}"

    class Locked(Shop):
        def __init__(self) -> None:
            super().__init__()
            tools = {**vars(ShopKit), **vars(Unlocking)}
            self.tools = type("All", (Unlocking,), {n: t for n, t in tools.items() if hasattr(t, "kind")})(
                self.tools.db
            )

    domain: Any = adapted("locked", Locked, Hints(customers="members"))()
    one, other, alone = domain.world(), domain.world(), Alone()
    alone.env = Locked()
    for what in ("orders", "bills", "orders"):
        call = Call("unlock", {"what": what})
        assert domain.execute(one, call).content == alone.call(call, "agent")
        domain.execute(other.fork(), call)
    assert (
        domain.execute(other, Call("unlock", {"what": "bills"})).content
        == "{'orders': [1], 'bills': [1]} ['O1', 'bills']"
    )
    with domain.ground(None) as ground:
        ground.call("unlock", {"what": "bills"}, "assistant")
        assert ground.state() == {}  # no part of tau2's hashes


@settings(max_examples=60, deadline=None)
@given(st.lists(calls(), max_size=6), st.lists(calls(), max_size=6), st.booleans())
def test_the_bench_and_new_environments_tell_the_same_states_apart(
    toy: Any, first: list[Call], second: list[Call], again: bool
) -> None:
    domain, second = toy, first if again else second

    def state(ground: Any, made: list[Call]) -> Any:
        for call in made:
            try:
                ground.call(call.name, call.arguments, "user" if domain.side_of(call.name) == "user" else "assistant")
                ground.sync()
            except Exception:
                pass  # what it did by then stays, as in tau2
        return ground.state()

    lent = []
    for made in (first, second):
        with domain.ground(None) as ground:
            assert isinstance(ground, BenchGround)
            lent.append(state(ground, made))
    alone = [state(FreshGround(Shop()), made) for made in (first, second)]
    assert (lent[0] == lent[1]) == (alone[0] == alone[1])
    with domain.ground(None) as ground:
        assert ground.state() == {}  # lent again, it is as it was at first


def test_data_for_a_side_asks_for_a_new_environment(toy: Any) -> None:
    with ground_of(toy.bench, toy.base, {"initialization_data": {"agent_data": {"opened": 1}}}) as ground:
        assert isinstance(ground, FreshGround)


@pytest.mark.parametrize(
    "look",
    [
        lambda d: d["a"],
        lambda d: d.get("a"),
        lambda d: dict(d),
        lambda d: {**d},
        lambda d: d | {},
        lambda d: {} | d,
        lambda d: d.copy(),
        lambda d: list(d.values()),
        lambda d: list(d.items()),
        lambda d: next(iter(d.values())),
        lambda d: d.pop("a"),
        lambda d: d.popitem(),
        lambda d: d.clear(),
        lambda d: d.update(a=1),
        lambda d: d.setdefault("a", 1),
        lambda d: d.__ior__({"a": 1}),
        lambda d: d.__setitem__("a", 1),
        lambda d: d.__delitem__("a"),
        lambda d: list(map(d.__getitem__, d)),
    ],
)
def test_every_holder_of_a_value_is_noted(look: Any) -> None:
    tracked = Tracked({"a": []})
    look(tracked)
    assert "a" in tracked.touched


def test_looking_at_the_keys_alone_is_not() -> None:
    tracked = Tracked({"a": [], "b": []})
    assert ("a" in tracked, len(tracked), list(tracked), sorted(tracked.keys())) == (True, 2, ["a", "b"], ["a", "b"])
    assert len(tracked.values()) == 2
    assert not tracked.touched


def test_a_call_looks_at_the_records_it_touches_only() -> None:
    domain: Any = Toy()
    bench: Bench = domain.bench
    world, seen = domain.world(), []
    (orders,) = [table for table in bench.tables if table.name == "orders"]
    record = orders.record
    orders.record = lambda value: seen.append(value.order_id) or record(value)  # type: ignore[method-assign, func-returns-value]
    domain.execute(world, Call("cancel_order", {"order_id": "O1", "reason": "mistake"}))
    assert seen == ["O1"]


@pytest.mark.parametrize("value", ["lots", None, 5, float("nan"), 10**30, [1]])
def test_a_world_keeps_what_the_models_do_not_allow(toy: Domain, value: object) -> None:
    """As in tau2, whose models don't check what is assigned. Other worlds see nothing of it."""
    world, other, alone = toy.world(), toy.world(), Alone()
    spoil, look = Call("set_amount", {"order_id": "O1", "amount": value}), Call("get_order_details", {"order_id": "O1"})
    for call in (spoil, look, Call("count_orders", {}), look):
        assert toy.execute(world, call).content == alone.call(call, "agent")
        assert toy.execute(other, look).content == Alone().call(look, "agent")
    assert world.digest != other.digest == toy.world().digest
    assert toy.execute(world.fork(), look).content == alone.call(look, "agent")


def test_a_tool_that_spoils_the_database_is_a_defect_of_the_domain(toy: Domain) -> None:
    world, other = toy.world(), toy.world()

    def spoiled() -> None:
        for _ in range(2):
            toy.execute(world, Call("spoil_order", {"order_id": "O1", "whole": True}))
            toy.execute(other, Call("count_orders", {}))

    with pytest.raises(ToolCrash, match="Unsound: orders holds what"):
        spoiled()
    assert toy.execute(other, Call("get_order_details", {"order_id": "O1"})).value["amount"] == 10.0
    assert other.digest == toy.world().digest
