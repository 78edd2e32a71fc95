"""Phrases in short stand for all that their brackets say."""

from __future__ import annotations

import pytest

from t2t_dist.environments.variants import MOST, all_variants, variants


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("Hello.", ["Hello."]),
        ("[Could|Can] you help[ me|]?", ["Could you help me?", "Could you help?", "Can you help me?", "Can you help?"]),
        ("[a [b|c]|d]", ["a b", "d", "a c"]),
        ("[{x}|{result[due]:.2f} left]", ["{x}", "{result[due]:.2f} left"]),
        ("{result[due]} [as it is]", ["{result[due]} [as it is]"]),
    ],
)
def test_each_choice_gives_a_phrase(text: str, phrases: list[str]) -> None:
    assert variants(text) == phrases


def test_a_phrase_that_several_texts_stand_for_is_there_once() -> None:
    assert all_variants(["[a|b]", "[b|c]"]) == ["a", "b", "c"]


def test_a_phrase_stands_for_so_many_at_most() -> None:
    with pytest.raises(ValueError, match=f"it stands for more than {MOST} phrases"):
        variants("[a|b]" * 12)
