"""What the counters of a run, or of one of its items, say about results: how many there are, and what failed instead.

A run is made for the rows of its last stage: graded rollouts, or verified tasks, or kept trajectories. A failure
(``failures/``) is no result, and neither is a task that a model left without usable words or votes.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Reasons of rejected tasks that a model is to blame for: it may do better when it is asked again.
SAID_BY_A_MODEL = frozenset({"bad_words", "no_votes"})
#: Beginnings of the counters of rows. Others count what was spent, which stays spent when rows are taken back.
OF_ROWS = ("trajectories", "tasks.", "tasks_rejected.", "rejected.", "episodes.", "failures.", "band.")

Counters = Mapping[str, int | float]


def last_stage(kind: str, until: str) -> str:
    """The stage that a run of this kind is made for: ``explore, convert`` or ``rollout``."""
    return "rollout" if kind == "evaluate" else until


def results(stage: str, counters: Counters) -> int:
    """How many results of the stage there are."""
    if stage == "explore":
        return int(counters.get("trajectories", 0)) - _sum(counters, "rejected.")
    return _sum(counters, "tasks.") if stage == "convert" else int(counters.get("episodes.rollout", 0))


def failed_by(stage: str, counters: Counters) -> str:
    """What an item without a result failed by most: a failure's class, or a reason that a model is to blame for; empty
    if it has a result, or if nothing failed (some trajectories give no task)."""
    failed = {} if results(stage, counters) else failures(counters)
    return max(sorted(failed), key=lambda name: failed[name], default="")


def failures(counters: Counters) -> dict[str, int]:
    """What failed, how often."""
    failed = {name.partition(".")[2]: int(n) for name, n in counters.items() if name.startswith("failures.") and n}
    return failed | {reason: int(n) for reason in SAID_BY_A_MODEL if (n := counters.get(f"rejected.{reason}", 0))}


def without_result(stage: str, counters: Counters, stopped: str = "") -> str:
    """Why a run that is over, or was ``stopped`` since all of it failed, is of no use; empty if it has results."""
    what = {"explore": "no trajectory was kept", "convert": "no task was verified"}.get(
        stage, "no rollout has a result"
    )
    return stopped or ("" if results(stage, counters) else what)


def _sum(counters: Counters, prefix: str) -> int:
    return int(sum(n for name, n in counters.items() if name.startswith(prefix)))
