"""A small shop: every sum in the tests can be checked by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from t2t_dist.environments.retail import Retail
from t2t_dist.environments.state import Record, World
from t2t_dist.environments.tools import ToolResult

NOW = "2026-03-02T09:00:00"
HOME = {"address1": "1 Elm Road", "address2": "", "city": "Salem", "state": "OR", "country": "USA", "zip": "97301"}
AWAY = {"address1": "2 Oak Lane", "address2": "Apt 3", "city": "Boise", "state": "ID", "country": "USA", "zip": "83701"}

#: item: (product, price now, stock). Lamps 11 to 13, mugs 21 and 22, hats (final sale) 31 and 32.
ITEMS = {
    "11": ("lamp", 30.0, 5),
    "12": ("lamp", 42.5, 1),
    "13": ("lamp", 25.0, 0),
    "21": ("mug", 8.0, 9),
    "22": ("mug", 10.0, 2),
    "31": ("hat", 20.0, 4),
    "32": ("hat", 20.0, 4),
}
CARD, PAYPAL, GIFT, BOBS_CARD = "credit_card_1", "paypal_1", "gift_card_1", "credit_card_2"


def item(item_id: str, price: float | None = None) -> Record:
    product, now, _ = ITEMS[item_id]
    options = {"kind": item_id}
    return {
        "item_id": item_id,
        "product_id": product,
        "name": product.title(),
        "options": options,
        "price": price or now,
    }


def order(order_id: str, user_id: str, status: str, items: list[Record], method: str, **more: Any) -> Record:
    paid = round(sum(one["price"] for one in items), 2)
    payments = [{"type": "payment", "amount": paid, "payment_method_id": method}]
    record = {"order_id": order_id, "user_id": user_id, "status": status, "placed_at": "2026-02-01T09:00:00"}
    return record | {"address": dict(HOME), "items": items, "payments": payments} | more


RECENT, LONG_AGO = {"delivered_at": "2026-02-20T09:00:00"}, {"delivered_at": "2026-01-30T08:59:00"}
ORDERS = [
    order("#W1", "ada", "pending", [item("11", 28.0), item("21")], CARD),
    order("#W2", "ada", "pending", [item("11"), item("12", 40.0)], GIFT),
    order("#W3", "ada", "pending", [item("12", 650.0)], PAYPAL),
    order("#W4", "ada", "shipped", [item("21")], CARD),
    order("#W5", "ada", "delivered", [item("11", 28.0), item("21"), item("22")], CARD, **RECENT),
    order("#W6", "ada", "delivered", [item("31"), item("21")], GIFT, **RECENT),
    order("#W7", "ada", "delivered", [item("12")], PAYPAL, **LONG_AGO),
    order("#W8", "bob", "pending", [item("22")], BOBS_CARD),
    order("#W9", "bob", "delivered", [item("13")], BOBS_CARD, **RECENT),
]


class SmallShop(Retail):
    name: ClassVar[str] = "small shop"

    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        users = [
            ("ada", "Ada", "Ng", HOME, [(CARD, "credit_card"), (PAYPAL, "paypal"), (GIFT, "gift_card")]),
            ("bob", "Bob", "Ng", AWAY, [(BOBS_CARD, "credit_card")]),
        ]
        methods = {
            "credit_card": {"brand": "visa", "last_four": "1234"},
            "paypal": {},
            "gift_card": {"balance": 40.0},
        }
        return {
            "users": {
                user_id: {
                    "user_id": user_id,
                    "first_name": first,
                    "last_name": last,
                    "email": f"{user_id}@example.com",
                    "address": dict(address),
                    "payment_methods": [{"payment_method_id": m, "source": s} | methods[s] for m, s in pays],
                    "orders": [one["order_id"] for one in ORDERS if one["user_id"] == user_id],
                }
                for user_id, first, last, address, pays in users
            },
            "orders": {one["order_id"]: one for one in ORDERS},
            "products": {
                product: {
                    "product_id": product,
                    "name": product.title(),
                    "category": "things",
                    "final_sale": product == "hat",
                    "variants": [
                        {"item_id": key, "options": {"kind": key}, "price": price, "stock": stock}
                        for key, (of, price, stock) in ITEMS.items()
                        if of == product
                    ],
                }
                for product in ("lamp", "mug", "hat")
            },
        }, NOW


SHOP = SmallShop()


def do(world: World, tool: str, /, **arguments: Any) -> ToolResult:
    """Make a call."""
    return SHOP.tools.execute(world, tool, arguments)


def record(world: World, table: str, key: str) -> Record:
    found = world.get(table, key)
    assert found is not None
    return found


def stock(world: World) -> dict[str, int]:
    return {v["item_id"]: v["stock"] for _, product in world.scan("products") for v in product["variants"]}


def balance(world: World) -> float:
    """Of the one gift card."""
    methods = record(world, "users", "ada")["payment_methods"]
    return float(next(m["balance"] for m in methods if m["payment_method_id"] == GIFT))


def payments(world: World, order_id: str) -> list[tuple[str, float, str]]:
    return [(p["type"], p["amount"], p["payment_method_id"]) for p in record(world, "orders", order_id)["payments"]]


def changed(world: World) -> list[tuple[str, str, list[str]]]:
    """Which fields of which records differ from the start."""
    return [(change.table, change.key, sorted(change.fields())) for change in world.changes()]


def refused(world: World, tool: str, /, **arguments: Any) -> str:
    """The reason of a call that is refused and leaves the world as it was."""
    digest = world.digest
    result = do(world, tool, **arguments)
    assert result.error, result.content
    assert (result.changed, world.digest) == (False, digest)
    return result.content.removeprefix("Error: ")
