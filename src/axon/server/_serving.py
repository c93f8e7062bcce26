"""How a server gets its turns: in its caller's, or in the run queue's; those of its own task are a class below."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from ..errors import ServerDied
from ..process import Waits, as_task, is_blank, running, swap_current_task
from ._driven import DrivenProcess, Pending, Task
from ._history import LAST
from ._lent import lend
from ._mailbox import ONE, Item
from ._request import Request

if TYPE_CHECKING:
    from ._handler import Handler

P = ParamSpec("P")
R = TypeVar("R")


def is_answer(handler: Handler, value: object) -> bool:
    """Whether what a handler returned is its answer, and nothing to wait for."""
    if isinstance(value, (CoroutineType, asyncio.Future)):
        return False
    handler.answers = type(value)
    return True


class ServingProcess(DrivenProcess):
    """A process that is served by its callers and by the run queue."""

    __slots__ = ()
    # Said again, here and below, so that every checker infers the same for what is assigned.
    busy: bool
    context: Context | None
    mailbox: list[Item] | None
    backlog: list[Item] | None
    batch: Iterator[Item] | None
    taken: list[Item] | None
    counted: int
    task: Task
    item: Item | None
    first: Handler | None
    only: object
    place: int
    rounds: int
    recent: list[Item | None] | None

    def apply(self, handler: Handler, args: Any, keywords: dict[str, Any] | None) -> Any:
        """What a handler returns."""
        if keywords is ONE:
            return handler.function(self.handle, self.state, args)  # 20 ns, a spread tuple costs 100
        return handler.function(self.handle, self.state, *args, **(keywords or {}))

    # -- in the caller's turn

    def ask_in_place(self, item: Item) -> Any:
        """Answer a call on the spot: for an idle, calm server, and a caller that brings neither deadline nor callers.

        Returns the answer, or a `Request` if it is to be waited for or is an error; raises `ServerDied`. Nothing tells it from a call
        through the mailbox but its speed: no request, no future and no turn of the loop (0.5 against 5 µs).
        """
        handler: Any  # without a cast, which is a call
        context, had_none, lent = self.context, False, None
        if context is None and item[0] is not None and item[0].is_async:
            lent = lend(self)  # for a coroutine, which seldom has to wait
            context, self.task = lent.context, lent.task
        elif context is None:
            self.context = context = Context()  # as `own_context`, without its frame
            context.run(running.set, self)
            had_none = True
        handler, argument, keywords, _ = item
        task, steps = self.task, False
        self.busy = True
        recent, place = self.recent, self.place
        if recent is None and place == 0 and keywords is ONE:
            self.item, self.first, self.only, self.place = item, handler, argument, 1
        else:
            recent = recent or self.begin_recent()
            self.item = recent[place] = item
            self.place = place + 1 if place < LAST else self.begin_round()
        try:
            if task is not None:
                steps = handler.is_async
                value = self._begun(context, task, item) if steps else context.run(self._plainly, task, item)
            elif keywords is ONE:
                value = context.run(handler.function, self.handle, self.state, argument)
            else:
                value = context.run(self.apply, handler, argument, keywords)
        except BaseException as error:
            died = self.crashed_in_place(error)
            try:
                if died is None:
                    return self.failed_in_place(error)
                raise died
            finally:  # the error keeps this frame: what it dies of would be a ring, and 2 µs for the garbage collector
                del context, task, died
                if lent is not None:
                    lent.leave(self)
                del self, lent
        # What a handler answered last time is seldom of another type, and to ask that takes a third of `isinstance`.
        if self.calm and (type(value) is handler.answers or is_answer(handler, value)) and self.handed is None:
            self.item = None
            if self.mailbox is not None:
                self.runtime.wake(self)
            else:
                self.busy = False
            if lent is not None:
                del context, task  # whoever keeps one of them is counted
                lent.leave(self)
            elif had_none and not self.rounds and (len(context) == 1 or is_blank(context)) and self.task is None:
                self.context = None  # the handler has left nothing there: an idle server is 190 bytes smaller
            return value
        request = self._settle_call(self._completed if steps else self._left, value)
        if lent is not None:
            del context, task
            lent.leave(self)
        return request

    def answered_in_place(self, handler: Handler, value: object) -> Any:
        """What a plain handler answered on the spot, or the request if that is to be waited for."""
        if not self.calm or not is_answer(handler, value):
            return self._settle_call(self._left, value)
        self.item = None
        if self.mailbox is None:
            self.busy = False
        else:
            self.runtime.wake(self)
        return value

    def failed_in_place(self, error: BaseException) -> Request:
        """What follows a handler that raised on the spot, if there is more to ask about than a crash."""
        return self._settle_call(self._failed, error)

    def crashed_in_place(self, error: BaseException) -> ServerDied | None:
        """End of what a handler raised, and return what its caller gets; None, and nothing is done, if there is more
        to ask about.
        """
        raise NotImplementedError

    def _plainly(self, task: asyncio.Task[None], item: Any) -> Any:
        """What a handler returns, run under the name of `task`."""
        handler, args, keywords, _ = item
        return as_task(self.runtime.loop, task, self.apply, handler, args, keywords)

    def _begun(self, context: Context, task: asyncio.Task[None], item: Any) -> Any:
        """The answer of an `async` handler that need not wait; one that has to goes on in the task."""
        handler, args, keywords, _ = item
        take = self.runtime.first_steps.take
        try:
            if keywords is ONE:
                value = context.run(take, task, handler.function, self.handle, self.state, args)
            else:
                value = context.run(take, task, self.apply, handler, args, keywords)
        except BaseException:
            del self, context, task  # see above
            raise
        if type(value) is not Waits:
            return value
        self._hand_over(*value)
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

    def _under_task(self, function: Callable[P, R], /, *args: P.args, **keywords: P.kwargs) -> R:
        """Run a function under the name of the process's task, if it has one."""
        if self.task is None:
            return function(*args, **keywords)
        return as_task(self.runtime.loop, self.task, function, *args, **keywords)

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
            if self.mailbox is not None or self.backlog is not None or self.continuations:
                self.runtime.wake(self)
            else:
                self.busy = False
        elif self.reason is not None:
            self._seen_to_at_once()

    def handle_now(self, item: Item) -> None:
        """Handle a message that has just come, on the spot: of an idle, calm server, and a message for `handle_info`."""
        self.busy, self.mailbox = True, [item]
        context = self.context
        if context is None:
            context = self.own_context()
        context.run(self.run)

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
        mailbox = self.mailbox
        if mailbox is None or len(mailbox) > 1 or not self.calm or self.backlog is not None:
            return self._run_turn(self.runtime.burst)
        item: Any = mailbox[0]
        handler, argument, keywords, request = item
        is_exit = handler is None and keywords is None and not self.is_parents_exit(argument)
        if request is not None or (keywords is not ONE and not is_exit):
            return self._run_turn(self.runtime.burst)
        # It is the only message that waits: what a batch takes would be half of it (0.2 of 0.4 µs).
        handle, task, steps = self.handle, self.task, False
        self.mailbox = None
        recent, place = self.recent or self.begin_recent(), self.place
        self.item = recent[place] = item
        self.place = place + 1 if place < LAST else self.begin_round()
        try:
            if task is None:
                if handler is None:
                    value: Any = handle.handle_info(self.state, argument)
                else:
                    function = handler.function  # as a method that is none it would be looked up, for 7 ns
                    value = function(handle, self.state, argument)
            elif handler is None or handler.is_async:
                function, steps = type(handle).handle_info if handler is None else handler.function, True
                value = self.runtime.first_steps.take(task, function, handle, self.state, argument)
            else:
                value = self._plainly(task, item)
        except BaseException as error:
            return self._go_on(self._failed, error)
        if value is None and self.calm and self.handed is None and self.mailbox is None:
            self.item, self.busy = None, False
            return None
        if type(value) is Waits:
            self._hand_over(*value)
            return None
        return self._go_on(self._completed if steps else self._left, value)

    def _go_on(self, step: Callable[[Any], Pending], value: Any) -> None:
        """Do what follows a message that was the only one, and serve what waits by then."""
        if self.handed is None and self._settled(step, value) and self.reason is None:
            self._run_turn(self.runtime.burst - 1)

    def _run_turn(self, left: int) -> None:
        if self.task is None:
            self._run_burst(left)
            return
        loop = self.runtime.loop
        outer = swap_current_task(loop, self.task)
        try:
            self._run_burst(left)
        finally:
            swap_current_task(loop, outer)

    def _run_burst(self, left: int) -> None:
        while left > 0 or self.batch is not None:
            if not self.calm:
                left += self.put_back() - 1
                pending = self._next()
            else:
                batch = self.mailbox
                if batch is not None and self.backlog is None and self.batch is None and len(batch) <= left:
                    # As in `take_batch`, without its frame.
                    self.mailbox, self.taken, self.counted, self.batch = None, batch, 0, iter(batch)
                    left -= len(batch)
                elif self.batch is None and (batch is not None or self.backlog is not None):
                    left -= self.take_batch(left)
                pending = None if self.batch is None else self._handle_batch()
            if pending is None and self.calm and self.mailbox is None and self.backlog is None and self.batch is None:
                self.busy = False
                return
            if (pending is not None and not self._advance(pending)) or not self.busy or self.reason is not None:
                return
        self.runtime.wake(self)

    def _handle_batch(self) -> Pending:
        """Handle messages one after the other as long as there is nothing but these to look after.

        The same as `_handle` and `_completed`, without the questions whose answers are known: most messages are casts
        of one argument. Returns what is left of a callback.
        """
        handle, state, one, has_task = self.handle, self.state, ONE, self.task is not None
        batch: Any = self.batch
        for item in batch:
            handler, argument, keywords, request = item
            if keywords is one and request is None:
                self.item = item
                try:
                    if has_task and (handle.__axon_awaits_info__ if handler is None else handler.is_async):
                        return self._await_batch(handler, argument)
                    if handler is None:
                        value = handle.handle_info(state, argument)
                    else:
                        function = handler.function  # as a method that is none it would be looked up, for 7 ns
                        value = function(handle, state, argument)
                except BaseException as error:
                    return self._failed(error)
            else:
                self.item = None
                self.count_batch(1)
                self.counted += 1
                pending = self._handle(item)
                if pending is not None or not self.calm:
                    return pending
                state = self.state
                continue
            if value is not None or not self.calm:
                return cast("Pending", value) if type(value) is CoroutineType else self._completed(value)
        self.count_batch()
        self.item = self.taken = self.batch = None
        return None

    async def _await_batch(self, handler: Any, argument: Any) -> Any:
        """Await this handler and those of the messages after it, up to one that is more than a message with one
        argument for an `async` handler: a coroutine is awaited in a third of the time it takes to step through it.

        It ends with what the last of them returned, which is still to be completed. If one has to wait, the messages
        after it have been put back.
        """
        handle, state, one = self.handle, self.state, ONE
        batch: Any = self.batch or ()  # the task began it, and what was left has been put back
        info: Any = type(handle).handle_info
        function = info if handler is None else handler.function
        value = await function(handle, state, argument)
        if value is not None or not self.calm:
            return value
        for item in batch:
            handler, argument, keywords, request = item
            is_async = handle.__axon_awaits_info__ if handler is None else handler.is_async
            if keywords is not one or request is not None or not is_async:
                self.put_back(item)
                return None
            self.item = item
            function = info if handler is None else handler.function
            value = await function(handle, state, argument)
            if value is not None or not self.calm:
                return value
        return None
