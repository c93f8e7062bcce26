"""Messages are handled in bursts, which cannot be told from one after the other: the order is that of sending, and
whoever looks in the middle of one sees what was handled and what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import axon
from axon import GenServer, call, cast
from axon.process import wait_down
from axon.testing import virtual_clock

Seen = list[object]


class Mixed(GenServer[Seen]):
    """Has every kind of handler."""

    def init(self) -> Seen:
        return []

    @cast
    def note(self, state: Seen, thing: object) -> None:
        state.append(thing)

    @cast
    async def note_async(self, state: Seen, thing: object) -> None:
        state.append(thing)

    @cast
    async def note_later(self, state: Seen, thing: object) -> None:
        await asyncio.sleep(0)
        state.append(thing)

    @cast
    def note_two(self, state: Seen, one: object, two: object = None) -> None:
        state.append((one, two))

    @call
    def ask(self, state: Seen, thing: object) -> int:
        state.append(thing)
        return len(state)

    @call
    async def ask_async(self, state: Seen, thing: object) -> int:
        state.append(thing)
        return len(state)

    @call
    async def ask_later(self, state: Seen, thing: object) -> int:
        await asyncio.sleep(0)
        state.append(thing)
        return len(state)

    @cast
    def do(self, state: Seen, what: Callable[[Seen], object]) -> None:
        what(state)

    @cast
    async def do_async(self, state: Seen, what: Callable[[Seen], object]) -> None:
        what(state)

    def handle_info(self, state: Seen, message: object) -> Awaitable[None] | None:
        state.append(message)
        return None


class AsyncInfo(Mixed):
    async def handle_info(self, state: Seen, message: object) -> None:
        state.append(message)


class WaitingInfo(Mixed):
    async def handle_info(self, state: Seen, message: object) -> None:
        if isinstance(message, int) and message % 3 == 0:
            await asyncio.sleep(0)
        state.append(message)


WAYS: dict[str, Callable[[Any, int], object]] = {
    "plain": lambda server, n: server.note(n),
    "async": lambda server, n: server.note_async(n),
    "waiting": lambda server, n: server.note_later(n),
    "keyword": lambda server, n: server.note(thing=n),
    "two": lambda server, n: server.note_two(n, two=None),
    "info": axon.send,
    "call": lambda server, n: asyncio.ensure_future(server.ask(n)),
    "async call": lambda server, n: asyncio.ensure_future(server.ask_async(n)),
    "state": lambda server, n: asyncio.ensure_future(axon.get_state(server)),
}
SENT_LATER = ("call", "async call", "state")
"""Sent in a turn of their own, after what was sent in this one."""


@given(
    st.sampled_from([Mixed, AsyncInfo, WaitingInfo]),
    st.lists(st.sampled_from([*WAYS]) | st.just("info"), min_size=1, max_size=150),
    st.booleans(),
)
@example(Mixed, ["async", "async", "plain", "async"], True)
def test_whatever_a_burst_is_made_of_its_order_is_that_of_sending(
    kind: type[Mixed], ways: list[str], has_task: bool
) -> None:
    async def main() -> None:
        server = await axon.start(kind())
        if has_task:
            await server.ask_later("its task")
        state = await axon.get_state(server)
        sent = state.copy()
        later: Seen = []
        for n, way in enumerate(ways):
            WAYS[way](server, n)
            if way != "state":
                (later if way in SENT_LATER else sent).append((n, None) if way == "two" else n)
        for _ in range(2 * len(ways) + 2):
            await asyncio.sleep(0)
        assert await axon.get_state(server) == [*sent, *later]
        statistics = axon.statistics(server)
        assert (statistics.handled, statistics.queued) == (len(sent) + len(later), 0)
        await axon.stop(server)

    with asyncio.Runner(loop_factory=virtual_clock) as runner:
        runner.run(main())


Verbs = tuple[Callable[[object], None], Callable[[Callable[[Seen], object]], None]]


def plain(server: Mixed) -> Verbs:
    return server.note, server.do


def asynchronous(server: Mixed) -> Verbs:
    return server.note_async, server.do_async


@pytest.mark.parametrize("handlers", [plain, asynchronous])
async def test_in_the_middle_of_a_burst_one_sees_what_was_handled_and_what_waits(
    handlers: Callable[[Mixed], Verbs],
) -> None:
    server = await axon.start(Mixed())
    await server.ask_later("its task")
    note, do = handlers(server)
    looks: list[axon.Statistics] = []
    for n in range(100):
        note(n)
    do(lambda _: looks.append(axon.statistics(server)))
    for n in range(30):
        note(n)
    await axon.get_state(server)
    [look] = looks
    assert (look.handled, look.queued) == (102, 31), "the last that waits is the question after the state"
    assert look.recent[-2] in ("note(99)", "note_async(99)")
    assert look.recent[-1].startswith("do")
    assert len(look.recent) == 8
    await axon.stop(server)


@pytest.mark.parametrize("handlers", [plain, asynchronous])
async def test_who_dies_in_a_burst_leaves_the_rest_to_the_dead_letters_in_order(
    handlers: Callable[[Mixed], Verbs],
) -> None:
    def crash(_: Seen) -> None:
        raise ValueError("ink")

    server = await axon.start(Mixed())
    await server.ask_later("its task")
    note, do = handlers(server)
    with axon.dead_letters() as letters:
        for n in range(10):
            note(n)
        do(crash)
        for n in range(100):
            note(n)
        await wait_down(server)
        assert [getattr(letter.message, "args", None) for letter in letters] == [(n,) for n in range(100)]


async def test_what_is_flushed_in_a_burst_does_not_come() -> None:
    """`Down` of a monitor that a handler removes, though it is in the same burst."""
    other = await axon.start(Mixed())
    server = await axon.start(Mixed())
    watched: list[axon.Monitor] = []
    server.do(lambda _: watched.append(axon.monitor(other)))
    await axon.get_state(server)
    server.note("before")
    server.do(lambda _: axon.demonitor(watched[0], flush=True))
    axon.exit(other, axon.kill)
    server.note("after")
    assert await axon.get_state(server) == ["before", "after"]
    await axon.stop(server)


async def test_a_burst_of_coroutines_that_never_wait_is_run_under_the_servers_own_task() -> None:
    server = await axon.start(Mixed())
    tasks: list[asyncio.Task[Any] | None] = []
    for _ in range(3):
        server.do_async(lambda _: tasks.append(asyncio.current_task()))
    server.do(lambda _: tasks.append(asyncio.current_task()))
    server.do_async(lambda _: tasks.append(asyncio.current_task()))
    await axon.get_state(server)
    assert len(tasks) == 5
    assert len(set(tasks)) == 1
    assert tasks[0] is not asyncio.current_task()
    await axon.stop(server)
