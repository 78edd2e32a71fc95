"""A customer with tools of their own: which words make them use which tool, and what the agent hears of it."""

from __future__ import annotations

from typing import Any

import pytest

from t2t_dist.core.schema import Fact, Turn, UserSide
from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from t2t_dist.environments.language import Language
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import USER, WRITE, Call, tool
from t2t_dist.simulation.scripted.device import Devices, devices_of, results_in_words
from t2t_dist.simulation.scripted.user import ScriptedUser
from tests.support.phones import PHONES

ONE, OTHER = "555-200-0001", "555-200-0002"
FACTS = [Fact(slot="phone_number", label="phone number", text=OTHER, says=[OTHER], answer=f"It's {OTHER}.")]


@pytest.fixture(scope="module")
def telecom() -> Domain:
    return registry.load("telecom", 0, 0.05)


def understood(domain: Domain, heard: str) -> list[tuple[str, ...]]:
    """Names of the calls with what they are given beside the phone."""
    calls = Devices(domain.user_tools, domain.language, {"phone_number": [ONE, OTHER]}).requested_calls(heard, FACTS)
    assert all(call.arguments["phone_number"] == OTHER for call in calls)
    return [(call.name, *list(call.arguments.values())[1:]) for call in calls]


@pytest.mark.parametrize(
    ("heard", "calls"),
    [
        ("Please switch airplane mode off.", [("toggle_airplane_mode", "off")]),
        ("Could you turn off airplane mode for me?", [("toggle_airplane_mode", "off")]),
        ("Now enable data roaming in your settings.", [("toggle_data_roaming", "on")]),
        ("**Turn on** mobile data, then restart your phone.", [("toggle_mobile_data", "on"), ("reboot_phone",)]),
        ("Turn airplane mode off and the VPN on.", [("toggle_airplane_mode", "off"), ("toggle_vpn", "on")]),
        ("Is airplane mode on?", [("check_status_bar",)]),
        ("Could you check whether mobile data is turned on?", [("check_network_settings",)]),
        ("What does the status bar show?", [("check_status_bar",)]),
        ("Please open the network settings and switch data roaming on.", [("toggle_data_roaming", "on")]),
        ("Please open the network settings and tell me what it says.", [("check_network_settings",)]),
        ("Please set the preferred network to 'automatic'.", [("set_network_mode", "automatic")]),
        ("Could you run a speed test?", [("run_speed_test",)]),
        ("Let's try this: take the SIM card out and put it back in.", [("reseat_sim",)]),
        ("Please do the following:\n1. Turn the VPN off\n2. Reboot", [("toggle_vpn", "off"), ("reboot_phone",)]),
        ("I need you to disable the data saver.", [("toggle_data_saver", "off")]),
    ],
)  # fmt: skip
def test_instructions_are_understood(telecom: Domain, heard: str, calls: list[tuple[str, ...]]) -> None:
    assert understood(telecom, heard) == calls


@pytest.mark.parametrize(
    "heard",
    [
        "I've switched roaming off on the line.",
        "I'll enable roaming for you now.",
        "I'd allow roaming on the line. Shall I go ahead?",
        "Would you like me to enable data roaming?",
        "Mobile data should work again now. Is there anything else I can do for you?",
        "Which of your phones has no mobile data, 555-200-0001 or 555-200-0002?",
        "Thank you. Your line is active, and the plan includes 8 GB.",
        "May I have your contact number, please?",
        "Please switch it.",
    ],
)
def test_what_is_no_instruction_is_not_followed(telecom: Domain, heard: str) -> None:
    found = understood(telecom, heard)
    assert not any(telecom.tools[name].kind == "write" for name, *_ in found)


def test_an_instruction_that_leaves_the_choice_open_is_not_guessed(telecom: Domain) -> None:
    assert understood(telecom, "Please change the airplane mode.") == []


def test_a_phone_that_is_named_is_the_one_used_until_another_goal(telecom: Domain) -> None:
    devices = Devices(telecom.user_tools, telecom.language, {"phone_number": [ONE, OTHER]})
    (call,) = devices.requested_calls(f"On {ONE}, please switch airplane mode off.", FACTS)
    assert call.arguments == {"phone_number": ONE, "to": "off"}
    (call,) = devices.requested_calls("Please restart the phone.", FACTS)
    assert call.arguments == {"phone_number": ONE}
    devices.new_goal()
    (call,) = devices.requested_calls("Please restart the phone.", FACTS)
    assert call.arguments == {"phone_number": OTHER}
    (call,) = devices.requested_calls(f"Please restart the phone, {ONE} or {OTHER}.", FACTS)
    assert call.arguments == {"phone_number": OTHER}


def test_a_domain_without_words_is_understood_by_its_tools_names() -> None:
    devices = Devices(PHONES.user_tools, PHONES.language, {"to": ["off"]})
    assert devices.requested_calls("Please use your device for this: toggle airplane mode.", []) == [
        Call("toggle_airplane_mode", {"to": "off"})
    ]


