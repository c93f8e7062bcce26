"""The gRPC server of a program, grpc.aio, as a process that a supervisor starts, watches and stops."""

from __future__ import annotations

import asyncio
from contextvars import Context
from dataclasses import dataclass, field

from google.protobuf.descriptor import ServiceDescriptor
from grpc import aio
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection

from ...errors import InvalidOption
from ...process import ExitReason, checked_seconds, current
from ...server import GenServer, call
from .._gateway import Gateway
from . import synapse_pb2
from ._credentials import TLS
from ._health import Health
from ._service import Service

MESSAGE_SIZE = 4 * 1024 * 1024
"""Bytes of a request and of an answer, unless told otherwise."""
CALLS = 1000
"""Calls under way at once, unless told otherwise."""


@dataclass
class _Serving:
    server: aio.Server
    service: Service
    health: Health
    address: str


class GRPCServer(GenServer[_Serving]):
    """Serves the agents of a gateway over gRPC: `AgentService` of `synapse.proto`, health and reflection.

        async with Supervisor([child(GRPCServer(gateway, port=50051), id="grpc", shutdown=15)]) as sup:
            print(await sup.get(GRPCServer, "grpc").address())

    host, port: where it listens, default loopback and a port that the system chooses, another one after a restart.
    tls: certificate and key, default none. behind_tls: TLS ends in front of it, in a proxy or mesh, default False.
    Without either of them, and without tokens, it listens on loopback only.

    max_message: bytes of a request and of an answer, default 4 MiB. max_calls: calls of `AgentService` under way at
    once, default 1,000. reflection: tell clients such as grpcurl what is served, default True. drain: seconds that
    calls under way have to end when it is stopped, default 10; then they end, and their runs go on. Give its child a
    longer `shutdown`.

    Raises `InvalidOption`. https://grpc.io
    """

    gateway: Gateway
    host: str = field(default="127.0.0.1", kw_only=True)
    port: int = field(default=0, kw_only=True)
    tls: TLS | None = field(default=None, kw_only=True)
    behind_tls: bool = field(default=False, kw_only=True)
    max_message: int = field(default=MESSAGE_SIZE, kw_only=True)
    max_calls: int = field(default=CALLS, kw_only=True)
    reflection: bool = field(default=True, kw_only=True)
    drain: float = field(default=10.0, kw_only=True)

    trap_exit = True

    def __post_init__(self) -> None:
        if not isinstance(self.gateway, Gateway):
            raise InvalidOption("gateway", self.gateway, "an axon.gateway.Gateway")
        if self.tls is not None and not isinstance(self.tls, TLS):
            raise InvalidOption("tls", self.tls, "an axon.gateway.grpc.TLS, or None")
        if isinstance(self.port, bool) or not isinstance(self.port, int) or not 0 <= self.port <= 65535:
            raise InvalidOption("port", self.port, "a number from 0 to 65535")
        for option in ("max_message", "max_calls"):
            number = getattr(self, option)
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise InvalidOption(option, number, "a number >= 1")
        checked_seconds(self.drain, "drain")
