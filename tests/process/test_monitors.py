"""Monitors: being told of a death, once, without sharing it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from subjects import KINDS, Kind, Subject, quiet, subject

import axon
from axon import Down, Exit, ExitReason, Monitor, kill, killed, noproc, normal, shutdown
from axon.process import receive, spawn, spawn_monitor

BOOM = RuntimeError("boom")


def watch(watcher: Subject, target: axon.process.Target) -> list[Monitor]:
    """Have `watcher` monitor `target`; the monitor is in the list once it has."""
    made: list[Monitor] = []
    watcher.do(lambda: made.append(axon.monitor(target)))
    return made


@pytest.mark.parametrize("kind", KINDS)
async def test_c12_a_down_tells_the_monitor_the_process_and_the_reason(kind: Kind) -> None:
    async with subject(kind) as watcher, subject(kind) as target:
        made = watch(watcher, target.process)
        await quiet()
        target.end(BOOM)
        await quiet()
        assert watcher.seen == [Down(made[0], target.process, BOOM)]
        assert made[0].target is target.process


async def test_c12_a_monitor_by_name_shows_the_name() -> None:
    async with subject() as watcher, subject() as target:
        axon.register("target", target.process)
        made = watch(watcher, "target")
        await quiet()
        axon.exit("target", shutdown)
        await quiet()
        assert watcher.seen == [Down(made[0], target.process, shutdown)]
        assert made[0].target == "target"


@pytest.mark.parametrize("kind", KINDS)
async def test_c13_monitoring_nobody_gives_a_down_at_once(kind: Kind) -> None:
    """A dead process, an unknown name: `Down` with `noproc`, as a message."""
    async with subject(kind) as watcher, subject() as dead:
        axon.exit(dead.process, kill)
        await quiet()
        made = [*watch(watcher, dead.process), *watch(watcher, "nobody")]
        watcher.do(lambda: made.extend([axon.monitor(dead.process), axon.monitor("nobody")]))
        await quiet()
        assert [down.reason for down in watcher.seen if isinstance(down, Down)] == [noproc] * 4
        assert {down.monitor for down in watcher.seen if isinstance(down, Down)} >= set(made)


@pytest.mark.parametrize("kind", KINDS)
async def test_c14_three_monitors_give_three_downs(kind: Kind) -> None:
    async with subject(kind) as watcher, subject(kind) as target:
        made = [watch(watcher, target.process) for _ in range(3)]
        await quiet()
        axon.exit(target.process, kill)
        await quiet()
        assert watcher.seen == [Down(one[0], target.process, killed) for one in made]


async def test_c15_a_monitor_is_one_way() -> None:
    """The watcher's end neither hurts nor tells the target, and leaves nothing behind in it."""
    async with subject() as watcher, subject(trapping=True) as target:
        watch(watcher, target.process)
        await quiet()
        watcher.end(BOOM)
        await quiet()
        assert (target.process.reason, target.seen) == (None, [])
        assert not target.process.monitors


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flush", [False, True])
async def test_c16_demonitor_leaves_a_down_in_the_mailbox_unless_flushed(kind: Kind, flush: bool) -> None:
    """Other messages stay, whatever they are."""
    answers: list[bool] = []
    neighbours: list[object] = [(), (1, 2), (None, "mail", None, None), "mail"]
    async with subject(kind) as watcher, subject("plain") as target, subject("plain") as other:
        made = watch(watcher, target.process)
        others = watch(watcher, other.process)
        await quiet()

        def drop_after_the_down_has_come() -> None:
            for neighbour in neighbours:
                axon.send(axon.current(), neighbour)
            axon.exit(target.process, shutdown)
            axon.exit(other.process, shutdown)
            answers.append(axon.demonitor(made[0], flush=flush))

        watcher.do(drop_after_the_down_has_come)
        await quiet()
        downs = [Down(made[0], target.process, shutdown), Down(others[0], other.process, shutdown)]
        assert watcher.seen == [*neighbours, *(downs[1:] if flush else downs)]
        assert answers == [False]


@pytest.mark.parametrize("flush", [False, True])
async def test_c16_demonitor_stops_a_down_to_come(flush: bool) -> None:
    answers: list[bool] = []
    async with subject() as watcher, subject() as target:
        made = watch(watcher, target.process)
        await quiet()
        watcher.do(lambda: answers.append(axon.demonitor(made[0], flush=flush)))
        watcher.do(lambda: answers.append(axon.demonitor(made[0], flush=flush)))
        await quiet()
        target.end(BOOM)
        await quiet()
        assert watcher.seen == []
        assert answers == [True, False]  # C17: whether it was still active


