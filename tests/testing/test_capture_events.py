"""`capture_events`: events as a list that a test can wait for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from axon import InvalidOption, Supervisor, child
from axon.telemetry import ChildRestarted, Event, ProcessCrashed, ProcessStarted, bus, emit
from axon.testing import Scripted, capture_events


@dataclass(frozen=True)
class Tick(Event):
    number: int


@dataclass(frozen=True)
class Tock(Event):
    number: int


async def test_it_collects_in_order_until_its_block_ends() -> None:
    with capture_events(Tick, Tock) as events:
        emit(Tick(1))
        emit(Tock(2))
        emit(Tick(3))
    emit(Tick(4))
    assert events == [Tick(1), Tock(2), Tick(3)]
    assert events.of(Tick) == [Tick(1), Tick(3)]
    assert not bus().wants(Tick)


async def test_until_returns_what_has_come_already() -> None:
    with capture_events(Tick) as events:
        emit(Tick(1))
        emit(Tick(2))
        assert await events.until(Tick) == Tick(1)
        assert await events.until(Tick, lambda tick: tick.number > 1) == Tick(2)


async def test_until_waits_for_what_is_to_come() -> None:
    loop = asyncio.get_running_loop()
    with capture_events(Tick, Tock) as events:
        for number in range(1, 5):
            loop.call_later(number, emit, Tick(number))
        loop.call_later(2, emit, Tock(2))
        async with asyncio.TaskGroup() as group:
            tick = group.create_task(events.until(Tick, lambda tick: tick.number == 3))
            tock = group.create_task(events.until(Tock))
        assert (tick.result(), tock.result(), loop.time()) == (Tick(3), Tock(2), 3.0)


async def test_until_gives_up_and_shows_what_came_instead() -> None:
    with capture_events(Tick, Tock) as events:
        emit(Tock(7))
        with pytest.raises(AssertionError, match=r"Tick did not come within 3 s, but:\n  Tock\(path='', number=7\)"):
            await events.until(Tick, timeout=3)
        with pytest.raises(AssertionError, match="a Tock that fits did not come within 5 s"):
            await events.until(Tock, lambda tock: tock.number == 8)
    assert asyncio.get_running_loop().time() == 8.0


async def test_what_is_not_captured_is_not_waited_for() -> None:
    with capture_events(Tick) as events, pytest.raises(InvalidOption, match="captured: Tick"):
        await events.until(Tock)
    with pytest.raises(InvalidOption, match="kinds"), capture_events():
        pass


async def test_a_crash_and_its_restart() -> None:
    with capture_events(ProcessStarted, ProcessCrashed, ChildRestarted) as events:
        async with Supervisor([child(Scripted(), id="a")]) as sup:
            sup.get(Scripted, "a").end(ValueError("ink"))
            crash = await events.until(ProcessCrashed)
            restart = await events.until(ChildRestarted)
    assert (crash.path, restart.path) == ("Supervisor/a", "Supervisor/a")
