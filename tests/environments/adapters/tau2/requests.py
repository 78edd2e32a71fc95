"""The requests that an endpoint gets from tau2's own runner and from ``t2t evaluate --as tau2``, field by field.

    python -m tests.environments.adapters.tau2.requests [mock:create_task_1 retail:0 telecom:small:0 ...]

Needs an installed tau2 (1.0.1). Both play the same tasks against the same endpoint, whose answers depend on the request
alone: the agent makes the task's gold calls and some wrong ones, the customer uses its tools. Prints what differs and
one JSON object; exit code 1 if anything differs. A field is compared as JSON text with its keys in order; the order of
the fields of a request is its client's.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.fake_endpoint import STOP, FakeEndpoint, Message, text

TRIALS = 2
SEED = 300


class Play:
    """What the two models say: a script by the number of their own messages so far."""

    def __init__(self, gold: Sequence[dict[str, Any]]) -> None:
        agents = [call for call in gold if call.get("requestor", "assistant") == "assistant"]
        wrong = {"name": "open_the_vault", "arguments": {"key": "é", "deep": [1, 2.5, None]}}
        self.agent: list[Message] = [
            text("Let me look, that may take a moment: “please” wait."),
            *(_calls(f"a{number}", [call]) for number, call in enumerate(agents)),
            _calls("w", [wrong, *agents[:1]]),
            {**_calls("t", agents[:1] or [wrong]), "content": "I look at it again."},
            text("It is done. Anything else?"),
        ]
        users = [call for call in gold if call.get("requestor") == "user"]
        self.user: list[Message] = [
            text("Hello, I need help, bitte schön."),
            *(_calls(f"u{number}", [call]) for number, call in enumerate(users)),
            text("Go on, please."),
            text(f"Thank you. {STOP}"),
        ]

    def __call__(self, body: dict[str, Any]) -> Message:
        script = self.agent if body["model"] == "agent-model" else self.user
        greeting = 1 if script is self.agent else 0
        own = sum(message["role"] == "assistant" for message in body["messages"]) - greeting
        return script[min(own, len(script) - 1)]


def _calls(prefix: str, calls: Sequence[dict[str, Any]]) -> Message:
    made = [
        {
            "id": f"{prefix}_{number}",
            "type": "function",
            "function": {"name": call["name"], "arguments": json.dumps(call["arguments"], separators=(",", ":"))},
        }
        for number, call in enumerate(calls)
    ]
    return {"role": "assistant", "content": None, "tool_calls": made}


@contextmanager
def endpoint(play: Play) -> Iterator[FakeEndpoint]:
    """The endpoint in a thread of its own, since tau2's runner blocks."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    fake = FakeEndpoint(play, models=("agent-model", "user-model"))
    try:
        yield asyncio.run_coroutine_threadsafe(fake.__aenter__(), loop).result(30)
    finally:
        asyncio.run_coroutine_threadsafe(fake.__aexit__(None, None, None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)


def theirs(domain: str, raw: dict[str, Any], url: str) -> None:
    from tau2.data_model.simulation import TextRunConfig
    from tau2.data_model.tasks import Task
    from tau2.runner.batch import run_tasks

    def arguments() -> dict[str, Any]:
        from tau2.config import DEFAULT_LLM_TEMPERATURE_AGENT

        return {"temperature": DEFAULT_LLM_TEMPERATURE_AGENT, "api_base": url, "api_key": "none"}

    config = TextRunConfig(
        domain=domain, agent="llm_agent", user="user_simulator", llm_agent="openai/agent-model",
        llm_user="openai/user-model", llm_args_agent=arguments(), llm_args_user=arguments(), num_trials=TRIALS,
        max_concurrency=1, max_retries=0, log_level="CRITICAL", seed=SEED,
    )  # fmt: skip
    run_tasks(config, [Task.model_validate(raw)], save_path=None, console_display=False)


def ours(domain: str, raw: dict[str, Any], url: str) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tasks.json").write_text(json.dumps([raw]))
        _t2t("import", "tau2", f"{folder}/tasks.json", "--domain", f"tau2:{domain}", "--out", f"{folder}/run")
        _t2t(
            "evaluate", f"{folder}/run", "--as", "tau2", "--agent", f"openai:agent-model@{url}", "--user",
            f"openai:user-model@{url}", "--trials", str(TRIALS), "--workers", "1", "--concurrency", "1",
            "--out", f"{folder}/evaluation",
        )  # fmt: skip
        return []


def _t2t(*arguments: str) -> None:
    command = [sys.executable, "-m", "t2t_dist.cli", *arguments, "--json"]
    path = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=path, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise SystemExit(f"t2t {' '.join(arguments)}: exit {done.returncode}\n{done.stderr[-3000:]}")


def fields(body: dict[str, Any]) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in body.items()}


def compare(domain: str, raw: dict[str, Any]) -> tuple[int, list[str]]:
    """How many requests tau2 made, and what differs."""
    seen = []
    for side in (theirs, ours):
        with endpoint(Play((raw.get("evaluation_criteria") or {}).get("actions") or [])) as fake:
            side(domain, raw, fake.url)
            seen.append([fields(request.body) for request in fake.requests if "messages" in request.body])
    found = [f"tau2 made {len(seen[0])} requests, we {len(seen[1])}"] if len(seen[0]) != len(seen[1]) else []
    for number, (their, our) in enumerate(zip(*seen, strict=False)):
        for name in [*their, *(name for name in our if name not in their)]:
            if their.get(name) != our.get(name):
                found.append(
                    f"request {number}, {name}:\n  tau2 {_part(their, our, name)}\n  ours {_part(our, their, name)}"
                )
    return len(seen[0]), found


def _part(one: dict[str, str], other: dict[str, str], name: str) -> str:
    """A field's text around the first place where it differs."""
    text, against = one.get(name), other.get(name)
    if text is None or against is None:
        return str(text)[:400]
    place = next(
        (n for n, (a, b) in enumerate(zip(text, against, strict=False)) if a != b), min(len(text), len(against))
    )
    return f"...{text[max(0, place - 80) : place + 200]}"


def raw_task(spec: str) -> tuple[str, dict[str, Any]]:
    domain, _, key = spec.partition(":")
    from tau2.utils.utils import DATA_DIR

    folder = DATA_DIR / "tau2" / "domains" / domain
    file = folder / ("tasks_small.json" if domain == "telecom" else "tasks.json")
    data = json.loads(Path(file).read_text("utf-8"))
    tasks = data["tasks"] if isinstance(data, dict) else data
    found = [task for task in tasks if task["id"] == key] or [tasks[int(key)]]
    return domain, found[0]


def main(specs: Sequence[str]) -> int:
    from t2t_dist.environments import registry

    registry.load("tau2:mock")  # sees to tau2's log lines
    requests, different = 0, 0
    for spec in specs:
        count, found = compare(*raw_task(spec))
        requests, different = requests + count, different + len(found)
        print("\n".join([f"{spec}: {count} requests, {len(found)} differ", *found[:10]]))
    print(json.dumps({"benchmark": "tau2_requests", "tasks": len(specs), "requests": requests, "differ": different}))
    return 1 if different or not requests else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["mock:create_task_1", "mock:0", "retail:0", "telecom:0", "telecom:3"]))
