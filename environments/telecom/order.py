"""What the policy says about the order of calls: customers look before they change anything, and test afterwards."""

from __future__ import annotations

from ..rules import Afterwards, Before, OneAtATime, Order
from ..tools import WRITE
from .device import DEVICE_TOOLS

_PHONE = ("phone_number",)

ORDER: list[Order] = [
    OneAtATime(5, tuple(tool.name for tool in DEVICE_TOOLS if tool.kind is WRITE)),
    Afterwards(7, ("resume_line",), ("check_status_bar",), _PHONE),
    Before(15, ("toggle_data_roaming",), ("check_network_settings",), _PHONE),
    Before(23, ("toggle_airplane_mode", "reseat_sim"), ("check_status_bar",), _PHONE),
    Before(24, ("toggle_mobile_data",), ("check_network_settings",), _PHONE),
    Afterwards(24, ("toggle_mobile_data",), ("run_speed_test",), _PHONE),
    Before(25, ("set_network_mode",), ("check_network_settings",), _PHONE),
    Before(25, ("toggle_data_saver", "toggle_vpn"), ("check_data_settings",), _PHONE),
    Afterwards(25, ("set_network_mode", "toggle_data_saver", "toggle_vpn"), ("run_speed_test",), _PHONE),
]
