"""Domain types from names, hints, and domains by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.environments import registry
from t2t_dist.environments.adapters.tau2 import adapted
from t2t_dist.environments.adapters.tau2.naming import Hints, load_hints, singular, type_name
from t2t_dist.environments.base import Domain
from t2t_dist.environments.registry import UnknownDomain
from t2t_dist.environments.tools import Kind
from t2t_dist.synthesis.kinds_of_request import kinds_of
from t2t_dist.synthesis.requests.kinds import holders, identities
from tests.support.made import make, verdict
from tests.support.runs import environment
from tests.support.toy_tau2 import Shop, ShopKit, Toy, tool


@pytest.fixture(scope="module")
def toy() -> Domain:
    return Toy()


def test_words_of_names() -> None:
    assert [singular(n) for n in ("item_ids", "addresses", "categories", "address", "bill")] == [
        "item_id",
        "address",
        "category",
        "address",
        "bill",
    ]
    assert type_name("payment_method_id") == "PaymentMethodId"


def test_arguments_and_results_are_typed_by_their_names(toy: Domain) -> None:
    consumed = {tool.name: tool.consumes() for tool in toy.tools}
    assert consumed["pay_order"] == {"OrderId", "PaymentMethodId"}
    assert consumed["find_member_id_by_email"] == {"Email"}
    assert consumed["place_order"] == {"MemberId", "ItemId"}
    assert toy.tools["cancel_order"].parameters["reason"].choices == ("not needed", "mistake")
    assert toy.tools["find_member_id_by_email"].produces() == {"MemberId"}
    found = list(toy.tools["get_member_details"].found(toy.base.tables["members"]["m1"], {"member_id": "m1"}))
    assert ("PaymentMethodId", "gift_1") in [f[:2] for f in found]  # a plain `id` goes by whose it is
    assert ("OrderId", "O1") in [f[:2] for f in found]  # a list of texts named after a table


def test_kinds_sides_customers_and_time(toy: Domain) -> None:
    assert {t.name for t in toy.tools if t.kind is Kind.WRITE and t.side == "user"} == {"toggle_airplane_mode"}
    assert toy.tools["hand_over"].kind is Kind.GENERIC  # called a write, and changes nothing
    assert toy.transfer_tool == "hand_over"
    assert [tool.name for tool in toy.entry_tools] == ["find_member_id_by_email"]
    assert toy.profile(toy.world(), "m1") == ("m1", "Ada Stone", {"Email": "ada@example.com"})
    assert toy.world().now.isoformat() == "2024-05-15T15:00:00"
    assert toy.base.tables["bills"]["b2"]["due"] == 10.0


def test_tools_are_shown_as_they_are_described(toy: Domain) -> None:
    shown = toy.tools["cancel_order"].schema["function"]
    assert shown["description"] == "Cancel an order."
    assert shown["parameters"]["properties"]["reason"] == {
        "enum": ["not needed", "mistake"],
        "type": "string",
        "description": "Why.",
    }


def test_tasks_are_made_on_it(toy: Domain) -> None:
    made = make(toy, 6)
    assert len(made.verified("general")) == 6
    assert made.verified("changing")


def test_hints_say_what_names_do_not() -> None:
    hints = Hints(
        customers="members",
        now="2030-01-01T00:00:00",
        facts=["Email", "LastName"],
        arguments={"pay_order.payment_method_id": "Wallet", "reason": ["mistake"]},
        results={"count_orders": "Count"},
    )
    domain = adapted("tau2:toy", Shop, hints)()
    assert domain.tools["pay_order"].consumes() == {"OrderId", "Wallet"}
    assert domain.tools["cancel_order"].parameters["reason"].choices == ("mistake",)
    assert domain.tools["count_orders"].produces() == {"Count"}
    assert domain.world().now.year == 2030
    assert domain.transfer_tool == ""  # there is no such tool


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("customer: users", "customer: extra inputs are not permitted"),
        ("arguments: {a: 1}", "arguments.a"),
        ("[", "can't be read as YAML"),
    ],
)
def test_invalid_hints(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "hints.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"hints\.yaml") as caught:
        load_hints(file)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hints_that_come_with_the_project_are_sound() -> None:
    folder = Path(registry.__file__).parent / "adapters" / "tau2"
    files = sorted(folder.glob("*.yaml"))
    assert files
    assert all(load_hints(file).customers for file in files)


WORDS = """
records:
  Order:
    noun: order
    plural: orders
    fields:
      status: {each: {pending: [pending], sent: [that was sent]}}
      item_ids: {contains: ["with {value} in it"]}
  Card: {noun: payment method, id: source}
