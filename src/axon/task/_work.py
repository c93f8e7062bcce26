"""A function as a process that ends with its result: what is behind every task."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import InvalidOption
from ..process import (
    Callers,
    ExitReason,
    Process,
    Runtime,
    TaskProcess,
    calling,
    deadline_at,
    is_clean,
    killed,
    running,
    runtime,
    shutdown,
)
from ..supervisor import Shutdown
from ..telemetry import ProcessExited
from ._outcome import Exited, Finished
from ._owner import Owner


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done, for whom, on whose behalf, and until when the requests made meanwhile matter."""

    run: Callable[[], object]
    label: str
    owner: Owner | None
    callers: Callers
    due: float | None


def work(fn: object, args: Iterable[Any], keywords: dict[str, Any], owner: Owner | None = None) -> Work:
    """Work that the running code gives out. Its deadline goes along only if somebody, the owner, waits for it."""
    if not callable(fn):
        raise InvalidOption("fn", fn, "a function or a coroutine function")
    me = running.get()
    if me is not None:
        me.refuse_if_dead()
    return Work(
        run=partial(fn, *args, **keywords),
        label=f"{_name_of(fn)}#{runtime().next_serial()}",
        owner=owner,
        callers=calling.get() if me is None else (me, calling.get()),
        due=None if owner is None else deadline_at.get(),
    )


def _name_of(fn: object) -> str:
    while isinstance(fn, partial):
        fn = fn.func
    name: str = getattr(fn, "__name__", type(fn).__name__)
    return name


class WorkProcess(TaskProcess):
    """One run of some work. At its death `outcome` says what became of it."""

    __slots__ = ("crashed", "expected", "outcome", "supervised", "work")

    def __init__(self, home: Runtime, work: Work, parent: Process | None, *, supervised: bool = False) -> None:
        self.work: Work = work
        self.supervised: bool = supervised
        self.outcome: Finished[Any] | Exited | None = None
        self.expected: ExitReason | None = None
        self.crashed: bool = False
        super().__init__(home, parent, work.label, self._run())
        context = self.own_context()
        context.run(calling.set, work.callers)
        context.run(deadline_at.set, work.due)

    async def _run(self) -> None:
        value = self.work.run()
        if inspect.isawaitable(value):
            value = await value
        if self.reason is None and self.exit_requested != killed:
            self.outcome = Finished(value)

    def die(self, reason: ExitReason) -> None:
        if self.reason is not None:
            return
        if self.outcome is None:
            self.outcome = Exited(reason)
        self.crashed = not is_clean(reason) and reason != self.expected
        super().die(reason)

    def expect(self, how: Shutdown) -> None:
        """Somebody asks for its end, and is not surprised by it."""
        self.expected = killed if how == "brutal_kill" else shutdown

    def receive_exit(self, sender: Process | None, reason: ExitReason, linked: bool = False) -> None:
        if linked and sender is not None and sender is self.work.owner and self.exit_requested is None:
            self.expected = reason  # it follows its owner, whose crash is reported there
        super().receive_exit(sender, reason, linked)

    def report(self, reason: ExitReason) -> None:
        if self.runtime.bus.wants(ProcessExited):
            self.runtime.bus.emit(ProcessExited(path=self.path, reason=reason))
        if not self.crashed:
            return
        if not self.supervised:
            kept = "it has no supervisor and stays down" if self.work.owner is None else "its owner is told"
            self.report_crash(reason, f"none: {kept}")
        elif self.parent is not None and self.parent.reason not in (None, reason):
            self.report_crash(reason, "none: its supervisor ended before it")


def begin(work: Work) -> WorkProcess:
    """Start some work as a child of the running process, without a supervisor."""
    return WorkProcess(runtime(), work, running.get())
