"""A supervisor's children: their records in start order, and how one of them is started and dropped."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..errors import Ignored, NameTaken, StartFailed
from ..process import ExitReason, checked, is_clean
from ..server import GenServer, ServerProcess, Slot, bound, launch
from ._decide import is_restarted
from ._end import end, report_unexpected, started_unless_stopped
from ._spec import ChildSpec
from ._streak import Streak, forget_stability

if TYPE_CHECKING:
    from ..process import Timer

Status: TypeAlias = Literal["running", "stopped", "restarting"]
"""Whether a child has a process, has none, or waits for a restart that was put off or has failed."""


@dataclass(eq=False, slots=True)
class Child:
    """One child.

    `process` is the incarnation that runs, or whose exit the supervisor has not looked at yet; `failure` why it
    ended, or did not start, until it runs again; `streak` its restarts since it was stable last; `due` the message
    that will try again, so that a stale one is recognized; `timer` what delivers it.
    """

    spec: ChildSpec[GenServer[Any]]
    slot: Slot
    handle: GenServer[Any]
    process: ServerProcess | None = None
    status: Status = "stopped"
    failure: ExitReason | None = None
    streak: Streak | None = None
    due: object = None
    timer: Timer | None = None

    @property
    def id(self) -> str:
        """Its key among its siblings."""
        return self.slot.label

    @property
    def is_active(self) -> bool:
        """Whether a process is alive for it."""
        return self.process is not None and self.process.reason is None

    @property
    def is_static(self) -> bool:
        """Whether it is one of its supervisor's initial children, whose slots outlive an incarnation of it."""
        home = self.slot.home
        return home is not None and home.children is not None and home.children.get(self.id) is self.slot


def static_child(home: Slot, spec: ChildSpec[GenServer[Any]]) -> Child:
    """The record of an initial child, in the slot that its handles of earlier incarnations point to."""
    slots = home.children = {} if home.children is None else home.children
    slot = slots.get(spec.id)
    if slot is None:
        slot = slots[spec.id] = Slot(home.runtime, spec.id, home)
    return Child(spec, slot, bound(spec.server, slot))


def added_child(home: Slot, spec: ChildSpec[GenServer[Any]], id: str, server: GenServer[Any]) -> Child:
    """The record of a child that is added now, in a slot of its own."""
    slot = Slot(home.runtime, id, home)
    return Child(spec, slot, bound(server, slot))


@dataclass(eq=False, slots=True)
class Children:
    """What a supervisor owns."""

    by_id: dict[str, Child] = field(default_factory=dict[str, Child])
    by_process: dict[ServerProcess, Child] = field(default_factory=dict[ServerProcess, Child])
    restarts: deque[float] = field(default_factory=deque[float])

    def __await__(self) -> Generator[None, None, Children]:
        """Itself: an override of `init` may await that of its base, which need not wait."""
        return self
        yield

    async def start(
        self, child: Child, supervisor: ServerProcess, *, again: bool = False
    ) -> StartFailed | Ignored | None:
        """Start a child in the supervisor's own turn; returns why it did not start, if it did not.

        `again`: it will be tried until it starts, so whoever asks for it in between hears that a restart is due.
        """
        failure = self.begin(child, supervisor, supervisor.runtime.timers.time() if again else None)
        return await self.finish(child, supervisor) if failure is None and child.status != "running" else failure

    def begin(self, child: Child, supervisor: ServerProcess, due: float | None = None) -> StartFailed | Ignored | None:
        """Start a child as far as that goes without waiting: it is running, unless its `init` has to be awaited."""
        if child.timer is not None:
            self.cancel_timer(child)
        child.due, child.slot.restart_at, spec = None, due, child.spec
        try:
            child.process = process = launch(child.handle, child.slot, supervisor, True, spec.name, limit=spec.mailbox)
        except NameTaken as error:
            child.failure = error
            return StartFailed(child.slot.path, error)
        return self.outcome(child, process) if process.phase != "init" or process.outcome is not None else None

    async def finish(self, child: Child, supervisor: ServerProcess) -> StartFailed | Ignored | None:
        """Wait for the `init` of a child; a start that is broken off leaves its process to `stop`."""
        process = child.process
        assert process is not None, "it has just begun"
        with suppress(StartFailed, Ignored):
            await started_unless_stopped(process, supervisor, child.spec.type)
        return self.outcome(child, process)

    def outcome(self, child: Child, process: ServerProcess) -> StartFailed | Ignored | None:
        """Note how the start of a child went, whose `init` is over; returns why it does not run, if it does not."""
        error = process.outcome
        if error is None:
            child.slot.restart_at = None
            child.status, child.failure = "running", None  # what it died of holds all that was at hand there
            self.by_process[process] = child
            return None
        child.process = None
        if isinstance(error, StartFailed):
            child.failure = checked(error.reason)
        return error

    async def stop(self, child: Child, supervisor: ServerProcess, decision: str) -> None:
        """End a child by the shutdown protocol, and leave it stopped; `decision` goes into the report of a crash."""
        self.cancel_timer(child)
        forget_stability(child)
        process, how = child.process, child.spec.shutdown
        child.status = "stopped"
        if process is not None:
            has_started = process.phase != "init"
            await end(process, supervisor, how)
            if has_started:
                report_unexpected(process, how, decision)
        self.forget(child)

    def will_restart(self, slot: Slot) -> bool:
        """Whether a child has ended by itself, and its restart waits only for the supervisor to look."""
        child = self.by_id.get(slot.label)
        if child is None or child.slot is not slot or child.status != "running" or child.process is None:
            return False
        reason = child.process.reason
        return reason is not None and is_restarted(child.spec.restart, reason)

    def forget(self, child: Child) -> None:
        """Nobody runs for this child any more, or is to."""
        self.cancel_timer(child)
        forget_stability(child)
        self.lose(child)

    def lose(self, child: Child) -> None:
        """Nobody runs for this child now."""
        if child.process is not None:
            self.by_process.pop(child.process, None)
        child.process, child.status = None, "stopped"

    def remove(self, child: Child, why: str) -> None:
        """Drop a child for good; its handles say why."""
        self.forget(child)
        del self.by_id[child.id]
        home = child.slot.home
        if child.is_static and home is not None and home.children is not None:
            del home.children[child.id]
        child.slot.end(why)

    def cancel_timer(self, child: Child) -> None:
        """Give up the retry that is due."""
        if child.timer is not None:
            child.slot.runtime.timers.cancel(child.timer)
        child.timer = child.due = child.slot.restart_at = None

    async def stop_all(
        self, children: Iterable[Child], supervisor: ServerProcess, decision: str, drop_temporary: bool = True
    ) -> None:
        """End these one at a time, the last one first; temporary ones are gone for good."""
        for child in reversed(list(children)):
            await self.stop(child, supervisor, decision)
            if drop_temporary and child.spec.restart == "temporary":
                self.remove(child, "it was temporary and its supervisor ended it")

    def others_active(self, child: Child) -> bool:
        """Whether another significant child runs or is being restarted."""
        return any(
            other.spec.significant and other.status != "stopped" for other in self.by_id.values() if other is not child
        )

    def disband(self) -> None:
        """The supervisor is dead: no retry is due, and crashes it did not live to look at are reported."""
        for process in self.by_process:
            if process.reason is not None and not is_clean(process.reason):
                process.report_crash(process.reason, "none: its supervisor ended, too")
        for child in self.by_id.values():
            self.cancel_timer(child)
            forget_stability(child)
            if not child.is_static:
                child.slot.end("its supervisor ended, and it was not one of its initial children")
