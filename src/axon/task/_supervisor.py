"""The supervisor of tasks: their number has a limit, their crashes are reported, and none outlives it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import field
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar, TypeVarTuple, Unpack, cast, overload

from ..errors import AxonError, ChildNotFound, InvalidOption, MaxChildrenReached
from ..process import Exit, ExitReason, Process, Target, checked_seconds, current, find, shutdown
from ..server import GenServer, ServerProcess, Stop, call, checked_name, slot_of
from ..supervisor import (
    Restart,
    Shutdown,
    add_restart,
    checked_restart,
    checked_shutdown,
    enter,
    is_restarted,
    leave,
)
from ..telemetry import ChildRestarted, SupervisorGaveUp
from ._jobs import Job, Jobs
from ._options import StreamOptions, checked_stream
from ._owner import owner_here
from ._pool import Pool
from ._stream import TaskStream
from ._task import Task
from ._work import Work, WorkProcess, work

T = TypeVar("T")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")

SHUTDOWN_TIME = 5.0
"""Seconds a task has to end when its supervisor does, as in Elixir."""


class TaskSupervisor(GenServer[Jobs]):
    """Tasks that somebody looks after: `async with TaskSupervisor() as tasks: page = await tasks.async_(fetch, url)`.

    Its children are functions, each in a process of its own. When it ends, for whatever reason, they end with it: all
    at once, each with its own `shutdown` time. A block ends them, too, when it is left, where `asyncio.TaskGroup`
    would wait. Put it into a tree like any server, `Supervisor([TaskSupervisor(), ...])`, and ask `sup.get` for it.

    max_children: most tasks at the same time, default no limit. max_restarts, max_seconds: more than 3 restarts
    within 5 seconds (the defaults) and it gives up, with all its children; tasks are not restarted unless
    `start_child` says so. name: its registered name and the root of its path, for one that is entered as a block.

    The function of a task takes its arguments by position, and keywords are options: use `functools.partial` for
    keyword arguments. All methods raise `NoProcess` while nobody is at this address.
    https://hexdocs.pm/elixir/Task.Supervisor.html
    """

    max_children: int | None = field(default=None, kw_only=True)
    max_restarts: int = field(default=3, kw_only=True)
    max_seconds: float = field(default=5.0, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    trap_exit: ClassVar[bool] = True
    __axon_supervises__: ClassVar[bool] = True
    __axon_finishes__: ClassVar[bool] = True  # half a stop would be no stop

    def __post_init__(self) -> None:
        for option, value in (("max_children", self.max_children), ("max_restarts", self.max_restarts)):
            unlimited = option == "max_children" and value is None
            if not unlimited and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
                raise InvalidOption(option, value, "a number >= 0")
        if not checked_seconds(self.max_seconds, "max_seconds") > 0:
            raise InvalidOption("max_seconds", self.max_seconds, "a number of seconds > 0")
        checked_name(self.name)

    # -- tasks that somebody awaits

    @overload
    def async_(
        self, fn: Callable[[*Ts], Awaitable[R]], /, *args: *Ts, shutdown: Shutdown = SHUTDOWN_TIME
    ) -> Task[R]: ...
    @overload
    def async_(self, fn: Callable[[*Ts], R], /, *args: *Ts, shutdown: Shutdown = SHUTDOWN_TIME) -> Task[R]: ...
    def async_(self, fn: Callable[[*Ts], Any], /, *args: *Ts, shutdown: Shutdown = SHUTDOWN_TIME) -> Task[Any]:
        """As `Task.async_`, as a child of this supervisor: linked to it and to the caller, and never restarted.

        shutdown: seconds the task has to end when its supervisor does, default 5, or `brutal_kill`, or `infinity`.
        Raises `MaxChildrenReached`, `NoProcess`, `InvalidOption`.
        https://hexdocs.pm/elixir/Task.Supervisor.html#async/3
        """
        return self._task(fn, args, shutdown, linked=True)

    @overload
    def async_nolink(
        self, fn: Callable[[*Ts], Awaitable[R]], /, *args: *Ts, shutdown: Shutdown = SHUTDOWN_TIME
    ) -> Task[R]: ...
    @overload
    def async_nolink(self, fn: Callable[[*Ts], R], /, *args: *Ts, shutdown: Shutdown = SHUTDOWN_TIME) -> Task[R]: ...
    def async_nolink(self, fn: Callable[[*Ts], Any], /, *args: *Ts, shutdown: Shutdown = SHUTDOWN_TIME) -> Task[Any]:
        """As `async_`, not linked to the caller: neither hurts the other, the caller only hears how it ended.

        For a task that may fail. https://hexdocs.pm/elixir/Task.Supervisor.html#async_nolink/3
        """
        return self._task(fn, args, shutdown, linked=False)

    @overload
    def async_stream(
        self, fn: Callable[[T], Awaitable[R]], items: Iterable[T], /, **options: Unpack[StreamOptions]
    ) -> TaskStream[R]: ...
    @overload
    def async_stream(
        self, fn: Callable[[T], R], items: Iterable[T], /, **options: Unpack[StreamOptions]
    ) -> TaskStream[R]: ...
    def async_stream(
        self, fn: Callable[[Any], Any], items: Iterable[Any], /, **options: Unpack[StreamOptions]
    ) -> TaskStream[Any]:
        """As `Task.async_stream`, with the tasks as children of this supervisor, linked to the reader.

        https://hexdocs.pm/elixir/Task.Supervisor.html#async_stream/4
        """
        return self._stream(fn, items, options, linked=True)

    @overload
    def async_stream_nolink(
        self, fn: Callable[[T], Awaitable[R]], items: Iterable[T], /, **options: Unpack[StreamOptions]
    ) -> TaskStream[R]: ...
    @overload
    def async_stream_nolink(
        self, fn: Callable[[T], R], items: Iterable[T], /, **options: Unpack[StreamOptions]
    ) -> TaskStream[R]: ...
    def async_stream_nolink(
        self, fn: Callable[[Any], Any], items: Iterable[Any], /, **options: Unpack[StreamOptions]
    ) -> TaskStream[Any]:
        """As `async_stream`, not linked to the reader: a task that fails is an `Exited` among the outcomes.

        https://hexdocs.pm/elixir/Task.Supervisor.html#async_stream_nolink/4
        """
        return self._stream(fn, items, options, linked=False)

    # -- tasks that nobody awaits

    def start_child(
        self,
        fn: Callable[[*Ts], object],
        /,
        *args: *Ts,
        restart: Restart = "temporary",
        shutdown: Shutdown = SHUTDOWN_TIME,
    ) -> Process:
        """Run `fn(*args)` as a child, linked to nobody else; returns its process.

        restart: `temporary` (default) never, `transient` after a failure, `permanent` always; each restart counts.
        shutdown: seconds it has to end, default 5, or `brutal_kill`, or `infinity`. Raises `MaxChildrenReached`,
        `NoProcess`, `InvalidOption`. https://hexdocs.pm/elixir/Task.Supervisor.html#start_child/3
        """
        job = Job(work(fn, args, {}), checked_restart(restart), checked_shutdown(shutdown))
        return self._start(job)

    def children(self) -> list[Process]:
        """The processes of the tasks that run now, the oldest first."""
        return list[Process](self._jobs()[1].living())

    async def terminate_child(self, child: Target) -> None:
        """End a task by its `shutdown`, and wait until it is gone; it is not restarted.

        child: its process, or the task. Raises `ChildNotFound` if it is no child of this supervisor, or not any more.
        """
        await self._terminate(find(child, slot_of(self).runtime), child if isinstance(child, str) else repr(child))

    # -- how

    def _jobs(self) -> tuple[ServerProcess, Jobs]:
        slot = slot_of(self)
        process = slot.process
        if process is None or process.phase != "running":
            raise slot.absent()
        return process, cast("Jobs", process.state)

    def _start(self, job: Job) -> WorkProcess:
        process, jobs = self._jobs()
        if self.max_children is not None and jobs.is_full(self.max_children):
            raise MaxChildrenReached(process.path, job.work.label, self.max_children)
        return jobs.start(job, process)

    def _task(self, fn: object, args: tuple[Any, ...], how: Shutdown, *, linked: bool) -> Task[Any]:
        owner = owner_here("TaskSupervisor.async_")
        job = Job(work(fn, args, {}, owner), "temporary", checked_shutdown(how))
        return Task(owner, self._start(job), linked=linked)

    def _stream(
        self, fn: Callable[[Any], Any], items: Iterable[Any], options: StreamOptions, *, linked: bool
    ) -> TaskStream[Any]:
        def begin(work: Work) -> WorkProcess:
            return self._start(Job(work, "temporary", SHUTDOWN_TIME))

        return TaskStream(Pool(fn, items, checked_stream(fn, items, options), begin, linked=linked))

    @call(timeout=None, raises=(AxonError,))
    async def _terminate(self, state: Jobs, process: Process | None, shown: str) -> None:
        me = _me()
        if not isinstance(process, WorkProcess) or process not in state.by_process:
            raise ChildNotFound(me.path, shown)
        await state.stop(process, me, "none: terminate_child")

    # -- the block

    async def __aenter__(self) -> Self:
        return await enter(self, self.name)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await leave(self, error)

    # -- callbacks

    def init(self) -> Jobs:
        """Nobody runs at first."""
        state, me = Jobs(), _me()
        me.on_death(state.disband)
        return state

    def handle_info(self, state: Jobs, message: object) -> None:
        """Exits of children; signals and messages of strangers are ignored."""
        if isinstance(message, Exit) and isinstance(message.sender, WorkProcess) and message.sender.reason is not None:
            job = state.by_process.pop(message.sender, None)
            if job is not None:
                self._ended(state, job, message.sender, message.reason)

    async def terminate(self, state: Jobs, reason: ExitReason) -> None:
        """Stop the children, all at once."""
        await state.stop_all(_me(), "none: its supervisor is stopping")

    def _ended(self, state: Jobs, job: Job, process: WorkProcess, reason: ExitReason) -> None:
        me = _me()
        if not is_restarted(job.restart, reason):
            if process.crashed:
                process.report_crash(reason, f"none: it is {job.restart}")
            return
        now = me.runtime.loop.time()
        too_many = add_restart(state.restarts, now, self.max_restarts, self.max_seconds)
        if process.crashed:
            process.report_crash(reason, "the supervisor gives up" if too_many else "restart")
        if too_many:
            event = SupervisorGaveUp(
                path=me.path,
                child=job.work.label,
                reason=reason,
                max_restarts=self.max_restarts,
                period=self.max_seconds,
            )
            me.slot.gave_up = event, None
            if me.runtime.bus.wants(SupervisorGaveUp):
                me.runtime.bus.emit(event)
            raise Stop(shutdown)
        process = state.start(job, me)
        if me.runtime.bus.wants(ChildRestarted):
            restarts = len(state.restarts)
            me.runtime.bus.emit(ChildRestarted(path=process.path, restarts=restarts, period=self.max_seconds))


def _me() -> ServerProcess:
    me = current()
    assert isinstance(me, ServerProcess), "a supervisor's callbacks run in its own process"
    return me
