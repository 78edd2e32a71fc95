"""Settings with which a real vLLM server does not start, and what is said then."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.actors.engine import EngineFailed
from t2t_dist.actors.families import FAMILIES, UNKNOWN
from tests.vllm.serving import engine
from tests.vllm.weights import checkpoint

#: By what is wrong: settings, and what the message says.
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "tool parser": (
        {"tool_parser": "telepathy"},
        r"no tool parser telepathy; set engine.tool_parser to .*\bhermes\b.*\bmistral\b",
    ),
    "reasoning parser": (
        {"reasoning_parser": "telepathy"},
        r"no reasoning parser telepathy; .* one of: .*\bqwen3\b",
    ),
    "flag": ({"args": {"no-such-flag": 3}}, "no such flag: --no-such-flag"),
    "value": ({"args": {"dtype": "float3"}}, "refuses a flag: --dtype: invalid choice"),
    "length": (
        {"args": {"max-model-len": 99999}},
        r"max-model-len 99999 in engine.args is more than .* was made for \(8192\)",
    ),
    "model": ({"model": "org/never-heard-of", "chat_template": None}, "no model org/never-heard-of: no directory"),
    "KV cache": (
        {"args": {"num-gpu-blocks-override": 4, "max-model-len": 2048}},
        r"too little memory for the KV cache: .* lower max-model-len .* to 384",
    ),
}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EngineFailed]:
    """How each start fails. vLLM takes a core for ten seconds before it looks at its flags: two start at a time."""
    folder, two = tmp_path_factory.mktemp("starts"), asyncio.Semaphore(2)

    async def failure(name: str) -> EngineFailed:
        (folder / name).mkdir()
        async with two:
            with pytest.raises(EngineFailed) as failed:
                await engine(folder / name, **WRONG[name][0]).start()
        return failed.value

    async def failures() -> list[EngineFailed]:
        return await asyncio.gather(*map(failure, WRONG))

    return dict(zip(WRONG, asyncio.run(failures()), strict=True))


@pytest.mark.parametrize("name", WRONG)
def test_a_setting_that_can_not_be(name: str, failed: dict[str, EngineFailed]) -> None:
    error = failed[name]
    assert re.search(WRONG[name][1], str(error))
    assert "\n" not in str(error)
    assert len(error.tail) > 3


def test_every_parser_of_our_table_is_one_of_this_vllm(failed: dict[str, EngineFailed]) -> None:
    """vLLM lists those it has where it is given another."""

    def listed(name: str) -> set[str]:
        return set(re.findall(r"[\w-]+", str(failed[name]).partition("one of: ")[2]))

    rows = [*FAMILIES, UNKNOWN]
    assert {row.tool for row in rows if row.tool} - listed("tool parser") == set()
    assert {row.reasoning for row in rows if row.reasoning} - listed("reasoning parser") == set()


async def test_a_model_without_a_template(tmp_path: Path) -> None:
    model = shutil.copytree(checkpoint(), tmp_path / "model", ignore=shutil.ignore_patterns("*.jinja", "*.safetensors"))
    with pytest.raises(EngineFailed, match=r"has no chat template: set engine\.chat_template"):
        await engine(tmp_path, model=str(model), chat_template=None).start()
