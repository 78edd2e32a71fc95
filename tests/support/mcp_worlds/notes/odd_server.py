"""The server of the notes, with tools and answers of a test's own: ``odd_server.py ODD``, or by HTTP with a PORT.

ODD is JSON, or ``@FILE`` with it. ``tools`` are listed instead of those of the same name, or besides. By tool,
``results`` are answers as the protocol has them, ``lines`` are written as they are, with ``ID`` for the request's,
``fill`` is a number of bytes in one line, and ``says`` is written to stderr before the server ends. By HTTP, answers
are compressed that are ``packed``. The tool ``echo`` says what it was given.
"""

import gzip
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import server

odd = json.loads(Path(sys.argv[1][1:]).read_text() if sys.argv[1].startswith("@") else sys.argv[1])
names = {tool["name"] for tool in odd.get("tools", [])}
server.TOOLS[:] = [tool for tool in server.TOOLS if tool["name"] not in names] + odd.get("tools", [])


def reply(message: dict) -> dict | None:
    name = message.get("params", {}).get("name")
    if name in odd.get("says", {}):
        print(odd["says"][name], file=sys.stderr, flush=True)
        os._exit(3)
    if name in odd.get("lines", {}):
        print(odd["lines"][name].replace("ID", str(message["id"])), flush=True)
        return None
    if name in odd.get("fill", {}):
        print("x" * odd["fill"][name], flush=True)
    if name == "echo":
        return {"content": [{"type": "text", "text": json.dumps(message["params"]["arguments"])}]}
    return odd.get("results", {}).get(name) or server.reply(message)


class ByHttp(BaseHTTPRequestHandler):
    """One message a POST, answered as JSON."""

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in message:
            return self.answer(202, b"")
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": reply(message)}).encode()
        packed = message.get("params", {}).get("name") in odd.get("packed", {})
        self.answer(200, gzip.compress(body) if packed else body, "gzip" if packed else "identity")

    def do_GET(self) -> None:
        self.answer(405, b"")

    do_DELETE = do_GET

    def answer(self, status: int, body: bytes, encoding: str = "identity") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Encoding", encoding)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if len(sys.argv) > 2:
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), ByHttp).serve_forever()
else:
    server.serve(reply)
