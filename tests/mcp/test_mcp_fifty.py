"""Fifty agents share one server that is killed again and again."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import warnings
from collections import Counter
from pathlib import Path

import pytest
from mcp_parts import REAL, calling, children, small, until
from pydantic_ai import Agent
from pydantic_ai.messages import ToolReturnPart

from axon import Supervisor, child
from axon.mcp import BorrowedToolset, MCPServer, MCPServerOpened
from axon.testing import capture_events

pytestmark = [pytest.mark.kill, pytest.mark.real_clock, pytest.mark.slow]

AGENTS = 50


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    ("command", "tool", "kills"),
    [
        pytest.param(small(), ("echo", {"text": "x"}), 8, id="starts-at-once"),
        pytest.param(REAL, ("slow", {"seconds": 0.01}), 2, id="starts-in-a-second"),
    ],
)
async def test_fifty_agents_share_a_server_that_is_killed_again_and_again(
    command: list[str], tool: tuple[str, dict[str, object]], kills: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Every call ends in a result or in the typed error, and nothing is left: processes, tasks, files."""
    files, others, most = open_files(), children(), 0
    outcomes: Counter[str] = Counter()
    agent = Agent(calling(tool, ("pid", {}), tool), toolsets=[BorrowedToolset("shared")])
    over = asyncio.Event()

    async def work() -> None:
        while not over.is_set():
            for message in (await agent.run("go")).all_messages():
                for part in message.parts:
                    if isinstance(part, ToolReturnPart):
                        outcomes[part.outcome] += 1
                        assert part.outcome == "success" or "in the middle of this call" in str(part.content)

    async def count() -> None:
        nonlocal most
        while not over.is_set():
            most = max(most, len(children() - others))
            await asyncio.sleep(0.05)

    async def is_at_work() -> bool:
        return bool((await server.status()).calls)

    async def work_and_be_killed(times: int) -> None:
        await until(lambda: len(events) > times)
        await asyncio.sleep(0.3)
        if times < kills:
            await until(is_at_work)
            os.kill(events[-1].pid or 0, signal.SIGKILL)

    caplog.set_level(logging.INFO)
    with capture_events(MCPServerOpened) as events, warnings.catch_warnings():
        warnings.simplefilter("error")
        spec = child(MCPServer(command, patience=30), name="shared")
        async with Supervisor([spec], max_restarts=1000) as supervisor, asyncio.TaskGroup() as agents:
            server = supervisor.get(MCPServer)
            agents.create_task(count())
            for _ in range(AGENTS):
                agents.create_task(work())
            for times in range(kills + 1):
                await work_and_be_killed(times)
            over.set()
    assert outcomes["success"] >= AGENTS
    assert outcomes["failed"] > 0
    assert most in (1, 2)  # the next one may begin while the last one ends
    assert "cancel scope" not in caplog.text.lower()
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []
    assert children() == others
    assert open_files() <= files
