"""How a server begins: with its `init`, in the turn of who starts it as far as that need not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from types import CoroutineType
from typing import Any, cast

from ..process import Process, is_blank, running
from ..telemetry import ProcessStarted
from ._lent import lend
from ._serving import ServingProcess
from ._waits import WaitEdge


class StartingProcess(ServingProcess):
    """A process that begins with `init`."""

    __slots__ = ()
    # Said again, so that every checker infers the same for what is assigned here.
    busy: bool
    context: Context | None
    task: asyncio.Task[None] | None
    in_callback: bool

    def begin(self) -> None:
        """Run `init`, in place if it is plain; `outcome` tells how it went, as soon as the phase is not init."""
        self.in_callback = True
        if not (self.handle.__axon_awaits__ and self.calm):
            return self._begin(Context(), None)
        lent = lend(self.runtime)
        lent.enter(self)
        try:
            return self._begin(lent.context, lent.task)
        finally:
            lent.leave(self)

    def _begin(self, context: Context, task: asyncio.Task[None] | None) -> None:
        self.context = context
        try:
            value = context.run(self._init, running.get(), task)
        except BaseException as error:
            return self.settle(self._failed, error)
        if self.handed is not None:
            return None
        if type(value) is CoroutineType:
            with WaitEdge(running.get(), self, refuse=False):  # as in `_init`
                return self.settle(self._left if self.task is None else self._completed, value)
        if not self.calm or self.mailbox or self.runtime.bus.wants(ProcessStarted):
            return self.settle(self._completed, value)
        self.in_callback = self.busy = False  # as `_completed`, for an init that did no more than return a state
        self.state, self.phase = value, "running"
        if self.task is None and (len(context) == 1 or is_blank(context)):
            self.context = None

    def _init(self, starter: Process | None, task: asyncio.Task[None] | None) -> object:
        """What `init` returns, or, if it is to run in the task, a coroutine."""
        running.set(self)  # the first that is done in its context
        value: Any = self.handle.init()
        if type(value) is not CoroutineType or not self.calm:
            return cast("object", value)
        self.task = self._make_task() if task is None else task
        if starter is None:
            return self._begin_coroutine(self.task, cast("Coroutine[Any, Any, Any]", value))
        with WaitEdge(starter, self, refuse=False):  # its first step may be a call of its starter
            return self._begin_coroutine(self.task, cast("Coroutine[Any, Any, Any]", value))
