"""The requests that are under way to a child, and what becomes of its answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any, TypeAlias

from ..errors import AxonError
from ..process import Runtime, deadline_at
from ..wire import Method, value_in
from ._channel import Channel
from ._frames import Frame, Kind, encode
from ._inbox import Inbox
from ._life import Life
from ._onbehalf import on_behalf
from ._reasons import error_from_data

_Waiting: TypeAlias = "tuple[asyncio.Future[Any], Method] | tuple[Inbox, Method]"


class Requests:
    """Those of one port. due: told when one was made that has a deadline."""

    def __init__(self, home: Runtime, life: Life, channel: Channel, due: Callable[[], None]) -> None:
        self._loop = home.loop
        self._life = life
        self._channel = channel
        self._due = due
        self._waiting: dict[int, _Waiting] = {}
        self._next = 0

    def name_of(self, number: int) -> str:
        """What a request is for."""
        waiting = self._waiting.get(number)
        return "a request" if waiting is None else waiting[1].where

    # -- what is asked

    def call(self, method: Method, encoded: Callable[[], bytes]) -> Any:
        """The future of an answer, or, while there is no room in the channel, a coroutine that gives it."""
        if self._channel.full:
            return self._when_there_is_room(partial(self.call, method, encoded))
        answer: asyncio.Future[Any] = self._loop.create_future()
        try:
            self._ask(encoded(), (answer, method))
        except AxonError as error:  # it cannot cross: its asker's mistake
            answer.set_exception(error)
        return answer

    def cast(self, encoded: bytes) -> Any:
        """Send a one-way message; while there is no room, a coroutine that does. Raises `FrameTooLarge`."""
        if self._channel.full:
            return self._when_there_is_room(partial(self.cast, encoded))
        self._send(0, encoded)
        return None

    async def stream(self, method: Method, encoded: Callable[[], bytes]) -> AsyncGenerator[Any, None]:
        """The items of a stream; the request is made for the first one, and closing this closes the stream."""
        await self._channel.room()
        inbox = Inbox()
        number = self._ask(encoded(), (inbox, method))
        try:
            async for body, credit in inbox:
                yield value_in(method, body)
                if credit:
                    self._channel.send(Kind.CREDIT, number, str(credit).encode())
        finally:
            if self._waiting.pop(number, None) is not None:
                self._life.over(number)
                self._channel.send(Kind.CLOSE, number)

    async def _when_there_is_room(self, then: Callable[[], Any]) -> Any:
        await self._channel.room()
        return then()

    def _ask(self, body: bytes, waiting: _Waiting) -> int:
        self._next += 1
        number = self._next
        self._send(number, body)
        self._waiting[number] = waiting
        due = deadline_at.get()
        self._life.asked(number, due)
        if due is not None:
            self._due()
        return number

    def _send(self, number: int, body: bytes) -> None:
        who = on_behalf()
        request = encode(Kind.REQUEST, number, body)  # first: without it its context would be that of the next one
        if who is not None:
            self._channel.send(Kind.CONTEXT, number, who.model_dump_json().encode())
        self._channel.write(request)

    # -- what is answered

    def hear(self, frame: Frame) -> None:
        """An answer, an item, the end of a stream, or an error. Raises pydantic's `ValidationError` if it is none."""
        kind, number, body = frame
        waiting = self._waiting.get(number)
        if waiting is None:
            return  # nobody reads that stream any more
        whom, method = waiting
        if kind is Kind.ITEM and isinstance(whom, Inbox):
            whom.put(body)
            return
        del self._waiting[number]
        self._life.over(number)
        error = error_from_data(body, method.raises) if kind is Kind.ERROR else None
        if isinstance(whom, Inbox):
            whom.end(error)
        elif not whom.done():
            _answer(whom, method, body, error)

    def forget(self) -> None:
        """Nobody answers any more; whoever waits hears that from the server, which has died."""
        self._waiting.clear()


def _answer(whom: asyncio.Future[Any], method: Method, body: bytes, error: Exception | None) -> None:
    if error is not None:
        whom.set_exception(error)
        return
    try:
        whom.set_result(value_in(method, body))
    except AxonError as wrong:
        whom.set_exception(wrong)
