"""What the doctor finds out about endpoints, over real HTTP, and about this machine."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from rich.console import Console

from t2t_dist.cli.terminal import findings_table
from t2t_dist.pipeline import preflight as doctor
from t2t_dist.pipeline.preflight import CheckResult, Endpoint, endpoint, machine
from tests.support.fake_endpoint import FakeEndpoint, ended, text
from tests.support.in_turn import in_turn


class FakeVllm(FakeEndpoint):
    """A fake endpoint with the routes, and the tokens, of a vLLM."""

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        answer = await super()._complete(request)
        if answer.status != 200 or not self.requests[-1].body.get("return_token_ids"):
            return answer
        assert isinstance(answer, web.Response)
        assert isinstance(answer.body, bytes)
        body = orjson.loads(answer.body)
        body["prompt_token_ids"] = [1, 2]
        body["choices"][0] |= {"token_ids": [3], "logprobs": {"content": [{"logprob": -0.5}]}}
        return web.json_response(body)

    def more_routes(self, app: web.Application) -> None:
        for path in ("/health", "/metrics"):
            app.router.add_get(path, self._fine)
        app.router.add_post("/tokenize", self._fine)

    async def _fine(self, _: web.Request) -> web.Response:
        return web.json_response({})


async def examined(fake: FakeEndpoint, model: str = "m", key: str = "") -> dict[str, tuple[str, str]]:
    found = await endpoint(Endpoint(fake.url, model, key))
    assert all("\n" not in each.detail for each in found)
    return {each.point: (each.state, each.detail) for each in found}


# -- endpoints ---------------------------------------------------------------------------------------------------------
async def test_a_vllm_has_everything() -> None:
    async with FakeVllm() as fake:
        found = await examined(fake)
    assert found["m: routes"] == ("ok", "/health, /metrics, /v1/models, /tokenize")
    assert found["m: one token"][0] == "ok"
    assert "cached tokens are not reported" not in found["m: one token"][1]
    assert found["m: request fields"] == ("ok", "seed, logprobs, return_token_ids")
    assert found["m: one tool"] == ("ok", "called")


async def test_another_server_lacks_some_things_and_that_is_no_defect() -> None:
    async with FakeEndpoint(lambda body: text("in words")) as fake:
        found = await examined(fake)
    assert {state for state, _ in found.values()} == {"ok", "note"}
    state, detail = found["m: routes"]
    assert state == "note"
    assert "not: /health (readiness of hosted engines), /metrics (admission by KV use" in detail
    assert found["m: request fields"] == ("note", "seed; not: logprobs, return_token_ids")
    assert found["m: one tool"] == ("ok", "accepted; this model answered with text")


@pytest.mark.parametrize(("reason", "shown"), [(None, "null"), ("gone_fishing", "gone_fishing")])
async def test_a_server_whose_answers_have_no_known_end_is_a_defect_unless_the_settings_know_it(
    reason: str | None, shown: str
) -> None:
    async with FakeEndpoint(lambda _: web.json_response(ended(text("yes"), reason))) as fake:
        state, detail = (await examined(fake))["m: finish reason"]
        assert state == "defect"
        assert f"models.answer.finish_reasons=[{shown}]" in detail
        found = await endpoint(Endpoint(fake.url, "m", finish_reasons=(reason,)))
    assert "defect" not in {each.state for each in found}


async def test_a_server_that_does_not_list_its_models_is_asked_all_the_same() -> None:
    async with FakeEndpoint(models=None) as fake:
        assert (await examined(fake))["m: one token"][0] == "ok"


async def test_a_model_that_is_not_served() -> None:
    async with FakeEndpoint(models=[f"model-{n}" for n in range(10)]) as fake:
        found = await examined(fake)
        asked = len(fake.requests)
    state, detail = found["m: model"]
    assert state == "defect"
    assert "does not serve it; it lists: model-0, model-1" in detail
    assert detail.endswith("model-7, ...")
    assert asked == 0


async def test_a_wrong_key() -> None:
    async with FakeEndpoint(models=None, api_key="sk-right") as fake:
        assert (await examined(fake, key="sk-right"))["m: one token"][0] == "ok"
        state, detail = (await examined(fake, key="sk-wrong-0123"))["m: one token"]
    assert state == "defect"
    assert "refused with 401" in detail
    assert "sk-wrong-0123" not in detail


async def test_a_web_page_is_no_endpoint() -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><p>Log in</p>", content_type="text/html")

    class Site(FakeEndpoint):
        def more_routes(self, app: web.Application) -> None:
            app.router.add_route("*", "/{path:.*}", page)

    async with Site(lambda _: web.Response(text="<p>Log in</p>", content_type="text/html"), models=None) as fake:
        found = await examined(fake)
    assert found["m: routes"][0] == "note"
    assert found["m: routes"][1].startswith("none; not: ")
    assert found["m: one token"] == (
        "defect",
        f"{fake.url} is a web page, no API; the URL of an endpoint usually ends in /v1",
    )


async def test_a_url_without_its_end() -> None:
    async with FakeVllm() as fake:
        (*_, last) = await endpoint(Endpoint(fake.url.removesuffix("/v1"), "m"))
    assert last.state == "defect"
    assert last.detail.startswith("refused with 404")
    assert last.detail.endswith("; the URL of an endpoint usually ends in /v1")


async def test_nobody_is_there() -> None:
    async with FakeEndpoint() as fake:
        pass
    found = await endpoint(Endpoint(fake.url, "m"))
    assert [each.state for each in found] == ["defect"]
    assert "can't be reached" in found[0].detail
    assert "start it or fix the URL" in found[0].detail


async def test_an_impossible_host_is_one_that_cannot_be_reached() -> None:
    found = await endpoint(Endpoint("http://a..b/v1", "m"))
    assert [each.state for each in found] == ["defect"]
    assert "can't be reached" in found[0].detail


async def test_a_redirection_is_not_followed() -> None:
    async with FakeEndpoint(lambda _: web.Response(status=307, headers={"Location": "http://127.0.0.1:9/"})) as fake:
        found = await examined(fake)
    assert found["m: one token"][0] == "defect"
    assert "refused with 307" in found["m: one token"][1]


async def test_a_refusal_nested_deeper_than_is_written_is_a_defect_all_the_same() -> None:
    nested = b'{"a":' * 300 + b"1" + b"}" * 300
    async with FakeEndpoint(lambda _: web.Response(status=400, body=nested)) as fake:
        assert (await examined(fake))["m: one token"][0] == "defect"


async def test_tools_that_are_refused_name_the_remedy() -> None:
    def faults(_: int, body: dict[str, Any]) -> str | None:
        return "400" if body.get("tools") else None

    async with FakeEndpoint(faults=faults) as fake:
        state, detail = (await examined(fake))["m: one tool"]
    assert state == "defect"
    assert "refused with 400: temperature must be at most 2.0" in detail
    assert "engine.tool_parser" in detail


async def test_a_field_that_is_refused_is_named() -> None:
    def faults(_: int, body: dict[str, Any]) -> str | None:
        return "400" if "seed" in body else None

    async with FakeEndpoint(faults=faults) as fake:
        assert (await examined(fake))["m: request fields"] == ("note", "none; not: seed, logprobs, return_token_ids")


@pytest.mark.parametrize("kind", ["not_json", "wrong_schema"])
async def test_answers_without_sense_break_nothing(kind: str) -> None:
    async with FakeEndpoint(faults=lambda *_: kind) as fake:
        found = await examined(fake)
    assert found["m: one token"][0] == "defect"
    assert "not a chat completion" in found["m: one token"][1]


@pytest.mark.parametrize("usage", [7, [], "many", {"prompt_tokens": "\x1b[2J", "prompt_tokens_details": 7}])
async def test_usage_of_another_shape_breaks_nothing(usage: Any) -> None:
    said = {"choices": [{"message": {"content": "yes"}}], "usage": usage}
    async with FakeEndpoint(lambda body: web.json_response(said)) as fake:
        found = await examined(fake)
    assert found["m: one token"] == ("ok", "answered, ? tokens in; cached tokens are not reported")


async def test_a_body_without_end_is_a_defect_of_the_endpoint() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65536

    async with FakeEndpoint(lambda body: web.Response(body=endless())) as fake:
        (found,) = await endpoint(Endpoint(fake.url, "m"))
    assert found.state == "defect"
    assert "larger than 8 MiB" in found.detail


@pytest.mark.parametrize(
    "said",
    [
        '<tool_call>\n{"name": "get_order", "arguments": {"order_id": "17"}}\n</tool_call>',
        '[TOOL_CALLS][{"name": "get_order", "arguments": {"order_id": "17"}}]',
        '```json\n{"name": "get_order", "arguments": {"order_id": "17"}}\n```',
    ],
)
async def test_a_call_that_comes_back_as_text_means_that_no_parser_is_on(said: str) -> None:
    async with FakeEndpoint(lambda body: text(said if body.get("tools") else "yes")) as fake:
        state, detail = (await examined(fake))["m: one tool"]
    assert state == "defect"
    assert "no tool parser seems to be on" in detail
    assert "engine.tool_parser" in detail


async def test_a_server_that_wants_turns_names_the_setting_and_is_fine_with_it() -> None:
    async with FakeEndpoint(in_turn) as fake:
        state, detail = (await examined(fake))["m: conversation"]
        assert state == "defect"
        assert "refused with 400: Conversation roles must alternate" in detail
        assert "set models.greeting=system" in detail
        (found,) = [e for e in await endpoint(Endpoint(fake.url, "m", greeted=False)) if e.point == "m: conversation"]
    assert found == CheckResult("m: conversation", "ok", "accepted, customer first")


async def test_the_conversation_is_asked_in_the_shape_of_runs() -> None:
    async with FakeEndpoint() as fake:
        assert (await examined(fake))["m: conversation"] == ("ok", "accepted, greeting first")
    sent = fake.requests[-1].body
    assert [m["role"] for m in sent["messages"]] == [
        "system",
        "assistant",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    assert sent["tools"]


async def test_a_server_without_system_messages_is_told_apart() -> None:
    def faults(_: int, body: dict[str, Any]) -> str | None:
        return "400" if body["messages"][0]["role"] == "system" else None

    async with FakeEndpoint(faults=faults) as fake:
        state, detail = (await examined(fake))["m: conversation"]
    assert state == "defect"
    assert "takes no system message" in detail


async def test_an_error_in_a_200_and_an_unasked_stream_are_read_as_runs_read_them() -> None:
    async with FakeEndpoint(lambda body: web.json_response({"error": {"code": 429, "message": "busy"}})) as fake:
        assert (await examined(fake))["m: one token"] == ("defect", "refused with 429: busy")
    chunk = orjson.dumps({"choices": [{"index": 0, "delta": {"content": "yes"}, "finish_reason": "stop"}]})
    stream = b"data: " + chunk + b"\n\ndata: [DONE]\n\n"
    async with FakeEndpoint(lambda body: web.Response(body=stream, content_type="text/event-stream")) as fake:
        assert (await examined(fake))["m: one token"][0] == "ok"


# -- the machine -------------------------------------------------------------------------------------------------------
def test_this_machine(tmp_path: Path) -> None:
    found = {each.point: each for each in machine(str(tmp_path / "not" / "yet"))}
    assert list(found) == ["Python", "machine", "ports", "disk"]
    assert {found[point].state for point in ("Python", "machine", "ports")} == {"ok"}
    assert str(tmp_path) in found["disk"].detail
    assert not (tmp_path / "not").exists()


def test_little_disk_is_worth_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage(1 << 40, 0, 1 << 30))
    disk = {each.point: each for each in machine(None)}["disk"]
    assert disk.state == "note"
    assert "1.0 GiB free" in disk.detail


def test_the_table_shows_words_as_they_are() -> None:
    console = Console(width=100, no_color=True)
    with console.capture() as captured:
        console.print(
            findings_table([CheckResult("vLLM", "defect", "[bold]not\x1b[2J here"), CheckResult("Ray", "ok", "2")])
        )
    assert "[bold]not" in captured.get()
    assert "\x1b" not in captured.get()
    assert "defect" in captured.get()
