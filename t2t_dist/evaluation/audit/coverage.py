"""Coverage: which of a domain's rules, tools and records the tasks are about, and how evenly."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from statistics import median

from t2t_dist.core.schema import INTENTS, Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import AGENT, Kind
from t2t_dist.synthesis.entities import strings
from t2t_dist.synthesis.grader_side import writes_in

from .measures import Measure, share, unmeasured

#: Of fewer write tools, one has more than a quarter of the writes, however even they are.
_FEWEST_WRITES = 5
_INFEASIBLE = "infeasible"


class Coverage:
    """Counts over tasks: intents, rules, tools, writes, customers."""

    def __init__(self, domain: Domain | None) -> None:
        self._domain = domain
        self._intents: Counter[str] = Counter()
        self._rules: Counter[int] = Counter()
        self._asked: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._tools: Counter[str] = Counter()
        self._written: Counter[str] = Counter()
        self._writes: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._customers: set[str] = set()

    def add(self, task: Task) -> None:
        self._intents[task.intent] += 1
        self._customers.add(task.customer)
        self._tools.update({call.name for call in task.grader.gold})
        writes = [call.name for call in writes_in(task.grader.gold)]
        self._written.update(writes)
        self._writes[task.intent][len(writes)] += 1
        rule, certificate = task.grader.rule, task.certificate
        if rule is not None:
            self._rules[rule] += 1
            if certificate is not None and certificate.forbidden_call is not None:
                self._asked[certificate.forbidden_call.name][rule] += 1

    def measures(self) -> Iterator[Measure]:
        tasks = self._intents.total()
        if not tasks:
            yield unmeasured("intent_share", "there are no tasks")
            return
        for intent in INTENTS:
            yield share("intent_share", "", intent, self._intents[intent], tasks)
        yield from self._of_rules()
        yield from self._of_tools()
        yield from self._of_writes()
        yield self._of_records()

    def _of_rules(self) -> Iterator[Measure]:
        domain, cited = self._domain, self._rules.total()
        if domain is None or not cited:
            why = "no task cites a rule" if domain else "the domain can't be loaded"
            yield from (unmeasured(name, why) for name in ("rule_share", "rules_uncited", "rule_by_tool"))
            return
        for rule in sorted(domain.rule_list, key=lambda rule: rule.number):
            clause = domain.clauses.get(rule.number)
            detail = f"{clause.text[:60]} ..." if clause else rule.name
            yield share("rule_share", f"R{rule.number}", _INFEASIBLE, self._rules[rule.number], cited, detail=detail)
        left = [number for number in domain.clauses if not self._rules[number]]
        listed = ", ".join(f"R{number}" for number in left)
        yield Measure(
            "rules_uncited", value=len(left) / max(1, len(domain.clauses)), n=len(domain.clauses), detail=listed
        )
        if asked := sum(counts.total() for counts in self._asked.values()):
            told = sum(max(counts.values()) for counts in self._asked.values())
            yield share("rule_by_tool", "", _INFEASIBLE, told, asked)
        else:
            yield unmeasured("rule_by_tool", "no task has a forbidden call")

    def _of_tools(self) -> Iterator[Measure]:
        if self._domain is None:
            yield from (unmeasured(name, "the domain can't be loaded") for name in ("write_share", "tools_unused"))
            return
        tools = [tool for tool in self._domain.tools if tool.kind is Kind.WRITE]
        total = self._written.total()
        if len(tools) < _FEWEST_WRITES or not total:
            why = f"the domain has {len(tools)} write tools, of which each may have a quarter of the writes and more"
            yield unmeasured("write_share", why if total else "no gold has a write")
        else:
            for tool in tools:
                yield share("write_share", tool.name, "all", self._written[tool.name], total)
        agents = [tool for tool in self._domain.tools.side(AGENT) if tool.kind is not Kind.GENERIC]
        unused = [tool.name for tool in agents if not self._tools[tool.name]]
        yield Measure("tools_unused", value=len(unused) / max(1, len(agents)), n=len(agents), detail=", ".join(unused))

    def _of_writes(self) -> Iterator[Measure]:
        for intent in INTENTS:
            if counts := self._writes[intent]:
                n = counts.total()
                mean = sum(writes * times for writes, times in counts.items()) / n
                detail = f"{min(counts)} to {max(counts)}, none in {counts[0] / n:.0%}"
                yield Measure("writes", on=intent, value=mean, n=n, detail=detail)

    def _of_records(self) -> Measure:
        """Records that name a customer, besides their own."""
        if self._domain is None:
            return unmeasured("records", "the domain can't be loaded")
        have = dict.fromkeys(self._customers, 0)
        for rows in self._domain.base.tables.values():
            for key, record in rows.items():
                for customer in {*strings(record)} & have.keys():
                    have[customer] += key != customer
        counts = list(have.values())
        detail = f"{min(counts)} to {max(counts)}"
        return Measure("records", value=float(median(counts)), n=len(counts), detail=detail)
