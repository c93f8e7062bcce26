"""What a run says as it goes, read over as many connections as that takes: each event exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from types import TracebackType
from typing import Self

import httpx2
from pydantic import BaseModel

from .._requests import Chunk, Complete, ErrorBody, RunAnswer
from ._errors import GatewayUnreachable, RequestFailed
from ._exchange import Exchange
from ._retries import is_passing, pause_after

LARGEST = 64 * 1024 * 1024
"""Bytes of one event: the last one holds the whole conversation."""


class RunEvents(AsyncIterator[str]):
    """The text of a run as the model writes it, once: `async for piece in client.run_stream("clerk", "Hello"):`.

    A connection that breaks is made again, and the run goes on meanwhile: no piece is lost or seen twice. Closing it
    ends the reading, and not the run. After a restart of the agent, what the model was saying is said again from the
    beginning of that answer. Raises what `Client.run_sync` raises.
    """

    def __init__(
        self, exchange: Exchange, path: str, body: BaseModel, headers: Mapping[str, str], after: str | None
    ) -> None:
        self.last_event_id: str | None = after
        """The id of the last piece that was read: give it as `after`, with the same idempotency key, to go on behind it."""
        self.answer: RunAnswer | None = None
        """The result, once the stream has ended."""
        self.idempotency_key: str = headers["idempotency-key"]
        """What names the run."""
        self._exchange = exchange
        self._path = path
        self._body = body
        self._headers = headers
        self._pieces = self._read()

    def __aiter__(self) -> RunEvents:
        return self

    async def __anext__(self) -> str:
        return await anext(self._pieces)

    async def aclose(self) -> None:
        """Stop reading."""
        await self._pieces.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _read(self) -> AsyncGenerator[str, None]:
        attempt = 0
        while self.answer is None:
            seen = self.last_event_id
            try:
                async for piece in self._connected():
                    yield piece
            except (GatewayUnreachable, RequestFailed) as error:
                attempt = attempt + 1 if seen == self.last_event_id else 1
                if attempt >= self._exchange.attempts or not is_passing(error, idempotent=True):
                    raise
                await asyncio.sleep(pause_after(error, attempt))

    async def _connected(self) -> AsyncGenerator[str, None]:
        """What comes over one connection."""
        headers = dict(self._headers)
        if self.last_event_id is not None:
            headers["last-event-id"] = self.last_event_id
        async with self._exchange.open("POST", self._path, body=self._body, headers=headers) as answer:
            async for event in httpx2.EventSource(answer, max_event_size=LARGEST):
                if event.event == "error":
                    raise _failed(event)
                self.last_event_id = event.id or self.last_event_id
                if event.event == "complete":
                    whole = Complete.model_validate_json(event.data)
                    self.answer = RunAnswer(result=whole.result, messages=whole.messages or [], usage=whole.usage)
                    return
                yield Chunk.model_validate_json(event.data).data
        raise GatewayUnreachable(self._path, "the stream ended in the middle of the run")


def _failed(event: httpx2.ServerSentEvent) -> RequestFailed:
    body = ErrorBody.model_validate_json(event.data)
    return RequestFailed(500, body.error_type, body.message, body.details)
