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
    first: Handler | None
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
        self.in_callback, self.begun = True, False  # since `init` is what comes first
        self.state = self.item = self.handed = self.first = self.recent = self.terminated_with = None

    def begin(self) -> None:
        """Run `init`, in place if it is plain; `outcome` tells how it went, as soon as the phase is not init."""
        if self.handle.__axon_awaits__ and self.calm:
            lent = lend(self)
            try:
                self._begin(lent.context, lent)
            finally:
                lent.leave(self)
        else:
            self._begin(Context(), None)

    def _begin(self, context: Context, lent: LentTask | None) -> None:
        self.context = context
        try:
            value = context.run(self._init, running.get(), lent)
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
        # One that is restarted is in use, and its calls are spared the making of a context (0.5 of 10 µs).
        is_used = self.slot.restart_at is not None and lent is None
        if not is_used and self.task is None and (len(context) == 1 or is_blank(context)):
            self.context = None
        return None

    def _init(self, starter: Process | None, lent: LentTask | None) -> object:
        """What `init` returns, or, if it is to run in the task, a coroutine."""
        running.set(self)  # the first that is done in its context
        value: Any = self.handle.init()
        if type(value) is not CoroutineType or not self.calm:
            return cast("object", value)
        pending = cast("Coroutine[Any, Any, Any]", value)
        task: asyncio.Task[None] = self._make_task() if lent is None else lent.task
        self.task = task
        if starter is None or starter.task is None:  # which makes no edge
            return self._begin_coroutine(task, pending)
        with WaitEdge(starter, self, refuse=False):  # its first step may be a call of its starter
            return self._begin_coroutine(task, pending)
