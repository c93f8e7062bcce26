"""One call of a client: what it brings, and the answers it gets."""

from __future__ import annotations

import asyncio
from typing import TypeAlias, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from grpc import aio

from ...wire import BadMessage, Problem
from .._errors import RequestTimeout, TooLarge
from .._failure import Failure
from ._details import status_of

DETAILS = "grpc-status-details-bin"
"""Where clients look for a `google.rpc.Status`."""
ARRIVAL = 30.0
"""Seconds in which a request arrives: one that never does holds a place."""

Context: TypeAlias = "aio.ServicerContext[bytes, bytes]"
M = TypeVar("M", bound=Message)


class Call:
    """A call that waits to be read: who makes it is known from its metadata, before any of its request is.

    max_message: bytes that an answer may have.
    """

    def __init__(self, context: Context, max_message: int) -> None:
        self._context = context
        self._max_message = max_message
        metadata = [(key, value) for key, value in context.invocation_metadata() or () if isinstance(value, str)]
        self._metadata = dict(metadata)
        if sum(key == "authorization" for key, _ in metadata) > 1:
            del self._metadata["authorization"]  # somebody in front may have looked at the other one

    @property
    def token(self) -> str | None:
        """The secret of `authorization: Bearer …`, None without one."""
        scheme, _, secret = self._metadata.get("authorization", "").partition(" ")
        return (secret.strip() or None) if scheme.lower() == "bearer" else None

    @property
    def key(self) -> str:
        """The idempotency key in the metadata, for clients that know the original fields alone; empty without one."""
        return self._metadata.get("idempotency-key", "")

    @property
    def left(self) -> float | None:
        """Seconds until the client's deadline; None without one."""
        left: float | None = self._context.time_remaining()
        return None if left is None else max(0.0, left)

    async def read(self, kind: type[M]) -> M:
        """The request. Raises `BadMessage`, `RequestTimeout`."""
        try:
            async with asyncio.timeout(ARRIVAL):
                data: object = await self._context.read()
        except TimeoutError:
            raise RequestTimeout(ARRIVAL) from None
        if not isinstance(data, bytes):
            raise BadMessage([Problem("", "there is none")], kind.DESCRIPTOR.name)
        try:
            return kind.FromString(data)
        except DecodeError:
            raise BadMessage([Problem("", "these bytes are no such message")], kind.DESCRIPTOR.name) from None

    async def tell(self, *metadata: tuple[str, str]) -> None:
        """Tell the client something before the first answer."""
        await self._context.send_initial_metadata(metadata)

    def has_room(self, message: Message) -> bool:
        """Whether an answer is no larger than it may be."""
        return message.ByteSize() <= self._max_message

    async def write(self, message: Message) -> None:
        """An answer; waits until the client has room for it. Raises `TooLarge`."""
        if not self.has_room(message):
            raise TooLarge("answer", self._max_message, "bytes")
        await self._context.write(message.SerializeToString())

    async def fail(self, failure: Failure) -> None:
        """End it with this failure."""
        status = status_of(failure)
        await self._context.abort(
            grpc.StatusCode[failure.grpc], status.message, ((DETAILS, status.SerializeToString()),)
        )

    def is_over(self) -> None:
        """Let go of what gRPC keeps of it."""
        del self._context
