"""A small MCP server over stdio, written out so that it can do what no server should.

Its notes are ``notes.json`` of the directory it starts in. ``FAULT=KIND:TOOL`` makes a tool misbehave: ``die``,
``hang``, ``fork`` (start a child, then hang), ``half`` (write, then fail) or ``late`` (answer, then write); once, where
``ONCE`` names a file that is made then. ``AT_START`` has it ``create`` a file where there is none, or ``append`` to it.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

NOTES = Path("notes.json")
TEXT = {"type": "string", "description": "The text."}
NOTE = {"type": "string", "description": "The note, such as 'n1'."}


def listed(name: str, read_only: bool, **properties: dict[str, str]) -> dict:
    """A tool, as tools/list has it."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "name": name,
        "description": f"{name.replace('_', ' ').capitalize()}.",
        "inputSchema": schema,
        "annotations": {"readOnlyHint": read_only},
    }


TOOLS = [
    listed("find_person", True, email={"type": "string", "description": "The address."}),
    listed("list_notes", True, person_id={"type": "string", "description": "The person."}),
    listed("set_text", False, note_id=NOTE, text=TEXT),
    listed("count_calls", True),
    listed("what_time", True),
    listed("show_environment", True),
]
calls = 0


def misbehave(tool: str) -> None:
    kind, _, which = os.environ.get("FAULT", "").partition(":")
    once = os.environ.get("ONCE")
    if which != tool or (once and os.path.exists(once)):
        return
    if once:
        Path(once).touch()
    if kind == "die":
        print("out of luck", file=sys.stderr, flush=True)
        os._exit(3)
    if kind == "late":
        threading.Thread(target=write_late, daemon=True).start()
    if kind == "half":
        NOTES.write_text("[]")
        raise ValueError("half done")
    if kind == "fork":
        Path(os.environ["CHILD"]).write_text(str(subprocess.Popen(["sleep", "600"], start_new_session=True).pid))
    if kind in ("hang", "fork"):
        time.sleep(600)


def write_late() -> None:
    """Write once the file that ``LATE_AFTER`` names is there: a test says when."""
    while not os.path.exists(os.environ["LATE_AFTER"]):
        time.sleep(0.02)
    Path("late.json").write_text("[]")


def answer(tool: str, arguments: dict) -> str:
    """What a tool says. Raises ValueError: it refuses."""
    global calls
    calls += 1
    misbehave(tool)
    state = json.loads(NOTES.read_text())
    if tool == "find_person":
        found = [p for p in state["people"] if p["email"] == arguments["email"]]
        if not found:
            raise ValueError("nobody has this address")
        return json.dumps(found[0])
    if tool == "list_notes":
        return json.dumps([n for n in state["notes"] if n["person_id"] == arguments["person_id"]])
    if tool == "set_text":
        note = next((n for n in state["notes"] if n["note_id"] == arguments["note_id"]), None)
        if note is None or note["locked"]:
            raise ValueError("the note is locked" if note else "there is no such note")
        note["text"] = arguments["text"]
        NOTES.write_text(json.dumps(state))
        return json.dumps(note)
    if tool == "count_calls":
        return str(calls)
    return time.ctime() if tool == "what_time" else json.dumps(dict(os.environ))


def reply(message: dict) -> dict:
    method, params = message["method"], message.get("params", {})
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "notes", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": TOOLS}
    if method != "tools/call":
        return {}
    try:
        text, wrong = answer(params["name"], params.get("arguments") or {}), False
    except ValueError as error:
        text, wrong = str(error), True
    return {"content": [{"type": "text", "text": text}], "isError": wrong}


def serve(reply=reply) -> None:
    made = Path("made.json")
    if os.environ.get("AT_START") == "append" or (os.environ.get("AT_START") == "create" and not made.exists()):
        with made.open("a") as file:
            file.write("1\n")
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and (result := reply(message)) is not None:
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)


if __name__ == "__main__":
    serve()
