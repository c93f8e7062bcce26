"""What may be seen of an MCP server's owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

SessionState: TypeAlias = Literal["closed", "opening", "open", "broken"]
"""How it is with a session: there is none, until somebody needs it; it is being made; it is there; it is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MCPStatus:
    """What `server.status()` answers, and the `state` in `axon.get_status(server)`: never what the calls are about.

    pid: of its process, if it is a child of
    this program. tools: their names, when it is open. calls: those under way; waiting: those that wait for their
    turn. leases: how often it is borrowed. restarts: how often its owner was started again.
    """

    session: SessionState
    pid: int | None
    tools: tuple[str, ...]
    calls: tuple[str, ...]
    waiting: int
    leases: int
    restarts: int
