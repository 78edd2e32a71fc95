"""Generator of the shop's database from a seed: products, customers, orders."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from itertools import product as combinations
from random import Random
from typing import Any, NamedTuple, cast

from ..chance import deal, unique_numbers
from ..payment import PaymentMethodId
from ..people import Address, People
from ..splits import Own, own
from .catalogue import KINDS, MAKERS
from .records import (
    CancelReason,
    ItemId,
    Order,
    OrderId,
    OrderItem,
    OrderStatus,
    Payment,
    PaymentMethod,
    Product,
    ProductId,
    User,
    Variant,
)

#: The shop's time. Never the wall clock: the same seed has to give the same bytes on any day.
CLOCK = "2026-03-02T09:00:00"
USERS, ORDERS = 500, 2000
#: Two million orders. More would crowd the seven digits of an order id, and there are no more makers' names.
MAX_SCALE = 1000

# -- spreads: each maps a value to its share ---------------------------------------------------------------------------
STATUSES: Mapping[OrderStatus, float] = {
    "pending": 0.34,
    "pending (items modified)": 0.04,
    "processed": 0.06,
    "shipped": 0.08,
    "delivered": 0.40,
    "cancelled": 0.04,
    "return requested": 0.02,
    "exchange requested": 0.02,
}
#: Delivered within the window for returns or before it; the policy draws its line at 30 days.
RECENTLY = {True: 0.72, False: 0.28}
ORDERS_A_USER = {3: 0.42, 4: 0.30, 5: 0.18, 6: 0.10}
ITEMS_AN_ORDER = {1: 0.27, 2: 0.31, 3: 0.22, 4: 0.14, 5: 0.06}
METHODS_A_USER = {1: 0.44, 2: 0.34, 3: 0.17, 4: 0.05}
CANCEL_REASONS: Mapping[CancelReason, float] = {"no longer needed": 0.6, "ordered by mistake": 0.4}

OUT_OF_STOCK, FINAL_SALE = 0.22, 0.10
#: Of the orders of two items and more (73 %), so that 12 % of all orders hold two versions of one product.
TWINS = 0.165
SAME_PRICE, HOME_ADDRESS, GIFT_CARD_ONLY = 0.85, 0.85, 0.08
#: Cents on a gift card, as sold and after every order.
GIFT_LEAST, GIFT_MOST, GIFT_STEP = 10_00, 300_00, 5_00
#: Gift cards that are almost used up, and the most that these hold: few things can be paid with one.
GIFT_ALMOST_EMPTY, GIFT_REST = 0.5, 30_00


def build(seed: int = 0, scale: float = 1.0) -> tuple[dict[str, dict[str, dict[str, Any]]], str]:
    """The shop's tables and its time now.

    ``scale`` multiplies the 500 users and 2,000 orders; above 1 the 50 products grow with its square root. The same
    seed and scale give the same bytes in any process, in the same order (as long as faker's lists of names are the
    same: they may change with its version).

    Returns:
        ``{"users" | "orders" | "products": {id: record}}``, records as in :mod:`.records`; and the clock (ISO 8601).

    Raises:
        ValueError: ``scale`` is not above 0, or above ``MAX_SCALE``.
    """
    if not 0 < scale <= MAX_SCALE:
        raise ValueError(f"a shop of scale {scale:g} can't be built; scale must be above 0 and at most {MAX_SCALE}")
    # A random generator per table: products stay the same for any number of customers.
    count = max(1, round(USERS * scale))
    products = _products(Random(f"{seed}/products"), round(len(KINDS) * max(1.0, math.sqrt(scale))), own(seed))
    people = People(seed)
    users = [
        User(
            user_id=one.user_id,
            first_name=one.first_name,
            last_name=one.last_name,
            email=one.email,
            address=one.address,
            payment_methods=[],
            orders=[],
        )
        for one in (people.person() for _ in range(count))
    ]
    fewest, most = min(ORDERS_A_USER), max(ORDERS_A_USER)
    placed = min(max(fewest * count, round(ORDERS * scale)), most * count)
    orders = _orders(Random(f"{seed}/orders"), placed, users, people, products, own(seed))
    _pay(Random(f"{seed}/payments"), users, orders, products, own(seed))
    tables = {
        "users": {user["user_id"]: user for user in users},
        "orders": {order["order_id"]: order for order in orders},
        "products": {product["product_id"]: product for product in products},
    }
    return cast("dict[str, dict[str, dict[str, Any]]]", tables), CLOCK


# -- chance ------------------------------------------------------------------------------------------------------------
def _ago(rng: Random, least: float, most: float) -> datetime:
    """A time between ``least`` and ``most`` days before now."""
    return datetime.fromisoformat(CLOCK) - timedelta(seconds=rng.randint(round(least * 86400), round(most * 86400)))


# -- products ----------------------------------------------------------------------------------------------------------
def _products(rng: Random, count: int, ours: Own) -> list[Product]:
    numbers = unique_numbers(rng, 10, ours)
    products: list[Product] = []
    for maker, kind in combinations(("", *MAKERS), KINDS):
        if len(products) == count:
            break
        name = f"{maker} {kind.name}".lstrip()
        # Products without a maker's name are the shop's own brand; others cost a bit more or less.
        base = kind.price * (rng.uniform(0.8, 1.4) if maker else 1.0)
        variants = _variants(rng, numbers, base, kind.options)
        products.append(Product(
            product_id=ProductId(next(numbers)), name=name, category=kind.category, final_sale=False, variants=variants
        ))  # fmt: skip
    for product in rng.sample(products, round(FINAL_SALE * count)):
        product["final_sale"] = True
    everything = [variant for product in products for variant in product["variants"]]
    for variant in rng.sample(everything, round(OUT_OF_STOCK * len(everything))):
        variant["stock"] = 0
    return products


def _variants(
    rng: Random, numbers: Iterator[str], base: float, options: Mapping[str, tuple[str, ...]]
) -> list[Variant]:
    """Four to twelve of the possible versions, every dimension with a choice to make."""
    possible = list(combinations(*options.values()))
    chosen = possible[:1]
    while any(len(set(values)) < 2 for values in zip(*chosen, strict=True)):
        picked = sorted(rng.sample(range(len(possible)), rng.randint(4, min(12, len(possible)))))
        chosen = [possible[index] for index in picked]
    # More of something costs more (the catalogue lists it in ascending order); a color costs about the same.
    factors: dict[tuple[str, str], float] = {}
    for dimension, values in options.items():
        step = rng.uniform(0.08, 0.22) if values[0][0].isdigit() else 0.0
        for place, value in enumerate(values):
            factors[dimension, value] = (1 + step) ** place * rng.uniform(0.98, 1.04)
    variants = []
    for combination in chosen:
        named = dict(zip(options, combination, strict=True))
        dollars = base * math.prod(factors[choice] for choice in named.items())
        cents = max(5, round(dollars)) * 100 - rng.choice((1, 1, 5, 10, 51))
        variants.append(
            Variant(item_id=ItemId(next(numbers)), options=named, price=cents / 100, stock=rng.randint(1, 40))
        )
    return variants


# -- orders ------------------------------------------------------------------------------------------------------------
def _orders(
    rng: Random, count: int, users: list[User], people: People, products: list[Product], ours: Own
) -> list[Order]:
    """Orders without payments, user by user in the order of placing; adds their ids to the users."""
    numbers = unique_numbers(rng, 7, ours)
    statuses = iter(deal(rng, count, STATUSES))
    sizes = iter(deal(rng, count, ITEMS_AN_ORDER))
    recently = iter(deal(rng, count, RECENTLY))
    orders = []
    for user, how_many in zip(users, _orders_a_user(rng, count, len(users)), strict=True):
        elsewhere = people.address()
        mine = []
        for _ in range(how_many):
            status = next(statuses)
            placed, delivered = _times(rng, status, status != "delivered" or next(recently))
            order = Order(
                order_id=OrderId(f"#W{next(numbers)}"),
                user_id=user["user_id"],
                status=status,
                placed_at=placed.isoformat(),
                address=cast(Address, dict(user["address"] if rng.random() < HOME_ADDRESS else elsewhere)),
                items=[],
                payments=[],
            )
            if delivered:
                order["delivered_at"] = delivered.isoformat()
            _fill(rng, order, next(sizes), products)
            mine.append(order)
        mine.sort(key=lambda order: (order["placed_at"], order["order_id"]))
        user["orders"] = [order["order_id"] for order in mine]
        orders += mine
    return orders


def _orders_a_user(rng: Random, count: int, users: int) -> list[int]:
    counts = deal(rng, users, ORDERS_A_USER)
    # The shares come close to the sum; single users make up the rest.
    while (missing := count - sum(counts)) != 0:
        step = 1 if missing > 0 else -1
        last = max(ORDERS_A_USER) if step > 0 else min(ORDERS_A_USER)
        able = [user for user, orders in enumerate(counts) if orders != last]
        for user in rng.sample(able, min(len(able), abs(missing))):
            counts[user] += step
    return counts


def _times(rng: Random, status: OrderStatus, recent: bool) -> tuple[datetime, datetime | None]:
    """When an order of this status was placed and delivered, within the last 120 days."""
    if status.startswith("pending"):
        return _ago(rng, 0.02, 5), None
    if status == "processed":
        return _ago(rng, 1, 6), None
    if status == "shipped":
        return _ago(rng, 2, 9), None
    if status == "cancelled":
        return _ago(rng, 1, 120), None
    if status != "delivered":
        # The request was made a day ago or more, within the window.
        delivered = _ago(rng, 2, 28)
    else:
        delivered = _ago(rng, 0.1, 30) if recent else _ago(rng, 31, 110)
    return delivered - timedelta(seconds=rng.randint(2 * 86400, 8 * 86400)), delivered


class _Line(NamedTuple):
    product: Product
    variant: Variant


def _fill(rng: Random, order: Order, size: int, products: list[Product]) -> None:
    """Add items to an order, and what its status implies for them."""
    status = order["status"]
    if status == "cancelled":
        order["cancel_reason"] = rng.choices(list(CANCEL_REASONS), list(CANCEL_REASONS.values()))[0]
    while not order["items"]:
        lines = _basket(rng, size, products)
        if status == "return requested":
            able = [line.variant["item_id"] for line in lines if not line.product["final_sale"]]
            if not able:
                continue
            order["returned_items"] = sorted(rng.sample(able, rng.randint(1, len(able))))
        elif status == "exchange requested":
            swaps = _swaps(rng, lines)
            if not swaps:
                continue
            order["exchanged_items"] = [old for old, _ in swaps]
            order["exchange_for"] = [new for _, new in swaps]
        order["items"] = [_item(rng, line) for line in lines]


def _basket(rng: Random, size: int, products: list[Product]) -> list[_Line]:
    twins = size > 1 and rng.random() < TWINS
    lines = []
    for place, product in enumerate(rng.sample(products, size - twins)):
        picked = rng.sample(product["variants"], 2 if twins and place == 0 else 1)
        lines += [_Line(product, variant) for variant in picked]
    rng.shuffle(lines)
    return lines


def _item(rng: Random, line: _Line) -> OrderItem:
    product, variant = line
    # The price may have changed since.
    factor = 1.0 if rng.random() < SAME_PRICE else rng.choice((0.85, 0.9, 0.95, 1.04, 1.08))
    return OrderItem(
        item_id=variant["item_id"],
        product_id=product["product_id"],
        name=product["name"],
        options=dict(variant["options"]),
        price=round(variant["price"] * 100 * factor) / 100,
    )


def _swaps(rng: Random, lines: list[_Line]) -> list[tuple[ItemId, ItemId]]:
    """Items to exchange, each with another version in stock, sorted; none where nothing can be exchanged."""
    taken = {line.variant["item_id"] for line in lines}
    swaps = []
    for product, variant in rng.sample(lines, rng.randint(1, len(lines))):
        able = [v["item_id"] for v in product["variants"] if v["stock"] and v["item_id"] not in taken]
        if able and not product["final_sale"]:
            wanted = rng.choice(able)
            taken.add(wanted)
            swaps.append((variant["item_id"], wanted))
    return sorted(swaps)


# -- payments (in cents: sums of dollars would gather dust) ------------------------------------------------------------
def _cents(dollars: float) -> int:
    return round(dollars * 100)


def _movements(order: Order, prices: Mapping[ItemId, float]) -> list[int]:
    """Cents that were charged (positive) and refunded for an order, one after the other, as the shop's tools do it."""
    paid = {item["item_id"]: _cents(item["price"]) for item in order["items"]}
    moved = [sum(paid.values())]
    if order["status"] == "cancelled":
        moved.append(-moved[0])
    moved.append(-sum(paid[item_id] for item_id in order.get("returned_items", [])))
    moved.append(
        sum(_cents(prices[item_id]) for item_id in order.get("exchange_for", []))
        - sum(paid[item_id] for item_id in order.get("exchanged_items", []))
    )
    return [amount for amount in moved if amount]


