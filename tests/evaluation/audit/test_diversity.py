"""Diversity: requests that differ in values only are one; alike texts have a self-BLEU near 1."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from t2t_dist.core.schema import Task
from t2t_dist.evaluation.audit.diversity import Diversity, masked, requests_of, self_bleu
from t2t_dist.evaluation.audit.measures import Measure
from tests.support.made import Made


def of(tasks: Iterable[Task]) -> dict[str, Measure]:
    diversity = Diversity(0)
    for task in tasks:
        diversity.add(task)
    return {measure.of: measure for measure in diversity.measures()}


def test_values_names_ids_and_numbers_are_masked(shop: Made) -> None:
    task = shop.one("general", lambda task: "#W" in task.user.goals[0].request)
    (goal, *_) = task.user.goals
    text = masked(f"{goal.request} I'm {task.user.name}, 2 of us, x@y.org.", goal.facts, [task.user.name])
    assert "#w" not in text
    assert task.user.name.lower() not in text
    assert text.endswith("i'm _, _ of us, _")
    assert "#w" not in " ".join(requests_of(task))


def test_one_sentence_for_all_is_seen(shop: Made) -> None:
    made = shop.verified("general")
    alike = [task.model_copy(deep=True) for task in made]
    for task in alike:
        task.user.goals = task.user.goals[:1]
        task.user.goals[0].request = f"Please see to order {task.index}."
    same, differing = of(alike), of(made)
    assert same["requests"].value == 1.0
    assert same["common_requests"].value == 1.0
    assert same["self_bleu"].value == pytest.approx(1.0)
    assert (differing["requests"].value or 0) > 20
    assert (differing["self_bleu"].value or 1) < 0.999
    assert (same["distinct_words[2]"].value or 1) < (differing["distinct_words[2]"].value or 0)


def test_a_task_that_is_another_one_but_for_values_is_repeated(shop: Made) -> None:
    task = shop.one("general", lambda task: "#W" in task.user.goals[0].request)
    other = task.model_copy(deep=True)
    words = other.model_dump_json().replace("#W", "#W9")
    other = Task.model_validate_json(words)
    repeated = of([task, other])["repeated_tasks"]
    assert (repeated.value, repeated.n) == (0.5, 2)
    assert repeated.examples[0].startswith(task.task_id)
    other.grader.gold = other.grader.gold[:-1]
    assert of([task, other])["repeated_tasks"].value == 0.0


def test_self_bleu_is_that_of_each_against_all_others() -> None:
    texts = [line.split() for line in ("a b c d e f", "a b c d e f", "p q r s t u v w")]
    assert self_bleu(texts[:2]) == pytest.approx(1.0)
    assert self_bleu([texts[0], texts[2]]) == 0.0
    assert self_bleu(texts) == pytest.approx(2 / 3)
    # Leaving a text out must not count its own pairs: "a b" comes twice in the first and never elsewhere.
    assert self_bleu([["a", "b", "a", "b"], ["c", "d"]]) == 0.0


def test_nothing_to_compare_is_said() -> None:
    assert {measure.detail for measure in of([]).values()} == {"there are no requests"}
