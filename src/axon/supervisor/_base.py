"""What all supervisors do: start the children they begin with, restart them within a budget, tell about them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar, Literal, Self

from ..errors import Ignored, InvalidOption, StartFailed
from ..process import Exit, ExitReason, checked_seconds, is_clean, killed, running, shutdown
from ..server import GenServer, ServerProcess, Stop, bound, call, checked_name, slot_of
from ..telemetry import ChildRestarted, SupervisorGaveUp
from ._block import enter, leave
from ._children import Child, Children, Status, static_child
from ._decide import add_restart, is_restarted
from ._spec import ChildSpec
from ._streak import CRASH_LOOP, backoff_delay, count_restart, expect_stability, tell_crash_loop


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildInfo:
    """One line of `which_children`."""

    id: str
    handle: GenServer[Any]
    status: Status
    type: Literal["worker", "supervisor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildCounts:
    """What `count_children` returns: all specs, those with a live process, and the specs by type."""

    specs: int
    active: int
    supervisors: int
    workers: int


@dataclass(frozen=True, slots=True, eq=False)
class _TryAgain:
    """A supervisor's message to itself: a restart is due, which was put off (`counted`) or has failed."""

    child: Child
    counted: bool


class BaseSupervisor(GenServer[Children]):
    """The base of `Supervisor`, `DynamicSupervisor` and `PartitionSupervisor`; not for use by itself."""

    max_restarts: int = field(default=3, kw_only=True)
    max_seconds: float = field(default=5.0, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    trap_exit: ClassVar[bool] = True
    __axon_supervises__: ClassVar[bool] = True
    __axon_finishes__: ClassVar[bool] = True  # half a restart would be no restart

    def __post_init__(self) -> None:
        if isinstance(self.max_restarts, bool) or not isinstance(self.max_restarts, int) or self.max_restarts < 0:
            raise InvalidOption("max_restarts", self.max_restarts, "a number >= 0")
        if not checked_seconds(self.max_seconds, "max_seconds") > 0:
            raise InvalidOption("max_seconds", self.max_seconds, "a number of seconds > 0")
        checked_name(self.name)

    # -- what its kinds say

    def _specs(self) -> Sequence[ChildSpec[GenServer[Any]]]:
        """The children it begins with."""
        return ()

    def _group(self, state: Children, failed: Child) -> list[Child] | None:
        """Those who restart when this one fails, in start order; None if it is this one alone."""
        return None

    def _gone(self, state: Children, child: Child, why: str) -> None:
        """Nobody restarts this child, which has ended or chose not to start: keep its spec, or drop it."""
        if child.spec.restart == "temporary":
            state.remove(child, f"it was temporary and {why}")
        else:
            state.forget(child)

    def _ended(self, state: Children, child: Child) -> None:
        """Nobody restarts this child, which has ended by itself."""
        self._gone(state, child, "has ended")

    # -- what a program asks of it

    @call(timeout=None)
    def which_children(self, state: Children) -> list[ChildInfo]:
        """All children in start order."""
        return [ChildInfo(id=c.id, handle=c.handle, status=c.status, type=c.spec.type) for c in state.by_id.values()]

    @call(timeout=None)
    def count_children(self, state: Children) -> ChildCounts:
        """How many children there are, and how many of them run."""
        children = list(state.by_id.values())
        supervisors = sum(c.spec.type == "supervisor" for c in children)
        return ChildCounts(
            specs=len(children),
            active=sum(c.is_active for c in children),
            supervisors=supervisors,
            workers=len(children) - supervisors,
        )

    def _handle(self, id: str) -> GenServer[Any] | None:
        """The handle of a child, at once; while the supervisor itself is away, of an initial child."""
        slot = slot_of(self)
        process = slot.process
        if process is not None and process.phase != "init":
            state: Children | None = process.state
            child = None if state is None else state.by_id.get(id)
            return None if child is None else child.handle
        if slot.children is None or id not in slot.children:
            return None
        return bound(next(spec for spec in self._specs() if spec.id == id).server, slot.children[id])

    # -- the block

    async def __aenter__(self) -> Self:
        return await enter(self, self.name)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await leave(self, error)

    # -- callbacks

    def init(self) -> Children | Awaitable[Children]:
        """Start the children in order; if one fails those before it are stopped, and so does this start.

        Plain as long as the children's are: a supervisor without a task restarts 1 µs faster, and is 1 kB smaller.
        """
        state, me = Children(), this_supervisor()
        me.on_death(state.disband)
        for spec in self._specs():
            state.by_id[spec.id] = static_child(me.slot, spec)
        rest = iter(list(state.by_id.values()))
        for child in rest:
            failure = state.begin(child, me)
            if isinstance(failure, StartFailed) or (failure is None and child.status != "running"):
                return self._start_rest(state, me, child, failure, rest)
            if failure is not None:
                self._gone(state, child, "chose not to start")
        return state

    async def _start_rest(
        self,
        state: Children,
        me: ServerProcess,
        child: Child | None,
        failure: StartFailed | Ignored | None,
        rest: Iterator[Child],
    ) -> Children:
        """Go on with a child that has begun to start, and has to be waited for or has failed."""
        try:
            while child is not None:
                if me.exit_requested is not None:
                    raise asyncio.CancelledError  # it was asked to end before it waited
                if failure is None and child.status != "running":
                    failure = await state.finish(child, me)
                if isinstance(failure, StartFailed):
                    await state.stop_all(state.by_id.values(), me, "none: its supervisor failed to start", False)
                    raise Stop(shutdown(StartFailed(child.id, failure.reason)))
                if failure is not None:
                    self._gone(state, child, "chose not to start")
                child = next(rest, None)
                failure = None if child is None else state.begin(child, me)
        except asyncio.CancelledError:  # nobody waits for this start any more
            if me.exit_requested != killed:  # killed, it has no chance to stop them: their links tell them (A25)
                await state.stop_all(state.by_id.values(), me, "none: its supervisor is stopping", False)
            raise
        return state

    def handle_info(self, state: Children, message: object) -> Awaitable[None] | None:
        """Exits of children, and retries; signals and messages of strangers are ignored (rules A24, A90).

        Plain, and so is what follows, as far as nobody has to be waited for: a restart is no more than a few calls.
        """
        if type(message) is Exit:
            process = message.sender
            if isinstance(process, ServerProcess) and process.reason is not None:
                child = state.by_process.get(process)
                if child is not None:
                    return self._exited(state, child, process, message.reason)
        elif type(message) is _TryAgain and message.child.due is message:  # not terminated meanwhile (rule A59)
            child = message.child
            if not message.counted:
                return self._restart(state, child, None)
            state.forget(child)
            me = this_supervisor()
            return self._restart_group(state, child, me, me.runtime.timers.time())
        return None

    async def terminate(self, state: Children, reason: ExitReason) -> None:
        """Stop the children one at a time, the last one first."""
        await state.stop_all(state.by_id.values(), this_supervisor(), "none: its supervisor is stopping", False)

    # -- exits and restarts

    def _exited(
        self, state: Children, child: Child, process: ServerProcess, reason: ExitReason
    ) -> Awaitable[None] | None:
        child.failure = reason
        if child.spec.restart == "permanent" or is_restarted(child.spec.restart, reason):
            return self._restart(state, child, process)
        if not is_clean(reason):
            temporary = child.spec.restart == "temporary"
            why = "it is temporary" if temporary else "it is transient, and the server it called was shut down"
            process.report_crash(reason, f"none: {why}")
        self._ended(state, child)
        return None

    def _restart(self, state: Children, child: Child, process: ServerProcess | None) -> Awaitable[None] | None:
        """Count a restart, and do it: now, or later if the child has a backoff."""
        me = running.get()
        assert isinstance(me, ServerProcess), "see `this_supervisor`"
        now = me.runtime.timers.time()
        too_many = add_restart(state.restarts, now, self.max_restarts, self.max_seconds)
        streak = count_restart(child, now)
        delay = 0.0 if too_many or child.spec.backoff is None else backoff_delay(child, streak.count)
        heard = me.runtime.is_watched(quiet=False)  # asked once, not for each event: 0.2 µs
        if heard and process is not None and child.failure is not None and not is_clean(child.failure):
            decision = "the supervisor gives up" if too_many else "restart"
            process.report_crash(child.failure, decision if not delay else f"restart in {delay:.3g} s")
        if process is not None:  # as `lose`
            state.by_process.pop(process, None)
        child.process, child.status = None, "stopped"
        if too_many:
            self._give_up(child, me)
        if streak.count >= CRASH_LOOP and not streak.told:
            tell_crash_loop(child, streak, me)
        if delay:
            self._try_again(child, me, delay)
            return None
        return self._restart_group(state, child, me, now)

    def _try_again(self, child: Child, me: ServerProcess, delay: float | None = None) -> None:
        """Restart it by a message to oneself: after a delay, or, since it has just failed, behind those that wait."""
        child.status, child.slot.restart_at = "restarting", me.runtime.loop.time() + (delay or 0.0)
        child.due = again = _TryAgain(child, delay is not None)
        if delay is None:
            me.deliver(again)
        else:
            child.timer = me.runtime.timers.after(delay, lambda: me.deliver(again))

    def _give_up(self, child: Child, me: ServerProcess) -> None:
        event = SupervisorGaveUp(
            path=me.path,
            child=child.id,
            reason=child.failure,
            max_restarts=self.max_restarts,
            period=self.max_seconds,
        )
        me.slot.gave_up = event, child.slot
        if me.runtime.bus.wants(SupervisorGaveUp):
            me.runtime.bus.emit(event)
        raise Stop(shutdown)

    def _restart_group(self, state: Children, child: Child, me: ServerProcess, now: float) -> Awaitable[None] | None:
        """Stop those whom the strategy concerns, start them in order; if one fails, a message to oneself tries
        again (rules A54, A55, A58).
        """
        members = self._group(state, child)
        if members is not None and len(members) > 1:
            return self._restart_members(state, child, members, me)
        failure = state.begin(child, me, now)
        if failure is None and child.status != "running":
            return self._restart_alone(state, child, me)
        return self._restarted(state, child, failure, me)

    async def _restart_alone(self, state: Children, child: Child, me: ServerProcess) -> None:
        rest = self._restarted(state, child, await state.finish(child, me), me)
        if rest is not None:
            await rest

    async def _restart_members(self, state: Children, child: Child, members: list[Child], me: ServerProcess) -> None:
        await state.stop_all([m for m in members if m is not child], me, "restart with its group")
        members = [member for member in members if state.by_id.get(member.id) is member]
        for member in members:
            member.slot.restart_at = me.runtime.loop.time()
        for member in members:
            rest = self._restarted(state, member, await state.start(member, me, again=True), me)
            if rest is not None:
                return await rest

    def _restarted(
        self, state: Children, child: Child, failure: StartFailed | Ignored | None, me: ServerProcess
    ) -> Awaitable[None] | None:
        """See how it went; returns what is left to do if it has failed, and then no other is to start."""
        if isinstance(failure, StartFailed):
            return self._failed_again(child, me)
        if failure is not None:
            self._gone(state, child, "chose not to start")
            return None
        if child.streak is not None:
            expect_stability(child, child.streak, me, self.max_seconds)
        bus = me.runtime.bus
        if bus.wants(ChildRestarted):
            restarts = len(state.restarts)
            bus.emit(ChildRestarted(path=child.slot.path, restarts=restarts, period=self.max_seconds))
        return None

    async def _failed_again(self, child: Child, me: ServerProcess) -> None:
        await asyncio.sleep(0)  # a child that fails again and again leaves the others their turns
        self._try_again(child, me)


def checked_choice(option: str, value: object, choices: Sequence[str]) -> None:
    """Refuse a value that is none of these."""
    if value not in choices:
        raise InvalidOption(option, value, "one of " + ", ".join(map(repr, choices)))


def this_supervisor() -> ServerProcess:
    """The process whose callback this is."""
    me = running.get()
    assert isinstance(me, ServerProcess), "a supervisor's callbacks run in its own process"
    return me
