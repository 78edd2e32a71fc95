"""The summary of a run, from its ledger and shards: the object that ``--json`` prints and the report shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from t2t_dist.core.schema import INTENTS
from t2t_dist.storage.ledger import TWINS, UNDECIDED, WALL_SECONDS, LedgerState
from t2t_dist.storage.objects.base import Storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS

from .compare import between_agents, between_intents
from .results_table import ALL, ResultsTable
from .stats import PassK


def counted(counters: dict[str, int | float], prefix: str) -> dict[str, int]:
    """Counters ``prefix.NAME`` as ``{NAME: n}``, largest first."""
    begin = f"{prefix}."  # a count of 0 is left where all that was counted was taken back
    counts = {name.removeprefix(begin): int(n) for name, n in counters.items() if name.startswith(begin) and n}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def passes(results: ResultsTable, trials: int) -> dict[str, dict[str, list[PassK]]]:
    """``{agent: {intent: [pass^1, ..., pass^trials]}}``, intents in their order, :data:`ALL` last."""
    return {
        agent: {
            intent: [results.passes(k, agent, intent) for k in range(1, trials + 1)]
            for intent in (*INTENTS, ALL)
            if results.trials(agent, intent)
        }
        for agent in results.agents
    }


def passes_by(
    results: ResultsTable, trials: int, name: str, groups: Sequence[Any]
) -> dict[str, dict[Any, list[PassK]]]:
    """``{agent: {group: [pass^1, ..., pass^trials]}}`` over the groups that the agent has tasks of, in their order.

    ``name``: what the tasks are grouped by, an argument of :meth:`ResultsTable.passes`: ``level`` (structural levels),
    ``combination`` (of intents) or ``kind`` (of request; a task may be of several).
    """
    return {
        agent: {
            group: [results.passes(k, agent, **{name: group}) for k in range(1, trials + 1)]
            for group in groups
            if results.trials(agent, **{name: group})
        }
        for agent in results.agents
    }


def _plain(values: list[PassK]) -> dict[str, float | None]:
    return {f"pass^{p.k}": None if p.value is None else round(p.value, 6) for p in values}


def _bounds(values: list[PassK]) -> dict[str, list[float | None]]:
    return {f"pass^{p.k}": [p.low, p.high, p.if_failures_miss, p.if_failures_pass] for p in values}


def agent_part(by_intent: dict[str, list[PassK]]) -> dict[str, Any]:
    """One agent's part of the JSON object."""
    intents = {intent: values for intent, values in by_intent.items() if intent != ALL}
    return {
        "pass": {intent: _plain(values) for intent, values in intents.items()},
        "interval": {intent: _bounds(values) for intent, values in intents.items()},
        "tasks": {intent: values[0].tasks for intent, values in intents.items()},
        "all": _part(by_intent[ALL]),
    }


def _part(values: list[PassK]) -> dict[str, Any]:
    return {"pass": _plain(values), "interval": _bounds(values), "tasks": values[0].tasks}


def summarise(
    kind: str, storage: Storage, run_id: str, trials: int, out: str, wall_s: float | None = None
) -> dict[str, Any]:
    """The summary of a stored run; see :func:`summary_of`. Raises InputError for what can't be read."""
    reader = RunReader(storage, SCHEMAS)
    return summary_of(kind, reader.state, ResultsTable.read(reader.batches), run_id, trials, out, wall_s)


def summary_of(
    kind: str,
    state: LedgerState,
    results: ResultsTable,
    run_id: str,
    trials: int,
    out: str,
    wall_s: float | None = None,
) -> dict[str, Any]:
    """The summary of a run from its results table, ready for JSON.

    Keys: ``run_id, kind, out, run_s, wall_s, trajectories, tasks {intent: n}, rejected {reason: n}, episodes, failures
    {class: n}, agents {agent: {pass, interval, tasks, all, levels, kinds}}, domains {domain: {agent: {...}}},
    differences [{what, one, other, on, k, value, low, high, n, paired}], digest {table: hex}`` and, with one agent,
    ``pass {intent: {"pass^k": x}}``. ``interval`` gives ``[low, high, all failures miss, all failures pass]``.
    ``domains`` is present if there are several, ``undecided`` if nobody can say of so many episodes whether they passed
    (they widen the bounds, as failures do), ``levels {level: {pass, interval, tasks}}`` of an agent if the structural
    difficulty of its tasks is known, ``kinds {kind: {...}}`` the same by kind of request, ``combinations {combination:
    {...}}`` the same for tasks of several intents, ``twins`` if so many of the verified tasks are twins of others,
    ``pairs {agent: {pairs, none, one, both, share {both: [value, low, high]}, left_out}}`` if agents were rolled out on
    tasks and their twins, and ``dropped {field: n}`` if fields of answers were left out for a wrong type or range.
    ``run_s``: seconds that the run took, over all its sessions; ``wall_s``: those of the command that made this
    summary, or the same where it made no session of the run.
    """
    agents = {agent: agent_part(by_intent) for agent, by_intent in passes(results, trials).items()}
    by = {"level": results.levels, "combination": results.combinations, "kind": results.kinds}
    for name, groups in by.items():
        for agent, by_group in passes_by(results, trials, name, groups).items():
            if by_group:
                agents[agent][f"{name}s"] = {str(group): _part(values) for group, values in by_group.items()}
    ks = sorted({1, trials})
    run_s = float(state.counters.get(WALL_SECONDS, 0.0))
    summary: dict[str, Any] = {
        "run_id": run_id,
        "kind": kind,
        "out": out,
        "run_s": round(run_s, 2),
        "wall_s": round(run_s if wall_s is None else wall_s, 2),
        "trajectories": int(state.counters.get("trajectories", 0)),
        "tasks": {intent: int(state.counters.get(f"tasks.{intent}", 0)) for intent in INTENTS},
        "rejected": counted(state.counters, "rejected"),
        "episodes": int(state.counters.get("episodes.rollout", 0)),
        "failures": counted(state.counters, "failures"),
        "agents": agents,
        "differences": [c.plain() for c in (*between_agents(results, ks), *between_intents(results, ks))],
        "digest": {table: f"{state.digests.get(table, 0):032x}" for table in ("trajectories", "tasks", "episodes")},
    }
    if undecided := int(state.counters.get(UNDECIDED, 0)):
        summary["undecided"] = undecided
    if twins := int(state.counters.get(TWINS, 0)):
        summary["twins"] = twins
    if results.pairs:
        summary["pairs"] = {paired.agent: paired.plain() for paired in results.pairs}
    if dropped := counted(state.counters, "dropped"):
        summary["dropped"] = dropped
    if len(results.domains) > 1:
        summary["domains"] = {domain: _of_domain(results, domain, trials) for domain in results.domains}
    if len(agents) == 1:
        summary["pass"] = next(iter(agents.values()))["pass"]
    elif not agents:
        summary["pass"] = {}
    return summary


def _of_domain(results: ResultsTable, domain: str, trials: int) -> dict[str, Any]:
    by_agent: dict[str, dict[str, list[PassK]]] = {}
    for _, agent, intent in (cell for cell in results.cells() if cell[0] == domain):
        for name in (intent, ALL):
            values = [results.passes(k, agent, name, domain) for k in range(1, trials + 1)]
            by_agent.setdefault(agent, {})[name] = values
    return {agent: agent_part(by_intent) for agent, by_intent in by_agent.items()}
