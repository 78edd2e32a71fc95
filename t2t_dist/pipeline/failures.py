"""Builder of failures: episodes, stages of a trajectory, and whole work items that ended without a result."""

from __future__ import annotations

from t2t_dist.core.errors import FailureClass
from t2t_dist.core.identity import episode_id
from t2t_dist.core.schema import Failure, Faults, Turn


def failure_of(
    run_id: str,
    *,
    stage: str,
    what: str,
    domain: str,
    failure: FailureClass,
    message: str,
    attempts: int,
    task_id: str = "",
    intent: str = "",
    trial: int = 0,
    agent: str = "",
    user: str = "",
    turns: list[Turn] | None = None,
    started: float = 0.0,
    duration: float = 0.0,
    faults: Faults = None,
    difficulty: int | None = None,
    combination: str | None = None,
    kinds: list[str] | None = None,
) -> Failure:
    """A failure. ``what`` names what failed; with stage and trial it gives the id. What does not apply is empty."""
    return Failure(
        episode_id=episode_id(run_id, stage, what, trial),
        run_id=run_id,
        stage=stage,
        domain=domain,
        task_id=task_id,
        intent=intent,
        trial=trial,
        attempts=attempts,
        agent=agent,
        user=user,
        failure=failure.value,
        message=message,
        turns=turns or [],
        started=started,
        duration=duration,
        faults=faults,
        difficulty=difficulty,
        combination=combination,
        kinds=kinds,
    )
