"""The notes by streamable HTTP, with the SDK's own server: ``http_server.py PORT`` in the directory of notes.json."""

import json
import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

NOTES = Path("notes.json")
server = MCPServer("notes", log_level="ERROR")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def find_person(email: str) -> str:
    """Find a person."""
    return json.dumps(next(p for p in json.loads(NOTES.read_text())["people"] if p["email"] == email))


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def list_notes(person_id: str) -> str:
    """List a person's notes."""
    return json.dumps([n for n in json.loads(NOTES.read_text())["notes"] if n["person_id"] == person_id])


@server.tool()
def set_text(note_id: str, text: str) -> str:
    """Replace a note's text."""
    state = json.loads(NOTES.read_text())
    note = next(n for n in state["notes"] if n["note_id"] == note_id)
    note["text"] = text
    NOTES.write_text(json.dumps(state))
    return json.dumps(note)


if __name__ == "__main__":
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
