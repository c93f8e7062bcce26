"""The served agents: created by requests or by the program, listed, looked at and deleted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from tenacity import wait_random_exponential

from ..agent import AgentServer
from ..errors import AxonError, ChildNotFound, InvalidOption
from ..server import GenServer, slot_of
from ..store import Store
from ..supervisor import DynamicSupervisor, Supervisor, child
from ..telemetry import emit
from ._create import server_of
from ._errors import AgentExists, AgentNotFound
from ._events import AgentCreated, AgentDeleted, AgentNotRestored
from ._intake import Intake
from ._kept import KeptAgents
from ._modules import Modules
from ._requests import AGENT_ID, AgentInfo, CreateAgent, Log, LogEntry, LogRequest
from ._served import Served
from ._tokens import Principal
from ._tool_call import call_tool

BACKOFF = wait_random_exponential(multiplier=0.1, max=30)
"""Between restarts of an agent that crashes again and again."""
RESTARTS = 20
"""Restarts within five seconds that are no reason to give an agent up; with the backoff there are never so many."""


class Agents:
    """The agents behind a gateway, each under a supervisor of its own: one that crashes for ever hurts no other."""

    def __init__(
        self,
        supervisor: DynamicSupervisor,
        intake: Intake,
        modules: Modules | None,
        servers: Mapping[str, type[GenServer[Any]]],
        store: Store | None,
    ) -> None:
        self._supervisor = supervisor
        self._intake = intake
        self._modules = modules
        self._servers = servers
        self._store = store
        self._served: dict[str, Served] = {}
        self._reserved: set[str] = set()
        self._kept = None if store is None else KeptAgents(store)

    # -- come and go

    async def create(self, who: Principal, request: CreateAgent) -> AgentInfo:
        """Serve an agent as a request describes it. Needs the scope `admin`.

        Raises `Draining`, `AgentExists`, `MaxChildrenReached`, `StartFailed`, and what `server_of` raises.
        """
        who.needs("admin")
        self._intake.check()
        with self._reserving(request.agent_id):
            spec = await self._spec(request)
            if self._kept is not None:
                await self._kept.keep(request)
            try:
                served = await self._start(spec, request.agent_id, request.agent_module, is_created=True)
            except AxonError:
                if self._kept is not None:
                    await self._kept.forget(request.agent_id)
                raise
        served.write("created", data={"by": who.name})
        return await served.info(who.name)

    async def restore(self) -> None:
        """Serve what requests have created before, in an earlier program with the same store.

        One that cannot be is kept and reported as `AgentNotRestored`, and the others are served. Raises `StoreError`.
        """
        for request in [] if self._kept is None else await self._kept.all():
            try:
                with self._reserving(request.agent_id):
                    spec = await self._spec(request)
                    await self._start(spec, request.agent_id, request.agent_module, is_created=True)
            except Exception as error:
                emit(AgentNotRestored(path=self._supervisor.name or "", agent=request.agent_id, error=error))

    async def _spec(self, request: CreateAgent) -> AgentServer[Any, Any]:
        return await asyncio.to_thread(server_of, request, self._modules, self._servers, self._store)

    async def serve(self, agent: AgentServer[Any, Any], *, agent_id: str | None = None) -> AgentServer[Any, Any]:
        """Serve an agent of the program's own, under `agent_id`, default its name; returns its handle.

        Raises `InvalidOption`, `AgentExists`, `MaxChildrenReached`, `StartFailed`.
        """
        if not isinstance(agent, AgentServer):
            raise InvalidOption("agent", agent, "an axon.agent.AgentServer")
        id = agent_id or agent.name
        if id is None:
            raise InvalidOption("agent_id", None, "given, or AgentServer(..., name=...), which it is by default")
        if re.fullmatch(AGENT_ID, id) is None:
            raise InvalidOption("agent_id", id, "1 to 64 letters, digits, '.', '_' and '-', the first no sign")
        with self._reserving(id):
            return (await self._start(agent, id, None, is_created=False)).agent

    async def delete(self, who: Principal, agent_id: str) -> None:
        """End an agent, its runs with it. Needs the scope `admin`. Raises `AgentNotFound`.

        Of one that a request created all that is kept in the store is deleted, too.
        """
        who.needs("admin")
        if agent_id in self._reserved:  # it is not there yet, or is being deleted
            raise AgentNotFound(agent_id[:200])
        served = self._served.pop(agent_id, None)
        with self._reserving(agent_id):
            if served is None:
                if self._kept is None or not await self._kept.forget(agent_id):
                    raise AgentNotFound(agent_id[:200])
                return
            with suppress(ChildNotFound):  # it was given up before
                await self._supervisor.terminate_child(served.supervisor)
            if served.is_created and self._kept is not None:
                await self._kept.forget(agent_id)
        emit(AgentDeleted(path=slot_of(served.agent).path, agent=agent_id))

    async def _start(self, agent: AgentServer[Any, Any], id: str, module: str | None, *, is_created: bool) -> Served:
        own = Supervisor([child(agent, id=id, backoff=BACKOFF)], max_restarts=RESTARTS)
        supervisor = await self._supervisor.start_child(child(own, id=id, restart="temporary"))
        served = Served(id, module, supervisor, supervisor.get(AgentServer, id), is_created)
        self._served[id] = served
        emit(AgentCreated(path=slot_of(served.agent).path, agent=id))
        return served

    @contextmanager
    def _reserving(self, id: str) -> Generator[None]:
        if id in self._served or id in self._reserved:
            raise AgentExists(id)
        self._reserved.add(id)
        try:
            yield
        finally:
            self._reserved.discard(id)

    # -- look

    async def infos(self, who: Principal) -> list[AgentInfo]:
        """All of them. Needs the scope `read`."""
        who.needs("read")
        return [await served.info(who.name) for served in tuple(self._served.values())]

    async def info(self, who: Principal, agent_id: str) -> AgentInfo:
        """One of them. Needs the scope `read`. Raises `AgentNotFound`."""
        who.needs("read")
        return await self.served(agent_id).info(who.name)

    def served(self, agent_id: str) -> Served:
        """What is known of an agent. Raises `AgentNotFound`."""
        served = self._served.get(agent_id)
        if served is None:
            raise AgentNotFound(agent_id[:200])
        return served

    def find(self, agent_id: str) -> Served | None:
        """What is known of an agent, None if it is not served."""
        return self._served.get(agent_id)

    def handles(self) -> dict[str, AgentServer[Any, Any]]:
        """The handles of all served agents, by id."""
        return {id: served.agent for id, served in self._served.items()}

    # -- its tools, its log

    async def call_tool(self, who: Principal, agent_id: str, name: str, args: dict[str, Any]) -> Any:
        """Call one of its tools outside any run; returns what that returns. Needs the scope `run`.

        Raises `AgentNotFound`, `Draining`, `ToolFailed`, `InvalidOption`, `ValidationError`, and what the tool raises.
        """
        who.needs("run")
        served = self.served(agent_id)
        with self._intake.running(who):
            return await call_tool(served.agent, name, args)

    def log(self, who: Principal, agent_id: str) -> Log:
        """The last lines of its log. Needs the scope `read`. Raises `AgentNotFound`."""
        who.needs("read")
        return Log(entries=list(self.served(agent_id).log))

    def write(self, who: Principal, agent_id: str, line: LogRequest) -> LogEntry:
        """Write into its log. Needs the scope `run`. Raises `AgentNotFound`."""
        who.needs("run")
        return self.served(agent_id).write(line.message, line.level, {**line.data, "by": who.name})
