"""A gateway that is served over gRPC on loopback, and clients of it."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from grpc import aio
from grpc_status import rpc_status

from axon import Supervisor, child
from axon.agent import AgentServer
from axon.gateway import Gateway, Token, Tokens
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


@asynccontextmanager
async def serving(
    *agents: AgentServer[Any, Any], tokens: Tokens | None = None, **options: Any
) -> AsyncGenerator[World, None]:
    """Agents behind a gateway behind a server, and a channel to it."""
    try:
        async with Gateway(**({} if tokens is None else {"tokens": tokens})) as gateway:
            for agent in agents:
                await gateway.serve(agent)
            async with Supervisor([child(GRPCServer(gateway, **options), id="grpc")]) as supervisor:
                address = await supervisor.get(GRPCServer, "grpc").address()
                async with aio.insecure_channel(address) as channel:
                    yield World(gateway, supervisor, address, channel)
    finally:
        gc.collect()  # the thread of grpc.aio ends with the last of its objects


@dataclass
class Details:
    """What came with a failed call."""

    code: str
    message: str
    by_type: Mapping[str, Message]

    def __getitem__(self, type: str) -> Any:
        return self.by_type[type]


def details_of(error: aio.AioRpcError) -> Details:
    """The `google.rpc.Status` of a failed call."""
    ...
