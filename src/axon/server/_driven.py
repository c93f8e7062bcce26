"""The task of a server's own, which takes over what has to wait.

A callback either returns or leaves a coroutine. Its first step is taken on the spot, under the name of the process's
parked task; only one that has to wait is handed over to that task, which then serves the mailbox until it is empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from operator import length_hint
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..process import ExitReason, Started, rest_of, shutdown, turn
from ._history import LAST, RECENT
from ._mailbox import ONE, Item, MailboxProcess
from ._overdue import Overdue

if TYPE_CHECKING:
    from ._genserver import GenServer
    from ._handler import Handler
    from ._request import Request

Pending: TypeAlias = "Coroutine[Any, Any, Any] | None"
"""What is left of a callback: a coroutine to await, or nothing."""

Phase: TypeAlias = Literal["init", "running", "terminating"]

Task: TypeAlias = "asyncio.Task[None] | None"

UNBEGUN = object()
"""What a coroutine waits for that has not taken its first step."""


class DrivenProcess(MailboxProcess):
    """A process with callbacks; what these do, and what follows them, is the business of its subclasses."""

    __slots__ = (
        "begun",
        "first",
        "handed",
        "handle",
        "in_hook",
        "item",
        "only",
        "phase",
        "place",
        "recent",
        "rounds",
        "state",
    )
    busy: bool  # said again, so that every checker infers the same for what is assigned here
    task: Task

    handle: GenServer[Any]
    state: Any
    phase: Phase
    in_hook: bool  # in a callback that may have no message: `init`, `terminate` and the like
    item: Item | None  # the message at hand; a call that is answered on the spot has no request
    recent: list[Item | None] | None  # the messages handled last, each in the place of the oldest one
    first: Handler | None
    only: object
    """The first message is not in a list, nor is it a tuple, but these: its handler and its argument. A server that is
    started for one call leaves nothing for the garbage collector to look at by it (1.5 of 8 µs).
    """
    # The next one's place, and how often that began anew: a large number is 20 ns of 360 to count, and to divide.
    place: int
    rounds: int
    handed: tuple[Started, object] | None
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

    def remember(self, item: Item) -> None:
        """A message is handled now; its request is not kept, which would keep the answer alive."""
        recent, place = self.recent or self.begin_recent(), self.place
        recent[place] = item if item[3] is None else (*item[:3], None)
        self.place = place + 1 if place < LAST else self.begin_round()

    def begin_recent(self) -> list[Item | None]:
        """Make the list: a server that has had no message, or one, is 136 bytes smaller."""
        recent: list[Item | None] = [None] * RECENT
        self.recent = recent
        if self.first is not None:
            recent[0] = (self.first, self.only, ONE, None)
            self.first = self.only = None
        return recent

    def begin_round(self) -> int:
        """The first place again."""
        self.rounds += 1
        return 0

    @property
    def handled(self) -> int:
        """Messages since its start, those of a batch as far as they are counted."""
        return self.rounds * RECENT + self.place

    def count_batch(self, not_yet: int = 0) -> None:
        if self.batch is None or self.taken is None:
            return
        counted, end = self.counted, len(self.taken) - length_hint(self.batch) - not_yet
        if end == counted:
            return
        self.counted = end
        fresh = self.taken[max(counted, end - RECENT) : end]
        handled = self.handled + end - counted
        self.rounds, self.place = divmod(handled, RECENT)
        if len(fresh) == RECENT:  # as below, for all places at once: 0.2 µs and not 0.6
            oldest = RECENT - self.place
            self.recent = [*fresh[oldest:], *fresh[:oldest]]
            self.first = self.only = None
            return
        recent = self.recent or self.begin_recent()
        for back, item in enumerate(reversed(fresh), 1):
            recent[(handled - back) % RECENT] = item

    # -- turns of its own

    def _advance(self, pending: Pending) -> bool:
        """Take the first step of what is left of a callback; whether the process goes on here, and not in its task."""
        while pending is not None:
            if self.task is None:  # in the run queue, which does not bear its name yet
                if self._refused(pending):
                    return False
                self.task = self._make_task()
                return self._hand_over(pending, UNBEGUN)
            if (
                (self.waker is None and self.begun)
                or not self.runtime.in_place
                or (self.item is not None and self.item[3] is not None and self._needs_task(self.item[3]))
            ):
                return self._hand_over(pending, UNBEGUN)
            try:
                awaited = pending.send(None)
            except StopIteration as stop:
                pending = self._completed(stop.value)
            except BaseException as error:
                pending = self._failed(error)
            else:
                return self._hand_over(pending, awaited)
        return True

    def _needs_task(self, request: Request) -> bool:
        """Whether only the task may take the first step: it can be told that its time is over; and if a plain handler
        left the coroutine, the process does not wait yet, as far as others can see (rule B15).
        """
        handler = None if self.item is None else self.item[0]
        return self._due() is not None or (handler is not None and bool(request.callers) and not handler.is_async)

    def _hand_over(self, pending: Started, awaited: object) -> bool:
        """The task goes on with a coroutine, from its beginning or where it waits."""
        self.put_back()
        self.handed = (pending, awaited)
        self.wake_task()
        return False

    def wake_task(self) -> None:
        """Let the parked task look around."""
        if self.waker is not None and not self.waker.done():
            self.waker.set_result(None)

    def _refused(self, pending: Coroutine[Any, Any, Any]) -> bool:
        """Whether what the callback did before it returned this coroutine ended its own process."""
        if self.exit_requested is None or self._cleans_up():
            return False
        pending.close()
        self.die(self.exit_requested)
        return True

    def _cleans_up(self) -> bool:
        """Whether what is left of the callback sees for itself that the process is to end: a supervisor's `init` stops
        the children that it has begun to start.
        """
        return self.phase == "init" and self.handle.__axon_finishes__

    def _make_task(self) -> asyncio.Task[None]:
        """A task to run under the name of; its own first step comes in a later turn (3 µs less for who starts it)."""
        body = self._drive()
        body.send(None)  # a coroutine that has not begun would not hear of a cancellation (rule Z4)
        return self.runtime.start_task(body, self.own_context(), self.kind)

    def cancel_task(self) -> None:
        if self.begun or self.task is None:
            super().cancel_task()  # otherwise it sees for itself, when it begins, that it is to end

    async def _drive(self) -> None:
        cancelled = None
        try:
            await turn()  # its first step, so that it hears of a cancellation before it
        except asyncio.CancelledError as error:
            cancelled = error
        await self.drive(cancelled)

    async def drive(self, cancelled: asyncio.CancelledError | None) -> None:
        """What the process's task does from its first step on; `cancelled` if it has been by then."""
        home, serves = self.runtime, False
        self.begun = True
        pending = self._begin_task(cancelled) if self.reason is None else None
        burst = home.burst
        while pending is not None or self.reason is None:
            if pending is not None:
                pending, serves = await self._finish(pending), True
            elif serves:
                burst -= 1
                if burst == 0:
                    burst = home.burst
                    await asyncio.sleep(0)
                pending = self._next()
                serves = self.busy
            else:  # park until there is a coroutine to go on with; meanwhile the run queue serves the mailbox
                self.waker, cancelled = home.loop.create_future(), None
                try:
                    await self.waker
                except asyncio.CancelledError as error:
                    cancelled = error
                self.waker = None
                pending, burst, serves = self._take_over(cancelled), home.burst, True
        if self.handed is not None and self.handed[1] is UNBEGUN:  # it died before that took its first step
            self.handed[0].close()
            self.handed = None
        self.task = None  # its context holds the process: a ring

    def _begin_task(self, cancelled: asyncio.CancelledError | None) -> Pending:
        """What was handed over before the task took its first step."""
        unbegun = self.handed is not None and self.handed[1] is UNBEGUN
        if cancelled is not None and (unbegun or self.handed is None):
            if self.handed is not None:
                self.handed[0].close()
                self.handed = None
            self.die(self.exit_requested or cancelled)
            return None
        if self.exit_requested is not None and cancelled is None:
            if not unbegun:
                super().cancel_task()  # it takes effect where the coroutine waits, as if it had come now
            elif not self._cleans_up():
                cancelled = asyncio.CancelledError()
        return self._take_over(cancelled)

    def _take_over(self, cancelled: asyncio.CancelledError | None) -> Pending:
        handed, self.handed = self.handed, None
        if handed is not None:
            pending, awaited = handed
            if awaited is not UNBEGUN or isinstance(pending, GeneratorType):
                return rest_of(pending, awaited, cancelled)
            if cancelled is None:
                return pending
            pending.close()
            return self._failed(cancelled)
        if cancelled is None or self.reason is not None:
            return None
        # No request of ours cancels a task that has nothing to do: the event loop is closing, so end in order.
        self.busy = True
        return self._stop(shutdown)

    async def _finish(self, pending: Coroutine[Any, Any, Any]) -> Pending:
        due = self._due()
        try:
            if due is None:
                value = await pending
            else:
                overdue = Overdue(self, self._what())
                overdue.cancelled(due)
                try:
                    async with asyncio.timeout_at(due):
                        value = await pending
                finally:
                    overdue.end()
        except BaseException as error:
            return self._failed(error)
        return self._completed(value)

    def _what(self) -> str:
        handler = None if self.item is None else self.item[0]
        return "handle_info" if handler is None else handler.name

    def _due(self) -> float | None:
        """Until when the callback at hand has to be finished."""
        request = None if self.item is None else self.item[3]
        whole = self.phase == "terminating" or self.handle.__axon_finishes__
        return None if request is None or whole else request.due
