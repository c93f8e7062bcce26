"""Casts that wait while a bounded mailbox is at its limit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ParamSpec

from ..errors import DeadlineExceeded, InvalidOption
from ..process import deadline_at, running
from ._send import slot_of
from ._waits import WaitEdge

if TYPE_CHECKING:
    from ._genserver import GenServer
    from ._handler import Handler
    from ._process import ServerProcess

P = ParamSpec("P")


async def offer(method: Callable[P, None], /, *args: P.args, **keywords: P.kwargs) -> None:
    """Cast when there is room: `await axon.offer(feed.push, item)` waits while the mailbox is at its limit, in a line
    with all others who offer.

    Raises `NoProcess` if nobody is at the address, `DeadlineExceeded` if the deadline around it passes first. With an unbounded mailbox it is just the cast.
    """
    handle: GenServer[Any] | None = getattr(method, "__self__", None)
    found: Handler | None = getattr(method, "__axon_handler__", None)
    if handle is None or found is None or found.kind != "cast":
        raise InvalidOption("method", method, "a @cast method of a started handle")
    slot = slot_of(handle)
    while True:
        process = slot.process
        if process is None:
            raise slot.absent()
        if not process.room and not process.is_full():
            return method(*args, **keywords)
        async with _room_in(process):
            if process.reason is None:
                return method(*args, **keywords)


@asynccontextmanager
async def _room_in(process: ServerProcess) -> AsyncGenerator[None, None]:
    """The first place in the line of those who offer, with room in the mailbox, or its death; the block is quick."""
    loop = process.runtime.loop
    line = process.room = deque() if process.room is None else process.room
    with WaitEdge(running.get(), process, due=deadline_at.get()):
        line.append(waiter := loop.create_future())
        process.calm = False
        try:
            async with asyncio.timeout_at(deadline_at.get()):
                await waiter
                while process.is_full():  # a plain cast or call was faster; the place in the line is kept
                    line[0] = waiter = loop.create_future()
                    await waiter
            yield
        except TimeoutError:
            raise DeadlineExceeded(process.path) from None
        finally:
            line.remove(waiter)
            process.make_room()
