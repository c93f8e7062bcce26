"""Connections of clients that are slow or talk too much: the head of a request has a size, and a time to arrive."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
"""Bytes of a request line with all headers."""
HEAD_TIME = 15.0
"""Seconds in which they have to arrive, from the opening of a connection or their first byte."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, whose connections wait for no head for ever, and keep none of any length."""

    _late: asyncio.TimerHandle | None = None
    _size = 0

    def connection_made(self, transport: Any) -> None:
        """A connection was opened."""
        super().connection_made(cast("asyncio.Transport", _Together(transport, self.loop)))
        self._begin()

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        super().on_message_begin()
        self._begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer behind a chunked body: of those there may be any number, and nobody asks for them."""
        if self._late is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its last byte."""
        self._in_time()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """More of a request, or of the next one."""
        super().data_received(data)
        if self._late is not None:
            self._size += len(data)
            if self._size > MAX_HEAD:
                self._close("431 Request Header Fields Too Large")

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._in_time()
        super().connection_lost(exc)

    def _begin(self) -> None:
        if self._late is None:
            self._size = 0
            self._late = self.loop.call_later(HEAD_TIME, self._close, "408 Request Timeout")

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close(self, status: str) -> None:
        self._in_time()
        if not self.transport.is_closing():
            self.transport.write(f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode())
            self.transport.close()


class _Together:
    """A transport whose writes of one turn of the loop go out together: an answer's head and its body in one packet."""

    __slots__ = ("_loop", "_parts", "_transport")

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._parts and not self._transport.is_closing():
            self._transport.write(b"".join(self._parts))
        self._parts.clear()
