"""What happens in a pool of workers, as events; `path` is the worker's, or the pool's."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from ..process import ExitReason
from ..telemetry import Event
from ._pool_errors import PoolRefused
from ._recycling import Why


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecycled(Event):
    """A fresh worker has taken the place of this one, which ends when its requests have. why: the limit it has reached;
    age: seconds it has run; served: requests that it was given; memory: bytes that are resident, 0 if that is not known.
    """

    logged: ClassVar[tuple[int, str] | None] = (logging.INFO, "worker recycled")
    pid: int
    why: Why
    age: float
    served: int
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTainted(Event):
    """A worker died: it is given nothing until it runs again, and then one request at a time, after the others, until it
    has answered one. lost: requests that it had; crashes: of workers in this place so far, this one included.
    """

    logged: ClassVar[tuple[int, str] | None] = (logging.WARNING, "worker tainted")
    reason: ExitReason
    lost: int
    crashes: int

    @property
    def advice(self) -> str:
        """What to do about it."""
        return "its crashed line says why; what it had to do is lost, and whoever asked got ServerDied"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRefused(Event):
    """The pool refused somebody who asked for a worker: `error` says why; waiting: how many wait now."""

    logged: ClassVar[tuple[int, str] | None] = (logging.DEBUG, "pool refused a request")
    error: PoolRefused
    waiting: int
