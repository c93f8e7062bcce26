"""Many answers to one request: items flow through a window, so that neither end runs away from the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextvars import copy_context
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import AnswerCancelled, CallTimeout, DeadlineExceeded, ServerDied, UsageError
from ..process import Process, Timer
from ._deferred import adopt

if TYPE_CHECKING:
    from ._process import ServerProcess

R = TypeVar("R")

WINDOW = 16
"""Items the server may be ahead of its reader."""


class Channel:
    """The server's end: a task that runs the handler's generator and waits while the window is full.

    It begins when the first item is asked for: a reader who went away before that leaves nothing running.
    """

    def __init__(self, server: ServerProcess, items: Any, due: float | None) -> None:
        self.server = server
        self.ended: BaseException | None = None
        self.at_end: Callable[[BaseException | None], None] | None = None  # told once, with what broke it off
        self._closed = False
        self._window: deque[Any] = deque()
        self._change: asyncio.Future[None] | None = None
        self._items: Any = items
        self._due = due
        self._context = copy_context()
        self._task: asyncio.Task[None] | None = None
        self._timer: Timer | None = None

    def _begin(self) -> None:
        items, self._items = self._items, None
        server, loop = self.server, self.server.runtime.loop
        if server.reason is not None:
            self.ended = ServerDied(server.path, server.reason)
            return
        self._task = loop.create_task(self._pump(items), context=self._context)
        self._task.add_done_callback(self._settle)
        adopt(server, self._task)
        server.on_death(self._server_died)
        if self._due is not None:
            self._timer = server.runtime.timers.after(max(0.0, self._due - loop.time()), self._deadline_passed)

    def _server_died(self) -> None:
        self._break_off(ServerDied(self.server.path, self.server.reason))

    def _deadline_passed(self) -> None:
        self._break_off(DeadlineExceeded(self.server.path))

    def _break_off(self, error: Exception) -> None:
        """The reader hears of it at once, however long the generator takes to clean up."""
        if self.ended is None:
            self.ended = error
            self._notify()
        self.close()

    async def _pump(self, items: AsyncIterator[Any]) -> None:
        try:
            async for item in items:
                self._window.append(item)
                self._notify()
                while len(self._window) >= WINDOW:
                    await self._changed()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # also SystemExit, which would end the event loop
            self.ended = error if self.ended is None else self.ended
        finally:
            if isinstance(items, AsyncGenerator | Stream):  # not every iterator can be closed
                await items.aclose()

    def _settle(self, task: asyncio.Task[None]) -> None:
        self.server.forget_on_death(self._server_died)
        if self._timer is not None:
            self.server.runtime.timers.cancel(self._timer)
        if self.ended is None:
            if task.cancelled():
                path, reason = self.server.path, self.server.reason
                self.ended = AnswerCancelled(path) if reason is None else ServerDied(path, reason)
            else:
                self.ended = task.exception() or StopAsyncIteration()
        self._notify()
        self._tell_end()

    def _tell_end(self) -> None:
        at_end, self.at_end = self.at_end, None
        if at_end is not None:
            at_end(None if self._closed or isinstance(self.ended, StopAsyncIteration) else self.ended)

    def _notify(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

    async def _changed(self) -> None:
        self._change = asyncio.get_running_loop().create_future()
        await self._change

    async def take(self, timeout: float | None) -> Any:
        """The next item; raises what ended the stream when none is left, `CallTimeout` when none came in time."""
        if self._items is not None:
            self._begin()
        while not self._window and self.ended is None:
            try:
                async with asyncio.timeout(timeout) if self._due is None else asyncio.timeout_at(self._due):
                    await self._changed()
            except TimeoutError:
                if self._due is not None:
                    raise DeadlineExceeded(self.server.path) from None
                raise CallTimeout(self.server.path, timeout or 0.0) from None
        if self._window:
            item = self._window.popleft()
            self._notify()
            return item
        assert self.ended is not None
        raise self.ended

    def close(self) -> None:
        """End the generator, since its reader is gone. It is cancelled once: a second time would abort its cleanup."""
        self._items = None
        self._closed = self.ended is None
        if self._task is None:
            self._tell_end()
        elif self.server.work is not None and self._task in self.server.work:
            self.server.work.remove(self._task)
            self._task.cancel()


class Stream(AsyncIterator[R], Generic[R]):
    """The reader's end of a `@stream` handler: iterate over it once.

    The handler starts at the first item. The stream ends when the handler returns, when it raises (the error comes
    here, the server goes on), when the server dies (`ServerDied`), or when this end is closed or dropped.
    """

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, Channel]], timeout: float | None) -> None:
        self._ask: Callable[[], Coroutine[Any, Any, Channel]] | None = ask
        self._timeout = timeout
        self._channel: Channel | None = None
        self._reader: Process | None = None
        self._reading = False

    def __aiter__(self) -> Stream[R]:
        return self

    async def __anext__(self) -> R:
        if self._ask is not None:
            ask, self._ask = self._ask, None
            self._channel = await ask()
            self._follow_reader(self._channel)
        if self._channel is None:
            raise StopAsyncIteration
        if self._reading:
            raise UsageError("this stream is being read already: it has one reader at a time")
        self._reading = True
        try:
            item: R = await self._channel.take(self._timeout)
        except CallTimeout:
            raise
        except BaseException:
            self._end()
            raise
        finally:
            self._reading = False
        return item

    def _follow_reader(self, channel: Channel) -> None:
        from ..process import running

        reader = copy_context().get(running)
        if reader is not None and reader.reason is None:
            reader.on_death(channel.close)
            self._reader = reader

    def _end(self) -> None:
        channel, self._channel, self._ask = self._channel, None, None
        if channel is not None:
            channel.close()
            if self._reader is not None:
                self._reader.forget_on_death(channel.close)

    async def aclose(self) -> None:
        """End the stream now, and the handler's generator with it."""
        self._end()

    async def __aenter__(self) -> Stream[R]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def __del__(self) -> None:
        channel = self._channel
        if channel is not None and not channel.server.runtime.loop.is_closed():
            # The collector may run in any thread and at any instant.
            channel.server.runtime.loop.call_soon_threadsafe(self._end)
