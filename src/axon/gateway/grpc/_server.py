"""The gRPC server of a program, grpc.aio, as a process that a supervisor starts, watches and stops."""

from __future__ import annotations

import asyncio
from contextvars import Context
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import get_args

import grpc
from grpc import aio
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from ...errors import InvalidOption
from ...process import ExitReason, checked_seconds, current
from ...server import GenServer, call
from .._gateway import Gateway
from ._credentials import TLS
from ._health import Health
from ._service import SERVICE, Runner, Service

MESSAGE_SIZE = 4 * 1024 * 1024
"""Bytes of a request and of an answer, unless told otherwise: what clients take by themselves."""
CALLS = 1000
"""Calls under way at once, unless told otherwise."""
KEEPALIVE = 30.0
"""Seconds of silence after which a client is asked whether it is there, and seconds it has to answer."""
FLUSH = 0.2
"""Seconds in which the last answers go out, before those who watch the health are sent away."""


@dataclass
class _Serving:
    server: aio.Server
    service: Service
    health: Health
    address: str
    ending: asyncio.Task[None] | None = None


class GRPCServer(GenServer[_Serving]):
    """Serves the agents of a gateway over gRPC: `AgentService` of `synapse.proto`, health and reflection.

        async with Gateway(tokens=tokens) as gateway:
            async with Supervisor([child(GRPCServer(gateway, port=50051), id="grpc", shutdown=15)]) as sup:
                print(await sup.get(GRPCServer, "grpc").address())

    host, port: where it listens, default loopback, and a port that the system chooses, which is another one after a
    restart. tls: see `TLS`, default none. behind_tls: TLS ends in front of it, in a proxy or a mesh, default False.
    Anywhere but on loopback it needs tokens, and one of these two.

    max_message: bytes of a request and of an answer, default 4 MiB. max_calls: calls of `AgentService` under way at
    once, default 1,000. runner: the only one that is served, `run_sync` or `run` for `Run`, `run_stream` for `RunStream`,
    default all. with_reflection: tell clients such as grpcurl what there is, default True. drain: seconds that calls
    under way have to end when it is stopped, default 10; then they are cut off, and their runs go on. Give its child a
    longer `shutdown`.

    Calls are handled in tasks of their own with a blank context, in the name of no process. Raises `InvalidOption`, at
    the start if the files of `tls` cannot be used or the port is taken. docs/gateway.md, https://grpc.io
    """

    gateway: Gateway
    host: str = field(default="127.0.0.1", kw_only=True)
    port: int = field(default=0, kw_only=True)
    tls: TLS | None = field(default=None, kw_only=True)
    behind_tls: bool = field(default=False, kw_only=True)
    max_message: int = field(default=MESSAGE_SIZE, kw_only=True)
    max_calls: int = field(default=CALLS, kw_only=True)
    runner: Runner | None = field(default=None, kw_only=True)
    with_reflection: bool = field(default=True, kw_only=True)
    drain: float = field(default=10.0, kw_only=True)

    trap_exit = True

    def __post_init__(self) -> None:
        if not isinstance(self.gateway, Gateway):
            raise InvalidOption("gateway", self.gateway, "an axon.gateway.Gateway")
        if not isinstance(self.host, str) or not self.host:
            raise InvalidOption("host", self.host, "a name or an address")
        if isinstance(self.port, bool) or not isinstance(self.port, int) or not 0 <= self.port <= 65535:
            raise InvalidOption("port", self.port, "a number from 0 to 65535")
        if self.tls is not None and not isinstance(self.tls, TLS):
            raise InvalidOption("tls", self.tls, "an axon.gateway.grpc.TLS, or None")
        if not _is_loopback(self.host):
            if self.gateway.tokens.is_open:
                raise InvalidOption("host", self.host, "one of loopback while the gateway has no tokens")
            if self.tls is None and not self.behind_tls:
                raise InvalidOption("host", self.host, "one of loopback without tls= or behind_tls=True")
        if self.runner is not None and self.runner not in get_args(Runner):
            raise InvalidOption("runner", self.runner, f"one of {', '.join(get_args(Runner))}, or None")
        for option in ("max_message", "max_calls"):
            number = getattr(self, option)
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise InvalidOption(option, number, "a number >= 1")
        checked_seconds(self.drain, "drain")

    @call
    def address(self, state: _Serving) -> str:
        """Where it listens, as clients take it: `127.0.0.1:50051`."""
        return state.address

    async def init(self) -> _Serving:
        """Begin to listen."""
        me = current()
        credentials = None if self.tls is None else await asyncio.to_thread(self.tls.credentials)
        state = self._bound(credentials)
        if state is None:
            raise InvalidOption("host and port", f"{self.host}:{self.port}", "an address to listen on, and not taken")
        me.on_death(lambda: _abort(state))
        await state.health.open()
        await asyncio.get_running_loop().create_task(state.server.start(), name=me.path, context=Context())
        return state

    def _bound(self, credentials: grpc.ServerCredentials | None) -> _Serving | None:
        """A server that has its address; None if that cannot be had. Errors that are kept hold nothing of it so."""
        server = aio.server(
            options=(
                ("grpc.so_reuseport", 0),  # a port that is taken is an error, not shared
                ("grpc.max_receive_message_length", self.max_message),
                ("grpc.max_send_message_length", -1),  # which the service says itself
                # Runs are long and silent: a client that died without a word is noticed, and one that asks whether the
                # server is there is not sent away for it.
                ("grpc.keepalive_time_ms", round(KEEPALIVE * 1000)),
                ("grpc.http2.ping_timeout_ms", round(KEEPALIVE * 1000)),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
                ("grpc.keepalive_permit_without_calls", 1),
            )
        )
        service = Service(self.gateway, max_calls=self.max_calls, max_message=self.max_message, runner=self.runner)
        server.add_generic_rpc_handlers((service.handler(),))
        health_of = Health(server, (SERVICE,), self.gateway.intake)
        if self.with_reflection:
            reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        host = f"[{self.host}]" if ":" in self.host else self.host
        try:
            if credentials is None:
                port = server.add_insecure_port(f"{host}:{self.port}")
            else:
                port = server.add_secure_port(f"{host}:{self.port}", credentials)
        except RuntimeError:
            return None
        return _Serving(server, service, health_of, f"{host}:{port}")

    async def terminate(self, state: _Serving, reason: ExitReason) -> None:
        """Say that it serves no more, let the calls under way end, and close the others."""
        await state.health.close()
        await state.service.close(self.drain)
        await state.server.stop(FLUSH)


def _abort(state: _Serving) -> None:
    """Its process is dead: nothing of it goes on. After a stop in order there is nothing left of it."""
    state.health.abort()
    state.service.abort()
    state.ending = asyncio.get_running_loop().create_task(state.server.stop(None), context=Context())


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
