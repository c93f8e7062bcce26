"""What the tests of MCP servers share: two servers, and who is still alive."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from axon import get_status
from axon.mcp import MCPServer, MCPStatus

HERE = Path(__file__).parent
REAL = [sys.executable, str(HERE / "real_mcp_server.py")]
"""A server made with the `mcp` package: a second to start."""


def small(*told: str) -> list[str]:
    """A server of the standard library: 30 ms to start."""
    return [sys.executable, "-S", str(HERE / "small_mcp_server.py"), *told]


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def children() -> set[int]:
    """The living processes that this one has started, and theirs."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        waiting += (mine := parents.get(waiting.pop(), []))
        found.update(mine)
    return found


async def until(wanted: Callable[[], Awaitable[object] | bool], seconds: float = 10) -> None:
    """Wait, in real time, until it is so."""
    async with asyncio.timeout(seconds):
        while True:
            found = wanted()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.005)


async def are_held(server: MCPServer, *texts: str) -> bool:
    """Whether the small server holds these calls."""
    return sorted((await server.call_tool("held", idempotent=True))["held"]) == sorted(texts)


async def are_cancelled(server: MCPServer, *texts: str) -> bool:
    """Whether these calls that the small server held were cancelled."""
    return sorted((await server.call_tool("held"))["cancelled"]) == sorted(texts)


async def status_of(server: MCPServer) -> MCPStatus:
    """What may be seen of a server."""
    status = (await get_status(server)).state
    assert isinstance(status, MCPStatus)
    return status


def calling(*calls: tuple[str, dict[str, Any]]) -> FunctionModel:
    """A model that makes these calls one after the other, and then says what came of them."""

    async def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        returned = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
        if len(returned) < len(calls):
            return ModelResponse(parts=[ToolCallPart(*calls[len(returned)])])
        return ModelResponse(parts=[TextPart(" / ".join(str(part.content) for part in returned) or "nothing")])

    return FunctionModel(think)