"""


def test_words_beside_the_hints_make_its_tasks_hard(tmp_path: Path) -> None:
    (tmp_path / "words.yaml").write_text(WORDS)
    (tmp_path / "hints.yaml").write_text("{customers: members, language: words.yaml}")
    hints = load_hints(tmp_path / "hints.yaml")
    assert hints.language == str(tmp_path / "words.yaml")
    made = make(adapted("tests.support.toy_tau2:Toy", Shop, hints)(), 12, difficulty=3)
    described = [task for task in made.verified() if {"by description", "set"} & set(kinds_of(made.domain, task))]
    assert len(described) >= 6
    assert all(verdict(made.domain, task) == "verified" for task in described)
    assert not any("order #" in goal.request for task in described for goal in task.user.goals if len(goal.facts) == 1)


def test_a_record_is_identified_by_the_field_that_its_words_name(tmp_path: Path, toy: Domain) -> None:
    (tmp_path / "words.yaml").write_text(WORDS)
    worded = adapted("worded", Shop, Hints(customers="members", language=str(tmp_path / "words.yaml")))()
    assert identities(toy)["PaymentMethodId"] == {"Card": "id"}
    assert "PaymentMethodId" not in identities(worded)  # a source is no domain type, so nothing identifies one
    assert holders(worded)["PaymentMethodId"] == {"Card": ["id"]}


def test_a_result_without_a_type_can_be_of_a_model() -> None:
    class Loose(ShopKit):
        @tool("read")
        def get_details(self, id: str) -> dict[str, Any]:
            """Get whatever has this id.

            Args:
                id: The order.
            """
            return self.db.orders[id].model_dump()  # type: ignore[no-any-return]

    class LooseShop(Shop):
        def __init__(self) -> None:
            super().__init__()
            tools = {**vars(ShopKit), **vars(Loose)}
            kit = type("All", (Loose,), {name: one for name, one in tools.items() if hasattr(one, "kind")})
            self.tools = kit(self.tools.db)

    hints = Hints(customers="members", arguments={"get_details.id": "OrderId"}, results={"get_details": "Order"})
    domain = adapted("loose", LooseShop, hints)()
    assert (domain.tools["get_details"].returns.name, domain.tools["get_details"].consumes()) == ("Order", {"OrderId"})
    assert "Order" not in domain.names.typed  # type: ignore[attr-defined]


def test_a_database_that_can_not_be_loaded() -> None:
    def broken() -> Any:
        raise FileNotFoundError(2, "No such file", "db.json")

    with pytest.raises(ValueError, match="tau2 can't load its database: FileNotFoundError"):
        adapted("tau2:broken", broken, Hints())()


def test_without_tau2_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tau2", None)
    monkeypatch.setitem(sys.modules, "tau2.registry", None)
    monkeypatch.setattr("t2t_dist.environments.adapters.tau2._absent", lambda: True)
    with pytest.raises(UnknownDomain) as caught:
        registry.find("tau2:no_such_domain")
    assert str(caught.value) == (
        "domain 'tau2:no_such_domain': tau2 is not installed here; install tau2-bench from its repository,"
        " Python 3.12 or newer"
    )


def test_a_package_of_that_name_that_is_another(tmp_path: Path) -> None:
    (tmp_path / "tau2").mkdir()
    (tmp_path / "tau2" / "__init__.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "t2t_dist.cli", "check-domain", "tau2:retail"],
        env={**environment(), "PYTHONPATH": f"{tmp_path}:{environment()['PYTHONPATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: domain 'tau2:retail': tau2 ")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
