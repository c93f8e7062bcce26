"""Timers: messages that are sent later, at the earliest when they are due, once."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from subjects import KINDS, Kind, quiet, subject

import axon
from axon import Timeout, Timer, kill, normal
from axon.process import receive, runtime, spawn
from loops import a_loop


def now() -> float:
    return asyncio.get_running_loop().time()


async def stamps(into: list[tuple[object, float]], began: float) -> None:
    while True:
        into.append((await receive(), now() - began))


async def test_b58_a_timer_delivers_once_when_it_is_due() -> None:
    seen: list[tuple[object, float]] = []
    process = spawn(stamps, seen, now())
    axon.send_after(2.5, process, "later")
    axon.send_after(1, process, "sooner")
    await asyncio.sleep(10)
    assert seen == [("sooner", 1.0), ("later", 2.5)]
    axon.exit(process, kill)
    await quiet()


async def test_b58_zero_is_allowed_and_still_asynchronous() -> None:
    async with subject("plain") as target:
        axon.send_after(0, target.process, "hello")
        assert not target.process.waiting()
        await asyncio.sleep(0)
        assert target.seen == []
        await quiet()
        assert target.seen == ["hello"]


@pytest.mark.parametrize("wrong", [-1, -0.001, float("nan"), "1", None, True], ids=repr)
@pytest.mark.parametrize("arm", [axon.send_after, axon.start_timer])
async def test_b58_the_time_is_a_number_of_seconds(arm: Callable[..., Timer], wrong: object) -> None:
    async with subject() as target:
        with pytest.raises(axon.InvalidOption, match="seconds must be a number of seconds >= 0"):
            arm(wrong, target.process, "hello")
        await asyncio.sleep(10)
        assert target.seen == []


async def test_b59_cancelling_returns_the_seconds_left_or_none() -> None:
    """None if it has fired or was cancelled; after that its message may be in the mailbox, else it never comes."""
    async with subject() as target:
        fired, cancelled = (axon.send_after(seconds, target.process, seconds) for seconds in (1, 3))
        await asyncio.sleep(2)
        assert axon.cancel_timer(cancelled) == pytest.approx(1, abs=0.01)
        assert axon.cancel_timer(cancelled) is None
        assert axon.cancel_timer(fired) is None
        await asyncio.sleep(10)
        assert target.seen == [1]


async def test_b60_reading_a_timer_does_not_disturb_it() -> None:
    async with subject() as target:
        timer = axon.send_after(3, target.process, "hello")
        await asyncio.sleep(1)
        assert axon.read_timer(timer) == pytest.approx(2, abs=0.01)
        await asyncio.sleep(5)
        assert axon.read_timer(timer) is None
        assert target.seen == ["hello"]


async def test_b61_a_started_timer_shows_which_it_was() -> None:
    """So that a firing that was overtaken by its cancellation can be told apart."""
    async with subject() as target:
        stale = axon.start_timer(1, target.process, "tick")
        fresh = axon.start_timer(2, target.process, "tick")
        await asyncio.sleep(5)
        assert target.seen == [Timeout(stale, "tick"), Timeout(fresh, "tick")]
        assert stale is not fresh


async def test_b62_a_timer_aimed_at_a_process_ends_with_it() -> None:
    """Nothing of it stays: neither its time nor its message."""

    class Message:
        """Something that can be seen to be gone."""

    async with subject() as target:
        message = Message()
        gone = weakref.ref(message)
        timer = axon.send_after(86_400, target.process, message)
        del message
        axon.exit(target.process, kill)
        await quiet()
        gc.collect()
        assert (gone(), axon.read_timer(timer), axon.cancel_timer(timer)) == (None, None, None)
        assert axon.read_timer(axon.send_after(1, target.process, "too late")) is None


async def test_b62_a_name_is_looked_up_when_the_timer_fires() -> None:
    async with subject() as first, subject() as second:
        axon.register("target", first.process)
        axon.send_after(1, "target", "hello")
        axon.send_after(1, "nobody", "lost without a sound")
        axon.unregister("target")
        axon.register("target", second.process)
        await asyncio.sleep(2)
        assert (first.seen, second.seen) == ([], ["hello"])


async def test_b62_a_timer_aimed_at_a_handle_is_for_the_present_incarnation() -> None:
    """What a restarted server has to be reminded of, its `init` arms again; a name reaches whoever is there then."""
    seen: list[str] = []

    class Server(axon.GenServer[None]):
        def init(self) -> None: ...

        def handle_info(self, state: None, message: object) -> None:
            seen.append(cast("str", message))

    async with axon.Supervisor([axon.child(Server(), name="server")]) as sup:
        axon.send_after(1, sup.get(Server), "to the handle")
        axon.send_after(1, "server", "to the name")
        axon.exit("server", kill)
        await asyncio.sleep(2)
        assert seen == ["to the name"]


async def test_b63_a_timer_outlives_the_process_that_made_it() -> None:
    async with subject() as target:
        maker = spawn(_arms, target.process)
        assert (await axon.wait_down(maker)).reason is normal
        await asyncio.sleep(2)
        assert target.seen == ["hello"]


async def _arms(target: axon.Process) -> None:
    axon.send_after(1, target, "hello")


async def test_timers_due_together_fire_in_the_order_they_were_made() -> None:
    async with subject() as target:
        for n in range(50):
            axon.send_after(1, target.process, n)
        await asyncio.sleep(2)
        assert target.seen == list(range(50))


async def test_cancelled_timers_do_not_pile_up() -> None:
    """A heap of 10,000 that were armed and cancelled holds at most a few."""
    async with subject() as target:
        axon.send_after(3600, target.process, "the only one")
        for _ in range(10_000):
            axon.cancel_timer(axon.send_after(1800, target.process, "never"))
        assert len(runtime().timers) < 200
        assert target.process.timers is not None
        assert len(target.process.timers) == 1
        await asyncio.sleep(7200)
        assert target.process.timers == set()


async def test_timers_of_the_dead_do_not_pile_up() -> None:
    """What is in the heap for targets that have ended is at most as much as all the rest, and 64."""
    for _ in range(100):
        async with subject() as target:
            for _ in range(100):
                axon.send_after(3600, target.process, "never")
    assert len(runtime().timers) < 200


SECONDS = st.integers(0, 100_000).map(lambda ms: ms / 1000)


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 20.0]) | SECONDS, SECONDS, st.none() | SECONDS), max_size=30))
def test_timers_agree_with_a_sorted_list(plan: list[tuple[float, float, float | None]]) -> None:
    """Whatever is armed and cancelled, and when: what is due before its cancellation comes, in order of time."""
    seen: list[tuple[object, float]] = []

    async def main() -> None:
        loop, process = asyncio.get_running_loop(), spawn(stamps, seen, 0.0)

        def arm(n: int, at: float, seconds: float, cancel: float | None) -> None:
            timer = axon.send_after(seconds, process, n)
            if cancel is not None:
                loop.call_at(at + cancel, axon.cancel_timer, timer)

        for n, (at, seconds, cancel) in enumerate(plan):
            loop.call_at(at, arm, n, at, seconds, cancel)
        await asyncio.sleep(300)
        assert not len(runtime().timers)
        axon.exit(process, kill)
        await quiet()

    with asyncio.Runner(loop_factory=a_loop) as runner:
        runner.run(main())
    sure = {
        n: at + seconds for n, (at, seconds, cancel) in enumerate(plan) if cancel is None or at + cancel > at + seconds
    }
    tied = {n for n, (at, seconds, cancel) in enumerate(plan) if cancel is not None and at + cancel == at + seconds}
    came = {n: at for n, at in seen if n not in tied}
    assert came == sure
    assert [at for _, at in seen] == sorted(at for _, at in seen)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_due_together_comes_in_order_whatever_it_is(kind: Kind) -> None:
    """Messages, an exit signal as a message among them, for one process and another."""
    async with subject(kind, trapping=True) as first, subject(kind) as second:
        messages = [1, 2, axon.Exit(second.process, normal), 3, 4]
        for message in messages:
            axon.send_after(1, first.process, message)
        for message in (1, 2, 3):
            axon.send_after(1, second.process, message)
            axon.send_after(1, first.process, message)
        cancelled = axon.send_after(1, first.process, "never")
        axon.send_after(1, first.process, "last")
        axon.cancel_timer(cancelled)
        await asyncio.sleep(2)
        assert (first.seen, second.seen) == ([*messages, 1, 2, 3, "last"], [1, 2, 3])


async def test_timers_that_are_due_as_good_as_together_share_one_of_the_loops() -> None:
    """Each arming costs more than the timer; nobody is early for that, and nobody late by more than 10 µs."""
    loop = asyncio.get_running_loop()
    seen: list[tuple[object, float]] = []
    process = spawn(stamps, seen, loop.time())
    await asyncio.sleep(0)
    heap = runtime().timers
    axon.send_after(1.0, process, "last")
    armed = heap._armed
    for n in range(5):
        axon.send_after(1.0 - (n + 1) * 1e-6, process, n)
    assert heap._armed is armed
    axon.send_after(0.5, process, "much sooner")
    assert heap._armed is not armed
    await asyncio.sleep(2)
    assert [message for message, _ in seen] == ["much sooner", 4, 3, 2, 1, 0, "last"]
    assert all(1.0 - 1e-5 <= at <= 1.0 for _, at in seen[1:])
    axon.exit(process, kill)
    await quiet()


@pytest.mark.fifo("it counts turns of the loop, and in a simulation time stands still while somebody can run")
async def test_a_timer_of_zero_that_a_timer_arms_waits_for_the_next_turn() -> None:
    """Else two that arm each other would never let the loop go on."""
    seen: list[str] = []

    def again() -> None:
        seen.append("fired")
        if len(seen) < 3:
            runtime().timers.after(0, again)

    runtime().timers.after(0, again)
    counts: list[int] = []
    while len(seen) < 3:
        await asyncio.sleep(0)
        counts.append(len(seen))
    assert {1, 2} <= set(counts)


async def test_a_timer_that_raises_takes_no_other_with_it() -> None:
    """The loop hears of the error, and those due at the same time fire all the same."""
    loop, told = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    timers, seen = runtime().timers, list[int]()

    def fail() -> None:
        raise ZeroDivisionError

    async with subject() as target:
        timers.after(1, seen.append, 1)
        axon.send_after(1, target.process, "before")
        timers.after(1, fail)
        axon.send_after(1, target.process, "after")
        for n in range(2, 40):
            timers.after(1, seen.append, n)
        await asyncio.sleep(2)
        assert (seen, [type(error) for error in told]) == (list(range(1, 40)), [ZeroDivisionError])
        assert target.seen == ["before", "after"]


async def test_what_a_timer_cancels_does_not_fire_any_more_though_it_is_due_too() -> None:
    timers, seen = runtime().timers, list[str]()

    def cancel_all() -> None:
        for timer in others:
            timers.cancel(timer)

    timers.after(1, cancel_all)
    others = [timers.after(1, seen.append, "never") for _ in range(200)]
    others += [timers.after(3, seen.append, "never") for _ in range(200)]
    timers.after(2, seen.append, "later")
    await asyncio.sleep(5)
    assert seen == ["later"]
    assert (len(timers), timers._cancelled) == (0, 0)


async def test_many_due_at_once_leave_those_that_are_not() -> None:
    timers, seen = runtime().timers, list[int]()
    order = [(7 * n) % 1000 for n in range(1000)]
    for n in order:
        timers.after(1 if n < 500 else n, seen.append, n)
    await asyncio.sleep(1)
    await asyncio.sleep(0)
    assert seen == [n for n in order if n < 500]
    assert len(timers.pending()) == 500
    await asyncio.sleep(1000)
    assert seen[500:] == list(range(500, 1000))


async def test_what_fell_due_while_the_loop_was_blocked_comes_in_order_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, timers, seen = asyncio.get_running_loop(), runtime().timers, list[str]()
    timers.after(1, seen.append, "first")
    timers.after(4, seen.append, "armed early, due late")
    await asyncio.sleep(1.5)
    timers.after(2, seen.append, "armed late, due in between")
    timers.after(1, seen.append, "next")
    monkeypatch.setattr(timers, "time", lambda: loop.time() + 10)
    await asyncio.sleep(1)
    assert seen == ["first", "next", "armed late, due in between", "armed early, due late"]
