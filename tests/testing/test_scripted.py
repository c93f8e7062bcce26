"""`Scripted`: a child that misbehaves as told, and says what happened to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tenacity import wait_fixed

import axon
from axon import InvalidOption, ServerDied, StartFailed, Supervisor, child
from axon.process import runtime
from axon.testing import History, Scripted, ScriptedFailure


async def test_it_answers_with_its_incarnation_and_writes_down_what_happens() -> None:
    script = Scripted()
    async with Supervisor([script]) as sup:
        server = sup.get(Scripted)
        assert await server.ask() == 1
        axon.send(server, "news")
        server.end(ValueError("ink"))
        await script.history.until("ready 2")
        assert await server.ask() == 2
    assert script.history == [
        "init 1",
        "ready 1",
        "call ask 1",
        "info 1 'news'",
        "cast end 1",
        "terminate 1 ValueError('ink')",
        "init 2",
        "ready 2",
        "call ask 2",
        "terminate 2 shutdown",
    ]
    assert script.history.starts == 2


async def test_its_first_starts_fail() -> None:
    script = Scripted(fail_starts=2)
    for number in (1, 2):
        with pytest.raises(StartFailed) as failed:
            await axon.start(script)
        assert isinstance(failed.value.reason, ScriptedFailure)
        assert script.history.starts == number
    server = await axon.start(script)
    assert await server.ask() == 3
    await axon.stop(server)


async def test_it_chooses_not_to_start() -> None:
    with pytest.raises(axon.Ignored):
        await axon.start(Scripted(ignore=True))


async def test_it_ends_by_itself_after_so_long_in_each_incarnation() -> None:
    script = Scripted(exit_after=2, exit_reason=ValueError("ink"))
    async with Supervisor([child(script, backoff=wait_fixed(1))]):
        await script.history.until("ready 3", timeout=60)
        assert asyncio.get_running_loop().time() == 6.0
    assert script.history.count("terminate 2 ValueError('ink')") == 1


async def test_it_hangs_in_init() -> None:
    script = Scripted(hang_in="init")
    with pytest.raises(StartFailed, match="longer than 3 s"):
        await axon.start(script, timeout=3)
    await script.history.until("cancelled 1")


async def test_it_hangs_in_its_handlers() -> None:
    script = Scripted(hang_in="handler")
    server = await axon.start(script)
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(2):
            await server.ask()
    asking = asyncio.create_task(server.ask())
    await asyncio.sleep(1)
    axon.exit(server, axon.kill)
    with pytest.raises(ServerDied):
        await asking


async def test_it_hangs_in_terminate_until_it_is_killed() -> None:
    script = Scripted(hang_in="terminate")
    async with Supervisor([child(script, shutdown=3)]):
        pass
    assert asyncio.get_running_loop().time() == 3.0
    assert script.history[-2:] == ["terminate 1 shutdown", "cancelled 1"]


@pytest.mark.parametrize("place", ["init", "handler", "terminate"])
async def test_it_swallows_cancellations_until_it_is_released(place: Any) -> None:
    script = Scripted(hang_in=place, swallow_cancel=True)
    server = None if place == "init" else await axon.start(script)
    if server is None:
        with pytest.raises(StartFailed):
            await axon.start(script, timeout=1)
    elif place == "handler":
        axon.send(server, "news")
        await script.history.until("info 1 'news'")
        axon.exit(server, axon.kill)
    else:
        with pytest.raises(axon.CallTimeout):
            await axon.stop(server, timeout=1)
        axon.exit(server, axon.kill)
    await asyncio.sleep(5)
    assert len(runtime().zombies) == 1
    assert script.history.count("cancelled 1") > 5
    script.release()
    await asyncio.sleep(1)
    assert len(runtime().zombies) == 0


async def test_without_trapping_exits_it_is_not_told_of_its_end() -> None:
    script = Scripted(traps_exit=False)
    async with Supervisor([script]):
        pass
    assert script.history == ["init 1", "ready 1"]


async def test_several_may_share_their_history() -> None:
    history = History()
    async with Supervisor([child(Scripted(history=history), id=name) for name in "ab"]):
        pass
    assert history == ["init 1", "ready 1", "init 2", "ready 2", "terminate 2 shutdown", "terminate 1 shutdown"]


async def test_waiting_for_what_does_not_happen_shows_what_did() -> None:
    script = Scripted()
    server = await axon.start(script)
    with pytest.raises(AssertionError, match=r"'ready 2' did not come within 1 s, but:\n  'init 1'\n  'ready 1'"):
        await script.history.until("ready 2", timeout=1)
    await axon.stop(server)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("fail_starts", -1),
        ("fail_starts", True),
        ("hang_in", "sleep"),
        ("exit_after", -1),
        ("exit_reason", "boom"),
    ],
)
async def test_a_script_that_cannot_be_played_is_refused(option: str, value: Any) -> None:
    with pytest.raises(InvalidOption, match=option):
        Scripted(**{option: value})
