"""Death: one synchronous step, once, after which nobody can find the process alive."""

from __future__ import annotations

import asyncio
import logging

import pytest
from subjects import KINDS, Kind, quiet, subject

import axon
from axon import Down, Exit, ExitReason, kill, killed, normal, shutdown
from axon.process import receive, runtime, spawn
from axon.telemetry import ListenerFailed, ProcessCrashed, ProcessExited, attach

BOOM = RuntimeError("boom")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", [normal, shutdown, BOOM, kill], ids=repr)
async def test_b53_the_name_is_free_before_anybody_hears_of_the_death(kind: Kind, how: ExitReason) -> None:
    """On receipt of `Exit` and of `Down` the name can be taken again at once."""
    taken: list[object] = []

    async def heir() -> None:
        axon.process.trap_exit(True)
        axon.link("crown")
        axon.monitor("crown")
        taken.append(await receive())
        taken.append(axon.whereis("crown"))
        axon.register("crown", axon.current())
        taken.append(await receive())

    async with subject(kind) as king:
        axon.register("crown", king.process)
        process = spawn(heir)
        await quiet()
        if how is kill:
            axon.exit(king.process, kill)
        else:
            king.end(how)
        await axon.wait_down(process)
        reason = killed if how is kill else how
        down = taken[2]
        assert isinstance(down, Down)
        assert taken == [Exit(king.process, reason), None, Down(down.monitor, king.process, reason)]


async def test_a_death_is_over_when_the_call_that_caused_it_returns() -> None:
    """Killing an idle process: its name is free, its links and watchers have their messages, in the same step."""
    async with subject("plain") as idle, subject("plain") as peer, subject(trapping=True) as watcher:
        axon.register("idle", idle.process)
        peer.do(axon.link, idle.process)
        watcher.do(axon.link, idle.process)
        watcher.do(axon.monitor, idle.process)
        await quiet()
        axon.exit(idle.process, kill)
        assert axon.whereis("idle") is None
        assert axon.registered() == []
        assert (idle.process.reason, peer.process.reason) == (killed, killed)
        assert watcher.process.waiting() == 2


async def test_a_death_is_told_once() -> None:
    """Two reasons at the same time: the first one counts, and everybody hears only of that."""
    async with subject() as target, subject(trapping=True) as watcher:
        watcher.do(axon.link, target.process)
        watcher.do(axon.monitor, target.process)
        await quiet()
        axon.exit(target.process, shutdown)
        target.end(BOOM)
        axon.exit(target.process, kill)
        await quiet()
        assert [m.reason for m in watcher.seen if isinstance(m, Exit | Down)] == [killed, killed]


async def test_what_a_dead_process_had_goes_with_it() -> None:
    """No link, monitor, timer or message of it stays anywhere."""
    async with subject() as target, subject() as other:
        target.do(axon.link, other.process)
        target.do(axon.monitor, other.process)
        other.do(axon.monitor, target.process)
        timer = axon.send_after(60, target.process, "too late")
        await quiet()
        target.end(normal)
        await quiet()
        dead = target.process
        assert (dead.links, dead.monitors, dead.monitoring, dead.timers, dead.waiting()) == (None, None, None, None, 0)
        assert not other.process.links
        assert not other.process.monitors
        assert not other.process.monitoring
        assert axon.read_timer(timer) is None


@pytest.mark.parametrize("kind", KINDS)
async def test_an_end_is_one_event_and_a_crash_two(kind: Kind) -> None:
    events: list[object] = []
    detach = attach(events.append, ProcessExited, ProcessCrashed)
    async with subject(kind) as clean, subject(kind) as crashing:
        clean.end(normal)
        await quiet()
        crashing.end(BOOM)
        await quiet()
        exits = [(e.path, e.reason) for e in events if isinstance(e, ProcessExited)]
        crashes = [(e.path, e.reason, e.decision) for e in events if isinstance(e, ProcessCrashed)]
        assert exits == [(clean.process.path, normal), (crashing.process.path, BOOM)]
        assert crashes == [(crashing.process.path, BOOM, "none: it has no supervisor and stays down")]
    detach()


async def test_a_report_that_fails_does_not_stop_a_death(capsys: pytest.CaptureFixture[str]) -> None:
    """A log handler may be broken: whoever waits for the end hears of it all the same."""

    class Broken(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise OSError("the disk is full")

    broken = Broken()
    logging.getLogger("axon").addFilter(broken)
    try:
        async with subject() as target:
            down = asyncio.ensure_future(axon.wait_down(target.process))
            await quiet()
            target.end(BOOM)
            assert (await down).reason is BOOM
            assert "the disk is full" in capsys.readouterr().err
    finally:
        logging.getLogger("axon").removeFilter(broken)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_listener_may_pass_on_what_it_hears_of_a_death(kind: Kind) -> None:
    """It speaks in nobody's name, although it runs in the turn of the one that dies, whose messages are refused."""
    failed: list[ListenerFailed] = []
    async with subject() as alarm, subject(kind) as target:
        detach = attach(lambda event: axon.send(alarm.process, event.reason), ProcessCrashed)
        detach_too = attach(failed.append, ListenerFailed)
        target.end(BOOM)
        await quiet()
        assert (alarm.seen, failed) == ([BOOM], [])
        detach()
        detach_too()


async def test_nothing_is_left_in_the_runtime() -> None:
    home = runtime()
    async with subject() as one, subject("async") as two:
        axon.register("one", one.process)
        two.do(axon.link, one.process)
    assert (home.names, home.zombies) == ({}, {})
