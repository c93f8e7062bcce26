"""The supervisor: starts its children in order, restarts them by strategy within a budget, stops them in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar, Literal, Self, TypeVar, cast, get_args

from ..errors import (
    AxonError,
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    InvalidOption,
    StartFailed,
    WrongServer,
)
from ..process import Exit, ExitReason, checked_seconds, current, is_clean, killed, shutdown
from ..server import GenServer, ServerProcess, Slot, Stop, bound, call, class_of, slot_of
from ..telemetry import ChildRestarted, SupervisorGaveUp
from ._backoff import backoff_delay
from ._block import enter, leave
from ._children import Child, Children, Status
from ._decide import AutoShutdown, Strategy, add_restart, ends_supervisor, group, is_restarted
from ._spec import ChildSpec, as_child

G = TypeVar("G", bound=GenServer[Any])


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


class Supervisor(GenServer[Children]):
    """Keeps its children running: `async with Supervisor([Counter(), Feed()], strategy="rest_for_one") as sup:`.

    children: servers or `child(...)` specs, started in this order and stopped in reverse. strategy: what one exit
    does to the others: `one_for_one` (default) nothing, `one_for_all` all restart, `rest_for_one` those after it do.
    max_restarts, max_seconds: more than 3 restarts within 5 seconds (the defaults) and the supervisor gives up: it
    ends its children and exits `shutdown`. auto_shutdown: whether the end of `significant` children ends it.
    name: its registered name and the root of its path, for a supervisor that is entered as a block.

    The `async with` block is the parent: leaving it stops the tree in order, and when the supervisor ends by itself
    the body is cancelled and the block raises `SupervisorDied`. As a child of another supervisor it is a spec like
    any other. Not for work that ends with its block: that is `asyncio.TaskGroup`.
    https://www.erlang.org/doc/man/supervisor, https://hexdocs.pm/elixir/Supervisor.html
    """

    children: Sequence[ChildSpec[GenServer[Any]] | GenServer[Any]] = ()
    strategy: Strategy = field(default="one_for_one", kw_only=True)
    max_restarts: int = field(default=3, kw_only=True)
    max_seconds: float = field(default=5.0, kw_only=True)
    auto_shutdown: AutoShutdown = field(default="never", kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    trap_exit: ClassVar[bool] = True
    __axon_finishes__: ClassVar[bool] = True  # half a restart would be no restart

    def __post_init__(self) -> None:
        for option, value, choices in (
            ("strategy", self.strategy, get_args(Strategy)),
            ("auto_shutdown", self.auto_shutdown, get_args(AutoShutdown)),
        ):
            if value not in choices:
                raise InvalidOption(option, value, "one of " + ", ".join(map(repr, choices)))
        if isinstance(self.max_restarts, bool) or not isinstance(self.max_restarts, int) or self.max_restarts < 0:
            raise InvalidOption("max_restarts", self.max_restarts, "a number >= 0")
        if not checked_seconds(self.max_seconds, "max_seconds") > 0:
            raise InvalidOption("max_seconds", self.max_seconds, "a number of seconds > 0")
        if not isinstance(self.children, list | tuple):
            raise InvalidOption("children", self.children, "a list of servers or child(...) specs")
        specs = [as_child(given) for given in self.children]
        seen: set[str] = set()
        for spec in specs:
            if spec.id in seen:
                raise InvalidOption("id", spec.id, "unique among the children; give another with child(..., id=...)")
            seen.add(spec.id)
            self._check_significant(spec)
        object.__setattr__(self, "children", tuple(specs))

    def _check_significant(self, spec: ChildSpec[Any]) -> None:
        if spec.significant and self.auto_shutdown == "never":
            raise InvalidOption("significant", True, "False under auto_shutdown='never'")

    # -- what a program asks of it

    def get(self, server: type[G], id: str | None = None) -> G:
        """The handle of a child, at once: `sup.get(Counter)`. It follows the child's restarts.

        id: default the class name. Raises `ChildNotFound`, and `WrongServer` if that child is of another class.
        """
        slot, wanted = slot_of(self), class_of(server).__name__ if id is None else id
        process = slot.process
        found: GenServer[Any] | None = None
        if process is not None and process.phase != "init":
            known: Children | None = process.state
            child = None if known is None else known.by_id.get(wanted)
            found = None if child is None else child.handle
        elif slot.children is not None and wanted in slot.children:  # it is being restarted; its slots stay
            specs = {spec.id: spec for spec in map(as_child, self.children)}
            found = bound(specs[wanted].server, slot.children[wanted])
        if found is None:
            raise ChildNotFound(slot.path, wanted)
        if not isinstance(found, class_of(server)):
            raise WrongServer(f"the child {wanted!r} of {slot.path} is {found!r}, not a {server.__name__}")
        return cast("G", found)

    async def start_child(self, server: ChildSpec[G] | G) -> G:
        """Add a child at the end of the order and start it; returns its handle when its `init` is done.

        Raises `StartFailed` with the cause (the child is not kept, and is not retried), `ChildAlreadyStarted`,
        `ChildAlreadyPresent`, `InvalidOption`. If its `init` raised `Ignore` nobody runs behind the handle.
        """
        spec = as_child(server)
        self._check_significant(spec)
        return cast("G", await self._start_child(spec))

    @call(timeout=None, raises=(AxonError,))
    async def _start_child(self, state: Children, spec: ChildSpec[GenServer[Any]]) -> GenServer[Any]:
        me = _me()
        known = state.by_id.get(spec.id)
        if known is not None:
            raise (ChildAlreadyStarted if known.status == "running" else ChildAlreadyPresent)(me.path, spec.id)
        child = _new_child(me.slot, spec, static=False)
        failure = await state.start(child, me)
        if isinstance(failure, StartFailed):
            child.slot.end("it failed to start")
            raise failure
        if failure is not None and spec.restart == "temporary":
            child.slot.end("it was temporary and chose not to start")
        else:
            state.by_id[spec.id] = child
        return child.handle

    @call(timeout=None, raises=(AxonError,))
    async def terminate_child(self, state: Children, id: str) -> None:
        """Stop a child; its spec stays, unless it is temporary. It gives up a restart that is due. Stopping a
        stopped child is no error. Raises `ChildNotFound`.
        """
        child, me = _known(state, id), _me()
        await state.stop(child, me, "none: terminate_child")
        if child.spec.restart == "temporary":
            state.remove(child, "it was temporary and was terminated")

    @call(timeout=None, raises=(AxonError,))
    async def restart_child(self, state: Children, id: str) -> None:
        """Start a stopped child again. Raises `ChildNotFound`, `ChildRunning`, `ChildRestarting`, `StartFailed`."""
        child = _stopped(state, id)
        failure = await state.start(child, _me())
        if isinstance(failure, StartFailed):
            raise failure

    @call(timeout=None, raises=(AxonError,))
    def delete_child(self, state: Children, id: str) -> None:
        """Drop the spec of a stopped child. Raises `ChildNotFound`, `ChildRunning`, `ChildRestarting`."""
        state.remove(_stopped(state, id), "it was deleted")

    @call(timeout=None)
    def which_children(self, state: Children) -> list[ChildInfo]:
        """All children in start order."""
        return [
            ChildInfo(id=c.spec.id, handle=c.handle, status=c.status, type=c.spec.type) for c in state.by_id.values()
        ]

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

    @call(timeout=None, raises=(AxonError,))
    def get_child_spec(self, state: Children, id: str) -> ChildSpec[GenServer[Any]]:
        """The child's spec with all defaults filled in. Raises `ChildNotFound`."""
        return _known(state, id).spec

    # -- the block

    async def __aenter__(self) -> Self:
        return await enter(self, self.name)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await leave(self, error)

    # -- callbacks

    async def init(self) -> Children:
        """Start the children in order; if one fails those before it are stopped, and so does this start."""
        state, me = Children(), _me()
        me.at_death = [*(me.at_death or ()), state.disband]
        for spec in map(as_child, self.children):
            state.by_id[spec.id] = _new_child(me.slot, spec, static=True)
        try:
            for child in list(state.by_id.values()):
                failure = await state.start(child, me)
                if isinstance(failure, StartFailed):
                    await state.stop_all(state.by_id.values(), me, "none: its supervisor failed to start", False)
                    raise Stop(shutdown(StartFailed(child.spec.id, failure.reason)))
                if failure is not None and child.spec.restart == "temporary":
                    state.remove(child, "it was temporary and chose not to start")
        except asyncio.CancelledError:  # nobody waits for this start any more
            if me.exit_requested != killed:  # killed it has no chance to stop them: their links tell them (A25)
                await state.stop_all(state.by_id.values(), me, "none: its supervisor is stopping", False)
            raise
        return state

    async def handle_info(self, state: Children, message: object) -> None:
        """Exits of children, and retries; signals and messages of strangers are ignored (rules A24, A90)."""
        match message:
            case Exit(ServerProcess() as process, reason):
                child = state.by_process.get(process)
                if child is not None and process.reason is not None:
                    await self._exited(state, child, process, reason)
            case _TryAgain(child, counted):
                if child.due is not message:
                    return  # terminated, deleted or started meanwhile (rule A59)
                if counted:
                    await self._restart_group(state, child)
                else:
                    await self._restart(state, child, None)
            case _:
                pass

    async def terminate(self, state: Children, reason: ExitReason) -> None:
        """Stop the children one at a time, the last one first."""
        await state.stop_all(state.by_id.values(), _me(), "none: its supervisor is stopping", False)

    # -- exits and restarts

    async def _exited(self, state: Children, child: Child, process: ServerProcess, reason: ExitReason) -> None:
        spec, child.failure = child.spec, reason
        if is_restarted(spec.restart, reason):
            return await self._restart(state, child, process)
        temporary = spec.restart == "temporary"
        if not is_clean(reason):
            why = "it is temporary" if temporary else "it is transient, and the server it called was shut down"
            process.report_crash(reason, f"none: {why}")
        if temporary:
            state.remove(child, "it was temporary and has ended")
        else:
            state.forget(child)
        if ends_supervisor(self.auto_shutdown, spec.significant, state.others_active(child)):
            raise Stop(shutdown)

    async def _restart(self, state: Children, child: Child, process: ServerProcess | None) -> None:
        """Count a restart, and do it: now, or later if the child has a backoff."""
        me = _me()
        now = me.runtime.loop.time()
        state.restarts, too_many = add_restart(state.restarts, now, self.max_restarts, self.max_seconds)
        delay = 0.0 if too_many else backoff_delay(child, now, self.max_seconds)
        if process is not None and child.failure is not None and not is_clean(child.failure):
            decision = "the supervisor gives up" if too_many else "restart"
            process.report_crash(child.failure, decision if not delay else f"restart in {delay:.3g} s")
        state.forget(child)
        if too_many:
            self._give_up(child, me)
        elif delay:
            child.status, child.slot.restart_at = "restarting", now + delay
            child.due = again = _TryAgain(child, True)
            child.timer = me.runtime.timers.after(delay, lambda: me.deliver(again))
        else:
            await self._restart_group(state, child)

    def _give_up(self, child: Child, me: ServerProcess) -> None:
        me.slot.gave_up = SupervisorGaveUp(
            path=me.path,
            child=child.spec.id,
            reason=child.failure,
            max_restarts=self.max_restarts,
            period=self.max_seconds,
        )
        if me.runtime.bus.wants(SupervisorGaveUp):
            me.runtime.bus.emit(me.slot.gave_up)
        raise Stop(shutdown)

    async def _restart_group(self, state: Children, child: Child) -> None:
        """Stop those whom the strategy concerns, start them in order; if one fails, a message to oneself tries
        again (rules A54, A55, A58).
        """
        me = _me()
        members = [state.by_id[id] for id in group(self.strategy, list(state.by_id), child.spec.id)]
        state.forget(child)
        await state.stop_all([m for m in members if m is not child], me, "restart with its group")
        for member in members:
            if state.by_id.get(member.spec.id) is not member:
                continue
            failure = await state.start(member, me)
            if isinstance(failure, StartFailed):
                member.status, member.slot.restart_at = "restarting", me.runtime.loop.time()
                member.due = again = _TryAgain(member, False)
                me.deliver(again)
                return
            if failure is not None:
                if member.spec.restart == "temporary":
                    state.remove(member, "it was temporary and chose not to start")
            elif me.runtime.bus.wants(ChildRestarted):
                restarts = len(state.restarts)
                me.runtime.bus.emit(ChildRestarted(path=member.slot.path, restarts=restarts, period=self.max_seconds))


S = TypeVar("S", bound=Supervisor)


def _me() -> ServerProcess:
    me = current()
    assert isinstance(me, ServerProcess), "a supervisor's callbacks run in its own process"
    return me


def _new_child(home: Slot, spec: ChildSpec[GenServer[Any]], *, static: bool) -> Child:
    """A record for a spec; a static child finds the slot that its handles of earlier incarnations point to."""
    slots = home.children = {} if home.children is None else home.children
    slot = slots.get(spec.id) if static else None
    if slot is None:
        slot = Slot(home.runtime, spec.id, home)
        if static:
            slots[spec.id] = slot
    return Child(spec, slot, bound(spec.server, slot))


def _known(state: Children, id: str) -> Child:
    if not isinstance(id, str):
        raise InvalidOption("id", id, "the id of a child")
    child = state.by_id.get(id)
    if child is None:
        raise ChildNotFound(_me().path, id)
    return child


def _stopped(state: Children, id: str) -> Child:
    child = _known(state, id)
    if child.status == "running":
        raise ChildRunning(_me().path, id)
    if child.status == "restarting":
        raise ChildRestarting(_me().path, id)
    return child
