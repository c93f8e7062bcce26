"""What the gateway tells telemetry, besides what all processes do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
class AgentCreated(Event):
    """The gateway serves an agent from now on, under the id `agent`."""

    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDeleted(Event):
    """The gateway serves an agent no more; nothing is left of its process."""

    agent: str
