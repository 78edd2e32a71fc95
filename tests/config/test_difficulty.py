"""The difficulty that is asked for: one spelling, and a level per trajectory that its seed alone decides."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from t2t_dist.config.difficulty import difficulty_from, level_for
from t2t_dist.config.loading import load_config
from t2t_dist.core.errors import InputError


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (3, 3),
        ("3", 3),
        ("5=0.2, 1=0.5,3=0.3", "1=0.5,3=0.3,5=0.2"),
        ({5: 1, "1": 2}, "1=2,5=1"),
        ("2=0,4=7", 4),
    ],
)
def test_what_is_asked_for_has_one_spelling(given: Any, found: int | str) -> None:
    config = load_config(None, {"difficulty": given})
    assert config.difficulty == found == difficulty_from(found)
    assert load_config(None, config.model_dump(mode="json")).difficulty == found


@pytest.mark.parametrize(
    "given",
    [0, 6, True, 2.5, None, [], {}, "", "hard", "1=", "=1", "1=x", "1=-1", "1=nan", "1=inf", "1=0", "1=1,1=1", "6=1"],
)
def test_anything_else_is_refused_in_one_line(given: Any) -> None:
    with pytest.raises(InputError, match=r"^config: difficulty: give a level from 1 to 5, or shares of levels"):
        load_config(None, {"difficulty": given})


def test_levels_come_in_their_shares() -> None:
    drawn = Counter(level_for("1=1,3=2,5=1", seed) for seed in range(4000))
    assert set(drawn) == {1, 3, 5}
    assert abs(drawn[3] - 2000) < 130, "four standard deviations"
    assert abs(drawn[1] - 1000) < 110
    assert level_for("1=1,3=2,5=1", 7) == level_for("1=1,3=2,5=1", 7)
    assert level_for(4, 7) == 4
