"""From a handle to its server: calls, casts, room in a bounded mailbox, and deadlines."""

from __future__ import annotations

import asyncio
from asyncio.events import (
    _get_running_loop,
)  # the public one raises where there is no loop, and costs a frame
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from threading import get_ident
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias

from ..errors import CallTimeout, DeadlineExceeded, InvalidOption, MailboxFull, NotStarted, WrongLoop
from ..process import IN_PLACE, Process, Runtime, checked_seconds, deadline_at, here, running, runtime
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
_Cast: TypeAlias = "tuple[Handler, tuple[Any, ...], dict[str, Any] | None, Request | None]"
SLOT = "_axon_slot"
"""The attribute of a handle that makes it an address."""


def slot_of(handle: GenServer[Any]) -> Slot:
    """The slot of a started handle, from its own thread and event loop."""
    slot: Slot | None = handle._axon_slot
    if slot is None:
        raise NotStarted(
            f"{type(handle).__name__} was never started: use the handle that start(), start_child() or "
            "Supervisor.get() returned"
        )
    home = slot.runtime
    if get_ident() != home.thread or not home.loop.is_running():  # asyncio takes twice as long to say which one runs
        if _get_running_loop() is home.loop:
            home.thread = get_ident()
            return slot
        raise WrongLoop(
            f"{handle!r} belongs to another event loop or thread; from a thread use axon.from_thread.call or .cast"
        )
    return slot


def sender_to(handle: GenServer[Any]) -> Process | Runtime:
    """Who sends a request from here, looked up once in each context."""
    home = slot_of(handle).runtime
    sender = running.get() or home
    here.set(sender)
    return sender


def telling(handler: Handler) -> Callable[..., None]:
    """The function that sends a cast of this handler; it never raises for the receiver's sake."""
    least, most = handler.least, handler.most

    def send(self: GenServer[Any], /, *args: Any, **keywords: Any) -> None:
        if keywords or not least <= len(args) <= most:
            handler.check(args, keywords)
        slot, sender = self._axon_slot, here.get()
        if slot is None or sender is None or sender.runtime is not slot.runtime or get_ident() != sender.runtime.thread:
            sender, slot = sender_to(self), self._axon_slot
        if sender.reason is not None:
            sender.refuse_if_dead()
        process, home = slot.process, slot.runtime
        if process is None or process.limit is not None or home.has_deadlines or home.bus.tracer is not None:
            return _tell_with_care(self, slot, (handler, args, keywords or None, None))
        # As in `enqueue`, without its frame.
        if process.mailbox is None:
            process.mailbox = deque()
        process.mailbox.append((handler, args, keywords or None, None))  # an empty dict would cost 100 ns
        if not process.busy:
            process.busy = True
            home.wake(process)

    return send


