"""The virtual clock: time is exact, moves only when everybody waits, and stands still for the outside world."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import axon
from axon import GenServer, Supervisor, call
from axon.testing import VirtualClockLoop, virtual_clock

R = TypeVar("R")


def now() -> float:
    return asyncio.get_running_loop().time()


def run(main: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """In a loop of its own, for tests that are no coroutines."""
    with asyncio.Runner(loop_factory=virtual_clock) as runner:
        return runner.run(main())


# -- exact


async def test_a_day_takes_no_time() -> None:
    began = time.monotonic()
    await asyncio.sleep(86_400)
    assert now() == 86_400
    assert time.monotonic() - began < 1


async def test_time_starts_at_zero_and_stands_while_somebody_runs() -> None:
    assert now() == 0
    for _ in range(100):
        await asyncio.sleep(0)
    sum(range(100_000))
    assert now() == 0


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=20))
def test_the_clock_lands_exactly_on_each_timer(times: list[float]) -> None:
    """Whatever the rounding: `now + (when - now)` may be a hair off `when`."""
    seen: list[float] = []

    async def main() -> None:
        for when in times:
            asyncio.get_running_loop().call_at(when, lambda: seen.append(now()))
        await asyncio.sleep(2e9)

    run(main)
    ordered = sorted(times)
    assert len(seen) == len(ordered)
    # asyncio lets timers fire together that are closer than a nanosecond; they fire when the first is due
    assert all(
        at == when or (at < when <= at + max(1e-9, math.ulp(at))) for at, when in zip(seen, ordered, strict=True)
    )


@pytest.mark.parametrize("start", [0.0, 2.0**23, 2.0**24, 1e9, 1e15], ids=str)
async def test_it_does_not_spin_where_a_nanosecond_is_lost_in_the_rounding(start: float) -> None:
    """After 97 days `time() + 1e-9 == time()`, and asyncio's own rule would never run a timer that is due now."""
    fired: list[float] = []
    await asyncio.sleep(start)
    process = axon.process.spawn(_ticks, fired)
    for when in (now(), math.nextafter(now(), math.inf), now() + 1):
        await _at(when)
        assert now() >= when
    await axon.wait_down(process)
    assert len(fired) == 3


async def _at(when: float) -> None:
    due = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_at(when, due.set_result, None)
    await due


async def _ticks(fired: list[float]) -> None:
    for _ in range(3):
        axon.send_after(0.5, axon.current(), "tick")
        await axon.process.receive()
        fired.append(now())


async def test_a_timer_beyond_the_longest_wait_of_the_operating_system_is_reached_in_one_jump() -> None:
    await asyncio.sleep(1e12)
    assert now() == 1e12


async def test_a_timer_that_is_never_due_does_not_make_time_run_away() -> None:
    asyncio.get_running_loop().call_later(math.inf, lambda: None)
    await asyncio.sleep(5)
    assert await asyncio.to_thread(lambda: "done") == "done"
    assert now() == 5


async def test_cancelled_timers_do_not_move_it() -> None:
    asyncio.get_running_loop().call_later(3, lambda: None).cancel()
    await asyncio.sleep(5)
    assert now() == 5


async def test_timers_fire_in_the_order_of_time() -> None:
    seen: list[str] = []
    loop = asyncio.get_running_loop()
    for name, at in (("c", 3.0), ("a", 1.0), ("b", 2.0), ("b too", 2.0)):
        loop.call_at(at, seen.append, name)
    await asyncio.sleep(4)
    assert seen == ["a", "b", "b too", "c"]


# -- asyncio on it


async def test_asyncio_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2.5):
            await asyncio.sleep(60)
    assert now() == 2.5
    async with asyncio.timeout(2.5):
        await asyncio.sleep(2)
    assert now() == 4.5
    with pytest.raises(TimeoutError):
        async with asyncio.timeout_at(now() - 1):
            await asyncio.sleep(60)
    assert now() == 4.5


async def test_asyncio_wait_and_events() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(7, event.set)
    await event.wait()
    assert now() == 7
    slow = asyncio.ensure_future(asyncio.sleep(60))
    done, _ = await asyncio.wait([slow], timeout=3)
    assert (done, now()) == (set(), 10)
    slow.cancel()


async def test_servers_and_supervisors() -> None:
    class Slow(GenServer[None]):
        async def init(self) -> None: ...

        @call(timeout=10)
        async def work(self, state: None, seconds: float) -> float:
            await asyncio.sleep(seconds)
            return now()

    async with Supervisor([Slow()]) as sup:
        slow = sup.get(Slow)
        assert await slow.work(9) == 9
        with pytest.raises(axon.CallTimeout):
            await slow.work(20)
        assert now() == 19


# -- the outside world


async def test_a_job_in_a_thread_takes_no_time() -> None:
    """So a timeout around it, or the five seconds of a call, mean what they say."""
    async with asyncio.timeout(5):
        await asyncio.to_thread(time.sleep, 0.01)
    assert now() == 0
    await asyncio.sleep(3)
    assert now() == 3


