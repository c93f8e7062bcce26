"""What the owner of an MCP server keeps: its session, who borrows it, and which calls wait and run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Literal

from ..errors import DeadlineExceeded
from ..process import Down, Monitor, Process, Timer, deadline_at, demonitor, monitor
from ..server import Reply, ServerProcess
from ..telemetry import emit, wants
from ._errors import MCPCallLost, MCPCallTimeout, MCPUnavailable
from ._events import MCPBorrowerDied, MCPServerBroke, MCPServerClosed, MCPServerOpened
from ._job import Ask, Broke, Idle, Job, Lease, refuse
from ._session import Session, is_closed, is_expected
from ._turns import Turns

if TYPE_CHECKING:
    from ._server import MCPServer


class Owner:
    """The state of an `MCPServer`."""

    def __init__(self, server: MCPServer, process: ServerProcess) -> None:
        self.server = server
        self.process = process
        self.session: Session | None = None
        self.leases: dict[Lease, None] = {}
        self.turns: Turns[Job] = Turns()
        self.running: dict[Ask, Job] = {}
        self.accepts_failure = False
        self._monitors: dict[Process, Monitor] = {}
        self._idle: Timer | None = None
        process.on_death(self._abort)

    # -- its session

    async def opened(self) -> Session:
        """The session, made if there is none, when it is open or has a `reason` why it is not."""
        session = self.session
        if session is None:
            session = self.session = Session(self.server, self._opened, self._broke)
        await asyncio.wait({session.settled})
        return session

    def _opened(self, session: Session, seconds: float) -> None:
        if wants(MCPServerOpened):
            emit(MCPServerOpened(path=self.process.path, pid=session.pid, tools=session.tools, seconds=seconds))

    def _broke(self, session: Session, reason: Exception) -> None:
        if wants(MCPServerBroke):
            calls = sum(job.began for job in self.running.values())
            emit(MCPServerBroke(path=self.process.path, pid=session.pid, reason=reason, calls=calls))
        if self.accepts_failure and self.process.reason is None:
            self.process.deliver(Broke(session, reason))

    async def close(self, why: Literal["idle", "stopped"]) -> None:
        """End the session in order."""
        session = self.session
        if session is None:
            return
        was_open = session.state == "open"
        await session.close()
        self.session = None
        if was_open and wants(MCPServerClosed):
            emit(MCPServerClosed(path=self.process.path, pid=session.pid, why=why))

    def _abort(self) -> None:
        self._rest()
        for job in list(self.running.values()):
            if job.task is not None:
                job.task.cancel()
        if self.session is not None:
            self.session.abort()

    # -- who uses it

    def lend(self, lease: Lease) -> None:
        """Note who borrows it; a second time changes nothing."""
        self._rest()
        if lease in self.leases:
            return
        self.leases[lease] = None
        borrower = lease.borrower
        if borrower is not None and borrower not in self._monitors:
            self._monitors[borrower] = monitor(borrower)

    def take_back(self, lease: Lease) -> None:
        """The borrower is through with it; calls that it still has here are cancelled."""
        if lease not in self.leases:
            return
        del self.leases[lease]
        self._cancel(lambda ask: ask.lease is lease)
        borrower = lease.borrower
        if borrower is not None and not any(other.borrower is borrower for other in self.leases):
            watch = self._monitors.pop(borrower, None)
            if watch is not None:
                demonitor(watch, flush=True)
        self.see_whether_idle()

    def borrower_died(self, down: Down) -> bool:
        """Take back what a dead process had; whether it was one that had something."""
        borrower = next((each for each, watch in self._monitors.items() if watch is down.monitor), None)
        if borrower is None:
            return False
        del self._monitors[borrower]
        lost = [lease for lease in self.leases if lease.borrower is borrower]
        for lease in lost:
            del self.leases[lease]
        self._cancel(lambda ask: ask.lease is not None and ask.lease.borrower is borrower)
        if wants(MCPBorrowerDied):
            emit(MCPBorrowerDied(path=self.process.path, borrower=borrower.path, leases=len(lost)))
        self.see_whether_idle()
        return True

    def see_whether_idle(self) -> None:
        """Begin to count the idle time, if nobody has a lease or waits for anything."""
        seconds = self.server.idle
        if seconds is None or self._idle is not None or self.is_used or self.session is None:
            return
        self._idle = self.process.runtime.timers.after(seconds, self._is_idle)

    def _is_idle(self) -> None:
        self._idle = None
        if self.process.reason is None:
            self.process.deliver(Idle())

    @property
    def is_used(self) -> bool:
        """Whether anybody has a lease, or waits for anything."""
        return bool(self.leases or self.running or len(self.turns))

    def _rest(self) -> None:
        timer, self._idle = self._idle, None
        if timer is not None:
            self.process.runtime.timers.cancel(timer)

    # -- what it does for them

    def take(self, ask: Ask) -> Reply[Any]:
        """Do what is asked as soon as it has its turn; the answer comes later."""
        self._rest()
        if ask.lease is not None:
            self.lend(ask.lease)
        reply: Reply[Any] = Reply(loop=self.process.runtime.loop)
        job = Job(ask, reply, deadline_at.get(), copy_context())
        if ask.takes_turn:
            self.turns.add(ask.whose, job)
            self._next()
        else:
            self._start(job)
        return reply

    def give_up(self, ask: Ask) -> None:
        """Whoever asked for this does not wait any more."""
        self._cancel(lambda each: each is ask)
        self.see_whether_idle()

    def _cancel(self, unwanted: Callable[[Ask], bool]) -> None:
        for job in self.turns.drop(lambda job: unwanted(job.ask)):
            job.reply.cancel()
        for job in list(self.running.values()):
            if unwanted(job.ask):
                job.stop("unwanted")

    def _next(self) -> None:
        now = self.process.runtime.loop.time()
        while len(self.turns) and sum(job.ask.takes_turn for job in self.running.values()) < self.server.max_calls:
            job = self.turns.take()
            if job.due is not None and job.due <= now:
                job.reply.cancel()  # its asker has been told
            else:
                self._start(job)

    def _start(self, job: Job) -> None:
        self.running[job.ask] = job
        job.task = self.process.runtime.loop.create_task(self._do(job), context=job.context)
        job.task.add_done_callback(lambda _: self._done(job))

    def _done(self, job: Job) -> None:
        self.running.pop(job.ask, None)
        job.reply.cancel()  # of a job that was cancelled; others have their answer
        if self.process.reason is None:
            self._next()
            self.see_whether_idle()

    async def _do(self, job: Job) -> None:
        try:
            value = await self._result(job)
        except Exception as error:
            if self.process.reason is None:
                refuse(job.reply, error)
        else:
            if self.process.reason is None:
                job.reply.set_result(value)

    async def _result(self, job: Job) -> Any:
        path, what = self.process.path, job.ask.what
        session = await self.opened()
        if session.reason is not None:
            raise MCPUnavailable(path, 0, session.reason) from session.reason
        loop, after = self.process.runtime.loop, self.server.call_timeout
        end = None if after is None else loop.time() + after
        if job.due is not None and (end is None or job.due < end):
            end, after = job.due, None
        timer = None if end is None else loop.call_at(end, job.stop, "late")
        job.began = True
        try:
            return await job.ask.work(session.toolset)
        except asyncio.CancelledError as error:
            if job.stopped != "late":
                raise
            if job.task is not None:
                job.task.uncancel()
            if after is None:
                raise DeadlineExceeded(path) from error
            if await session.is_well():
                raise MCPCallTimeout(path, what, after) from error
            raise self._lost(job, session.reason) from session.reason
        except Exception as error:
            if is_closed(error) or session.reason is not None or not (is_expected(error) or await session.is_well()):
                reason = await session.why(error)
                raise self._lost(job, reason) from reason
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _lost(self, job: Job, cause: BaseException | None) -> MCPCallLost | MCPUnavailable:
        """What a job that was not finished ends with: one that has no effect was just not done."""
        path = self.process.path
        if job.began and job.ask.takes_turn:
            return MCPCallLost(path, job.ask.what, cause)
        return MCPUnavailable(path, 0, cause)

    def end(self, reason: object) -> None:
        """Whoever still waits hears that it is over: some may ask the next incarnation, the others know that much."""
        cause = reason if isinstance(reason, BaseException) else None
        for job in [*self.turns.drop(lambda _: True), *self.running.values()]:
            refuse(job.reply, self._lost(job, cause))
            if job.task is not None:
                job.task.cancel()
