"""The runtime's end of the channel: bytes in, frames out, and whether there is room for more."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Self, cast

from ._errors import BadFrame
from ._frames import Decoder, Frame, Kind, encode

REST = 2**20
"""Bytes at most that are read of what a child has left in a channel that broke: more than the system keeps in one."""


class Channel(asyncio.Protocol):
    """An open channel. hear: told of each frame; broken: of what was none; closed: of the end."""

    def __init__(
        self, hear: Callable[[Frame], None], broken: Callable[[BadFrame], None], closed: Callable[[], None]
    ) -> None:
        self._hear, self._broken, self._closed = hear, broken, closed
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self._room = asyncio.Event()  # many may wait for it
        self._room.set()
        self._is_broken = False

    @classmethod
    async def over(
        cls,
        sock: socket.socket,
        hear: Callable[[Frame], None],
        broken: Callable[[BadFrame], None],
        closed: Callable[[], None],
    ) -> Self:
        """The channel over a connected socket, which is its own from now on, also if this fails."""
        channel = cls(hear, broken, closed)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=sock)
        except BaseException:
            sock.close()
            raise
        return channel

    @property
    def full(self) -> bool:
        """Whether what is sent now waits here until the child reads."""
        return not self._room.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)  # that of uvloop is none by its type

    def data_received(self, data: bytes) -> None:
        """Bytes of the child's; after what was no frame nothing is heard any more, not even an answer."""
        if self._is_broken:
            return
        try:
            for frame in self._decoder.feed(data):
                self._hear(frame)
        except BadFrame as error:
            self._is_broken = True
            self._broken(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more comes, but what the child said before it closed its end, if a request met that: asyncio reads no
        more from then on, and its last word is the reason of its end.
        """
        if exc is not None and self._transport is not None:
            self._read_the_rest(self._transport.get_extra_info("socket").fileno())
        self.resume_writing()
        self._transport = None
        self._closed()

    def _read_the_rest(self, fd: int) -> None:
        left = REST
        with suppress(OSError):
            while left > 0 and (data := os.read(fd, 65536)):
                left -= len(data)
                self.data_received(data)

    def pause_writing(self) -> None:
        """The child does not read as fast as it is written to."""
        self._room.clear()

    def resume_writing(self) -> None:
        """There is room again."""
        self._room.set()

    async def room(self) -> None:
        """Wait until there is room, or the channel is closed."""
        while self.full:  # again, if those that waited before have filled it
            await self._room.wait()

    def send(self, kind: Kind, number: int = 0, body: bytes = b"") -> None:
        """Send a frame, or nothing if the channel is closed. Raises `FrameTooLarge`."""
        self.write(encode(kind, number, body))

    def write(self, frame: bytes) -> None:
        """Send what is a frame already."""
        if self._transport is not None:
            self._transport.write(frame)

    def close(self) -> None:
        """Let go of it."""
        if self._transport is not None:
            self._transport.abort()
