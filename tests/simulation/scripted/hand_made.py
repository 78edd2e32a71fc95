"""Tasks made by hand on the real shop, and the smallest loop that plays them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from t2t_dist.core.schema import (
    STOP,
    TRANSFER,
    CallPattern,
    Candidate,
    Certificate,
    Change,
    Fact,
    Goal,
    GoldCall,
    GraderSide,
    Task,
    Turn,
    UserSide,
)
from t2t_dist.environments.base import Domain
from t2t_dist.environments.registry import load
from t2t_dist.environments.retail import conditions as when
from t2t_dist.environments.state import Record, World
from t2t_dist.environments.tools import Call
from t2t_dist.simulation.players import AgentPlayer, UserPlayer

SHOP: Domain = load("retail")
WORLD: World = SHOP.world()


def orders(customer: str, fits: Callable[[Record], bool]) -> list[Record]:
    user = WORLD.get("users", customer)
    assert user is not None
    found = (WORLD.get("orders", order_id) for order_id in user["orders"])
    return [order for order in found if order and fits(order)]


def pending(order: Record) -> bool:
    return bool(order["status"] == "pending" and when.under_supervised_total(order) is None)


def returnable(order: Record) -> bool:
    return bool(
        order["status"] == "delivered"
        and when.within_window(WORLD, order) is None
        and when.not_final_sale(WORLD, order["items"]) is None
    )


def first_customer(fits: Callable[[str], bool]) -> str:
    return next(customer for customer in SHOP.customers(SHOP.base) if fits(customer))


def versions(item: Record) -> list[str]:
    """Item ids of the other versions in stock."""
    product = WORLD.get("products", item["product_id"])
    assert product is not None
    return [v["item_id"] for v in product["variants"] if v["stock"] > 0 and v["item_id"] != item["item_id"]]


def swap(order: Record, item: Record, new: str, method: str | None = None) -> Call:
    arguments = {"order_id": order["order_id"], "item_ids": [item["item_id"]], "new_item_ids": [new]}
    return Call("modify_pending_order_items", {**arguments, "payment_method_id": method or when.paid_with(order)})


def facts_of(call: Call, customer: str, withheld: Sequence[str] = ()) -> list[Fact]:
    made = []
    for slot in call.arguments:
        words = SHOP.language.slot(call.name, slot)
        said = SHOP.describe(WORLD, call, slot, customer)
        if said.says:
            made.append(
                Fact(
                    slot=slot,
                    label=words.label,
                    text=said.text,
                    says=list(said.says),
                    answer=words.answer[0].format(value=said.text),
                    cues=words.cues,
                    stated=slot not in withheld,
                )
            )
    return made


def request_of(call: Call, customer: str, withheld: Sequence[str] = (), which: int = 0) -> str:
    values = {}
    for slot in call.arguments:
        words = SHOP.language.slot(call.name, slot)
        text = SHOP.describe(WORLD, call, slot, customer).text
        values[slot] = words.vague[0] if slot in withheld else words.stated[0].format(value=text)
    requests = SHOP.language.tool(call.name).request
    return requests[which % len(requests)].format(**values)


def identity(customer: str, by_email: bool) -> tuple[list[Fact], Call]:
    facts = SHOP.profile(WORLD, customer).facts
    names = ["Email"] if by_email else ["FirstName", "LastName", "Zip"]
    known = []
    for name in names:
        words = SHOP.language.identity[name]
        answer = words.answer[0].format(value=facts[name])
        known.append(
            Fact(
                slot=name,
                label=words.label,
                text=facts[name],
                says=[facts[name]],
                answer=answer,
                cues=words.cues,
                stated=False,
            )
        )
    if by_email:
        return known, Call("find_user_id_by_email", {"email": facts["Email"]})
    arguments = {"first_name": facts["FirstName"], "last_name": facts["LastName"], "zip": facts["Zip"]}
    return known, Call("find_user_id_by_name_zip", arguments)


def reads_for(call: Call) -> list[Call]:
    """Look-ups that an expert makes before this write."""
    reads = []
    order = WORLD.get("orders", str(call.arguments.get("order_id")))
    if order is not None:
        reads.append(Call("get_order_details", {"order_id": order["order_id"]}))
        if "new_item_ids" in call.arguments:
            items = when.items_of(order, call.arguments["item_ids"]) or []
            reads += [Call("get_product_details", {"product_id": item["product_id"]}) for item in items]
    return reads


def make_task(
    intent: str,
    customer: str,
    calls: Sequence[Call],
    *,
    at: int = 0,
    by_email: bool = True,
    persona: str = "friendly: likes to chat a little",
    withheld: Sequence[str] = (),
    candidates: Sequence[Call] = (),
    first: Call | None = None,
    trigger: str = "asked_to_confirm",
    rule: int | None = None,
    handling: str | None = None,
    questions: Sequence[str] = (),
    communicate: Sequence[str] = (),
    patience: int = 1,
    which: int = 0,
) -> Task:
    """A task whose goals are ``calls``; goal ``at`` makes the intent. Everything the gold says is executed here."""
    known, entry = identity(customer, by_email)
    world = SHOP.world()
    gold: list[GoldCall] = []

    def add(call: Call, goal: int) -> None:
        result = SHOP.execute(world, call)
        assert not result.error, result.content
        kind = SHOP.tools[call.name].kind
        gold.append(GoldCall(name=call.name, kind=kind, arguments=call.arguments, goal=goal, result=result.content))

    add(entry, -1)
    add(Call("get_user_details", {"user_id": customer}), -1)
    goals = []
    for index, call in enumerate(calls):
        asked_first = first if first is not None and index == at else call
        hidden = withheld if index == at else ()
        goals.append(
            Goal(
                request=request_of(asked_first, customer, hidden, which),
                facts=facts_of(asked_first, customer, hidden),
                questions=list(questions) if index == at else [],
            )
        )
        for read in reads_for(call) if call.name in SHOP.tools else ():
            if all((read.name, read.arguments) != (made.name, made.arguments) for made in gold):
                add(read, index)
        if not (rule is not None and index == at):
            add(call, index)
    change = None
    if first is not None:
        wanted = request_of(calls[at], customer, (), which + 1)
        change = Change(goal=at, trigger=trigger, request=wanted, facts=facts_of(calls[at], customer))
    certificate = Certificate.model_validate({"intent": intent, "goal": at})
    if withheld:
        certificate.withheld = list(withheld)
        certificate.candidates = [_candidate(call, calls[at]) for call in candidates]
    if first is not None:
        certificate.trigger, certificate.first_call = (
            trigger,
            GoldCall(name=first.name, kind="write", arguments=first.arguments, goal=at),
        )
        certificate.first_final = _candidate(first, first).final
    forbidden = []
    if rule is not None:
        call = calls[at]
        certificate.rule = rule
        certificate.reason = next(b.reason for b in SHOP.breaches(world, call, customer) if b.rule.number == rule)
        tried = SHOP.execute(SHOP.world(), call)
        certificate.forbidden_call = GoldCall(
            name=call.name, kind="write", arguments=call.arguments, goal=at, result=tried.content
        )
        forbidden = [CallPattern(name=call.name, arguments=call.arguments)]
        if handling == "transfer":
            add(Call(SHOP.transfer_tool, {"summary": "see above"}), at)
    name = SHOP.profile(WORLD, customer).name
    user = UserSide(
        name=name,
        persona=persona,
        reason_for_call="",
        known_info="",
        unknown_info="",
        task_instructions="",
        identity=known,
        goals=goals,
        change=change,
        patience=patience,
    )
    grader = GraderSide(
        gold=gold,
        initial=SHOP.world().digest,
        final=world.digest,
        forbidden=forbidden,
        communicate=list(communicate),
        refused_goal=at if rule is not None else None,
        rule=rule,
        handling=handling,
    )
    return Task.model_validate(
        {
            "task_id": f"task-{intent}",
            "trajectory_id": "traj",
            "index": 0,
            "intent": intent,
            "domain": "retail",
            "customer": customer,
            "writer": "hand",
            "seed": 0,
            "user": user,
            "grader": grader,
            "certificate": certificate,
        }
    )


def _candidate(call: Call, gold: Call) -> Candidate:
    world = SHOP.world()
    result = SHOP.execute(world, call)
    assert result.changed, result.content
    return Candidate(arguments=call.arguments, final=world.digest, after_clarification=call == gold)


class Played:
    """A finished conversation."""

    def __init__(self, turns: list[Turn], final: str, calls: list[Call]) -> None:
        self.turns, self.final, self.calls = turns, final, calls

    @property
    def texts(self) -> list[tuple[str, str]]:
        return [(turn.seat, turn.content) for turn in self.turns if turn.content and turn.role != "tool"]

    def said_by(self, seat: str) -> list[str]:
        return [text for who, text in self.texts if who == seat]

    @property
    def ended(self) -> bool:
        return any(word in (self.turns[-1].content or "") for word in (STOP, TRANSFER))

    def __str__(self) -> str:
        lines = []
        for turn in self.turns:
            for call in turn.tool_calls:
                lines.append(f"    -> {call.name}({call.arguments})")
            if turn.role == "tool":
                lines.append(f"    <- {(turn.content or '')[:110]}")
            elif turn.content:
                lines.append(f"{turn.seat.upper():>5}: {turn.content}")
        return "\n".join(lines)


async def play(agent: AgentPlayer, user: UserPlayer, most: int = 40) -> Played:
    """The conversation loop in its smallest form. ``most`` bounds the messages (tool results not counted)."""
    world = SHOP.world()
    turns = [Turn(seat="agent", role="assistant", content="Hello! How can I help you today?")]
    calls: list[Call] = []
    messages = 0
    while messages < most:
        turns.append(await user.reply(turns))
        messages += 1
        if any(word in (turns[-1].content or "") for word in (STOP, TRANSFER)):
            break
        while messages < most:
            turn = await agent.act(turns)
            turns.append(turn)
            messages += 1
            if not turn.tool_calls:
                break
            for call in turn.tool_calls:
                result = SHOP.tools.execute(world, call.name, call.arguments)
                calls.append(Call(call.name, result.arguments or {}))
                turns.append(
                    Turn(seat="agent", role="tool", content=result.content, tool_call_id=call.id, error=result.error)
                )
    return Played(turns, world.digest, calls)


@lru_cache(maxsize=1)
def tasks() -> dict[str, Task]:
    """Tasks of all intents, by what they are about."""
    made: dict[str, Task] = {}

    def has_two_pending(customer: str) -> bool:
        return len(orders(customer, pending)) > 1

    def cancel(order: Record, reason: str = "no longer needed") -> Call:
        return Call("cancel_pending_order", {"order_id": order["order_id"], "reason": reason})

    # general: cancel, with a question for the money
    customer = first_customer(lambda c: bool(orders(c, pending)))
    order = orders(customer, pending)[0]
    made["cancel"] = make_task(
        "general",
        customer,
        [cancel(order)],
        questions=["How much will I get back?"],
        communicate=[f"{when.total(order):.2f}"],
        persona="formal: to the point",
    )

    # general: two goals, found by name and zip code
    customer = first_customer(lambda c: bool(orders(c, pending)) and bool(orders(c, returnable)))
    order, back = orders(customer, pending)[0], orders(customer, returnable)[0]
    address = {"address1": "12 Elm Street", "address2": "", "city": "Boise", "state": "ID", "country": "USA"}
    move = Call("modify_pending_order_address", {"order_id": order["order_id"], "address": {**address, "zip": "83702"}})
    give_back = Call(
        "return_delivered_order_items",
        {
            "order_id": back["order_id"],
            "item_ids": [back["items"][0]["item_id"]],
            "payment_method_id": when.paid_with(back),
        },
    )
    made["two goals"] = make_task("general", customer, [move, give_back], by_email=False, persona="chatty: tells a lot")

    # ambiguous: which order
    customer = first_customer(has_two_pending)
    mine = orders(customer, pending)
    made["which order"] = make_task(
        "ambiguous",
        customer,
        [cancel(mine[-1])],
        withheld=["order_id"],
        candidates=[cancel(order) for order in mine],
        persona="brief: says little",
    )

    # ambiguous: which version, and how to pay
    def can_choose(customer: str) -> bool:
        found = orders(customer, pending)
        methods = len((WORLD.get("users", customer) or {})["payment_methods"])
        return bool(found) and methods > 1 and len(versions(found[0]["items"][0])) > 2

    customer = first_customer(can_choose)
    order = orders(customer, pending)[0]
    item = order["items"][0]
    choices = [swap(order, item, new) for new in versions(item)]
    made["which version"] = make_task(
        "ambiguous",
        customer,
        [choices[1]],
        withheld=["new_item_ids"],
        candidates=choices,
        by_email=False,
        persona="impatient: in a hurry",
    )

    # changing: another version after all; and another reason before the agent has even looked
    made["other version"] = make_task(
        "changing", customer, [choices[0]], first=choices[1], persona="chatty: thinks aloud", which=1
    )
    customer = first_customer(has_two_pending)
    mine = orders(customer, pending)
    made["other order"] = make_task(
        "changing", customer, [cancel(mine[0])], first=cancel(mine[1]), trigger="first_reply", persona="formal: polite"
    )

    # infeasible: refused, with something feasible after it
    def has_old_and_pending(customer: str) -> bool:
        old = next(b for b in SHOP.rule_list if b.number == 15)
        return bool(orders(customer, pending)) and any(old.proposals(WORLD, customer))

    customer = first_customer(has_old_and_pending)
    too_late = next(next(r for r in SHOP.rule_list if r.number == 15).proposals(WORLD, customer))
    made["too late"] = make_task(
        "infeasible",
        customer,
        [too_late, cancel(orders(customer, pending)[0], "ordered by mistake")],
        rule=15,
        handling="refuse",
        patience=2,
        persona="impatient: does not like a no",
    )

    # infeasible: handed over, because of its worth, and because there is no tool
    dear = next(r for r in SHOP.rule_list if r.number == 7)
    customer = first_customer(lambda c: any(dear.proposals(WORLD, c)))
    made["too dear"] = make_task(
        "infeasible", customer, [next(dear.proposals(WORLD, customer))], rule=7, handling="transfer"
    )
    absent = next(r for r in SHOP.rule_list if r.number == 18)
    customer = first_customer(lambda c: bool(orders(c, pending)))
    made["no tool"] = make_task(
        "infeasible",
        customer,
        [cancel(orders(customer, pending)[0]), next(absent.proposals(WORLD, customer))],
        at=1,
        rule=18,
        handling="transfer",
        by_email=False,
    )
    return made


def goal_of(task: Task) -> dict[str, Any]:
    """The arguments of the task's first gold write."""
    return next(call.arguments for call in task.grader.gold if call.kind == "write")