def tell_all(
    home: Runtime, processes: Collection[ServerProcess], name: str, args: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    """Send one cast to many servers, each by its own class's handler of this name; to all, or if it does not fit to none.

    What is the same for all is looked at once: 0.2 µs for each, of 0.6 by a cast each.
    """
    items: dict[type, _Cast | None] = {}
    for server in {type(process.handle): None for process in processes}:
        handler: Handler | None = getattr(getattr(server, name), "__axon_handler__", None)
        if handler is not None:
            handler.check(args, keywords)
        items[server] = None if handler is None or handler.kind != "cast" else (handler, args, keywords or None, None)
    followed = home.has_deadlines or home.bus.tracer is not None
    for process in processes:
        item = items[type(process.handle)]
        if item is None:  # a subclass made something else of it
            getattr(process.handle, name)(*args, **keywords)
        elif followed or process.limit is not None:
            _tell_with_care(process.handle, process.slot, item)
        else:
            if process.mailbox is None:  # as in `telling`
                process.mailbox = deque()
            process.mailbox.append(item)
            if not process.busy:
                process.busy = True
                home.wake(process)


def _tell_with_care(
    handle: GenServer[Any],
    slot: Slot,
    item: _Cast,
) -> None:
    process, tracer, due = slot.process, slot.runtime.bus.tracer, deadline_at.get()
    if tracer is not None and process is not None:
        item = (*item[:3], FollowedRequest(tracer, process, item[0], running.get()))
    elif due is not None:
        item = (*item[:3], Request(False, due, ()))
    if process is None:
        dead_letter(handle, slot, item, "no process")
    elif process.is_full():
        dead_letter(handle, slot, item, "mailbox full")
    else:
        process.enqueue(item)


def asking(handler: Handler) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The function that sends a call of this handler and waits for its answer."""
    least, most, is_stream = handler.least, handler.most, handler.kind == "stream"

    async def send(self: GenServer[Any], /, *args: Any, **keywords: Any) -> Any:
        if keywords or not least <= len(args) <= most:
            handler.check(args, keywords)
        slot, sender = self._axon_slot, here.get()
        if slot is None or sender is None or sender.runtime is not slot.runtime or get_ident() != sender.runtime.thread:
            sender, slot = sender_to(self), self._axon_slot
        if sender.reason is not None:
            sender.refuse_if_dead()
        home, process = slot.runtime, slot.process
        if process is not None and not process.busy and home.in_place:
            home.in_place_left = left = home.in_place_left - 1
            if left <= 0:
                home.in_place_left = IN_PLACE
                await asyncio.sleep(0)
                process = slot.process
        if process is None:
            raise slot.absent()
        tracer, due = home.bus.tracer, deadline_at.get() if home.has_deadlines else None
        in_place = not process.busy and not process.suspended and home.in_place
        if in_place and process.calm and sender is home and due is None and tracer is None and not is_stream:
            answer = process.ask_in_place(handler, args, keywords or None)
            if type(answer) is not Request:
                return answer
            return await _outcome(process, answer, handler.timeout)
        caller = running.get()
        request = call_request(caller) if tracer is None else FollowedRequest(tracer, process, handler, caller)
        item = (handler, args, keywords or None, request)
        if not in_place:
            if process.is_full():
                raise MailboxFull(process.path, process.limit or 0, text_of(self, slot, item))
            with WaitEdge(caller, process, handler.timeout, due):
                process.enqueue(item)
                return await _answer(process, request, handler.timeout)
        if not handler.is_async:  # a plain handler waits for nobody, and makes no edge
            process.answer_in_place(item)
            if request.done:
                return await _outcome(process, request, handler.timeout)
        with WaitEdge(caller, process, handler.timeout, due):
            if handler.is_async:
                process.answer_in_place(item)
            return await _outcome(process, request, handler.timeout)

    return send


async def _outcome(process: ServerProcess, request: Request, patience: float | None) -> Any:
    """What came of a call that was handled on the spot, or what will come of it."""
    if not request.done:
        return await _answer(process, request, patience)
    if request.error is not None:
        raise request.error
    return request.value


async def _answer(process: ServerProcess, request: Request, patience: float | None) -> Any:
    """Wait for the answer, until the deadline if there is one, else for `patience` seconds."""
    runtime, due = process.runtime, request.due
    request.future = future = runtime.loop.create_future()
    left = patience if due is None else max(0.0, due - runtime.loop.time())
    timer = None if left is None else runtime.timers.after(left, _expire, process, future, left, due)
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


def _expire(process: ServerProcess, future: asyncio.Future[Any], left: float, due: float | None) -> None:
    if not future.done():
        future.set_exception(CallTimeout(process.path, left) if due is None else DeadlineExceeded(process.path))


async def ask_system(process: ServerProcess, function: Callable[[ServerProcess], object]) -> Any:
    """Have the process run `function(process)` between two callbacks, and return what it returns."""
    refuse_zombie()
    request = call_request(running.get())
    with WaitEdge(running.get(), process, due=request.due):
        process.enqueue((None, function, {}, request))
        return await _answer(process, request, None)


async def offer(method: Callable[P, None], /, *args: P.args, **keywords: P.kwargs) -> None:
    """Cast when there is room: `await axon.offer(feed.push, item)` waits while the mailbox is at its limit.

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
        if not process.is_full():
            return method(*args, **keywords)
        waiter = slot.runtime.loop.create_future()
        process.room = deque() if process.room is None else process.room
        process.room.append(waiter)
        process.calm = False
        with WaitEdge(running.get(), process, due=deadline_at.get()):
            try:
                async with asyncio.timeout_at(deadline_at.get()):
                    await waiter
            except (asyncio.CancelledError, TimeoutError) as error:
                if waiter.done() and not waiter.cancelled():
                    process.make_room()  # the room was given to this one, who does not want it any more
                if isinstance(error, TimeoutError):
                    raise DeadlineExceeded(process.path) from None
                raise


@asynccontextmanager
async def deadline(seconds: float) -> AsyncGenerator[None, None]:
    """Requests made in the block must be answered within `seconds` of its start; this replaces their timeouts.

    The deadline travels with each message through every hop, nested ones only shorten it, and work that has not
    started when it passes is dropped. A request that misses it raises `DeadlineExceeded`. It bounds requests, not
    other awaits: for these use `asyncio.timeout`. https://sre.google/sre-book/addressing-cascading-failures/
    """
    limit = asyncio.get_running_loop().time() + checked_seconds(seconds, "seconds")
    runtime().has_deadlines = True
    outer = deadline_at.get()
    token = deadline_at.set(limit if outer is None else min(outer, limit))
    try:
        yield
    finally:
        deadline_at.reset(token)


def runtime_of(handle: GenServer[Any]) -> Runtime:
    """The runtime of a started handle, from any thread."""
    slot: Slot | None = handle._axon_slot
    if slot is None:
        raise NotStarted(f"{type(handle).__name__} was never started")
    return slot.runtime
