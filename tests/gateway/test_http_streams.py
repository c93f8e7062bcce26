"""Streams over HTTP: a client that dies loses nothing, and nobody else reads what was meant for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct

import httpx2
import pytest
import websockets
from gateway_parts import talker
from http_parts import ADA, BOB, TOKENS, Frame, at, bearer, client, read, said, websocket

from axon.gateway import Gateway
from axon.store import MemoryStore
from axon.testing import eventually
from axon.testing.models import Say, Stall

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

WORDS = " ".join(f"w{n}" for n in range(30))
HI = {"prompt": "hi"}
KEY = {"Idempotency-Key": "k"}


async def reset_after(http: httpx2.AsyncClient, count: int, last: str | None) -> list[Frame]:
    """Read so many events over a socket that is then reset, as when a client is killed."""
    reader, writer = await asyncio.open_connection(*at(http))
    body = json.dumps(HI).encode()
    head = ["POST /agents/talker/run_stream HTTP/1.1", f"Host: 127.0.0.1:{http.base_url.port}"]
    head += ["Content-Type: application/json", f"Content-Length: {len(body)}", "Idempotency-Key: k"]
    head += [f"Authorization: Bearer {ADA}"] + ([] if last is None else [f"Last-Event-ID: {last}"])
    writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    seen: list[Frame] = []
    fields: dict[str, str] = {}
    while len(seen) < count:
        line = (await reader.readline()).decode().strip()
        name, colon, value = line.partition(": ")
        if colon and name in ("id", "event", "data"):
            fields[name] = value
        elif not line and "data" in fields:
            seen.append(Frame(fields["id"], fields["event"], json.loads(fields["data"])))
            fields = {}
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no orderly end
    writer.transport.abort()
    return seen


@pytest.mark.parametrize("is_durable", [False, True])
async def test_a_client_that_dies_in_the_middle_comes_back_and_sees_every_event_once(is_durable: bool) -> None:
    gateway = Gateway(tokens=TOKENS)
    async with client(gateway, ADA) as http:
        store = MemoryStore() if is_durable else None
        await gateway.serve(talker(Say(WORDS, every=0.01), store=store))
        seen: list[Frame] = []
        for _ in range(4):
            seen += await reset_after(http, 5, seen[-1].id if seen else None)
        assert (await http.get("/runs/talker:k")).json()["status"] == "running"

        seen += await read(http, "GET", "/runs/talker:k/events", headers={"Last-Event-ID": seen[-1].id})

        assert len({frame.id for frame in seen}) == len(seen)
        assert "".join(frame.data["data"] for frame in seen[:-1]) == WORDS == seen[-1].data["result"]
        assert [frame.event for frame in seen[20:]] == ["chunk"] * 10 + ["complete"]


async def test_another_token_reads_no_event_of_it() -> None:
    gateway = Gateway(tokens=TOKENS)
    async with client(gateway, ADA) as http:
        await gateway.serve(talker(Say(WORDS, every=0.01), Say("bob's own")))
        first = await reset_after(http, 1, None)
        for path in ("", "/events", "/result"):
            for last in ({}, {"Last-Event-ID": first[0].id}):
                answer = await http.get(f"/runs/talker:k{path}", headers=bearer(BOB) | last)
                assert (answer.status_code, answer.json()["error_type"]) == (404, "RunNotFound")
        own = await read(http, "POST", "/agents/talker/run_stream", json=HI, headers=KEY | bearer(BOB))
        assert own[-1].data["result"] == "bob's own"


async def test_a_client_that_goes_away_does_not_end_its_run() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        agent = await gateway.serve(talker(*[Say("still here", after=0.2)] * 3))
        with pytest.raises(httpx2.ReadTimeout):
            await http.post("/agents/talker/run_sync", json=HI, headers={"Idempotency-Key": "a"}, timeout=0.05)
        async with http.stream("POST", "/agents/talker/run_stream", json=HI, headers={"Idempotency-Key": "b"}):
            pass
        async with websocket(http, "/agents/talker/run_stream", {"Idempotency-Key": "c"}) as ws:
            await ws.send(json.dumps(HI))
            await eventually(lambda: gateway.intake.under_way == 3)
        for key in "abc":
            assert (await http.get(f"/runs/talker:{key}/result")).json()["result"] == "still here"
        assert len(await agent.messages()) == 6


async def test_a_reader_that_goes_away_is_let_go_though_nothing_is_said() -> None:
    """The run waits for its model all the time; the stream's tasks and sockets do not wait with it."""
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker(Stall()))
        before = len(asyncio.all_tasks())
        async with (
            http.stream("POST", "/agents/talker/run_stream", json=HI),
            websocket(http, "/agents/talker/run_stream") as ws,
        ):
            await ws.send(json.dumps(HI))
            await eventually(lambda: gateway.intake.under_way == 2)
            assert len(asyncio.all_tasks()) > before + 4
        await http.post("/runs/none:k/cancel")
        await eventually(lambda: len(asyncio.all_tasks()) <= before + 6)
        assert gateway.intake.under_way == 2


