"""Stopping: one child at a time, the last one first, each by the time its spec gives it."""

from __future__ import annotations

import asyncio

import pytest
from parts import (
    Boom,
    Finish,
    Log,
    Loose,
    Part,
    at,
    branch,
    breaks,
    crash,
    end,
    for_ever,
    lasts,
    now,
    part,
    settle,
    statuses,
    takes,
)

import axon
from axon import ExitReason, NoProcess, ServerDied, Supervisor, child, killed, normal, shutdown


async def reason_of(target: axon.process.Target) -> axon.ExitReason:
    return (await axon.wait_down(target)).reason


async def test_a14_children_stop_in_reverse_each_after_the_one_before_it_is_gone() -> None:
    log = Log()

    def slowly(label: str) -> Finish:
        async def finish(_: axon.ExitReason) -> None:
            await asyncio.sleep(1)
            log.append(f"gone {label} at {now():g}")

        return finish

    async with Supervisor([part(label, log, finish=slowly(label)) for label in "abc"]):
        log.clear()
    assert log == [
        "stop c shutdown",
        "gone c at 1",
        "stop b shutdown",
        "gone b at 2",
        "stop a shutdown",
        "gone a at 3",
    ]


async def test_a14_the_trees_inside_stop_in_their_place() -> None:
    log = Log()
    inner = child(Supervisor([part("b1", log), part("b2", log)]), id="b")
    async with Supervisor([part("a", log), inner, part("c", log)]):
        log.clear()
    assert log == ["stop c shutdown", "stop b2 shutdown", "stop b1 shutdown", "stop a shutdown"]


async def test_a12_a_child_that_unlinked_itself_dies_unnoticed_and_is_not_counted_as_active() -> None:
    """Its supervisor made the link; only the child itself can undo it."""
    log = Log()
    async with Supervisor([part("a", log)]) as sup:
        a = at(sup, "a")
        a.do(lambda: axon.unlink(sup))
        await settle()
        await crash(a)
        assert log.starts == {"a": 1}
        assert ((await sup.count_children()).specs, (await sup.count_children()).active) == (1, 0)
        await sup.terminate_child("a")
        await sup.restart_child("a")
        assert await a.number() == 2


async def test_a15_a_child_that_unlinked_itself_does_not_hang_its_supervisor() -> None:
    log = Log()
    async with Supervisor([part("a", log, Loose), part("b", log)]) as sup:
        for label in "ab":
            at(sup, label).do(lambda: axon.unlink(sup))
        await settle()
        log.clear()
    assert log == ["stop b shutdown"]
    assert now() < 0.01


async def test_a16_a_child_that_overruns_its_time_is_killed() -> None:
    log = Log()
    async with Supervisor([part("a", log, finish=lasts(60), shutdown=0.03)]) as sup:
        down = asyncio.create_task(reason_of(at(sup, "a")))
        await settle()
        log.clear()
        begun = now()
    assert await down == killed
    assert log == ["stop a shutdown"]  # begun, and not finished
    assert now() - begun == pytest.approx(0.03, abs=0.001)


async def test_a16_a_child_that_ends_in_time_is_not_killed() -> None:
    log = Log()
    async with Supervisor([part("a", log, finish=lasts(0.02), shutdown=0.03)]) as sup:
        down = asyncio.create_task(reason_of(at(sup, "a")))
        await settle()
    assert await down == shutdown


async def test_a17_a_shutdown_time_of_zero_is_legal() -> None:
    log = Log()
    async with Supervisor([part("a", log, shutdown=0, finish=lasts(60)), part("b", log, Loose, shutdown=0)]) as sup:
        downs = [asyncio.create_task(reason_of(at(sup, label))) for label in "ab"]
        await settle()
        begun = now()
    assert [await down for down in downs] == [killed, shutdown]
    assert now() - begun < 0.001


async def test_a18_brutal_kill_asks_nobody() -> None:
    log = Log()
    async with Supervisor([part("a", log, shutdown="brutal_kill")]) as sup:
        down = asyncio.create_task(reason_of(at(sup, "a")))
        await settle()
    assert await down == killed
    assert log == ["start a"]


