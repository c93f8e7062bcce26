"""An MCP server over standard input and output, made with the `mcp` package; started by the tests as a process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

from mcp.server import MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("real")
cancelled: list[str] = []


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


@server.tool()
async def pid() -> int:
    """The process id of this server."""
    return os.getpid()


@server.tool()
async def slow(seconds: float, name: str = "") -> str:
    """Answers after so many seconds."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        cancelled.append(name)
        raise
    return f"slept {name}"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def peek(seconds: float) -> int:
    """Answers with the process id, after so many seconds."""
    await asyncio.sleep(seconds)
    return os.getpid()


@server.tool()
async def were_cancelled() -> list[str]:
    """The names of the slow calls that were cancelled."""
    return cancelled


@server.tool()
async def block(seconds: float) -> str:
    """Stands still, so that nothing else is answered either."""
    time.sleep(seconds)  # noqa: ASYNC251
    return "stood still"


@server.tool()
async def have_child() -> int:
    """Start a process of its own that goes on when this one ends; returns its process id."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid  # noqa: ASYNC220


@server.tool()
async def fail(text: str) -> str:
    """Raises."""
    raise ValueError(text)


if __name__ == "__main__":
    server.run("stdio")
