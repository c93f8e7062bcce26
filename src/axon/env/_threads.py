"""Blocking work, in a thread, that is never left alone: who is cancelled waits for its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

R = TypeVar("R")


async def off_loop(work: Callable[[Callable[[], bool]], R]) -> R:
    """What blocks, in a thread; it gets a function that says whether the caller was cancelled, and is waited for then."""
    stop = threading.Event()
    job = asyncio.get_running_loop().run_in_executor(None, work, stop.is_set)
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        stop.set()
        while not job.done():  # however often: it may be at work on what a lock protects that ends with its caller
            with suppress(asyncio.CancelledError):
                await asyncio.wait({job})
        if not job.cancelled():
            job.exception()
        raise
