"""What a run says as it goes, read over as many connections as that takes: each event exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Annotated, Any, Literal, Self

import httpx2
from pydantic import BaseModel, Field, TypeAdapter
from pydantic_ai.messages import ModelMessage

from .._requests import ErrorBody, RunAnswer, Usage
from ._errors import ErrorAnswer, GatewayUnreachable
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
        self, exchange: Exchange, agent_id: str, body: BaseModel, headers: Mapping[str, str], after: str | None
    ) -> None:
        self.last_event_id: str | None = after
        """The id of the last event that was read: give it as `after`, with the same idempotency key, to go on behind it."""
        self.idempotency_key: str = headers["idempotency-key"]
        """What names the run."""
        self.run_id: str | None = None
        """Its id, once it is taken."""
        self.answer: RunAnswer | None = None
        """What `run_sync` would have returned, once the stream has ended."""
        self._exchange = exchange
        self._path = f"/agents/{agent_id}/run_stream"
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
                async with aclosing(self._connected()) as pieces:
                    async for piece in pieces:
                        yield piece
            except (GatewayUnreachable, ErrorAnswer) as error:
                attempt = attempt + 1 if seen == self.last_event_id else 1
                if attempt >= self._exchange.attempts or not is_passing(error, idempotent=True):
                    raise
                await asyncio.sleep(pause_after(error, attempt))

    async def _connected(self) -> AsyncGenerator[str, None]:
        """What comes over one connection: of the run that begins, or later of the one that is known by its id."""
        after = {} if self.last_event_id is None else {"last-event-id": self.last_event_id}
        if self.run_id is None:
            connection = self._exchange.open("POST", self._path, body=self._body, headers={**self._headers, **after})
        else:
            connection = self._exchange.open("GET", f"/runs/{self.run_id}/events", headers=after)
        async with connection as answer:
            self.run_id = answer.headers.get("run-id", self.run_id)
            async for event in httpx2.EventSource(answer, max_event_size=LARGEST):
                frame = _FRAME.validate_json(event.data)
                if isinstance(frame, ErrorBody):
                    raise ErrorAnswer(None, frame.error_type, frame.message, frame.details)
                self.last_event_id = event.id or self.last_event_id
                if isinstance(frame, _Complete):
                    self.answer = RunAnswer(result=frame.result, messages=frame.messages, usage=frame.usage)
                    return
                yield frame.data
        raise GatewayUnreachable(self._path, "the stream ended in the middle of the run")


class _Chunk(BaseModel):
    status: Literal["chunk"]
    data: str


class _Complete(BaseModel):
    status: Literal["complete"]
    result: Any
    messages: list[ModelMessage] = []
    usage: Usage


_FRAME: TypeAdapter[_Chunk | _Complete | ErrorBody] = TypeAdapter(
    Annotated[_Chunk | _Complete | ErrorBody, Field(discriminator="status")]
)
