"""``t2t import tau2``: a ``tasks.json`` as a run directory whose tasks can be verified, looked at and evaluated."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from t2t_dist.config.domain import load_domain
from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import code_version, run_id, stable_hash
from t2t_dist.storage.ledger import Ledger
from t2t_dist.storage.manifest import Manifest, claim
from t2t_dist.storage.objects.opening import create_storage
from t2t_dist.storage.rows import SCHEMAS
from t2t_dist.storage.run_lock import RunLock
from t2t_dist.storage.stored_tasks import commit_tasks
from t2t_dist.storage.writer import ShardWriter

from .from_tau2 import OTHER_DATABASE, Grading, Imported, Raised, import_task, reject_for_other_database
from .task_format import form_of, raw_text, read_tasks

KIND = "import"


@dataclass
class Import:
    """The result of an import: tasks by verdict or reason, and the gold calls that raise."""

    run_id: str
    domain: str
    verdicts: Counter[str] = field(default_factory=Counter)
    raised: list[Raised] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)


def import_file(file: str, out: str, domain: str | None, grading: Grading) -> Import:
    """Import a file of tasks into a run directory.

    Raises:
        InputError: a bad file, task or domain, or a directory that holds another run.
    """
    raws = read_tasks(file)
    name = domain or _domain_of(raws, file)
    config = load_config(None, {"domain": name, "verify.reference_trials": 0})
    made = load_domain(config)
    tasks = stable_hash([raw_text(raw) for raw in raws], grading)
    source = f"{made.fingerprint}/{tasks}"
    identity = run_id(config.results_part(), code_version(), source)
    items = [import_task(made, name, raw, index, grading) for index, raw in enumerate(raws)]
    reject_for_other_database(items)
    _store(items, out, config, identity, source, {**made.parts, "run": tasks})
    found = Import(identity, name)
    for task, raised in items:
        found.verdicts[task.verdict if task.verdict == "verified" else task.reasons[0]] += 1
        found.raised += raised
        if task.verdict != "verified" and task.reasons != [OTHER_DATABASE]:
            found.rejected.append((task.trajectory_id.removeprefix("tau2/"), f"{task.reasons[0]}: {task.detail}"))
    return found


def _domain_of(raws: list[dict[str, Any]], file: str) -> str:
    """The domain that every task of a file names."""
    named = set()
    for raw in raws:
        said = form_of(raw, file).user_scenario.instructions
        named.add("" if isinstance(said, str) else said.domain)
    if len(named) != 1 or "" in named:
        raise InputError(f"{file} does not say which domain it is for; give --domain, such as --domain tau2:mock")
    return f"tau2:{named.pop()}"


def _store(items: list[Imported], out: str, config: Config, identity: str, source: str, parts: dict[str, str]) -> None:
    storage = create_storage(out, parents=True)
    manifest = Manifest(
        run_id=identity,
        kind=KIND,
        code=code_version(),
        source=source,
        parts=parts,
        results=config.results_part(),
        config=config,
    )
    with RunLock(storage):
        ledger = Ledger(storage)
        claim(storage, manifest, empty=not ledger.state.items)
        if ledger.state.items:
            return  # the same import, already done
        writer = ShardWriter(storage, SCHEMAS, "import")
        commit_tasks(ledger, writer, identity, (item.task for item in items), "imported")
