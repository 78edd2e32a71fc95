"""Real vLLM servers with real weights: their settings here, and questions to one."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from t2t_dist.actors.engine import Engine, EngineAddress
from t2t_dist.config.engines import PoolConfig
from tests.support.patience import PATIENCE_S
from tests.vllm.weights import checkpoint

KEY, KEY_NAME = "of-this-run", "KEY_OF_THE_SERVER"
TEMPLATE = Path(__file__).parent / "hermes.jinja"
CAPITAL = [{"role": "user", "content": "What is the capital of France?"}]


def engine(folder: Path, **settings: Any) -> Engine:
    """One server, to be started."""
    args = {"dtype": "float32", "max-model-len": 4096, **settings.pop("args", {})}
    settings = {"model": str(checkpoint()), "chat_template": str(TEMPLATE), "start_deadline_s": 600, **settings}
    return Engine("e0", PoolConfig(args=args, env={"HF_HUB_OFFLINE": "1"}, **settings), KEY, str(folder / "e0.log"))


def ask(url: str, body: dict[str, Any] | None = None, key: str = KEY) -> tuple[int, Any]:
    """GET, or POST where there is a body; the status and the body of the answer, JSON read."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=PATIENCE_S) as answer:
            text, status = answer.read().decode(), answer.status
    except urllib.error.HTTPError as error:
        text, status = error.read().decode(), error.code
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def chat(address: EngineAddress, messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    body = {"model": str(checkpoint()), "messages": messages, "temperature": 0, "max_tokens": 32, **fields}
    status, answer = ask(f"{address.url}/chat/completions", body)
    assert status == 200, answer
    found: dict[str, Any] = answer
    return found
