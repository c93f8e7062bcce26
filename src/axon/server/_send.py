"""From a handle to its server: calls, casts, room in a bounded mailbox, and deadlines."""

from __future__ import annotations

import asyncio
from asyncio.events import (
    _get_running_loop,
)  # the public one raises where there is no loop, and costs a frame
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from threading import get_ident
from types import FunctionType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from ..errors import CallTimeout, DeadlineExceeded, MailboxFull, NotStarted, ServerDied, WrongLoop
from ..process import Process, Runtime, checked_seconds, deadline_at, here, running, runtime, turn
from ._followed import FollowedRequest
from ._history import LAST
from ._mailbox import ONE, SYSTEM, Item
from ._request import Request, call_request, outcome_of, refuse_zombie
from ._status import dead_letter, text_of
from ._stream import Channel
from ._waits import WaitEdge

if TYPE_CHECKING:
    from ._genserver import GenServer
    from ._handler import Handler
    from ._process import ServerProcess
    from ._slot import Slot

P = ParamSpec("P")
R = TypeVar("R")
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
            home.enter_thread()
            return slot
        raise WrongLoop(
            f"{handle!r} belongs to another event loop or thread; from a thread use axon.from_thread.call or .cast"
        )
    return slot


def _look(handle: GenServer[Any]) -> tuple[Process | Runtime, Slot]:
    """Who sends a request from here, looked up once in each context, and where to."""
    slot = handle._axon_slot
    sender: Any = here.get()
    if slot is None or sender.runtime is not slot.runtime or get_ident() != slot.runtime.thread:
        slot = slot_of(handle)
        sender = running.get() or slot.runtime
        here.set(sender)
    if sender.reason is not None:
        sender.refuse_if_dead()
    return sender, slot


def telling(handler: Handler) -> Callable[..., None]:
    """The function that sends a cast of this handler; it never raises for the receiver's sake."""

    def send_any(self: GenServer[Any], /, *args: Any, **keywords: Any) -> None:
        handler.check(args, keywords)
        _tell(self, _packed(handler, args, keywords))

    if handler.only is None:
        return send_any
    who_sends = here.get  # bound once, and one tuple without a name: 60 of 170 ns less

    def send(self: GenServer[Any], argument: Any) -> None:
        slot = self._axon_slot
        home: Any = who_sends().sends_in  # None is nobody's to be open to
        if slot is None or home is not slot.open_to or not home.gate._is_owned() or slot.process is None:
            return _tell_with_care(self, (handler, argument, ONE, None))
        process = slot.process
        # As in `enqueue`, without its frame.
        mailbox = process.mailbox
        if mailbox is not None:
            mailbox.append((handler, argument, ONE, None))
        else:
            process.mailbox = [(handler, argument, ONE, None)]
            if not process.busy:
                process.busy = True
                home.ready.append(process)
                if not home.armed:
                    home.arm()

    return _named(send, handler)


def _tell(handle: GenServer[Any], item: Item) -> None:
    slot = handle._axon_slot
    home: Any = here.get().sends_in
    if slot is None or home is not slot.open_to or not home.gate._is_owned() or slot.process is None:
        _tell_with_care(handle, item)
    else:
        slot.process.enqueue(item)


def _named(send: Callable[..., R], handler: Handler) -> Callable[..., R]:
    """`send` as if it had been written for this handler: its parameter has the name that it has there, and its default.

    Python itself sees whether the arguments fit: a frame that takes any would cost 35 ns more.
    """
    function, only = cast("FunctionType", send), handler.only
    assert only is not None, "it takes exactly one argument"
    function.__defaults__ = None if only.default is only.empty else (only.default,)
    own, _, *others = function.__code__.co_varnames
    function.__code__ = function.__code__.replace(
        co_varnames=(own, only.name, *others),
        co_posonlyargcount=2 if only.kind is only.POSITIONAL_ONLY else 0,
        co_name=handler.name,
        co_qualname=handler.function.__qualname__,
    )
    return send


