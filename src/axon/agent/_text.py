"""The text in a run's events, for readers who want to see the answer grow and nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeAlias

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

from ._feed import Feed, parsed_id

BREAK = "\n\n"
"""Between texts with a tool call between them, as pydantic-ai joins them."""

Event: TypeAlias = "AgentStreamEvent | AgentRunResultEvent[Any]"


async def text_of(feed: Feed[Event], after: str | None) -> AsyncGenerator[tuple[str, str], None]:
    """The pieces of text as the model writes them, each with the id of its event, for a reader who has those up to
    `after`. What comes before them is looked at, too, to know where one text ends and the next begins.
    """
    seen = (0, 0) if after is None else parsed_id(after)
    written = interrupted = False
    async with aclosing(feed.follow(after, again=True)) as events:
        async for id, event in events:
            match event:
                case (
                    PartStartEvent(part=TextPart(content=piece))
                    | PartDeltaEvent(delta=TextPartDelta(content_delta=piece))
                ) if piece:
                    text = BREAK + piece if interrupted else piece
                    written, interrupted = True, False
                    if parsed_id(id) > seen:
                        yield id, text
                case FunctionToolCallEvent() | PartStartEvent(part=NativeToolCallPart()):
                    interrupted = written
                case _:
                    pass  # kinds of events that are new to us are none of our business
