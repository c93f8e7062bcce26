"""Significant children: their end ends the supervisor, if it says so."""

from __future__ import annotations

import asyncio

import pytest
from parts import Boom, Log, at, branch, crash, end, part, settle, statuses, watching
from tenacity import wait_fixed

import axon
from axon import ExitReason, InvalidOption, Supervisor, child, normal, shutdown
from axon.supervisor import AutoShutdown, Restart


async def test_a65_never_is_the_default() -> None:
    assert Supervisor().auto_shutdown == "never"


@pytest.mark.parametrize(
    ("restart", "reason"),
    [("transient", normal), ("transient", shutdown("x")), ("temporary", normal), ("temporary", Boom())],
)
async def test_a66_any_significant_the_first_end_stops_the_others_in_reverse(
    restart: Restart, reason: ExitReason
) -> None:
    log = Log()
    children = [part("a", log), part("job", log, restart=restart, significant=True), part("c", log)]
    sup = await axon.start(Supervisor(children, auto_shutdown="any_significant"))
    down = await watching(sup)
    await settle()
    log.clear()
    await end(at(sup, "job"), reason)
    assert (await down).reason == shutdown
    assert log[1:] == ["stop c shutdown", "stop a shutdown"]


async def test_a66_the_end_of_one_that_is_not_significant_stops_nobody() -> None:
    log = Log()
    children = [
        part("a", log, restart="transient"),
        part("job", log, restart="transient", significant=True),
    ]
    async with Supervisor(children, auto_shutdown="any_significant") as sup:
        await end(at(sup, "a"))
        assert await statuses(sup) == {"a": "stopped", "job": "running"}


async def test_a67_a_significant_transient_that_crashes_is_restarted() -> None:
    log = Log()
    children = [part("job", log, restart="transient", significant=True)]
    async with Supervisor(children, auto_shutdown="any_significant") as sup:
        await crash(at(sup, "job"))
        assert await at(sup, "job").number() == 2


async def test_a68_all_significant_the_last_end_counts() -> None:
    log = Log()
    jobs = [part(label, log, restart="transient", significant=True) for label in ("one", "two")]
    sup = await axon.start(Supervisor([*jobs, part("other", log)], auto_shutdown="all_significant"))
    down = await watching(sup)
    await end(at(sup, "two"))
    assert await statuses(sup) == {"one": "running", "two": "stopped", "other": "running"}
    await end(at(sup, "one"))
    assert (await down).reason == shutdown
    assert log[-1] == "stop other shutdown"


async def test_a68_one_that_waits_for_its_restart_has_not_ended() -> None:
    log = Log()
    jobs = [
        part("one", log, restart="transient", significant=True, backoff=wait_fixed(10)),
        part("two", log, restart="transient", significant=True),
    ]
    async with Supervisor(jobs, auto_shutdown="all_significant") as sup:
        await crash(at(sup, "one"))
        await end(at(sup, "two"))
        assert await statuses(sup) == {"one": "restarting", "two": "stopped"}
        await asyncio.sleep(10)
        assert await at(sup, "one").number() == 2


async def test_a68_all_at_once() -> None:
    log = Log()
    jobs = [part(label, log, restart="temporary", significant=True) for label in ("one", "two")]
    sup = await axon.start(Supervisor(jobs, auto_shutdown="all_significant"))
    down = await watching(sup)
    await settle()
    at(sup, "one").end(normal)
    at(sup, "two").end(normal)
    assert (await down).reason == shutdown


async def test_a69_terminate_child_does_not_trigger() -> None:
    log = Log()
    children = [part("job", log, restart="transient", significant=True), part("a", log)]
    async with Supervisor(children, auto_shutdown="any_significant") as sup:
        await sup.terminate_child("job")
        await settle()
        assert await statuses(sup) == {"job": "stopped", "a": "running"}


async def test_a69_but_such_a_child_is_no_longer_waited_for() -> None:
    log = Log()
    jobs = [part(label, log, restart="transient", significant=True) for label in ("one", "two")]
    sup = await axon.start(Supervisor(jobs, auto_shutdown="all_significant"))
    down = await watching(sup)
    await sup.terminate_child("one")
    await end(at(sup, "two"))
    assert (await down).reason == shutdown


async def test_a69_nor_does_a_siblings_restart_trigger() -> None:
    log = Log()
    children = [part("job", log, restart="temporary", significant=True), part("a", log)]
    async with Supervisor(children, strategy="one_for_all", auto_shutdown="any_significant") as sup:
        await crash(at(sup, "a"))
        assert await statuses(sup) == {"a": "running"}


@pytest.mark.parametrize("auto_shutdown", ["any_significant", "all_significant"])
async def test_a70_a_permanent_child_cannot_be_significant(auto_shutdown: AutoShutdown) -> None:
    with pytest.raises(InvalidOption, match=r"significant must be .*, got: True"):
        part("a", Log(), significant=True)


async def test_a70_significant_needs_a_supervisor_that_cares() -> None:
    spec = part("job", Log(), restart="transient", significant=True)
    with pytest.raises(InvalidOption, match="auto_shutdown='never'"):
        Supervisor([spec])
    async with Supervisor() as sup:
        with pytest.raises(InvalidOption, match="auto_shutdown='never'"):
            await sup.start_child(spec)
        assert await sup.which_children() == []


async def test_a_significant_supervisor_that_gave_up_ends_its_parent() -> None:
    log = Log()
    inner = child(Supervisor([part("a", log)], max_restarts=0), id="inner", restart="transient", significant=True)
    sup = await axon.start(Supervisor([inner, part("b", log)], auto_shutdown="any_significant"))
    down = await watching(sup)
    await crash(at(branch(sup, "inner"), "a"))
    assert (await down).reason == shutdown
    assert log[-1] == "stop b shutdown"
