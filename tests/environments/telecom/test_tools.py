"""The agent's tools: what each changes, and what it refuses."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from t2t_dist.environments.state import World
from t2t_dist.environments.tools import AGENT, Call, Kind
from tests.environments.telecom.small_provider import (
    ABROAD,
    AWAY,
    BANK,
    BOBS,
    BOBS_CARD,
    CARD,
    HOME,
    OWED,
    PAUSED,
    PROVIDER,
    WELL,
    do,
    refused,
    settings,
)


@pytest.fixture
def world() -> World:
    return PROVIDER.world()


def changed(world: World) -> dict[str, dict[str, tuple[Any, Any]]]:
    return {f"{change.table}/{change.key}": change.fields() for change in world.changes()}


def test_there_are_enough_tools_on_both_sides() -> None:
    assert len(PROVIDER.tools.side(AGENT)) >= 12
    assert len(PROVIDER.user_tools) >= 8
    assert {tool.kind for tool in PROVIDER.user_tools} == {Kind.READ, Kind.WRITE}


# -- looking -----------------------------------------------------------------------------------------------------------
def test_customers_are_found_by_what_they_know(world: World) -> None:
    assert do(world, "find_customer_by_contact_number", contact_number=" 555-100-0001 ").value == "ann"
    names = {"first_name": "BOB", "last_name": "lee", "birth_date": "1982-01-02"}
    assert do(world, "find_customer_by_name_and_birth_date", **names).value == "bob"
    assert "no account" in refused(world, "find_customer_by_contact_number", contact_number=WELL)
    assert "no account" in refused(
        world, "find_customer_by_name_and_birth_date", **names | {"birth_date": "1999-01-01"}
    )


def test_lists_and_details(world: World) -> None:
    lines = do(world, "list_lines", customer_id="ann").value
    assert [line["phone_number"] for line in lines] == [WELL, AWAY, PAUSED, OWED]
    assert lines[2] == {"phone_number": PAUSED, "status": "suspended", "plan": "Comet"}
    bills = do(world, "list_bills", customer_id="ann").value
    assert [(bill["bill_id"], bill["status"]) for bill in bills] == [("B1", "open"), ("B2", "paid"), ("B3", "open")]
    assert do(world, "get_data_usage", phone_number=OWED).value["left"] == 13.5
    assert do(world, "get_data_usage", phone_number=AWAY).value["left"] is None
    plans = do(world, "list_plans", phone_number=WELL).value
    assert [plan["plan_id"] for plan in plans] == ["P01", "P02", "P03"]  # one is no longer on sale
    for name, argument in (("get_line_details", "phone_number"), ("get_bill_details", "bill_id")):
        assert "there is no" in refused(world, name, **{argument: "X"})


def test_no_look_up_of_the_agents_shows_a_phones_settings(world: World) -> None:
    for name, arguments in (
        ("get_line_details", {"phone_number": AWAY}),
        ("get_customer_details", {"customer_id": "ann"}),
        ("get_data_usage", {"phone_number": AWAY}),
    ):
        shown = orjson.dumps(do(world, name, **arguments).value).decode()
        assert not any(word in shown for word in ("airplane", "mobile_data", "data_roaming", "Spain", "loose"))


# -- changing ----------------------------------------------------------------------------------------------------------
def test_suspend_and_resume(world: World) -> None:
    do(world, "suspend_line", phone_number=WELL, reason="lost or stolen")
    assert changed(world) == {
        f"lines/{WELL}": {"status": ("active", "suspended"), "suspended_for": (None, "lost or stolen")}
    }
    assert "is suspended (lost or stolen)" in refused(world, "suspend_line", phone_number=WELL, reason="long absence")
    do(world, "resume_line", phone_number=WELL)
    # The line is active again, and the phone takes it up only after a restart. That it was lost once is not forgotten.
    assert changed(world) == {
        f"lines/{WELL}": {"lost_before": (None, True), "resumed_on": (None, "2026-03-02")},
        f"phones/{WELL}": {"restart_needed": (False, True)},
    }
    assert "is active" in refused(world, "resume_line", phone_number=WELL)
    assert "input should be" in refused(world, "suspend_line", phone_number=WELL, reason="no money")


def test_change_plan(world: World) -> None:
    got = do(world, "change_plan", phone_number=WELL, plan_id="P03").value
    assert got == {"phone_number": WELL, "plan_id": "P03", "name": "Horizon", "price": 20.0}
    assert changed(world)[f"lines/{WELL}"]["plan_since"] == ("2025-06-01", "2026-03-02")
    assert "already" in refused(world, "change_plan", phone_number=WELL, plan_id="P03")
    assert "no longer on sale" in refused(world, "change_plan", phone_number=WELL, plan_id="P04")
    assert "suspended" in refused(world, "change_plan", phone_number=PAUSED, plan_id="P01")


def test_refuel(world: World) -> None:
    assert do(world, "refuel_data", phone_number=WELL, gigabytes=5).value["price"] == 22.5
    assert changed(world) == {f"lines/{WELL}": {"data_added": (0, 5)}}
    assert "no data limit" in refused(world, "refuel_data", phone_number=AWAY, gigabytes=1)
    assert "suspended" in refused(world, "refuel_data", phone_number=OWED, gigabytes=1)
    assert "input should be" in refused(world, "refuel_data", phone_number=WELL, gigabytes=3)


def test_roaming(world: World) -> None:
    do(world, "enable_roaming", phone_number=WELL)
    assert changed(world)[f"lines/{WELL}"] == {"roaming": (False, True)}
    assert settings(world, WELL) == {"restart_needed": True}
    assert "already" in refused(world, "enable_roaming", phone_number=WELL)
    assert "suspended" in refused(world, "enable_roaming", phone_number=PAUSED)
    do(world, "resume_line", phone_number=PAUSED)
    said = f"the line {PAUSED} was resumed today, and roaming becomes possible 14 days after that"
    assert refused(world, "enable_roaming", phone_number=PAUSED) == said
    do(world, "disable_roaming", phone_number=WELL)
    assert "anyway" in refused(world, "disable_roaming", phone_number=WELL)


def test_sim(world: World) -> None:
    assert do(world, "order_sim", phone_number=WELL, sim_kind="plastic SIM").value["price"] == 10.0
    assert "on its way already" in refused(world, "order_sim", phone_number=WELL, sim_kind="eSIM")
    assert "on its way already" in refused(world, "order_sim", phone_number=OWED, sim_kind="eSIM")


def test_bills(world: World) -> None:
    assert do(world, "pay_bill", bill_id="B1", payment_method_id=BANK).value["amount"] == 40.0
    assert changed(world)["bills/B1"] == {"status": ("open", "paid"), "paid_with": (None, BANK)}
    assert "paid already" in refused(world, "pay_bill", bill_id="B2", payment_method_id=CARD)
    assert "not on the account" in refused(world, "pay_bill", bill_id="B3", payment_method_id=BOBS_CARD)
    assert do(world, "send_bill", bill_id="B1", channel="e-mail").value["sent_to"] == "ann@example.com"
    assert do(world, "send_bill", bill_id="B1", channel="post").value["sent_to"] == "1 Elm St, Salem"
    assert "already" in refused(world, "send_bill", bill_id="B2", channel="post")


def test_account(world: World) -> None:
    do(world, "change_address", customer_id="ann", address={**HOME, "city": "Bend"})
    do(world, "change_email", customer_id="ann", email="new@example.com")
    fields = changed(world)["customers/ann"]
    assert fields["email"] == ("ann@example.com", "new@example.com")
    assert fields["address"][1]["city"] == "Bend"
    assert "no customer" in refused(world, "change_address", customer_id="nobody", address=ABROAD)


@pytest.mark.parametrize(
    ("name", "arguments", "other"),
    [
        (
            "change_address",
            {"address": {**HOME, "address1": "9 Oak Row", "address2": "Apt 38"}},
            {"address": {**HOME, "address1": "9 Oak Row,  apartment #38", "address2": "", "country": "United States"}},
        ),
        ("change_email", {"email": "new@example.com"}, {"email": " New@Example.com"}),
    ],
)
def test_what_means_the_same_is_the_same_state(name: str, arguments: Any, other: Any) -> None:
    worlds = PROVIDER.world(), PROVIDER.world()
    for world, said in zip(worlds, (arguments, other), strict=True):
        do(world, name, customer_id="ann", **said)
    assert worlds[0].digest == worlds[1].digest


# -- rules on this provider --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "numbers"),
    [
        (Call("suspend_line", {"phone_number": WELL, "reason": "long absence"}), []),
        (Call("suspend_line", {"phone_number": BOBS, "reason": "long absence"}), [2]),
        (Call("suspend_line", {"phone_number": PAUSED, "reason": "long absence"}), [6]),
        (Call("suspend_line", {"phone_number": WELL, "reason": "no money"}), [6]),
        (Call("resume_line", {"phone_number": PAUSED}), []),
        (Call("resume_line", {"phone_number": WELL}), [7]),
        (Call("resume_line", {"phone_number": OWED}), []),  # nothing of hers is overdue
        (Call("change_plan", {"phone_number": WELL, "plan_id": "P04"}), [9]),
        (Call("change_plan", {"phone_number": AWAY, "plan_id": "P02"}), [10]),
        (Call("change_plan", {"phone_number": WELL, "plan_id": "P01"}), [11]),
        (Call("refuel_data", {"phone_number": WELL, "gigabytes": 10}), []),
        (Call("refuel_data", {"phone_number": AWAY, "gigabytes": 1}), [12]),
        (Call("refuel_data", {"phone_number": OWED, "gigabytes": 5}), [12, 13]),
        (Call("enable_roaming", {"phone_number": PAUSED}), [14]),
        (Call("enable_roaming", {"phone_number": BOBS}), [2, 16]),
        (Call("order_sim", {"phone_number": OWED, "sim_kind": "eSIM"}), [17]),
        (Call("pay_bill", {"bill_id": "B1", "payment_method_id": CARD}), []),
        (Call("pay_bill", {"bill_id": "B2", "payment_method_id": CARD}), [19]),
        (Call("pay_bill", {"bill_id": "B3", "payment_method_id": CARD}), [20]),
        (Call("send_bill", {"bill_id": "B9", "channel": "post"}), [2]),
        (Call("change_address", {"customer_id": "ann", "address": ABROAD}), [21]),
        (Call("change_email", {"customer_id": "bob", "email": "a@example.com"}), [2]),
        (Call("repair_phone", {"phone_number": WELL}), [26]),
    ],
)
def test_what_breaks_which_rule(world: World, call: Call, numbers: list[int]) -> None:
    assert [breach.rule.number for breach in PROVIDER.breaches(world, call, "ann")] == numbers


def test_lines_lost_or_unpaid(world: World) -> None:
    do(world, "suspend_line", phone_number=WELL, reason="lost or stolen")
    sim = Call("order_sim", {"phone_number": WELL, "sim_kind": "eSIM"})
    assert [breach.rule.number for breach in PROVIDER.breaches(world, sim, "ann")] == [18]
    do(world, "resume_line", phone_number=WELL)
    assert [breach.rule.number for breach in PROVIDER.breaches(world, sim, "ann")] == [18]
    world.edit("bills", "B1")["status"] = "overdue"
    world.seal()
    resume = Call("resume_line", {"phone_number": OWED})
    (breach,) = PROVIDER.breaches(world, resume, "ann")
    assert breach.rule.number == 8
    assert breach.reason == f"bill B1 of $40.00 is overdue, and the line {OWED} stays suspended as long as it is unpaid"
    assert PROVIDER.breaches(world, Call("resume_line", {"phone_number": PAUSED}), "ann") == []


def test_what_a_new_sim_costs_stands_in_the_policy(world: World) -> None:
    for kind, number in (("plastic SIM", WELL), ("eSIM", AWAY)):
        price = do(world, "order_sim", phone_number=number, sim_kind=kind).value["price"]
        assert f"${price:.2f}" in PROVIDER.clauses[17].text
