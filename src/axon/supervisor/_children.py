"""A supervisor's children: their records in start order, and the protocol that starts and stops one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..errors import Ignored, NameTaken, StartFailed
from ..process import KILL_GRACE, ExitReason, checked, is_clean, kill, killed, normal, shutdown, wait_down
from ..server import GenServer, ServerProcess, Slot, WaitEdge, launch, started
from ._spec import ChildSpec

if TYPE_CHECKING:
    from ..process import Timer

Status: TypeAlias = Literal["running", "stopped", "restarting"]
"""Whether a child has a process, has none, or waits for a restart that was put off or has failed."""


@dataclass(eq=False, slots=True)
class Child:
    """One child.

    `process` is the incarnation that runs, or whose exit the supervisor has not looked at yet; `failure` why it
    ended, or did not start, last; `due` the message that will try again, so that a stale one is recognized.
    """

    spec: ChildSpec[GenServer[Any]]
    slot: Slot
    handle: GenServer[Any]
    process: ServerProcess | None = None
    status: Status = "stopped"
    started_at: float = 0.0
    failure: ExitReason | None = None
    attempts: int = 0
    due: object = None
    timer: Timer | None = None

    @property
    def is_active(self) -> bool:
        """Whether a process is alive for it."""
        return self.process is not None and self.process.reason is None


@dataclass(eq=False, slots=True)
class Children:
    """What a supervisor owns."""

    by_id: dict[str, Child] = field(default_factory=dict[str, Child])
    by_process: dict[ServerProcess, Child] = field(default_factory=dict[ServerProcess, Child])
    restarts: list[float] = field(default_factory=list[float])

    async def start(self, child: Child, supervisor: ServerProcess) -> StartFailed | Ignored | None:
        """Start a child in the supervisor's own turn; returns why it did not start, if it did not."""
        self.cancel_retry(child)
        spec = child.spec
        try:
            process = launch(
                child.handle,
                child.slot,
                supervisor,
                linked=True,
                name=spec.name,
                limit=spec.mailbox,
                reported=True,
            )
            child.process = process  # at once: a start that is broken off leaves it to `stop`
            if process.phase == "init":
                await _started_unless_stopped(process, supervisor, spec)
            await started(process)
        except StartFailed as error:
            child.process, child.failure = None, checked(error.reason)
            return error
        except NameTaken as error:
            child.failure = error
            return StartFailed(child.slot.path, error)
        except Ignored as error:
            child.process = None
            return error
        child.status, child.started_at = "running", supervisor.runtime.loop.time()
        self.by_process[process] = child
        return None

    async def stop(self, child: Child, supervisor: ServerProcess, decision: str) -> None:
        """End a child by the shutdown protocol, and leave it stopped; `decision` goes into the report of a crash."""
        self.cancel_retry(child)
        process, how = child.process, child.spec.shutdown
        if process is not None:
            has_started = process.phase != "init"
            reason = await end(process, supervisor, how)
            expected = killed if how == "brutal_kill" else shutdown
            if has_started and not is_clean(reason) and reason != expected:
                process.report_crash(reason, decision)
        self.forget(child)

    def forget(self, child: Child) -> None:
        """Nobody runs for this child any more."""
        self.cancel_retry(child)
        if child.process is not None:
            self.by_process.pop(child.process, None)
        child.process, child.status = None, "stopped"

    def remove(self, child: Child, why: str) -> None:
        """Drop a child for good; its handles say why."""
        self.forget(child)
        del self.by_id[child.spec.id]
        home = child.slot.home
        if home is not None and home.children is not None and home.children.get(child.spec.id) is child.slot:
            del home.children[child.spec.id]
        child.slot.end(why)

    def cancel_retry(self, child: Child) -> None:
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
            self.cancel_retry(child)
            if child.slot.home is None or child.slot.home.children is None:
                continue
            if child.slot.home.children.get(child.spec.id) is not child.slot:  # not one of the static ones
                child.slot.end("its supervisor ended, and it was not one of its initial children")


async def _started_unless_stopped(
    process: ServerProcess, supervisor: ServerProcess, spec: ChildSpec[GenServer[Any]]
) -> None:
    """Wait for a child's `init`, but break it off when the supervisor is to end: no child hangs a supervisor's stop.

    (In OTP the supervisor waits for ever.) A stop that was queued before the start leaves it the kill grace.
    """
    how = shutdown if spec.type == "supervisor" else killed  # a supervisor stops the children it has, in order

    def break_off() -> None:
        if process.phase == "init":
            process.request_exit(how)

    timer = supervisor.runtime.timers.after(KILL_GRACE, break_off) if supervisor.stops else None
    supervisor.on_stop = break_off
    try:
        await started(process, given_up=how)
    finally:
        supervisor.on_stop = None
        if timer is not None:
            supervisor.runtime.timers.cancel(timer)


async def end(
    process: ServerProcess, supervisor: ServerProcess, how: float | Literal["brutal_kill", "infinity"]
) -> ExitReason:
    """Ask a child to end, wait for as long as its spec says, then kill it; returns its exit reason (A14–A18).

    A killed process ends within the kill grace or is declared dead, so this always comes to an end unless the spec
    says `infinity`.
    """
    if process.reason is not None:
        return process.reason
    # A child that waits for its supervisor is ended all the same: that breaks the cycle.
    with WaitEdge(supervisor, process, refuse=False):
        if how != "brutal_kill":
            process.receive_exit(supervisor, shutdown)
            try:
                async with asyncio.timeout(None if how == "infinity" else how):
                    if process.reason is None:
                        await wait_down(process)
            except TimeoutError:
                pass
        if process.reason is None:
            process.receive_exit(supervisor, kill)
            await wait_down(process)
    return process.reason or normal
