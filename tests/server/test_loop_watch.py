"""A loop that stands still is noticed from outside, while it does, down to the line that holds it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster

import axon
from axon import GenServer, InvalidOption, Supervisor, call
from axon.telemetry import LoopResumed, LoopStalled, attach

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

LIMIT = 0.1


class Sleeper(GenServer[None]):
    def init(self) -> None:
        return None

    @call
    def nap(self, state: None, seconds: float) -> None:
        time.sleep(seconds)  # this is the mistake

    @call
    async def doze(self, state: None, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251  # this is the mistake

    @call
    def wait_for_a_program(self, state: None) -> None:
        subprocess.run(["sleep", "0.3"], check=True)

    @call
    async def rest(self, state: None, seconds: float) -> None:
        await asyncio.sleep(seconds)


def line_of(method: object, text: str) -> int:
    lines, first = inspect.getsourcelines(inspect.unwrap(method))  # type: ignore[arg-type]
    return first + next(n for n, line in enumerate(lines) if text in line)


@pytest.fixture(autouse=True)
def blocking_is_the_subject(blocking_calls_are_errors: BlockBuster) -> Iterator[None]:
    blocking_calls_are_errors.deactivate()
    yield
    blocking_calls_are_errors.activate()


@pytest.mark.parametrize("handler", ["nap", "doze"])
async def test_the_handler_the_process_and_the_line_are_named_while_it_sleeps(handler: str) -> None:
    seen: list[tuple[float, LoopStalled]] = []
    attach(lambda event: seen.append((time.monotonic(), event)), LoopStalled)
    async with Supervisor([Sleeper()], name="app") as app:
        with axon.watch_loop(LIMIT):
            method = getattr(app.get(Sleeper), handler)
            await method(0.5)
            ended = time.monotonic()
    [(noticed, event)] = seen
    assert noticed < ended - 0.1, "it was told while the handler slept"
    assert (event.path, event.handler) == ("app/Sleeper", handler)
    assert (event.file, event.line) == (__file__, line_of(method, "time.sleep"))
    assert LIMIT < event.seconds < 0.5


async def test_in_a_library_the_line_is_that_of_the_program_and_the_stack_shows_the_rest() -> None:
    seen: list[LoopStalled] = []
    attach(seen.append, LoopStalled)
    async with Supervisor([Sleeper()], name="app") as app:
        sleeper = app.get(Sleeper)
        with axon.watch_loop(LIMIT):
            await sleeper.wait_for_a_program()
    [event] = seen
    assert (event.file, event.line) == (__file__, line_of(sleeper.wait_for_a_program, "subprocess.run"))
    assert "subprocess.py" in event.stack[0]


async def test_a_plain_task_that_holds_the_loop_is_told_too() -> None:
    seen: list[LoopStalled] = []
    attach(seen.append, LoopStalled)
    with axon.watch_loop(LIMIT):
        time.sleep(0.3)  # noqa: ASYNC251
        await asyncio.sleep(0)
    [event] = seen
    assert (event.path, event.handler, event.file) == ("event loop", None, __file__)


async def test_when_it_goes_on_it_is_told_how_long_it_was() -> None:
    seen: list[LoopResumed] = []
    attach(seen.append, LoopResumed)
    with axon.watch_loop(LIMIT):
        time.sleep(0.3)  # noqa: ASYNC251
        await asyncio.sleep(0.05)
    [event] = seen
    assert event.seconds >= 0.3


async def test_a_loop_that_waits_does_not_stand_still() -> None:
    seen: list[LoopStalled] = []
    attach(seen.append, LoopStalled)
    async with Supervisor([Sleeper()]) as app:
        with axon.watch_loop(LIMIT):
            await app.get(Sleeper).rest(0.4)
    assert seen == []


async def test_it_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "axon"):
        async with Supervisor([Sleeper()], name="app") as app:
            with axon.watch_loop(LIMIT):
                await app.get(Sleeper).nap(0.3)
    assert "the event loop stands still path=app/Sleeper handler=nap" in caplog.text


async def test_the_thread_ends_with_the_block() -> None:
    with axon.watch_loop(LIMIT):
        assert any(thread.name == "axon loop watch" for thread in threading.enumerate())
    assert not any(thread.name == "axon loop watch" for thread in threading.enumerate())


async def test_the_limit_is_checked() -> None:
    with pytest.raises(InvalidOption, match="limit"), axon.watch_loop(0):
        pass
