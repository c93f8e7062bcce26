"""A server that breaks ends its owner with a reason that has a name, and no call hangs, whatever breaks how."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from mcp_parts import are_held, calling, children, is_alive, small, status_of, until
from pydantic_ai import Agent
from pydantic_ai.messages import ToolReturnPart
from tenacity import wait_fixed

import axon
from axon import StartFailed, Supervisor, child
from axon.mcp import (
    BorrowedToolset,
    MCPCallLost,
    MCPCallTimeout,
    MCPProtocolError,
    MCPServer,
    MCPServerBroke,
    MCPServerExited,
    MCPServerHung,
    MCPStartTimeout,
    MCPUnavailable,
)
from axon.mcp import _session as session
from axon.telemetry import ProcessCrashed
from axon.testing import capture_events

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]


@asynccontextmanager
async def supervised(spec: MCPServer, backoff: float | None = None) -> AsyncGenerator[MCPServer]:
    again = None if backoff is None else wait_fixed(backoff)
    async with Supervisor([child(spec, name="small", backoff=again)], max_restarts=10) as supervisor:
        yield supervisor.get(MCPServer)


async def kill(server: MCPServer) -> int:
    pid = (await status_of(server)).pid
    assert pid is not None
    owner = axon.whereis(server)
    assert owner is not None
    os.kill(pid, signal.SIGKILL)
    await axon.wait_down(owner)
    return pid


# -- killed


async def test_a_call_under_way_when_the_server_is_killed_ends_in_a_typed_error() -> None:
    with capture_events(ProcessCrashed, MCPServerBroke) as events:
        async with supervised(MCPServer(small())) as server:
            waiting = asyncio.create_task(server.call_tool("hold", {"text": "x"}))
            await until(lambda: are_held(server, "x"))
            pid = await kill(server)
            with pytest.raises(MCPCallLost, match="may or may not have taken effect") as lost:
                await waiting
            assert lost.value.tool == "hold"
            assert await server.call_tool("pid") != pid
            assert (await status_of(server)).restarts == 1
    broke, crashed = events
    assert isinstance(broke, MCPServerBroke)
    assert (broke.pid, broke.calls) == (pid, 1)
    assert isinstance(crashed, ProcessCrashed)
    assert isinstance(crashed.reason, MCPServerExited)
    assert crashed.reason.status == -signal.SIGKILL


async def test_the_model_is_told_of_it_as_a_failure_of_the_tool_and_the_run_goes_on() -> None:
    async with supervised(MCPServer(small())) as server:
        agent = Agent(calling(("hold", {"text": "x"}), ("echo", {"text": "fine"})), toolsets=[BorrowedToolset("small")])
        run = asyncio.create_task(agent.run("go"))
        await until(lambda: are_held(server, "x"))
        await kill(server)
        result = await run
        returned = [p for m in result.all_messages() for p in m.parts if isinstance(p, ToolReturnPart)]
        assert [part.outcome for part in returned] == ["failed", "success"]
        assert "ended in the middle of this call of 'hold'" in result.output


async def test_a_call_that_the_server_declares_harmless_is_made_once_more() -> None:
    async with supervised(MCPServer(small())) as server:
        agent = Agent(calling(("safe_hold", {"text": "x"})), toolsets=[BorrowedToolset("small")])
        run = asyncio.create_task(agent.run("go"))
        await until(lambda: are_held(server, "x"))
        await kill(server)
        await until(lambda: are_held(server, "x"))
        await server.call_tool("let_go")
        assert (await run).output == "x"

        run = asyncio.create_task(agent.run("go"))
        for _ in range(2):
            await until(lambda: are_held(server, "x"))
            await kill(server)
        assert "ended in the middle of this call of 'safe_hold'" in (await run).output


async def test_a_call_waits_for_the_restart_and_not_for_ever() -> None:
    async with supervised(MCPServer(small(), patience=0.3), backoff=0.1) as server:
        assert not is_alive(await kill(server))
        assert await server.call_tool("echo", {"text": "patient"}) == "patient"
    async with supervised(MCPServer(small(), patience=0.2), backoff=60) as server:
        await kill(server)
        with pytest.raises(MCPUnavailable, match=r"after 0\.2 s of waiting: .* a restart is due in"):
            await server.call_tool("echo", {"text": "impatient"})
        agent = Agent(calling(("echo", {"text": "x"})), toolsets=[BorrowedToolset(server)])
        with pytest.raises(MCPUnavailable):  # it never had the tools
            await agent.run("go")
        with pytest.raises(axon.DeadlineExceeded):
            async with axon.deadline(0.05):
                await server.call_tool("echo", {"text": "late"})


async def test_a_run_that_has_seen_the_tools_goes_on_without_the_server() -> None:
    calls = ("hold", {"text": "x"}), ("echo", {"text": "nobody hears it"})
    async with supervised(MCPServer(small(), patience=0.1), backoff=60) as server:
        run = asyncio.create_task(Agent(calling(*calls), toolsets=[BorrowedToolset(server)]).run("go"))
        await until(lambda: are_held(server, "x"))
        await kill(server)
        output = (await run).output
        assert "in the middle of this call of 'hold'" in output
        assert "is not available" in output


async def test_calls_that_waited_for_their_turn_are_made_by_the_next_incarnation() -> None:
    async with supervised(MCPServer(small(), max_calls=1)) as server:
        first = asyncio.create_task(server.call_tool("die"))
        others = [asyncio.create_task(server.call_tool("echo", {"text": str(number)})) for number in range(5)]
        with pytest.raises(MCPCallLost) as lost:
            await first
        assert isinstance(lost.value.__cause__, MCPServerExited)
        assert (lost.value.__cause__.status, lost.value.__cause__.stderr) == (7, ("out of paper",))
        assert await asyncio.gather(*others) == list("01234")


async def test_when_nobody_restarts_it_a_call_is_told_at_once() -> None:
    server = await axon.start(MCPServer(small()))
    await axon.stop(server)
    with pytest.raises(MCPUnavailable):
        await server.call_tool("echo", {"text": "x"})


async def test_a_call_under_way_when_the_owner_is_killed_is_lost_too() -> None:
    async with supervised(MCPServer(small())) as server:
        waiting = asyncio.create_task(server.call_tool("hold", {"text": "x"}))
        harmless = asyncio.create_task(server.call_tool("hold", {"text": "y"}, idempotent=True))
        await until(lambda: are_held(server, "x", "y"))
        axon.exit(server, axon.kill)
        with pytest.raises(MCPCallLost):
            await waiting
        await until(lambda: are_held(server, "y"))
        await server.call_tool("let_go")
        assert await harmless == "y"


async def test_a_message_may_be_of_any_length() -> None:
    async with supervised(MCPServer(small())) as server:
        text = "x" * 5_000_000
        assert await server.call_tool("echo", {"text": text}) == text


# -- broken otherwise


@pytest.mark.parametrize(
    ("tool", "reason"),
    [("garbage", MCPProtocolError), ("hang_up", MCPServerExited), ("die", MCPServerExited)],
)
async def test_what_breaks_in_the_middle_is_noticed_at_once(tool: str, reason: type[Exception]) -> None:
    with capture_events(ProcessCrashed) as events:
        async with supervised(MCPServer(small())) as server:
            async with asyncio.timeout(3):
                with pytest.raises(MCPCallLost):
                    await server.call_tool(tool)
            assert await server.call_tool("echo", {"text": "well again"}) == "well again"
    assert [type(event.reason) for event in events] == [reason]


async def test_a_call_that_takes_too_long_ends_alone_if_the_server_is_well() -> None:
    async with supervised(MCPServer(small(), call_timeout=0.1)) as server:
        with pytest.raises(MCPCallTimeout, match=r"within 0\.1 s"):
            await server.call_tool("hold", {"text": "x"})
        assert (await server.call_tool("held"))["cancelled"] == ["x"]
        assert (await status_of(server)).restarts == 0


async def test_a_server_that_answers_nothing_any_more_is_hung(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PROBE_TIMEOUT", 0.1)
    with capture_events(ProcessCrashed) as events:
        async with supervised(MCPServer(small(), call_timeout=0.1)) as server:
            with pytest.raises(MCPCallLost):
                await server.call_tool("freeze")
            assert await server.call_tool("echo", {"text": "well again"}) == "well again"
    assert [type(event.reason) for event in events] == [MCPServerHung]


@pytest.mark.parametrize(
    ("told", "reason", "says"),
    [
        ("silent", MCPStartTimeout, r"not ready within 0\.3 s"),
        ("garbage", MCPProtocolError, "Welcome to the small server!"),
        ("dies", MCPServerExited, "ended with status 1; it last said: no licence"),
    ],
)
async def test_a_server_that_does_not_begin_well_does_not_start(told: str, reason: type[Exception], says: str) -> None:
    others = children()
    with pytest.raises(StartFailed, match=says) as failed:
        await axon.start(MCPServer(small(told), start_timeout=0.3 if told == "silent" else 30))
    assert type(failed.value.reason) is reason
    await until(lambda: children() == others)


async def test_one_that_is_started_when_it_is_needed_fails_then() -> None:
    server = await axon.start(MCPServer(small("dies"), lazy=True))
    with pytest.raises(MCPUnavailable) as unavailable:
        await server.call_tool("echo", {"text": "x"})
    assert isinstance(unavailable.value.__cause__, axon.NoProcess | MCPServerExited)
    await axon.wait_down(server)


# -- nothing is left behind


async def killed(server: MCPServer) -> None:
    axon.exit(server, axon.kill)
    await axon.wait_down(server)


async def crashed(server: MCPServer) -> None:
    with pytest.raises(MCPCallLost):
        await server.call_tool("die")
    await axon.wait_down(server)


@pytest.mark.parametrize("told", ["", "deaf"])
@pytest.mark.parametrize("end", [axon.stop, killed, crashed])
async def test_its_process_and_what_that_started_are_gone_however_the_owner_ends(
    end: Callable[[MCPServer], Awaitable[None]], told: str
) -> None:
    server = await axon.start(MCPServer(small(told)))
    pids: list[int] = [await server.call_tool("pid"), await server.call_tool("have_child")]
    assert all(map(is_alive, pids))
    await end(server)
    await until(lambda: not any(map(is_alive, pids)), 0.5)


async def test_a_start_that_is_given_up_leaves_nothing() -> None:
    others = children()
    with pytest.raises(StartFailed, match="init took longer"):
        await axon.start(MCPServer(small("silent")), timeout=0.2)
    await until(lambda: children() == others)
    starting = asyncio.create_task(axon.start(MCPServer(small("silent"))))
    await until(lambda: children() != others)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await until(lambda: children() == others)
