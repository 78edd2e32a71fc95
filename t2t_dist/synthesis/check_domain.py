"""``t2t check-domain``: the requirements on a domain, and for each defect where it is and what to do."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from t2t_dist.config.domain import load_domain
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import place_in_domain
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import expanded, is_valid_errand
from t2t_dist.environments.language import placeholders
from t2t_dist.environments.rules import Enforced, Handling
from t2t_dist.environments.state import digest_of
from t2t_dist.environments.tools import AGENT, Call, Kind, ToolCrash, ToolError, argument_types

from .bindings import Binder, Lookup, Seen, reachable_lookups, reachable_values
from .check_words import lossy_words
from .explore import GraphExplorer
from .kinds_of_request import Expressible, kinds_in
from .pushing.expressible import what_can_push
from .requests.expressible import what_can_be_described
from .requests.kinds import record_types
from .requests.questions import questions_of
from .requests.sequences import firsts_of
from .tool_graph import graph_of

#: Customers tried before something is reported as unreachable.
_CUSTOMERS = 400
#: Defects of one check that are listed.
_LISTED = 5
_SAMPLE = 25


class Check(NamedTuple):
    """The result of one check; ``detail`` names each defect, where it is, and the remedy."""

    name: str
    ok: bool
    detail: str


def check(config: Config) -> list[Check]:
    """Every check of a domain, in order; later ones are left out where they could not run (see :func:`not_run`).

    Raises:
        InputError: the domain can't be loaded.
    """
    domain = load_domain(config)
    found = []
    for name, test in _CHECKS:
        try:
            defects = list(islice(test(domain), _LISTED + 1))
            defects[_LISTED:] = ["and more"] * bool(defects[_LISTED:])
        except ToolCrash as crash:
            remedy = "a tool raises ToolError for a call it refuses, and nothing else"
            defects = [f"{place_in_domain(crash.__cause__ or crash) or domain.where}: {crash.what}; {remedy}"]
        except Exception as error:  # third-party code may raise anything
            said = " ".join(str(error).split())
            defects = [f"{place_in_domain(error) or domain.where}: {type(error).__name__}: {said}"]
        found.append(Check(name, not defects, "; ".join(defects)))
        if defects and name in ("customers", "schema"):
            break
    return found


def expressible(config: Config) -> list[str]:
    """What a sound domain's customers can describe and push with, and what more there could be, as sentences without
    full stops.

    Raises:
        InputError: the domain can't be loaded.
    """
    domain = load_domain(config)
    return [*what_can_be_described(domain), *what_can_push(domain)]


def request_kinds(config: Config) -> list[Expressible]:
    """Of every kind of request, whether a domain's customers can make it, and by what, or what the domain lacks; empty
    where a defect of the domain's keeps that from being known.

    Raises:
        InputError: the domain can't be loaded.
    """
    domain = load_domain(config)
    try:
        return kinds_in(domain)
    except Exception:  # third-party code; what is wrong with it, the checks say
        return []


def not_run(found: list[Check]) -> list[str]:
    """The names of the checks that were left out, as they need what an earlier one found missing."""
    return [name for name, _ in _CHECKS[len(found) :]]


def _customers(domain: Domain, count: int) -> list[str]:
    customers = domain.callers
    return random.Random(0).sample(customers, min(count, len(customers)))


def _schema(domain: Domain) -> Iterator[str]:
    for tool in domain.tools:
        if tool.untyped:
            yield f"{tool.where}: {tool.name} has no type for {', '.join(tool.untyped)}; annotate it"
        if not tool.description:
            yield f"{tool.where}: {tool.name} {tool.undescribed()}"
        for slot in tool.parameters:
            if not tool.schema["function"]["parameters"]["properties"][slot].get("description"):
                yield f"{tool.where}: {tool.name} {tool.undescribed(slot)}"
        if tool.kind is Kind.READ and not tool.produces() and tool.side == AGENT:
            yield f"{tool.where}: the result of {tool.name} has no domain type, so nothing can follow from it"
    for flow in domain.workflow_list:
        if flow.untyped:
            yield f"{flow.where}: {flow.name} has no type for {', '.join(flow.untyped)}; annotate it"
        if flow.name in domain.tools:
            yield f"{flow.where}: the workflow {flow.name} is named like a tool; give it another name"
        for name in flow.covers:
            if name not in domain.tools or domain.tools[name].side != AGENT:
                yield f"{flow.where}: {flow.name} covers '{name}', which is no tool of the agent's; correct the name"
    if domain.transfer_tool and domain.transfer_tool not in domain.tools:
        yield f"{domain.where}: transfer_tool is '{domain.transfer_tool}', which is not among the tools"
    declines = domain.tools.get(domain.decline_tool)
    if domain.decline_tool and declines is None:
        yield f"{domain.where}: decline_tool is '{domain.decline_tool}', which is not among the tools"
    elif declines is not None and declines.kind is not Kind.RECORD:
        yield f"{declines.where}: decline_tool is '{declines.name}', which is no RECORD tool: it would leave no record"
    if not domain.of_kind(Kind.WRITE):
        yield f"{domain.where}: no tool is a WRITE: there is nothing to make tasks of"
    if not domain.clauses:
        yield f"{domain.folder / 'policy.md'} holds no numbered rule; begin each with 'R<number>.'"


def _cited(domain: Domain) -> Iterator[str]:
    for rule in domain.rule_list:
        if rule.number not in domain.clauses:
            known = ", ".join(f"R{number}" for number in domain.clauses)
            yield f"{rule.where}: {rule.name} cites R{rule.number}, which policy.md does not have (it has {known})"
        for name in rule.tools:
            if rule.enforced is Enforced.BY_ABSENCE and name in domain.tools:
                yield f"{rule.where}: {rule.name} says there is no tool '{name}', but there is"
            if rule.enforced is not Enforced.BY_ABSENCE and name not in domain.tools:
                yield f"{rule.where}: {rule.name} constrains '{name}', which is no tool; correct the name"
        if rule.handling is Handling.TRANSFER and not domain.transfer_tool:
            yield f"{rule.where}: {rule.name} wants the customer handed over, but transfer_tool is not set"
    for order in domain.order_list:
        names = {name for part in order[1:3] for name in part}
        what = f"order_list: {type(order).__name__} of R{order.rule}"
        if order.rule not in domain.clauses:
            yield f"{domain.where}: {what} cites a rule that policy.md does not have"
        for name in sorted(names - domain.tools.by_name.keys()):
            yield f"{domain.where}: {what} names '{name}', which is no tool; correct the name"
    first: dict[int, str] = {}
    for rule in domain.rule_list:
        if first.setdefault(rule.number, rule.where) != rule.where:
            yield f"{rule.where}: R{rule.number} stands in code twice, first at {first[rule.number]}; make it one rule"


def _can_call(domain: Domain) -> Iterator[str]:
    if not domain.callers:
        yield f"{domain.where}: customers(base) gives nobody"
        return
    if not domain.entry_tools:
        known = f"a {domain.customer_type} from what profile() says a customer knows"
        yield f"{domain.where}: no READ tool finds {known}"
        return
    for customer in _customers(domain, _SAMPLE):
        world = domain.world()
        facts = domain.profile(world, customer).facts
        for tool in domain.entry_tools:
            arguments = {name: facts[spec.name] for name, spec in tool.parameters.items()}
            result = domain.execute(world, Call(tool.name, arguments))
            if domain.identified(tool, result.value) != customer:
                yield f"{tool.where}: {tool.name}({arguments}) does not find {customer}: {result.content[:80]}"


def _deterministic(domain: Domain) -> Iterator[str]:
    again = type(domain)(seed=domain.seed, scale=domain.scale)
    if again.base.digest != domain.base.digest:
        remedy = "draw from random.Random(seed) only"
        yield f"{domain.where}: database(seed, scale) gives other records the second time; {remedy}"
        return
    for customer in _customers(domain, _SAMPLE):
        for step in GraphExplorer(domain, customer, random.Random(1)).run():
            call, side = Call(step.tool, step.arguments), domain.side_of(step.tool)
            first, second = domain.world(), domain.world()
            results = [domain.tools.execute(world, call.name, call.arguments, side) for world in (first, second)]
            if results[0].content != results[1].content or first.digest != second.digest:
                where = domain.tools[call.name].where
                yield (
                    f"{where}: {call.name} gives another result the second time;"
                    " take time and ids from the world (now, new_id), chance from nowhere"
                )
                return


def _pure_reads(domain: Domain) -> Iterator[str]:
    reported: set[str] = set()
    for customer in _customers(domain, _SAMPLE):
        for made in _read_calls(domain, customer):
            tool = domain.tools[made.call.name]
            world = domain.world()
            try:
                tool.function(world, **tool.validate(made.call.arguments))
            except ToolError:
                continue
            except Exception as error:
                if tool.name not in reported:
                    reported.add(tool.name)
                    yield f"{tool.where}: {tool.name} raised {type(error).__name__}: {error}"
                continue
            if world.touched and tool.name not in reported:
                reported.add(tool.name)
                yield f"{tool.where}: {tool.name} is a READ tool and writes; make it WRITE, or use world.get"


def _read_calls(domain: Domain, customer: str) -> Iterator[Lookup]:
    try:
        yield from reachable_lookups(domain, customer)
    except ToolCrash:
        # To find the tool that crashed, each is called on its own.
        facts = domain.profile(domain.world(), customer).facts
        for tool in domain.of_kind(Kind.READ):
            arguments = {slot: facts.get(spec.name, customer) for slot, spec in tool.parameters.items()}
            yield Lookup(Call(tool.name, arguments), [])
    yield from _device_reads(domain, customer)


def _device_reads(domain: Domain, customer: str) -> Iterator[Lookup]:
    """Look-ups on the customer's own device: of what they have at hand, and what their records lead to."""
    extra = domain.at_hand(domain.world(), customer)
    try:
        seen = reachable_values(domain, customer)
    except ToolCrash:
        seen = Seen()
    for tool in domain.user_tools:
        if tool.kind is Kind.READ:
            yield from (Lookup(Call(tool.name, a), []) for a in islice(Binder(tool, seen, extra=extra).calls(), 5))


