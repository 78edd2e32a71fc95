"""The scripted expert and the scripted customer understand each other."""

from __future__ import annotations

from t2t_dist.core.identity import seed_of
from t2t_dist.models.clients import Models
from t2t_dist.simulation.conversation import roll_out
from t2t_dist.simulation.seating import seat_agent, seat_user
from tests.support.made import Made

#: Of the dialogues, the share in which a customer may say a request again: harsh wordings of it.
FEW = 0.02


async def test_nobody_has_to_say_again_what_was_understood(built_in: Made) -> None:
    """A customer who is asked for a yes to what they want says yes, and doesn't ask for it once more."""
    repeated, tasks = [], built_in.verified()
    for task in tasks:
        seed = seed_of(task.task_id, "understood")
        agent = seat_agent(Models(), "scripted:oracle", task, built_in.domain, task.task_id, seed)
        user = seat_user(Models(), "scripted", task.user, built_in.domain, task.task_id, seed)
        done = await roll_out(task, built_in.domain, agent, user, seed=seed)
        said = "\n".join(turn.content or "" for turn in done.turns if turn.seat == "user" and turn.role == "user")
        wanted = [goal.request for goal in task.user.goals] + ([task.user.change.request] if task.user.change else [])
        repeated += [(task.task_id, request) for request in wanted if said.count(request) > 1]
    assert len(tasks) > 100
    assert len(repeated) <= FEW * len(tasks), repeated
