"""The pool: so many workers of one kind, and whoever has something to do is lent one of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import field, replace
from math import inf
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, get_args

from ..errors import InvalidOption, ServerDied, StartFailed
from ..process import Exit, ExitReason, checked_seconds, kill, killed, running, shutdown
from ..server import GenServer, Reply, ServerProcess, Stop, call, slot_of
from ..supervisor import (
    BaseSupervisor,
    Child,
    Children,
    ChildSpec,
    as_child,
    checked_choice,
    end_all,
    report_unexpected,
    this_supervisor,
)
from ._choice import Choice, Key, Sticky, checked_key
from ._crew import Crew, reason_of
from ._lease import Begun, Late, Lease, Look, Over
from ._pool_errors import PoolRefused, PoolStopped
from ._recycling import Recycle, checked_count
from ._worker import Worker

G_co = TypeVar("G_co", bound=GenServer[Any], covariant=True)
P = ParamSpec("P")
R = TypeVar("R")

NEVER = Recycle()


class PortPool(BaseSupervisor, Generic[G_co]):
    """Some workers of one kind, each of which does one thing at a time, and a line before them.

        async with PortPool(isolated(Parser()), size=4) as pool:
            words = await pool.ask(Parser.words, "to be or not")        # any free worker
            async with pool.worker(key="ann") as parser:                # one worker, for as long as the block takes
                await parser.words("to be")

    Whoever asks is lent a worker, or waits for one in the order asked, or is refused: `PoolFull`, `PoolTimeout`,
    `PoolUnavailable`, `PoolStopped`. A request that has got its worker ends with its answer, its own error, or the death
    of that worker. A worker that died is started again after a `backoff`, and comes last in the choice until it has
    answered something. A block or a child of another supervisor, as `Supervisor` is.

    spec: the server, `isolated(...)` for workers in processes of their own, which most pools are for; or a `child(...)`
    spec of it, permanent and without a name. Without a `backoff` of its own a restart waits 0.1 s, then twice as long
    each time that nothing was answered in between, up to 30 s. size: how many workers, default `os.cpu_count()`. max_in_flight: how many a worker is lent to
    at the same time, default 1. choose: among those with room `least_busy` (default) or `round_robin`.

    max_waiting: how many may wait, default 100. wait_within: seconds each of them may, default 5, None no limit; where a
    deadline is in force, that counts instead, for the wait and for the requests together.

    recycle: when workers are replaced by fresh ones, default never. start_batch: how many start at the same time, default
    4. The pool is started when each has started, or failed to; if all fail, so does the pool. max_restarts, max_seconds:
    more than 20 restarts within 5 seconds (the defaults) and it gives up, as any supervisor. name: its registered name,
    and the root of its path when it is entered as a block.

    Raises `InvalidOption`. Not for work that has to be done in the order of its keys without gaps: that is
    `PartitionSupervisor`; nor for functions: that is `concurrent.futures.ProcessPoolExecutor`.
    """

    spec: ChildSpec[G_co] | G_co
    size: int = field(default_factory=lambda: os.cpu_count() or 1, kw_only=True)
    max_in_flight: int = field(default=1, kw_only=True)
    choose: Choice = field(default="least_busy", kw_only=True)
    max_waiting: int = field(default=100, kw_only=True)
    wait_within: float | None = field(default=5.0, kw_only=True)
    recycle: Recycle = field(default=NEVER, kw_only=True)
    start_batch: int = field(default=4, kw_only=True)
    max_restarts: int = field(default=20, kw_only=True)
    _child: ChildSpec[G_co] = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_choice("choose", self.choose, get_args(Choice))
        for option in ("size", "max_in_flight", "start_batch"):
            checked_count(getattr(self, option), option)
        checked_count(self.max_waiting, "max_waiting", least=0)
        if self.wait_within is not None:
            checked_seconds(self.wait_within, "wait_within")
        if not isinstance(self.recycle, Recycle):
            raise InvalidOption("recycle", self.recycle, "an axon.port.Recycle")
        spec = cast("ChildSpec[G_co]", as_child(self.spec))
        if spec.name is not None:
            raise InvalidOption("name", spec.name, "None: all workers would have it; name the PortPool")
        if spec.restart != "permanent":
            raise InvalidOption("restart", spec.restart, "'permanent' for a worker: a pool keeps its size")
        if spec.backoff is None:
            from tenacity import wait_exponential, wait_random

            spec = replace(spec, backoff=wait_exponential(multiplier=0.1, max=30) + wait_random(0, 0.1))
        object.__setattr__(self, "_child", spec)

    # -- what a program asks of it

    async def ask(
        self, request: Callable[Concatenate[G_co, P], Awaitable[R]], *args: P.args, **keywords: P.kwargs
    ) -> R:
        """Lend a worker to one request, and return its answer: `await pool.ask(Parser.words, "to be")`.

        request: a method of the server, or a coroutine function that is given a worker, to ask it more than one thing.

        Raises what `worker` raises, and what the request does.
        """
        async with self.worker() as worker:
            handler = getattr(request, "__axon_handler__", None)
            if handler is None:
                return await request(worker, *args, **keywords)
            return cast("R", await getattr(worker, handler.name)(*args, **keywords))  # which goes to its process

    @asynccontextmanager
    async def worker(
        self, *, key: Key | None = None, sticky: Sticky = "hint", wait_within: float | None = None
    ) -> AsyncGenerator[G_co]:
        """Lend a worker to a block: `async with pool.worker(key="ann") as parser:`. Its handle is of use in there alone.

        key: what goes to the same worker, if it can: an int, a text or bytes. sticky: `hint` (default) is another worker
        when that one is busy, away or on probation; `strict` waits for that one, and nothing with this key is at two
        workers at once. It follows the worker's place: what a worker that died, or was replaced, had in memory is gone,
        and its successor is given what waits. A `resize` moves as few keys as it can. wait_within: seconds, default those
        of the pool, `math.inf` without limit, 0 not at all.

        If the worker dies in the block, the request that is under way raises `ServerDied`, and later ones `NoProcess`. A
        request whose asker has given up goes on there, and keeps the worker busy until it is over, or its deadline is.

        Raises `PoolFull`, `PoolTimeout`, `PoolUnavailable`, `PoolStopped`, `DeadlineExceeded`, `NoProcess` if there is no
        pool, `CallCycle`, `InvalidOption`.
        """
        checked_choice("sticky", sticky, get_args(Sticky))
        if wait_within is not None and wait_within != inf:
            checked_seconds(wait_within, "wait_within")
        if sticky == "strict" and key is None:
            raise InvalidOption("key", key, "an int, a text or bytes, if it is strict")
        lease = Lease(key=checked_key(key), strict=sticky == "strict", wait_within=wait_within)
        me = running.get()
        while True:
            end = lease.end
            if me is not None:
                me.on_death(end)
            try:
                worker = await self._granted(lease)
                if worker is not None:
                    yield worker
                    return
            finally:
                end()
                if me is not None:
                    me.forget_on_death(end)
            lease = Lease(key=lease.key, strict=lease.strict, wait_within=wait_within, again=True)

    async def _granted(self, lease: Lease) -> G_co | None:
        """The worker of a lease; None if it died before it could be used."""
        try:
            handle: G_co = await self._lease(lease)
        except ServerDied as died:
            reason = cast("ExitReason", died.reason)
            raise PoolStopped(slot_of(self).path, reason) from died
        process = slot_of(handle).process
        lease.is_used = process is not None and process.reason is None
        return handle if lease.is_used else None

    @call(timeout=None, raises=(PoolRefused,))
    def _lease(self, state: Children, lease: Lease) -> Any:
        return _crew(state).ask(lease)

    @call(timeout=None, raises=(InvalidOption,))
    def resize(self, state: Children, size: int) -> asyncio.Future[None]:
        """Have this many workers, at least 1; returns when those that are new have started, or failed to, and those that
        are too many have ended, each when its requests were over. Raises `InvalidOption`.
        """
        crew = _crew(state)
        crew.resize(checked_count(size, "size"))
        return _settled(crew)

    @call(timeout=None)
    def renew(self, state: Children) -> asyncio.Future[None]:
        """Replace all workers that run now by fresh ones, so many at a time as `recycle.at_once` says, as after new code
        was installed; returns when that is done, or has failed for those whose successor did not start.
        """
        crew = _crew(state)
        for worker in crew.workers:
            worker.is_asked_to_go, worker.not_before = True, 0.0  # also if it was tried in vain a moment ago
        crew.go_on()
        return _settled(crew)

    # -- callbacks

    async def init(self) -> Crew:
        """Start the workers, in batches; if all of a batch fail, and none runs, there is no pool."""
        me = this_supervisor()
        crew = Crew(self, me)
        me.on_death(crew.disband)
        failed: list[Worker] = []
        try:
            for _ in range(self.size):
                crew.enlist(crew.add())
            while crew.starting:
                await asyncio.wait(crew.starting.values(), return_when=asyncio.FIRST_COMPLETED)
                for worker in [worker for worker, settled in crew.starting.items() if settled.done()]:
                    failure = crew.begun(worker)
                    if failure is not None:
                        failed.append(worker)
                        if len(failed) >= min(self.start_batch, self.size) and not crew.by_process:
                            raise Stop(shutdown(StartFailed(worker.id, reason_of(failure))))
        except BaseException:
            if me.exit_requested != killed:
                await _end_all(crew, "none: its pool did not start")
            raise
        for worker in failed:
            self._try_again(worker, me)
        crew.go_on()
        return crew

    def handle_info(self, state: Children, message: object) -> Awaitable[None] | None:
        """What leases, workers and timers say."""
        crew, rest = _crew(state), None
        match message:
            case Over(lease):
                crew.over(lease)
            case Late():
                crew.late(message)
            case Begun(worker):
                rest = self._begun(crew, worker)
            case Look():
                crew.look()
            case Exit(ServerProcess() as process) if process in crew.leaving:
                crew.left(crew.leaving[process], process)
            case _:
                rest = super().handle_info(state, message)
        crew.go_on()
        return rest

    async def terminate(self, state: Children, reason: ExitReason) -> None:
        """End the workers, all at once; whoever waits for one hears that there is none."""
        crew = _crew(state)
        crew.refuse_all(PoolStopped(crew.me.path, reason))
        await _end_all(crew, "none: its pool is stopping")

    # -- what kind of supervisor it is

    def _exited(
        self, state: Children, child: Child, process: ServerProcess, reason: ExitReason
    ) -> Awaitable[None] | None:
        _crew(state).lost(cast("Worker", child), reason)
        return super()._exited(state, child, process, reason)

    def _restart_group(self, state: Children, child: Child, me: ServerProcess, now: float) -> Awaitable[None] | None:
        _crew(state).enlist(cast("Worker", child))
        return None

    def _begun(self, crew: Crew, worker: Worker) -> Awaitable[None] | None:
        if worker.stage == "leaving":
            crew.begun_in_vain(worker)
            return None
        failure, old = crew.begun(worker), worker.replaces
        if old is None:
            started_anew = failure is not None or worker.streak is not None
            return self._restarted(crew, worker, failure, crew.me) if started_anew else None
        if failure is None:
            crew.replace(old, worker)
        else:
            crew.not_replaced(old)
        return None


def _crew(state: Children) -> Crew:
    assert isinstance(state, Crew), "init made it"
    return state


def _settled(crew: Crew) -> asyncio.Future[None]:
    reply: Reply[None] = Reply(loop=crew.me.runtime.loop)
    crew.settling.append(reply)
    crew.me.deliver(Look())  # and see whether it is so already
    return reply


async def _end_all(crew: Crew, decision: str) -> None:
    workers = [*crew.workers, *crew.leaving.values(), *(worker for worker in crew.starting if worker.replaces)]
    found = {worker.incarnation: worker for worker in workers if worker.incarnation is not None}
    for process in found:
        if process.phase == "init":
            process.receive_exit(crew.me, kill)
    await end_all([(process, worker.spec.shutdown) for process, worker in found.items()], crew.me)
    for process, worker in found.items():
        if process.outcome is None:
            report_unexpected(process, worker.spec.shutdown, decision)
        crew.forget(worker)
