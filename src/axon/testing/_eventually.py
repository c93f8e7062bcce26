"""Waiting in a test for what happens at some time, without saying when."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

from ..process import checked_seconds

T = TypeVar("T")


@overload
async def eventually(condition: Callable[[], Awaitable[T]], *, within: float = ..., every: float = ...) -> T: ...
@overload
async def eventually(condition: Callable[[], T], *, within: float = ..., every: float = ...) -> T: ...
async def eventually(condition: Callable[[], object], *, within: float = 5.0, every: float = 0.01) -> object:
    """Ask `condition()` again and again until it returns something true, and return that.

    It may be a function or a coroutine function; an `AssertionError` that it raises counts as "not yet". within:
    seconds, default 5; then `AssertionError`, with what was seen last. every: seconds between two looks, default 0.01.
    On virtual time neither takes any. Not for what must never happen: that takes the end of the run.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + checked_seconds(within, "within")
    pause = checked_seconds(every, "every")
    while True:
        seen: object = None
        try:
            answer = condition()
            found = await answer if inspect.isawaitable(answer) else answer
            if found:
                return found
            seen = found
        except AssertionError as error:
            seen = error
        if loop.time() >= end:
            cause = seen if isinstance(seen, AssertionError) else None
            raise AssertionError(f"not within {within:g} s; seen last: {seen!r}") from cause
        await asyncio.sleep(pause)
