"""People: addresses and e-mail addresses in one form, whichever way they are written."""

from __future__ import annotations

import pytest

from t2t_dist.environments.people import Address, People, normal_address, normal_email

WHOLE = Address(address1="12 Oak Street", address2="Apt 38", city="Reno", state="NV", country="USA", zip="89501")


def written(address1: str = "12 Oak Street", address2: str = "", **more: str) -> Address:
    fields = {**WHOLE, "address1": address1, "address2": address2, **more}
    return Address(**fields)  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    "address",
    [
        WHOLE,
        written("12 Oak Street", "Apt. 38"),
        written("12 Oak Street", "apartment #38"),
        written("12 Oak Street, Apt 38"),
        written("12 Oak Street  apt. 38"),
        written("12 Oak Street #38"),
        written("12 Oak Street,", "Apt 38", country="United States"),
        written("12 Oak Street", "Apt 38", city=" Reno ", state="nv", country="U.S.A."),
    ],
)
def test_ways_to_write_one_address(address: Address) -> None:
    assert normal_address(address) == WHOLE


@pytest.mark.parametrize(
    "address",
    [
        written("9 Unity Road"),
        written("12 Oak Street", "Floor 3"),
        written("Suite 4"),
        written("12 Oak Street", "Suite 4"),
        written("27 Maple Row", "Apt 3", country="Canada", state="ON", zip="M5V 2T6"),
    ],
)
def test_what_is_another_address_stays_one(address: Address) -> None:
    assert normal_address(address) == address
    assert normal_address(normal_address(written("1 Elm St apt 2"))) == normal_address(written("1 Elm St apt 2"))


def test_generated_addresses_are_in_that_form() -> None:
    people = People(7)
    assert all(normal_address(address) == address for address in (people.address() for _ in range(200)))


def test_e_mail_addresses_have_small_letters() -> None:
    assert normal_email(" Ann.Lee@Example.COM ") == "ann.lee@example.com"
