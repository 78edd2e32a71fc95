"""USER tools: the customer's own phone, which the agent can neither see nor change.

A tool's result is what the phone shows; the customer tells the agent in words.
"""

from __future__ import annotations

from ..state import Record, World
from ..tools import READ, USER, WRITE, Tool, ToolError, tool
from .records import NetworkMode, PhoneNumber, Switch


def phone_of(world: World, phone_number: str) -> Record:
    phone = world.get("phones", phone_number)
    if phone is None:
        raise ToolError(f"you have no phone with the number {phone_number} at hand")
    return phone


def has_signal(world: World, phone: Record) -> bool:
    """Whether the phone is registered in a network: calls and messages work."""
    line = world.get("lines", phone["phone_number"])
    return (
        line is not None
        and line["status"] == "active"
        and phone["airplane_mode"] == "off"
        and phone["sim"] == "in place"
        and not phone["restart_needed"]
    )


def has_data(world: World, phone: Record) -> bool:
    """Whether the phone has a data connection, slow or fast."""
    line = world.get("lines", phone["phone_number"])
    if line is None or not has_signal(world, phone) or phone["mobile_data"] == "off":
        return False
    return not phone["abroad"] or (line["roaming"] and phone["data_roaming"] == "on")


# -- looking -----------------------------------------------------------------------------------------------------------
@tool(READ, side=USER)
def check_status_bar(world: World, phone_number: PhoneNumber) -> str:
    """Look at the status bar at the top of your phone's screen: signal, airplane mode, SIM.

    Args:
        phone_number: Which of your phones, by its number.
    """
    return _status_bar(world, phone_of(world, phone_number))


def _status_bar(world: World, phone: Record) -> str:
    if phone["airplane_mode"] == "on":
        return "There is a little airplane at the top, and no signal bars."
    if phone["sim"] == "loose":
        return "It says 'No SIM' at the top."
    if not has_signal(world, phone):
        return "It says 'No service' at the top."
    if not has_data(world, phone):
        return "There are signal bars, with nothing beside them."
    return f"There are signal bars and '{_network(phone)}' beside them."


@tool(READ, side=USER)
def check_network_settings(world: World, phone_number: PhoneNumber) -> str:
    """Open the mobile network settings of your phone: mobile data, data roaming, preferred network.

    Args:
        phone_number: Which of your phones, by its number.
    """
    phone = phone_of(world, phone_number)
    mode = phone["network_mode"]
    return f"Mobile data is {phone['mobile_data']}, data roaming is {phone['data_roaming']}, the network is '{mode}'."


@tool(READ, side=USER)
def check_data_settings(world: World, phone_number: PhoneNumber) -> str:
    """Look up what may slow your phone's data down: data saver and VPN.

    Args:
        phone_number: Which of your phones, by its number.
    """
    phone = phone_of(world, phone_number)
    return f"The data saver is {phone['data_saver']} and the VPN is {phone['vpn']}."


@tool(READ, side=USER)
def run_speed_test(world: World, phone_number: PhoneNumber) -> str:
    """Run a speed test on your phone.

    Args:
        phone_number: Which of your phones, by its number.
    """
    phone = phone_of(world, phone_number)
    if not has_data(world, phone):
        return "The speed test says there is no connection."
    brakes = (phone["network_mode"] == "3G only", phone["data_saver"] == "on", phone["vpn"] == "on")
    speed = (180 if phone["network_mode"] == "automatic" else 48 if phone["network_mode"] == "4G only" else 6) // (
        1 + sum(brakes[1:]) * 3
    )
    grade = "excellent" if speed >= 100 else "good" if speed >= 40 else "fair" if speed >= 10 else "poor"
    return f"The speed test shows {speed} Mbps, and it calls that {grade}."


def _network(phone: Record) -> str:
    return {"automatic": "5G", "4G only": "4G", "3G only": "3G"}[phone["network_mode"]]


