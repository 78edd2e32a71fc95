"""What is drawn of a certificate is what it holds, and every state in it can be shown."""

from __future__ import annotations

import pytest

from t2t_dist.core.schema import Intent
from t2t_dist.synthesis.grader_side import errands_in
from t2t_dist.view.evidence import DRAWN, Evidence, drawing, evidence
from tests.support.made import Made


def of(made: Made, intent: Intent) -> list[Evidence]:
    found = [evidence(task, made.domain) for task in made.verified(intent)[:6]]
    assert found
    return [each for each in found if each is not None]


def test_ambiguous_candidates_lead_to_states_that_are_shown(made: Made) -> None:
    for found in of(made, "ambiguous"):
        assert found.note == ""
        assert len(found.states) >= 2
        assert all(candidate.state.known for candidate in found.candidates)
        (right,) = [candidate for candidate in found.candidates if candidate.right]
        assert right.state is found.gold
        assert found.guess is not None
        assert found.guess.state.records != found.gold.records
        open_slots = {name for c in found.candidates for name, _, is_open in c.arguments if is_open}
        assert open_slots <= set(found.certificate.withheld)
        assert len({tuple(text for _, text, is_open in c.arguments if is_open) for c in found.candidates}) > 1


def test_what_the_customer_wanted_first_ends_elsewhere(made: Made) -> None:
    for found in of(made, "changing"):
        assert found.first is not None
        assert found.first.known
        assert found.first.records
        assert found.first.records != found.gold.records
        assert len({found.initial, found.first.digest, found.gold.digest}) == 3


def test_what_they_wanted_in_between_has_a_state_of_its_own(shop: Made) -> None:
    """A customer who returned to what the certificate calls B, had they not changed their mind once more."""
    task = shop.one("changing", lambda task: len(task.user.goals) == 1)
    certificate, errands = task.certificate, errands_in(task.grader)
    assert certificate is not None
    certificate.second_call, certificate.second_final = errands[0], task.grader.final
    found = evidence(task, shop.domain)
    assert found is not None
    assert found.between is not None
    assert found.between.known
    assert found.between.records == found.gold.records


def test_the_cited_rule_stands_with_its_words(made: Made) -> None:
    for found in of(made, "infeasible"):
        number = found.certificate.rule
        assert number is not None
        assert found.rule_text == made.domain.clauses[number].text
        if found.certificate.enforced == "tool":
            assert found.refusal.startswith("Error: ")


def test_each_write_of_a_general_task_is_needed(made: Made) -> None:
    for found in of(made, "general"):
        assert found.without
        assert all(digest != found.gold.digest for _, digest in found.without)
        assert found.gold.records


def test_without_the_domain_states_are_named_and_not_shown(made: Made) -> None:
    for intent in ("ambiguous", "changing", "infeasible"):
        found = evidence(made.one(intent), "the domain is not here")
        assert found is not None
        assert found.note == "the domain is not here"
        assert found.gold.known
        assert not any(state.known for state in found.states if state is not found.gold)
        assert found.first is None or not found.first.known
        if intent == "infeasible":
            assert found.rule_text


def test_another_database_counts_as_no_domain(desk: Made) -> None:
    task = desk.one("changing")
    task.grader.initial = "0" * 32
    found = evidence(task, desk.domain)
    assert found is not None
    assert "not the one" in found.note
    assert found.first is not None
    assert not found.first.known


def test_a_rejected_task_without_certificate_has_no_evidence(desk: Made) -> None:
    task = desk.one("general")
    task.certificate = None
    assert evidence(task, desk.domain) is None


def test_a_drawing_has_a_line_from_every_candidate_to_its_state(desk: Made) -> None:
    found = next(each for each in of(desk, "ambiguous"))
    while len(found.candidates) < DRAWN + 3:
        found.candidates.append(found.candidates[-1])
    drawn = drawing(found)
    assert drawn is not None
    assert len(drawn["rows"]) == len(drawn["links"]) == DRAWN
    assert drawn["left_out"] == len(found.candidates) - DRAWN
    heights = {number: y for number, _, y in drawn["states"]}
    assert all(to == heights[candidate.state_number] for candidate, _, to in drawn["links"])
    assert all(0 < y < drawn["height"] for _, y in drawn["rows"])
    assert drawing(of(desk, "general")[0]) is None


@pytest.mark.parametrize("intent", ["general", "changing"])
def test_state_records_leave_out_the_clock(made: Made, intent: Intent) -> None:
    for found in of(made, intent):
        assert all(record.table != "_meta" for record in found.gold.records)
