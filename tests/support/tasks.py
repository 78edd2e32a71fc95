"""Tasks made by hand on the small shop, for tests of the later stages."""

from __future__ import annotations

import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from t2t_dist.core.schema import Certificate, Change, Fact, Goal, GoldCall, GraderSide, Task, UserSide
from t2t_dist.environments import registry
from t2t_dist.environments.base import Call, Domain, replay


@cache
def shop() -> Domain:
    """Retail with 50 customers and 100 orders."""
    return registry.load("retail", 0, 0.1)


@cache
def pending_order() -> tuple[str, str]:
    """A customer, and one of their pending orders that may be cancelled."""
    tables = shop().base.tables
    for order_id, order in tables["orders"].items():
        if order["status"] == "pending" and sum(item["price"] for item in order["items"]) < 600:
            return order["user_id"], order_id
    raise AssertionError("the small shop holds no such order")


def cancelling() -> Task:
    """general: the customer wants their pending order cancelled."""
    domain = shop()
    customer, order_id = pending_order()
    profile = domain.profile(domain.world(), customer)
    email = profile.facts["Email"]
    calls = [
        Call("find_user_id_by_email", {"email": email}),
        Call("get_order_details", {"order_id": order_id}),
        Call("cancel_pending_order", {"order_id": order_id, "reason": "no longer needed"}),
    ]
    world = domain.world()
    results = list(replay(domain, calls, world))
    assert not any(result.error for result in results)
    side = UserSide(
        name=profile.name,
        persona="Friendly and brief.",
        reason_for_call=f"You want to cancel order {order_id} because it is no longer needed.",
        known_info=f"You are {profile.name}, and your e-mail address is {email}. The order is {order_id}.",
        unknown_info="You do not know how much will be refunded.",
        task_instructions="Agree to the cancellation when the agent describes it. Thank them when it is done.",
        identity=[Fact(slot="Email", label="e-mail address", text=email, says=[email], answer=f"It's {email}.")],
        goals=[
            Goal(
                request=f"I'd like to cancel order {order_id}; it's no longer needed.",
                facts=[
                    Fact(slot="order_id", label="order number", text=order_id, says=[order_id], answer=f"{order_id}."),
                    Fact(
                        slot="reason",
                        label="reason",
                        text="it's no longer needed",
                        says=["no longer needed"],
                        answer="It's no longer needed.",
                        stated=False,
                    ),
                ],
                questions=["How much will I get back?"],
            )
        ],
    )
    kinds = ("read", "read", "write")
    gold = [
        GoldCall(name=call.name, kind=kind, arguments=call.arguments, goal=0, result=result.content)
        for call, kind, result in zip(calls, kinds, results, strict=True)
    ]
    return Task(
        task_id="task-cancelling",
        trajectory_id="traj-cancelling",
        index=0,
        intent="general",
        domain="retail",
        customer=customer,
        writer="template",
        seed=0,
        user=side,
        grader=GraderSide(gold=gold, initial=domain.world().digest, final=world.digest),
        certificate=Certificate(intent="general", replays=[world.digest, world.digest]),
        verdict="verified",
    )


def changing() -> Task:
    """The same, and a change of mind on being asked to confirm."""
    task = cancelling()
    task.intent = "changing"
    task.user.change = Change(
        goal=0,
        trigger="asked_to_confirm",
        request="On second thought, keep the order and send it to my new address, 5 Elm Street.",
        facts=[
            Fact(slot="address", label="address", text="5 Elm Street", says=["5 Elm Street"], answer="5 Elm Street.")
        ],
    )
    return task


# -- sentinels --------------------------------------------------------------------------------------------------------
def sentinels(model: type[BaseModel], skip: frozenset[str] = frozenset()) -> tuple[dict[str, Any], list[str]]:
    """Fields for ``model``, each string in them one of its own, and the strings. Fields in ``skip`` are left out."""
    made: list[str] = []

    def text() -> str:
        made.append(f"zqx{model.__name__.lower()}{len(made)}zqx")
        return made[-1]

    def value(hint: Any) -> Any:
        origin, args = get_origin(hint), get_args(hint)
        if origin is Annotated:
            return value(args[0])
        if origin in (Union, types.UnionType):
            return value(next(arg for arg in args if arg is not type(None)))
        if origin is Literal:
            return args[0]
        if origin is list:
            return [value(args[0]), value(args[0])]
        if origin is dict:
            return {text(): text()}
        if isinstance(hint, type) and issubclass(hint, BaseModel):
            return {name: value(field.annotation) for name, field in hint.model_fields.items()}
        if hint in (str, Any):
            return text()
        return {int: 1, float: 1.0, bool: True}[hint]

    return {n: value(f.annotation) for n, f in model.model_fields.items() if n not in skip}, made


def strings(value: Any) -> Iterator[str]:
    """Every string in plain data, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strings(key)
            yield from strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings(inner)
