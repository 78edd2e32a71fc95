"""How customers of the shop say what they want."""

from __future__ import annotations

from t2t_dist.environments.registry import load
from t2t_dist.environments.retail.conditions import common
from t2t_dist.environments.tools import Call

RETAIL = load("retail")


def said(old: list[str], new: list[str]) -> str:
    call = Call("exchange_delivered_order_items", {"item_ids": old, "new_item_ids": new})
    return RETAIL.describe(RETAIL.world(), call, "new_item_ids", "").text


def test_of_two_items_of_one_product_it_is_said_which_becomes_which() -> None:
    products = [p for p in RETAIL.base.tables["products"].values() if len(p["variants"]) >= 4]
    ids = [[variant["item_id"] for variant in product["variants"]] for product in products[:2]]
    options = {v["item_id"]: ", ".join(v["options"].values()) for p in products[:2] for v in p["variants"]}
    (a, b, c, d), (other, another) = ids[0][:4], ids[1][:2]
    both, name = said([a, b], [c, d]), common(products[0]["name"])
    assert f"the {options[c]} {name} for the {options[a]} one" in both
    assert f"the {options[d]} {name} for the {options[b]} one" in both
    assert both != said([b, a], [c, d])
    assert " for the " not in said([a, other], [c, another])
    assert said([a], [c]) == f"the {options[c]} one"
