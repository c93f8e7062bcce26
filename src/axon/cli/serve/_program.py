"""The program: a gateway with its edges, from its start to its end in order."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from ...agent import AgentServer
from ...errors import InvalidOption, NoProcess
from ...gateway import CreateAgent, Gateway, GatewayError, Modules, drain, http, server_of
from ...server import statistics
from ...store import PostgresStore, SQLiteStore, Store
from ...supervisor import DynamicSupervisor, child
from ...supervisor import run as run_program
from ...telemetry import configure_logging

ORIGINAL = "AXON_PYTHON_AGENT_"
"""What the names begin with under which the original design told an agent its model and port."""
LAST_ANSWERS = 2.0
"""Seconds in which the edges tell what became of the last requests, once their agents are gone."""


def run(given: Mapping[str, Any]) -> int:
    """Serve until a signal comes; returns the exit status. Raises `InvalidOption` before anything is served."""
    options = http.settings(**given)
    if options.module is not None and options.name is None:
        raise InvalidOption("--name", None, "given with a module: the id of its agent")
    store = _store(options.store)
    allowed = options.allow if options.module is None else (*options.allow, options.module)
    modules = Modules(options.app_dir, allowed=allowed)
    gateway = Gateway(modules=modules, tokens=http.tokens_of(options.tokens), store=store)
    _refuse_without_grpc(options)
    with closing(http.bind(options.host, options.port)) as listener:
        if options.model is not None:
            os.environ[f"{ORIGINAL}MODEL"] = options.model
        os.environ[f"{ORIGINAL}PORT"] = str(listener.getsockname()[1])
        edge = http.HTTPServer(gateway, listener, tls=options.tls, behind_tls=options.behind_tls, drain=LAST_ANSWERS)
        agent = _agent(options, modules, store)
        _refuse_taken(options)
        configure_logging()
        program = _Program(options, gateway, edge, agent, store)
        return run_program(program.main, stop_within=options.drain + options.flush)


def _store(where: str | None) -> Store | None:
    if where is None:
        return None
    return PostgresStore(where) if where.startswith(("postgresql://", "postgres://")) else SQLiteStore(where)


def _agent(options: http.Settings, modules: Modules, store: Store | None) -> AgentServer[Any, Any] | None:
    """The agent that is served from the start."""
    if options.module is None or options.name is None:
        return None
    try:
        wanted = CreateAgent(agent_id=options.name, agent_module=options.module, model=options.model)
    except ValidationError as error:
        raise InvalidOption("--name", options.name, str(error.errors()[0]["msg"])) from None
    try:
        return server_of(wanted, modules, {}, store)
    except InvalidOption as error:
        if error.option != "model":
            raise
        raise InvalidOption("--model", error.value, error.expected) from error
    except GatewayError as error:
        raise InvalidOption("the module", options.module, f"one with an agent ({error})") from error


def _refuse_without_grpc(options: http.Settings) -> None:
    if options.grpc_port is None:
        return
    try:
        from ...gateway import grpc as _  # noqa: F401
    except ImportError as error:
        raise InvalidOption("--grpc-port", options.grpc_port, f"left out ({error})") from None


def _refuse_taken(options: http.Settings) -> None:
    """Look whether the port for gRPC is free, while that for HTTP is taken: its server binds one only once it runs."""
    if options.grpc_port is None:
        return
    try:
        http.bind(options.host, options.grpc_port).close()
    except InvalidOption as error:
        raise InvalidOption("--grpc-port", options.grpc_port, f"a free port: {error.expected}") from None


@dataclass
class _Program:
    options: http.Settings
    gateway: Gateway
    edge: http.HTTPServer
    agent: AgentServer[Any, Any] | None
    store: Store | None

    async def main(self) -> int:
        """Serve until this is cancelled, then end in order: the agents first, and the edges, which tell of it, last."""
        try:
            async with DynamicSupervisor(name="edges") as edges, self.gateway as gateway:
                if self.agent is not None:
                    await gateway.serve(self.agent)
                await gateway.agents.restore()
                with closing(http.Metrics(self._mailboxes)) as metrics:
                    await self._serve(edges, metrics)
                    with suppress(asyncio.CancelledError):
                        await asyncio.get_running_loop().create_future()
                    await drain(gateway, self.options.drain)
        finally:
            if self.store is not None:
                await self.store.close()
        return 0

    async def _serve(self, edges: DynamicSupervisor, metrics: http.Metrics) -> None:
        options = self.options
        app = http.application(self.gateway, metrics=metrics, runner=options.agent_type)
        edge = replace(self.edge, app=app)
        await edges.start_child(child(edge, id="http", shutdown=2 * LAST_ANSWERS))
        host, port = self.edge.listener.getsockname()[:2]
        said: dict[str, object] = {"event": "serving", "pid": os.getpid(), "host": host, "port": port}
        if options.grpc_port is not None:
            said["grpc_port"] = await self._serve_grpc(edges, options.grpc_port)
        print(json.dumps(said), flush=True)

    async def _serve_grpc(self, edges: DynamicSupervisor, port: int) -> int:
        from ...gateway import grpc

        options = self.options
        tls = None if options.tls is None else grpc.TLS(*options.tls)
        server = grpc.GRPCServer(
            self.gateway,
            host=options.host,
            port=port,
            tls=tls,
            behind_tls=options.behind_tls,
            runner=options.agent_type,
            drain=LAST_ANSWERS,
        )
        handle = await edges.start_child(child(server, id="grpc", shutdown=2 * LAST_ANSWERS))
        return int((await handle.address()).rpartition(":")[2])

    def _mailboxes(self) -> Iterator[tuple[str, int]]:
        for id, agent in self.gateway.agents.handles().items():
            with suppress(NoProcess):
                yield id, statistics(agent).queued
