"""The gold of a ``tasks.json``, played in tau2's environment and judged by tau2's evaluator.

    python -m tests.environments.adapters.tau2.replay tasks.json retail

Needs an installed tau2. Prints one JSON object; exit code 1 unless every task loads and its gold gets reward 1.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any


def rewards(file: str, domain: str) -> dict[str, Any]:
    """Tasks loaded by tau2's own model, and tau2's reward for the gold of each."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    from loguru import logger

    logger.disable("tau2")
    from tau2.data_model.message import AssistantMessage, ToolCall, UserMessage
    from tau2.data_model.simulation import SimulationRun
    from tau2.data_model.tasks import Task
    from tau2.evaluator.evaluator import EvaluationType, evaluate_simulation
    from tau2.registry import registry

    make = registry.get_env_constructor(domain)
    found: Counter[float] = Counter()
    failed, raised, changed = [], 0, 0
    for raw in json.loads(Path(file).read_text("utf-8")):
        task, env = Task.model_validate(raw), make()
        before = env.get_db_hash()
        messages: list[Any] = [
            AssistantMessage(role="assistant", content="Hi!"),
            UserMessage(role="user", content="Hi."),
        ]
        criteria = task.evaluation_criteria
        for number, action in enumerate(criteria.actions or ()):
            call = ToolCall(id=f"c{number}", name=action.name, arguments=action.arguments, requestor=action.requestor)
            kind, role = (UserMessage, "user") if action.requestor == "user" else (AssistantMessage, "assistant")
            answer = env.get_response(call)
            raised += answer.error
            messages += [kind(role=role, tool_calls=[call]), answer]
        facts = ". ".join(criteria.communicate_info or ())
        messages.append(AssistantMessage(role="assistant", content=f"Done. {facts}"))
        changed += env.get_db_hash() != before
        simulation = SimulationRun(
            id="s", task_id=task.id, start_time="0", end_time="1", duration=1.0, termination_reason="user_stop",
            messages=messages,
        )  # fmt: skip
        info = evaluate_simulation(simulation, task, EvaluationType.ALL, solo_mode=False, domain=domain)
        found[info.reward] += 1
        if info.reward != 1.0:
            failed.append(task.id)
    return {
        "tasks": sum(found.values()),
        "rewards": {str(reward): count for reward, count in sorted(found.items())},
        "gold_calls_that_raise": raised,
        "tasks_that_change_the_database": changed,
        "failed": failed,
    }


if __name__ == "__main__":
    result = rewards(sys.argv[1], sys.argv[2])
    print(json.dumps(result))
    sys.exit(0 if result["tasks"] and not result["failed"] else 1)