async def test_a19_infinity_waits_as_long_as_it_takes() -> None:
    log = Log()
    async with Supervisor([part("a", log, finish=lasts(24 * 3600), shutdown="infinity")]) as sup:
        down = asyncio.create_task(reason_of(at(sup, "a")))
        await settle()
    assert await down == shutdown
    assert now() >= 24 * 3600


async def test_a20_a_worker_has_five_seconds() -> None:
    async with Supervisor([part("a", Log(), finish=for_ever)]) as sup:
        down = asyncio.create_task(reason_of(at(sup, "a")))
        await settle()
        begun = now()
    assert await down == killed
    assert now() - begun == pytest.approx(5, abs=0.001)


async def test_a20_a_supervisor_has_no_limit() -> None:
    log = Log()
    inner = child(Supervisor([part(label, log, finish=lasts(4)) for label in "abc"]), id="inner")
    async with Supervisor([inner]) as sup:
        down = asyncio.create_task(reason_of(branch(sup, "inner")))
        await settle()
    assert await down == shutdown
    assert now() >= 12


async def test_a21_a_child_that_does_not_trap_exits_dies_at_once_whatever_its_time() -> None:
    log = Log()
    children = [part("idle", log, Loose, shutdown="infinity"), part("busy", log, Loose, shutdown="infinity")]
    async with Supervisor(children) as sup:
        downs = [asyncio.create_task(reason_of(at(sup, label))) for label in ("idle", "busy")]
        at(sup, "busy").do(for_ever)
        await settle()
        log.clear()
    assert [await down for down in downs] == [shutdown, shutdown]
    assert log == []
    assert now() < 0.01


async def test_a22_a_child_that_ends_badly_during_the_stop_does_not_change_its_supervisors_reason() -> None:
    log = Log()
    inner = child(Supervisor([part("a", log), part("b", log, finish=breaks)]), id="inner")
    async with Supervisor([inner]) as sup:
        down = asyncio.create_task(reason_of(branch(sup, "inner")))
        await settle()
        log.clear()
    assert await down == shutdown
    assert log == ["stop b shutdown", "stop a shutdown"]


@pytest.mark.parametrize("reason", [normal, shutdown, shutdown("x"), Boom()])
async def test_a23_a_supervisor_follows_its_parent_whatever_the_reason(reason: ExitReason) -> None:
    log = Log()
    handle = asyncio.get_running_loop().create_future()

    async def parent() -> None:
        handle.set_result(await axon.start_link(Supervisor([part("a", log), part("b", log)])))
        await asyncio.sleep(1)
        if reason != normal:
            axon.exit(axon.current(), reason)
            await for_ever()

    axon.process.spawn(parent)
    assert await reason_of(await handle) == reason
    assert log == ["start a", "start b", "stop b shutdown", "stop a shutdown"]


@pytest.mark.parametrize("reason", [normal, shutdown, Boom(), killed])
async def test_a24_a_signal_of_a_stranger_is_dropped(reason: ExitReason) -> None:
    log = Log()
    async with Supervisor([part("a", log)]) as sup:
        axon.exit(sup, reason)  # from a plain coroutine
        stranger = await axon.start(Part("stranger", Log()))
        stranger.do(lambda: axon.exit(sup, reason))
        await settle()
        assert await statuses(sup) == {"a": "running"}
        assert log == ["start a"]
        await axon.stop(stranger)


async def test_a24_nor_does_the_signal_of_a_living_child_pass_for_its_death() -> None:
    log = Log()
    async with Supervisor([part("a", log)]) as sup:
        before = axon.whereis(at(sup, "a"))
        at(sup, "a").do(lambda: axon.exit(sup, Boom()))
        await settle()
        assert axon.whereis(at(sup, "a")) is before
        assert log == ["start a"]


