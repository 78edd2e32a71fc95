"""The dataset card: contents of an exported folder, where they are from, how they were made, and their licence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import orjson
import pyarrow as pa
import yaml
from jinja2 import Environment, StrictUndefined

from t2t_dist.config.model_names import is_built_in
from t2t_dist.config.settings import Config
from t2t_dist.storage.partial_run import PartialRun
from t2t_dist.storage.rows import CHECKS
from t2t_dist.synthesis.intents import REGISTRY

from .audit import Audit
from .files import PLACES
from .formats import yaml_features

#: Markdown, never HTML: names given by users go through :func:`public`.
_TEMPLATES = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)


def public(name: str) -> str:
    """A model's name without its address, which is private and might hold a key."""
    name = re.sub(r"@[a-z]+://.*", "", name)
    return re.sub(r"[\x00-\x1f\x7f|`<>]", " ", name)


@dataclass
class ExportCounts:
    """Counts of what was written, by split."""

    rows: Counter[str] = field(default_factory=Counter)
    cells: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    intents: Counter[tuple[str, str]] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)
    largest: int = 0
    written: Counter[str] = field(default_factory=Counter)


def origin_of(reading: PartialRun) -> dict[str, Any]:
    """The provenance of a run, for the card."""
    assert reading.config is not None
    config: Config = reading.config
    source = reading.source if reading.source is not reading else None
    made_by = source.config if source is not None and source.config is not None else config
    return {
        "run": reading.run_id,
        "kind": reading.kind,
        "code": reading.code,
        "tasks from": source.run_id if source is not None else reading.run_id,
        "domain": f"{config.domain} (database seed {config.domain_seed}, scale {config.scale:g})",
        "seed": config.seed,
        "explorer": public(made_by.explorer),
        "writer": public(made_by.writer),
        "judges": ", ".join(map(public, made_by.judges)) or "none",
        "agents": ", ".join(map(public, config.agents)),
        "simulated user": public(config.user),
        "sampling": orjson.dumps(config.models.sampling).decode() if config.models.sampling else "the models' own",
        "trials": config.trials,
    }


def licence_of(configs: Sequence[Config]) -> str:
    """``apache-2.0`` where no third-party model wrote any of it; else the licence is for the person to decide."""
    names = [name for c in configs for name in (*c.agents, c.user, c.explorer, c.writer, *c.judges)]
    return "apache-2.0" if all(map(is_built_in, names)) else "other"


def card(
    *,
    format: str,
    style: str,
    file: str,
    schema: pa.Schema,
    splits: Mapping[str, int],
    counts: ExportCounts,
    origins: Sequence[Mapping[str, Any]],
    licence: str,
    filters: Sequence[str],
    process: Sequence[str],
    never_checked: Sequence[str],
    episodes: int,
    left_out: Mapping[str, int],
    audit: Audit | None,
    notes: Sequence[str],
    seed: int,
) -> str:
    """The text of ``README.md``: a header that ``datasets`` reads, and a page for people.

    ``process`` are the checks that had to be kept, ``never_checked`` those of them that no episode has; so many
    ``episodes`` are in the files.
    """
    files = [{"split": split, "path": PLACES[file].format(split)} for split in splits]
    head = {
        "license": licence,
        "tags": ["tool-calling", "agents", "synthetic", "t2t-dist", format],
        "configs": [{"config_name": "default", "data_files": files}],
        "dataset_info": {"features": yaml_features(schema)},
    }
    template = resources.files("t2t_dist.export").joinpath("card.j2").read_text("utf-8")
    body = _TEMPLATES.from_string(template).render(
        format=format,
        style=style,
        file=file,
        counts=counts,
        splits=splits,
        origins=origins,
        licence=licence,
        filters=filters,
        process=process,
        never_checked=never_checked,
        every_check=set(process) == set(CHECKS),
        episodes=episodes,
        left_out=left_out,
        audit=audit,
        notes=notes,
        seed=seed,
        intents=REGISTRY.values(),
    )
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n{body}\n"
