import asyncio

import pytest

import axon
from axon import Supervisor, SupervisorDied, child
from axon.testing import Scripted


async def test_a_child_that_ends_is_started_again() -> None:
    feed = Scripted(exit_after=60, exit_reason=ConnectionError("reset"))
    async with Supervisor([child(feed, id="feed")]):
        await feed.history.until("ready 3", timeout=180)
    assert asyncio.get_running_loop().time() == 120
    assert feed.history == [
        *["init 1", "ready 1", "terminate 1 ConnectionError('reset')"],
        *["init 2", "ready 2", "terminate 2 ConnectionError('reset')"],
        *["init 3", "ready 3", "terminate 3 shutdown"],
    ]


async def test_a_supervisor_gives_up_on_the_fourth_failure_within_5_seconds() -> None:
    feed = Scripted(exit_after=1, exit_reason=ConnectionError("reset"))
    with pytest.raises(SupervisorDied):
        async with Supervisor([child(feed, id="feed")], max_restarts=3, max_seconds=5):
            await asyncio.sleep(60)
    assert feed.history.starts == 4


async def test_a_child_that_does_not_stop_holds_up_nobody() -> None:
    stubborn = Scripted(hang_in="terminate", swallow_cancel=True)
    async with Supervisor([child(stubborn, id="stubborn", shutdown=2)]):
        pass
    assert 2 <= asyncio.get_running_loop().time() < 5
    stubborn.release()  # it is a zombie: let its code end


async def test_a_caller_hears_when_the_server_dies_over_its_request() -> None:
    async with Supervisor([Scripted(hang_in="handler")]) as tree:
        server = tree.get(Scripted)
        question = asyncio.create_task(server.ask())
        await server.history.until("call ask 1")
        axon.exit(server, axon.kill)
        with pytest.raises(axon.ServerDied):
            await question
