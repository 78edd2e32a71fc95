"""Access control: a browser on this machine that knows the token, and no other web site's page.

The server listens on the loopback interface, but a browser lets any web site send requests there. So: the Host header
must be a loopback name (against DNS rebinding: a site whose name is made to point here); the token is in a cookie that
is not sent with requests from other sites (SameSite=Strict); requests can only read.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from urllib.parse import urlencode

from aiohttp import web

#: Nothing is loaded from elsewhere, no inline scripts, no framing.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.I)


class Guard:
    """The token, and the checks on a request."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(24)
        # A browser shares cookies between the ports of a host: two viewers need different names.
        self.cookie = f"t2t-view-{hashlib.sha256(self.token.encode()).hexdigest()[:8]}"

    def named_well(self, request: web.Request) -> bool:
        """Whether the request was sent to a loopback name. The port may be another: tunnels have their own."""
        hosts = request.headers.getall("Host", [])
        return len(hosts) == 1 and _HOST.fullmatch(hosts[0]) is not None

    def known(self, request: web.Request) -> bool:
        return self._right(request.cookies.get(self.cookie, ""))

    def introduced(self, request: web.Request) -> web.Response | None:
        """The response to an address with the right token: a cookie, and a redirect to the address without it."""
        if not self._right(request.query.get("token", "")):
            return None
        rest = urlencode([(name, value) for name, value in request.query.items() if name != "token"])
        # A path that begins with two slashes would lead to another host.
        place = "/" + request.rel_url.raw_path.lstrip("/") + (f"?{rest}" if rest else "")
        response = web.Response(status=303, headers={"Location": place})
        response.set_cookie(self.cookie, self.token, httponly=True, samesite="Strict", path="/")
        return response

    def _right(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())