async def test_a_run_that_fails_in_its_stream_says_so_in_its_last_frame() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker(Say("one two", every=0.05), Stall()))
        late = {"Request-Timeout": "0.1"}
        assert [frame.event for frame in await read(http, "POST", "/agents/talker/run_stream", json=HI)][
            -1
        ] == "complete"
        *_, last = await read(http, "POST", "/agents/talker/run_stream", json=HI, headers=late)
        assert (last.event, last.data["status"], last.data["error_type"]) == ("error", "error", "DeadlineExceeded")


async def test_two_readers_of_one_run_see_the_same() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker(Say(WORDS, every=0.005)))
        both = await asyncio.gather(
            *(read(http, "POST", "/agents/talker/run_stream", json=HI, headers=KEY) for _ in range(2))
        )
        assert both[0] == both[1]
        assert await read(http, "GET", "/runs/talker:k/events") == both[0]


async def test_a_last_event_id_without_a_key_is_refused() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker())
        for last in ("1.2", "nonsense", "1." + "9" * 30):
            refused = await http.post("/agents/talker/run_stream", json=HI, headers={"Last-Event-ID": last})
            assert refused.status_code == 400
        assert gateway.intake.under_way == 0


async def test_a_websocket_says_what_is_wrong_and_is_closed() -> None:
    gateway = Gateway(tokens=TOKENS)
    async with client(gateway) as http:
        await gateway.serve(talker())
        for agent, headers, message, error in (
            ("talker", {}, json.dumps(HI), "InvalidToken"),
            ("nobody", bearer(ADA), json.dumps(HI), "AgentNotFound"),
            ("talker", bearer(ADA), "no json", "ValidationError"),
            ("talker", bearer(ADA), b"\0", "InvalidOption"),
            ("talker", bearer(ADA), json.dumps({"prompt": "x" * 5_000_000}), "TooLarge"),
            ("talker", bearer(ADA) | {"Request-Timeout": "soon"}, json.dumps(HI), "ValidationError"),
            ("talker", bearer(ADA) | {"Idempotency-Key": "../x"}, json.dumps(HI), "InvalidOption"),
        ):
            async with websocket(http, f"/agents/{agent}/run_stream", headers) as ws:
                with contextlib.suppress(websockets.ConnectionClosed):
                    await ws.send(message)
                [frame] = await said(ws)
                assert (frame["status"], frame["error_type"], ws.close_code) == ("error", error, 1008)


async def test_a_websocket_that_comes_back_with_its_key_has_the_same_answer() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker(Say(WORDS, every=0.005)))
        answers: list[str] = []
        for _ in range(2):
            async with websocket(http, "/agents/talker/run_stream") as ws:
                await ws.send(json.dumps(HI | {"idempotency_key": "k"}))
                answers.append((await said(ws))[-1]["result"])
        assert answers == [WORDS, WORDS]
