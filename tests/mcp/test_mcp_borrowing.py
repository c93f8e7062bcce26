"""Many agents borrow one MCP server: they are no different from agents that have one of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp_parts import are_cancelled, are_held, calling, is_alive, small, status_of, until
from pydantic_ai import Agent, RunContext, ToolDefinition
from pydantic_ai.exceptions import ModelRetry, UserError

import axon
from axon import DeadlineExceeded, GenServer, Supervisor, call, child
from axon.agent import AgentServer
from axon.mcp import BorrowedToolset, MCPBorrowerDied, MCPServer, MCPServerClosed, MCPServerOpened
from axon.testing import capture_events

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]


@pytest.fixture
async def server() -> AsyncIterator[MCPServer]:
    async with Supervisor([child(MCPServer(small()), name="small")]) as supervisor:
        yield supervisor.get(MCPServer)


async def test_an_unmodified_agent_lists_and_calls_its_tools(server: MCPServer) -> None:
    agent = Agent(calling(("echo", {"text": "hello"})), toolsets=[BorrowedToolset("small")])
    assert (await agent.run("go")).output == "hello"
    given = await Agent(calling(("echo", {"text": "again"}))).run("go", toolsets=[BorrowedToolset(server)])
    assert given.output == "again"


async def test_an_agent_server_borrows_it_by_its_name(server: MCPServer) -> None:
    agent = Agent(calling(("echo", {"text": "hello"})), name="clerk", toolsets=[BorrowedToolset("small")])
    async with Supervisor([AgentServer(agent)]) as supervisor:
        assert (await supervisor.get(AgentServer).run("go")).output == "hello"
    assert (await status_of(server)).leases == 0


async def test_many_calls_share_one_session_at_the_same_time(server: MCPServer) -> None:
    waiting = [asyncio.create_task(server.call_tool("hold", {"text": str(number)})) for number in range(20)]
    await until(lambda: are_held(server, *map(str, range(20))))
    status = await status_of(server)
    assert status.calls == ("hold",) * 20
    assert status.waiting == 0
    assert await server.call_tool("let_go") == 20
    assert await asyncio.gather(*waiting) == list(map(str, range(20)))


async def test_a_bound_on_calls_makes_the_others_wait_and_their_borrowers_take_turns() -> None:
    async with Supervisor([MCPServer(small(), max_calls=1)]) as supervisor:
        server = supervisor.get(MCPServer)
        order: list[str] = []

        class Greedy(GenServer[None]):
            calls: int
            label: str

            def init(self) -> None:
                return None

            @call
            async def go(self, state: None) -> None:
                async def one() -> None:
                    await server.call_tool("echo", {"text": self.label})
                    order.append(self.label)

                await asyncio.gather(*(one() for _ in range(self.calls)))

        many, few = await axon.start(Greedy(50, "many")), await axon.start(Greedy(2, "few"))
        await asyncio.gather(many.go(), few.go())
        assert "few" in order[:3]
        assert order[:6].count("few") == 2
        for each in (many, few):
            await axon.stop(each)


async def test_cancelling_a_run_cancels_its_call_and_leaves_the_session_usable(server: MCPServer) -> None:
    agent = Agent(calling(("hold", {"text": "mine"})), toolsets=[BorrowedToolset(server)])
    run = asyncio.create_task(agent.run("go"))
    await until(lambda: are_held(server, "mine"))
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await until(lambda: are_cancelled(server, "mine"))
    status = await status_of(server)
    assert (status.calls, status.leases, status.restarts) == ((), 0, 0)


async def test_a_deadline_travels_with_a_call_and_ends_it_at_the_server(server: MCPServer) -> None:
    with pytest.raises(DeadlineExceeded):
        async with axon.deadline(0.1):
            await server.call_tool("hold", {"text": "late"})
    await until(lambda: are_cancelled(server, "late"))
    assert (await status_of(server)).restarts == 0


async def test_so_does_that_of_a_run(server: MCPServer) -> None:
    agent = Agent(calling(("hold", {"text": "late"})), name="clerk", toolsets=[BorrowedToolset("small")])
    async with Supervisor([AgentServer(agent)]) as supervisor:
        with pytest.raises(DeadlineExceeded):
            async with axon.deadline(0.1):
                await supervisor.get(AgentServer).run("go")
        await until(lambda: are_cancelled(server, "late"))


async def test_an_error_of_a_tool_is_the_one_that_pydantic_ai_makes_of_it(server: MCPServer) -> None:
    with pytest.raises(ModelRetry, match="no tool nonsense"):
        await server.call_tool("nonsense")
    assert (await status_of(server)).restarts == 0


async def test_what_a_server_declares_harmless_is_idempotent_for_a_durable_agent(server: MCPServer) -> None:
    seen: dict[str, bool] = {}

    async def look(ctx: RunContext[Any], tools: list[ToolDefinition]) -> list[ToolDefinition]:
        seen.update({tool.name: (tool.metadata or {}).get("idempotent", False) for tool in tools})
        return tools

    await Agent(calling(), toolsets=[BorrowedToolset(server).prepared(look)]).run("go")
    assert [seen[name] for name in ("pid", "safe_hold", "hold")] == [True, True, False]


async def test_servers_whose_tools_have_the_same_names_need_a_prefix(server: MCPServer) -> None:
    agent = Agent(calling(), toolsets=[BorrowedToolset(server, id="a"), BorrowedToolset(server, id="b")])
    with pytest.raises(UserError, match="Give one of them a prefix"):
        await agent.run("go")
    both = [BorrowedToolset(server), BorrowedToolset(server, prefix="other")]
    told = await Agent(calling(("other_echo", {"text": "fine"})), toolsets=both).run("go")
    assert told.output == "fine"


# -- leases


async def is_closed(server: MCPServer) -> bool:
    return (await status_of(server)).session == "closed"


async def test_a_run_has_a_lease_until_it_ends(server: MCPServer) -> None:
    agent = Agent(calling(("hold", {"text": "x"})), toolsets=[BorrowedToolset(server)])
    runs = [asyncio.create_task(agent.run("go")) for _ in range(3)]
    await until(lambda: are_held(server, "x", "x", "x"))
    assert (await status_of(server)).leases == 3
    await server.call_tool("let_go")
    await asyncio.gather(*runs)
    assert (await status_of(server)).leases == 0


class Borrower(GenServer[None]):
    server: MCPServer

    def init(self) -> None:
        return None

    @call
    def hold(self, state: None) -> asyncio.Task[object]:
        return asyncio.create_task(self.server.call_tool("hold", {"text": "of the dead"}))


async def test_a_borrower_that_dies_gives_its_leases_back_and_its_calls_are_cancelled(server: MCPServer) -> None:
    borrower = await axon.start(Borrower(server))
    with capture_events(MCPBorrowerDied) as events:
        waiting = asyncio.create_task(borrower.hold())
        await until(lambda: are_held(server, "of the dead"))
        axon.exit(borrower, axon.kill)
        with pytest.raises(axon.ServerDied):
            await waiting
        await until(lambda: are_cancelled(server, "of the dead"))
    assert [event.leases for event in events] == [1]
    assert (await status_of(server)).leases == 0


async def test_a_server_that_nobody_uses_is_ended_and_the_next_borrower_starts_it_again() -> None:
    with capture_events(MCPServerOpened, MCPServerClosed) as events:
        async with Supervisor([MCPServer(small(), lazy=True, idle=0.05)]) as supervisor:
            server = supervisor.get(MCPServer)
            assert (await status_of(server)).session == "closed"
            first: int = await server.call_tool("pid")
            assert (await status_of(server)).pid == first
            await until(lambda: not is_alive(first))
            await until(lambda: is_closed(server))
            second = await server.call_tool("pid")
            assert second != first
            status = await status_of(server)
            assert (status.session, status.restarts) == ("open", 0)
    assert [type(event) for event in events] == [MCPServerOpened, MCPServerClosed, MCPServerOpened, MCPServerClosed]
    assert [event.why for event in events if isinstance(event, MCPServerClosed)] == ["idle", "stopped"]


async def test_while_a_run_has_a_lease_the_server_is_not_idle() -> None:
    async with Supervisor([MCPServer(small(), idle=0.02)]) as supervisor:
        server = supervisor.get(MCPServer)
        async with BorrowedToolset(server):
            pid = await server.call_tool("pid")
            await asyncio.sleep(0.2)
            assert is_alive(pid)
        await until(lambda: not is_alive(pid))
