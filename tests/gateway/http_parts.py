"""A gateway behind a real socket, its tokens, and clients for it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Any, NamedTuple

import httpx2
import websockets

from axon import Supervisor, child
from axon.gateway import Gateway, Token, Tokens
from axon.gateway.http import HTTPServer, application, bind

ADA, BOB, EVE = "ada's secret of some length", "bob's secret of some length", "eve's secret of some length"
TOKENS = Tokens(
    [
        Token(name="ada", secret=ADA, scopes={"read", "run", "approve", "admin"}),
        Token(name="bob", secret=BOB, scopes={"read", "run", "approve"}),
        Token(name="eve", secret=EVE, scopes={"read"}),
    ]
)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@asynccontextmanager
async def serving(gateway: Gateway, **options: Any) -> AsyncGenerator[str]:
    """The base URL under which a gateway is served; with a `Gateway` that is not entered yet it is entered, too."""
    with closing(bind("127.0.0.1", 0)) as listener:
        async with gateway:
            app: Any = application(gateway, **options)  # uvicorn has its own types of the same protocol
            server = HTTPServer(gateway, listener, app=app, drain=1)
            async with Supervisor([child(server, id="http", shutdown=5)]):
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def client(gateway: Gateway, secret: str | None = None, **options: Any) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of a gateway that is served as long as it lives."""
    headers = {} if secret is None else bearer(secret)
    async with (
        serving(gateway, **options) as url,
        httpx2.AsyncClient(base_url=url, headers=headers, timeout=20) as http,
    ):
        yield http


def at(http: httpx2.AsyncClient) -> tuple[str, int]:
    """Where the server of a client listens."""
    return http.base_url.host, http.base_url.port or 80


class Frame(NamedTuple):
    """A server-sent event."""

    id: str
    event: str
    data: Any


async def frames(answer: httpx2.Response) -> AsyncIterator[Frame]:
    """The events of a stream, as they come."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield Frame(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
            fields = {}


async def read(http: httpx2.AsyncClient, method: str, path: str, **options: Any) -> list[Frame]:
    """All events of a stream."""
    async with http.stream(method, path, **options) as answer:
        assert answer.status_code == 200, await answer.aread()
        return [frame async for frame in frames(answer)]


@asynccontextmanager
async def websocket(
    http: httpx2.AsyncClient, path: str, headers: dict[str, str] | None = None
) -> AsyncGenerator[websockets.ClientConnection]:
    url = str(http.base_url).replace("http", "ws", 1).rstrip("/") + path
    async with websockets.connect(url, additional_headers=headers, proxy=None) as socket:
        yield socket


async def said(socket: websockets.ClientConnection) -> list[dict[str, Any]]:
    """All frames until it is closed, for whatever reason."""
    found: list[dict[str, Any]] = []
    with suppress(websockets.ConnectionClosed):
        while True:
            found.append(json.loads(await socket.recv()))
    return found
