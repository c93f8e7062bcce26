"""What is known here of a child process, without asking it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import InvalidOption
from ..server import GenServer, server_of
from ._life import Phase
from ._port import Port
from ._running_program import RunningProgram


@dataclass(frozen=True, slots=True, kw_only=True)
class PortStatus:
    """A child process, as its last sign of life says. phase: `ready` with nothing to do, `busy`, `draining` while it ends.
    in_flight: requests that are not over; memory: bytes that are resident; cpu: seconds of processor time so far; stalled:
    seconds since its event loop went round, which is long while a handler computes. Of a program, whose memory and time the
    system says (on Linux), `in_flight` is 0, and `stalled` the seconds since a probe was answered.
    """

    pid: int
    phase: Phase
    in_flight: int
    memory: int
    cpu: float
    stalled: float


def port_status(server: GenServer[Any]) -> PortStatus:
    """The process that an isolated server lives in, or that of a program, now; nobody is disturbed.

    Its figures are up to a second old, and 0 before the first sign. Raises `NoProcess` if the server does not run,
    `InvalidOption` if it has no such process.
    """
    port = server_of(server).state
    if isinstance(port, RunningProgram):
        said = port.last_sign()
        return PortStatus(
            pid=port.pid, phase=port.life.phase, in_flight=0, memory=said.memory, cpu=said.cpu, stalled=said.loop
        )
    if not isinstance(port, Port):
        raise InvalidOption("server", server, "the handle of an isolated server, or of a program")
    sign = port.sign
    return PortStatus(
        pid=port.pid,
        phase=port.life.phase,
        in_flight=len(port.life.requests),
        memory=0 if sign is None else sign.memory,
        cpu=0.0 if sign is None else sign.cpu,
        stalled=0.0 if sign is None else sign.loop,
    )