def tell_all(
    home: Runtime, processes: Collection[ServerProcess], name: str, args: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    """Send one cast to many servers, each by its own class's handler of this name; to all, or if it does not fit to none.

    What is the same for all is looked at once: 0.1 µs for each, of 0.6 by a cast each.
    """
    items: dict[type, Item | None] = {}
    item: Item | None = None
    for server in {type(process.handle): None for process in processes}:
        handler: Handler | None = getattr(getattr(server, name), "__axon_handler__", None)
        if handler is not None:
            handler.check(args, keywords)
        items[server] = item = None if handler is None or handler.kind != "cast" else _packed(handler, args, keywords)
    followed, mixed = home.has_deadlines or home.bus.tracer is not None, len(items) > 1
    for process in processes:
        if mixed:
            item = items[type(process.handle)]
        if item is None:  # a subclass made something else of it
            getattr(process.handle, name)(*args, **keywords)
        elif followed or process.slot.open_to is not home:
            _tell_with_care(process.handle, item)
        elif process.mailbox is not None:  # as in `telling`
            process.mailbox.append(item)
        else:
            process.mailbox = [item]
            if not process.busy:
                process.busy = True
                home.ready.append(process)
                if not home.armed:
                    home.arm()


def _packed(handler: Handler, args: tuple[Any, ...], keywords: dict[str, Any]) -> Item:
    if len(args) == 1 and not keywords:
        return handler, args[0], ONE, None
    return handler, args, keywords or None, None


def _tell_with_care(handle: GenServer[Any], item: Item) -> None:
    _, slot = _look(handle)
    process, tracer, due = slot.process, slot.runtime.bus.tracer, deadline_at.get()
    if tracer is not None and process is not None and item[0] is not None:
        item = (*item[:3], FollowedRequest(tracer, process, item[0], running.get()))
    elif due is not None:
        item = (*item[:3], Request(False, due, None))
    if process is None:
        dead_letter(handle, slot, item, "no process")
    elif process.is_full():
        dead_letter(handle, slot, item, "mailbox full")
    else:
        process.enqueue(item)


def asking(handler: Handler) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The function that sends a call of this handler and waits for its answer."""

    async def send_any(self: GenServer[Any], /, *args: Any, **keywords: Any) -> Any:
        handler.check(args, keywords)
        return await _ask_in_place(self, handler, _packed(handler, args, keywords))

    return send_any if handler.only is None else _named(_asking_one(handler), handler)


def _asking_one(handler: Handler) -> Callable[..., Any]:
    """As `asking`, of a handler with one parameter. A plain one is run here: `ask_in_place` without its frame, and
    without what is for others (45 of 450 ns).
    """
    who_sends, function, timeout, is_plain = here.get, handler.function, handler.timeout, not handler.is_async

    async def send(self: GenServer[Any], argument: Any) -> Any:
        slot, item = self._axon_slot, (handler, argument, ONE, None)
        while True:
            if slot is None or who_sends() is not (home := slot.runtime):
                return await _ask(self, handler, item)
            process = slot.process
            if process is None or process.busy or not process.calm:
                return await _ask(self, handler, item)
            try:
                home.share.release()
                if not is_plain:
                    home.share.release()  # see `IN_PLACE`
                break
            except RuntimeError:
                if not home.gate._is_owned():
                    return await _ask(self, handler, item)
                home.deal()
                await turn()  # and look again who is there
        context = process.context
        if not is_plain or context is None or process.task is not None:
            try:
                answer = process.ask_in_place(item)
            except ServerDied:
                del process  # see `ask_in_place`
                raise
        else:
            process.busy = True
            recent, place = process.recent or process.begin_recent(), process.place
            process.item = recent[place] = item
            process.place = place + 1 if place < LAST else process.begin_round()
            try:
                value = context.run(function, process.handle, process.state, argument)
            except BaseException as error:
                died = process.crashed_in_place(error)
                if died is None:
                    answer = process.failed_in_place(error)
                else:
                    del process, context
                    try:
                        raise died
                    finally:
                        del died
            else:
                if process.calm and process.mailbox is None and type(value) is handler.answers:
                    process.item, process.busy = None, False
                    return value
                answer = process.answered_in_place(handler, value)
        if type(answer) is not Request:
            return answer
        return outcome_of(answer) if answer.done else await _answer(process, answer, timeout)

    return send


def opening(handler: Handler) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The function that asks for the stream of this handler, and waits until it is open; the arguments fit."""

    def send(self: GenServer[Any], /, *args: Any, **keywords: Any) -> Coroutine[Any, Any, Any]:
        return _ask(self, handler, _packed(handler, args, keywords))

    return send


async def _ask_in_place(handle: GenServer[Any], handler: Handler, item: Item) -> Any:
    """Ask an idle server, with nothing to carry along: all that `_ask` does, without the questions."""
    slot, sender = handle._axon_slot, here.get()
    while slot is not None and sender is slot.runtime and slot.runtime.gate._is_owned():
        home, process = slot.runtime, slot.process
        if process is None or process.busy or not process.calm:
            break
        if home.take_in_place():
            try:
                answer = process.ask_in_place(item)
            except ServerDied:
                del process  # see `ask_in_place`
                raise
            if type(answer) is not Request:
                return answer
            return outcome_of(answer) if answer.done else await _answer(process, answer, handler.timeout)
        await turn()  # and look again who is there
    return await _ask(handle, handler, item)


async def _ask(handle: GenServer[Any], handler: Handler, item: Item) -> Any:
    _, slot = _look(handle)
    home, caller = slot.runtime, running.get()
    if home.in_place and not home.take_in_place() and slot.process is not None and not slot.process.busy:
        await asyncio.sleep(0)
    process = slot.process
    if process is None:
        absent = slot.absent()
        await turn()  # whoever asks again and again lets the loop go round, and the restart come
        raise absent
    tracer, patience = home.bus.tracer, handler.timeout
    request = call_request(caller) if tracer is None else FollowedRequest(tracer, process, handler, caller)
    item = (*item[:3], request)
    if process.busy or process.suspended or not home.in_place:
        if process.is_full():
            raise MailboxFull(process.path, process.limit or 0, text_of(handle, slot, item))
        with WaitEdge(caller, process, patience, request.due):
            process.enqueue(item)
            return await _answer(process, request, patience)
    if not handler.is_async:  # a plain handler waits for nobody, and makes no edge
        process.answer_in_place(item)
        if request.done:
            return outcome_of(request)
    with WaitEdge(caller, process, patience, request.due):
        if handler.is_async:
            process.answer_in_place(item)
        return outcome_of(request) if request.done else await _answer(process, request, patience)


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
        process.enqueue((None, function, SYSTEM, request))
        return await _answer(process, request, None)


@asynccontextmanager
async def deadline(seconds: float) -> AsyncGenerator[None, None]:
    """Requests made in the block must be answered within `seconds` of its start; this replaces their timeouts.

    The deadline travels with each message through every hop, nested ones only shorten it, and work that has not
    started when it passes is dropped. A request that misses it raises `DeadlineExceeded`. It bounds requests, not
    other awaits: for these use `asyncio.timeout`. https://sre.google/sre-book/addressing-cascading-failures/
    """
    limit = asyncio.get_running_loop().time() + checked_seconds(seconds, "seconds")
    runtime().expect_deadlines()
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
