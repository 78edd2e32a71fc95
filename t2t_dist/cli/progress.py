"""The progress of a run on a terminal, and the settings as commented YAML."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import yaml
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from t2t_dist.config.settings import Config

#: Seconds between two lines where there is no terminal to draw a bar on.
_LINE_EVERY_S = 10.0


@contextmanager
def shown(console: Console, title: str) -> Iterator[Callable[[Any], None]]:
    """A progress bar on a terminal, plain lines elsewhere. Yields the function that takes the driver's progress."""
    if not console.is_terminal:
        yield _Lines(console, title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[counts]}"), console=console, transient=True) as bars:
        bar = bars.add_task(title, total=None, counts="starting")

        announce = _announcer(bars.console)

        def notify(progress: Any) -> None:
            announce(progress)
            counts = progress.items
            bars.update(bar, total=counts.total, completed=_over(counts), counts=counts_text(progress.counts))

        yield notify


def _announcer(console: Console) -> Callable[[Any], None]:
    """Prints once where the metrics are, if they are served."""
    printed: set[str] = set()

    def announce(progress: Any) -> None:
        if progress.metrics and progress.metrics not in printed:
            printed.add(progress.metrics)
            console.print(f"metrics at {progress.metrics}/metrics", markup=False)

    return announce


def _over(counts: Any) -> int:
    return int(counts.done + counts.poisoned + counts.uncommitted)


def listed(*parts: str) -> str:
    """The parts that say something, with commas between them."""
    return ", ".join(part for part in parts if part)


def counts_text(counts: Any) -> str:
    """``312 tasks, 305 episodes, 2 failures`` of a run's counters."""
    sums = {
        "trajectories": counts.get("trajectories", 0),
        "tasks": sum(n for name, n in counts.items() if name.startswith("tasks.")),
        "episodes": sum(n for name, n in counts.items() if name.startswith("episodes.")),
        "failures": sum(n for name, n in counts.items() if name.startswith("failures.")),
    }
    return ", ".join(f"{n} {name}" for name, n in sums.items() if n)


class _Lines:
    def __init__(self, console: Console, title: str) -> None:
        self.console, self.title, self.last = console, title, time.monotonic()
        self.line = ""
        self.announce = _announcer(console)

    def __call__(self, progress: Any) -> None:
        self.announce(progress)
        counts = progress.items
        over = _over(counts) == counts.total
        if time.monotonic() - self.last >= _LINE_EVERY_S or over:
            self.last = time.monotonic()
            line = listed(f"{self.title}: {_over(counts)}/{counts.total} items", counts_text(progress.counts))
            if line != self.line:
                self.console.print(line)
            self.line = line


def config_yaml(config: Config) -> str:
    """The settings as YAML, each with its help above it."""
    return "\n".join(_section(config, 0))


def _section(section: BaseModel, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:"
            yield from _section(value, depth + 1)
            continue
        if info.description:
            yield f"{indent}# {info.description}"
        plain = list(value) if isinstance(value, tuple) else value
        text = yaml.safe_dump(plain, default_flow_style=True, width=1000).strip().removesuffix("\n...")
        yield f"{indent}{name}: {text}"
