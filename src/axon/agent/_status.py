"""What an agent is doing: a picture of one moment, to be had at once also while a run goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic_ai.usage import RunUsage


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
class AgentStatus:
    """What `AgentServer.status` returns."""

    state: Literal["idle", "thinking", "tool"]
    """`idle` without a run, `tool` while at least one tool runs, otherwise `thinking`."""
    seconds: float
    """How long it has been in this state; for `tool` since the oldest of the tools began."""
    tools: tuple[RunningTool, ...] = ()
    """The tool calls under way, the oldest first: a tool that hangs is seen here."""
    prompt: str | None = None
    """The beginning of the prompt of the run under way, at most 80 characters."""
    queued: int = 0
    """Runs that wait for this one."""
    usage: RunUsage
    """What all runs of this incarnation have used so far, the one under way and failed ones included."""
