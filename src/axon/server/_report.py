"""What the rest of the world is told of a server's start and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Ignored
from ..process import ExitReason, is_clean
from ..telemetry import ProcessExited, ProcessIgnored, ProcessStarted, ProcessStartFailed
from ._status import status_of

if TYPE_CHECKING:
    from ._process import ServerProcess


def report_start(server: ServerProcess) -> None:
    """`init` is over: an event says how it went, if it is not told elsewhere."""
    bus, outcome = server.runtime.bus, server.outcome
    if server.slot.reported:
        return
    if outcome is None:
        if bus.wants(ProcessStarted):
            bus.emit(ProcessStarted(path=server.path))
    elif isinstance(outcome, Ignored):
        if bus.wants(ProcessIgnored):
            bus.emit(ProcessIgnored(path=server.path))
    elif bus.wants(ProcessStartFailed):
        bus.emit(ProcessStartFailed(path=server.path, reason=status_of(server, reason=outcome.reason).reason))


def report_end(server: ServerProcess, reason: ExitReason) -> None:
    """The server is dead; a supervised one's crash is its supervisor's to report, together with what it decides."""
    bus = server.runtime.bus
    if bus.wants(ProcessExited):
        terminated_with = server.terminated_with if server.phase == "terminating" else None
        terminated = terminated_with is not None
        bus.emit(
            ProcessExited(path=server.path, reason=reason, terminated=terminated, terminate_reason=terminated_with)
        )
    if is_clean(reason) or server.slot.reported:
        return
    if server.slot.home is None:
        server.report_crash(reason, "none: it has no supervisor and stays down")
    elif server.parent is not None and server.parent.reason not in (None, reason):
        server.report_crash(reason, "none: its supervisor ended before it")