@pytest.mark.parametrize("flush", [False, True])
async def test_c17_demonitor_tells_whether_the_down_was_still_to_come(flush: bool) -> None:
    answers: list[bool] = []
    async with subject() as watcher, subject() as target, subject() as dead:
        ended, runs = watch(watcher, dead.process), watch(watcher, target.process)
        await quiet()
        axon.exit(dead.process, kill)
        await quiet()
        watcher.do(lambda: answers.extend(axon.demonitor(monitor, flush=flush) for monitor in [*ended, *runs]))
        await quiet()
        assert answers == [False, True]


@pytest.mark.parametrize("kind", KINDS)
async def test_c18_what_the_target_sent_before_its_end_arrives_before_the_down(kind: Kind) -> None:
    async with subject(kind) as watcher, subject(kind) as target:
        watch(watcher, target.process)
        await quiet()

        def say_goodbye() -> None:
            for n in range(100):
                axon.send(watcher.process, n)
            raise BOOM

        target.do(say_goodbye)
        await quiet()
        assert watcher.seen[:-1] == list(range(100))
        assert isinstance(watcher.seen[-1], Down)


async def test_c19_the_exit_of_a_link_comes_before_the_down() -> None:
    """Whichever was made first."""
    async with subject(trapping=True) as watcher, subject() as target:
        made = watch(watcher, target.process)
        watcher.do(axon.link, target.process)
        await quiet()
        target.end(BOOM)
        await quiet()
        assert watcher.seen == [Exit(target.process, BOOM), Down(made[0], target.process, BOOM)]


async def test_c20_monitoring_oneself_never_gives_a_down() -> None:
    answers: list[bool] = []
    async with subject() as target:
        made = watch(target, target.process)
        await quiet()
        target.do(lambda: answers.append(axon.demonitor(made[0])))
        await quiet()
        target.end(BOOM)
        await quiet()
        assert target.seen == []
        assert answers == [False], "there was nothing to watch"


async def runs_out() -> None: ...


async def fails() -> None:
    raise BOOM


async def ends_itself() -> None:
    axon.exit(axon.current(), shutdown)
    await asyncio.sleep(60)


async def waits() -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("body", "signal", "reason"),
    [
        (runs_out, None, normal),
        (fails, None, BOOM),
        (ends_itself, None, shutdown),
        (waits, shutdown, shutdown),
        (waits, kill, killed),
    ],
)
@pytest.mark.parametrize("at", ["before its first step", "later"])
async def test_c21_every_way_of_dying_gives_a_down(
    body: Callable[[], Coroutine[Any, Any, None]], signal: ExitReason | None, reason: ExitReason, at: str
) -> None:
    downs: list[object] = []

    async def watcher() -> None:
        process, _ = spawn_monitor(body)
        if at == "later":
            await asyncio.sleep(0.001)
        if signal is not None:
            axon.exit(process, signal)
        downs.append(await receive(timeout=1))

    await axon.wait_down(spawn(watcher))
    assert [down.reason for down in downs if isinstance(down, Down)] == [reason]


async def test_c22_spawn_monitor_has_no_window_without_the_monitor() -> None:
    """A child that is killed before its first step still gives its Down, with the true reason."""
    seen: list[object] = []

    async def watcher() -> None:
        process, monitor = spawn_monitor(receive)
        axon.exit(process, kill)
        seen.extend([await receive(), Down(monitor, process, killed)])

    await axon.wait_down(spawn(watcher))
    assert seen[0] == seen[1]


async def test_a_plain_coroutine_waits_for_a_death_with_wait_down() -> None:
    async with subject() as target:
        waiting = asyncio.ensure_future(axon.wait_down(target.process))
        await quiet()
        target.end(BOOM)
        down = await waiting
        assert (down.process, down.reason) == (target.process, BOOM)
        assert (await axon.wait_down(target.process)).reason is noproc  # nobody is there any more
        assert (await axon.wait_down("nobody")).reason is noproc


async def test_a_wait_that_was_given_up_leaves_nothing_behind() -> None:
    async with subject() as target:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await axon.wait_down(target.process)
        assert not target.process.monitors


async def test_only_a_process_can_monitor() -> None:
    async with subject() as target:
        with pytest.raises(axon.NotInProcess, match=r"await axon\.wait_down"):
            axon.monitor(target.process)
