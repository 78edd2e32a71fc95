"""Tools that domains share: calculate and think, and the two that put on record how a request was handled.

A refusal and a hand-over are records of the world (table :data:`DESK`), so that state tells an agent that refused, for
the right reason, from one that did nothing, lied, or got rid of the customer. No words have to be understood for that.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

from .payment import dollars
from .state import World
from .tools import GENERIC, RECORD, Tool, ToolError, tool

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


#: The characters of an expression. Nothing else reaches the parser: no name, no call, no text.
_EXPRESSION = re.compile(r"[0-9.+*/()\s-]{1,200}", re.ASCII)


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        return _value(node.operand) * (-1 if isinstance(node.op, ast.USub) else 1)
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return float(_BINARY[type(node.op)](_value(node.left), _value(node.right)))
    raise ToolError("only numbers, + - * / and parentheses can be calculated")


@tool(GENERIC)
def calculate(world: World, expression: str) -> str:
    """Calculate with dollars. The result is rounded to cents.

    Args:
        expression: Numbers with + - * / and parentheses, such as '3 * (17.90 - 4.05)'.
    """
    if len(expression) > 200:
        raise ToolError("the expression is longer than 200 characters; split it up")
    if not _EXPRESSION.fullmatch(expression):
        raise ToolError("only numbers, + - * / and parentheses can be calculated, such as '3 * (17.90 - 4.05)'")
    try:
        value = _value(ast.parse(" ".join(expression.split()), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, OverflowError, MemoryError):
        raise ToolError("that is not an expression of numbers, + - * / and parentheses") from None
    except ZeroDivisionError:
        raise ToolError("the expression divides by zero") from None
    # 200 characters can't make a number that overflows a float.
    return f"{dollars(value)}"


@tool(GENERIC)
def think(world: World, thought: str) -> str:
    """Write down a thought. Nothing is looked up and nothing changes.

    Args:
        thought: What you want to think through.
    """
    return "Noted."


#: Table of what is on record about the conversation. A record that is made twice is one.
DESK = "desk"


@tool(RECORD)
def transfer_to_human_agents(world: World, summary: str) -> str:
    """Hand the customer over to a human agent, where the policy says so.

    Args:
        summary: What the customer wants and what was done so far.
    """
    # The summary is free text: equal hand-overs have to be equal states.
    world.put(DESK, "handed over", {"to": "human agent"})
    return "The customer is being transferred to a human agent."


def make_decline_tool(requests: Sequence[str], rules: Collection[int]) -> Tool:
    """The tool ``decline_request`` of a domain.

    ``requests``: what customers ask for, by the names of the tools for it; ``rules``: the numbers of the rules by which
    a request is refused (``declinable`` of ``t2t_dist.environments.rules``). By any other nothing is put on record.
    """

    def decline_request(world: World, request: str, rule: int) -> str:
        """Put on record that something the customer asked for can't be done, and by which rule of the policy.

        Args:
            request: What the customer asked for.
            rule: The number of the rule that forbids it, such as 5 for R5.
        """
        if rule not in rules:
            listed = ", ".join(f"R{number}" for number in rules)
            raise ToolError(f"R{rule} is no rule by which a request is declined; these are: {listed}")
        world.put(DESK, f"declined {request} R{rule}", {"request": request, "rule": rule})
        return f"On record: {request} was declined by R{rule}."

    decline_request.__annotations__["request"] = Literal[tuple(dict.fromkeys(requests))]
    return tool(RECORD)(decline_request)
