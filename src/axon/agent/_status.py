"""What an agent is doing: a picture of one moment, to be had at once also while a run goes on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pydantic_ai import RunCancelled
from pydantic_ai.exceptions import RunTimedOut
from pydantic_ai.usage import RunUsage

from ..budget import Balance
from ..errors import DeadlineExceeded
from ..provider import Wait
from ._errors import TurnSetAside

Doing: TypeAlias = Literal["queued", "thinking", "tool", "approval", "throttled", "parked"]
"""What a run does: see `AgentStatus.state`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTool:
    """A tool call under way."""

    name: str
    """The tool's name."""
    call_id: str
    """The model's id of this call."""
    seconds: float
    """How long it has been running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningAside:
    """A run beside the conversation."""

    message_id: str
    """The id of its message."""
    prompt: str | None
    """The beginning of its prompt, at most 80 characters."""
    state: Doing
    """What it is doing."""
    seconds: float
    """How long ago it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatus:
    """What `AgentServer.status` returns."""

    state: Literal["idle"] | Doing
    """`idle` without a run; `queued` while its beginning is being written down; `tool` while at least one tool runs;
    `approval` while it waits for somebody's decision; `throttled` while it pauses before another try or waits for its
    provider account; `parked` while it waits for an account that somebody has to resume; otherwise `thinking`.
    """
    seconds: float
    """How long it has been in this state; for `tool` since the oldest of the tools began."""
    tools: tuple[RunningTool, ...] = ()
    """The tool calls under way, the oldest first: a tool that hangs is seen here."""
    approvals: tuple[str, ...] = ()
    """The ids of the approvals that the run waits for."""
    prompt: str | None = None
    """The beginning of the prompt of the run under way, at most 80 characters."""
    message_id: str | None = None
    """The id of its message."""
    deadline: float | None = None
    """Seconds until the run is ended, None without a limit."""
    resumes_in: float | None = None
    """Seconds until the next try, while it is `throttled`; or until its account may be asked, if that is known."""
    error: str | None = None
    """What the last try failed with, if this is not the first one since the last progress; while it waits for its
    account, what the provider said last.
    """
    queued: int = 0
    """Runs that wait for this one."""
    asides: tuple[RunningAside, ...] = ()
    """Runs beside the conversation (`run(..., aside=True)`), the oldest first."""
    usage: RunUsage
    """What all runs have used so far, those under way and failed ones included: of this incarnation, or with a store
    of all."""
    helpers: RunUsage = field(default_factory=RunUsage)
    """What the agents that the run under way has asked (`agent_tool`) used for their answers."""
    budget: Balance | None = None
    """What is spent and left of the budget that the run under way draws on, or the next one will, as this program last
    knew it; None without one, and before the first request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStatus:
    """What `AgentServer.turn_of` returns: what became of a message."""

    message_id: str
    """Its id."""
    state: Literal["queued", "running", "committed", "failed", "cancelled", "deadline", "set aside"]
    """`queued` until its turn comes, `running`, and then how it ended: `committed` with an answer."""
    error: str | None = None
    """What it ended with, if that was no answer."""
    doing: AgentStatus | None = None
    """What the agent is doing for it, while it is `running`."""

    @classmethod
    def of(cls, message_id: str, outcome: asyncio.Future[Any]) -> TurnStatus:
        """That of a turn which is over, by its outcome."""
        error = asyncio.CancelledError() if outcome.cancelled() else outcome.exception()
        if error is None:
            return cls(message_id=message_id, state="committed")
        how: Literal["failed", "cancelled", "deadline", "set aside"] = "failed"
        if isinstance(error, RunTimedOut | DeadlineExceeded):
            how = "deadline"
        elif isinstance(error, RunCancelled):
            how = "cancelled"
        elif isinstance(error, TurnSetAside):
            how = "set aside"
        return cls(message_id=message_id, state=how, error=f"{type(error).__name__}: {error}")


@dataclass(slots=True)
class Activity:
    """What a turn is doing, as its parts say while they do it."""

    state: Literal["queued", "thinking", "throttled"] = "queued"
    since: float = 0.0
    until: float | None = None
    error: str | None = None
    tools: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    approvals: dict[str, float] = field(default_factory=dict[str, float])
    wait: Wait | None = None
    """For its provider account."""

    @property
    def doing(self) -> Doing:
        """What others see of it."""
        if self.tools:
            return "tool"
        if self.approvals:
            return "approval"
        return self.state if self.wait is None else self.wait.state

    def becomes(
        self, state: Literal["queued", "thinking", "throttled"], now: float, until: float | None = None
    ) -> None:
        """From now on it does this."""
        self.state, self.since, self.until = state, now, until
