"""Runs from Python: start them, read their rows. The second composition root, beside the command line.

It may import ``cluster`` as ``cli`` does. Only the package's ``__init__`` imports it, lazily, so that
``import t2t_dist`` stays light.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import DamagedRun, InputError
from t2t_dist.core.schema import INTENTS
from t2t_dist.storage.manifest import read_manifest
from t2t_dist.storage.objects.base import resolved
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS

if TYPE_CHECKING:
    from t2t_dist.evaluation.audit.auditing import Audit


class Rows:
    """Lazy rows of a run, read again on each use: an iterator of dicts, of record batches, or one Arrow table.

    Columns are those of docs/data-format.md. Iterating holds a few batches in memory, whatever the run's size.
    """

    def __init__(self, path: str, table: str, columns: Sequence[str] | None, chosen: ds.Expression | None) -> None:
        schema = SCHEMAS[table]
        if unknown := [name for name in columns or () if name not in schema.names]:
            raise InputError(f"{table} has no column {unknown[0]}; there are {', '.join(schema.names)}")
        self.schema = schema if columns is None else pa.schema([schema.field(name) for name in columns])
        self._table, self._columns, self._chosen = table, columns, chosen
        self._reader = RunReader(open_storage(path), SCHEMAS)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.batches():
            yield from batch.to_pylist()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Raises InputError for a shard that is missing, damaged or of a newer version."""
        return self._reader.batches(self._table, self._columns, self._chosen)

    def table(self) -> pa.Table:
        """All rows in memory."""
        return pa.Table.from_batches(self.batches(), self.schema)


@dataclass(frozen=True)
class Run:
    """The result of a run. ``summary`` is what ``t2t generate --json`` prints; ``ended``, the budget that ended it;
    ``no_result``, why nothing has a result, where that is so (``summary["messages"]`` has what went wrong)."""

    path: str
    summary: dict[str, Any]
    ended: str | None = None
    no_result: str | None = None

    def tasks(self, **wanted: Any) -> Rows:
        """See :func:`load_tasks`."""
        return load_tasks(self.path, **wanted)

    def episodes(self, **wanted: Any) -> Rows:
        """See :func:`load_episodes`."""
        return load_episodes(self.path, **wanted)


def generate(
    out: str, *, config: str | None = None, notify: Callable[[Any], None] | None = None, **settings: Any
) -> Run:
    """Explore a domain, make verified tasks, roll agents out on them; an existing run is resumed.

    Args:
        out: the run's directory, or the address of one on a store.
        config: a YAML file with settings.
        notify: called with the progress about twice a second.
        settings: those of docs/generate.md, with ``__`` for a dot: ``domain="retail", cluster__workers=2``.

    Raises:
        InputError: bad settings, another run's directory, an endpoint out of reach; one line.
        t2t_dist.cluster.launch.Stopped: a signal ended it; finished items are committed.
    """
    return _run("generate", load_config(config, _dotted(settings)), out, notify)


def evaluate(
    run: str,
    out: str,
    *,
    config: str | None = None,
    notify: Callable[[Any], None] | None = None,
    **settings: Any,
) -> Run:
    """Roll agents out on the verified tasks of ``run``, as ``t2t evaluate`` does. See :func:`generate`."""
    earlier = read_manifest(open_storage(run)).config
    base = {"domain": earlier.domain, "domain_seed": earlier.domain_seed, "scale": earlier.scale}
    base |= {"source": resolved(run), "verify.reference_trials": 0}
    return _run("evaluate", load_config(config, base | _dotted(settings)), out, notify)


def audit(run: str, *, sample: int = 200, seed: int = 0, fail_under: Sequence[str] = ()) -> Audit:
    """Audit the tasks and episodes of a run, as ``t2t audit`` does.

    Args:
        sample: tasks to roll agents out on, in this process.
        fail_under: limits in place of the product's, such as ``prior<=0.7``.

    Raises:
        InputError: not a run, or a damaged run; a limit that can't be understood.
    """
    from t2t_dist.evaluation.audit.auditing import audit_run
    from t2t_dist.evaluation.audit.limits import parse_limit
    from t2t_dist.storage.partial_run import PartialRun

    given = [parse_limit(text) for text in fail_under]
    found = audit_run(PartialRun(run), sample=sample, seed=seed, given=given)
    if found.damaged:  # no limit is judged by half of a run
        raise DamagedRun(found.damaged)
    return found


def load_tasks(
    run: str, *, intent: str | None = None, verified: bool = True, columns: Sequence[str] | None = None
) -> Rows:
    """The tasks of a run, or of the run that an evaluation started from; with ``verified=False``, rejected ones too.

    Raises:
        InputError: not a run, or a damaged run; no such column or intent.
    """
    manifest = read_manifest(open_storage(run))
    where = manifest.config.source if manifest.kind == "evaluate" else None
    chosen = _of_intent(intent)
    if verified:
        chosen = _both(chosen, pc.field("verdict") == "verified")
    return Rows(where or run, "tasks", columns, chosen)


def load_episodes(
    run: str,
    *,
    intent: str | None = None,
    agent: str | None = None,
    min_reward: float | None = None,
    columns: Sequence[str] | None = None,
) -> Rows:
    """The graded episodes of a run. Raises InputError as :func:`load_tasks` does."""
    chosen = _of_intent(intent)
    if agent is not None:
        chosen = _both(chosen, pc.field("agent") == agent)
    if min_reward is not None:
        chosen = _both(chosen, pc.field("reward") >= min_reward)
    return Rows(run, "episodes", columns, chosen)


def _of_intent(intent: str | None) -> ds.Expression | None:
    if intent is not None and intent not in INTENTS:
        raise InputError(f"intent {intent}: intents are {', '.join(INTENTS)}")
    return None if intent is None else pc.field("intent") == intent


def _both(one: ds.Expression | None, other: ds.Expression) -> ds.Expression:
    return other if one is None else one & other


def _dotted(settings: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("__", "."): value for name, value in settings.items()}


def _run(kind: str, config: Config, out: str, notify: Callable[[Any], None] | None) -> Run:
    config.check_models()
    try:
        asyncio.get_running_loop()
        free = False
    except RuntimeError:
        free = threading.current_thread() is threading.main_thread()
    if not free:
        # Signals drain a run, and only the main thread gets them; a running loop can't wait for another.
        raise InputError(f"{kind}() needs the main thread and no running event loop; in a notebook use !t2t {kind}")
    from t2t_dist.cluster.launch import run
    from t2t_dist.evaluation.problems import problems_of
    from t2t_dist.evaluation.results_table import ResultsTable
    from t2t_dist.evaluation.summary import summary_of

    result = run(kind, config, out, notify)
    reader = RunReader(open_storage(out), SCHEMAS)
    results = ResultsTable.read(reader.batches)
    summary = summary_of(kind, reader.state, results, result.run_id, config.sure_trials, out, result.wall_s)
    summary |= problems_of(kind, config.until, reader.state, reader.batches, results)
    return Run(out, summary, result.ended or None, summary.get("no_result"))
