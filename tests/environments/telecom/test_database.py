"""The generated provider: the same bytes for a seed, records of the stated shape, and all that tasks need."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pydantic import TypeAdapter

from t2t_dist.environments.telecom.database import build
from t2t_dist.environments.telecom.records import Bill, Customer, Line, Phone, Plan

SHAPES: dict[str, TypeAdapter[Any]] = {
    "customers": TypeAdapter(Customer),
    "lines": TypeAdapter(Line),
    "plans": TypeAdapter(Plan),
    "bills": TypeAdapter(Bill),
    "phones": TypeAdapter(Phone),
}
TABLES, CLOCK = build(0, 1.0)


@pytest.mark.parametrize("table", SHAPES)
def test_records_have_the_stated_shape(table: str) -> None:
    for record in TABLES[table].values():
        assert SHAPES[table].validate_python(record, strict=True) == record


def test_records_refer_to_one_another() -> None:
    for key, customer in TABLES["customers"].items():
        methods = {method["payment_method_id"] for method in customer["payment_methods"]}
        assert all(TABLES["lines"][number]["customer_id"] == key for number in customer["lines"])
        for bill in (TABLES["bills"][bill_id] for bill_id in customer["bills"]):
            assert bill["customer_id"] == key
            assert ("paid_with" in bill) == (bill["status"] == "paid")
            assert bill.get("paid_with", next(iter(methods))) in methods
            assert bill["total"] == round(sum(item["amount"] for item in bill["items"]), 2)
    assert (
        set(TABLES["phones"]) == set(TABLES["lines"]) == {n for c in TABLES["customers"].values() for n in c["lines"]}
    )
    assert {line["plan_id"] for line in TABLES["lines"].values()} == set(TABLES["plans"])
    for line in TABLES["lines"].values():
        assert ("suspended_for" in line) == (line["status"] == "suspended")


def test_customers_have_three_to_six_lines_and_bills() -> None:
    customers = TABLES["customers"].values()
    for table in ("lines", "bills"):
        assert sorted({len(customer[table]) for customer in customers}) == [3, 4, 5, 6]
    assert {bill["status"] for bill in TABLES["bills"].values() if bill["total"] > 250} == {"open", "overdue", "paid"}


def test_who_somebody_is_names_one_customer() -> None:
    customers = TABLES["customers"].values()
    assert len({c["contact_number"] for c in customers}) == len(customers)
    assert len({(c["first_name"], c["last_name"], c["birth_date"]) for c in customers}) == len(customers)
    assert not {c["contact_number"] for c in customers} & set(TABLES["lines"])
    for customer in customers:  # what is said of a payment method tells it from the others
        said = [(m.get("brand"), m["last_four"]) for m in customer["payment_methods"]]
        assert len(set(said)) == len(said)
        assert sum(m["source"] == "bank_account" for m in customer["payment_methods"]) <= 1


def test_everything_that_tasks_are_about_occurs() -> None:
    lines, phones = TABLES["lines"].values(), TABLES["phones"].values()
    reasons = Counter(line.get("suspended_for") for line in lines)
    assert set(reasons) == {None, "lost or stolen", "long absence", "unpaid bill"}
    assert 0.7 < reasons[None] / len(lines) < 0.85
    for setting in ("airplane_mode", "mobile_data", "data_roaming", "data_saver", "vpn", "network_mode", "sim"):
        counts = Counter(phone[setting] for phone in phones)
        assert min(counts.values()) > 0.05 * len(phones), setting
    assert 0.1 < sum(bool(phone["abroad"]) for phone in phones) / len(phones) < 0.25
    assert Counter(b["status"] for b in TABLES["bills"].values())["overdue"] > 50


def test_scale_multiplies_the_customers() -> None:
    assert len(build(0, 0.1)[0]["customers"]) == 50
    assert len(TABLES["customers"]) == 500
