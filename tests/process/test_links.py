"""Links: two processes that share their fate."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from itertools import pairwise

import pytest
from subjects import KINDS, Kind, quiet, subject

import axon
from axon import Exit, kill, killed, noproc, normal, shutdown
from axon.process import receive, spawn, spawn_link

BOOM = RuntimeError("boom")


@pytest.mark.parametrize("kind", KINDS)
async def test_c4_a_chain_of_links_dies_of_the_first_reason(kind: Kind) -> None:
    async with AsyncExitStack() as stack:
        chain = [await stack.enter_async_context(subject(kind)) for _ in range(10)]
        for left, right in pairwise(chain):
            left.do(axon.link, right.process)
        await quiet()
        chain[4].end(BOOM)
        await quiet()
        assert {id(member.process.reason) for member in chain} == {id(BOOM)}


async def test_c4_a_long_chain_needs_no_recursion() -> None:
    """1,200 idle servers in one chain of links end in one go."""

    class Idle(axon.GenServer[None]):
        def init(self) -> None: ...

        def handle_info(self, state: None, message: object) -> None:
            assert isinstance(message, axon.Process)
            axon.link(message)

    chain = [axon.whereis(await axon.start(Idle())) for _ in range(1200)]
    for left, right in pairwise(chain):
        assert left is not None
        axon.send(left, right)
    await quiet()
    assert chain[0] is not None
    axon.exit(chain[0], shutdown)
    assert all(process is not None and process.reason is shutdown for process in chain)


async def test_c4_a_trapping_process_stops_the_spread() -> None:
    async with subject() as first, subject(trapping=True) as second, subject() as third:
        second.do(axon.link, first.process)
        second.do(axon.link, third.process)
        await quiet()
        first.end(BOOM)
        await quiet()
        assert second.seen == [Exit(first.process, BOOM)]
        assert third.process.reason is None


async def test_c6_a_link_works_both_ways() -> None:
    for ends in (0, 1):
        async with subject() as a, subject() as b:
            a.do(axon.link, b.process)
            await quiet()
            (a, b)[ends].end(BOOM)
            await quiet()
            assert (a.process.reason, b.process.reason) == (BOOM, BOOM)


async def test_c6_linking_twice_is_one_link() -> None:
    """A trapping peer hears once, and one unlink removes it, from either side."""
    async with subject() as a, subject(trapping=True) as b, subject(trapping=True) as c:
        for peer in (b, c):
            a.do(axon.link, peer.process)
            peer.do(axon.link, a.process)
        await quiet()
        c.do(axon.unlink, a.process)
        await quiet()
        a.end(BOOM)
        await quiet()
        assert b.seen == [Exit(a.process, BOOM)]
        assert c.seen == []


async def test_c7_after_unlink_no_signal_of_that_peer_arrives() -> None:
    async with subject() as a, subject() as b:
        a.do(axon.link, b.process)
        await quiet()

        def unlink_and_fail() -> None:
            axon.unlink(b.process)
            raise BOOM

        a.do(unlink_and_fail)
        await quiet()
        assert (a.process.reason, b.process.reason) == (BOOM, None)


async def test_c7_unlink_leaves_an_exit_that_is_in_the_mailbox() -> None:
    seen: list[object] = []

    async def parent() -> None:
        axon.process.trap_exit(True)
        child = spawn_link(nothing)
        await asyncio.sleep(1)
        axon.unlink(child)
        seen.extend([await receive(), child])

    async def nothing() -> None: ...

    await axon.wait_down(spawn(parent))
    assert seen == [Exit(seen[1], normal), seen[1]]  # type: ignore[arg-type]  # a Process


async def test_c8_linking_to_a_dead_process_is_never_silent() -> None:
    """A trapping process gets an `Exit` with `noproc` from it, any other gets `NoProcess` raised."""
    async with subject() as dead, subject(trapping=True) as trapper, subject() as other:
        axon.exit(dead.process, kill)
        await quiet()
        for one in (trapper, other):
            one.do(axon.link, dead.process)
            one.do(axon.link, "nobody")
        await quiet()
        assert trapper.seen == [Exit(dead.process, noproc), Exit(None, noproc)]
        assert isinstance(other.process.reason, axon.NoProcess)


async def test_c9_linking_to_oneself_does_nothing() -> None:
    async with subject(trapping=True) as target:
        target.do(axon.link, target.process)
        await quiet()
        assert not target.process.links
        target.end(BOOM)
        await quiet()
        assert (target.process.reason, target.seen) == (BOOM, [])


async def test_c22_spawn_link_has_no_window_without_the_link() -> None:
    """A child that is killed before its first step takes its parent along."""

    async def parent() -> None:
        axon.exit(spawn_link(receive), kill)
        await asyncio.sleep(60)

    assert (await axon.wait_down(spawn(parent))).reason is killed


async def test_a_link_may_be_made_by_name_or_handle() -> None:
    """It holds for the process that is there now."""

    class Idle(axon.GenServer[None]):
        def init(self) -> None: ...

    server = await axon.start(Idle(), name="idle")
    async with subject() as by_name, subject() as by_handle:
        by_name.do(axon.link, "idle")
        by_handle.do(axon.link, server)
        await quiet()
        axon.exit("idle", BOOM)
        await quiet()
        assert (by_name.process.reason, by_handle.process.reason) == (BOOM, BOOM)


async def test_only_a_process_can_link() -> None:
    async with subject() as target:
        for function in (axon.link, axon.unlink):
            with pytest.raises(axon.NotInProcess, match=r"link\(\) acts for the calling process"):
                function(target.process)
