"""``t2t export --format tau2``: the verified tasks of runs as tau2's ``tasks.json``."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from t2t_dist.config.domain import load_domain
from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Intent
from t2t_dist.environments.adapters.tau2.domain import Tau2Domain
from t2t_dist.environments.files import write_file
from t2t_dist.storage.source_run import Source

from .task_format import raw_of
from .to_tau2 import exported


def export_tasks(runs: Sequence[str], out: str, intents: Sequence[Intent] = ()) -> int:
    """Write the verified tasks of runs into a file; returns how many.

    Raises:
        InputError: no run, no verified task, a file that exists or can't be written.
    """
    found: list[dict[str, Any]] = []
    ids: set[str] = set()
    for run in runs:
        source = tasks_of(Source(run))
        domain = None
        for task in source.verified_tasks(intents=list(intents) or None):
            if task.world:  # all tasks of a tau2 file are set in one database
                continue
            raw = raw_of(task)
            if raw is None:  # not imported: the domain names its transfer tool
                domain = domain or load_domain(source.manifest.config)
                if task.world and isinstance(domain, Tau2Domain):
                    raise InputError(f"{run}: {task.task_id} has a world of its own, which tau2's tasks can't say")
                raw = exported(task, domain)
            if raw["id"] in ids:
                raise InputError(f"{run}: the task '{raw['id']}' is in an earlier run, too; ids tell tasks apart")
            ids.add(raw["id"])
            found.append(raw)
    if not found:
        raise InputError(f"no verified task to export in {', '.join(runs)}")
    write_json(out, found)
    return len(found)


def tasks_of(source: Source) -> Source:
    """The run that holds a run's tasks: itself, or the one that an evaluation took them from. Raises InputError."""
    config = source.manifest.config
    return Source(config.source) if source.manifest.kind == "evaluate" and config.source else source


def write_json(out: str, value: Any) -> None:
    """Write a new JSON file, completely or not at all. Raises InputError: it exists or can't be written."""
    file = Path(out)
    if "://" in out:
        raise InputError(f"--out {out}: a file on this machine is needed")
    if os.path.lexists(file):
        raise InputError(f"--out {out} exists; give a new file, such as tasks.json")
    part = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(part, (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode())
        os.replace(part, file)
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror or error}; give another file") from None
