"""The tools that domains share: the calculator does arithmetic and nothing else; refusals and hand-overs are kept."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.environments.assistant import DESK
from t2t_dist.environments.payment import dollars
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import GENERIC, RECORD
from tests.environments.retail.small_shop import SHOP, do, refused


@pytest.fixture
def world() -> World:
    return SHOP.world()


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("1+1", "2.0"),
        (" 3 * (17.90 - 4.05) ", "41.55"),
        ("-(2 - 5) / 4", "0.75"),
        ("+.5", "0.5"),
        ("2.675 + 0", "2.68"),
        ("0.001 - 0.002", "0.0"),
        ("0 * -1", "0.0"),
        ("10\n+ 5", "15.0"),
    ],
)
def test_calculate(world: World, expression: str, result: str) -> None:
    assert do(world, "calculate", expression=expression).content == result


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').getcwd()",
        "print(1)",
        "(lambda: 1)()",
        "[1 for x in ()]",
        "order",
        "'a' * 3",
        "True + 1",
        "None",
        "1j",
        "0x10",
        "1e3",
        "1_000",
        "2 ** 9",
        "7 // 2",
        "7 % 2",
        "1 << 3",
        "1 < 2",
        "1 if 1 else 2",
        "x := 1",
        "1; 2",
        "...",
        "1 +",
        "(1",
        "1 2",
        "3(4)",
        "(1)(2)",
        "1, 2",
        "$5",
        "",
        " ",
        "١+١",
        "#",
        "1\x00",
    ],
)
def test_calculate_refuses_everything_but_arithmetic(world: World, expression: str) -> None:
    said = refused(world, "calculate", expression=expression)
    assert "numbers, + - * / and parentheses" in said


def test_calculate_refuses_what_has_no_result(world: World) -> None:
    assert refused(world, "calculate", expression="1 / (2 - 2)") == "the expression divides by zero"
    assert refused(world, "calculate", expression="1+" * 100 + "1").startswith("the expression is longer than 200")
    assert "not an expression" in refused(world, "calculate", expression="(" * 99 + "1" + ")" * 100)


@pytest.mark.parametrize("expression", ["*".join("9" * 66 for _ in range(3))[:200], "9" * 99 + "/." + "0" * 98 + "1"])
def test_calculate_holds_the_largest_results(world: World, expression: str) -> None:
    assert math.isfinite(float(do(world, "calculate", expression=expression).content))


def expressions() -> st.SearchStrategy[str]:
    numbers = st.integers(0, 999).map(str) | st.decimals(0, 999, places=2).map(str)
    return st.recursive(
        numbers,
        lambda inner: (
            st.tuples(inner, st.sampled_from("+-*/"), inner).map(" ".join)
            | inner.map(lambda text: f"({text})")
            | inner.map(lambda text: f"-({text})")
        ),
        max_leaves=8,
    )


@given(expressions())
def test_calculate_agrees_with_python(expression: str) -> None:
    try:
        expected = eval(expression, {"__builtins__": {}})
    except ZeroDivisionError:
        expected = math.nan
    result = do(SHOP.world(), "calculate", expression=expression)
    if len(expression) > 200 or math.isnan(expected):
        assert result.error
    else:
        assert float(result.content) == dollars(expected)


@given(st.text(max_size=30) | st.text(alphabet="0123456789.+-*/() ", max_size=30))
def test_calculate_gives_a_number_or_refuses(expression: str) -> None:
    result = do(SHOP.world(), "calculate", expression=expression)
    assert result.error or math.isfinite(float(result.content))


def test_tools_that_touch_no_data(world: World) -> None:
    for name, arguments in (("calculate", {"expression": "1"}), ("think", {"thought": "hm"})):
        assert SHOP.tools[name].kind is GENERIC
        result = do(world, name, **arguments)
        assert (result.error, result.changed, world.changes()) == (False, False, [])


# -- what is put on record ---------------------------------------------------------------------------------------------
def on_record(world: World) -> list[object]:
    return [change.after for change in world.changes() if change.table == DESK]


def test_a_refusal_is_on_record_with_its_rule_once(world: World) -> None:
    assert SHOP.tools[SHOP.decline_tool].kind is RECORD
    assert do(world, "decline_request", request="cancel_pending_order", rule=5).changed
    again = do(world, "decline_request", request="cancel_pending_order", rule=5)
    assert (again.error, again.changed) == (False, False)
    assert on_record(world) == [{"request": "cancel_pending_order", "rule": 5}]
    before = world.digest
    do(world, "decline_request", request="cancel_pending_order", rule=6)
    assert world.digest != before


def test_a_refusal_names_a_request_and_a_rule_that_there_are(world: World) -> None:
    for rule in (99, 7):  # R7 is for a person to decide
        told = refused(world, "decline_request", request="cancel_pending_order", rule=rule)
        assert told.startswith(f"R{rule} is no rule by which a request is declined; these are: R2, R5, R6, R8, ")
    assert "request" in refused(world, "decline_request", request="find_user_id_by_email", rule=5)
    assert world.changes() == []


def test_a_hand_over_is_on_record_whatever_its_summary(world: World) -> None:
    other = world.fork()
    assert do(world, SHOP.transfer_tool, summary="wants a discount").changed
    do(other, SHOP.transfer_tool, summary="")
    assert world.digest == other.digest != SHOP.world().digest