def _isolated(domain: Domain) -> Iterator[str]:
    for customer in _customers(domain, _SAMPLE):
        world = domain.world()
        fork, before = world.fork(), domain.base.digest
        for step in GraphExplorer(domain, customer, random.Random(2)).run():
            domain.execute(fork, Call(step.tool, step.arguments))
        if world.digest != f"{before:032x}":
            where = domain.where
            yield f"{where}: a write on a fork showed in the world it came from ({customer}); write through world.edit"
    # The base caches its digest: a change made directly to the tables shows when it is computed again.
    if digest_of({name: rows.items() for name, rows in domain.base.tables.items()}) != f"{domain.base.digest:032x}":
        remedy = "change only what world.edit returns"
        yield f"{domain.where}: a tool changed the tables that all worlds share; {remedy}"


def _rules_reachable(domain: Domain) -> Iterator[str]:
    customers = _customers(domain, _CUSTOMERS)
    for rule in domain.rule_list:
        found = next(((c, call) for c in customers for call in rule.proposals(domain.world(), c)), None)
        if found is not None and not isinstance(why := rule.broken_by(domain.world(), found[1], found[0]), str):
            yield f"{rule.where}: {rule.name} gives {why!r:.40} as its reason; give a text to be said, or None"
            continue
        if found is None:
            remedy = "its proposes() has to yield calls that do"
            yield f"{rule.where}: nothing breaks R{rule.number} ({rule.name}); {remedy}"
            continue
        _, call = found
        result = domain.execute(domain.world(), call)
        if rule.enforced is Enforced.BY_TOOL and not result.error:
            yield f"{rule.where}: R{rule.number} says the tool refuses, but {call.name} did it; use Enforced.BY_POLICY"
        if rule.enforced is Enforced.BY_POLICY and result.error:
            said = f"but {call.name} refuses: {result.content}"
            yield f"{rule.where}: R{rule.number} says only the policy forbids it, {said}"


