"""Whatever a client sends over a WebSocket: it hears what is wrong or has its answer, and no agent notices."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import hypothesis.strategies as st
import pytest
import websockets
from http_parts import said, serving
from hypothesis import given, settings
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

import axon
from axon.agent import AgentServer
from axon.gateway import Gateway

pytestmark = pytest.mark.slow

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
FIELDS = {
    "prompt": JSON | st.text(max_size=50),
    "message_history": JSON | st.lists(st.fixed_dictionaries({"kind": st.just("request"), "parts": JSON}), max_size=3),
    "deps": JSON,
    "idempotency_key": JSON,
    "anything": JSON,
}
REQUESTS = st.fixed_dictionaries({}, optional=FIELDS).map(json.dumps)
MESSAGES = st.lists(REQUESTS | JSON.map(json.dumps) | st.text(max_size=100) | st.binary(max_size=100), min_size=1)
"""Good requests, nearly good ones, and anything else."""


class Place(NamedTuple):
    """A gateway with an agent, on a loop of its own."""

    loop: asyncio.AbstractEventLoop
    url: str
    agent: AgentServer[Any, Any]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    ready, done = threading.Event(), asyncio.Event()
    found: list[Place] = []

    async def serve() -> None:
        gateway = Gateway()
        async with serving(gateway) as url:
            model = TestModel(custom_output_text="an answer")
            agent = await gateway.serve(AgentServer(Agent(model), name="echo"))
            ws = url.replace("http", "ws", 1) + "/agents/echo/run_stream"
            found.append(Place(asyncio.get_running_loop(), ws, agent))
            ready.set()
            await done.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(20)
    yield found[0]
    found[0].loop.call_soon_threadsafe(done.set)
    thread.join()


async def converse(url: str, messages: list[str | bytes]) -> tuple[list[dict[str, Any]], int | None]:
    async with asyncio.timeout(20), websockets.connect(url, proxy=None) as ws:
        for message in messages:
            try:
                await ws.send(message)
            except websockets.ConnectionClosed:
                break
        return await said(ws), ws.close_code


@settings(max_examples=int(os.environ.get("AXON_EXAMPLES", "60")), deadline=None)
@given(messages=MESSAGES)
def test_whatever_is_sent_over_a_websocket_has_an_answer(place: Place, messages: list[str | bytes]) -> None:
    async def check() -> None:
        before = axon.whereis(place.agent)
        frames, code = await converse(place.url, messages)
        assert [frame["status"] for frame in frames[:-1]] == ["chunk"] * (len(frames) - 1)
        assert (frames[-1]["status"], code) in (("complete", 1000), ("error", 1008))
        assert axon.whereis(place.agent) is before, "the agent crashed"

    asyncio.run_coroutine_threadsafe(check(), place.loop).result()


HANDSHAKE = (
    "GET /agents/echo/run_stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def frame(flags: int, opcode: int, masked: int, length: int, rest: bytes) -> bytes:
    """The bytes of a frame: mostly of one that must not be."""
    return bytes([flags << 4 | opcode, masked << 7 | length]) + rest


NIBBLE = st.integers(0, 15)
FRAME = st.builds(frame, NIBBLE, NIBBLE, st.integers(0, 1), st.integers(0, 127), st.binary(max_size=150))


@settings(max_examples=int(os.environ.get("AXON_EXAMPLES", "60")), deadline=None)
@given(sent=st.lists(FRAME | st.binary(max_size=50), min_size=1, max_size=5))
def test_whatever_bytes_are_sent_as_frames_the_connection_ends_and_nothing_else(
    place: Place, sent: list[bytes]
) -> None:
    async def check() -> None:
        before = axon.whereis(place.agent)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(place.url.split(":")[2].split("/")[0]))
        writer.write(HANDSHAKE.encode())
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"".join(sent))
        writer.write_eof()
        async with asyncio.timeout(20):
            with suppress(ConnectionError):
                await reader.read()
        writer.transport.abort()
        assert axon.whereis(place.agent) is before, "the agent crashed"

    asyncio.run_coroutine_threadsafe(check(), place.loop).result()


def test_a_good_request_is_still_answered_after_all_that(place: Place) -> None:
    sent = converse(place.url, [json.dumps({"prompt": "hi", "message_history": []})])
    frames, code = asyncio.run_coroutine_threadsafe(sent, place.loop).result()
    assert (frames[-1]["result"], code) == ("an answer", 1000)
