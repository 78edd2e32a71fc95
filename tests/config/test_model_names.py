"""Names of models: which there are, and which seats take them."""

from __future__ import annotations

import pytest

from t2t_dist.config.model_names import CHAT_FORMS, SCRIPTS, SEATS, ModelName, is_built_in, parse_model
from t2t_dist.core.errors import InputError

URL = "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("name", "seat", "expected"),
    [
        ("scripted:oracle", "agent", ModelName("scripted", "oracle")),
        ("scripted", "user", ModelName("scripted")),
        ("graph", "explorer", ModelName("graph")),
        ("template", "writer", ModelName("template")),
        ("recorded:/tmp/a:b.jsonl", "judge", ModelName("recorded", "/tmp/a:b.jsonl")),
        (f"openai:m@{URL}", "agent", ModelName("openai", "m", URL)),
        (f"openai:org/model:7b@rev2@{URL}", "user", ModelName("openai", "org/model:7b@rev2", URL)),
        ("vllm:Qwen/Qwen3-8B", "agent", ModelName("vllm", "Qwen/Qwen3-8B")),
        ("pool:big", "judge", ModelName("pool", "big")),
    ],
)
def test_names_are_parsed(name: str, seat: str, expected: ModelName) -> None:
    assert parse_model(name, seat) == expected
    assert expected.is_chat == (expected.kind in ("recorded", "openai", "vllm", "pool"))
    assert expected.is_live == (expected.kind in ("openai", "vllm", "pool"))
    assert is_built_in(name) is not expected.is_chat


@pytest.mark.parametrize(
    ("name", "seat", "message"),
    [
        ("scripted:orcale", "agent", "did you mean scripted:oracle?"),
        ("oracle", "agent", "did you mean scripted:oracle?"),
        ("hastie", "agent", "did you mean scripted:hasty?"),
        ("scipted", "user", "did you mean scripted?"),
        ("graf", "explorer", "did you mean graph?"),
        ("templates", "writer", "did you mean template?"),
        ("openia:m@http://x/v1", "agent", "did you mean openai:MODEL@URL?"),
        ("record:file", "judge", "did you mean recorded:FILE?"),
        ("scripted:oracle", "user", "user takes scripted, recorded:FILE, openai:MODEL@URL, vllm:MODEL"),
        ("scripted", "agent", "agent takes scripted:oracle, scripted:hasty,"),
        ("graph", "agent", "agent takes scripted:oracle"),
        ("template", "explorer", "explorer takes graph, recorded:FILE, openai:MODEL@URL, vllm"),
        ("scripted", "judge", "judge takes recorded:FILE, openai:MODEL@URL, vllm:MODEL"),
        ("gpt-5", "agent", "agent model 'gpt-5' is not known here; agent takes"),
        ("", "agent", "agent model '' is not known here; agent takes"),
        ("openai", "agent", "openai:my-model@http://127.0.0.1:8000/v1"),
        ("openai:m", "agent", "openai:my-model@http://127.0.0.1:8000/v1"),
        ("openai:m@localhost:8000", "user", "needs http:// or https:// before the host: openai:MODEL@URL, for example"),
        ("openai:m@", "user", "needs a model and a URL"),
        ("recorded", "agent", "recorded:FILE"),
        ("recorded:", "agent", "recorded:FILE"),
        ("vllm", "user", "vllm:MODEL, a model's directory or name"),
        ("pool:", "agent", "a name under 'pools'"),
    ],
)
def test_a_name_that_can_not_be_used_is_one_line_that_helps(name: str, seat: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_model(name, seat)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_script_sits_in_the_agents_seat() -> None:
    assert [parse_model(f"scripted:{script}", "agent").what for script in SCRIPTS] == list(SCRIPTS)


def test_every_seat_lists_its_forms() -> None:
    assert set(SEATS) == {"agent", "user", "explorer", "writer", "judge", "grader"}
    for forms in SEATS.values():
        assert forms[-len(CHAT_FORMS) :] == CHAT_FORMS


@pytest.mark.parametrize(
    ("name", "label", "pool"),
    [
        ("pool:mine", "mine", "mine"),
        ("vllm:/models/a", "vllm:/models/a", "vllm:/models/a"),
        ("openai:a@b@http://h:1/v1/", "openai:a@b@http://h:1/v1", None),
        ("recorded:talk.jsonl", "recorded:talk.jsonl", None),
    ],
)
def test_the_label_of_a_model_is_that_of_its_pool_or_endpoint(name: str, label: str, pool: str | None) -> None:
    parsed = parse_model(name, "agent")
    assert (parsed.label, parsed.pool) == (label, pool)
    assert parsed.pool_is_named is (parsed.kind == "pool")
