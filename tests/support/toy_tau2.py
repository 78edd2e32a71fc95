"""A small world with the interface of tau2's environments, written for the tests: no tau2 is needed.

A shop's members have orders, bills in a list, and a phone of their own whose state follows their account's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from t2t_dist.environments.adapters.tau2 import adapted
from t2t_dist.environments.adapters.tau2.naming import Hints

POLICY = "Find out who the member is first. The current time is 2024-05-15 15:00:00 EST."


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Card(Model):
    id: str
    source: Literal["card"]


class GiftCard(Model):
    id: str
    source: Literal["gift_card"]
    balance: float


class Member(Model):
    member_id: str
    first_name: str
    last_name: str
    email: str
    payment_methods: dict[str, Card | GiftCard]
    orders: list[str]
    barred: bool = False


class Order(Model):
    order_id: str
    member_id: str
    status: str
    item_ids: list[str]
    amount: float


class Bill(Model):
    bill_id: str
    member_id: str
    due: float


class ShopDB(Model):
    members: dict[str, Member]
    orders: dict[str, Order]
    bills: list[Bill]
    opened: int = 0


class Phone(Model):
    airplane_mode: bool = False
    service: bool = True
    seen: dict[str, int] = {}


class PhoneDB(Model):
    phone: Phone = Phone()
    owner: str | None = None


def tool(kind: str, mutates: bool | None = None) -> Callable[[Any], Any]:
    def mark(function: Any) -> Any:
        function.kind, function.mutates = kind, kind == "write" if mutates is None else mutates
        return function

    return mark


class Kit:
    """One side's tools."""

    def __init__(self, db: Any) -> None:
        self.db = db

    @property
    def tools(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in vars(type(self)) if hasattr(getattr(type(self), name), "kind")}

    def has_tool(self, name: str) -> bool:
        return name in self.tools

    def is_discoverable(self, name: str) -> bool:
        return False

    def tool_type(self, name: str) -> str:
        return str(self.tools[name].kind)

    def tool_mutates_state(self, name: str) -> bool:
        return bool(self.tools[name].mutates)

    def update_db(self, data: dict[str, Any]) -> None:
        def laid_over(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
            both = {k: laid_over(old[k], v) if isinstance(v, dict) and k in old else v for k, v in new.items()}
            return old | both

        self.db = type(self.db).model_validate(laid_over(self.db.model_dump(), data))

    def get_db_hash(self) -> str:
        return hashlib.sha256(json.dumps(self.db.model_dump(), sort_keys=True, default=str).encode()).hexdigest()


class ShopKit(Kit):
    @tool("read")
    def find_member_id_by_email(self, email: str) -> str:
        """Find a member.

        Args:
            email: Their address.
        """
        for member in self.db.members.values():
            if member.email == email:
                return str(member.member_id)
        raise ValueError("Member not found")

    @tool("read")
    def get_member_details(self, member_id: str) -> Member:
        """Get a member.

        Args:
            member_id: The member.
        """
        return self.db.members[self._known(self.db.members, member_id)]  # type: ignore[no-any-return]

    @tool("read")
    def get_order_details(self, order_id: str) -> Order:
        """Get an order.

        Args:
            order_id: The order.
        """
        return self.db.orders[self._known(self.db.orders, order_id)]  # type: ignore[no-any-return]

    @tool("read")
    def list_bills(self, member_id: str) -> list[Bill]:
        """List a member's bills.

        Args:
            member_id: The member.
        """
        return [bill for bill in self.db.bills if bill.member_id == member_id]

    @tool("read")
    def count_orders(self) -> int:
        """Count all orders."""
        return len(self.db.orders)

    @tool("write")
    def cancel_order(self, order_id: str, reason: Literal["not needed", "mistake"]) -> Order:
        """Cancel an order.

        Args:
            order_id: The order.
            reason: Why.
        """
        order = self.db.orders[self._known(self.db.orders, order_id)]
        if order.status != "pending":
            raise ValueError("Non-pending order cannot be cancelled")
        order.status = "cancelled"
        return order  # type: ignore[no-any-return]

    @tool("write")
    def pay_order(self, order_id: str, payment_method_id: str) -> str:
        """Pay an order. What it did before it fails is not undone.

        Args:
            order_id: The order.
            payment_method_id: How.
        """
        order = self.db.orders[self._known(self.db.orders, order_id)]
        order.status = "paying"
        method = self.db.members[order.member_id].payment_methods[payment_method_id]
        if isinstance(method, GiftCard):
            if method.balance < order.amount:
                raise ValueError("The gift card's balance is too low")
            method.balance -= order.amount
        order.status = "paid"
        return "Paid"

    @tool("write")
    def place_order(self, member_id: str, item_ids: list[str]) -> Order:
        """Place an order.

        Args:
            member_id: Whose.
            item_ids: Of what.
        """
        self._known(self.db.members, member_id)
        order_id = f"O{len(self.db.orders) + 1}"
        self.db.orders[order_id] = Order(
            order_id=order_id, member_id=member_id, status="pending", item_ids=item_ids, amount=10 * len(item_ids)
        )
        self.db.members[member_id].orders.append(order_id)
        return self.db.orders[order_id]  # type: ignore[no-any-return]

    @tool("write")
    def drop_order(self, order_id: str) -> str:
        """Forget an order.

        Args:
            order_id: The order.
        """
        order = self.db.orders.pop(self._known(self.db.orders, order_id))
        self.db.members[order.member_id].orders.remove(order_id)
        return "Dropped"

    @tool("write")
    def bill_first(self, member_id: str, due: float) -> int:
        """Put a new bill in front of the others.

        Args:
            member_id: Whose.
            due: How much.
        """
        self.db.bills.insert(0, Bill(bill_id=f"N{len(self.db.bills)}", member_id=member_id, due=due))
        return len(self.db.bills)

    @tool("write")
    def turn_bills(self) -> str:
        """Put the bills into the opposite order."""
        self.db.bills.reverse()
        return "Turned"

    @tool("write")
    def pay_bill(self, bill_id: str) -> str:
        """Pay a bill and take it from the list.

        Args:
            bill_id: The bill.
        """
        kept = [bill for bill in self.db.bills if bill.bill_id != bill_id]
        if len(kept) == len(self.db.bills):
            raise ValueError("Bill not found")
        self.db.bills = kept
        return "Paid"

    @tool("write")
    def bar_all(self, barred: bool) -> str:
        """Bar every member, or none.

        Args:
            barred: Which.
        """
        self.db.members = {key: m.model_copy(update={"barred": barred}) for key, m in dict(self.db.members).items()}
        return "Done"

    @tool("write")
    def set_amount(self, order_id: str, amount: Any) -> Order:
        """Set an amount, whatever it is: the model is not asked.

        Args:
            order_id: The order.
            amount: How much.
        """
        order = self.db.orders[self._known(self.db.orders, order_id)]
        order.amount = amount
        return order  # type: ignore[no-any-return]

    @tool("write")
    def spoil_order(self, order_id: str, whole: bool) -> str:
        """Leave what can't be written down: a defect.

        Args:
            order_id: The order.
            whole: Not used; nobody knows a value for it, so that nobody explores this.
        """
        self.db.orders[order_id].amount = {object()}  # type: ignore[assignment]
        return "Spoilt"

    @tool("write")
    def show_oddly(self) -> Any:
        """Give what has no text."""
        return {1, 2}

    @tool("write", mutates=False)
    def hand_over(self, summary: str) -> str:
        """Hand over to a person.

        Args:
            summary: About what.
        """
        return "Handed over"

    def set_status(self, order_id: str, status: str) -> None:
        self.db.orders[order_id].status = status

    def assert_status(self, order_id: str, status: str) -> bool:
        return bool(self.db.orders[order_id].status == status)

    def not_a_bool(self) -> str:
        return "yes"

    @staticmethod
    def _known(table: dict[str, Any], key: str) -> str:
        if key not in table:
            raise ValueError(f"{key} not found")
        return key


class PhoneKit(Kit):
    @tool("read")
    def check_phone(self) -> str:
        """Look at the phone."""
        return f"service {self.db.phone.service}, airplane mode {self.db.phone.airplane_mode}"

    @tool("write")
    def toggle_airplane_mode(self) -> str:
        """Toggle airplane mode."""
        self.db.phone.airplane_mode = not self.db.phone.airplane_mode
        self.db.phone.seen["toggled"] = self.db.phone.seen.get("toggled", 0) + 1
        return f"airplane mode is {self.db.phone.airplane_mode}"

    def own(self, member_id: str) -> None:
        self.db.owner = member_id


class Shop:
    """The environment."""

    def __init__(self) -> None:
        self.policy = POLICY
        self.tools: Any = ShopKit(ShopDB.model_validate(DATA))
        self.user_tools: Any = PhoneKit(PhoneDB())
        self.sync_tools()

    def sync_tools(self) -> None:
        """The phone has service unless its owner is barred."""
        owner = getattr(self.user_tools.db, "owner", None)
        if owner is not None:
            self.user_tools.db.phone.service = not self.tools.db.members[owner].barred

    def make_tool_call(self, name: str, requestor: str = "assistant", **arguments: Any) -> Any:
        kit = self.user_tools if requestor == "user" else self.tools
        if kit is None:
            raise ValueError("User tools not available")
        if name not in kit.tools:
            raise ValueError(f"Tool '{name}' not found.")
        return kit.tools[name](**arguments)

    def run_env_function_call(self, call: Any) -> Any:
        kit = self.user_tools if call.env_type == "user" else self.tools
        result = getattr(kit, call.func_name)(**call.arguments)
        self.sync_tools()
        return result

    @staticmethod
    def to_json_str(value: Any) -> str:
        def plain(inner: Any) -> Any:
            if isinstance(inner, BaseModel):
                return inner.model_dump(warnings=False)
            if isinstance(inner, list):
                return [plain(item) for item in inner]
            if isinstance(inner, set):
                raise ValueError("Unsupported type: set")
            return str(inner) if isinstance(inner, int | float) else inner

        return value if isinstance(value, str) else json.dumps(plain(value), default=str)


def _member(number: int, name: str) -> dict[str, Any]:
    return {
        "member_id": f"m{number}",
        "first_name": name,
        "last_name": "Stone",
        "email": f"{name.lower()}@example.com",
        "payment_methods": {
            f"card_{number}": {"id": f"card_{number}", "source": "card"},
            f"gift_{number}": {"id": f"gift_{number}", "source": "gift_card", "balance": 25.0},
        },
        "orders": [f"O{2 * number - 1}", f"O{2 * number}"],
    }


_NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn")
DATA: dict[str, Any] = {
    "members": {f"m{n}": _member(n, name) for n, name in enumerate(_NAMES, 1)},
    "orders": {
        f"O{n}": {
            "order_id": f"O{n}",
            "member_id": f"m{(n + 1) // 2}",
            "status": "pending" if n % 3 else "sent",
            "item_ids": [f"i{n}", f"i{n + 1}"],
            "amount": 10.0 * n,
        }
        for n in range(1, 2 * len(_NAMES) + 1)
    },
    "bills": [{"bill_id": f"b{n}", "member_id": f"m{n}", "due": 5.0 * n} for n in range(1, 5)],
}

Toy = adapted("tests.support.toy_tau2:Toy", Shop, Hints(customers="members", transfer="hand_over"))


# -- tasks on it -------------------------------------------------------------------------------------------------------
TOY = "tests.support.toy_tau2:Toy"
FIND = {"action_id": "f", "name": "find_member_id_by_email", "arguments": {"email": "ada@example.com"}, "info": None}
CANCEL = {"action_id": "c", "name": "cancel_order", "arguments": {"order_id": "O1", "reason": "mistake"}, "info": None}


def raw(key: str = "0", **more: Any) -> dict[str, Any]:
    """A task as tau2 has it; ``more`` stands in place of its fields."""
    made = {
        "id": key,
        "description": {"purpose": None, "relevant_policies": None, "notes": None},
        "user_scenario": {
            "persona": None,
            "instructions": {
                "domain": "toy",
                "reason_for_call": "You want order O1 cancelled.",
                "known_info": "Your e-mail address is ada@example.com.",
                "unknown_info": None,
                "task_instructions": "It was a mistake.",
            },
        },
        "initial_state": None,
        "evaluation_criteria": {
            "actions": [FIND, CANCEL],
            "communicate_info": [],
            "nl_assertions": None,
            "reward_basis": ["DB"],
        },
    }
    return deepcopy(made | more)
