"""What the runtime itself puts into a mailbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._monitor import Monitor
    from ._process import Process
    from ._reason import ExitReason
    from ._timers import Timer


@dataclass(frozen=True, slots=True)
class Exit:
    """A linked process ended, or somebody sent an exit signal, and the receiver traps exits.

    `sender` is None when the signal came from a plain coroutine. https://www.erlang.org/doc/man/erlang#process_flag-2
    """

    sender: Process | None
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class Down:
    """A monitored process ended; `monitor` is what `monitor()` returned, and comes exactly once.

    https://www.erlang.org/doc/man/erlang#monitor-2
    """

    monitor: Monitor
    process: Process | None
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class Timeout:
    """A timer of `start_timer` fired; `timer` tells a stale one apart."""

    timer: Timer
    message: object
