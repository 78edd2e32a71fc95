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
from urllib.parse import unquote_to_bytes, urlencode

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
    "Cache-Control": "no-store",
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

    def readable(self, request: web.Request) -> bool:
        """Whether address and headers are UTF-8. The server gives other bytes as surrogates, which no page can hold.

        The Cookie header may hold anything: a browser sends along what other servers on this host have set, and that
        must not lock anybody out of this one.
        """
        try:
            unquote_to_bytes(request.raw_path).decode("utf-8")
            for name, value in request.headers.items():
                if name.lower() != "cookie":
                    value.encode("utf-8")
        except UnicodeError:
            return False
        return True

    def known(self, request: web.Request) -> bool:
        return self._right(request.cookies.get(self.cookie, ""))

    def introduced(self, request: web.Request) -> web.Response | None:
        """The response to an address with the right token: a cookie, and a redirect to the address without it."""
        if not self._right(request.query.get("token", "")):
            return None
        response = web.Response(status=303, headers={"Location": own_address(request)})
        response.set_cookie(self.cookie, self.token, httponly=True, samesite="Strict", path="/")
        return response

    def _right(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode())


def own_address(request: web.Request) -> str:
    """The address that was asked for, without the token; ``/`` if it is none of this viewer's pages.

    A browser takes ``//host``, ``/\\host`` and more of the kind for the address of another host, so a path is only
    passed on where one of our routes has it.
    """
    if request.match_info.http_exception is not None:
        return "/"
    rest = urlencode([(name, value) for name, value in request.query.items() if name != "token"])
    return request.rel_url.raw_path + (f"?{rest}" if rest else "")
