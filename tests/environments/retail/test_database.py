"""The shop's database: same seed same bytes, references resolve, sums add up, the spreads are as documented."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.environments.retail import database
from t2t_dist.environments.retail.catalogue import KINDS, MAKERS

NOW = datetime.fromisoformat("2026-03-02T09:00:00")
Tables = dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def shop() -> Tables:
    return database.build()[0]


@pytest.fixture(scope="module", params=[(0, 1.0), (7, 0.1), (1, 3.0)], ids=lambda p: f"seed {p[0]}, scale {p[1]}")
def any_shop(request: pytest.FixtureRequest) -> Tables:
    return database.build(*request.param)[0]


def cents(dollars: float) -> int:
    assert round(dollars, 2) == dollars
    return round(dollars * 100)


def share(count: int, total: int) -> float:
    return count / total


# -- the same bytes ----------------------------------------------------------------------------------------------------


def test_another_seed_gives_another_shop() -> None:
    (one, _), (other, _) = database.build(0, 0.1), database.build(1, 0.1)
    for table in one:
        assert not set(one[table]) & set(other[table])


def test_clock_stands_still(shop: Tables) -> None:
    assert database.build()[1] == NOW.isoformat()


def test_products_do_not_depend_on_how_many_customers_there_are(shop: Tables) -> None:
    assert database.build(scale=0.1)[0]["products"] == shop["products"]


# -- sizes -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("scale", "users", "orders", "products"),
    [(0.001, 1, 3, 50), (0.1, 50, 200, 50), (1, 500, 2000, 50), (3, 1500, 6000, 87)],
)
def test_sizes(scale: float, users: int, orders: int, products: int) -> None:
    tables, _ = database.build(scale=scale)
    assert {name: len(table) for name, table in tables.items()} == {
        "users": users,
        "orders": orders,
        "products": products,
    }


def test_makers_last_up_to_the_largest_scale() -> None:
    assert len(KINDS) * (1 + len(MAKERS)) >= len(KINDS) * database.MAX_SCALE**0.5


def test_product_names_are_unique_and_carry_a_maker_once_fifty_are_not_enough(any_shop: Tables) -> None:
    names = [product["name"] for product in any_shop["products"].values()]
    plain = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names)
    assert names[:50] == plain
    assert all(name.split(" ", 1)[0] in MAKERS and name.split(" ", 1)[1] in plain for name in names[50:])


# -- the catalogue's laws ----------------------------------------------------------------------------------------------
def test_catalogue_has_fifty_kinds_of_two_or_three_dimensions() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) == 50
    assert len({kind.category for kind in KINDS}) >= 8
    assert all(2 <= len(kind.options) <= 3 for kind in KINDS)
    assert all(2 <= len(values) <= 4 for kind in KINDS for values in kind.options.values())


def test_no_option_value_hides_in_another_or_in_a_name() -> None:
    everyday = "ordered delivered returned exchange cancelled pending requested standard message asking confirm"
    names = " / ".join([kind.name for kind in KINDS] + list(MAKERS)).lower()
    for kind in KINDS:
        values = [value.lower() for values in kind.options.values() for value in values]
        for one, other in combinations(values, 2):
            assert one not in other, (kind.name, one, other)
            assert other not in one, (kind.name, one, other)
        for value in values:
            assert value not in names, (kind.name, value)
            assert value not in everyday, (kind.name, value)


def test_no_kind_is_named_within_another() -> None:
    for one, other in combinations([kind.name.lower() for kind in KINDS], 2):
        assert one not in other
        assert other not in one


def test_a_text_with_all_options_names_one_version(any_shop: Tables) -> None:
    for product in any_shop["products"].values():
        for variant in product["variants"]:
            text = f"I'd like the {product['name']}, {', '.join(variant['options'].values())}, please.".lower()
            named = [v for v in product["variants"] if all(value.lower() in text for value in v["options"].values())]
            assert named == [variant]


# -- ids and references ------------------------------------------------------------------------------------------------
def check_references(tables: Tables) -> None:
    users, orders, products = tables["users"], tables["orders"], tables["products"]
    items = {v["item_id"]: (p, v) for p in products.values() for v in p["variants"]}
    methods = {m["payment_method_id"]: u["user_id"] for u in users.values() for m in u["payment_methods"]}
    for table, key in (("users", "user_id"), ("orders", "order_id"), ("products", "product_id")):
        assert all(record[key] == place for place, record in tables[table].items())
    for user in users.values():
        assert user["orders"]
        placed = [orders[order_id]["placed_at"] for order_id in user["orders"]]
        assert placed == sorted(placed)
        assert all(orders[order_id]["user_id"] == user["user_id"] for order_id in user["orders"])
    assert sum(len(user["orders"]) for user in users.values()) == len(orders)
    for order in orders.values():
        for item in order["items"]:
            product, variant = items[item["item_id"]]
            assert (item["product_id"], item["name"]) == (product["product_id"], product["name"])
            assert item["options"] == variant["options"]
            assert 0.8 * variant["price"] < item["price"] < 1.2 * variant["price"]
        ids = [item["item_id"] for item in order["items"]]
        assert 1 <= len(ids) <= 5
        assert len(set(ids)) == len(ids)
        assert all(methods[payment["payment_method_id"]] == order["user_id"] for payment in order["payments"])


def test_everything_named_is_there(any_shop: Tables) -> None:
    check_references(any_shop)


def test_ids_have_their_shapes_and_are_unique(any_shop: Tables) -> None:
    users, orders, products = any_shop["users"], any_shop["orders"], any_shop["products"]
    methods = [method for user in users.values() for method in user["payment_methods"]]
    method_ids = [method["payment_method_id"] for method in methods]
    shop_ids = [*products, *(v["item_id"] for p in products.values() for v in p["variants"])]
    assert all(re.fullmatch(r"[a-z]+_[a-z]+_\d{4}", user_id) for user_id in users)
    assert all(re.fullmatch(r"#W\d{7}", order_id) for order_id in orders)
    assert all(re.fullmatch(r"\d{10}", shop_id) for shop_id in shop_ids)
    assert all(re.fullmatch(rf"{m['source']}_\d{{7}}", m["payment_method_id"]) for m in methods)
    assert len(set(shop_ids)) == len(shop_ids)
    assert len(set(method_ids)) == len(method_ids)


def test_customers_can_be_told_apart(any_shop: Tables) -> None:
    users = list(any_shop["users"].values())
    assert len({user["email"] for user in users}) == len(users)
    assert len({(u["first_name"], u["last_name"], u["address"]["zip"]) for u in users}) == len(users)
    for user in users:
        local, host = user["email"].split("@")
        last = re.sub("[^a-z]", "", user["last_name"].lower())
        assert host in ("example.com", "example.org", "example.net")
        assert local[0] == user["first_name"][0].lower()
        assert last in local


def test_zip_codes_are_in_their_state_and_cities_in_one(any_shop: Tables) -> None:
    # The first digit of a US zip code goes by state.
    areas = {
        "0": "CT MA ME NH NJ RI VT",
        "1": "DE NY PA",
        "2": "DC MD NC SC VA WV",
        "3": "AL FL GA MS TN",
        "4": "IN KY MI OH",
        "5": "IA MN MT ND SD WI",
        "6": "IL KS MO NE",
        "7": "AR LA OK TX",
        "8": "AZ CO ID NM NV UT WY",
        "9": "AK CA HI OR WA",
    }
    state_of: dict[str, str] = {}
    for record in (*any_shop["users"].values(), *any_shop["orders"].values()):
        address = record["address"]
        assert set(address) == {"address1", "address2", "city", "state", "country", "zip"}
        assert address["country"] == "USA"
        assert re.fullmatch(r"\d{5}", address["zip"])
        assert address["state"] in areas[address["zip"][0]].split()
        assert state_of.setdefault(address["city"], address["state"]) == address["state"]


# -- payment methods and money -----------------------------------------------------------------------------------------
def check_money(tables: Tables) -> None:
    prices = {v["item_id"]: cents(v["price"]) for p in tables["products"].values() for v in p["variants"]}
    spent: Counter[str] = Counter()
    for order in tables["orders"].values():
        paid = {item["item_id"]: cents(item["price"]) for item in order["items"]}
        moves = [(p["type"], cents(p["amount"])) for p in order["payments"]]
        expected = [("payment", sum(paid.values()))]
        if order["status"] == "cancelled":
            expected.append(("refund", sum(paid.values())))
        if order["status"] == "return requested":
            expected.append(("refund", sum(paid[item_id] for item_id in order["returned_items"])))
        if order["status"] == "exchange requested":
            difference = sum(prices[item_id] for item_id in order["exchange_for"])
            difference -= sum(paid[item_id] for item_id in order["exchanged_items"])
            if difference:
                expected.append(("payment" if difference > 0 else "refund", abs(difference)))
        assert moves == expected
        assert len({p["payment_method_id"] for p in order["payments"]}) == 1
        spent[order["payments"][0]["payment_method_id"]] += sum(a if kind == "payment" else -a for kind, a in moves)
    for user in tables["users"].values():
        for method in user["payment_methods"]:
            if method["source"] == "gift_card":
                left = cents(method["balance"])
                assert 10_00 <= left <= left + spent[method["payment_method_id"]] <= 300_00


def test_sums_match_and_gift_cards_cover_what_they_paid(any_shop: Tables) -> None:
    check_money(any_shop)


def test_payment_methods_are_complete_and_distinct(any_shop: Tables) -> None:
    fields = {"credit_card": {"brand", "last_four"}, "paypal": set(), "gift_card": {"balance"}}
    for user in any_shop["users"].values():
        methods = user["payment_methods"]
        sources = Counter(method["source"] for method in methods)
        fours = [method["last_four"] for method in methods if "last_four" in method]
        assert 1 <= len(methods) <= 4
        assert sources["paypal"] <= 1
        assert sources["gift_card"] <= 1
        assert len(set(fours)) == len(fours)
        assert all(re.fullmatch(r"\d{4}", four) for four in fours)
        assert all(set(m) == {"payment_method_id", "source"} | fields[m["source"]] for m in methods)


# -- statuses ----------------------------------------------------------------------------------------------------------
def check_statuses(tables: Tables) -> None:
    products = tables["products"]
    for order in tables["orders"].values():
        status, placed = order["status"], datetime.fromisoformat(order["placed_at"])
        assert timedelta(0) < NOW - placed <= timedelta(days=120)
        assert not status.startswith("pending") or NOW - placed <= timedelta(days=5)
        arrived = status in ("delivered", "return requested", "exchange requested")
        assert ("delivered_at" in order) == arrived
        assert ("cancel_reason" in order) == (status == "cancelled")
        assert ("returned_items" in order) == (status == "return requested")
        assert ("exchanged_items" in order) == ("exchange_for" in order) == (status == "exchange requested")
        if arrived:
            delivered = datetime.fromisoformat(order["delivered_at"])
            assert timedelta(days=2) <= delivered - placed <= timedelta(days=8)
            ago = NOW - delivered
            assert timedelta(0) < ago <= timedelta(days=30) or (status == "delivered" and ago >= timedelta(days=31))
        held = {item["item_id"]: products[item["product_id"]] for item in order["items"]}
        sent_back = order.get("returned_items", []) + order.get("exchanged_items", [])
        assert bool(sent_back) == (status.endswith("requested"))
        assert len(set(sent_back)) == len(sent_back)
        assert not any(held[item_id]["final_sale"] for item_id in sent_back)
        wanted = order.get("exchange_for", [])
        assert len(set(wanted)) == len(wanted) == len(order.get("exchanged_items", []))
        for old, new in zip(order.get("exchanged_items", []), wanted, strict=True):
            assert new not in held
            assert [v["stock"] > 0 for v in held[old]["variants"] if v["item_id"] == new] == [True]


def test_statuses_agree_with_dates_and_fields(any_shop: Tables) -> None:
    check_statuses(any_shop)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**63), scale=st.floats(0.001, 0.08))
def test_any_seed_and_small_scale_gives_a_sound_shop(seed: int, scale: float) -> None:
    tables, _ = database.build(seed, scale)
    check_references(tables)
    check_money(tables)
    check_statuses(tables)


# -- spreads -----------------------------------------------------------------------------------------------------------
def test_spread_of_statuses_and_dates(shop: Tables) -> None:
    orders = list(shop["orders"].values())
    found = Counter(order["status"] for order in orders)
    shares = {
        "pending": 0.34,
        "pending (items modified)": 0.04,
        "processed": 0.06,
        "shipped": 0.08,
        "delivered": 0.40,
        "cancelled": 0.04,
        "return requested": 0.02,
        "exchange requested": 0.02,
    }
    assert {status: share(found[status], len(orders)) for status in shares} == pytest.approx(shares, abs=0.005)
    delivered = [NOW - datetime.fromisoformat(o["delivered_at"]) for o in orders if o["status"] == "delivered"]
    within = sum(ago <= timedelta(days=30) for ago in delivered)
    assert share(within, len(delivered)) == pytest.approx(0.72, abs=0.05)


def test_spread_of_customers(shop: Tables) -> None:
    users = list(shop["users"].values())
    orders = Counter(len(user["orders"]) for user in users)
    assert sorted(orders) == [3, 4, 5, 6]
    assert orders[3] > orders[4] > orders[5] > orders[6]
    several = sum(len(user["payment_methods"]) > 1 for user in users)
    assert share(several, len(users)) == pytest.approx(0.55, abs=0.05)
    with_card = sum(any(m["source"] != "gift_card" for m in user["payment_methods"]) for user in users)
    assert 0.9 < share(with_card, len(users)) < 1


def test_spread_of_orders(shop: Tables) -> None:
    orders = list(shop["orders"].values())
    items = [item for order in orders for item in order["items"]]
    prices = {v["item_id"]: v["price"] for p in shop["products"].values() for v in p["variants"]}
    twins = sum(len({item["product_id"] for item in order["items"]}) < len(order["items"]) for order in orders)
    at_home = sum(order["address"] == shop["users"][order["user_id"]]["address"] for order in orders)
    assert len(items) / len(orders) == pytest.approx(2.4, abs=0.1)
    assert share(twins, len(orders)) == pytest.approx(0.12, abs=0.03)
    assert share(at_home, len(orders)) == pytest.approx(0.85, abs=0.04)
    same_price = sum(item["price"] == prices[item["item_id"]] for item in items)
    assert share(same_price, len(items)) == pytest.approx(0.85, abs=0.04)


def test_spread_of_products(shop: Tables) -> None:
    products = list(shop["products"].values())
    stocks = [variant["stock"] for product in products for variant in product["variants"]]
    assert all(4 <= len(product["variants"]) <= 12 for product in products)
    assert all(0 <= stock <= 40 for stock in stocks)
    assert share(stocks.count(0), len(stocks)) == pytest.approx(0.22, abs=0.01)
    assert sum(product["final_sale"] for product in products) == 5
    for product in products:
        for dimension in product["variants"][0]["options"]:
            assert len({variant["options"][dimension] for variant in product["variants"]}) >= 2
