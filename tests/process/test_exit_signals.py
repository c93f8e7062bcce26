"""Exit signals: who dies of which reason, and who only hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Literal

import pytest
from subjects import KINDS, Kind, Subject, quiet, subject

import axon
from axon import Exit, ExitReason, Process, Reason, kill, killed, noproc, normal, shutdown
from axon.process import receive, spawn, trap_exit

BOOM = RuntimeError("boom")
UNTIDY = ValueError("the cleanup failed")
REASONS: tuple[ExitReason, ...] = (normal, shutdown, shutdown("deploy"), BOOM, noproc, killed, kill)


# -- the ways a signal arrives: each brings `reason` to the target and returns whom the target sees as its sender


async def from_a_process(target: Subject, reason: ExitReason, stack: AsyncExitStack) -> Process | None:
    sender = await stack.enter_async_context(subject())
    sender.do(axon.exit, target.process, reason)
    return sender.process


async def from_a_coroutine(target: Subject, reason: ExitReason, stack: AsyncExitStack) -> Process | None:
    axon.exit(target.process, reason)
    return None


async def from_itself(target: Subject, reason: ExitReason, stack: AsyncExitStack) -> Process | None:
    target.do(axon.exit, target.process, reason)
    return target.process


async def linked_peer_ends(target: Subject, reason: ExitReason, stack: AsyncExitStack) -> Process | None:
    peer = await stack.enter_async_context(subject("plain"))
    peer.do(axon.link, target.process)
    peer.end(reason)
    return peer.process


async def linked_peer_is_signalled(target: Subject, reason: ExitReason, stack: AsyncExitStack) -> Process | None:
    peer = await stack.enter_async_context(subject())
    peer.do(axon.link, target.process)
    await quiet()
    axon.exit(peer.process, reason)
    return peer.process


Way = Callable[[Subject, ExitReason, AsyncExitStack], Awaitable[Process | None]]
WAYS: tuple[Way, ...] = (
    from_a_process,
    from_a_coroutine,
    from_itself,
    linked_peer_ends,
    linked_peer_is_signalled,
)


def expected(way: Way, reason: ExitReason, trapping: bool) -> tuple[Literal["lives", "hears", "dies"], ExitReason]:
    """The matrix of rule C1."""
    if way is linked_peer_is_signalled:
        if reason == normal:
            return "lives", normal  # the peer ignores it, and so nobody ends
        reason = killed if reason is kill else reason
    elif reason is kill and way is not linked_peer_ends:
        return "dies", killed
    if trapping:
        return "hears", reason
    if reason == normal and way is not from_itself:
        return "lives", normal
    return "dies", reason


@pytest.mark.parametrize("reason", REASONS, ids=repr)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("trapping", [False, True], ids=["", "trapping"])
@pytest.mark.parametrize("kind", KINDS)
async def test_c1_matrix(kind: Kind, trapping: bool, way: Way, reason: ExitReason) -> None:
    async with AsyncExitStack() as stack:
        target = await stack.enter_async_context(subject(kind, trapping=trapping))
        sender = await way(target, reason, stack)
        await quiet()
        outcome, with_reason = expected(way, reason, trapping)
        if outcome == "dies":
            assert target.process.reason is with_reason
        else:
            assert target.process.reason is None
            assert target.seen == ([Exit(sender, with_reason)] if outcome == "hears" else [])


async def test_c2_a_kill_does_not_spread_as_kill() -> None:
    """The one that was killed, everyone linked to it and everyone watching it all show `killed`, never `kill`."""
    async with subject() as victim, subject() as peer, subject(trapping=True) as trapper, subject() as watcher:
        for linked in (peer, trapper):
            linked.do(axon.link, victim.process)
        watcher.do(axon.monitor, victim.process)
        await quiet()
        axon.exit(victim.process, kill)
        await quiet()
        assert victim.process.reason is killed
        assert peer.process.reason is killed
        assert trapper.seen == [Exit(victim.process, killed)]
        assert [down.reason for down in watcher.seen if isinstance(down, axon.Down)] == [killed]


async def test_c2_an_equal_reason_is_as_good_as_the_constant() -> None:
    """A reason that was copied or made anew is the same reason: `Reason("kill")` kills."""
    async with subject(trapping=True) as target:
        axon.exit(target.process, Reason("kill"))
        await quiet()
        assert target.process.reason == killed


async def test_c3_a_normal_end_does_not_hurt_a_linked_peer() -> None:
    async with subject("plain") as peer, subject() as target:
        target.do(axon.link, peer.process)
        await quiet()
        peer.end(normal)
        await quiet()
        assert (peer.process.reason, target.process.reason) == (normal, None)


async def test_c10_trapping_holds_for_signals_from_then_on_and_returns_the_old_value() -> None:
    old: list[bool] = []
    async with subject() as target:
        target.do(lambda: old.append(trap_exit(True)))
        await quiet()
        axon.exit(target.process, shutdown)
        target.do(lambda: old.append(trap_exit(False)))
        await quiet()
        assert (old, target.seen) == ([False, True], [Exit(None, shutdown)])
        axon.exit(target.process, shutdown)
        await quiet()
        assert target.process.reason is shutdown


async def test_c11_a_signal_to_a_dead_process_or_unknown_name_is_no_error() -> None:
    async with subject() as target:
        axon.exit(target.process, kill)
        await quiet()
        axon.exit(target.process, shutdown)
        axon.exit("nobody", shutdown)
        assert target.process.reason is killed


@pytest.mark.parametrize("kind", ["inbox", "async"])
async def test_c23_a_lethal_signal_interrupts_the_running_code(kind: Kind) -> None:
    """It ends at its next await: what comes after is never run."""
    steps: list[str] = []

    async def long_work() -> None:
        steps.append("begun")
        try:
            await asyncio.sleep(60)
        finally:
            steps.append("cleaned up")
        steps.append("never")

    class Worker(axon.GenServer[None]):
        async def init(self) -> None:
            axon.continue_with("work")

        async def handle_continue(self, state: None, continuation: object) -> None:
            await long_work()

    process = spawn(long_work) if kind == "inbox" else axon.whereis(await axon.start(Worker()))
    assert process is not None
    await quiet()
    axon.exit(process, BOOM)
    await quiet()
    assert process.reason is BOOM
    assert steps == ["begun", "cleaned up"]


async def test_c24_a_trapping_process_is_not_interrupted() -> None:
    """The signal waits its turn in the mailbox: the running handler ends in peace, earlier messages come first."""
    seen: list[object] = []

    async def worker() -> None:
        trap_exit(True)
        while True:
            message = await receive()
            await asyncio.sleep(1)
            seen.append(message)
            if isinstance(message, Exit):
                return

    process = spawn(worker)
    await quiet()
    for message in ("m1", "m2"):
        axon.send(process, message)
    axon.exit(process, shutdown)
    axon.send(process, "m3")
    await axon.wait_down(process)
    assert seen == ["m1", "m2", Exit(None, shutdown)]


async def test_c24_kill_interrupts_a_trapping_process() -> None:
    async with subject("async", trapping=True) as target:
        axon.exit(target.process, kill)
        await quiet()
        assert target.process.reason is killed
        assert target.seen == []


async def test_an_orderly_exit_cancels_once_so_that_cleanup_can_await() -> None:
    """A second signal neither aborts the cleanup nor changes the reason."""
    steps: list[str] = []

    async def tidy() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(5)
            steps.append("cleaned up")

    process = spawn(tidy)
    await quiet()
    axon.exit(process, shutdown)
    await asyncio.sleep(1)
    axon.exit(process, BOOM)
    down = await axon.wait_down(process)
    assert (down.reason, steps) == (shutdown, ["cleaned up"])


async def test_a_kill_overrides_an_orderly_exit_under_way() -> None:
    steps: list[str] = []

    async def slow_to_tidy() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(60)
            steps.append("cleaned up")

    process = spawn(slow_to_tidy)
    await quiet()
    axon.exit(process, shutdown)
    await asyncio.sleep(1)
    axon.exit(process, kill)
    down = await axon.wait_down(process)
    assert (down.reason, steps) == (killed, [])


@pytest.mark.parametrize(("asked", "expected"), [(shutdown, UNTIDY), (BOOM, BOOM), (kill, killed)])
@pytest.mark.parametrize("kind", ["inbox", "async"])
async def test_a_failing_cleanup_is_the_reason_only_of_an_exit_that_was_orderly(
    kind: Kind, asked: ExitReason, expected: ExitReason
) -> None:
    async def untidy() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise UNTIDY

    class Untidy(axon.GenServer[None]):
        async def init(self) -> None:
            axon.continue_with("work")

        async def handle_continue(self, state: None, continuation: object) -> None:
            await untidy()

    process = spawn(untidy) if kind == "inbox" else axon.whereis(await axon.start(Untidy()))
    assert process is not None
    await quiet()
    axon.exit(process, asked)
    await quiet()
    assert process.reason is expected


async def test_an_exit_whose_cancel_was_swallowed_ends_the_process_at_its_next_receive() -> None:
    """A message that waits is not handed out any more."""
    seen: list[object] = []

    async def deaf() -> None:
        while True:
            try:
                seen.append(await receive())
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass

    process = spawn(deaf)
    await quiet()
    axon.send(process, "first")
    await quiet()
    axon.send(process, "second")
    axon.exit(process, shutdown)
    await quiet()
    assert (process.reason, seen) == (shutdown, ["first"])


@pytest.mark.parametrize("wrong", ["boom", None, ValueError, 7], ids=repr)
async def test_only_a_reason_or_an_exception_can_be_sent(wrong: object) -> None:
    async with subject() as target:
        with pytest.raises(axon.InvalidOption, match="reason must be normal, shutdown"):
            axon.exit(target.process, wrong)  # type: ignore[arg-type]  # the point
        assert target.process.reason is None
