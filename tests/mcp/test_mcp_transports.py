"""Whatever fastmcp can talk to can be shared: scripts, in-process servers, HTTP; with the `mcp` package on the other side."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fastmcp.client import Client
from fastmcp.client.transports import PythonStdioTransport
from mcp_parts import HERE, REAL, calling, is_alive, status_of, until
from pydantic_ai import Agent
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.mcp import MCPToolset
from real_mcp_server import server as in_process

import axon
from axon import Supervisor
from axon.mcp import BorrowedToolset, MCPCallLost, MCPConnectionLost, MCPServer, MCPServerBroke, Source
from axon.testing import capture_events

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]


SCRIPT = PythonStdioTransport(HERE / "real_mcp_server.py")


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(REAL, id="command"),
        pytest.param(Client(SCRIPT), id="client"),
        pytest.param(lambda: MCPToolset(SCRIPT, tool_error_behavior="failed"), id="function"),
    ],
)
async def test_a_child_process_is_one_of_axons_own_however_it_is_given(source: Source) -> None:
    server = await axon.start(MCPServer(source))
    pid = (await status_of(server)).pid
    assert pid is not None
    assert await server.call_tool("pid") == pid
    calls = [asyncio.create_task(server.call_tool("slow", {"seconds": 0.2, "name": str(n)})) for n in range(10)]
    late = asyncio.create_task(server.call_tool("slow", {"seconds": 60, "name": "late"}))
    assert await asyncio.gather(*calls) == [f"slept {n}" for n in range(10)]
    late.cancel()
    await asyncio.wait({late})
    assert await server.call_tool("were_cancelled") == ["late"]
    if callable(source):
        with pytest.raises(ToolFailed):
            await server.call_tool("fail", {"text": "boo"})
    await axon.stop(server)
    assert not is_alive(pid)


async def test_a_server_in_the_same_process() -> None:
    server = await axon.start(MCPServer(lambda: MCPToolset(in_process)))
    agent = Agent(calling(("my_add", {"a": 1, "b": 2})), toolsets=[BorrowedToolset(server, prefix="my")])
    assert (await agent.run("go")).output == "3"
    assert (await status_of(server)).pid is None
    await axon.stop(server)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def serve(port: int) -> subprocess.Popen[bytes]:
    program = f"from real_mcp_server import server; server.run('streamable-http', port={port})"
    return subprocess.Popen([sys.executable, "-c", program], cwd=Path(HERE), stderr=subprocess.DEVNULL)


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_a_server_on_the_web_that_goes_away_and_comes_back() -> None:
    port = free_port()
    process = serve(port)
    await until(lambda: listens(port), 20)
    with capture_events(MCPServerBroke) as events:
        async with Supervisor(
            [MCPServer(f"http://127.0.0.1:{port}/mcp", patience=20)], max_restarts=1000
        ) as supervisor:
            server = supervisor.get(MCPServer)
            assert await server.call_tool("add", {"a": 1, "b": 2}) == 3
            process.kill()
            process.wait()
            with pytest.raises(MCPCallLost):
                await server.call_tool("add", {"a": 1, "b": 2})
            again = asyncio.create_task(server.call_tool("add", {"a": 2, "b": 2}))
            await asyncio.sleep(0.2)
            process = serve(port)
            assert await again == 4
    process.kill()
    process.wait()
    assert {type(event.reason) for event in events} == {MCPConnectionLost}
