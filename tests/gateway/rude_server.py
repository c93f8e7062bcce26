"""An HTTP server that answers by a script, and breaks off where that says so: what networks and proxies do to a client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    at: float


@dataclass
class RudeServer:
    """`url` is where it is, `asked` what it was asked. An answer is bytes, the connection is closed after each."""

    answers: Sequence[bytes]
    asked: list[Asked] = field(default_factory=list[Asked])
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = line.split(" ")
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        now = asyncio.get_running_loop().time()
        self.asked.append(Asked(method, path, headers, json.loads(body) if body else None, now))
        if answer == HANGS:
            await reader.read()
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


HANGS = b"hangs"
BREAKS = b""


def answer(status: int, body: object, **headers: str) -> bytes:
    """A whole answer."""
    text = json.dumps(body).encode()
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = [f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(text)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + text


def error(status: int, error_type: str, details: object = None, **headers: str) -> bytes:
    """An answer of the protocol's error model."""
    body = {"status": "error", "error_type": error_type, "message": "no", "details": details}
    return answer(status, body, **headers)


def events(*events: tuple[str, dict[str, Any]], ends: bool = False) -> bytes:
    """The beginning of a stream of events, each with its id and data; broken off unless it `ends` in order."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nrun-id: clerk:1\r\n"
    head += b"transfer-encoding: chunked\r\n\r\n"
    for id, data in events:
        text = f"event: {data['status']}\r\nid: {id}\r\ndata: {json.dumps(data)}\r\n\r\n".encode()
        head += f"{len(text):x}\r\n".encode() + text + b"\r\n"
    return head + (b"0\r\n\r\n" if ends else b"")


@asynccontextmanager
async def rude(*answers: bytes) -> AsyncGenerator[RudeServer]:
    """A server with this script, whose last answer is given again."""
    rude = RudeServer(answers)
    server = await asyncio.start_server(rude.serve, "127.0.0.1", 0)
    rude.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield rude
