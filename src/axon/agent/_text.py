"""The text in a run's events, for readers who want to see the answer grow and nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from pydantic_ai import AgentRunResultEvent
from pydantic_ai.messages import (
    AgentStreamEvent,
    FunctionToolCallEvent,
    NativeToolCallPart,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)

BREAK = "\n\n"
"""Between texts with a tool call between them, as pydantic-ai joins them."""


async def text_of(
    events: AsyncGenerator[AgentStreamEvent | AgentRunResultEvent[Any], None],
) -> AsyncGenerator[str, None]:
    """The pieces of text as the model writes them; closing this closes `events`."""
    async with aclosing(events):
        async for piece in _pieces(events):
            yield piece


async def _pieces(events: AsyncIterator[AgentStreamEvent | AgentRunResultEvent[Any]]) -> AsyncGenerator[str, None]:
    written = interrupted = False
    async for event in events:
        match event:
            case (
                PartStartEvent(part=TextPart(content=piece)) | PartDeltaEvent(delta=TextPartDelta(content_delta=piece))
            ) if piece:
                if interrupted:
                    yield BREAK
                written, interrupted = True, False
                yield piece
            case FunctionToolCallEvent() | PartStartEvent(part=NativeToolCallPart()):
                interrupted = written
            case _:
                pass  # kinds of events that are new to us are none of our business
