"""Code that runs under the name of a task that is parked, so that what need not wait needs no turn of the loop.

`asyncio.current_task()`, and with it `asyncio.timeout` and `TaskGroup`, see that task meanwhile. asyncio keeps the two
functions for task implementations of others (`_enter_task` and `_leave_task`:
https://docs.python.org/3/library/asyncio-extending.html). A turn of the loop costs 2 to 4 µs, this 0.2.
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task  # see above
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def as_task(
    loop: asyncio.AbstractEventLoop,
    task: asyncio.Task[Any],
    function: Callable[P, R],
    /,
    *args: P.args,
    **keywords: P.kwargs,
) -> R:
    """Run `function(*args, **keywords)` as a part of a step of `task`, which waits meanwhile."""
    outer = asyncio.current_task(loop)
    if outer is not None:
        _leave_task(loop, outer)
    _enter_task(loop, task)
    try:
        return function(*args, **keywords)
    finally:
        _leave_task(loop, task)
        if outer is not None:
            _enter_task(loop, outer)


@coroutine
def rest_of(
    started: Coroutine[Any, Any, Any], awaited: Any, cancelled: BaseException | None
) -> Generator[Any, Any, Any]:
    """What is left of a coroutine that has taken its first step and waits for `awaited`.

    cancelled: its task was cancelled before it could take over; as in `Task.cancel`, what it waits for hears of it first.
    """
    error: BaseException | None = cancelled if awaited is None or not (cancelled and awaited.cancel()) else None
    while True:
        value = None
        if error is None:
            try:
                value = yield awaited
            except BaseException as thrown:
                error = thrown
        try:
            awaited = started.send(value) if error is None else started.throw(error)
        except StopIteration as stop:
            return stop.value
        error = None
