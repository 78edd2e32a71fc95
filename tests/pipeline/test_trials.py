"""Adaptive trials: more where the pass rate is least certain, by a rule that looks at one task alone."""

from __future__ import annotations

import random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import AdaptiveConfig
from t2t_dist.core.errors import InputError
from t2t_dist.pipeline.trials import adaptively, deviation, enough


@given(st.integers(1, 30), st.data())
def test_the_deviation_is_largest_in_the_middle_and_falls_with_more_of_the_same(n: int, data: st.DataObject) -> None:
    passed = data.draw(st.integers(0, n))
    assert deviation(n, passed) <= deviation(n, n // 2) + 1e-12
    assert deviation(2 * n, 2 * passed) < deviation(n, passed)


@given(st.integers(1, 5), st.integers(0, 20), st.floats(0.05, 0.45), st.data())
def test_there_are_never_fewer_than_least_nor_more_than_most(
    least: int, more: int, sd: float, data: st.DataObject
) -> None:
    settings = AdaptiveConfig(least=least, most=least + more, sd=sd)
    made = data.draw(st.integers(0, 40))
    graded = data.draw(st.integers(0, made))
    passed = data.draw(st.integers(0, graded))
    if made < least:
        assert not enough(settings, made, graded, passed)
    if made >= settings.most:
        assert enough(settings, made, graded, passed)


async def trials_at(rate: float, seed: int) -> list[float]:
    rng = random.Random(seed)

    async def episode(trial: int) -> float:
        return float(rng.random() < rate)

    return [reward async for reward in adaptively(AdaptiveConfig(), episode, lambda reward: reward)]


async def test_tasks_in_between_get_more_than_those_that_are_clear() -> None:
    spent = {rate: mean([len(await trials_at(rate, seed)) for seed in range(200)]) for rate in (0.0, 0.5, 1.0)}
    assert spent[0.0] == spent[1.0] == 4
    assert spent[0.5] > 1.5 * spent[1.0]


async def test_failures_count_as_made_and_say_nothing() -> None:
    made: list[int] = []

    async def failing(trial: int) -> None:
        made.append(trial)

    settings = AdaptiveConfig(most=5)
    assert [done async for done in adaptively(settings, failing, lambda _: None)] == [None] * 5
    assert made == [0, 1, 2, 3, 4]


def test_the_setting_is_a_number_or_adaptive() -> None:
    assert load_config(None, {"trials": "adaptive", "adaptive.least": 3}).sure_trials == 3
    assert load_config(None, {"trials": "4"}).sure_trials == 4
    for wrong in (0, "many"):
        with pytest.raises(InputError, match="trials"):
            load_config(None, {"trials": wrong})
    with pytest.raises(InputError, match="most"):
        load_config(None, {"adaptive.most": 1})