async def test_jobs_in_threads_side_by_side() -> None:
    async with asyncio.timeout(5):
        await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.001 * n) for n in range(10)))
    assert now() == 0


async def test_a_timer_that_is_due_while_a_thread_works_fires_after_real_time() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await asyncio.to_thread(time.sleep, 0.06)
    assert now() == 0.02
    assert time.monotonic() - began >= 0.02


async def test_waiting_for_a_thread_counts_for_one_timer_only() -> None:
    """A chatty thread does not put a timer off, and a timer that is armed late does not fire early."""
    loop, ticks = asyncio.get_running_loop(), list[float]()

    def chat() -> None:
        for _ in range(10):
            time.sleep(0.003)
            loop.call_soon_threadsafe(lambda: None)

    job = asyncio.ensure_future(asyncio.to_thread(chat))
    loop.call_later(0.01, lambda: ticks.append(now()))
    loop.call_later(1000, lambda: ticks.append(now()))
    await job
    assert ticks == [0.01]


async def test_a_timer_armed_while_a_thread_works_does_not_fire_early() -> None:
    loop, late = asyncio.get_running_loop(), list[float]()

    def arm() -> None:
        armed = time.monotonic()
        loop.call_later(0.02, lambda: late.append(time.monotonic() - armed))

    def work() -> None:
        time.sleep(0.03)
        loop.call_soon_threadsafe(arm)
        time.sleep(0.06)

    loop.call_later(1000, lambda: None)
    await asyncio.to_thread(work)
    assert late[0] >= 0.02


async def test_a_wait_may_be_longer_than_the_operating_system_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axon.testing._clock.LONGEST_SELECT", 0.002)
    began = time.monotonic()
    asyncio.get_running_loop().call_later(0.01, lambda: waited.append(time.monotonic() - began))
    waited: list[float] = []
    await asyncio.to_thread(time.sleep, 0.03)
    assert waited[0] >= 0.01


async def test_a_thread_may_wait_for_the_loop() -> None:
    """Time goes on, at the real pace, while a thread works: it may be waiting for time to pass."""

    class Sleeper(GenServer[None]):
        async def init(self) -> None: ...

        @call
        async def nap(self, state: None) -> str:
            await asyncio.sleep(0.01)
            return "rested"

    sleeper = await axon.start(Sleeper())
    assert await asyncio.to_thread(axon.from_thread.call, sleeper.nap) == "rested"
    assert now() == 0.01
    await axon.stop(sleeper)


async def test_a_cancelled_job_is_not_waited_for() -> None:
    """The thread works on (rule Z8); nobody waits for it, so time moves on."""
    go_on = threading.Event()
    job = asyncio.ensure_future(asyncio.to_thread(go_on.wait))
    await asyncio.sleep(0)
    job.cancel()
    await asyncio.sleep(60)
    assert now() == 60
    go_on.set()


@pytest.mark.slow
async def test_a_child_process_takes_no_time() -> None:
    async with asyncio.timeout(5):
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", "print('hello')", stdout=-1)
        assert (await child.communicate())[0] == b"hello\n"
        shell = await asyncio.create_subprocess_shell("exit 3")
        assert await shell.wait() == 3
    assert now() == 0
    began = time.monotonic()
    await asyncio.sleep(60)
    assert now() == 60
    assert time.monotonic() - began < 60


async def test_sockets_within_the_loop() -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    loop = asyncio.get_running_loop()
    with near, far:
        async with asyncio.timeout(1):
            await loop.sock_sendall(near, b"hello")
            assert await loop.sock_recv(far, 100) == b"hello"
    assert now() == 0


async def test_without_timers_it_waits_for_the_outside_world() -> None:
    """A plain thread that calls back is heard when nothing else is due."""
    called = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.call_later(math.inf, lambda: None)

    def work() -> None:
        time.sleep(0.01)
        loop.call_soon_threadsafe(called.set)

    thread = threading.Thread(target=work)
    thread.start()
    await called.wait()
    thread.join()
    assert now() == 0


async def test_signals_are_delivered() -> None:
    came = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, came.set)
    signal.raise_signal(signal.SIGUSR1)
    await came.wait()
    loop.remove_signal_handler(signal.SIGUSR1)


def test_a_loop_with_threads_closes_without_a_warning() -> None:
    """The end of the executor has a limit of 300 s since Python 3.12, which must not pass in no time."""

    async def main() -> float:
        await asyncio.to_thread(time.sleep, 0.001)
        return now()

    assert run(main) == 0


def test_the_factory_makes_a_new_loop_each_time() -> None:
    first, second = virtual_clock(), virtual_clock()
    assert isinstance(first, VirtualClockLoop)
    assert first is not second
    first.close()
    second.close()


def test_the_same_program_takes_the_same_steps_every_time() -> None:
    async def main() -> list[tuple[float, int]]:
        steps: list[tuple[float, int]] = []

        async def walker(number: int) -> None:
            for step in range(5):
                await asyncio.sleep(0.1 * (number + step))
                steps.append((now(), number))

        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(walker(number))
        return steps

    assert run(main) == run(main)
