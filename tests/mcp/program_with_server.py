"""A program that starts a small MCP server, says its process ids, and ends as its argument says."""

from __future__ import annotations

import asyncio
import sys

from mcp_parts import small

import axon
from axon import Supervisor
from axon.mcp import MCPServer

HOW, *TOLD = sys.argv[1:]


async def main() -> None:
    if HOW == "leave":
        return await say(await axon.start(MCPServer(small(*TOLD))))
    async with Supervisor([MCPServer(small(*TOLD))]) as supervisor:
        await say(supervisor.get(MCPServer))
        await asyncio.sleep(60)


async def say(server: MCPServer) -> None:
    print(await server.call_tool("pid"), await server.call_tool("have_child"), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
