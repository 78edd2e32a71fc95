"""Properties that the rules of every built-in domain share."""

from __future__ import annotations

import pytest

from t2t_dist.environments.registry import BUILT_IN, load

pytestmark = pytest.mark.parametrize("name", sorted(BUILT_IN))


def test_every_rule_cites_one_of_the_policys_numbers(name: str) -> None:
    domain = load(name)
    numbers = [rule.number for rule in domain.rule_list]
    assert sorted(set(numbers)) == sorted(numbers)
    assert set(numbers) <= set(domain.clauses)
    assert list(domain.clauses) == list(range(1, len(domain.clauses) + 1))
