"""Making a benchmark: runs, a choice of their tasks, and the folder that is handed around."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2t_dist.config.domain import load_domain
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import code_version, run_id, stable_hash
from t2t_dist.core.schema import Task
from t2t_dist.storage.ledger import Ledger
from t2t_dist.storage.manifest import Manifest, claim
from t2t_dist.storage.objects.opening import create_storage
from t2t_dist.storage.rows import SCHEMAS, to_row
from t2t_dist.storage.source_run import Source
from t2t_dist.storage.stored_tasks import commit_tasks
from t2t_dist.storage.writer import ShardWriter
from t2t_dist.tau2.export_tasks import export_tasks

from .card import card
from .choosing import chosen
from .forms import write_parquet
from .manifest import NAME, BenchManifest, listed, read_bench, write_bench
from .plan import Part, Plan

KIND = "bench"
#: In the folder until all is there: the runs that tasks are chosen from (their presence says that a making has begun
#: and not ended), and what is being written.
_WORK, _WRITTEN = ".parts", ".written"
#: Carries out a ``generate`` run, or resumes it: its config and its directory.
Generate = Callable[[Part, Config, str], None]


@dataclass
class Made:
    """The result: the manifest, and whether it was there already."""

    manifest: BenchManifest
    again: bool


def make(plan: Plan, out: str, generate: Generate) -> Made:
    """Make a benchmark in a folder; what was interrupted is resumed, and what is finished is only read.

    Raises:
        InputError: a folder with something else in it, a bad domain or setting, a part without any task.
    """
    folder = Path(out)
    if "://" in out or (folder.exists() and not folder.is_dir()):
        raise InputError(f"--out {out}: a folder on this machine is needed")
    settings = plan.results_settings()
    if (folder / NAME).exists():
        there = read_bench(out)
        if there.asked() != _asked(plan, settings):
            raise InputError(f"--out {out} holds another benchmark, {there.name} {there.version}; give a new folder")
        return Made(there, again=True)
    if folder.exists() and any(folder.iterdir()) and not (folder / _WORK).exists():
        raise InputError(f"--out {out} is not empty; give a new folder")
    found: dict[Part, list[Task]] = {}
    for part in plan.parts():
        config, run = plan.config(part), str(folder / _WORK / part.name)
        generate(part, config, run)
        found[part] = chosen(Source(run).verified_tasks(), plan.tasks, plan.seed)
        if not found[part]:
            raise InputError(f"{run} has no verified task of a known level; t2t show {run} --rejected says why")
    try:
        return Made(_written(plan, folder, found, settings), again=False)
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror or error}; give another folder") from None


def _asked(plan: Plan, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the content of a benchmark, as its manifest has it."""
    plain = {"name": plan.name, "seed": plan.seed, "tasks": plan.tasks, "domains": list(plan.domains)}
    return {**plain, "settings": dict(settings), "code": code_version()}


def _written(
    plan: Plan, folder: Path, found: Mapping[Part, Sequence[Task]], settings: Mapping[str, Any]
) -> BenchManifest:
    """Write all forms apart, then move them into place, the manifest last: a folder with a manifest is whole."""
    part_folder = folder / _WRITTEN
    shutil.rmtree(part_folder, ignore_errors=True)
    rows: dict[str, list[dict[str, Any]]] = {}
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for part, tasks in found.items():
        run = part_folder / "runs" / part.name
        _store(plan.config(part), run, tasks)
        export_tasks([str(run)], str(part_folder / "tau2" / f"{part.name}.json"))
        rows.setdefault(part.split, []).extend({**to_row(task), "split": part.split} for task in tasks)
        counts[part.name] = _counted(tasks)
    write_parquet(part_folder, rows)
    asked = _asked(plan, settings)
    content = stable_hash(plan.name, [[to_row(task) for task in tasks] for tasks in found.values()], size=4)
    tasks = [task for of_part in found.values() for task in of_part]
    configs = [plan.config(part) for part in found]
    text = card(plan, content, asked["code"], tasks, counts, configs)
    (part_folder / "README.md").write_text(text, "utf-8")
    manifest = BenchManifest(**asked, version=content, counts=counts, files=listed(part_folder))
    for entry in sorted(part_folder.iterdir()):
        target = folder / entry.name
        shutil.rmtree(target, ignore_errors=True)  # of a making that was killed here
        os.replace(entry, target)
    write_bench(folder, manifest)
    shutil.rmtree(part_folder)
    shutil.rmtree(folder / _WORK, ignore_errors=True)
    return manifest


def _store(config: Config, run: Path, tasks: Sequence[Task]) -> None:
    """A run with these tasks, as an import makes one; with the same bytes each time."""
    storage, domain = create_storage(run, parents=True), load_domain(config)
    digest = stable_hash([to_row(task) for task in tasks])
    source = f"{domain.fingerprint}/{digest}"
    results = config.results_part()
    # How the tasks were made is kept, how wide the machine was is not.
    plain = Config(**{name: value for name, value in config if name not in ("cluster", "budget")})
    manifest = Manifest(
        run_id=run_id(results, code_version(), source),
        kind=KIND,
        code=code_version(),
        source=source,
        parts={**domain.parts, "run": digest},
        results=results,
        config=plain,
    )
    claim(storage, manifest)
    commit_tasks(Ledger(storage), ShardWriter(storage, SCHEMAS, KIND, token="tasks"), manifest.run_id, tasks, "chosen")


def _counted(tasks: Sequence[Task]) -> dict[str, dict[str, int]]:
    """``{level: {intent: tasks}}``."""
    found: dict[str, Counter[str]] = {}
    for task in tasks:
        found.setdefault(str(task.level), Counter())[task.intent] += 1
    return {level: dict(sorted(by.items())) for level, by in sorted(found.items())}
