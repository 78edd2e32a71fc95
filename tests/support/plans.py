"""What the scripted expert says before it makes a call, knowing all that the customer can say and the gold looks up."""

from __future__ import annotations

import random

from t2t_dist.core.known import Known
from t2t_dist.core.prompts.render import agent_prompt
from t2t_dist.core.schema import GoldCall, Task
from t2t_dist.environments.base import Domain
from t2t_dist.simulation.scripted.phrases import Phrases, agent_acts
from t2t_dist.simulation.scripted.wording import Wording


def plan_of(domain: Domain, task: Task, call: GoldCall) -> str:
    known = Known(agent_prompt(domain))
    facts = [fact for goal in task.user.goals for fact in goal.facts]
    for fact in [*facts, *(task.user.change.facts if task.user.change is not None else ())]:
        known.add(f"{fact.text} {' '.join(fact.says)}")
    for step in task.grader.gold:
        known.add(step.result if step.kind == "read" else "")
    words = Wording(task, domain, Phrases(agent_acts(), random.Random(0)), known)
    return words.plan(call, domain.world(), None)
