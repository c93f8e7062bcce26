"""What a program does that serves agents: a gateway with its edges, from their start to their end in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ...agent import AgentServer
from ...errors import AxonError, NoProcess
from ...process import ExitReason, wait_down
from ...server import statistics
from ...store import PostgresStore, SQLiteStore, Store
from ...supervisor import DynamicSupervisor, child
from .._drain import drain
from .._gateway import Gateway

if TYPE_CHECKING:  # each needs an extra that the program may do without
    from ..grpc import GRPCServer
    from ..http import HTTPServer

ORIGINAL = "AXON_PYTHON_AGENT_"
"""What the names begin with under which the original design told an agent its model and port."""
LAST_ANSWERS = 2.0
"""Seconds in which the edges tell what became of the last requests, once their agents are gone: their `drain`."""


class PortLost(AxonError):
    """The gRPC server ended, and its port with it, which the system had chosen and others have been told of."""

    def __init__(self, reason: ExitReason) -> None:
        super().__init__(f"the gRPC server ended, and its port is not to be had again: {reason}")


def store_of(where: str | None) -> Store | None:
    """The store at a path or a `postgresql://` address, None at None."""
    if where is None:
        return None
    return PostgresStore(where) if where.startswith(("postgresql://", "postgres://")) else SQLiteStore(where)


@dataclass(kw_only=True)
class Serving:
    """A gateway with an agent that is there from the start, if any, and one or both of the edges.

    http, grpc: their specs, checked and with `LAST_ANSWERS` as their `drain`. runner: the only one that is served. store:
    closed at the end. seconds: those that runs under way have to end. tell: told where it serves, once it does.
    """

    gateway: Gateway
    agent: AgentServer[Any, Any] | None
    http: HTTPServer | None
    grpc: GRPCServer | None
    runner: Literal["run_sync", "run", "run_stream"] | None
    store: Store | None
    seconds: float
    tell: Callable[[Mapping[str, Any]], None]

    async def main(self) -> int:
        """Serve until this is cancelled, then end in order: the agents first, and the edges, which tell of it, last."""
        try:
            async with DynamicSupervisor(name="edges") as edges, self.gateway as gateway:
                if self.agent is not None:
                    await gateway.serve(self.agent)
                await gateway.agents.restore()
                with ExitStack() as stack:
                    where: dict[str, Any] = {}
                    lent: GRPCServer | None = None
                    if self.http is not None:
                        where |= await self._serve_http(self.http, edges, stack)
                    if self.grpc is not None:
                        server = await self._serve_grpc(self.grpc, edges)
                        host, _, port = (await server.address()).rpartition(":")
                        where |= {"host": host.strip("[]"), "grpc_port": int(port)}
                        lent = None if self.grpc.port else server
                    self.tell(where)
                    with suppress(asyncio.CancelledError):
                        await _until_lost(lent)
                    await drain(gateway, self.seconds)
        finally:
            if self.store is not None:
                await self.store.close()
        return 0

    async def _serve_http(self, edge: HTTPServer, edges: DynamicSupervisor, stack: ExitStack) -> dict[str, Any]:
        from .. import http

        metrics = stack.enter_context(closing(http.Metrics(self._mailboxes)))
        app = http.application(self.gateway, metrics=metrics, runner=self.runner)
        await edges.start_child(child(replace(edge, app=app), id="http", shutdown=2 * LAST_ANSWERS))
        host, port = edge.listener.getsockname()[:2]
        return {"host": host, "port": port}

    async def _serve_grpc(self, edge: GRPCServer, edges: DynamicSupervisor) -> GRPCServer:
        # Started again it would have another port than the one that was told, if the system had chosen that.
        restart: Literal["permanent", "temporary"] = "permanent" if edge.port else "temporary"
        return await edges.start_child(child(edge, id="grpc", restart=restart, shutdown=2 * LAST_ANSWERS))

    def _mailboxes(self) -> Iterator[tuple[str, int]]:
        for id, agent in self.gateway.agents.handles().items():
            with suppress(NoProcess):
                yield id, statistics(agent).queued


async def _until_lost(lent: GRPCServer | None) -> None:
    """Wait until this is cancelled. Raises `PortLost` if a server ends whose port the system had chosen."""
    if lent is None:
        await asyncio.get_running_loop().create_future()
    else:
        raise PortLost((await wait_down(lent)).reason)
