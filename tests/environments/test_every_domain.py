"""Laws of every built-in domain: its rules as they are declared, proposed and enforced; its database by seed."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import Any

import orjson
import pytest

from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import are_plausible
from t2t_dist.environments.registry import BUILT_IN, load
from t2t_dist.environments.rules import Enforced, Rule
from t2t_dist.environments.tools import AGENT, WRITE, Call, ToolError
from t2t_dist.synthesis.grader_side import errands_in
from tests.support.made import Made
from tests.support.paths import ROOT

#: The most proposals of a rule that are looked at, of two a customer.
ENOUGH = 1000
#: The share of a rule's proposals that break no other rule.
ALONE = {"retail": 0.8, "airline": 0.8, "telecom": 0.5}

every_domain = pytest.mark.parametrize("name", sorted(BUILT_IN))
every_rule = pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param(name, rule.number, id=f"{name} R{rule.number}")
        for name in BUILT_IN
        for rule in load(name).rule_list
    ],
)


def rule_of(domain: Domain, number: int) -> Rule:
    return next(rule for rule in domain.rule_list if rule.number == number)


def proposed(domain: Domain, rule: Rule) -> Iterator[tuple[str, Call]]:
    """A few proposals of each customer's, until there are enough."""
    world = domain.world()
    customers = domain.customers(domain.base)
    found = ((customer, call) for customer in customers for call in islice(rule.proposals(world, customer), 2))
    return islice(found, ENOUGH)


# -- rules -------------------------------------------------------------------------------------------------------------
@every_domain
def test_every_rule_cites_one_of_the_policys_numbers(name: str) -> None:
    domain = load(name)
    numbers = [rule.number for rule in domain.rule_list]
    assert sorted(set(numbers)) == sorted(numbers)
    assert set(numbers) <= set(domain.clauses)
    assert list(domain.clauses) == list(range(1, len(domain.clauses) + 1))


@every_domain
def test_rules_constrain_the_agents_writes_or_say_that_there_is_no_tool(name: str) -> None:
    domain = load(name)
    for rule in domain.rule_list:
        for tool in rule.tools:
            assert (tool in domain.tools) is (rule.enforced is not Enforced.BY_ABSENCE)
            if rule.enforced is not Enforced.BY_ABSENCE:
                assert (domain.tools[tool].kind, domain.tools[tool].side) == (WRITE, AGENT)
    constrained = {tool for rule in domain.rule_list for tool in rule.tools}
    assert {tool.name for tool in domain.of_kind(WRITE)} <= constrained


@every_rule
def test_proposals_break_the_rule_and_are_stopped_by_whom_it_says(name: str, number: int) -> None:
    domain = load(name)
    rule = rule_of(domain, number)
    customers = set()
    for customer, call in proposed(domain, rule):
        world = domain.world()
        customers.add(customer)
        assert call.name in rule.tools
        reason = rule.broken_by(world, call, customer)
        assert reason
        assert reason == reason.strip()
        assert not reason.endswith(".")
        result = domain.execute(world, call)
        if rule.enforced is Enforced.BY_TOOL:
            assert result.error, call
            assert not result.content.startswith("Error: there is no tool")
            # Refused for what the rule says, or for a value that is not among those the tool takes.
            assert reason in result.content or "input should be" in result.content
        elif rule.enforced is Enforced.BY_POLICY:
            assert not result.error, result.content
            assert result.changed
        else:
            assert result.content.startswith(f"Error: there is no tool named '{call.name}'")
    assert len(customers) >= 10


@every_rule
def test_most_proposals_break_no_other_rule(name: str, number: int) -> None:
    """A task about one rule has to be stopped by that rule alone."""
    domain = load(name)
    rule, world = rule_of(domain, number), domain.world()
    alone = [
        [breach.rule for breach in domain.breaches(world, call, customer)] == [rule]
        for customer, call in proposed(domain, rule)
    ]
    assert sum(alone) >= ALONE[name] * len(alone)


VALUES: dict[str, list[object]] = {
    "string": ["", "x", "#W1", "2026-05-20", "MRA1/2026-05-20", "USA", "\u2603", "2026-13-99", "1e9", "credit_card_1"],
    "integer": [0, -1, 1, 2, 10**9],
    "number": [0.0, -1.5, 1e300, 7],
    "boolean": [True, False],
    "null": [None],
}


