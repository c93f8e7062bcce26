"""A task that is lent to coroutines which need not wait, so that most servers never have one of their own.

It is the running task while a coroutine takes its first step. If the coroutine has to wait, the task is the server's
from then on, together with its context, as it is if anybody has kept it or left something there. Otherwise it goes back
and is lent to the next one, until the loop goes round. A task costs 3 to 4 µs, two turns of it included, and 1 kB.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from sys import getrefcount
from typing import TYPE_CHECKING, Any
from weakref import getweakrefcount

from ..process import Runtime, here, is_blank, running, turn
from ._genserver import NO_TERMINATE

if TYPE_CHECKING:
    from ._serving import ServingProcess


class LentTask:
    """A task that belongs to nobody yet."""

    __slots__ = ("_context_keepers", "_keepers", "_name", "_owner", "context", "server", "task")

    def __init__(self, home: Runtime) -> None:
        self._owner: ServingProcess | None = None
        self.server: type[object] | None = None  # whose name it bears
        self._name = "axon"
        self.context: Context = Context()
        body = self._serve(home)
        body.send(None)  # a coroutine that has not begun would not hear of a cancellation (rule Z4)
        self.task: Any = home.start_task(body, self.context, self._name)
        task, context = self.task, self.context  # counted as in `leave`
        self._keepers, self._context_keepers = getrefcount(task), getrefcount(context)

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

    def bear_name(self, process: ServingProcess) -> None:
        """Be called what the process is called, if the last one was called otherwise."""
        self.server, self._name = type(process.handle), process.kind
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
        task, context = self.task, self.context
        # Whether no trace of the process is left: in the context, at the task, or by anybody who keeps one of them (the
        # context by `Task.get_context`) or looks at the task; asyncio itself does so once.
        if (
            is_done
            and getrefcount(task) == self._keepers
            and getrefcount(context) == self._context_keepers
            and (len(context) == 1 or is_blank(context))
            and getweakrefcount(task) == 1
            and not task._must_cancel  # which outlives `uncancel` until Python 3.13
            and not task._callbacks
            and task.get_name() is self._name
        ):
            process.runtime.lent.append(self)
        elif lives:
            process.task, process.context, self._owner = task, context, process


def lend(process: ServingProcess) -> LentTask:
    """A task that nobody else gets meanwhile: what is done in its context and under its name is done by this process."""
    home, lent = process.runtime, None
    while home.lent and lent is None:
        lent = home.lent.pop()
        if lent.task._must_cancel:  # as whoever cancels all tasks does
            lent = None
    if lent is None:
        lent = LentTask(home)
    process.context = context = lent.context
    context.run(running.set, process)
    if len(context) > 1:
        context.run(here.set, process)  # the only other thing that is there
    if lent.server is not type(process.handle):
        lent.bear_name(process)
    return lent
