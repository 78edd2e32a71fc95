"""Workflows with both the agent's tools and the customer's own phone.

The agent sees lines but no phones, so in each workflow the customer looks before they change anything. The calls depend
on the state only, according to rules R7, R15 and R23 to R25 of the policy.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..state import Record, World
from ..tools import Call
from ..workflows import Workflow, workflow
from .conditions import can_roam, share_used
from .device import has_data, has_signal
from .records import PhoneNumber


def _both(world: World, phone_number: str) -> tuple[Record, Record] | None:
    """The line and its phone; ``None`` if one is missing."""
    line, phone = world.get("lines", phone_number), world.get("phones", phone_number)
    return None if line is None or phone is None else (line, phone)


def _is_used_up(world: World, line: Record) -> bool:
    """Whether no data is left, so that settings won't help."""
    used = share_used(world, line)
    return used is not None and used >= 1


def _get_signal(world: World, phone_number: str) -> Iterator[Call]:
    """Everything that keeps the phone out of the network, except for a necessary restart."""
    on_phone = {"phone_number": phone_number}
    phone = world.get("phones", phone_number) or {}
    yield Call("check_status_bar", on_phone)
    if phone["airplane_mode"] == "on":
        yield Call("toggle_airplane_mode", {**on_phone, "to": "off"})
    if phone["sim"] == "loose":
        yield Call("reseat_sim", on_phone)


def _restart(world: World, phone_number: str) -> Iterator[Call]:
    if (world.get("phones", phone_number) or {})["restart_needed"]:
        yield Call("reboot_phone", {"phone_number": phone_number})


@workflow()
def restore_signal(world: World, phone_number: PhoneNumber) -> Iterator[Call]:
    """When a phone on an active line has no signal, let the customer read the status bar to you, then switch airplane
    mode off, put a loose SIM back in place and restart the phone, as far as each is needed."""
    found = _both(world, phone_number)
    if found is None or found[0]["status"] != "active" or has_signal(world, found[1]):
        return
    yield from _get_signal(world, phone_number)
    yield from _restart(world, phone_number)


@workflow()
def restore_mobile_data(world: World, phone_number: PhoneNumber) -> Iterator[Call]:
    """When a phone on an active line has no mobile data, see to its signal first; then mobile data is switched on, the
    preferred network becomes automatic, and abroad roaming is allowed on the line and data roaming switched on in the
    phone; a restart where one is needed, and a speed test at the end."""
    found = _both(world, phone_number)
    if found is None or found[0]["status"] != "active" or has_data(world, found[1]) or _is_used_up(world, found[0]):
        return
    line, phone = found
    if phone["abroad"] and not line["roaming"] and can_roam(world, line):
        return
    on_phone = {"phone_number": phone_number}
    yield from _get_signal(world, phone_number)
    yield Call("check_network_settings", on_phone)
    if phone["mobile_data"] == "off":
        yield Call("toggle_mobile_data", {**on_phone, "to": "on"})
    if phone["network_mode"] != "automatic":
        # Data that comes back at the speed of 3G is hardly back.
        yield Call("set_network_mode", {**on_phone, "mode": "automatic"})
    if phone["abroad"]:
        if not line["roaming"]:
            yield Call("enable_roaming", on_phone)
        if phone["data_roaming"] == "off":
            yield Call("toggle_data_roaming", {**on_phone, "to": "on"})
    yield from _restart(world, phone_number)
    yield Call("run_speed_test", on_phone)


@workflow()
def speed_up_data(world: World, phone_number: PhoneNumber) -> Iterator[Call]:
    """When mobile data works but is slow, the preferred network becomes automatic, data saver and VPN are switched off,
    as far as each is needed, and a speed test follows."""
    found = _both(world, phone_number)
    if found is None or not has_data(world, found[1]) or _is_used_up(world, found[0]):
        return
    phone, on_phone = found[1], {"phone_number": phone_number}
    brakes = [setting for setting in ("data_saver", "vpn") if phone[setting] == "on"]
    if phone["network_mode"] == "automatic" and not brakes:
        return
    yield Call("check_network_settings", on_phone)
    if phone["network_mode"] != "automatic":
        yield Call("set_network_mode", {**on_phone, "mode": "automatic"})
    yield Call("check_data_settings", on_phone)
    for setting in brakes:
        yield Call(f"toggle_{setting}", {**on_phone, "to": "off"})
    yield Call("run_speed_test", on_phone)


@workflow(covers=("enable_roaming",))
def set_up_roaming(world: World, phone_number: PhoneNumber) -> Iterator[Call]:
    """Before a trip roaming is allowed on the line; then let the customer read the network settings to you, and have
    data roaming switched on and the phone restarted, as far as each is needed."""
    found = _both(world, phone_number)
    if found is None or found[1]["abroad"] or not has_data(world, found[1]):
        return  # what can't go online at home, can't abroad
    if found[1]["network_mode"] != "automatic":
        return  # whoever sees that setting would change it as well
    line, phone = found
    if (line["roaming"] and phone["data_roaming"] == "on") or (not line["roaming"] and can_roam(world, line)):
        return
    if not line["roaming"]:
        yield Call("enable_roaming", {"phone_number": phone_number})
    yield Call("check_network_settings", {"phone_number": phone_number})
    if phone["data_roaming"] == "off":
        yield Call("toggle_data_roaming", {"phone_number": phone_number, "to": "on"})
    yield from _restart(world, phone_number)


@workflow(covers=("disable_roaming",))
def end_roaming(world: World, phone_number: PhoneNumber) -> Iterator[Call]:
    """After a trip roaming is forbidden on the line; then let the customer read the network settings to you, and have
    data roaming switched off if it is on."""
    found = _both(world, phone_number)
    if found is None or found[0]["status"] != "active" or found[1]["abroad"]:
        return
    if not found[0]["roaming"]:
        return  # what is over can't be ended
    yield Call("disable_roaming", {"phone_number": phone_number})
    yield Call("check_network_settings", {"phone_number": phone_number})
    if found[1]["data_roaming"] == "on":
        yield Call("toggle_data_roaming", {"phone_number": phone_number, "to": "off"})


def _resume(world: World, phone_number: str, found_again: bool) -> Iterator[Call]:
    line = world.get("lines", phone_number)
    if line is None or line["status"] != "suspended" or (line["suspended_for"] == "lost or stolen") != found_again:
        return
    yield Call("resume_line", {"phone_number": phone_number})
    yield from _get_signal(world, phone_number)
    yield from _restart(world, phone_number)


@workflow(covers=("resume_line",))
def bring_line_back(world: World, phone_number: PhoneNumber) -> Iterator[Call]:
    """A line that is suspended for an absence or an unpaid bill is resumed; then the customer reads the status bar to
    you, puts right what is wrong there (airplane mode, a loose SIM), and restarts the phone."""
    yield from _resume(world, phone_number, found_again=False)


@workflow(covers=("resume_line",))
def bring_found_phone_back(world: World, phone_number: PhoneNumber) -> Iterator[Call]:
    """The phone of a line that was reported lost or stolen has turned up: the line is resumed; then the customer reads
    the status bar to you, puts right what is wrong there, and restarts the phone."""
    yield from _resume(world, phone_number, found_again=True)


WORKFLOWS: list[Workflow] = [
    restore_signal,
    restore_mobile_data,
    speed_up_data,
    set_up_roaming,
    end_roaming,
    bring_line_back,
    bring_found_phone_back,
]
