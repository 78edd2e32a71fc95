"""A small provider: Ann has four lines with a phone each, Bob has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from t2t_dist.environments.state import Record, World
from t2t_dist.environments.telecom import Telecom
from t2t_dist.environments.tools import Call, ToolResult

HOME = {"address1": "1 Elm St", "address2": "", "city": "Salem", "state": "OR", "country": "USA", "zip": "97301"}
ABROAD = {**HOME, "city": "Toronto", "state": "ON", "country": "Canada"}
#: Ann's: at home and well; abroad; suspended by herself; suspended for a bill. Bob's own.
WELL, AWAY, PAUSED, OWED = "555-200-0001", "555-200-0002", "555-200-0003", "555-200-0004"
BOBS = "555-200-0009"
CARD, BANK, BOBS_CARD = "card_1", "bank_1", "card_9"


def customer(key: str, number: int, lines: list[str], bills: list[str], methods: list[Record]) -> Record:
    return {
        "customer_id": key,
        "first_name": key.title(),
        "last_name": "Lee",
        "birth_date": f"198{number}-01-02",
        "contact_number": f"555-100-000{number}",
        "email": f"{key}@example.com",
        "address": dict(HOME),
        "payment_methods": methods,
        "lines": lines,
        "bills": bills,
    }


def line(number: str, owner: str = "ann", plan: str = "P02", **more: Any) -> Record:
    found = {
        "phone_number": number,
        "customer_id": owner,
        "status": "active",
        "plan_id": plan,
        "plan_since": "2025-06-01",
        "data_used": 2.5,
        "data_added": 0,
        "roaming": False,
    }
    return found | more


def phone(number: str, **more: Any) -> Record:
    found = {
        "phone_number": number,
        "model": "Orion S",
        "abroad": "",
        "airplane_mode": "off",
        "mobile_data": "on",
        "data_roaming": "off",
        "data_saver": "off",
        "vpn": "off",
        "network_mode": "automatic",
        "sim": "in place",
        "restart_needed": False,
    }
    return found | more


def plan(key: str, name: str, data: float | None, on_sale: bool = True) -> Record:
    return {"plan_id": key, "name": name, "price": 20.0, "data": data, "refuel": 4.5, "on_sale": on_sale}


def bill(key: str, owner: str, status: str, total: float, **more: Any) -> Record:
    items = [{"text": "A plan", "amount": total}]
    found = {"bill_id": key, "customer_id": owner, "month": "January 2026", "status": status, "due": "2026-02-16"}
    return {**found, "total": total, "items": items, **more}


class Small(Telecom):
    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        methods = [
            {"payment_method_id": CARD, "source": "credit_card", "brand": "visa", "last_four": "1111"},
            {"payment_method_id": BANK, "source": "bank_account", "last_four": "2222"},
        ]
        bobs = [{"payment_method_id": BOBS_CARD, "source": "credit_card", "brand": "visa", "last_four": "9999"}]
        customers = [
            customer("ann", 1, [WELL, AWAY, PAUSED, OWED], ["B1", "B2", "B3"], methods),
            customer("bob", 2, [BOBS], ["B9"], bobs),
        ]
        lines = [
            line(WELL),
            line(AWAY, plan="P03", plan_since="2026-02-20"),
            line(PAUSED, status="suspended", suspended_for="long absence"),
            line(OWED, status="suspended", suspended_for="unpaid bill", data_added=8, sim_ordered="eSIM"),
            line(BOBS, "bob", data_used=1.0),
        ]
        phones = [
            phone(WELL),
            phone(AWAY, abroad="Spain", mobile_data="off", sim="loose"),
            phone(PAUSED, airplane_mode="on"),
            phone(OWED),
            phone(BOBS, network_mode="3G only", vpn="on"),
        ]
        plans = [
            plan("P01", "Pebble", 1.0),
            plan("P02", "Comet", 8.0),
            plan("P03", "Horizon", None),
            plan("P04", "Lantern", 5.0, on_sale=False),
        ]
        bills = [
            bill("B1", "ann", "open", 40.0),
            bill("B2", "ann", "paid", 40.0, paid_with=CARD, sent_by=["post"]),
            bill("B3", "ann", "open", 300.0),
            bill("B9", "bob", "overdue", 40.0),
        ]
        tables = {
            "customers": {record["customer_id"]: record for record in customers},
            "lines": {record["phone_number"]: record for record in lines},
            "phones": {record["phone_number"]: record for record in phones},
            "plans": {record["plan_id"]: record for record in plans},
            "bills": {record["bill_id"]: record for record in bills},
        }
        return tables, "2026-03-02T09:00:00"


PROVIDER = Small()


def do(world: World, name: str, **arguments: Any) -> ToolResult:
    """A call by the side that has the tool, which is accepted."""
    result = PROVIDER.execute(world, Call(name, arguments))
    assert not result.error, result.content
    return result


def refused(world: World, name: str, **arguments: Any) -> str:
    """Why a call is refused; it leaves the world as it was."""
    before = world.digest
    result = PROVIDER.execute(world, Call(name, arguments))
    assert result.error
    assert world.digest == before
    return result.content.removeprefix("Error: ")


def settings(world: World, number: str) -> dict[str, Any]:
    """What differs from how the phone is in the base."""
    before, now = world.base.tables["phones"][number], world.get("phones", number)
    assert now is not None
    return {name: value for name, value in now.items() if before[name] != value}