def _writes_reachable(domain: Domain) -> Iterator[str]:
    left = {tool.name for tool in domain.tools if tool.kind is Kind.WRITE}
    for number, customer in enumerate(_customers(domain, _CUSTOMERS)):
        if not left:
            return
        steps = GraphExplorer(domain, customer, random.Random(number)).run()
        left -= {step.tool for step in steps if step.changed}
    for name in sorted(left):
        tool = domain.tools[name]
        if tool.side != AGENT:
            yield f"{tool.where}: no workflow that was possible takes {name}; let one call it, or leave the tool out"
            continue
        sources = {t for a, b, t in graph_of(domain).edges() if b == name}
        missing = sorted(tool.consumes() - sources)
        plain = [slot for slot in tool.required if not argument_types(tool.parameters[slot]) - {""}]
        plain = [slot for slot in plain if tool.parameters[slot].kind != "choice"]
        hint = f"no tool's result holds {', '.join(missing)}" if missing else "no binding was valid; see rules and data"
        if plain:
            hint = f"{', '.join(plain)} has no domain type; {tool.how_to_type(plain[0])}"
        yield f"{tool.where}: exploration never reaches {name}: {hint}"


def _workflows_possible(domain: Domain) -> Iterator[str]:
    customers = _customers(domain, _CUSTOMERS)
    for flow in domain.workflow_list:
        problem = "nobody's records lead to its arguments, or it has nothing to do anywhere"
        for customer in customers:
            bound = Binder(flow, reachable_values(domain, customer)).calls()
            errands = [Call(flow.name, arguments) for arguments in bound]
            if any(is_valid_errand(domain, domain.world(), errand, customer) for errand in errands):
                break
            refused = [errand for errand in errands if expanded(domain, domain.world(), errand) is None]
            problem = f"one of its calls is refused, as in {refused[0].arguments}" if refused else problem
        else:
            yield f"{flow.where}: the workflow {flow.name} is never possible: {problem}"