# -- changing ----------------------------------------------------------------------------------------------------------
def _switch(world: World, phone_number: str, setting: str, to: str, name: str) -> str:
    if phone_of(world, phone_number)[setting] == to:
        return f"{name} is {to} already."
    world.edit("phones", phone_number)[setting] = to
    return f"{name} is {to} now."


@tool(WRITE, side=USER)
def toggle_airplane_mode(world: World, phone_number: PhoneNumber, to: Switch) -> str:
    """Switch airplane mode on or off.

    Args:
        phone_number: Which of your phones, by its number.
        to: 'on' or 'off'.
    """
    phone = phone_of(world, phone_number)
    said = _switch(world, phone_number, "airplane_mode", to, "Airplane mode")
    is_news = to == "off" and phone["airplane_mode"] == "on"
    return f"{said} {_status_bar(world, {**phone, 'airplane_mode': to})}" if is_news else said


@tool(WRITE, side=USER)
def toggle_mobile_data(world: World, phone_number: PhoneNumber, to: Switch) -> str:
    """Switch mobile data on or off.

    Args:
        phone_number: Which of your phones, by its number.
        to: 'on' or 'off'.
    """
    return _switch(world, phone_number, "mobile_data", to, "Mobile data")


@tool(WRITE, side=USER)
def toggle_data_roaming(world: World, phone_number: PhoneNumber, to: Switch) -> str:
    """Switch data roaming on or off.

    Args:
        phone_number: Which of your phones, by its number.
        to: 'on' or 'off'.
    """
    return _switch(world, phone_number, "data_roaming", to, "Data roaming")


@tool(WRITE, side=USER)
def toggle_data_saver(world: World, phone_number: PhoneNumber, to: Switch) -> str:
    """Switch the data saver on or off.

    Args:
        phone_number: Which of your phones, by its number.
        to: 'on' or 'off'.
    """
    return _switch(world, phone_number, "data_saver", to, "The data saver")


@tool(WRITE, side=USER)
def toggle_vpn(world: World, phone_number: PhoneNumber, to: Switch) -> str:
    """Connect or disconnect the VPN.

    Args:
        phone_number: Which of your phones, by its number.
        to: 'on' or 'off'.
    """
    return _switch(world, phone_number, "vpn", to, "The VPN")


@tool(WRITE, side=USER)
def set_network_mode(world: World, phone_number: PhoneNumber, mode: NetworkMode) -> str:
    """Choose the preferred network.

    Args:
        phone_number: Which of your phones, by its number.
        mode: 'automatic' takes the fastest there is.
    """
    phone_of(world, phone_number)
    world.edit("phones", phone_number)["network_mode"] = mode
    return f"The preferred network is '{mode}' now."


@tool(WRITE, side=USER)
def reseat_sim(world: World, phone_number: PhoneNumber) -> str:
    """Take the SIM card out and put it back in. The phone asks for a restart if the card was loose.

    Args:
        phone_number: Which of your phones, by its number.
    """
    if phone_of(world, phone_number)["sim"] == "in place":
        return "The SIM card is firmly in place, as it was before."
    world.edit("phones", phone_number).update(sim="in place", restart_needed=True)
    return "The SIM card was loose; it's firmly in place now. The phone asks for a restart."


@tool(WRITE, side=USER)
def reboot_phone(world: World, phone_number: PhoneNumber) -> str:
    """Restart your phone.

    Args:
        phone_number: Which of your phones, by its number.
    """
    phone_of(world, phone_number)
    phone = world.edit("phones", phone_number)
    phone["restart_needed"] = False
    return f"The phone has restarted. {_status_bar(world, phone)}"


DEVICE_TOOLS: list[Tool] = [
    check_status_bar,
    check_network_settings,
    check_data_settings,
    run_speed_test,
    toggle_airplane_mode,
    toggle_mobile_data,
    toggle_data_roaming,
    toggle_data_saver,
    toggle_vpn,
    set_network_mode,
    reseat_sim,
    reboot_phone,
]
