"""Pools as settings: what is ours to host, what counts as part of a run, and that keys are shown nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from t2t_dist.config.engines import EngineConfig, PoolConfig, Replicas, endpoint_url
from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.models.fleet_view import EngineView, FleetView, Held, PoolView

URL = "http://127.0.0.1:8000/v1"


def complaint(**overrides: Any) -> str:
    with pytest.raises(InputError) as raised:
        load_config(None, {name.replace("__", "."): value for name, value in overrides.items()})
    assert "\n" not in str(raised.value)
    return str(raised.value)


# -- replicas and urls -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("settings", "least", "most"),
    [
        ({}, 1, 1),
        ({"replicas": 3}, 3, 3),
        ({"replicas": {"min": 1, "max": 4}}, 1, 4),
        ({"replicas": {"max": 2}}, 1, 2),
        ({"urls": [URL]}, 0, 0),
        ({"urls": [URL], "replicas": 2}, 2, 2),
        ({"urls": [URL], "replicas": {"min": 0, "max": 2}}, 0, 2),
    ],
)
def test_how_many_engines_are_ours(settings: dict[str, Any], least: int, most: int) -> None:
    pool = load_config(None, {"pools": {"p": {"model": "m", **settings}}}).pools["p"]
    assert pool.hosted() == Replicas(min=least, max=most)


def test_replicas_out_of_order_and_below_nought() -> None:
    assert "max (1) is below min (2)" in complaint(pools={"p": {"model": "m", "replicas": {"min": 2, "max": 1}}})
    assert "pools.p.replicas" in complaint(pools={"p": {"model": "m", "replicas": -1}})


@pytest.mark.parametrize("text", [URL, f"{URL}/", f" {URL}// ", f"{URL}/chat/completions", f"{URL}/chat/completions/"])
def test_a_url_is_taken_as_people_write_it(text: str) -> None:
    assert PoolConfig(model="m", urls=[text]).urls == [URL]
    assert endpoint_url(text) == URL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:8000/v1",
        "ftp://host/v1",
        "http:///v1",
        "http://h/v1?x=1",
        "http://[",
        "http://a..b/v1",
        f"http://{'a' * 70}/v1",
    ],
)
def test_an_impossible_url_is_reported_before_anything_starts(text: str) -> None:
    assert "can't be used; give one like http://HOST:PORT/v1" in complaint(pools={"p": {"model": "m", "urls": [text]}})


def test_a_password_in_a_url_is_refused() -> None:
    message = complaint(pools={"p": {"model": "m", "urls": ["http://me:secret@host/v1"]}})
    assert "holds a user or password" in message


def test_unknown_settings_and_pools() -> None:
    assert "tensor_paralel" in complaint(engine={"tensor_paralel": 2})
    with pytest.raises(InputError, match="there is no such pool; under 'pools' there are: mine"):
        load_config(None, {"agents": ["pool:mien"], "pools": {"mine": {"model": "m"}}}).check_models()
    with pytest.raises(InputError, match="there are: none"):
        load_config(None, {"agents": ["pool:mine"]}).check_models()


# -- the pools of a run ------------------------------------------------------------------------------------------------
def test_the_pools_that_a_run_uses() -> None:
    config = load_config(
        None,
        {
            "agents": ["vllm:/models/a", "pool:mine", "scripted:oracle", "vllm:/models/a"],
            "user": "pool:mine",
            "engine": {"args": {"dtype": "float32"}, "port": 8001},
            "pools": {"mine": {"model": "b", "urls": [URL]}, "unused": {"model": "c"}},
        },
    )
    used = config.used_pools()
    assert list(used) == ["vllm:/models/a", "mine"]
    assert (used["vllm:/models/a"].model, used["vllm:/models/a"].port) == ("/models/a", 8001)
    assert used["vllm:/models/a"].args == {"dtype": "float32"}
    assert used["vllm:/models/a"].hosted() == Replicas(min=1, max=1)
    assert used["mine"] == config.pools["mine"]
    assert config.asks_models()


def identity(**pool: Any) -> dict[str, Any]:
    settings = {"agents": ["pool:p"], "pools": {"p": {"model": "m", **pool}, "other": {"model": "x"}}}
    return load_config(None, settings).results_part()


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "another"},
        {"args": {"dtype": "float32"}},
        {"chat_template": "mine.jinja"},
        {"tool_parser": "hermes"},
        {"reasoning_parser": "none"},
        {"strict_tools": False},
    ],
)
def test_what_decides_the_text_is_part_of_a_run(changed: dict[str, Any]) -> None:
    assert identity(**changed) != identity()


@pytest.mark.parametrize(
    "changed",
    [
        {"replicas": 4},
        {"urls": [URL]},
        {"port": 8001},
        {"api_key_env": "KEY"},
        {"python": "/usr/bin/python3"},
        {"env": {"CUDA_VISIBLE_DEVICES": "1"}},
        {"device": "cpu"},
        {"tensor_parallel": 2, "pipeline_parallel": 2},
        {"start_deadline_s": 5.0, "max_restarts": 0, "most": 8},
    ],
)
def test_how_it_is_carried_out_is_not(changed: dict[str, Any]) -> None:
    assert identity(**changed) == identity()


def test_every_setting_of_an_engine_is_one_or_the_other() -> None:
    names = {name.removeprefix("pools.p.") for name in identity() if name.startswith("pools.p.")}
    assert names == {"model", "args", "chat_template", "tool_parser", "reasoning_parser", "strict_tools"}


def test_settings_of_engines_and_pools_that_are_not_used_do_not_count() -> None:
    plain = Config().results_part()
    assert load_config(None, {"pools": {"p": {"model": "m"}}}).results_part() == plain
    assert load_config(None, {"engine": {"args": {"dtype": "float32"}}}).results_part() == plain
    hosted = load_config(None, {"agents": ["vllm:m"]})
    changed = load_config(None, {"agents": ["vllm:m"], "engine": {"args": {"dtype": "float32"}}})
    assert hosted.results_part() != changed.results_part()


def test_an_engine_s_defaults_are_those_of_a_pool() -> None:
    defaults = EngineConfig().model_dump()
    assert PoolConfig(model="m").model_dump(include=set(defaults)) == defaults


# -- views -------------------------------------------------------------------------------------------------------------
def test_no_view_shows_a_key() -> None:
    view = EngineView(URL, True, 4, "sk-secret")
    fleet = FleetView(1, {"p": PoolView({"e": view})})
    assert "sk-secret" not in f"{view} {fleet} {PoolView({'e': view})!r}"
    assert URL in repr(view)
    assert view.key == "sk-secret"


def test_a_worker_s_word_on_an_engine_is_nought_where_nothing_is_said() -> None:
    assert Held() == (0, 0, 0, 0)
