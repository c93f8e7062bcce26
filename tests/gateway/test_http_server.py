"""uvicorn as a process: it starts, is restarted on its port, and ends in order or at once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx2
import pytest

import axon
from axon import InvalidOption, Supervisor, child
from axon.gateway import Gateway
from axon.gateway.http import bind
from axon.gateway.http._server import HTTPServer, HTTPServerStopped
from axon.telemetry import ChildRestarted, ProcessCrashed
from axon.testing import capture_events

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers `/`, `/slow` a little later, and `/hangs` never."""
    if scope["path"] == "/slow":
        await asyncio.sleep(0.4)
    if scope["path"] == "/hangs":
        await asyncio.Event().wait()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with closing(bind("127.0.0.1", 0)) as listener:
        yield listener


def url(listener: socket.socket, path: str = "/") -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}{path}"


async def test_it_serves_and_when_it_is_stopped_lets_requests_end(listener: socket.socket) -> None:
    async with (
        httpx2.AsyncClient() as client,
        Supervisor([child(HTTPServer(Gateway(), listener, app=app), shutdown=5)]),
    ):
        assert (await client.get(url(listener))).text == "ok"
        slow = asyncio.create_task(client.get(url(listener, "/slow")))
        await asyncio.sleep(0.1)
    assert (await slow).text == "ok"


async def test_a_request_that_does_not_end_is_cut_off(listener: socket.socket) -> None:
    async with httpx2.AsyncClient() as client:
        async with Supervisor([child(HTTPServer(Gateway(), listener, app=app, drain=1), shutdown=5)]):
            hangs = asyncio.create_task(client.get(url(listener, "/hangs")))
            await asyncio.sleep(0.1)
        [ended] = await asyncio.gather(hangs, return_exceptions=True)
    assert isinstance(ended, httpx2.RemoteProtocolError) or (
        isinstance(ended, httpx2.Response) and ended.status_code == 500
    )


async def test_after_a_crash_it_is_back_on_the_same_port_and_nobody_was_refused(listener: socket.socket) -> None:
    with capture_events(ProcessCrashed, ChildRestarted) as events:
        async with (
            httpx2.AsyncClient() as client,
            Supervisor([child(HTTPServer(Gateway(), listener, app=app), id="web")]) as tree,
        ):
            state = await axon.get_state(tree.get(HTTPServer, "web"))
            state.uvicorn.should_exit = True
            crash = await events.until(ProcessCrashed)
            assert isinstance(crash.reason, HTTPServerStopped)
            assert (await client.get(url(listener))).text == "ok"
            await events.until(ChildRestarted)


async def test_killed_it_leaves_no_request_behind(listener: socket.socket) -> None:
    async with (
        httpx2.AsyncClient() as client,
        Supervisor([child(HTTPServer(Gateway(), listener, app=app), id="web")]) as tree,
    ):
        hangs = asyncio.create_task(client.get(url(listener, "/hangs")))
        await asyncio.sleep(0.1)
        axon.exit(tree.get(HTTPServer, "web"), axon.kill)
        [ended] = await asyncio.gather(hangs, return_exceptions=True)
        assert isinstance(ended, httpx2.TransportError)
        assert (await client.get(url(listener))).text == "ok"


def test_an_address_that_cannot_be_used_is_refused_by_name(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(InvalidOption, match=rf"host and port must be .*in use.*127.0.0.1:{port}"):
        bind("127.0.0.1", port)
    with pytest.raises(InvalidOption, match="port must be a number from 0 to 65535, got: 70000"):
        bind("127.0.0.1", 70000)
    with pytest.raises(InvalidOption, match="host and port"):
        bind("no such host", 0)
