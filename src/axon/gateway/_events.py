"""What the gateway tells telemetry, besides what all processes do."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..telemetry import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestServed(Event):
    """An edge has answered a request, or ended its stream, after so many `seconds`.

    `route` is the pattern that it came by, such as `POST /agents/{agent_id}/run_sync` or `synapse.AgentService/Run`,
    `status` the HTTP status of the answer (for gRPC that of its failure, else 200), `error_type` what a failure is
    called on the wire, empty if there is none.
    """

    edge: Literal["http", "websocket", "grpc"]
    route: str
    status: int
    error_type: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBroke(Event):
    """A request ended with an `error` that is not the client's; `what` was asked for."""

    logged: ClassVar[tuple[int, str] | None] = (logging.ERROR, "request failed")

    what: str
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCreated(Event):
    """The gateway serves an agent from now on, under the id `agent`."""

    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDeleted(Event):
    """The gateway serves an agent no more; nothing is left of its process."""

    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentNotRestored(Event):
    """An agent that a request had created could not be served again; it is kept for the next start."""

    logged: ClassVar[tuple[int, str] | None] = (logging.ERROR, "agent not restored")
    advice: ClassVar[str] = "see the error: its module or model is not to be had; DELETE /agents/{agent_id} gives it up"

    agent: str
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainStarted(Event):
    """Nothing new is taken any more, and the turns under way of `agents` have so many `seconds` to end."""

    logged: ClassVar[tuple[int, str] | None] = (logging.INFO, "draining")

    agents: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainEnded(Event):
    """Draining is over, after so many `seconds`; the turns of `left` are still under way, and end with their agents."""

    logged: ClassVar[tuple[int, str] | None] = (logging.INFO, "drained")

    left: tuple[str, ...]
    seconds: float
