"""How a server begins: with its `init`, in the turn of who starts it as far as that need not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextvars import Context
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from ..process import ExitReason, Monitor, Process, Runtime, Started, Timer, is_blank, running
from ..telemetry import ProcessStarted
from ._driven import Phase
from ._genserver import GenServer
from ._lent import LentTask, lend
from ._mailbox import Item
from ._serving import ServingProcess
from ._slot import Slot
from ._waits import WaitEdge

if TYPE_CHECKING:
    from ._handler import Handler


class StartingProcess(ServingProcess):
    """A process that begins with `init`."""

    __slots__ = ("slot", "terminated_with")
    # Said again, so that every checker infers the same for what is assigned here.
    runtime: Runtime
    sends_in: Runtime | None
    parent: Process | None
    serial: int
    context: Context | None
    task: asyncio.Task[None] | None
    links: dict[Process, None] | None
    reason: ExitReason | None
    monitors: dict[Monitor, None] | None
    timers: set[Timer] | None
    busy: bool
    calm: bool
    mailbox: list[Item] | None
    backlog: list[Item] | None
    batch: Iterator[Item] | None
    waker: asyncio.Future[None] | None
    obeys: Process | None
    handle: GenServer[Any]
    phase: Phase
    place: int
    rounds: int
    begun: bool
    in_hook: bool
    state: Any
    item: Item | None
    handed: tuple[Started, object] | None
    first: Handler | None
    recent: list[Item | None] | None

    slot: Slot
    terminated_with: ExitReason | None

    def __init__(self, handle: GenServer[Any], slot: Slot, parent: Process | None, obeys: Process | None) -> None:
        # All that its bases have is set here: a constructor of each would cost 0.1 µs. What is asked for only when it
        # has been set stays unset: `_label`, which is its slot's, `taken`, `terminated_with`.
        self.runtime = self.sends_in = runtime = slot.runtime
        self.parent = parent
        self.serial = next(runtime.serials)
        self.context = self.task = self.links = self.reason = self.monitors = self.timers = None
        if handle.trap_exit:
            self.trap_exit = True
        self.busy, self.calm = True, runtime.in_place  # calm, unless `init` asks for something
        self.mailbox = self.backlog = self.batch = self.waker = None
        self.obeys = obeys
        self.handle = handle
        self.slot = slot
        self.phase, self.rounds, self.place = "init", 0, 0
        self.in_hook, self.begun = True, False  # since `init` is what comes first
        self.state = self.item = self.handed = self.first = self.recent = None

    @property
    def label(self) -> str:
        given = self.slot.given
        return f"{self.kind}#{self.serial}" if given is None else given

    def begin(self) -> None:
        """Run `init`, in place if it is plain; `outcome` tells how it went, as soon as the phase is not init."""
        if self.handle.__axon_awaits__ and self.calm:
            lent = lend(self)
            try:
                self._begin(lent.context, lent)
            finally:
                lent.leave(self)
        else:
            self.context = context = Context()
            context.run(running.set, self)  # the first that is done in it
            self._begin(context, None)

    def _begin(self, context: Context, lent: LentTask | None) -> None:
        try:
            value: object = context.run(self.handle.init)  # a frame between, for what seldom follows, would be 60 ns
            kind = type(value)
            if kind is CoroutineType and self.calm:
                pending = cast("Coroutine[Any, Any, Any]", value)
                value = context.run(self._first_step, running.get(), pending, lent)
        except BaseException as error:
            return self.settle(self._failed, error)
        if self.handed is not None:
            return None
        if type(value) is CoroutineType:
            with WaitEdge(running.get(), self, refuse=False):  # as in `_first_step`
                return self.settle(self._left if self.task is None else self._completed, value)
        if not self.calm or self.mailbox or self.runtime.bus.wants(ProcessStarted):
            return self.settle(self._completed, value)
        self.in_hook = self.busy = False  # as `_completed`, for an init that did no more than return a state
        self.state, self.phase = value, "running"
        # One that is restarted is in use, and its calls are spared the making of a context (0.5 of 10 µs).
        is_used = self.slot.restart_at is not None and lent is None
        if not is_used and self.task is None and (len(context) == 1 or is_blank(context)):
            self.context = None
        return None

    def _first_step(self, starter: Process | None, pending: Coroutine[Any, Any, Any], lent: LentTask | None) -> object:
        """What an `init` returns that is a coroutine and need not wait; one that has to goes on in the task."""
        task: asyncio.Task[None] = self._make_task() if lent is None else lent.task
        self.task = task
        if starter is None or starter.task is None:  # which makes no edge
            return self._begin_coroutine(task, pending)
        with WaitEdge(starter, self, refuse=False):  # its first step may be a call of its starter
            return self._begin_coroutine(task, pending)
