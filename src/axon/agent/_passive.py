"""Idle agents that cost next to nothing: their messages go back to the store until somebody asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar

from ..process import Timer
from ._journal import Journal

R = TypeVar("R")


class Passivation:
    """Whether an agent has its messages at hand; it is passive once it was idle for `seconds`, None for never."""

    def __init__(self, journal: Journal, seconds: float | None, crash: Callable[[Exception], None]) -> None:
        self.passive: bool = False
        self._journal = journal
        self._seconds = seconds
        self._crash = crash
        self._timer: Timer | None = None
        self._waiting: list[Callable[[], None]] = []
        self._fetching: asyncio.Task[None] | None = None
        if seconds is not None:
            journal.process.on_death(self._end)

    def idle(self, forget: Callable[[], None]) -> None:
        """Nothing is under way: if it stays so for long enough, `forget()` what else can be had again."""
        if self._seconds is not None and self._timer is None:
            runtime = self._journal.process.runtime
            self._timer = runtime.timers.after(self._seconds, lambda: self._let_go(forget))

    def busy(self) -> None:
        """It has something to do."""
        timer, self._timer = self._timer, None
        if timer is not None:
            self._journal.process.runtime.timers.cancel(timer)

    def _end(self) -> None:
        self.busy()
        if self._fetching is not None:
            self._fetching.cancel()

    def _let_go(self, forget: Callable[[], None]) -> None:
        self._timer = None
        if self._journal.process.reason is None and self._journal.put_down():
            self.passive = True
            forget()

    def when_active(self, step: Callable[[], asyncio.Future[R]]) -> asyncio.Future[R]:
        """Take a step that needs the messages: now, or as soon as they are there, in the order asked."""
        if not self.passive:
            return step()
        loop = self._journal.process.runtime.loop
        answer: asyncio.Future[R] = loop.create_future()
        context = copy_context()
        self._waiting.append(lambda: context.run(_pass_on, step, answer))
        if self._fetching is None:
            self._fetching = loop.create_task(self._fetch())
        return answer

    async def _fetch(self) -> None:
        try:
            await self._journal.take_up()
        except Exception as error:
            self._crash(error)
            return
        self._fetching, self.passive = None, False
        waiting, self._waiting = self._waiting, []
        for step in waiting:
            step()


def _pass_on(step: Callable[[], asyncio.Future[Any]], answer: asyncio.Future[Any]) -> None:
    def done(result: asyncio.Future[Any]) -> None:
        if answer.done():
            return
        if result.cancelled():
            answer.cancel()
        elif (error := result.exception()) is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result.result())

    step().add_done_callback(done)
