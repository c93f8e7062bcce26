"""One served agent: its handle, what it is, and what is remembered of it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from pydantic_ai import AgentRunResult

from ..agent import AgentServer, AgentStatus
from ..errors import CallError
from ..supervisor import Supervisor
from ._requests import AgentInfo, AgentState, Level, LogEntry

LOG = 200
"""Lines that are kept of an agent's log."""

Agent: TypeAlias = AgentServer[Any, Any]


@dataclass(eq=False, slots=True)
class Outcome:
    """How a run of an agent without a store ends, which itself forgets it soon."""

    prompt: str
    task: asyncio.Task[AgentRunResult[Any]]


@dataclass(eq=False, slots=True)
class Served:
    """An agent behind the gateway, under a supervisor of its own."""

    agent_id: str
    module: str | None
    supervisor: Supervisor
    agent: Agent
    is_created: bool
    """Whether a request made it, and may delete it with all that is kept of it."""
    outcomes: dict[str, Outcome] = field(default_factory=dict[str, Outcome])
    log: deque[LogEntry] = field(default_factory=lambda: deque[LogEntry](maxlen=LOG))

    @property
    def is_durable(self) -> bool:
        """Whether it knows itself what became of its runs, for long."""
        return self.agent.store is not None

    def remember(self, message_id: str, prompt: str, task: asyncio.Task[AgentRunResult[Any]], keep: int) -> None:
        """Keep an outcome, and let the oldest ones go that are over."""
        self.outcomes[message_id] = Outcome(prompt, task)
        over = [id for id, outcome in self.outcomes.items() if outcome.task.done()]
        for id in over[: max(0, len(self.outcomes) - keep)]:
            del self.outcomes[id]

    def write(self, event: str, level: Level = "info", data: dict[str, Any] | None = None) -> LogEntry:
        """One more line of its log."""
        entry = LogEntry(time=time.time(), level=level, event=event, data=data or {})
        self.log.append(entry)
        return entry

    async def info(self, to: str) -> AgentInfo:
        """What it is, and what it is doing, as its principal `to` may know it."""
        status: AgentStatus | None = None
        state: AgentState
        try:
            status, state = shown(await self.agent.status(), to), "running"
        except CallError:
            state = await self._state()
        return AgentInfo(
            agent_id=self.agent_id,
            agent_module=self.module,
            model=_name(self.agent.model or self.agent.agent.model),
            is_durable=self.is_durable,
            state=state,
            status=status,
        )

    async def _state(self) -> AgentState:
        try:
            own = await self.supervisor.which_children()
        except CallError:
            return "down"
        return "down" if own[0].status == "stopped" else "restarting"


def shown(status: AgentStatus, to: str) -> AgentStatus:
    """A status without what the runs of others are about."""

    def is_own(message_id: str | None) -> bool:
        return message_id is not None and message_id.startswith(f"{to}/")

    asides = tuple(
        aside if is_own(aside.message_id) else replace(aside, prompt=None, message_id="") for aside in status.asides
    )
    if not is_own(status.message_id):
        status = replace(status, prompt=None, message_id=None, error=None, approvals=())
    return replace(status, asides=asides)


def _name(model: object) -> str | None:
    return model if isinstance(model, str) else getattr(model, "model_name", None)
