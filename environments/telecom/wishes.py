"""What customers of the provider want: how often they ask for each errand, what they change their minds to, and why."""

from __future__ import annotations

from ..tools import Call

#: How often an errand is explored, beside the others: less for what everybody can have done.
WEIGHTS = {
    "suspend_line": 0.8,
    "change_plan": 1.0,
    "refuel_data": 0.8,
    "order_sim": 0.8,
    "pay_bill": 1.0,
    "send_bill": 0.7,
    "change_address": 0.6,
    "change_email": 0.6,
    "restore_signal": 2.0,
    "restore_mobile_data": 1.0,
    "speed_up_data": 2.0,
    "set_up_roaming": 1.0,
    "end_roaming": 1.0,
    "bring_line_back": 1.0,
    "bring_found_phone_back": 1.0,
}

_OTHER_PHONE = "I mixed up two of our phones."
_OTHER_LINE = "I gave you the wrong number."

#: For an errand, what a customer may want instead, and why. Nobody operates a phone that they have just called lost.
INSTEAD = {
    "suspend_line": {
        "suspend_line": _OTHER_LINE,
        "order_sim": "I've just found the phone; only the SIM is gone, so a new one will do.",
        "change_plan": "A cheaper plan will do for the time being.",
    },
    "change_plan": {
        "change_plan": "I've compared the plans again.",
        "refuel_data": "I only need more data this once.",
    },
    "refuel_data": {
        "refuel_data": "I've thought again about how much I need.",
        "change_plan": "I've looked at the plans, and another one would suit me better.",
    },
    "order_sim": {
        "order_sim": "I've thought about the SIM again.",
        "restore_signal": "The phone can't find a network, and perhaps it isn't the SIM at all.",
    },
    "pay_bill": {
        "pay_bill": "I've looked at my papers again.",
        "send_bill": "I'd like to look at it before I pay.",
    },
    "send_bill": {
        "send_bill": "I gave you the wrong bill.",
        "pay_bill": "I've found it, so I may as well pay it.",
    },
    "change_address": {
        "change_address": "I gave you the wrong address.",
    },
    "change_email": {
        "change_email": "I gave you an old one.",
    },
    "restore_signal": {
        "restore_signal": _OTHER_PHONE,
        "order_sim": "Perhaps it's the SIM, so I'd rather have a new one.",
    },
    "restore_mobile_data": {
        "restore_mobile_data": _OTHER_PHONE,
        "refuel_data": "Perhaps it's only that the data is used up.",
    },
    "speed_up_data": {
        "speed_up_data": _OTHER_PHONE,
        "refuel_data": "Perhaps it's only that the data is used up.",
    },
    "set_up_roaming": {
        "set_up_roaming": _OTHER_PHONE,
        "end_roaming": "Our trip is off, so it should be the other way round.",
    },
    "end_roaming": {
        "end_roaming": _OTHER_PHONE,
        "set_up_roaming": "We're going away again, so it should be the other way round.",
    },
    "bring_line_back": {
        "bring_line_back": _OTHER_LINE,
        "change_plan": "First I'd like to pay less for it.",
    },
    "bring_found_phone_back": {
        "bring_found_phone_back": _OTHER_PHONE,
    },
}

#: Errands about how things are: who names another value has made a slip.
SLIPS = frozenset(
    (
        "suspend_line",
        "change_address",
        "change_email",
        "send_bill",
        "restore_signal",
        "restore_mobile_data",
        "speed_up_data",
        "set_up_roaming",
        "end_roaming",
        "bring_line_back",
        "bring_found_phone_back",
    )
)

_TO_GO, _BACK_HOME = frozenset(("set_up_roaming", "enable_roaming")), frozenset(("end_roaming", "disable_roaming"))
_NEEDED_AGAIN = frozenset(("bring_line_back", "resume_line"))
#: Errands that take the phone and its line as they are from now on.
_LEAVES = frozenset(("suspend_line", "end_contract", "port_number_out"))
_LOST, _AWAY = ("suspend_line", "lost or stolen"), ("suspend_line", "long absence")
#: What is said of one line by somebody who says nothing of the other: two answers to one complaint, or one twice.
_ONE_OF = (
    frozenset(("change_plan", "refuel_data")),
    frozenset(("restore_signal", "restore_mobile_data", "speed_up_data", "repair_phone", "order_sim")),
)
#: What changes where a copy of a bill goes, by how it is sent.
_MOVED = {"post": "change_address", "e-mail": "change_email"}


def go_together(first: Call, second: Call) -> bool:
    """Whether one customer asks for both: nobody gets ready for a trip and is back from it, loses two phones, is away
    for long and needs a line again, has a line rest or go and its data topped up, or has bills sent to where they no
    longer live."""
    names = {first.name, second.name}
    kinds = {(call.name, call.arguments.get("reason")) for call in (first, second)}
    if names & _TO_GO and names & _BACK_HOME:
        return False
    if _AWAY in kinds and (names & (_NEEDED_AGAIN | _BACK_HOME) or _LOST in kinds):
        return False
    if _LOST in kinds and (len(kinds) == 1 or "bring_found_phone_back" in names):
        return False
    if first.name == "send_bill" and second.name == _MOVED.get(str(first.arguments.get("channel"))):
        return False
    lines = [call.arguments.get("phone_number") for call in (first, second)]
    if lines[0] is None or lines[0] != lines[1]:
        return True
    return len(names) == 2 and not names & _LEAVES and not any(names <= group for group in _ONE_OF)
