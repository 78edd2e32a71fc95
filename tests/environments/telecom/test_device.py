"""The customer's phone: what it shows, what changes it; and the workflows that fix it, for every phone there is."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from t2t_dist.environments.registry import load
from t2t_dist.environments.state import World
from t2t_dist.environments.telecom.device import has_data, has_signal
from t2t_dist.environments.tools import AGENT, Call, Kind
from tests.environments.telecom.small_provider import (
    AWAY,
    BOBS,
    OWED,
    PAUSED,
    PROVIDER,
    WELL,
    do,
    refused,
    settings,
)


@pytest.fixture
def world() -> World:
    return PROVIDER.world()


def carried_out(world: World, workflow: str, number: str) -> list[str]:
    """Calls of a workflow as it is carried out: the name, and the last argument where there are two."""
    made = []
    for step in PROVIDER.steps(world, Call(workflow, {"phone_number": number})):
        assert not PROVIDER.execute(world, step).error
        made.append(" ".join([step.name, *list(step.arguments.values())[1:]]))
    return made


# -- the phone ---------------------------------------------------------------------------------------------------------
def test_the_agent_can_not_touch_a_phone(world: World) -> None:
    before = world.digest
    for tool in PROVIDER.user_tools:
        result = PROVIDER.execute(world, Call(tool.name, {"phone_number": WELL}), AGENT)
        assert result.content.startswith(f"Error: there is no tool named '{tool.name}'")
    assert world.digest == before


@pytest.mark.parametrize(
    ("tool", "setting", "name"),
    [
        ("toggle_airplane_mode", "airplane_mode", "Airplane mode"),
        ("toggle_mobile_data", "mobile_data", "Mobile data"),
        ("toggle_data_roaming", "data_roaming", "Data roaming"),
        ("toggle_data_saver", "data_saver", "The data saver"),
        ("toggle_vpn", "vpn", "The VPN"),
    ],
)
def test_switches(world: World, tool: str, setting: str, name: str) -> None:
    now = PROVIDER.base.tables["phones"][WELL][setting]
    other = {"on": "off", "off": "on"}[now]
    assert do(world, tool, phone_number=WELL, to=now).content == f"{name} is {now} already."
    assert world.digest == PROVIDER.world().digest
    assert do(world, tool, phone_number=WELL, to=other).content == f"{name} is {other} now."
    assert settings(world, WELL) == {setting: other}

    assert "input should be" in refused(world, tool, phone_number=WELL, to="maybe")


def test_what_brings_the_signal_back_shows_it(world: World) -> None:
    """Nobody has to ask for the status bar again."""
    do(world, "toggle_airplane_mode", phone_number=WELL, to="on")
    said = do(world, "toggle_airplane_mode", phone_number=WELL, to="off").content
    assert said == f"Airplane mode is off now. {do(world, 'check_status_bar', phone_number=WELL).content}"
    said = do(world, "reboot_phone", phone_number=AWAY).content
    assert said == f"The phone has restarted. {do(world, 'check_status_bar', phone_number=AWAY).content}"


def test_sim_and_restart(world: World) -> None:
    assert "No SIM" in do(world, "check_status_bar", phone_number=AWAY).content
    assert do(world, "reseat_sim", phone_number=WELL).changed is False
    do(world, "reseat_sim", phone_number=AWAY)
    assert settings(world, AWAY) == {"sim": "in place", "restart_needed": True}
    assert "No service" in do(world, "check_status_bar", phone_number=AWAY).content
    assert do(world, "reboot_phone", phone_number=AWAY).changed
    assert do(world, "reboot_phone", phone_number=AWAY).changed is False
    assert "nothing beside them" in do(world, "check_status_bar", phone_number=AWAY).content
    assert "no phone with the number 1" in refused(world, "reboot_phone", phone_number="1")


def test_what_the_phone_shows_follows_from_line_and_settings(world: World) -> None:
    assert "'5G'" in do(world, "check_status_bar", phone_number=WELL).content
    assert "180 Mbps" in do(world, "run_speed_test", phone_number=WELL).content
    assert "poor" in do(world, "run_speed_test", phone_number=BOBS).content
    assert "airplane" in do(world, "check_status_bar", phone_number=PAUSED).content
    assert "No service" in do(world, "check_status_bar", phone_number=OWED).content  # the line is suspended
    assert "no connection" in do(world, "run_speed_test", phone_number=OWED).content
    do(world, "set_network_mode", phone_number=WELL, mode="4G only")
    assert "the network is '4G only'" in do(world, "check_network_settings", phone_number=WELL).content


# -- workflows ---------------------------------------------------------------------------------------------------------
def test_mobile_data_abroad_takes_both_sides(world: World) -> None:
    assert carried_out(world, "restore_mobile_data", AWAY) == [
        "check_status_bar",
        "reseat_sim",
        "check_network_settings",
        "toggle_mobile_data on",
        "enable_roaming",
        "toggle_data_roaming on",
        "reboot_phone",
        "run_speed_test",
    ]
    phone = world.get("phones", AWAY)
    assert phone is not None
    assert has_data(world, phone)
    assert carried_out(world, "restore_mobile_data", AWAY) == []


def test_data_that_comes_back_is_not_slow() -> None:
    """The aim is a phone that can be used: "poor" would be none."""
    domain, restored = load("telecom", 0, 0.2), 0
    for number in domain.base.keys("phones"):
        world = domain.world()
        steps = Call("restore_mobile_data", {"phone_number": number})
        shown = [domain.execute(world, step).content for step in domain.steps(world, steps)]
        if shown:
            restored += 1
            assert "it calls that" in shown[-1]
            assert "poor" not in shown[-1]
    assert restored > 20


def test_roaming_is_set_up_on_phones_that_can_go_online_and_then_works_abroad() -> None:
    domain, ready = load("telecom", 0, 0.2), 0
    for number in domain.base.keys("phones"):
        world = domain.world()
        for step in domain.steps(world, Call("set_up_roaming", {"phone_number": number})):
            assert not domain.execute(world, step).error
        if world.changes():
            ready += 1
            world.edit("phones", number)["abroad"] = "Spain"
            world.seal()
            phone = world.get("phones", number)
            assert phone is not None
            assert has_data(world, phone)
    assert ready > 5


def test_only_a_phone_that_was_found_again_is_operated_after_it_was_lost(world: World) -> None:
    do(world, "suspend_line", phone_number=WELL, reason="lost or stolen")
    assert carried_out(world, "bring_line_back", WELL) == []
    assert carried_out(world, "bring_found_phone_back", WELL)[:2] == ["resume_line", "check_status_bar"]


def test_the_other_workflows(world: World) -> None:
    assert carried_out(world, "speed_up_data", BOBS) == [
        "check_network_settings",
        "set_network_mode automatic",
        "check_data_settings",
        "toggle_vpn off",
        "run_speed_test",
    ]
    assert carried_out(world, "bring_line_back", PAUSED) == [
        "resume_line",
        "check_status_bar",
        "toggle_airplane_mode off",
        "reboot_phone",
    ]
    roaming = ["enable_roaming", "check_network_settings", "toggle_data_roaming on", "reboot_phone"]
    assert carried_out(world, "set_up_roaming", WELL) == roaming
    ended = ["disable_roaming", "check_network_settings", "toggle_data_roaming off"]
    assert carried_out(world, "end_roaming", WELL) == ended
    assert world.get("lines", WELL) == PROVIDER.base.tables["lines"][WELL]


@pytest.mark.parametrize("workflow", [flow.name for flow in PROVIDER.workflow_list])
def test_nothing_is_done_where_there_is_nothing_to_do_or_nobody(world: World, workflow: str) -> None:
    assert carried_out(world, workflow, "555-000-0000") == []
    if workflow != "set_up_roaming":
        assert carried_out(world, workflow, WELL) == []


def test_workflows_fix_every_phone_and_each_change_is_needed() -> None:
    domain = load("telecom", 0, 0.2)
    goals = {"restore_signal": has_signal, "restore_mobile_data": has_data}
    goals |= dict.fromkeys(("bring_line_back", "bring_found_phone_back"), has_signal)
    done: Counter[str] = Counter()
    for flow in domain.workflow_list:
        for number in domain.base.keys("phones"):
            world = domain.world()
            digests = [world.digest]
            for step in domain.steps(world, Call(flow.name, {"phone_number": number})):
                result = domain.execute(world, step)
                assert not result.error
                assert result.changed == (domain.tools[step.name].kind is Kind.WRITE)
                digests.append(world.digest)
            if len(digests) > 1 and digests[-1] != digests[0]:
                done[flow.name] += 1
                assert list(domain.steps(world, Call(flow.name, {"phone_number": number}))) == []
                if flow.name in goals:
                    phone = world.get("phones", number)
                    assert phone is not None
                    assert goals[flow.name](world, phone)
            assert len(set(digests)) == sum(a != b for a, b in pairwise(digests)) + 1  # no state comes twice
    assert min(done[flow.name] for flow in domain.workflow_list) >= 5