def _pay(rng: Random, users: list[User], orders: list[Order], products: list[Product], ours: Own) -> None:
    """Give everyone payment methods and settle their orders with them."""
    prices = {variant["item_id"]: variant["price"] for product in products for variant in product["variants"]}
    numbers = unique_numbers(rng, 7, ours)
    placed = iter(orders)
    for user, how_many in zip(users, deal(rng, len(users), METHODS_A_USER), strict=True):
        mine = [(order, _movements(order, prices)) for order in islice(placed, len(user["orders"]))]
        needed = sum(amount for _, moved in mine for amount in moved if amount > 0)
        methods = _payment_methods(rng, numbers, how_many, needed)
        user["payment_methods"] = methods
        left = {m["payment_method_id"]: _cents(m["balance"]) for m in methods if "balance" in m}
        for order, moved in mine:
            charged = sum(amount for amount in moved if amount > 0)
            able = [m for m in methods if "balance" not in m or left[m["payment_method_id"]] - charged >= GIFT_LEAST]
            method = rng.choice(able)["payment_method_id"]
            order["payments"] = [
                Payment(type="payment" if a > 0 else "refund", amount=abs(a) / 100, payment_method_id=method)
                for a in moved
            ]
            if method in left:
                left[method] -= sum(moved)
        for m in methods:
            if "balance" in m:
                m["balance"] = left[m["payment_method_id"]] / 100


