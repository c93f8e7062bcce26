"""A gateway that is served over gRPC on loopback, and clients of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
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


@dataclass
class Way:
    """A way to a server that can be broken."""

    address: str = ""
    is_dead: bool = False
    """Nothing that is sent arrives any more, and nobody is told."""
    ends: list[asyncio.WriteTransport] = field(default_factory=list[asyncio.WriteTransport])

    def reset(self) -> None:
        """Break all its connections."""
        for end in self.ends:
            end.abort()


@asynccontextmanager
async def proxy(address: str) -> AsyncGenerator[Way]:
    """A way to the server at this address."""
    host, _, port = address.rpartition(":")
    way = Way()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way.ends.append(writer.transport)
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if not way.is_dead:
                    writer.write(data)
        writer.transport.abort()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(port))
        async with asyncio.TaskGroup() as both:
            both.create_task(pump(reader, back))
            both.create_task(pump(there, writer))

    server = await asyncio.start_server(connected, "127.0.0.1")
    way.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield way
    server.close()
