"""Answers of an agent that are no plain future: streams of a turn, and refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from pydantic_ai import AgentRunResult, AgentRunResultEvent
from pydantic_ai.messages import ModelResponse, TextPart

from ..errors import AxonError
from ._order import Order
from ._state import Admitted, AgentState
from ._text import BREAK, Event, answer_of, text_of


def answer_to(state: AgentState, order: Order) -> asyncio.Future[AgentRunResult[Any]]:
    """The result of a turn, which begins now if it has not; or why it is refused."""
    try:
        return state.admit(order, streamed=False)[0]
    except AxonError as error:
        refused: asyncio.Future[Any] = state.process.runtime.loop.create_future()
        refused.set_exception(error)
        return refused


def kept(state: AgentState, order: Order, *, streamed: bool) -> asyncio.Future[None]:
    """Done when the message is kept; or why it is refused."""
    try:
        return state.take(order, streamed=streamed)
    except AxonError as error:
        refused: asyncio.Future[None] = state.process.runtime.loop.create_future()
        refused.set_exception(error)
        return refused


def events_of(state: AgentState, order: Order, after: str | None) -> AsyncGenerator[tuple[str, Any], None]:
    """The events of a turn, which begins now if it has not."""
    if state.passivation.passive:
        return _when_active(state, lambda: events_of(state, order, after))
    admitted = _admitted(state, order)
    if isinstance(admitted, AxonError):
        return _raising(admitted)
    answer, feed = admitted
    return _result_only(state, answer) if feed is None else feed.follow(after)


def text_pieces(state: AgentState, order: Order, after: str | None) -> AsyncGenerator[tuple[str, str], None]:
    """The text of a turn, which begins now if it has not."""
    if state.passivation.passive:
        return _when_active(state, lambda: text_pieces(state, order, after))
    admitted = _admitted(state, order)
    if isinstance(admitted, AxonError):
        return _raising(admitted)
    answer, feed = admitted
    return _whole_text(state, answer, after) if feed is None else text_of(feed, after)


def answer_pieces(state: AgentState, order: Order, after: str | None) -> AsyncGenerator[tuple[str, Any], None]:
    """The text of a turn and its result."""
    if state.passivation.passive:
        return _when_active(state, lambda: answer_pieces(state, order, after))
    admitted = _admitted(state, order)
    if isinstance(admitted, AxonError):
        return _raising(admitted)
    answer, feed = admitted
    return _result_only(state, answer) if feed is None else answer_of(feed, after)


def _admitted(state: AgentState, order: Order) -> Admitted | AxonError:
    try:
        return state.admit(order, streamed=True)
    except AxonError as error:
        return error


async def _when_active(
    state: AgentState, make: Callable[[], AsyncGenerator[tuple[str, Any], None]]
) -> AsyncGenerator[tuple[str, Any], None]:
    def begin() -> asyncio.Future[AsyncGenerator[tuple[str, Any], None]]:
        begun = state.process.runtime.loop.create_future()
        begun.set_result(make())
        return begun

    async with aclosing(await state.passivation.when_active(begin)) as items:
        async for item in items:
            yield item


async def _raising(error: AxonError) -> AsyncGenerator[Any, None]:
    raise error
    yield


async def _result_only(
    state: AgentState, answer: asyncio.Future[AgentRunResult[Any]]
) -> AsyncGenerator[tuple[str, Event], None]:
    """Of a turn whose events are not kept any more there is the result."""
    yield f"{state.journal.epoch}.0", AgentRunResultEvent(await answer)


async def _whole_text(
    state: AgentState, answer: asyncio.Future[AgentRunResult[Any]], after: str | None
) -> AsyncGenerator[tuple[str, str], None]:
    result = await answer
    texts = [
        "".join(part.content for part in message.parts if isinstance(part, TextPart))
        for message in result.new_messages()
        if isinstance(message, ModelResponse)
    ]
    if after is None:
        yield f"{state.journal.epoch}.0", BREAK.join(text for text in texts if text)