@tool(WRITE, side=USER)
def grant_app_permission(world: World, app_name: str, permission: str) -> str:
    """Grant a permission to an app on the phone."""
    return f"{app_name} may now use {permission}."


@pytest.mark.parametrize("permission", ["storage", "sms"])
@pytest.mark.parametrize("guide", Language().tool(grant_app_permission).guide)
def test_plain_words_for_a_tool_are_understood_as_that_call(guide: str, permission: str) -> None:
    """What an agent says without a language file, and what a customer takes from it."""
    said = {"app_name": "messaging", "permission": permission}
    heard = guide.format_map(Language().plainly(grant_app_permission.name, said, "your", apart=True))
    calls = Devices([grant_app_permission], Language(), {}).requested_calls(heard, [])
    assert calls == [Call("grant_app_permission", said)], heard


def test_results_are_said_as_sentences() -> None:
    turns = [
        Turn("user", "tool", "the SIM is loose"),
        Turn("user", "tool", '{"mobile_data":"off","mode":"4G"}'),
        Turn("user", "tool", "Error: it is locked", error=True),
    ]
    assert results_in_words(turns) == "The SIM is loose. Mobile data: off; mode: 4G. It is locked."


def side(**more: Any) -> UserSide:
    goal = {"request": f"I have no mobile data on {OTHER}.", "facts": [fact.model_dump() for fact in FACTS]}
    names = ("name", "persona", "reason_for_call", "known_info", "unknown_info", "task_instructions")
    fields = {**dict.fromkeys(names, "x"), "identity": [], "goals": [goal], "at_hand": {"phone_number": [OTHER]}}
    return UserSide.model_validate(fields | more)


def customer(domain: Domain, **more: Any) -> ScriptedUser:
    return ScriptedUser(side(**more), 0, devices_of(domain, side(**more)))


async def test_calls_are_made_one_by_one_and_then_reported(telecom: Domain) -> None:
    user, turns = customer(telecom), [Turn("agent", "assistant", "Hello!")]
    turns.append(await user.reply(turns))
    turns.append(Turn("agent", "assistant", "Please turn airplane mode off and mobile data on."))
    for number, name in enumerate(("toggle_airplane_mode", "toggle_mobile_data"), 1):
        turn = await user.reply(turns)
        assert ([call.name for call in turn.tool_calls], turn.content) == ([name], None)
        turns += [turn, Turn("user", "tool", f"Result {number}.", tool_call_id=turn.tool_calls[0].id)]
    ids = [call.id for turn in turns for call in turn.tool_calls]
    assert len(set(ids)) == 2
    report = await user.reply(turns)
    assert report.tool_calls == []
    assert (report.content or "").endswith("Result 1. Result 2.")


async def test_what_a_device_refuses_is_reported_as_such(telecom: Domain) -> None:
    user, turns = customer(telecom), [Turn("agent", "assistant", "Hello!")]
    turns.append(await user.reply(turns))
    turns.append(Turn("agent", "assistant", "Please restart the phone."))
    turns.append(await user.reply(turns))
    turns.append(Turn("user", "tool", "Error: the battery is empty", error=True))
    assert "battery is empty." in ((await user.reply(turns)).content or "")
    assert "Error" not in ((await user.reply(turns)).content or "")


async def test_what_is_not_clear_is_asked_back_and_not_guessed(telecom: Domain) -> None:
    user, turns = customer(telecom), [Turn("agent", "assistant", "Hello!")]
    turns.append(await user.reply(turns))
    turns.append(Turn("agent", "assistant", "Please toggle mobile data."))
    turn = await user.reply(turns)
    assert turn.tool_calls == []
    assert "mobile data" in (turn.content or "")
    assert "on or off" in (turn.content or "")


async def test_what_is_clear_is_done_before_the_rest_is_asked_back(telecom: Domain) -> None:
    user, turns = customer(telecom), [Turn("agent", "assistant", "Hello!")]
    turns.append(await user.reply(turns))
    turns.append(Turn("agent", "assistant", "Turn the VPN off. If that doesn't help, restart the phone."))
    turn = await user.reply(turns)
    assert [call.name for call in turn.tool_calls] == ["toggle_vpn"]
    turns += [turn, Turn("user", "tool", "The VPN is off now.", tool_call_id=turn.tool_calls[0].id)]
    report = (await user.reply(turns)).content or ""
    assert "The VPN is off now." in report
    assert "a restart" in report


@pytest.mark.parametrize("trigger", ["first_reply", "asked_to_confirm"])
async def test_a_customer_who_is_about_to_change_their_mind_says_so_first(telecom: Domain, trigger: str) -> None:
    """No agent needs a yes to what the customer does: to be told what to do is the moment to think again."""
    change = {"goal": 0, "trigger": trigger, "request": "Forget it, please suspend the line.", "facts": []}
    user, turns = customer(telecom, change=change), [Turn("agent", "assistant", "Hello!")]
    turns.append(await user.reply(turns))
    turns.append(Turn("agent", "assistant", "Please turn airplane mode off."))
    turn = await user.reply(turns)
    assert turn.tool_calls == []
    assert "suspend the line" in (turn.content or "")
