"""What goes wrong with a child process.

AxonError
├─ CannotCross            a server that another process cannot make (an `InvalidOption`)    .problem
└─ PortError              a child process, and what became of it                            .said
   ├─ PortStartFailed     it was not ready in time, or is not what it should be             .problem
   ├─ PortExited          it ended by itself                              .exit_code .signal
   │  ├─ OutOfMemory      at its limit of memory                          .limit .memory
   │  └─ OutOfTime        at its limit of CPU time                        .limit
   ├─ PortKilled          it was ended by its runtime
   │  ├─ PortHung         no heartbeat came                               .seconds .state
   │  ├─ PortOverran      work went on after its deadline, or though it was cancelled       .handler .grace
   │  └─ BadFrame         what it said was no frame                       .problem
   ├─ GuardLost           the guard of the child processes ended, and took them along
   ├─ FrameTooLarge       a request or an answer is too large to cross    .size .limit
   └─ PoolRefused         a pool gave no worker, and nothing was sent     .pool
      ├─ PoolFull         as many wait as may                             .limit
      ├─ PoolTimeout      none was free in time                           .after
      ├─ PoolUnavailable  none of its workers starts                      .reason .restart_in
      └─ PoolStopped      it ended                                        .reason
"""

from __future__ import annotations

import signal as signals
from collections.abc import Sequence

from ..errors import AxonError, InvalidOption


class CannotCross(InvalidOption):
    """A server's spec that another process cannot make again: refused when it is made. `problem` says what it is."""

    def __init__(self, server: object, problem: str) -> None:
        super().__init__("server", server, f"one that another process can make: {problem}")
        self.problem = problem


class PortError(AxonError):
    """What became of a child process. `said` are the last lines of its standard error."""

    def __init__(self, message: str, said: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.said: tuple[str, ...] = tuple(said)

    def __str__(self) -> str:
        return str(self.args[0]) + "".join(f"\n  | {line}" for line in self.said)


class PortStartFailed(PortError):
    """The child was not ready: `problem` says why."""

    def __init__(self, problem: str, said: Sequence[str] = ()) -> None:
        super().__init__(f"the child process did not get ready: {problem}", said)
        self.problem = problem


class PortExited(PortError):
    """The child ended by itself: with `exit_code`, or by `signal`, a name such as `SIGSEGV`; the other one is None."""

    def __init__(self, status: int, said: Sequence[str] = (), message: str = "") -> None:
        self.exit_code: int | None = status if status >= 0 else None
        self.signal: str | None = signal_name(-status) if status < 0 else None
        ended = f"exited with {status}" if status >= 0 else f"was ended by {self.signal}"
        super().__init__(message or f"the child process {ended}", said)


class OutOfMemory(PortExited):
    """The child reached its limit of memory: `limit` bytes. `memory` is the most it had in use, as the system counts."""

    def __init__(self, status: int, limit: int, memory: int, said: Sequence[str] = ()) -> None:
        message = f"the child process ran out of memory: its limit is {limit} bytes, and at most {memory} were resident"
        super().__init__(status, said, message)
        self.limit = limit
        self.memory = memory


class OutOfTime(PortExited):
    """The child reached its limit of CPU time: `limit` seconds."""

    def __init__(self, status: int, limit: float, said: Sequence[str] = ()) -> None:
        super().__init__(status, said, f"the child process used up its {limit:g} s of CPU time")
        self.limit = limit


class PortKilled(PortError):
    """The child was killed by its runtime."""


class PortHung(PortKilled):
    """The child lives and gave no sign for `seconds`. `state` is what the system says of it: `running` (code that keeps
    the interpreter's lock, as an endless loop in C), `stopped`, `sleeping`, `waiting for a device`, `unknown`.
    """

    def __init__(self, seconds: float, state: str, said: Sequence[str] = ()) -> None:
        super().__init__(f"the child process gave no sign for {seconds:g} s ({state}), and was killed", said)
        self.seconds = seconds
        self.state = state


class PortOverran(PortKilled):
    """Work was not over `grace` seconds after its deadline or its cancellation, so the child was killed. `handler` is what
    it was: a request to a handler, or the run of an agent.
    """

    def __init__(self, handler: str, grace: float, said: Sequence[str] = ()) -> None:
        super().__init__(
            f"{handler} went on for {grace:g} s after it was to be over, and the child process was killed", said
        )
        self.handler = handler
        self.grace = grace


class BadFrame(PortKilled):
    """What came over the channel is no frame: `problem` says what it is. Its sender was killed."""

    def __init__(self, problem: str, said: Sequence[str] = ()) -> None:
        super().__init__(f"the child process broke the protocol, and was killed: {problem}", said)
        self.problem = problem


class GuardLost(PortError):
    """The guard of the child processes ended, and they with it; the next start makes another one."""

    def __init__(self) -> None:
        super().__init__("the guard of the child processes was ended, and they with it")


class FrameTooLarge(PortError):
    """A request or an answer of `size` bytes is too large to cross: at most `limit`. Nothing was sent."""

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(f"{what} takes {size} bytes, and at most {limit} can cross to another process")
        self.size = size
        self.limit = limit


def signal_name(number: int) -> str:
    """`SIGKILL` for 9."""
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"
