"""Exported rows through a real tokenizer and a chat template with tools: rendered, tokenized, masked token by token."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson
import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.environments import registry
from t2t_dist.export import Filters, Options, conversation, export, mask
from tests.support.finished_run import write_run
from tests.support.made import make
from tests.support.matrix import rolled_out, rows_of, tasks_of
from tests.vllm.serving import TEMPLATE

AGENTS = ["scripted:oracle", "scripted:hasty"]
END = "<|im_end|>"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = make(registry.load("retail"), 20)
    tasks = tasks_of(made, 2)
    rows = rolled_out(made, tasks, AGENTS)
    for _, row in rows:  # a word beside a call, letters of several tokens, and thoughts
        first = next(turn for turn in row["turns"] if turn["tool_calls"])
        first["content"], first["reasoning"] = "Un moment, s'il vous plaît \U0001f9ed — 待って", "Whose account is it?"
    folder = tmp_path_factory.mktemp("export") / "run"
    write_run(folder, [*rows_of(tasks), *rows], domain="retail", agents=AGENTS)
    return str(folder)


def exported(run: str, out: Path, style: str) -> list[dict[str, Any]]:
    export([run], str(out), Options("sft", style=style, shares=(1.0, 0.0, 0.0), filters=Filters()))
    return [orjson.loads(line) for line in (out / "train.jsonl").read_bytes().splitlines()]


def spoken(message: dict[str, Any]) -> str:
    """What the model of this template has to sample for a message, written down by hand."""
    parts = [message["content"]] if message["content"] else []
    for call in message.get("tool_calls") or ():
        arguments = call["function"]["arguments"]
        arguments = orjson.loads(arguments) if isinstance(arguments, str) else arguments
        said = ", ".join(f'"{name}": {as_json(value)}' for name, value in arguments.items())
        parts.append(f'<tool_call>\n{{"name": "{call["function"]["name"]}", "arguments": {{{said}}}}}\n</tool_call>')
    return "\n".join(parts) + END


def as_json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def stretches(ids: Sequence[int], marks: Sequence[int]) -> list[list[int]]:
    """The runs of marked tokens."""
    pairs = groupby(zip(ids, marks, strict=True), key=lambda pair: pair[1])
    return [[token for token, _ in group] for marked, group in pairs if marked]


@pytest.mark.parametrize("style", ["hf", "openai"])
def test_a_mask_covers_exactly_what_the_agent_said(tokenizer: Any, run: str, tmp_path: Path, style: str) -> None:
    rows = exported(run, tmp_path / "out", style)
    assert len(rows) >= 8
    for row in rows:
        ids, marks = mask(tokenizer, row)
        messages, tools = conversation(row)
        whole = tokenizer.apply_chat_template(messages, tools=tools, tokenize=True, return_dict=False)
        assert ids == list(whole)
        assert len(ids) == len(marks)
        assert set(marks) == {0, 1}
        wanted = [spoken(m) for m in row["messages"] if m.get("train" if style == "hf" else "weight")]
        assert [tokenizer.decode(stretch) for stretch in stretches(ids, marks)] == wanted
        assert any("待って" in text and "<tool_call>" in text for text in wanted)
        # Nothing of the policy, the tools, the customer, the results or the greeting is learnt.
        rest = tokenizer.decode([token for token, mark in zip(ids, marks, strict=True) if not mark])
        assert row["messages"][1]["content"] in rest
        for message in row["messages"]:
            if message["role"] in ("system", "user", "tool"):
                assert message["content"].strip() in rest


def test_a_message_that_is_not_to_be_learnt_has_no_token(tokenizer: Any, run: str, tmp_path: Path) -> None:
    row = exported(run, tmp_path / "out", "hf")[0]
    places = [place for place, message in enumerate(row["messages"]) if message["train"]]
    for place in places[1:]:
        row["messages"][place]["train"] = False
    ids, marks = mask(tokenizer, row)
    (stretch,) = stretches(ids, marks)
    assert tokenizer.decode(stretch) == spoken(row["messages"][places[0]])


def test_a_template_that_rewrites_history_is_refused(tokenizer: Any, run: str, tmp_path: Path) -> None:
    row = exported(run, tmp_path / "out", "hf")[0]
    with pytest.raises(InputError, match="does not leave message"):
        mask(tokenizer, row, count_messages=True)


def test_thoughts_are_learnt_where_the_template_shows_them(tokenizer: Any, run: str, tmp_path: Path) -> None:
    row = exported(run, tmp_path / "out", "hf")[0]
    shown = "{%- if message.reasoning_content %}{{- '<think>' + message.reasoning_content + '</think>' }}{%- endif %}"
    at = "{%- for call in message.tool_calls or [] %}"
    thinking = TEMPLATE.read_text("utf-8").replace(at, shown + at)
    ids, marks = mask(tokenizer, row, chat_template=thinking)
    learnt = [tokenizer.decode(stretch) for stretch in stretches(ids, marks)]
    assert sum("<think>Whose account is it?</think>" in text for text in learnt) == 1
    assert len(learnt) == sum(message["train"] for message in row["messages"])


def test_both_sides_of_a_pair_go_on_from_their_prompt(tokenizer: Any, run: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export([run], str(out), Options("preference", shares=(1.0, 0.0, 0.0)))
    rows = [orjson.loads(line) for line in (out / "train.jsonl").read_bytes().splitlines()]
    assert rows
    for row in rows:
        tools = row["tools"]

        def text(messages: Any, tools: Any = tools, **more: Any) -> str:
            return str(tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, **more))

        prompt = text(row["prompt"], add_generation_prompt=True)
        sides = [text([*row["prompt"], *row[side]]) for side in ("chosen", "rejected")]
        assert all(side.startswith(prompt) for side in sides)
        assert sides[0] != sides[1]