def _payment_methods(rng: Random, numbers: Iterator[str], count: int, needed: int) -> list[PaymentMethod]:
    """``count`` methods that can pay ``needed`` cents; a few people have nothing but a gift card that does."""
    least = GIFT_LEAST
    kinds = ["gift_card"]
    if needed + GIFT_LEAST <= GIFT_MOST and rng.random() < GIFT_CARD_ONLY:
        least = math.ceil((needed + GIFT_LEAST) / GIFT_STEP) * GIFT_STEP
    else:
        while kinds == ["gift_card"]:
            kinds = rng.sample(["credit_card", "credit_card", "credit_card", "paypal", "gift_card"], count)
    fours = iter(rng.sample(range(10_000), len(kinds)))
    methods = []
    for kind in kinds:
        method_id = PaymentMethodId(f"{kind}_{next(numbers)}")
        if kind == "credit_card":
            brand = rng.choice(("visa", "visa", "mastercard", "mastercard", "amex", "discover"))
            methods.append(PaymentMethod(
                payment_method_id=method_id, source="credit_card", brand=brand, last_four=f"{next(fours):04d}"
            ))  # fmt: skip
        elif kind == "paypal":
            methods.append(PaymentMethod(payment_method_id=method_id, source="paypal"))
        else:
            rest = least < GIFT_REST and kinds != ["gift_card"] and rng.random() < GIFT_ALMOST_EMPTY
            balance = rng.randrange(least, (GIFT_REST if rest else GIFT_MOST) + 1, GIFT_STEP) / 100
            methods.append(PaymentMethod(payment_method_id=method_id, source="gift_card", balance=balance))
    return methods
