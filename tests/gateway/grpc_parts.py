"""A gateway that is served over gRPC on loopback, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from google.rpc import error_details_pb2  # pyright: ignore[reportMissingTypeStubs]
from grpc import aio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_status import rpc_status

from axon import Supervisor, child
from axon.agent import AgentServer
from axon.gateway import Gateway, Modules, Token, Tokens
from axon.gateway.grpc import GRPCServer, synapse_pb2, synapse_pb2_grpc

SHOP, DESK, READER = "shop-secret-0123456789", "desk-secret-0123456789", "reader-secret-0123456789"
TOKENS = (
    Token(name="shop", secret=SHOP),
    Token(name="desk", secret=DESK),
    Token(name="reader", secret=READER, scopes={"read"}),
)


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a call with a token."""
    return (("authorization", f"Bearer {secret}"),)


@dataclass
class World:
    """One server, and what it serves."""

    gateway: Gateway
    supervisor: Supervisor
    address: str
    channel: aio.Channel

    @property
    def stub(self) -> synapse_pb2_grpc.AgentServiceStub:
        """A client of it."""
        return synapse_pb2_grpc.AgentServiceStub(self.channel)

    def unary(self, path: str, answer: Callable[[bytes], Any] = bytes) -> Any:
        """A method with one answer, which takes bytes."""
        channel: Any = self.channel
        return channel.unary_unary(f"/{path}", None, answer)

    def stream(self, path: str, answer: Callable[[bytes], Any] = bytes) -> Any:
        """A method with many."""
        channel: Any = self.channel
        return channel.unary_stream(f"/{path}", None, answer)

    async def health(self, service: str = "") -> str:
        """What the server says of a service, or of itself."""
        ask = self.unary("grpc.health.v1.Health/Check", HealthCheckResponse.FromString)
        return _name(await ask(HealthCheckRequest(service=service).SerializeToString()))

    async def healths(self, service: str = "") -> AsyncGenerator[str]:
        """The same, and each change of it."""
        ask = self.stream("grpc.health.v1.Health/Watch", HealthCheckResponse.FromString)
        async for answer in ask(HealthCheckRequest(service=service).SerializeToString()):
            yield _name(answer)


def _name(answer: HealthCheckResponse) -> str:
    return HealthCheckResponse.ServingStatus.Name(answer.status)


@asynccontextmanager
async def serving(
    *agents: AgentServer[Any, Any], tokens: Tokens | None = None, modules: Modules | None = None, **options: Any
) -> AsyncGenerator[World, None]:
    """Agents behind a gateway behind a server, and a channel to it."""
    async with Gateway(tokens=Tokens() if tokens is None else tokens, modules=modules) as gateway:
        for agent in agents:
            await gateway.serve(agent)
        async with Supervisor([child(GRPCServer(gateway, **options), id="grpc")]) as supervisor:
            address = await supervisor.get(GRPCServer, "grpc").address()
            async with aio.insecure_channel(address) as channel:
                yield World(gateway, supervisor, address, channel)


async def read(call: Any) -> synapse_pb2.RunResponseChunk:
    """The next chunk of a stream."""
    chunk = await call.read()
    assert isinstance(chunk, synapse_pb2.RunResponseChunk)
    return chunk


@dataclass
class Status:
    """What came with a failed call: the code, the message, and its details by their types."""

    code: str
    message: str
    details: dict[str, Any]


KINDS = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (
        error_details_pb2.ErrorInfo,
        error_details_pb2.RetryInfo,
        error_details_pb2.BadRequest,
        synapse_pb2.Error,
    )
}


def status_of(error: Any) -> Status:
    """The `google.rpc.Status` of a failed call, as clients of grpcio-status get it."""
    library: Any = rpc_status
    status = library.from_call(error)
    details: dict[str, Any] = {}
    for detail in status.details:
        kind = KINDS[detail.type_url.rpartition("/")[2]]
        details[kind.DESCRIPTOR.name] = message = kind()
        assert detail.Unpack(message)
    return Status(error.code().name, status.message, details)


@asynccontextmanager
async def failing(code: str) -> AsyncGenerator[list[Status], None]:
    """The call in the block fails with this code; its status is put into the list."""
    found: list[Status] = []
    with pytest.raises(aio.AioRpcError) as failed:
        yield found
    found.append(status_of(failed.value))
    assert found[0].code == code
