"""How a server begins: with its `init`, in the turn of who starts it as far as that need not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextvars import Context
from types import CoroutineType
from typing import Any, cast

from ..process import ExitReason, Monitor, Process, Runtime, Started, Timer, is_blank, running
from ..telemetry import ProcessStarted
from ._driven import Phase
from ._genserver import GenServer
from ._lent import lend
from ._mailbox import Item
from ._serving import ServingProcess
from ._slot import Slot
from ._waits import WaitEdge


class StartingProcess(ServingProcess):
    """A process that begins with `init`."""

    __slots__ = ("slot", "terminated_with")
    # Said again, so that every checker infers the same for what is assigned here.
    runtime: Runtime
    sends_in: Runtime | None
    parent: Process | None
    serial: int
    _label: str | None
    context: Context | None
    task: asyncio.Task[None] | None
    links: dict[Process, None] | None
    exit_requested: ExitReason | None
    reason: ExitReason | None
    monitors: dict[Monitor, None] | None
    timers: set[Timer] | None
    trap_exit: bool
    busy: bool
    calm: bool
    mailbox: list[Item] | None
    backlog: list[Item] | None
    batch: Iterator[Item] | None
    taken: list[Item] | None
    waker: asyncio.Future[None] | None
    obeys: Process | None
    handle: GenServer[Any]
    phase: Phase
    place: int
    rounds: int
    begun: bool
    in_callback: bool
    state: Any
    item: Item | None
    handed: tuple[Started, object] | None
    recent: list[Item | None] | None

    slot: Slot
    terminated_with: ExitReason | None

    def __init__(self, handle: GenServer[Any], slot: Slot, parent: Process | None, obeys: Process | None) -> None:
        # All that its bases have is set here: a constructor of each would cost 0.1 µs.
        self.runtime = self.sends_in = runtime = slot.runtime
        self.parent = parent
        self.serial = next(runtime.serials)
        self._label = slot.given
        self.context = self.task = self.links = self.exit_requested = self.reason = self.monitors = self.timers = None
        self.trap_exit = handle.trap_exit
        self.busy, self.calm = True, runtime.in_place  # calm, unless `init` asks for something
        self.mailbox = self.backlog = self.batch = self.taken = self.waker = None
        self.obeys = obeys
        self.handle = handle
        self.slot = slot
        self.phase, self.rounds, self.place = "init", 0, 0
        self.begun = self.in_callback = False
        self.state = self.item = self.handed = self.recent = self.terminated_with = None

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
