"""What happens at a port, as events."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..telemetry import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PortStarted(Event):
    """A child process is ready, `seconds` after its start began."""

    logged: ClassVar[tuple[int, str] | None] = (logging.INFO, "child process ready")
    pid: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PortEnded(Event):
    """A child process has ended. status: its exit status, or the number of a signal, negative. memory: bytes that were
    resident at most; cpu: seconds of processor time; left: processes that it started and that could not be ended.
    """

    logged: ClassVar[tuple[int, str] | None] = (logging.INFO, "child process ended")
    pid: int
    status: int
    memory: int
    cpu: float
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PortOutput(Event):
    """A line that a child process printed."""

    logged: ClassVar[tuple[int, str] | None] = (logging.INFO, "child process says")
    pid: int
    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PortOutputDropped(Event):
    """A child process printed or logged more lines in a second than are passed on: so many more."""

    logged: ClassVar[tuple[int, str] | None] = (logging.WARNING, "child process says too much")
    pid: int
    stream: Literal["stdout", "stderr", "log"]
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRefused(Event):
    """A one-way message could not cross to a child process, and was dropped: `error` says why."""

    logged: ClassVar[tuple[int, str] | None] = (logging.WARNING, "message cannot cross to the child process")
    text: str
    error: Exception
