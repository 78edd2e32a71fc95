"""What an agent looks up before a call: it shows what the amount follows from, and nothing of anybody else's."""

from __future__ import annotations

from collections.abc import Iterator

from t2t_dist.core.known import Known
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import READ, Call
from t2t_dist.synthesis.grader_side import errands_in
from tests.support.made import Made

#: The fields of a receipt that say what was moved.
MONEY = ("to_pay", "to_refund", "total", "refund", "amount", "price")


def wanted(made: Made) -> Iterator[tuple[str, World, Call]]:
    """What customers ask for in tasks and may have, each on the world that the requests before it lead to."""
    for task in made.verified():
        world = made.domain.world()
        for errand in errands_in(task.grader):
            yield task.customer, world, Call(errand.name, errand.arguments)
            made.domain.carry_out(world, Call(errand.name, errand.arguments))


def test_amounts_are_calculated_from_what_the_look_ups_show(built_in: Made) -> None:
    domain, calculated = built_in.domain, set()
    for customer, world, call in wanted(built_in):
        expression = domain.calculation(world, call, customer)
        if not expression:
            continue
        known = Known(domain.policy)
        for look_up in domain.look_ups(world, call, customer) or ():
            assert domain.tools[look_up.name].kind is READ
            result = domain.execute(world, look_up)
            assert not result.error, result.content
            known.add(result.content)
        assert known.unseen(expression) == [], (call, expression)
        amount = domain.execute(world, Call("calculate", {"expression": expression})).value
        receipt = domain.execute(world.fork(), call).value
        assert float(amount) == max(receipt.get(field, 0.0) for field in MONEY), (call, expression)
        calculated.add(call.name)
    assert len(calculated) >= {"retail": 5, "airline": 6, "telecom": 1}[domain.name]


def test_look_ups_show_nobody_elses_data_and_wait_for_what_was_not_said(built_in: Made) -> None:
    domain = built_in.domain
    forbidden = [
        (task.customer, domain.world(), Call(call.name, call.arguments))
        for task in built_in.verified("infeasible")
        if task.certificate and (call := task.certificate.forbidden_call)
    ]
    for customer, world, call in [*wanted(built_in), *forbidden]:
        for slot, value in call.arguments.items():
            said = Call(call.name, {name: other for name, other in call.arguments.items() if name != slot})
            for part in (call, said):
                for look_up in domain.look_ups(world, part, customer) or ():
                    tool = domain.tools[look_up.name]
                    assert domain.owners(tool, domain.execute(world, look_up).value) <= {customer}, (part, look_up)
            if isinstance(value, str) and value != customer:
                made = domain.look_ups(world, said, customer) or ()
                assert not any(value in look_up.arguments.values() for look_up in made), (said, value)
