"""Limits: those of the product, others in their place, and what is said of one that can't be understood."""

from __future__ import annotations

import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.evaluation.audit.limits import LIMITS, limit_on, parse_limit, verdicts
from t2t_dist.evaluation.audit.measures import MEASURES, Measure, rate, unmeasured

LIAR = Measure("floor", "liar", "infeasible", 0.2, 25)
TEACHER = Measure("unseen_figures", "openai:teacher@http://h/v1", "general", 0.2, 25)


def failed(measures: list[Measure], *given: str) -> list[str]:
    return [v.agent for v in verdicts(measures, [parse_limit(text) for text in given]) if not v.passed]


def test_a_limit_replaces_the_usual_one_where_all_its_names_fit() -> None:
    other = LIAR._replace(on="general")
    assert failed([LIAR, other]) == ["floor[liar, infeasible]", "floor[liar, general]"]
    assert failed([LIAR, other], "floor[liar, infeasible]<=0.2") == ["floor[liar, general]"]
    assert failed([LIAR, other], "floor<0.2") == ["floor[liar, infeasible]", "floor[liar, general]"]
    assert failed([LIAR, other], "floor[idle]<=0.5") == ["floor[liar, infeasible]", "floor[liar, general]", "floor"]


def test_figures_of_the_oracle_have_a_limit_those_of_others_on_request() -> None:
    assert failed([TEACHER]) == []
    assert failed([TEACHER._replace(about="scripted:oracle")]) == ["unseen_figures[scripted:oracle, general]"]
    assert len(failed([TEACHER], "unseen_figures<=0.1")) == 1


def test_a_guess_may_be_lucky_but_not_surely_better_than_chance() -> None:
    lucky = rate("guess", "guess-first", "ambiguous", 7, 10, chance=0.5)
    assert lucky.value == pytest.approx(0.2)
    assert failed([lucky]) == []
    assert failed([rate("guess", "guess-first", "ambiguous", 70, 100, chance=0.5)]) != []


def test_a_value_may_be_the_commonest_by_chance_but_not_surely_the_usual_one() -> None:
    """Of two even values one makes up over 0.6 of twenty tasks in every fourth run."""
    by_chance = rate("prior", "suspend_line.reason", "ambiguous", 13, 20)
    assert by_chance.value == pytest.approx(0.65)
    assert failed([by_chance]) == []
    assert failed([rate("prior", "suspend_line.reason", "ambiguous", 17, 20)]) != []


def test_what_was_not_measured_neither_passes_nor_fails_unless_a_limit_was_asked_for() -> None:
    missing = unmeasured("prior", "nothing is withheld")
    assert verdicts([missing]) == []
    assert failed([missing], "prior<=0.9") == ["prior"]


def test_every_limit_of_the_product_is_on_a_measure() -> None:
    assert {limit.name for limit in LIMITS} <= set(MEASURES)
    assert limit_on(Measure("requests", value=3.0)) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prior", "write it as"),
        ("prior=0.5", "write it as"),
        ("prior<=x", "write it as"),
        ("priors<=0.5", "did you mean prior"),
        ("zzz<=0.5", "there are: oracle, floor"),
    ],
)
def test_a_limit_that_can_not_be_understood_is_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        parse_limit(text)
    assert "\n" not in str(refused.value)
