"""Health as gRPC's own protocol tells it: serving, until nothing new is taken."""

from __future__ import annotations

import asyncio
from contextvars import Context

from grpc import aio
from grpc_health.v1 import health, health_pb2
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from .._intake import Intake


class Health:
    """The health of these services, and of the server as a whole (the service with the empty name).

    https://github.com/grpc/grpc/blob/master/doc/health-checking.md
    """

    def __init__(self, server: aio.Server, services: tuple[str, ...], intake: Intake) -> None:
        self._servicer = health.aio.HealthServicer()
        self._services = services
        self._intake = intake
        self._watching: asyncio.Task[None] | None = None
        add_HealthServicer_to_server(self._servicer, server)

    async def open(self) -> None:
        """Serving, from now on until the intake is closed."""
        for service in self._services:
            await self._servicer.set(service, health_pb2.HealthCheckResponse.SERVING)
        self._watching = asyncio.get_running_loop().create_task(self._watch(), name="gRPC health", context=Context())

    async def _watch(self) -> None:
        await self._intake.closed()
        await self._servicer.enter_graceful_shutdown()

    async def close(self) -> None:
        """Not serving."""
        self.abort()
        await self._servicer.enter_graceful_shutdown()

    def abort(self) -> None:
        """Look at the intake no more."""
        if self._watching is not None:
            self._watching.cancel()
