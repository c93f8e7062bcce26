"""A handler that goes on after its deadline, though it was cancelled, is told of, with what to do about it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

import axon
from axon import GenServer, call
from axon.telemetry import CancelIgnored, attach


class Stubborn(GenServer[None]):
    def init(self) -> None: ...

    @call
    async def work(self, state: None, swallows: int, cleanup: float = 0.0) -> str:
        for _ in range(swallows):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(100)
        try:
            await asyncio.sleep(8)
        finally:
            await asyncio.sleep(cleanup)
        return "done"


async def told(swallows: int, *, cleanup: float = 0.0, deadline: float = 1.0) -> list[CancelIgnored]:
    events: list[CancelIgnored] = []
    end = attach(events.append, CancelIgnored)
    server = await axon.start(Stubborn(), name="stubborn")
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(deadline):
            await server.work(swallows, cleanup)
    await asyncio.sleep(50)
    await axon.stop(server)
    end()
    return events


async def test_it_is_told_of_once_five_seconds_after_its_deadline_and_what_to_do() -> None:
    (event,) = await told(1)
    assert event == CancelIgnored(path="stubborn", what="work", seconds=5.0)
    assert "axon.port.isolated" in event.advice


async def test_one_that_lets_itself_be_cancelled_is_not() -> None:
    assert await told(0, cleanup=4.9) == []


async def test_neither_is_one_that_cleans_up_in_time_though_the_handler_was_long() -> None:
    assert await told(0, deadline=7.9) == []
