"""The moment in which pydantic-ai begins a run or a streamed request: nothing may be cut off in it half begun."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Beginning(Generic[T]):
    """A block whose beginning is cancelled only once every task that it made has taken its first step.

    pydantic-ai runs the hooks around a run, and those around a streamed request, in a task, and gives it a coroutine to
    await. A task that is cancelled before its first step does not, and the coroutine is lost. has_begun: whether that
    task is known to have begun, so that there is nothing to look for.
    """

    def __init__(self, block: AbstractAsyncContextManager[T], has_begun: Callable[[], bool]) -> None:
        self._block = block
        self._has_begun = has_begun

    async def __aenter__(self) -> T:
        return await _Held(self._block.__aenter__(), self._has_begun)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._block.__aexit__(kind, error, trace)


class _Held(Generic[T]):
    """Awaits something, and holds a cancellation back until the tasks there are have begun."""

    def __init__(self, awaited: Awaitable[T], has_begun: Callable[[], bool]) -> None:
        self._awaited = awaited
        self._has_begun = has_begun

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self._awaited.__await__()
        error: BaseException | None = None
        while True:
            try:
                waits_for = next(steps) if error is None else steps.throw(error)
            except StopIteration as done:
                result: T = done.value
                return result
            finally:
                error = None  # which keeps this frame
            try:
                yield waits_for
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as thrown:  # what it waited for has failed, or is cancelled
                error = thrown
            if isinstance(error, asyncio.CancelledError) and not self._has_begun():
                yield from _until_begun()


def _until_begun() -> Generator[None, None, None]:
    """A turn of the loop at a time, until none of the tasks there are now has yet to begin."""
    for task in [task for task in asyncio.all_tasks() if _is_new(task)]:
        while _is_new(task):
            with suppress(asyncio.CancelledError):  # another one: it is counted, and one is passed on
                yield


def _is_new(task: asyncio.Task[Any]) -> bool:
    work = task.get_coro()
    return inspect.iscoroutine(work) and inspect.getcoroutinestate(work) == inspect.CORO_CREATED
