"""A small domain whose customer has a tool of their own; one tool waits for a gate, one is broken."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NewType

from t2t_dist.environments.base import Domain, Profile
from t2t_dist.environments.state import Base, Record, World
from t2t_dist.environments.tools import READ, USER, WRITE, ToolError, tool

SwitchId = NewType("SwitchId", str)
#: Opened by the test.
GATE = threading.Event()


@tool(READ)
def line_status(world: World) -> str:
    """Whether the line works."""
    phone = world.get("devices", "phone")
    assert phone is not None
    return "up" if phone["airplane"] == "off" else "down"


@tool(WRITE, side=USER)
def toggle_airplane_mode(world: World, to: SwitchId) -> str:
    """Switch airplane mode.

    Args:
        to: 'on' or 'off'.
    """
    if to not in ("on", "off"):
        raise ToolError("it is 'on' or 'off'")
    world.edit("devices", "phone")["airplane"] = to
    return f"Airplane mode is {to}."


@tool(WRITE, blocking=True, timeout=0.05)
def reboot_line(world: World) -> str:
    """Reboot from outside; answers when the gate is open."""
    world.edit("devices", "phone")["airplane"] = "rebooted"
    GATE.wait(10)
    return "rebooted"


@tool(WRITE, blocking=True, timeout=20)
def slow_reboot(world: World) -> str:
    """The same, with more patience."""
    GATE.wait(10)
    world.edit("devices", "phone")["airplane"] = "off"
    return "rebooted"


@tool(WRITE)
def broken(world: World) -> str:
    """Has a defect."""
    world.edit("devices", "phone")["airplane"] = "broken"
    raise ZeroDivisionError("oops")


class Phones(Domain):
    """Support for one telephone, whose owner has a switch of their own."""

    name = "phones"
    tool_list = (line_status, toggle_airplane_mode, reboot_line, slow_reboot, broken)
    folder = Path(__file__).parent / "nowhere"
    policy = "R1. The customer's phone is theirs: ask them to switch what has to be switched."

    def database(self, seed: int, scale: float) -> tuple[Mapping[str, Mapping[str, Record]], str]:
        return {"devices": {"phone": {"airplane": "on"}}}, "2026-01-01T00:00:00"

    def customers(self, base: Base) -> list[str]:
        return ["ann"]

    def profile(self, world: World, customer: str) -> Profile:
        return Profile("ann", "Ann", {})


PHONES = Phones()
