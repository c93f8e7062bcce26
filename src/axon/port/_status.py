"""What is known here of a child process, without asking it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import InvalidOption
from ..server import GenServer, server_of
from ._life import Phase
from ._port import Port


@dataclass(frozen=True, slots=True, kw_only=True)
class PortStatus:
    """A child process, as its last sign of life says. phase: `ready` with nothing to do, `busy`, `draining` while it ends.
    in_flight: requests that are not over; memory: bytes that are resident; cpu: seconds of processor time so far; stalled:
    seconds since its event loop went round, which is long while a handler computes.
    """

    pid: int
    phase: Phase
    in_flight: int
    memory: int
    cpu: float
    stalled: float


def port_status(server: GenServer[Any]) -> PortStatus:
    """The process that an isolated server lives in, now; nobody is disturbed.

    Its figures are up to a second old, and 0 before the first sign. Raises `NoProcess` if the server does not run,
    `InvalidOption` if it is not isolated.
    """
    port = server_of(server).state
    if not isinstance(port, Port):
        raise InvalidOption("server", server, "the handle of an isolated server")
    sign = port.sign
    return PortStatus(
        pid=port.pid,
        phase=port.life.phase,
        in_flight=len(port.life.requests),
        memory=0 if sign is None else sign.memory,
        cpu=0.0 if sign is None else sign.cpu,
        stalled=0.0 if sign is None else sign.loop,
    )
