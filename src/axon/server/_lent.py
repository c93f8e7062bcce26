"""A task that is lent to coroutines which need not wait, so that most servers never have one of their own.

It is the running task while a coroutine takes its first step. If the coroutine has to wait, the task is the server's
from then on, together with its context, as it is if anybody has kept it or left something there. Otherwise it goes back
and is lent to the next one, until the loop goes round. A task costs 3 to 4 µs, two turns of it included, and 1 kB.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from sys import getrefcount
from typing import TYPE_CHECKING
from weakref import getweakrefcount

from ..process import Runtime, here, is_blank, running, turn
from ._genserver import NO_TERMINATE

if TYPE_CHECKING:
    from ._serving import ServingProcess


class LentTask:
    """A task that belongs to nobody yet."""

    __slots__ = ("_name", "_owner", "_server", "_traces", "context", "task")

    def __init__(self, home: Runtime) -> None:
        self._owner: ServingProcess | None = None
        self._server: type[object] | None = None  # whose name it bears
        self._name = "axon"
        self.context: Context = Context()
        body = self._serve(home)
        body.send(None)  # a coroutine that has not begun would not hear of a cancellation (rule Z4)
        self.task: asyncio.Task[None] = home.start_task(body, self.context, self._name)
        self._traces = self._seen_by()

    async def _serve(self, home: Runtime) -> None:
        cancelled = None
        try:
            await turn()  # as in `DrivenProcess`
        except asyncio.CancelledError as error:
            cancelled = error
        if self in home.lent:
            home.lent.remove(self)
        if self._owner is not None:
            await self._owner.drive(cancelled)

    def enter(self, process: ServingProcess) -> None:
        """What is done in its context and under its name is done by this process now."""
        process.context = context = self.context
        context.run(running.set, process)
        if len(context) > 1:
            context.run(here.set, process)  # the only other thing that is there
        server = type(process.handle)
        if self._server is not server:
            self._server, self._name = server, process.kind
            self.task.set_name(self._name)

    def leave(self, process: ServingProcess) -> None:
        """The step is over: the task is the process's own from now on, or goes back."""
        was_lent, lives = process.task is self.task, process.reason is None
        if process.handed is not None and was_lent:  # it has to wait
            self._owner = process
            return
        if lives and not was_lent:
            return  # it did not take the task, and has the context
        process.context = None
        if was_lent:
            process.task = None
        # One that is to end in order needs a task by which it hears that the event loop closes.
        is_done = not lives or (not process.rounds and type(process.handle).terminate is NO_TERMINATE)
        if is_done and self._is_as_it_was():
            process.runtime.lent.append(self)
        elif lives:
            process.task, process.context, self._owner = self.task, self.context, process

    def _is_as_it_was(self) -> bool:
        """Whether no trace of the process is left: in the context, at the task, or by anybody who keeps one of them."""
        return (
            (len(self.context) == 1 or is_blank(self.context))
            and self._seen_by() == self._traces
            and not getattr(self.task, "_must_cancel", False)  # which outlives `uncancel` until Python 3.13
            and not getattr(self.task, "_callbacks", None)
            and self.task.get_name() is self._name
        )

    def _seen_by(self) -> tuple[int, int, int]:
        """How many keep the task, how many look at it, and how many keep the context (`Task.get_context`)."""
        return getrefcount(self.task), getweakrefcount(self.task), getrefcount(self.context)


def lend(home: Runtime) -> LentTask:
    """The task that is to be lent; nobody else gets it meanwhile."""
    while home.lent:
        lent: LentTask = home.lent.pop()
        if not getattr(lent.task, "_must_cancel", False):  # as whoever cancels all tasks does
            return lent
    return LentTask(home)
