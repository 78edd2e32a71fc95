"""A client's connection: the one place that every response passes, also those to what is no HTTP and to defects."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from .guard import HEADERS


class Connection(web.RequestHandler):
    """aiohttp's handler of a connection, which sets the security headers on whatever it sends."""

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a response with the security headers."""
        for name, value in HEADERS.items():
            resp.headers.setdefault(name, value)
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The response to a request that can't be read. It quotes nothing of the request and logs nothing: anybody on
        this machine can send one."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return super().handle_error(request, status, exc, message)
        response = web.Response(status=status, text=f"{HTTPStatus(status).phrase}\n")
        response.force_close()
        return response
