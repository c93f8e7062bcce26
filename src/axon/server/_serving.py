"""How a server gets its turns: in its caller's, or in the run queue's; those of its own task are a class below."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from ..process import Exit, as_task, is_blank, running, swap_current_task
from ._driven import DrivenProcess, Pending, Task
from ._history import RECENT
from ._mailbox import Item
from ._request import Request

if TYPE_CHECKING:
    from ._handler import Handler

P = ParamSpec("P")
R = TypeVar("R")

_NOTHING: dict[str, Any] = {}


class ServingProcess(DrivenProcess):
    """A process that is served by its callers and by the run queue."""

    __slots__ = ()
    # Said again, here and below, so that every checker infers the same for what is assigned.
    busy: bool
    context: Context | None
    mailbox: deque[object] | None
    task: Task
    in_callback: bool
    item: Item | None
    handled: int

    # -- in the caller's turn

    def ask_in_place(self, handler: Handler, args: tuple[Any, ...], keywords: dict[str, Any] | None) -> Any:
        """Answer a call on the spot: for an idle, calm server, and a caller that brings neither deadline nor callers.

        Returns the answer, or a `Request` if it is to be waited for or is an error. Nothing tells it from a call
        through the mailbox but its speed: no request, no future and no turn of the loop (0.4 against 5 µs).
        """
        context = self.context
        if context is None:
            return self._ask_in_new_context(handler, args, keywords)
        self.busy = self.in_callback = True
        self.item = item = (handler, args, keywords, None)
        handled, recent = self.handled, self.recent
        self.handled = handled + 1
        if handled < RECENT:  # an idle server that was asked once holds 32 bytes less
            recent.append(item)
        else:
            recent[handled % RECENT] = item
        steps = False
        try:
            if self.task is not None:
                steps = handler.is_async
                function = self._first_step if steps else self._plainly
                value = context.run(function, self.task, handler, args, keywords)
            elif keywords is None and len(args) == 1:
                value = context.run(handler.function, self.handle, self.state, args[0])  # see _handle_calmly
            else:
                value = context.run(self._plainly, None, handler, args, keywords)
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

    def _ask_in_new_context(self, handler: Handler, args: tuple[Any, ...], keywords: dict[str, Any] | None) -> Any:
        """`ask_in_place`, of a server that has none, and needs none afterwards if the handler has left nothing there:
        190 bytes less for an idle server, and three things less for the garbage collector to look at.
        """
        self.context = context = Context()
        context.run(running.set, self)
        answer = self.ask_in_place(handler, args, keywords)
        blank = len(context) == 1 or is_blank(context)
        if blank and self.handled < RECENT and self.task is None and not self.busy:
            self.context = None
        return answer

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

    def _begin_coroutine(self, task: asyncio.Task[None], pending: Coroutine[Any, Any, Any]) -> Any:
        """What a coroutine returns that need not wait; one that has to goes on in the task."""
        loop = self.runtime.loop
        outer = swap_current_task(loop, task)
        try:
            awaited = pending.send(None)
        except StopIteration as stop:
            return stop.value
        finally:
            swap_current_task(loop, outer)
        self._hand_over(pending, awaited)
        return None

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
        context = self.context
        if context is None:
            context = self.own_context()
        if context.run(self._settled, step, value) and self.reason is None:
            if self.mailbox or self.continuations:
                self.runtime.wake(self)
            else:
                self.busy = False
        elif self.reason is not None:
            self._seen_to_at_once()

    def _seen_to_at_once(self) -> None:
        """It has ended in somebody's turn: its supervisor restarts it in this very turn."""
        parent = self.parent
        if parent is not None and isinstance(parent, ServingProcess) and self.runtime.in_place:
            self.runtime.serve_now(parent)

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
            if handled < RECENT:
                recent.append(item if request is None else item[:3])
            else:
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
