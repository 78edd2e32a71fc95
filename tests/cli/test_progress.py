"""Progress of a run as a person sees it."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from t2t_dist.cli.progress import shown
from t2t_dist.cluster.scheduling.scheduler import Counts

HALF = Counts(total=10, done=4, poisoned=0, waiting=6, unfinished=0, uncommitted=0, requeued=0, workers_lost=0)
AT = "http://127.0.0.1:9400"


@dataclass
class Progress:
    """As the driver tells it."""

    metrics: str = ""
    items: Counts = HALF
    counts: Counter[str] = field(default_factory=lambda: Counter({"tasks.general": 7}))


@pytest.mark.parametrize("terminal", [True, False])
def test_where_the_metrics_are_is_said_once(terminal: bool) -> None:
    output = io.StringIO()
    with shown(Console(file=output, force_terminal=terminal, highlight=False, width=120), "generate") as notify:
        for progress in (Progress(), Progress(AT), Progress(AT)):
            notify(progress)
    assert output.getvalue().count(f"metrics at {AT}/metrics") == 1


def test_a_line_before_there_are_results_ends_with_the_items() -> None:
    output = io.StringIO()
    with shown(Console(file=output, force_terminal=False), "generate") as notify:
        notify(Progress(items=HALF._replace(done=10, waiting=0), counts=Counter()))
    assert output.getvalue() == "generate: 10/10 items\n"


def test_a_run_without_metrics_says_nothing_of_them() -> None:
    output = io.StringIO()
    with shown(Console(file=output, force_terminal=False), "generate") as notify:
        notify(Progress(items=HALF._replace(done=10, waiting=0)))
    assert output.getvalue() == "generate: 10/10 items, 7 tasks\n"
