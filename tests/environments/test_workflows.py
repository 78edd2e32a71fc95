"""Workflows: arguments like a tool's, calls made in order by the side that has the tool, errands of a domain."""

from __future__ import annotations

import pytest

from t2t_dist.config.settings import Config
from t2t_dist.environments.entities import Spec
from t2t_dist.environments.tools import AGENT, USER, Call
from t2t_dist.synthesis.check_domain import check
from tests.support.ereader_domain import EReaders, send_ebook
from tests.support.library_domain import Library


@pytest.fixture
def domain() -> EReaders:
    return EReaders()


def open_hold(domain: EReaders) -> str:
    return next(key for key, hold in domain.base.tables["holds"].items() if hold["status"] == "open")


def test_a_workflow_has_arguments_like_a_tool() -> None:
    assert send_ebook.parameters == {"hold_id": Spec("scalar", "HoldId")}
    assert (send_ebook.required, send_ebook.untyped, send_ebook.consumes()) == (["hold_id"], [], {"HoldId"})
    assert send_ebook.description.startswith("A held book comes to the reader's device")
    assert "ereader_domain.py:" in send_ebook.where


def test_each_call_is_made_by_the_side_that_has_the_tool_before_the_next(domain: EReaders) -> None:
    world, hold = domain.world(), open_hold(domain)
    errand = Call("send_ebook", {"hold_id": hold})
    seen = [
        (step.name, domain.side_of(step.name), domain.execute(world, step).content)
        for step in domain.steps(world, errand)
    ]
    assert seen == [
        ("release_ebook", AGENT, "Released."),
        ("check_shelf", USER, "The book is away."),
        ("sync_ereader", USER, "The book is there now."),
    ]
    assert list(domain.steps(world, errand)) == []
    again = domain.world()
    assert domain.carry_out(again, errand)
    assert again.digest == world.digest


def test_an_errand_is_given_up_as_soon_as_a_call_is_refused(domain: EReaders) -> None:
    world, hold = domain.world(), open_hold(domain)
    before = world.digest
    assert not domain.carry_out(world, Call("sync_ereader", {"hold_id": hold}))
    assert world.digest == before


def test_errands_are_the_agents_writes_but_for_those_that_a_workflow_covers(domain: EReaders) -> None:
    assert [errand.name for errand in domain.errands] == ["move_hold", "cancel_hold", "send_ebook"]
    assert [errand.name for errand in Library().errands] == ["move_hold", "cancel_hold"]
    assert domain.errand("send_ebook") is send_ebook
    assert domain.errand("release_ebook") is domain.tools["release_ebook"]
    assert domain.errand("nothing") is None


def test_the_agent_can_not_make_the_customers_calls(domain: EReaders) -> None:
    call = Call("check_shelf", {"hold_id": open_hold(domain)})
    assert not domain.execute(domain.world(), call).error
    assert "there is no tool named" in domain.execute(domain.world(), call, AGENT).content


def test_the_customers_tools_are_part_of_the_fingerprint(domain: EReaders) -> None:
    class Fewer(EReaders):
        tool_list = (*Library.tool_list, *[t for t in EReaders.tool_list[5:] if t.name != "check_shelf"])

    assert Fewer().fingerprint != domain.fingerprint


def test_check_domain_knows_workflows() -> None:
    assert [found for found in check(Config(domain="tests.support.ereader_domain:EReaders")) if not found.ok] == []
    found = {found.name: found.detail for found in check(Config(domain="tests.support.ereader_domain:Unsound"))}
    assert "send_nothing is never possible: one of its calls is refused" in found["every workflow is possible"]
    assert "no workflow that was possible takes drop_ereader" in found["every WRITE is reached"]
    (message,) = [
        found.detail for found in check(Config(domain="tests.support.ereader_domain:Misspelt")) if not found.ok
    ]
    assert "send_nothing covers 'burn_ebook', which is no tool of the agent's" in message
