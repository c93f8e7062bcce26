"""Messages: sent at once, received in order, and counted when nobody takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from operator import eq

import pytest
from hypothesis import given
from hypothesis import strategies as st
from subjects import KINDS, Kind, quiet, subject

import axon
from axon import kill, normal
from axon.process import receive, runtime, spawn
from axon.telemetry import DeadLetter, attach
from loops import a_loop


async def collect(into: list[object], count: int) -> None:
    into.extend([await receive() for _ in range(count)])


@pytest.mark.parametrize("kind", KINDS)
async def test_b21_messages_of_one_sender_arrive_in_the_order_sent(kind: Kind) -> None:
    async with subject(kind) as target, subject() as left, subject("plain") as right:
        for n in range(200):
            left.do(axon.send, target.process, n)
            right.do(axon.send, target.process, -n)
        await quiet()
        assert sorted(target.seen, key=str) == sorted([*range(200), *range(0, -200, -1)], key=str)
        assert [n for n in target.seen if isinstance(n, int) and n > 0] == [*range(1, 200)]
        assert [n for n in target.seen if isinstance(n, int) and n < 0] == [*range(-1, -200, -1)]


async def test_send_returns_at_once_and_the_receiver_runs_later() -> None:
    async with subject() as target:
        axon.send(target.process, "hello")
        assert target.seen == []
        await quiet()
        assert target.seen == ["hello"]


@pytest.mark.parametrize("message", [None, (), False, asyncio.CancelledError()], ids=repr)
async def test_any_value_is_a_message(message: object) -> None:
    seen: list[object] = []
    process = spawn(collect, seen, 1)
    axon.send(process, message)
    await axon.wait_down(process)
    assert seen == [message]


async def test_receive_takes_the_oldest_message() -> None:
    seen: list[object] = []
    process = spawn(collect, seen, 3)
    for n in range(3):
        axon.send(process, n)
    assert (await axon.wait_down(process)).reason is normal
    assert seen == [0, 1, 2]


async def test_receive_with_match_leaves_the_others_in_place() -> None:
    seen: list[object] = []

    async def picky() -> None:
        seen.append(await receive(match=lambda message: message == "b"))
        seen.append(await receive(match=lambda message: message == "d"))
        await collect(seen, 2)

    process = spawn(picky)
    for letter in "abc":
        axon.send(process, letter)
    await quiet()
    assert seen == ["b"]
    axon.send(process, "d")
    await axon.wait_down(process)
    assert seen == ["b", "d", "a", "c"]


async def test_receive_with_match_misses_nothing_while_messages_are_taken_back() -> None:
    """What it has looked at may shrink meanwhile, as when another coroutine of the process flushes a `Down`."""
    seen: list[object] = []

    async def watcher() -> None:
        monitor = axon.monitor(spawn(receive))
        axon.exit(spawn_of(monitor), kill)

        async def flush() -> None:
            axon.demonitor(monitor, flush=True)
            axon.send(axon.current(), "wanted")

        flushing = asyncio.create_task(flush())
        seen.append(await receive(match=lambda message: message == "wanted", timeout=1))
        await flushing

    def spawn_of(monitor: axon.Monitor) -> axon.Process:
        assert isinstance(monitor.target, axon.Process)
        return monitor.target

    await axon.wait_down(spawn(watcher))
    assert seen == ["wanted"]


@pytest.mark.slow
@given(st.lists(st.integers(0, 5), max_size=20), st.lists(st.integers(0, 5), max_size=6))
def test_receive_with_match_agrees_with_a_list(mail: list[int], wanted: list[int]) -> None:
    """Whatever is waiting and whatever is asked for: the first that matches, else a timeout."""
    found: list[object] = []

    async def picky() -> None:
        for want in wanted:
            try:
                found.append(await receive(timeout=0, match=partial(eq, want)))
            except TimeoutError:
                found.append(None)

    async def main() -> None:
        process = spawn(picky)
        for message in mail:
            axon.send(process, message)
        await axon.wait_down(process)

    with asyncio.Runner(loop_factory=a_loop) as runner:
        runner.run(main())
    box, expected = list(mail), list[object]()
    for want in wanted:
        expected.append(want if want in box else None)
        if want in box:
            box.remove(want)
    assert found == expected


@pytest.mark.parametrize("seconds", [0, 0.5, 3])
async def test_receive_gives_up_after_its_timeout(seconds: float) -> None:
    """Messages that do not match do not prolong it; with 0 it takes what is there."""
    ends: list[object] = []

    async def waits() -> None:
        try:
            await receive(timeout=seconds, match=lambda message: message == "never")
        except TimeoutError as error:
            ends.append((str(error), asyncio.get_running_loop().time() - began))
        ends.append(await receive(timeout=0))

    began = asyncio.get_running_loop().time()
    process = spawn(waits)
    for at in (0, 0.25, 1, 2):
        axon.send_after(at, process, at)
    await axon.wait_down(process)
    assert ends == [("no matching message came in time", seconds), 0]


async def test_a_message_in_time_ends_the_wait() -> None:
    seen: list[object] = []

    async def waits() -> None:
        seen.append(await receive(timeout=5))
        await asyncio.sleep(10)  # the timeout is over and done with
        seen.append(asyncio.get_running_loop().time() - began)

    began = asyncio.get_running_loop().time()
    process = spawn(waits)
    axon.send_after(2, process, "in time")
    await axon.wait_down(process)
    assert seen == ["in time", 12]


async def test_a_cancelled_receive_loses_no_message() -> None:
    """`asyncio.timeout` around it is as good as its own, also when it fires as the message arrives."""
    seen: list[object] = []

    async def waits() -> None:
        try:
            async with asyncio.timeout(1):
                await collect(seen, 1)
        except TimeoutError:
            await collect(seen, 1)

    process = spawn(waits)
    axon.send_after(1, process, "hello")
    await axon.wait_down(process)
    assert seen == ["hello"]


@pytest.mark.slow
async def test_a_busy_mailbox_does_not_starve_the_others() -> None:
    """A process that answers itself for ever still lets everybody else have a turn."""

    async def forever() -> None:
        while True:
            axon.send(axon.current(), "again")
            await receive()

    class Forever(axon.GenServer[None]):
        def init(self) -> None:
            axon.send(axon.current(), "again")

        def handle_info(self, state: None, message: object) -> None:
            axon.send(axon.current(), message)

    process, server = spawn(forever), await axon.start(Forever())
    for _ in range(3):
        await asyncio.sleep(0)
    assert (process.reason, axon.whereis(server) is None) == (None, False)  # nothing had to break them off
    axon.exit(process, kill)
    axon.exit(server, kill)
    await quiet()


# -- nobody there


async def test_a_message_to_a_dead_process_is_a_dead_letter() -> None:
    letters: list[DeadLetter] = []
    detach = attach(letters.append, DeadLetter)
    async with subject() as target:
        axon.exit(target.process, kill)
        await quiet()
        axon.send(target.process, "hello")
    assert letters == [DeadLetter(path=target.process.path, text="'hello'", why="no process")]
    assert runtime().dead_letters == 1
    detach()


async def test_b29_sending_to_an_unknown_name_raises() -> None:
    with pytest.raises(axon.NoProcess, match="no process at nobody"):
        axon.send("nobody", "hello")
    assert runtime().dead_letters == 0


@pytest.mark.parametrize("seconds", [-1, -0.001, float("nan"), "1", True], ids=repr)
async def test_a_timeout_is_a_number_of_seconds(seconds: float) -> None:
    refused: list[axon.InvalidOption] = []

    async def waits() -> None:
        try:
            await receive(timeout=seconds)
        except axon.InvalidOption as error:
            refused.append(error)

    await axon.wait_down(spawn(waits))
    assert (refused[0].option, refused[0].expected) == ("timeout", "a number of seconds >= 0")


async def test_receive_outside_a_process_is_refused() -> None:
    with pytest.raises(axon.NotInProcess, match="receive"):
        await receive()


async def test_receive_belongs_to_the_processs_own_task() -> None:
    """Two readers of one mailbox would steal each other's messages; a server's messages go to its handlers."""
    refused: list[axon.InvalidOption] = []

    async def try_it() -> None:
        try:
            await receive()
        except axon.InvalidOption as error:
            refused.append(error)

    async def in_a_task() -> None:
        await asyncio.create_task(try_it())

    class Server(axon.GenServer[None]):
        async def init(self) -> None:
            await try_it()

    await axon.wait_down(spawn(in_a_task))
    await axon.stop(await axon.start(Server()))
    assert [error.expected for error in refused] == ["called in the own task of a process made with spawn"] * 2


async def test_what_a_task_sends_after_the_end_of_its_process_is_refused() -> None:
    """A task that outlives its process has nobody in whose name it could send."""
    refused: list[object] = []

    async def straggler(act: Callable[[], object]) -> None:
        await asyncio.sleep(1)
        try:
            act()
        except axon.ProcessDead as error:
            refused.append(error.reason)

    async def starts_it() -> None:
        tasks.append(asyncio.create_task(straggler(lambda: axon.send("nobody", "hello"))))

    tasks: list[asyncio.Task[None]] = []
    await axon.wait_down(spawn(starts_it))
    await tasks[0]
    assert refused == [normal]