def _words(domain: Domain) -> Iterator[str]:
    """Phrases that name something their tool does not have: they would fail only when they are drawn."""
    errands = {errand.name for errand in domain.errands}
    for name in domain.language.tools:
        tool = domain.tools.get(name)
        if domain.errand(name) is None and all(name not in rule.tools for rule in domain.rule_list):
            yield f"{domain.folder / 'language.yaml'}: '{name}' is no tool, no workflow, and no rule forbids it"
        words = domain.language.tools[name]
        if tool is not None and tool.side != AGENT and not (words.guide and words.cues):
            remedy = "say how a customer is told to use it, and by which words they know"
            yield f"{domain.folder / 'language.yaml'}: tools.{name} needs 'guide' and 'cues': {remedy}"
        for key, others in (("otherwise", words.otherwise), ("rather", words.rather)):
            for other in others:
                if other not in errands:
                    what = f"'{other}', which is no errand: nobody wants it"
                    yield f"{domain.folder / 'language.yaml'}: tools.{name}.{key} names {what}"
        fields = {name for name, _ in tool.returns.fields} if tool is not None else set()
        for tell in domain.language.tools[name].tell:
            if tool is not None and tell.field not in fields:
                yield f"{domain.folder / 'language.yaml'}: tools.{name} tells '{tell.field}', not a field of its result"
        for act, phrases in (("plan", words.plan), ("done", words.done)):
            used = [
                each.split("[")[1].rstrip("]") for text in phrases for each in placeholders(text) if "result[" in each
            ]
            for field in used:
                if field not in fields:
                    what = f"{{result[{field}]}}, not a field of its result: the phrase is never used"
                    yield f"{domain.folder / 'language.yaml'}: tools.{name}.{act} names {what}"
    for read in (questions_of, firsts_of):
        try:
            read(domain)
        except ValueError as error:
            yield f"{domain.folder / 'language.yaml'}: {error}"
    shapes = record_types(domain)
    for kind, record in domain.language.records.items():
        where = f"{domain.folder / 'language.yaml'}: records.{kind}"
        if kind not in shapes:
            there = ", ".join(sorted(shapes)) or "none"
            yield f"{where}: no tool's result has records of this type; there are: {there}"
            continue
        named = [("fields", path) for path in record.fields] + [("figures", tell.field) for tell in record.figures]
        for part, path in [*named, *([("id", record.id)] if record.id else [])]:
            if path.partition(".")[0] not in shapes[kind]:
                yield f"{where}.{part}.{path}: {kind} has no such field; it has: {', '.join(shapes[kind])}"
    claimed = [("claims", kind, path) for kind, paths in domain.language.claims.items() for path in paths]
    for part, kind, path in (*claimed, *(("notes", *named) for named in domain.language.notes.items())):
        if path.partition(".")[0] not in shapes.get(kind, []):
            known = ", ".join(shapes[kind]) if kind in shapes else f"no such type; there are: {', '.join(shapes)}"
            yield f"{domain.folder / 'language.yaml'}: {part} names {kind}.{path}, which no result has; {known}"
    for number in domain.language.refusals:
        if number not in domain.clauses:
            yield f"{domain.folder / 'language.yaml'}: refusals cite R{number}, which policy.md does not have"


_CHECKS: list[tuple[str, Callable[[Domain], Iterator[str]]]] = [
    ("schema", _schema),
    ("customers", _can_call),
    ("rules cite the policy", _cited),
    ("words", _words),
    ("determinism", _deterministic),
    ("READ tools are pure", _pure_reads),
    ("forks are isolated", _isolated),
    ("every rule can be broken", _rules_reachable),
    ("every workflow is possible", _workflows_possible),
    ("every WRITE is reached", _writes_reachable),
    ("no task is lost by its words", lossy_words),
    ("the domain's own", lambda domain: domain.own_defects()),
]
