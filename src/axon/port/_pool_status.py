"""What is known of a pool, without asking any of its workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import InvalidOption, NoProcess
from ..server import server_of, slot_of
from ._crew import Crew
from ._pool import PortPool
from ._worker import Stage, Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """One worker. number: its place; stage: `ready`, `starting`, `waiting` to be, `leaving` when its requests are over,
    `down` until its restart; on_probation: whether one died here and none has answered since.

    pid, memory (bytes that are resident), cpu (seconds so far): as of `port_status`, 0 if it has no process of its own.
    in_flight: leases, and requests that it still works at after those; served: leases of this incarnation that are over;
    age: seconds it has run; crashes: of all that were in this place.
    """

    number: int
    stage: Stage
    on_probation: bool
    pid: int
    memory: int
    cpu: float
    in_flight: int
    served: int
    age: float
    crashes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatus:
    """A pool. size: its places; ready: workers that take requests; waiting: who waits for one; served, refused, recycled:
    so many so far; workers: those in their places, then those that leave.
    """

    size: int
    ready: int
    waiting: int
    served: int
    refused: int
    recycled: int
    workers: tuple[WorkerStatus, ...]


def pool_status(pool: PortPool[Any]) -> PoolStatus:
    """A pool and its workers, now; nobody is disturbed, and the figures of processes are up to a second old.

    Raises `NoProcess` if it does not run, `InvalidOption` if it is no pool.
    """
    crew = server_of(pool).state
    if crew is None and isinstance(pool, PortPool):
        raise NoProcess(slot_of(pool).path, "it is being started")
    if not isinstance(crew, Crew):
        raise InvalidOption("pool", pool, "the handle of a PortPool")
    return PoolStatus(
        size=len(crew.workers),
        ready=sum(worker.takes_requests for worker in crew.workers),
        waiting=len(crew.desk.line),
        served=crew.served,
        refused=crew.refused,
        recycled=crew.recycled,
        workers=tuple(_status(worker, crew.now) for worker in [*crew.workers, *crew.leaving.values()]),
    )


def _status(worker: Worker, now: float) -> WorkerStatus:
    runs = worker.incarnation is not None and worker.stage in ("ready", "leaving")
    return WorkerStatus(
        number=worker.number,
        stage=worker.stage,
        on_probation=worker.load.strikes > 0,
        pid=worker.pid,
        memory=worker.memory,
        cpu=worker.cpu,
        in_flight=worker.load.in_flight,
        served=worker.served if runs else 0,
        age=now - worker.born if runs else 0.0,
        crashes=worker.crashes,
    )
