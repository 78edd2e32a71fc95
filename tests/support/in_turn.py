"""A server whose chat template wants user and assistant in turn after the system message, beginning with the user."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from .fake_endpoint import Said, default_brain

REFUSED = "Conversation roles must alternate user/assistant/user/assistant/..."


def in_turn(body: dict[str, Any]) -> Said:
    """The default brain's answer, or a refusal. Calls and their results stand outside of the turns."""
    messages = body["messages"]
    roles = [m["role"] for m in messages if m["role"] in ("user", "assistant") and not m.get("tool_calls")]
    if roles == [("user", "assistant")[place % 2] for place in range(len(roles))]:
        return default_brain(body)
    return web.json_response({"object": "error", "message": REFUSED, "code": 400}, status=400)
