"""Who may reach the app at all: no page of another site, and where it is open only by the names of this machine."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Collection
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...telemetry import bus
from .._errors import OriginNotAllowed
from .._events import RequestServed
from .._gateway import Gateway
from ._answers import failed


class Guard:
    """The outermost layer. It refuses what a browser asks for on behalf of a page from elsewhere, also over a WebSocket,
    which CORS does not cover; and tells telemetry of each request.

    Without tokens, names that anybody may have pointed to this machine (DNS rebinding) are refused, too.
    """

    def __init__(self, app: ASGIApp, *, gateway: Gateway, origins: Collection[str]) -> None:
        self._app = app
        self._gateway = gateway
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application. https://asgi.readthedocs.io"""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        app = self._app
        try:
            self._check(Headers(scope=scope))
        except OriginNotAllowed as error:
            app = failed(error, HTTPConnection(scope))
        if not bus().wants(RequestServed):
            return await app(scope, receive, send)
        served = _Served(scope, send)
        try:
            await app(scope, receive, served.send)
        finally:
            served.tell()

    def _check(self, headers: Headers) -> None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._gateway.tokens.is_open and not _is_here(host):
            raise OriginNotAllowed(host)
        if origin is not None and origin not in self._origins and not _is_of(origin, host):
            raise OriginNotAllowed(origin)


class _Served:
    """One request, until its answer has ended."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._began = time.perf_counter()
        self._status = 499  # the client went away before there was an answer

    async def send(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            self._status = message["status"]
        elif message["type"] == "websocket.accept":
            self._status = 101
        await self._send(message)

    def tell(self) -> None:
        scope = self._scope
        path = getattr(scope.get("route"), "path", "")  # not the path itself: there are endless many
        is_websocket = scope["type"] == "websocket"
        bus().emit(
            RequestServed(
                edge="websocket" if is_websocket else "http",
                route=f"{'WEBSOCKET' if is_websocket else scope['method']} {path}",
                status=self._status,
                error_type=scope.get("state", {}).get("error_type", ""),
                seconds=time.perf_counter() - self._began,
            )
        )


def _is_of(origin: str, host: str) -> bool:
    """Whether a page comes from where the request goes to."""
    try:
        return urlsplit(origin).netloc == host != ""
    except ValueError:
        return False


@lru_cache(maxsize=1024)
def _is_here(host: str) -> bool:
    """Whether a `Host` header names this machine by its loopback address."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