def some(schema: dict[str, Any], rng: random.Random) -> object:
    """A value that the schema allows."""
    if "enum" in schema or "const" in schema:
        return rng.choice(schema.get("enum") or [schema["const"]])
    if "anyOf" in schema:
        return some(rng.choice(schema["anyOf"]), rng)
    kind = schema.get("type", "string")
    if kind == "array":
        return [some(schema.get("items", {}), rng) for _ in range(rng.randint(schema.get("minItems", 0), 3))]
    if kind == "object":
        return {name: some(inner, rng) for name, inner in schema.get("properties", {}).items()}
    return rng.choice(VALUES[kind])


@every_domain
def test_rules_judge_whatever_an_agent_may_call(name: str) -> None:
    """Grading asks a rule about every call of an episode, with the arguments that the model gave."""
    domain, rng = load(name), random.Random(7)
    world, customer = domain.world(), domain.callers[0]
    own = [call.arguments for rule in domain.rule_list for call in islice(rule.proposals(world, customer), 3)]
    judged = 0
    for tool in domain.of_kind(WRITE):
        parameters = tool.schema["function"]["parameters"]
        for _ in range(300):
            arguments = some(parameters, rng)
            assert isinstance(arguments, dict)
            # Half of the values are those of real records, so that the rules get beyond "no such order".
            for values in rng.sample(own, min(2, len(own))):
                arguments |= {slot: value for slot, value in values.items() if slot in arguments and rng.random() < 0.5}
            try:
                checked = tool.validate(arguments)
            except ToolError:
                continue
            for rule in domain.rule_list:
                rule.broken_by(world, Call(tool.name, checked), customer)
                judged += tool.name in rule.tools
    assert judged >= 1000


@pytest.mark.parametrize("name", ["airline", "retail"])
def test_where_there_is_one_customer_there_is_nobody_elses_data(name: str) -> None:
    lonely = load(name, 0, 0.002)
    (customer,) = lonely.customers(lonely.base)
    assert list(rule_of(lonely, 2).proposals(lonely.world(), customer)) == []


# -- databases ---------------------------------------------------------------------------------------------------------
@every_domain
def test_the_same_seed_gives_the_same_bytes_in_other_processes_and_another_seed_others(name: str) -> None:
    module = f"t2t_dist.environments.{name}.database"
    code = (
        f"import hashlib, orjson; from {module} import build;"
        "print(hashlib.sha256(orjson.dumps(build(3, 0.1))).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    build = import_module(module).build
    assert found == {hashlib.sha256(orjson.dumps(build(3, 0.1))).hexdigest()}
    assert orjson.dumps(build(4, 0.1)) != orjson.dumps(build(3, 0.1))


@every_domain
@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf"), 1.01])
def test_impossible_scales_are_refused(name: str, scale: float) -> None:
    database = import_module(f"t2t_dist.environments.{name}.database")
    with pytest.raises(ValueError, match="scale must be above 0"):
        database.build(0, scale if scale != 1.01 else database.MAX_SCALE * scale)


def test_all_that_a_customer_asks_for_is_plausible(built_in: Made) -> None:
    domain = built_in.domain
    for task in built_in.verified():
        errands = [Call(call.name, call.arguments) for call in errands_in(task.grader)]
        if task.intent == "infeasible":
            assert task.certificate is not None
            assert task.certificate.forbidden_call is not None
            forbidden = task.certificate.forbidden_call
            errands.insert(task.certificate.goal or 0, Call(forbidden.name, forbidden.arguments))
        assert are_plausible(domain, errands, task.customer), task.task_id


# -- what customers want -----------------------------------------------------------------------------------------------
@every_domain
def test_wishes_are_about_errands_and_say_why(name: str) -> None:
    domain = load(name)
    errands = {errand.name for errand in domain.errands}
    assert set(domain.errand_weights) == errands
    assert min(domain.errand_weights.values()) > 0
    assert set(domain.instead) == errands
    for first, others in domain.instead.items():
        subject = next(iter(domain.errand(first).parameters.values())).name  # type: ignore[union-attr]
        for other, why in others.items():
            assert other in errands
            assert next(iter(domain.errand(other).parameters.values())).name == subject  # type: ignore[union-attr]
            assert why[0].isupper()
            assert why.endswith(".")
