"""The clients behind the names of models."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from t2t_dist.config.model_names import ENDPOINTS
from t2t_dist.config.settings import ModelSettings
from t2t_dist.core.errors import FailureClass, InputError
from t2t_dist.core.schema import Turn
from t2t_dist.models.clients import Models
from t2t_dist.models.endpoints import maker_of
from t2t_dist.models.recorded import Recorder
from t2t_dist.simulation.conversation import Rollout, RolloutFailed, Termination, roll_out
from t2t_dist.simulation.seating import seat_agent, seat_user
from t2t_dist.synthesis.judges import vote
from tests.support.fake_endpoint import FakeEndpoint, text
from tests.support.tasks import cancelling, shop

QUICK = {"deadline_s": 5.0, "backoff_base_s": 0.005}
URL = "http://127.0.0.1:8000/v1"


# -- clients ----------------------------------------------------------------------------------------------------------
def test_every_kind_of_endpoint_has_a_maker() -> None:
    for kind in ENDPOINTS:
        assert callable(maker_of(kind))


def test_a_password_in_an_endpoints_name_is_not_repeated() -> None:
    for name in ("openai:m@me:secret@host/v1", "openai:m@http://me:secret@host/v1"):
        with pytest.raises(InputError) as caught:
            Models().chat(name, "agent")
        assert "secret" not in str(caught.value)


def test_one_client_for_each_name_and_sampling() -> None:
    models = Models(ModelSettings(sampling={"user": {"temperature": 1.0}}))
    name, other = f"openai:m@{URL}", f"openai:n@{URL}"
    assert models.chat(name, "agent") is models.chat(name, "agent")
    assert models.chat(name, "agent") is models.chat(name, "judge")
    assert models.chat(name, "agent") is not models.chat(name, "user")
    assert models.chat(name, "agent") is not models.chat(other, "agent")


async def test_settings_reach_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "sk-1")
    settings: dict[str, Any] = {
        "sampling": {"judge": {"max_tokens": 7, "top_p": 0.5}},
        "api_key_env": "SHOP_KEY",
        "send_seed": False,
        "max_attempts": 2,
    }
    models, task = Models(ModelSettings(**settings, **QUICK)), cancelling()
    async with FakeEndpoint(faults=["503", None, "503", "503"], api_key="sk-1") as fake:
        name = f"openai:m@{fake.url}"
        await vote(models.chat(name, "judge"), task, shop(), seed=1)
        agent, user = seat_agent(models, name, task, shop(), "e", 0), seat_user(models, name, task.user, shop(), "e", 0)
        with pytest.raises(RolloutFailed, match="2 attempts") as caught:
            await roll_out(task, shop(), agent, user)
        await models.close()
    assert caught.value.failure is FailureClass.ENGINE_UNAVAILABLE
    first, last = fake.requests[1].body, fake.requests[-1].body
    assert (first["max_tokens"], first["top_p"]) == (7, 0.5)
    assert "seed" not in first
    assert "max_tokens" not in last


@pytest.mark.parametrize(
    ("settings", "name", "message"),
    [
        ({"api_key_env": "NO_SUCH_KEY"}, f"openai:m@{URL}", "NO_SUCH_KEY is not set"),
        ({"sampling": {"agent": {"messages": []}}}, f"openai:m@{URL}", "'messages'"),
        ({}, "recorded:/no/such/file", "/no/such/file can't be read"),
        ({}, "scripted:oracle", "is no chat model"),
        ({"record": "/proc/nowhere/x"}, f"openai:m@{URL}", "/proc/nowhere/x can't be written"),
    ],
)
def test_what_can_not_be_made_is_one_line(settings: dict[str, Any], name: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Models(ModelSettings(**settings)).chat(name, "agent")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_that_are_misspelt_are_refused() -> None:
    with pytest.raises(InputError, match="seat 'agnet', did you mean agent"):
        Models(ModelSettings(sampling={"agnet": {}}))
    with pytest.raises(ValidationError, match="temprature"):
        ModelSettings.model_validate({"temprature": 1})


# -- scripted ---------------------------------------------------------------------------------------------------------
async def test_scripted_speakers_are_made_by_name_and_play_a_whole_conversation() -> None:
    models, task = Models(), cancelling()
    agent = seat_agent(models, "scripted:oracle", task, shop(), "ep", 3)
    user = seat_user(models, "scripted", task.user, shop(), "ep", 4)
    result = await roll_out(task, shop(), agent, user)
    assert result.termination in (Termination.USER_STOP, Termination.AGENT_STOP)
    assert result.final == task.grader.final
    assert result.flags == []
    await models.close()


# -- before a run -----------------------------------------------------------------------------------------------------
async def test_probing_asks_each_endpoint_once_and_scripts_not_at_all() -> None:
    models = Models(ModelSettings(**QUICK, sampling={"user": {"top_p": 0.5}}))
    async with FakeEndpoint(faults=lambda *_: "500") as fake:
        name = f"openai:m@{fake.url}"
        await models.probe([(name, "agent"), (name, "user"), ("scripted:oracle", "agent"), ("graph", "explorer")])
        assert fake.requests == []
    # Gone: what was probed before is probed again.
    with pytest.raises(InputError, match="can't be reached"):
        await models.probe()
    await models.close()


async def test_a_probe_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "sk-wrong")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"openai:m@http://127.0.0.1:{free.getsockname()[1]}/v1"
    async with FakeEndpoint(models=["a", "b"], api_key="sk-1") as fake:
        name = f"openai:m@{fake.url}"
        for settings, wanted, message in [
            ({"api_key_env": "SHOP_KEY"}, name, "SHOP_KEY"),
            ({}, nobody, "can't be reached"),
            ({}, "openai:m@http://127.0.0.1:1/v1", "can't be reached"),
            ({}, "recorded:/no/such/file", "can't be read"),
            ({}, "scripted:orakle", "did you mean scripted:oracle"),
        ]:
            models = Models(ModelSettings(**QUICK, **settings))
            with pytest.raises(InputError) as caught:
                await models.probe([(wanted, "agent")])
            assert message in str(caught.value)
            assert "\n" not in str(caught.value)
            assert "sk-wrong" not in str(caught.value)
            await models.close()
    async with FakeEndpoint(models=["a", "b"]) as fake:
        models = Models()
        with pytest.raises(InputError, match="does not serve model 'm'; it lists: a, b"):
            await models.probe([(f"openai:m@{fake.url}", "agent")])
        await models.close()


# -- recordings -------------------------------------------------------------------------------------------------------
async def _episodes(models: Models, name: str, count: int = 3) -> list[Rollout]:
    task, results = cancelling(), []
    for number in range(count):
        agent = seat_agent(models, name, task, shop(), f"ep-{number}", 0)
        user = seat_user(models, name, task.user, shop(), f"ep-{number}", 0)
        results.append(await roll_out(task, shop(), agent, user, seed=number, clock=lambda: 0.0))
    return results


async def test_what_was_recorded_is_said_again_word_for_word_without_an_endpoint(tmp_path: Path) -> None:
    file = tmp_path / "talk.jsonl"
    models = Models(ModelSettings(**QUICK, record=str(file)))
    async with FakeEndpoint() as fake:
        assert isinstance(models.chat(f"openai:m@{fake.url}", "agent"), Recorder)
        await models.probe()
        recorded = await _episodes(models, f"openai:m@{fake.url}")
        await models.close()
    again = Models()
    replayed = await _episodes(again, f"recorded:{file}")
    assert replayed == recorded
    task = cancelling()
    task.user.name = "Somebody Else"
    agent = seat_agent(again, f"recorded:{file}", task, shop(), "e", 0)
    user = seat_user(again, f"recorded:{file}", task.user, shop(), "e", 0)
    with pytest.raises(RolloutFailed, match="holds no reply") as caught:
        await roll_out(task, shop(), agent, user)
    assert caught.value.failure is FailureClass.ENGINE_BAD_RESPONSE
    await again.close()


async def test_closing_twice_is_fine_and_a_closed_client_is_not_used_again() -> None:
    models = Models(ModelSettings(**QUICK))
    async with FakeEndpoint(lambda body: text("Hi")) as fake:
        name = f"openai:m@{fake.url}"
        before = models.chat(name, "agent")
        await models.close()
        await models.close()
        assert models.chat(name, "agent") is not before
        turns = [Turn("agent", "assistant", "Hello"), Turn("user", "user", "Hi")]
        said = await seat_agent(models, name, cancelling(), shop(), "e", 0).act(turns)
        assert replace(said, sampling="").content == "Hi"
        await models.close()
