"""The registry of intents: each is complete, and models and people can distinguish it from the others."""

from __future__ import annotations

import pytest

from t2t_dist.core.schema import INTENTS, Intent
from t2t_dist.storage.rows import CHECKS
from t2t_dist.synthesis.intents import REGISTRY


def test_every_intent_is_registered_in_order() -> None:
    assert tuple(REGISTRY) == INTENTS
    assert INTENTS[:4] == ("general", "ambiguous", "changing", "infeasible")


@pytest.mark.parametrize("field", ["summary", "proof", "writer_prompt", "judge_prompt", "colours"])
def test_no_two_intents_are_described_or_shown_alike(field: str) -> None:
    values = [getattr(spec, field) for spec in REGISTRY.values()]
    assert all(values)
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("intent", INTENTS)
def test_a_label_can_be_read_in_both_themes(intent: Intent) -> None:
    colours = REGISTRY[intent].colours
    assert contrast(colours.text, colours.background) >= 4.5
    assert contrast(colours.dark_text, colours.dark_background) >= 4.5


def test_process_checks_of_intents_have_a_column() -> None:
    checks = [spec.process_check for spec in REGISTRY.values() if spec.process_check]
    assert {check.name for check in checks} <= set(CHECKS)
    assert len({check.name for check in checks}) == len(checks)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG)."""
    low, high = sorted(luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
