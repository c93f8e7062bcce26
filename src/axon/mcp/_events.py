"""What the owners of MCP servers tell telemetry, besides what all processes do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..telemetry import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class MCPServerOpened(Event):
    """A session with an MCP server is open, after `seconds`; `pid` is that of its process, if Axon started one."""

    pid: int | None
    tools: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MCPServerClosed(Event):
    """A session was closed in order: nobody had used it for `idle` seconds, or its owner was stopped."""

    pid: int | None
    why: Literal["idle", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MCPServerBroke(Event):
    """A session broke, with so many `calls` under way; its owner ends with `reason`."""

    pid: int | None
    reason: BaseException
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MCPBorrowerDied(Event):
    """The process `borrower` died before it gave its `leases` back: they are free, and its calls cancelled."""

    borrower: str
    leases: int
