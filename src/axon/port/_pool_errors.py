"""What a pool of workers refuses, and why: nothing was sent to any worker, so whoever asked may ask again, or elsewhere."""

from __future__ import annotations

from ..process import ExitReason, normal
from ._errors import PortError


class PoolRefused(PortError):
    """A pool gave no worker: `pool` is its path. Its subclasses say why; see the tree in `axon.port`."""

    def __init__(self, pool: str, why: str) -> None:
        super().__init__(f"the pool {pool} gave no worker: {why}")
        self.pool = pool


class PoolFull(PoolRefused):
    """As many wait already as may: `limit`. Slow down, or let the pool have more workers."""

    def __init__(self, pool: str, limit: int) -> None:
        super().__init__(pool, f"{limit} wait already, and no more may")
        self.limit = limit


class PoolTimeout(PoolRefused):
    """No worker was free within `after` seconds. Where a deadline is in force its end is `DeadlineExceeded`, as anywhere."""

    def __init__(self, pool: str, after: float) -> None:
        super().__init__(pool, f"none was free within {after:g} s")
        self.after = after


class PoolUnavailable(PoolRefused):
    """No worker runs, and the last start of each one has failed: `reason` is why one of them did. The pool tries again in
    `restart_in` seconds.
    """

    def __init__(self, pool: str, reason: ExitReason, restart_in: float) -> None:
        super().__init__(
            pool, f"none of them starts; the next attempt is in {restart_in:.3g} s; one failed with {reason!r}"
        )
        self.reason = reason
        self.restart_in = restart_in


class PoolStopped(PoolRefused):
    """The pool ended before it could: `reason` is its exit reason."""

    def __init__(self, pool: str, reason: ExitReason = normal) -> None:
        super().__init__(pool, f"it ended ({reason!r})")
        self.reason = reason
