"""A lease: one request of somebody for a worker of a pool, and what the pool is told about it and about its workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..process import Timer
from ..server import GenServer, Reply, ServerProcess
from ._choice import Ticket
from ._worker import Worker


@dataclass(eq=False, slots=True)
class Lease(Ticket):
    """Made by whoever asks. wait_within: seconds it may wait, None what the pool says; again: whether it has had a worker
    that died before it was used; pool: who has to do with it; at: whose it is, and `handle` where that is reached; is_used:
    whether whoever asked has taken it.
    """

    wait_within: float | None = None
    again: bool = False
    pool: ServerProcess | None = None
    at: Worker | None = None
    handle: GenServer[Any] | None = None
    reply: Reply[GenServer[Any]] | None = None
    timer: Timer | None = None
    is_used: bool = False
    is_over: bool = False

    def end(self) -> None:
        """Whoever asked is through with it, or does not want it any more. From anywhere: also in the name of the dead."""
        if self.is_over:
            return
        self.is_over = True
        if self.pool is not None and self.pool.reason is None:
            self.pool.deliver(Over(self))


@dataclass(frozen=True, slots=True, eq=False)
class Over:
    """A lease is."""

    lease: Lease


@dataclass(frozen=True, slots=True, eq=False)
class Late:
    """A lease may have waited for as long as it may, `after` seconds."""

    lease: Lease
    after: float


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """The start of a worker is over, one way or the other."""

    worker: Worker


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """It is time to see what the workers are at."""
