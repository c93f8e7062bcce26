"""The text in a run's events, for readers who want to see the answer grow and nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeAlias

from pydantic_ai import AgentRunResultEvent
from pydantic_ai.messages import (
    AgentStreamEvent,
    FinalResultEvent,
    FunctionToolCallEvent,
    NativeToolCallPart,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
)
from pydantic_core import to_json

from ._feed import Feed, parsed_id

BREAK = "\n\n"
"""Between texts with a tool call between them, as pydantic-ai joins them."""

Event: TypeAlias = "AgentStreamEvent | AgentRunResultEvent[Any]"


async def text_of(feed: Feed[Event], after: str | None) -> AsyncGenerator[tuple[str, str], None]:
    """The pieces of text as the model writes them, each with the id of its event, for a reader who has those up to
    `after`. What comes before them is looked at, too, to know where one text ends and the next begins.
    """
    seen, text = _seen(after), Text()
    async with aclosing(feed.follow(after, again=True)) as events:
        async for id, event in events:
            piece = text.piece(event)
            if piece and parsed_id(id) > seen:
                yield id, piece


async def answer_of(
    feed: Feed[Event], after: str | None
) -> AsyncGenerator[tuple[str, str | AgentRunResultEvent[Any]], None]:
    """As `text_of`, with a structured output as the JSON that the model writes, and at last the result."""
    seen, text, output = _seen(after), Text(), Output()
    async with aclosing(feed.follow(after, again=True)) as events:
        async for id, event in events:
            piece = text.piece(event) or output.piece(event)
            if parsed_id(id) <= seen:
                continue
            if isinstance(event, AgentRunResultEvent):
                yield id, event
            elif piece:
                yield id, piece


class Text:
    """The text in events that are given one after the other."""

    def __init__(self) -> None:
        self._written = self._interrupted = False

    def piece(self, event: Event) -> str:
        """What the event adds to it."""
        match event:
            case (
                PartStartEvent(part=TextPart(content=piece)) | PartDeltaEvent(delta=TextPartDelta(content_delta=piece))
            ) if piece:
                piece = BREAK + piece if self._interrupted else piece
                self._written, self._interrupted = True, False
                return piece
            case FunctionToolCallEvent() | PartStartEvent(part=NativeToolCallPart()):
                self._interrupted = self._written
            case _:
                pass  # kinds of events that are new to us are none of our business
        return ""


class Output:
    """The structured output in events that are given one after the other: the arguments of an output tool."""

    def __init__(self) -> None:
        self._started: PartStartEvent | None = None
        self._index: int | None = None

    def piece(self, event: Event) -> str:
        """What the event adds to its JSON."""
        match event:
            case PartStartEvent():
                self._started, self._index = event, None
            case FinalResultEvent(tool_name=str()) if self._started is not None:
                self._index = self._started.index
                part = self._started.part
                return _json(part.args) if isinstance(part, ToolCallPart) else ""
            case PartDeltaEvent(index=index, delta=ToolCallPartDelta(args_delta=args)) if index == self._index:
                return _json(args)
            case _:
                pass
        return ""


def _json(args: object) -> str:
    return args if isinstance(args, str) else "" if args is None else to_json(args).decode()


def _seen(after: str | None) -> tuple[int, int]:
    return (0, 0) if after is None else parsed_id(after)
