"""From a handle to its server: calls, casts, room in a bounded mailbox, and deadlines."""

from __future__ import annotations

import asyncio
from asyncio.events import (
    _get_running_loop,
)  # the public one raises where there is no loop, and costs a frame
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ParamSpec

from ..errors import CallTimeout, DeadlineExceeded, InvalidOption, MailboxFull, NotStarted, WrongLoop
from ..process import Runtime, checked_seconds, deadline_at, running
from ._followed import FollowedRequest
from ._request import Request, call_request, refuse_zombie
from ._status import dead_letter, text_of
from ._stream import Channel
from ._waits import WaitEdge

if TYPE_CHECKING:
    from ._genserver import GenServer
    from ._handler import Handler
    from ._process import ServerProcess
    from ._slot import Slot

P = ParamSpec("P")
SLOT = "_axon_slot"
"""The key of a handle's `__dict__` that makes it an address."""


def slot_of(handle: GenServer[Any]) -> Slot:
    """The slot of a started handle, from its own thread and event loop."""
    slot: Slot | None = handle.__dict__.get(SLOT)
    if slot is None:
        raise NotStarted(
            f"{type(handle).__name__} was never started: use the handle that start(), start_child() or "
            "Supervisor.get() returned"
        )
    if _get_running_loop() is not slot.runtime.loop:
        raise WrongLoop(
            f"{handle!r} belongs to another event loop or thread; from a thread use axon.from_thread.call or .cast"
        )
    return slot


def tell(handle: GenServer[Any], handler: Handler, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Send a cast: it never raises for the receiver's sake."""
    if keywords or not handler.least <= len(args) <= handler.most:
        handler.check(args, keywords)
    slot: Slot | None = handle.__dict__.get(SLOT)
    if slot is None or _get_running_loop() is not slot.runtime.loop:
        slot = slot_of(handle)
    sender = running.get()
    if sender is not None and sender.reason is not None:
        sender.refuse_if_dead()
    due = deadline_at.get()
    process = slot.process
    tracer = slot.runtime.bus.tracer
    if tracer is None or process is None:
        item = (handler, args, keywords, None if due is None else Request(False, due, ()))
    else:
        item = (handler, args, keywords, FollowedRequest(tracer, process, handler, sender))
    if process is None:
        dead_letter(handle, slot, item, "no process")
    elif process.limit is not None and process.is_full():
        dead_letter(handle, slot, item, "mailbox full")
    else:
        process.enqueue(item)


def asking(handler: Handler) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The function that sends a call of this handler and waits for its answer."""

    async def send(self: GenServer[Any], /, *args: Any, **keywords: Any) -> Any:
        if keywords or not handler.least <= len(args) <= handler.most:
            handler.check(args, keywords)
        slot: Slot | None = self.__dict__.get(SLOT)
        if slot is None or _get_running_loop() is not slot.runtime.loop:
            slot = slot_of(self)
        caller, runtime, process = running.get(), slot.runtime, slot.process
        if caller is not None:
            caller.refuse_if_dead()
        if process is not None and not process.busy and runtime.in_place and not runtime.take_in_place_turn():
            await asyncio.sleep(0)
            process = slot.process
        if process is None:
            raise slot.absent()
        tracer = runtime.bus.tracer
        request = call_request(caller) if tracer is None else FollowedRequest(tracer, process, handler, caller)
        item = (handler, args, keywords, request)
        if not process.busy and process.task is None and not process.suspended and runtime.in_place:
            process.answer_in_place(item)
            if not request.done:
                with WaitEdge(caller, process, handler.timeout, request.due):
                    return await _answer(process, request, handler.timeout)
            if request.error is not None:
                raise request.error
            return request.value
        if process.is_full():
            raise MailboxFull(process.path, process.limit or 0, text_of(self, slot, item))
        with WaitEdge(caller, process, handler.timeout, request.due):
            process.enqueue(item)
            return await _answer(process, request, handler.timeout)

    return send


async def _answer(process: ServerProcess, request: Request, patience: float | None) -> Any:
    """Wait for the answer, until the deadline if there is one, else for `patience` seconds."""
    runtime, due = process.runtime, request.due
    request.future = future = runtime.loop.create_future()
    left = patience if due is None else max(0.0, due - runtime.loop.time())

    def expire() -> None:
        if not future.done():
            late = CallTimeout(process.path, left or 0.0) if due is None else DeadlineExceeded(process.path)
            future.set_exception(late)

    timer = None if left is None else runtime.timers.after(left, expire)
    try:
        return await future
    except asyncio.CancelledError:
        answered = future.done() and not future.cancelled() and future.exception() is None
        if answered and isinstance(future.result(), Channel):
            future.result().close()  # the stream was opened in the very turn in which its reader gave up
        raise
    finally:
        if request.later is not None and not request.done:
            request.later()
        if timer is not None:
            runtime.timers.cancel(timer)


async def ask_system(process: ServerProcess, function: Callable[[ServerProcess], object]) -> Any:
    """Have the process run `function(process)` between two callbacks, and return what it returns."""
    refuse_zombie()
    request = call_request(running.get())
    with WaitEdge(running.get(), process, due=request.due):
        process.enqueue((None, function, {}, request))
        return await _answer(process, request, None)


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


@asynccontextmanager
async def deadline(seconds: float) -> AsyncGenerator[None, None]:
    """Requests made in the block must be answered within `seconds` of its start; this replaces their timeouts.

    The deadline travels with each message through every hop, nested ones only shorten it, and work that has not
    started when it passes is dropped. A request that misses it raises `DeadlineExceeded`. It bounds requests, not
    other awaits: for these use `asyncio.timeout`. https://sre.google/sre-book/addressing-cascading-failures/
    """
    limit = asyncio.get_running_loop().time() + checked_seconds(seconds, "seconds")
    outer = deadline_at.get()
    token = deadline_at.set(limit if outer is None else min(outer, limit))
    try:
        yield
    finally:
        deadline_at.reset(token)


def runtime_of(handle: GenServer[Any]) -> Runtime:
    """The runtime of a started handle, from any thread."""
    slot: Slot | None = handle.__dict__.get(SLOT)
    if slot is None:
        raise NotStarted(f"{type(handle).__name__} was never started")
    return slot.runtime
