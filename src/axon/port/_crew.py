"""What a pool owns: its workers, how they start, leave and are replaced, and who is given which one."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from math import inf
from random import random
from typing import TYPE_CHECKING, Any, cast

from ..errors import Ignored, StartFailed
from ..process import Exit, ExitReason, Timer, deadline_at, kill, killed, normal, shutdown
from ..server import GenServer, Reply, ServerProcess, Slot
from ..supervisor import Children, end_streak, report_unexpected
from ._choice import Load
from ._lease import Begun, Late, Lease, Look
from ._pool_errors import PoolFull, PoolRefused, PoolTimeout, PoolUnavailable
from ._pool_events import WorkerRecycled, WorkerRefused, WorkerTainted
from ._queue import Desk
from ._worker import Worker

if TYPE_CHECKING:
    from ._pool import PortPool

LOOK_AGAIN = 0.02
"""Seconds until it is seen again whether a worker still works at what nobody waits for."""
TRY_AGAIN = 5.0
"""Seconds until a worker is to be replaced again whose successor did not start."""


class Crew(Children):
    """The state of a `PortPool`. All of it is done in the turns of the pool's process, and never waits."""

    def __init__(self, pool: PortPool[Any], me: ServerProcess) -> None:
        super().__init__()
        self.pool = pool
        self.me = me
        self.desk: Desk = Desk(pool.choose)
        self.workers: list[Worker] = []
        self.leaving: dict[ServerProcess, Worker] = {}
        self.to_start: deque[Worker] = deque()
        self.starting: dict[Worker, asyncio.Future[None]] = {}
        self.settling: list[Reply[None]] = []
        self.served = self.refused = self.recycled = 0
        self._look: Timer | None = None
        self._look_at = inf

    @property
    def now(self) -> float:
        """The time, in seconds."""
        return self.me.runtime.loop.time()

    # -- who asks

    def ask(self, lease: Lease) -> GenServer[Any] | Reply[GenServer[Any]] | None:
        """The worker for a lease, now or later. Raises `PoolFull`, `PoolUnavailable`."""
        if lease.is_over:
            return None  # whoever asked was gone before the pool came round to it
        lease.pool = self.me
        refusal = self.unavailable()
        if refusal is not None:
            raise self.refused_with(refusal)
        self.desk.wait(lease, first=lease.again)
        self.hand_out()
        if lease.load is not None:
            return lease.handle
        if len(self.desk.line) > self.pool.max_waiting and not lease.again:
            self.desk.line.drop(lease)
            raise self.refused_with(PoolFull(self.me.path, self.pool.max_waiting))
        after = lease.wait_within
        if after is None and deadline_at.get() is None:
            after = self.pool.wait_within
        if after is not None and after != inf:
            lease.timer = self.me.runtime.timers.after(after, self.me.deliver, Late(lease, after))
        lease.reply = Reply(loop=self.me.runtime.loop)
        return lease.reply

    def late(self, late: Late) -> None:
        """A lease that still waits has waited for long enough."""
        if self.desk.line.drop(late.lease):
            self._refuse(late.lease, PoolTimeout(self.me.path, late.after))

    def over(self, lease: Lease) -> None:
        """A lease is over: its worker has room, or the line is shorter."""
        self._stop_timer(lease)
        load, worker = lease.load, lease.at
        if not self.desk.give_back(lease) or worker is None or worker.load is not load:
            return  # it had none, or that one is dead
        process = worker.incarnation
        if process is None or process.reason is not None:
            return
        worker.see_what_is_left()
        if lease.strict and lease.key is not None and worker.load.left_over:
            worker.load.left_keys.add(lease.key)
        if lease.is_used:
            worker.served += 1
            self.served += 1
            if not worker.load.left_over:  # it has answered
                worker.load.strikes = 0
                end_streak(worker)
        if worker.stage == "leaving":
            self._let_go(worker)

    def hand_out(self) -> None:
        """Give workers that have room to those who wait."""
        if not len(self.desk.line):
            return
        for worker in self.workers:
            worker.load.is_open = worker.takes_requests
        for ticket in self.desk.hand_out():
            lease = cast("Lease", ticket)
            assert lease.load is not None, "it was given one"
            lease.at = worker = self.workers[lease.load.number]
            lease.handle = worker.handle
            self._stop_timer(lease)
            if lease.reply is not None:
                lease.reply.set_result(worker.handle)

    def refuse_all(self, error: PoolRefused) -> None:
        """Nobody is to wait any more."""
        for ticket in list(self.desk.line):
            self.desk.line.drop(ticket)
            self._refuse(cast("Lease", ticket), error)

    def unavailable(self) -> PoolUnavailable | None:
        """What to say if no worker can be started."""
        reason: ExitReason | None = None
        for worker in self.workers:
            if worker.failed is None:
                return None
            reason = worker.failed
        times = [worker.slot.restart_at or 0.0 for worker in self.workers]
        left = max(0.0, min(times, default=0.0) - self.now)
        return PoolUnavailable(self.me.path, normal if reason is None else reason, left)

    def refused_with(self, error: PoolRefused) -> PoolRefused:
        """Count and tell it."""
        self.refused += 1
        bus = self.me.runtime.bus
        if bus.wants(WorkerRefused):
            bus.emit(WorkerRefused(path=self.me.path, error=error, waiting=len(self.desk.line)))
        return error

    def _refuse(self, lease: Lease, error: PoolRefused) -> None:
        self._stop_timer(lease)
        if lease.reply is not None and not lease.is_over:
            lease.reply.set_exception(self.refused_with(error))

    def _stop_timer(self, lease: Lease) -> None:
        if lease.timer is not None:
            self.me.runtime.timers.cancel(lease.timer)
            lease.timer = None

    # -- how workers start

    def add(self) -> Worker:
        """One more place, and who is to be there."""
        worker = self._new(len(self.workers))
        self.workers.append(worker)
        self.by_id[worker.id] = worker
        self.desk.loads[worker.number] = worker.load
        return worker

    def _new(self, number: int) -> Worker:
        return Worker(self.pool._child, self.me.slot, Load(number, self.pool.max_in_flight))

    def enlist(self, worker: Worker) -> None:
        """Start it as soon as fewer than `start_batch` others do."""
        worker.stage = "waiting"
        self.to_start.append(worker)
        self._start_some()

    def _start_some(self) -> None:
        while self.to_start and len(self.starting) < self.pool.start_batch:
            worker = self.to_start.popleft()
            worker.stage = "starting"
            worker.new_address()
            worker.outcome = self.begin(worker, self.me, self.me.runtime.timers.time())
            worker.incarnation = process = worker.process
            self.starting[worker] = settled = self.me.runtime.loop.create_future()
            if process is not None and process.phase == "init":
                process.ack = settled
            else:
                settled.set_result(None)
            if self.me.phase != "init":
                settled.add_done_callback(partial(self._tell_begun, worker))

    def _tell_begun(self, worker: Worker, _: asyncio.Future[None]) -> None:
        if self.me.reason is None:
            self.me.deliver(Begun(worker))

    def begun(self, worker: Worker) -> StartFailed | Ignored | None:
        """The start of a worker is over; returns why it does not run, if it does not."""
        del self.starting[worker]
        process, failure = worker.incarnation, worker.outcome
        if process is not None and worker.status != "running":
            failure = self.outcome(worker, process)
        if failure is None:
            worker.stage, worker.failed, worker.is_asked_to_go = "ready", None, False
            worker.born, worker.served = self.now, 0
            worker.share = self.pool.recycle.share_of(random())  # noqa: S311  # nothing depends on its being secret
            if process is not None and process.reason is not None:
                self.me.deliver(Exit(process, process.reason))  # it has ended meanwhile, when nobody knew it
        else:
            worker.stage, worker.incarnation = "down", None
            worker.failed = reason_of(failure)
        self._start_some()
        return failure

    # -- how they end

    def lost(self, worker: Worker, reason: ExitReason) -> None:
        """It has died: nothing is given to it until it runs again."""
        lost, strikes = len(worker.load.tickets), worker.load.strikes + 1
        worker.stage, worker.incarnation = "down", None
        worker.crashes += 1
        self.desk.loads[worker.number] = worker.new_load(strikes)
        worker.new_address()
        bus = self.me.runtime.bus
        if bus.wants(WorkerTainted):
            bus.emit(WorkerTainted(path=worker.slot.path, reason=reason, lost=lost, crashes=worker.crashes))

    def retire(self, worker: Worker) -> None:
        """It is to go: when what it has is done, or at once if nobody has to wait for that."""
        process, stage = worker.incarnation, worker.stage
        if self.by_id.get(worker.id) is worker:
            del self.by_id[worker.id]
        self.forget(worker)
        if stage == "waiting":
            self.to_start.remove(worker)
        worker.stage = "leaving"
        if worker.successor is not None:
            successor, worker.successor = worker.successor, None
            successor.replaces = None
            self.retire(successor)
        if process is None or process.reason is not None:
            worker.slot.end("the pool has no such worker any more")
            return
        self.leaving[process] = worker
        if process.phase == "init":
            process.request_exit(killed)
            return
        self.desk.leaving.append(worker.load)
        self._let_go(worker)

    def _let_go(self, worker: Worker) -> None:
        """End it in order, if it has nothing to do for anybody."""
        process, how = worker.incarnation, worker.spec.shutdown
        if process is None or worker.load.tickets or worker.killer is not None:
            return
        process.receive_exit(self.me, kill if how == "brutal_kill" else shutdown)
        if isinstance(how, int | float):
            worker.killer = self.me.runtime.timers.after(how, process.receive_exit, self.me, kill)

    def begun_in_vain(self, worker: Worker) -> None:
        """The start of a worker is over that is not wanted any more."""
        del self.starting[worker]
        process = worker.incarnation
        if process is not None and process.outcome is not None and process in self.leaving:
            self.left(worker, process)  # it did not start; otherwise its exit is to come
        self._start_some()

    def left(self, worker: Worker, process: ServerProcess) -> None:
        """Who was to go has gone."""
        del self.leaving[process]
        if worker.load in self.desk.leaving:
            self.desk.leaving.remove(worker.load)
        self._forget_killer(worker)
        if process.outcome is None:
            report_unexpected(process, worker.spec.shutdown, "none: it was to end")
        worker.incarnation = None
        worker.slot.end("this worker was replaced; ask its pool for another one")

    def _forget_killer(self, worker: Worker) -> None:
        if worker.killer is not None:
            self.me.runtime.timers.cancel(worker.killer)
            worker.killer = None

    def will_restart(self, slot: Slot) -> bool:
        """Never, as far as handles are concerned: the next incarnation has another address."""
        return False

    def resize(self, size: int) -> None:
        """Have so many places."""
        while len(self.workers) > size:
            worker = self.workers.pop()
            del self.desk.loads[worker.number]
            self.retire(worker)
        while len(self.workers) < size:
            self.enlist(self.add())
        self.desk.resized()

    def disband(self) -> None:
        """The pool is dead."""
        for worker in self.leaving.values():
            self._forget_killer(worker)
            worker.slot.end("its pool ended")
        for ticket in self.desk.line:
            self._stop_timer(cast("Lease", ticket))
        if self._look is not None:
            self.me.runtime.timers.cancel(self._look)
        super().disband()

    # -- how they are replaced

    def replace(self, old: Worker, new: Worker) -> None:
        """A successor runs: it takes the place over, and the old one goes when it is through."""
        old.successor = new.replaces = None
        new.crashes = old.crashes
        self.workers[old.number] = new
        self.desk.loads[old.number] = new.load
        new.load.last = old.load.last
        self.recycled += 1
        bus = self.me.runtime.bus
        if bus.wants(WorkerRecycled) and old.why is not None:
            event = WorkerRecycled(
                path=old.slot.path,
                pid=old.pid,
                why=old.why,
                age=self.now - old.born,
                served=old.served,
                memory=old.memory,
            )
            bus.emit(event)
        self.retire(old)
        self.by_id[new.id] = new

    def not_replaced(self, old: Worker) -> None:
        """Its successor did not start: it stays, for a while."""
        old.successor, old.is_asked_to_go, old.not_before = None, False, self.now + TRY_AGAIN

    def _replace_some(self) -> None:
        """Start successors of those that have done enough, so many as may be at once."""
        recycle, now = self.pool.recycle, self.now
        due: list[tuple[float, Worker]] = []
        for worker in self.workers:
            if worker.stage != "ready" or worker.successor is not None or now < worker.not_before:
                continue
            age = now - worker.born
            why = recycle.why(worker.share, age=age, served=worker.served, memory=worker.memory)
            worker.why = "asked" if worker.is_asked_to_go else why
            if worker.why is not None:
                due.append((age, worker))
        if due:
            under_way = sum(worker.successor is not None for worker in self.workers)
            under_way += sum(worker.why is not None for worker in self.leaving.values())
            for worker in recycle.chosen(due, under_way):
                worker.successor = successor = self._new(worker.number)
                successor.replaces = worker
                self.enlist(successor)

    # -- after each turn

    def look(self) -> None:
        """See what is left over at the workers."""
        if self._look is not None:
            self.me.runtime.timers.cancel(self._look)
        self._look, self._look_at = None, inf
        for worker in (*self.workers, *self.leaving.values()):
            if worker.load.left_over:
                worker.see_what_is_left()

    def go_on(self) -> None:
        """Something has changed: see what can be done now, and when there may be more to do."""
        refusal = None if not len(self.desk.line) else self.unavailable()
        if refusal is not None:
            self.refuse_all(refusal)
        self.hand_out()
        self._replace_some()
        self._arm()
        if self.settling and not (self.starting or self.to_start or self.leaving):
            settled, self.settling = self.settling, []
            for reply in settled:
                reply.set_result(None)

    def _arm(self) -> None:
        now, ready = self.now, [worker for worker in self.workers if worker.stage == "ready"]
        found = self.pool.recycle.next_look((now - worker.born, worker.share) for worker in ready)
        times = [] if found is None else [found]
        if any(worker.load.left_over for worker in (*ready, *self.leaving.values())):
            times.append(LOOK_AGAIN)
        times += [left for worker in ready if (left := worker.not_before - now) > 0]
        at = now + min(times, default=inf)
        if at >= self._look_at:
            return
        if self._look is not None:
            self.me.runtime.timers.cancel(self._look)
        self._look_at = at
        self._look = self.me.runtime.timers.after(at - now, self.me.deliver, Look())


def reason_of(failure: StartFailed | Ignored) -> ExitReason:
    """Why a start failed, as an exit reason."""
    reason = failure.reason if isinstance(failure, StartFailed) else failure
    return cast("ExitReason", reason)
