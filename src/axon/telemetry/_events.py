"""What happened: one frozen record per kind of happening, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of all events. `path` names the process, from the root: `app/Counter`."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStarted(Event):
    """init returned: the process is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIgnored(Event):
    """init raised `Ignore`: the process chose not to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStartFailed(Event):
    """init failed, exited or took too long."""

    reason: object


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessExited(Event):
    """The process ended, for whatever reason. `terminated` tells whether its terminate callback was entered, and
    `terminate_reason` with what.
    """

    reason: object
    terminated: bool = False
    terminate_reason: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessCrashed(Event):
    """The process ended abnormally.

    `decision` is what its supervisor does about it, `last_messages` the messages it handled last, newest last.
    """

    reason: object
    decision: str
    last_messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRestarted(Event):
    """A supervisor started a child again. `restarts` counts those within the last `period` seconds."""

    restarts: int
    period: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashLoopStarted(Event):
    """A child keeps failing: `restarts` in a row within `seconds`, and it was never stable between them.

    `reason` is that of the last failure, `advice` what to do. Once a loop; `CrashLoopEnded` follows when the child
    has been stable, and nothing does if it is ended, or its supervisor is.
    """

    restarts: int
    seconds: float
    reason: object
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashLoopEnded(Event):
    """A child that kept failing is stable again, after so many `restarts` in a row; `seconds` since the first one."""

    restarts: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorGaveUp(Event):
    """A supervisor stopped itself: more than `max_restarts` within `period` seconds; `child` failed last."""

    child: str
    reason: object
    max_restarts: int
    period: float

    @property
    def advice(self) -> str:
        """What to do about it."""
        return (
            f"see why {self.child!r} fails, in its lines 'crashed' or 'failed to start'; "
            "max_restarts, max_seconds and child(..., backoff=...) allow it more"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ZombieDeclared(Event):
    """A killed process did not end within `grace` seconds; it was declared dead while its task goes on."""

    grace: float

    @property
    def advice(self) -> str:
        """What to do about it."""
        return "its code runs on though cancelled: raise CancelledError again, and bound what its cleanup awaits"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStalled(Event):
    """The event loop has stood still for `seconds`, and still does: `handler` of the process holds it, in `file` at
    `line`. `stack` shows how it got there, innermost first. Emitted in the thread of `watch_loop`.
    """

    handler: str | None
    file: str
    line: int
    seconds: float
    stack: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopResumed(Event):
    """The event loop goes on, after it had stood still for `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter(Event):
    """A message that nobody took: it was addressed to `path`."""

    text: str
    why: Literal["no process", "mailbox full", "deadline passed", "died before handling it"]

    @property
    def advice(self) -> str:
        """What to do about it."""
        return _LETTERS[self.why]


_LETTERS = {
    "no process": "it had ended: where the sender must know, make it a call, which raises NoProcess",
    "mailbox full": "its senders are faster: `await axon.offer(...)` waits for room, or give it a larger mailbox=",
    "deadline passed": "it came too late: allow the deadline more time, or give the server less to do",
    "died before handling it": "it waited in vain: where the sender must know, make it a call, which raises ServerDied",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnexpectedMessage(Event):
    """A message that no `handle_info` of its server knew."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerFailed(Event):
    """A telemetry listener raised and was detached."""

    listener: str
    error: BaseException
