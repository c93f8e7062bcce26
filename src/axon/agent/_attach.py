"""Asking an agent that may be restarted meanwhile: with a store, its next incarnation has the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..errors import DeadlineExceeded, NoProcess, ServerDied
from ..process import Process, deadline_at

R = TypeVar("R")

LOOK_AGAIN = 0.02
"""Seconds after which an asker looks whether the restart that is under way is done."""


async def attached(find: Callable[[], Process | None], ask: Callable[[], Awaitable[R]]) -> R:
    """Ask until there is an answer: again after each end of the server that a restart follows, until the deadline.

    find: the process that is asked. Raises what the answer raises; `ServerDied` of the first end, or `NoProcess`, when
    no restart is due; `DeadlineExceeded`.
    """
    first: ServerDied | None = None
    path = ""
    while True:
        process = find()
        path = path if process is None else process.path
        try:
            return await ask()
        except ServerDied as died:
            if died.target != path:  # the answer itself: a server that a tool of the run had asked
                raise
            first = first or died
        except NoProcess as absent:
            if absent.restart_in is None or (path and absent.target != path):
                raise first or absent from absent.__cause__
            await _wait(max(LOOK_AGAIN, absent.restart_in), absent.target)


async def _wait(seconds: float, target: str) -> None:
    try:
        async with asyncio.timeout_at(deadline_at.get()):
            await asyncio.sleep(seconds)
    except TimeoutError:
        raise DeadlineExceeded(target) from None
