"""What happened: one frozen record per kind of happening, times in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ._running import here


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of all events, and of a program's own: any frozen dataclass that derives from it can be emitted.

        @dataclass(frozen=True)
        class OrderPlaced(Event):
            order: int

        axon.telemetry.emit(OrderPlaced(3))

    `path` names the process, from the root: `app/Counter`; default the one whose code runs, empty if none does.
    """

    logged: ClassVar[tuple[int, str] | None] = None
    """The level and the title with which events of this kind are logged, such as `(logging.WARNING, "order late")`; None:
    they are not.
    """

    path: str = field(default_factory=here)


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
class BackoffFailed(Event):
    """The backoff of a child raised `error`, or did not answer with seconds >= 0: the child is restarted at once."""

    error: Exception


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
class CancelIgnored(Event):
    """A piece of work goes on `seconds` after it was cancelled: `what` is a handler at its deadline, or an agent's run.

    Told once. Its process lives, but does nothing else until it is over if it is a handler.
    """

    what: str
    seconds: float

    @property
    def advice(self) -> str:
        """What to do about it."""
        return (
            "raise CancelledError again, and bound what its cleanup awaits; in a process of its own "
            "(axon.port.isolated) it would be killed"
        )


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
    """A telemetry listener raised at an event of class `kind`, and was detached from all its kinds."""

    listener: str
    kind: type[Event]
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanStarted(Event):
    """A `span` began, at `monotonic_time` of the loop's clock and `system_time` since the epoch, both in seconds.

    `span` is the number that its events share.
    """

    name: str
    span: int
    metadata: Mapping[str, object]
    monotonic_time: float
    system_time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanStopped(Event):
    """The body of a `span` is through, after `duration` seconds."""

    name: str
    span: int
    metadata: Mapping[str, object]
    monotonic_time: float
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanFailed(Event):
    """The body of a `span` raised after `duration` seconds.

    `kind` is `exit` when it was cancelled or its program ends, else `error`; the traceback is on `error`.
    """

    name: str
    span: int
    metadata: Mapping[str, object]
    monotonic_time: float
    duration: float
    kind: Literal["error", "exit"]
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTaken(Event):
    """A server under `axon.trace` begins with a message; `waiting` are still in its mailbox."""

    kind: Literal["call", "cast", "stream", "info"]
    text: str
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHandled(Event):
    """A server under `axon.trace` is through with a message, after `duration` seconds, or failed at it with `error`."""

    text: str
    duration: float
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSent(Event):
    """A server under `axon.trace` answered the request `text`, at once or later; `answer` is text, too."""

    text: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeChanged(Event):
    """A server under `axon.trace` was suspended or resumed, begins to terminate, or has ended."""

    life: Literal["starting", "running", "suspended", "terminating", "ended"]
    reason: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationStarted(Event):
    """An application of the program runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationStopped(Event):
    """An application was stopped with its program; `reason` is the exit reason of its tree."""

    reason: object


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationEnded(Event):
    """An application's tree ended by itself. `ends_program` tells whether that is the end of the others, too."""

    reason: object
    ends_program: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramEnded(Event):
    """`axon.run` is over: what ended it, and the exit status that says so. It took `seconds` to stop."""

    why: str
    status: int
    seconds: float
