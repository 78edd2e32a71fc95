"""The plan of a benchmark: what is asked for, its parts, and the run that the tasks of each are chosen from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from t2t_dist.config.difficulty import LEVELS
from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import seed_of
from t2t_dist.environments.registry import BUILT_IN
from t2t_dist.environments.splits import SPLITS

#: Trajectories explored for each task that is wanted: the rarest level, of the rarest intent, needs so many.
PER_TASK = 2
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
#: Trajectories of every level, unless the settings say otherwise.
_DEFAULTS = {"difficulty": dict.fromkeys(LEVELS, 1.0)}
#: Settings that the plan has itself.
_OWN = ("domain", "seed", "trajectories", "until")


class Part(NamedTuple):
    """A domain and a split of it."""

    domain: str
    split: str

    @property
    def name(self) -> str:
        """As a name of a folder: ``retail-test``."""
        return f"{re.sub(r'[^A-Za-z0-9]+', '-', self.domain).strip('-')}-{self.split}"


@dataclass(frozen=True)
class Plan:
    """What is asked for. ``tasks`` per domain and split; ``settings`` by dotted path, of the runs that tasks come from.

    Raises InputError: a name that is no name of a file, no task, a setting that is the plan's own.
    """

    name: str
    seed: int = 0
    tasks: int = 100
    domains: tuple[str, ...] = tuple(BUILT_IN)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError(f"--name {self.name}: give small letters, figures, dots and hyphens, such as t2t-hard")
        if self.tasks < 1:
            raise InputError(f"--tasks {self.tasks}: give 1 or more")
        if taken := [name for name in _OWN if name in self.settings]:
            raise InputError(f"--set {taken[0]}: a benchmark sets this itself")
        names = [part.name for part in self.parts()]
        if len(set(names)) < len(names):
            raise InputError(f"--domain {', '.join(self.domains)}: give each domain once")

    def parts(self) -> Iterator[Part]:
        """Every split of every domain, in order."""
        return (Part(domain, split) for domain in self.domains for split in SPLITS)

    def config(self, part: Part) -> Config:
        """The run that the tasks of a part are chosen from: trajectories of every level. Raises InputError."""
        own = {
            "domain": f"{part.domain}:{part.split}",
            "seed": seed_of(self.seed, self.name, *part),
            "trajectories": PER_TASK * self.tasks,
        }
        return load_config(None, {**_DEFAULTS, **self.settings, **own})

    def results_settings(self) -> dict[str, Any]:
        """The settings that change results and are not what a benchmark has by itself, flat."""
        given, default = self.config(next(self.parts())).results_part(), load_config(None, _DEFAULTS).results_part()
        return {name: value for name, value in given.items() if name not in _OWN and default.get(name) != value}
