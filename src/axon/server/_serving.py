"""How a server gets its turns: in its caller's, in the run queue's, or in those of a task of its own.

A callback either returns or leaves a coroutine. Its first step is taken on the spot, under the name of the process's
parked task; only one that has to wait is handed over to that task, which then serves the mailbox until it is empty.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeAlias, TypeVar, cast

from ..process import Exit, ExitReason, as_task, rest_of, shutdown, swap_current_task
from ._history import RECENT
from ._mailbox import Item, MailboxProcess
from ._request import Request

if TYPE_CHECKING:
    from ._genserver import GenServer
    from ._handler import Handler

Pending: TypeAlias = "Coroutine[Any, Any, Any] | None"
"""What is left of a callback: a coroutine to await, or nothing."""

Phase: TypeAlias = Literal["init", "running", "terminating"]

Task: TypeAlias = "asyncio.Task[None] | None"

P = ParamSpec("P")
R = TypeVar("R")

_NOTHING: dict[str, Any] = {}
_UNBEGUN = object()


class ServingProcess(MailboxProcess):
    """A process with callbacks; what these do, and what follows them, is the business of its subclass."""

    __slots__ = ("begun", "handed", "handle", "handled", "in_callback", "item", "phase", "recent", "state")
    busy: bool  # said again, so that every checker infers the same for what is assigned here
    mailbox: deque[object] | None
    task: Task

    handle: GenServer[Any]
    state: Any
    phase: Phase
    in_callback: bool
    item: Item | None  # the message at hand; a call that is answered on the spot has no request
    handled: int
    recent: list[Any]
    handed: tuple[Coroutine[Any, Any, Any], object] | None
    """What the task is to go on with, and what that waits for."""
    begun: bool  # whether the task has taken a step itself

    # -- what its subclass does

    def _next(self) -> Pending:
        """Start the next callback that is due."""
        raise NotImplementedError

    def _handle(self, item: Item) -> Pending:
        raise NotImplementedError

    def _completed(self, value: object) -> Pending:
        raise NotImplementedError

    def _failed(self, error: BaseException) -> Pending:
        raise NotImplementedError

    def _stop(self, reason: ExitReason) -> Pending:
        raise NotImplementedError

    # -- in the caller's turn

    def ask_in_place(self, handler: Handler, args: tuple[Any, ...], keywords: dict[str, Any] | None) -> Any:
        """Answer a call on the spot: for an idle, calm server, and a caller that brings neither deadline nor callers.

        Returns the answer, or a `Request` if it is to be waited for or is an error. Nothing tells it from a call
        through the mailbox but its speed: no request, no future and no turn of the loop (0.4 against 5 µs).
        """
        self.busy = self.in_callback = True
        self.item = item = (handler, args, keywords, None)
        self.recent[self.handled % RECENT] = item
        self.handled += 1
        steps = False
        try:
            if self.task is not None:
                steps = handler.is_async
                function = self._first_step if steps else self._plainly
                value = self.context.run(function, self.task, handler, args, keywords)
            elif keywords is None and len(args) == 1:
                value = self.context.run(handler.function, self.handle, self.state, args[0])  # see _handle_calmly
            else:
                value = self.context.run(self._plainly, None, handler, args, keywords)
        except BaseException as error:
            return self._settle_call(self._failed, error)
        if self.calm and self.handed is None and type(value) is not CoroutineType and not isinstance(value, Future):
            self.in_callback, self.item = False, None
            if self.mailbox:
                self.runtime.wake(self)
            else:
                self.busy = False
            return value
        return self._settle_call(self._completed if steps else self._left, value)

    def _plainly(self, task: Task, handler: Handler, args: tuple[Any, ...], keywords: dict[str, Any] | None) -> Any:
        """What a handler returns, run under the name of `task` if there is one."""
        if task is None:
            return handler.function(self.handle, self.state, *args, **(keywords or _NOTHING))
        return as_task(self.runtime.loop, task, self._plainly, None, handler, args, keywords)

    def _first_step(self, task: Task, handler: Handler, args: tuple[Any, ...], keywords: dict[str, Any] | None) -> Any:
        """The answer of an `async` handler that need not wait; one that has to goes on in the task."""
        loop = self.runtime.loop
        outer = swap_current_task(loop, task)
        try:
            if keywords is None and len(args) == 1:
                pending = handler.function(self.handle, self.state, args[0])
            else:
                pending = handler.function(self.handle, self.state, *args, **(keywords or _NOTHING))
            awaited = pending.send(None)
        except StopIteration as stop:
            return stop.value
        finally:
            swap_current_task(loop, outer)
        self._hand_over(pending, awaited)
        return None

    def enter(self, function: Callable[P, R], /, *args: P.args, **keywords: P.kwargs) -> R:
        """Run a function as this process: in its context, and as its task if it has one."""
        if self.task is None:
            return self.context.run(function, *args, **keywords)
        return self.context.run(as_task, self.runtime.loop, self.task, function, *args, **keywords)

    def _settle_call(self, step: Callable[[Any], Pending], value: Any) -> Request:
        """A call that is more than its answer gets a request after all."""
        item = self.item
        assert item is not None, "it is the one at hand"
        handler, args, keywords, _ = item
        request = Request(True, None, None)
        self.item = (handler, args, keywords, request)
        if self.handed is None:
            self.settle(step, value)
        return request

    def _left(self, value: object) -> Pending:
        return cast("Pending", value) if type(value) is CoroutineType else self._completed(value)

    def answer_in_place(self, item: Item) -> None:
        """As `ask_in_place`, for a call with a request of its own."""
        self.busy = True
        self.settle(self._handle, item)

    def settle(self, step: Callable[[Any], Pending], value: Any) -> None:
        """Do one step outside the run queue, then see whether there is more to do."""
        if self.context.run(self._settled, step, value) and self.reason is None:
            if self.mailbox or self.continuations:
                self.runtime.wake(self)
            else:
                self.busy = False
        elif self.reason is not None and isinstance(self.parent, ServingProcess) and self.runtime.in_place:
            self.runtime.serve_now(self.parent)  # a supervisor restarts it in this very turn

    def _settled(self, step: Callable[[Any], Pending], value: Any) -> bool:
        loop, task = self.runtime.loop, self.task
        if task is None:
            pending = step(value)
            if pending is None:
                return True
            if self._refused(pending):
                return False
            self.task = task = self._make_task()
            return as_task(loop, task, self._advance, pending)
        outer = swap_current_task(loop, task)  # as `as_task`, without its frames
        try:
            pending = step(value)
            return pending is None or self._advance(pending)
        finally:
            swap_current_task(loop, outer)

    # -- in the run queue's turn

    def run(self) -> None:
        """Handle messages until none is left, a burst is over, or one has to wait."""
        left, task, pending = self.runtime.burst, self.task, None
        if task is not None:
            as_task(self.runtime.loop, task, self._run_burst, left, None)
            return
        if self.calm and self.mailbox:
            left, pending = self._handle_calmly(left)
            if pending is None and not self.busy:
                return
        self._run_burst(left, pending)

    def _run_burst(self, left: int, pending: Pending) -> None:
        while True:
            if pending is not None and not self._advance(pending):
                return
            if not self.busy or self.reason is not None:
                return
            if left <= 0:
                self.runtime.wake(self)
                return
            if self.calm and self.mailbox:
                left, pending = self._handle_calmly(left)
            else:
                left, pending = left - 1, self._next()

    def _handle_calmly(self, left: int) -> tuple[int, Pending]:
        """Handle messages one after the other as long as there is nothing but these to look after.

        The same as `_next`, `_handle` and `_completed`, without the questions whose answers are known; returns how
        many messages are left of the burst, and what is left of a callback.
        """
        mailbox: Any = self.mailbox  # without a cast, which is a call
        recent, handle, state, handled = self.recent, self.handle, self.state, self.handled
        self.in_callback = True
        while left:
            item: Item = mailbox.popleft()
            handler, args, keywords, request = item
            if handler is None:
                special = keywords is not None or (type(item[1]) is Exit and self.is_parents_exit(args))
            else:
                special = request is not None and (request.carries or handler.kind == "stream")
            if special:
                self.in_callback, self.item = False, None
                return left - 1, self._handle(item)
            left -= 1
            self.item = item
            recent[handled % RECENT] = item if request is None else item[:3]
            self.handled = handled = handled + 1
            try:
                if handler is None:
                    value = handle.handle_info(state, args)
                elif keywords is None and len(args) == 1:
                    value = handler.function(handle, state, args[0])  # 20 ns, a spread tuple costs 100
                else:
                    value = handler.function(handle, state, *args, **(keywords or _NOTHING))
            except BaseException as error:
                return left, self._failed(error)
            if value is not None or request is not None or not self.calm:
                if type(value) is CoroutineType:
                    return left, cast("Pending", value)
                if not self.calm or isinstance(value, Future):
                    return left, self._completed(cast("object", value))
                if request is not None:
                    request.answer(value)
            if not mailbox:
                self.mailbox = None  # an idle server holds no deque: 624 bytes less
                self.busy = False
                break
        self.in_callback, self.item = False, None
        return left, None

    # -- in turns of its own

    def _advance(self, pending: Pending) -> bool:
        """Take the first step of what is left of a callback; whether the process goes on here, and not in its task."""
        while pending is not None:
            if self.task is None:  # in the run queue, which does not bear its name yet
                if self._refused(pending):
                    return False
                self.task = self._make_task()
                return self._hand_over(pending, _UNBEGUN)
            if (
                (self.waker is None and self.begun)
                or self._due() is not None  # only a task can be told that its time is over
                or self._is_unforeseen()
                or not self.runtime.in_place
            ):
                return self._hand_over(pending, _UNBEGUN)
            try:
                awaited = pending.send(None)
            except StopIteration as stop:
                pending = self._completed(stop.value)
            except BaseException as error:
                pending = self._failed(error)
            else:
                return self._hand_over(pending, awaited)
        return True

    def _is_unforeseen(self) -> bool:
        """Whether a plain handler left it for a process that does not wait yet, as far as others can see (rule B15)."""
        item = self.item
        return (
            item is not None
            and item[0] is not None
            and item[3] is not None
            and bool(item[3].callers)
            and not item[0].is_async
        )

    def _hand_over(self, pending: Coroutine[Any, Any, Any], awaited: object) -> bool:
        """The task goes on with a coroutine, from its beginning or where it waits."""
        self.handed = (pending, awaited)
        self.wake_task()
        return False

    def wake_task(self) -> None:
        """Let the parked task look around."""
        if self.waker is not None and not self.waker.done():
            self.waker.set_result(None)

    def _refused(self, pending: Coroutine[Any, Any, Any]) -> bool:
        """Whether what the callback did before it returned this coroutine ended its own process."""
        if self.exit_requested is None:
            return False
        pending.close()
        self.die(self.exit_requested)
        return True

    def _make_task(self, cancelled: asyncio.CancelledError | None = None) -> asyncio.Task[None]:
        """A task to run under the name of; its own first step comes in a later turn (3 µs less for who starts it)."""
        task = self.runtime.start_task(self._drive(cancelled), self.context)
        task.add_done_callback(self._task_ended)
        return task

    def cancel_task(self) -> None:
        if self.begun or self.task is None:
            super().cancel_task()  # otherwise it sees for itself, when it begins, that it is to end

    def _task_ended(self, _: object) -> None:
        if self.handed is not None and self.reason is None:
            # A task that is cancelled before its first step never enters its body (rule Z4): another one ends what
            # had been begun under its name.
            self.begun = False
            self.task = self._make_task(asyncio.CancelledError())
        else:
            self.die(self.exit_requested or asyncio.CancelledError())

    async def _drive(self, cancelled: asyncio.CancelledError | None) -> None:
        self.begun = True
        burst = self.runtime.burst
        pending = self._begin_task(cancelled) if self.reason is None else None
        if pending is None and self.reason is None:
            pending = await self._park()
        while pending is not None or self.reason is None:
            if pending is not None:
                pending = await self._finish(pending)
                continue
            burst -= 1
            if burst == 0:
                burst = self.runtime.burst
                await asyncio.sleep(0)
            pending = self._next()
            if not self.busy:
                pending = await self._park()
                burst = self.runtime.burst
        if self.task is not None:
            self.task.remove_done_callback(self._task_ended)  # there is nothing to see to (0.9 µs less)

    def _begin_task(self, cancelled: asyncio.CancelledError | None) -> Pending:
        """What was handed over before the task took its first step."""
        if self.exit_requested is not None and cancelled is None:
            if self.handed is not None and self.handed[1] is _UNBEGUN:
                cancelled = asyncio.CancelledError()
            else:
                super().cancel_task()  # it takes effect where the coroutine waits, as if it had come now
        return self._take_over(cancelled)

    async def _park(self) -> Pending:
        """Wait for a coroutine to go on with; meanwhile the run queue serves the mailbox."""
        self.waker = self.runtime.loop.create_future()
        cancelled = None
        try:
            await self.waker
        except asyncio.CancelledError as error:
            cancelled = error
        self.waker = None
        return self._take_over(cancelled)

    def _take_over(self, cancelled: asyncio.CancelledError | None) -> Pending:
        handed, self.handed = self.handed, None
        if handed is not None:
            pending, awaited = handed
            if awaited is not _UNBEGUN:
                return rest_of(pending, awaited, cancelled)
            if cancelled is None:
                return pending
            pending.close()
            return self._failed(cancelled)
        # No request of ours cancels a task that has nothing to do: the event loop is closing, so end in order.
        return self._stop(shutdown) if cancelled is not None and self.reason is None else None

    async def _finish(self, pending: Coroutine[Any, Any, Any]) -> Pending:
        due = self._due()
        try:
            if due is None:
                value = await pending
            else:
                async with asyncio.timeout_at(due):
                    value = await pending
        except BaseException as error:
            return self._failed(error)
        return self._completed(value)

    def _due(self) -> float | None:
        """Until when the callback at hand has to be finished."""
        request = None if self.item is None else self.item[3]
        whole = self.phase == "terminating" or self.handle.__axon_finishes__
        return None if request is None or whole else request.due