async def test_a25_a_killed_supervisor_leaves_no_orphan() -> None:
    log = Log()
    inner = child(Supervisor([part("d", log), part("e", log)]), id="deep")
    tree = Supervisor([part("trapping", log), part("loose", log, Loose), inner])
    async with Supervisor([child(tree, id="target", restart="temporary")]) as outer:
        sup = branch(outer, "target")
        targets: list[axon.process.Target] = [at(sup, "trapping"), at(sup, "loose"), branch(sup, "deep")]
        downs = [asyncio.create_task(reason_of(target)) for target in targets]
        await settle()
        log.clear()
        axon.exit(sup, axon.kill)
        await settle()
        assert [await down for down in downs] == [killed, killed, killed]
        assert sorted(log) == ["stop d shutdown", "stop e shutdown", "stop trapping killed"]
        assert log.index("stop e shutdown") < log.index("stop d shutdown")


async def test_a25_also_one_that_is_killed_while_it_starts() -> None:
    log = Log()
    starting = asyncio.create_task(
        axon.start(Supervisor([part("a", log), part("b", log, begin=takes(60))]), name="app")
    )
    await settle()
    axon.exit("app", axon.kill)
    with pytest.raises(axon.StartFailed) as failed:
        await starting
    await settle()
    assert failed.value.reason == killed
    assert log == ["start a", "start b", "stop a killed"]


@pytest.mark.parametrize("reason", [normal, shutdown, shutdown("done"), Boom()])
async def test_a26_stop_returns_when_the_tree_is_gone_with_the_reason_asked_for(reason: ExitReason) -> None:
    log = Log()
    sup = await axon.start(Supervisor([part("a", log, finish=lasts(1)), part("b", log, finish=lasts(1))]))
    log.clear()
    down = asyncio.create_task(reason_of(sup))
    await settle()
    await axon.stop(sup, reason)
    assert (await down, now() >= 2) == (reason, True)
    assert log == ["stop b shutdown", "stop a shutdown"]


async def test_a26_stopping_a_dead_supervisor_is_an_error() -> None:
    sup = await axon.start(Supervisor())
    await axon.stop(sup)
    with pytest.raises(NoProcess):
        await axon.stop(sup)


async def test_a26_a_supervisor_that_ends_otherwise_meanwhile_is_an_error_with_its_reason() -> None:
    sup = await axon.start(Supervisor([part("a", Log(), finish=lasts(1))]))
    stopping = asyncio.create_task(axon.stop(sup))
    await settle()
    axon.exit(sup, axon.kill)
    with pytest.raises(ServerDied) as died:
        await stopping
    assert died.value.reason == killed
    await asyncio.sleep(1)


async def test_a27_a_child_that_crashes_while_its_supervisor_stops_is_not_started_again() -> None:
    log = Log()
    async with Supervisor([part("a", log), part("b", log), part("c", log, finish=lasts(1))]) as sup:
        a, b = at(sup, "a"), at(sup, "b")
        asyncio.get_running_loop().call_later(0.5, a.crash, Boom())
        asyncio.get_running_loop().call_later(0.6, b.end, normal)
        log.clear()
    assert log == ["stop c shutdown", "stop a Boom", "stop b normal"]


async def test_a28_a_supervisor_killed_in_the_middle_of_its_stop_leaves_no_orphan() -> None:
    log = Log()
    sup = await axon.start(Supervisor([part("a", log), part("b", log, Loose), part("c", log, finish=lasts(1))]))
    downs = {label: asyncio.create_task(reason_of(at(sup, label))) for label in "abc"}
    await settle()
    log.clear()
    stopping = asyncio.create_task(axon.stop(sup))
    await settle()
    axon.exit(sup, axon.kill)
    with pytest.raises(ServerDied):
        await stopping
    assert {label: await down for label, down in downs.items()} == {"a": killed, "b": killed, "c": shutdown}
    assert log == ["stop c shutdown", "stop a killed"]


async def test_a_child_brought_back_stops_in_its_old_place() -> None:
    log = Log()
    async with Supervisor([part(label, log) for label in "abc"]) as sup:
        await crash(at(sup, "a"))
        await end(at(sup, "b"))
        log.clear()
    assert log == ["stop c shutdown", "stop b shutdown", "stop a shutdown"]
