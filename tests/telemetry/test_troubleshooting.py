"""The log lines that docs/troubleshooting.md shows are those that the library prints."""

from __future__ import annotations

import asyncio
import io
import logging
import re
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path

import pytest
from tenacity import wait_fixed

import axon
from axon import DynamicSupervisor, GenServer, Supervisor, SupervisorDied, call, cast, child
from axon.port import PortPool
from axon.process import runtime
from axon.telemetry import configure_logging

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "troubleshooting.md").read_text()


class Feed(GenServer[None]):
    """Fails when its source does."""

    def init(self) -> None:
        return None

    @cast
    def read(self, state: None) -> None:
        raise ConnectionError("feed.example: no route to host")


class Worker(GenServer[None]):
    """Swallows the cancellation of its work."""

    trap_exit = True

    def init(self) -> None:
        return None

    @cast
    async def work(self, state: None) -> None:
        for _ in range(100):
            with suppress(BaseException):
                await asyncio.sleep(60)

    @cast
    def note(self, state: None, text: str) -> None: ...

    @call
    async def slow(self, state: None) -> None:
        await asyncio.sleep(2)

    @call
    async def stubborn(self, state: None) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(8)


class Parser(GenServer[None]):
    """Fails at what it cannot read."""

    def init(self) -> None:
        return None

    @call
    def words(self, state: None, text: str) -> list[str]:
        raise ValueError(f"cannot read {text!r}")


async def settle() -> None:
    await asyncio.sleep(0.001)


# -- one story for each section of the page


async def a_supervisor_gave_up() -> None:
    with pytest.raises(SupervisorDied):
        async with Supervisor([child(Feed(), id="feed")], name="app") as sup:
            for _ in range(4):
                sup.get(Feed, "feed").read()
                await settle()


async def a_crash_loop() -> None:
    spec = child(Feed(), id="feed", backoff=wait_fixed(10))
    async with Supervisor([spec], name="app") as sup:
        for _ in range(3):
            sup.get(Feed, "feed").read()
            await asyncio.sleep(10.5)
        await asyncio.sleep(10)


async def a_zombie() -> None:
    async with DynamicSupervisor(name="jobs") as sup:
        worker = await sup.start_child(child(Worker(), id="worker", shutdown=2))
        worker.work()
        await settle()
        await sup.terminate_child(worker)
    while runtime().zombies:  # its code goes on: let it end, for the next test's sake
        for task in list(runtime().zombies.values()):
            task.cancel()
        await settle()


async def a_cancellation_is_ignored() -> None:
    async with DynamicSupervisor(name="jobs") as sup:
        worker = await sup.start_child(child(Worker(), id="worker"))
        with pytest.raises(axon.DeadlineExceeded):
            async with axon.deadline(1):
                await worker.stubborn()
        await asyncio.sleep(10)


async def dead_letters() -> None:
    async with DynamicSupervisor(name="jobs") as sup:
        small = await sup.start_child(child(Worker(), id="small", mailbox=1))
        busy = await sup.start_child(child(Worker(), id="busy"))
        calls = [asyncio.create_task(handle.slow()) for handle in (small, small, busy)]
        await settle()
        small.note("no room for it")
        async with axon.deadline(1):
            busy.note("no time left for it")
        await asyncio.gather(*calls)
        calls = [asyncio.create_task(busy.slow())]
        await settle()
        busy.note("its turn never comes")
        axon.exit(busy, axon.kill)
        await asyncio.gather(*calls, return_exceptions=True)
        await sup.terminate_child(busy)
        busy.note("nobody is there")


async def a_worker_died() -> None:
    async with Supervisor([child(PortPool(Parser(), size=2), id="parsers")], name="jobs") as sup:
        pool = sup.get(PortPool[Parser], "parsers")
        with pytest.raises(axon.ServerDied):
            await pool.ask(Parser.words, "evil")


STORIES: dict[str, Callable[[], Awaitable[None]]] = {
    "A supervisor gave up": a_supervisor_gave_up,
    "A crash loop": a_crash_loop,
    "A zombie": a_zombie,
    "Work that ignores its cancellation": a_cancellation_is_ignored,
    "A worker of a pool died": a_worker_died,
    "A dead letter": dead_letters,
}


@contextmanager
def printed() -> Generator[io.StringIO]:
    """What a program that calls `configure_logging()` prints: pytest's own log handlers are away."""
    stderr, root, ours = io.StringIO(), logging.getLogger(), logging.getLogger("axon")
    before, level = (root.handlers[:], ours.handlers[:]), ours.level
    root.handlers.clear()
    try:
        with redirect_stderr(stderr):
            configure_logging()
            yield stderr
    finally:
        root.handlers[:], ours.handlers[:] = before
        ours.setLevel(level)  # rather than assign it: loggers remember what is enabled until they are told


def masked(line: str) -> str:
    """Without what differs from run to run: the time of day, and the spaces that make columns."""
    return re.sub(r" +", " ", re.sub(r"^\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", line.strip()))


def shown(title: str) -> list[str]:
    """The log lines under a heading of the page."""
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    blocks: list[str] = re.findall(r"^```log\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    return [masked(line) for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("title", STORIES)
async def test_the_page_shows_what_is_printed(title: str) -> None:
    with printed() as stderr:
        await STORIES[title]()
    said = [masked(line) for line in stderr.getvalue().splitlines()]
    lines = shown(title)
    assert lines
    assert [line for line in lines if line not in said] == []


def test_every_section_with_a_line_is_held_by_a_story() -> None:
    headings: list[str] = re.findall(r"^## (.*)$", PAGE, flags=re.MULTILINE)
    assert [title for title in headings if shown(title)] == list(STORIES)


@pytest.mark.parametrize("title", STORIES)
def test_every_line_says_which_process_and_what_to_do(title: str) -> None:
    for line in shown(title):
        if "crash loop over" not in line:
            assert " path=" in line
            assert " advice=" in line
