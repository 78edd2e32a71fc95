"""The card of a benchmark: what is in it, how hard it is, how to evaluate on it, where it is from."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from importlib import resources
from statistics import fmean

import yaml
from jinja2 import Environment, StrictUndefined

from t2t_dist.config.difficulty import LEVELS
from t2t_dist.config.settings import Config
from t2t_dist.core.schema import INTENTS, Difficulty, Task
from t2t_dist.environments.splits import SPLITS
from t2t_dist.export.card import licence_of, public
from t2t_dist.synthesis.intents import REGISTRY

from .forms import place_of
from .plan import Part, Plan

#: Markdown, never HTML: names given by users go through :func:`public`.
_TEMPLATES = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
_NUMBERS = tuple(name for name in Difficulty.model_fields if name != "level")
#: ``{part: {level: {intent: tasks}}}``
Counts = Mapping[str, Mapping[str, Mapping[str, int]]]


def card(plan: Plan, version: str, code: str, tasks: Sequence[Task], counts: Counts, configs: Sequence[Config]) -> str:
    """The text of ``README.md``: a header that ``datasets`` reads, and a page for people."""
    licence, config = licence_of(configs), configs[0]
    head = {
        "pretty_name": plan.name,
        "license": licence,
        "tags": ["tool-calling", "agents", "benchmark", "synthetic", "t2t-dist"],
        "configs": [
            {"config_name": "default", "data_files": [{"split": split, "path": place_of(split)} for split in SPLITS]}
        ],
    }
    template = resources.files("t2t_dist.bench").joinpath("card.j2").read_text("utf-8")
    body = _TEMPLATES.from_string(template).render(
        plan=plan,
        version=version,
        total=len(tasks),
        intents=list(REGISTRY.values()),
        parts_head=["part", *(f"level {level}" for level in LEVELS), "all", *INTENTS],
        parts=[_sums(name, by) for name, by in counts.items()],
        short=_short(plan, counts),
        figures_head=["level", "tasks", *(name.replace("_", " ") for name in _NUMBERS), "describe something"],
        figures=_figures(tasks),
        part_name=lambda domain, split: Part(domain, split).name,
        reference=public(config.verify.reference) if config.verify.reference_trials else "",
        provenance={
            "made by": f"`{public(_command(plan))}`",
            "code": code,
            "databases": f"database seed {config.domain_seed}, scale {config.scale:g}",
            "explorer": public(config.explorer),
            "writer": public(config.writer),
            "judges": ", ".join(map(public, config.judges)) or "none",
        },
        licence=licence,
    )
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n{body}\n"


def _command(plan: Plan) -> str:
    """The command that makes it again, without what only says how wide it runs."""
    given = [f"--name {plan.name} --seed {plan.seed} --tasks {plan.tasks}"]
    given += [f"--domain {domain}" for domain in plan.domains] if plan.domains != Plan.domains else []
    given += [f"--set {shlex.quote(f'{name}={value}')}" for name, value in plan.results_settings().items()]
    return " ".join(["t2t bench make", *given, "--out FOLDER"])


def _sums(part: str, by: Mapping[str, Mapping[str, int]]) -> list[str | int]:
    """A part's tasks by level, over all, and by intent."""
    by_level = [sum(by.get(str(level), {}).values()) for level in LEVELS]
    return [part, *by_level, sum(by_level), *(sum(cell.get(intent, 0) for cell in by.values()) for intent in INTENTS)]


def _short(plan: Plan, counts: Counts) -> list[str]:
    totals = {name: sum(sum(cell.values()) for cell in by.values()) for name, by in counts.items()}
    return [f"{name} has {total}" for name, total in totals.items() if total < plan.tasks]


def _figures(tasks: Sequence[Task]) -> list[list[str]]:
    """By level: tasks, the means of the numbers it comes from, and the share that describe something."""
    found = []
    for level in sorted({task.level for task in tasks if task.level is not None}):
        held = [task for task in tasks if task.level == level]
        means = [f"{fmean(getattr(task.difficulty, name) for task in held):.1f}" for name in _NUMBERS]
        share = fmean(task.grader.requests is not None for task in held)
        found.append([str(level), str(len(held)), *means, f"{100 * share:.0f} %"])
    return found
