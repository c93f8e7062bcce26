"""Children that do not end when they should: nothing hangs a supervisor's stop."""

from __future__ import annotations

import asyncio

import pytest
from parts import (
    Log,
    Loose,
    Part,
    Stubborn,
    at,
    branch,
    crash,
    fails_on,
    for_ever,
    lasts,
    now,
    part,
    settle,
    statuses,
    takes,
    watching,
)

import axon
from axon import Supervisor, child, killed
from axon.process import KILL_GRACE, runtime
from axon.supervisor import Shutdown
from axon.telemetry import ZombieDeclared

AGES = 10**6


@pytest.fixture
def stubborn() -> Stubborn:
    return Stubborn()


async def test_a_child_that_hangs_in_terminate_is_killed_when_its_time_is_over() -> None:
    log = Log()
    async with Supervisor([part("a", log, finish=for_ever), part("b", log, finish=for_ever, shutdown=2)]):
        log.clear()
    assert log == ["stop b shutdown", "stop a shutdown"]
    assert now() == pytest.approx(7, abs=0.01)


async def test_a_child_that_is_busy_for_ever_and_traps_exits_is_killed_too() -> None:
    log = Log()
    async with Supervisor([part("a", log, shutdown=2)]) as sup:
        at(sup, "a").do(for_ever)
        await settle()
        log.clear()
    assert log == []  # it never looked at the signal
    assert now() == pytest.approx(2, abs=0.01)


async def test_a_child_that_swallows_the_cancellation_is_declared_dead(stubborn: Stubborn) -> None:
    log = Log()
    declared: list[ZombieDeclared] = []
    axon.telemetry.attach(declared.append, ZombieDeclared)
    async with Supervisor([part("a", log), part("b", log, Loose, finish=None, shutdown=2)]) as sup:
        b = axon.whereis(at(sup, "b"))
        down = await watching(at(sup, "b"))
        at(sup, "b").do(stubborn.hang)
        await settle()
        log.clear()
    assert log == ["stop a shutdown"]
    assert now() == pytest.approx(2 + KILL_GRACE, abs=0.01)
    assert (await down).reason == killed
    assert list(runtime().zombies) == [b]
    assert [(event.path, event.grace) for event in declared] == [("Supervisor/b", KILL_GRACE)]
    await stubborn.release()


async def test_a_zombie_in_terminate(stubborn: Stubborn) -> None:
    log = Log()
    async with Supervisor([part("a", log), part("b", log, finish=stubborn.hang, shutdown=2)]):
        log.clear()
    assert log == ["stop b shutdown", "stop a shutdown"]
    assert now() == pytest.approx(2 + KILL_GRACE, abs=0.01)
    assert [process.path for process in runtime().zombies] == ["Supervisor/b"]
    await stubborn.release()


@pytest.mark.parametrize("shutdown", ["brutal_kill", 0])
async def test_a_zombie_under_brutal_kill(stubborn: Stubborn, shutdown: Shutdown) -> None:
    async with Supervisor([part("a", Log(), shutdown=shutdown)]) as sup:
        at(sup, "a").do(stubborn.hang)
        await settle()
    assert now() == pytest.approx(KILL_GRACE, abs=0.01)
    assert len(runtime().zombies) == 1
    await stubborn.release()


async def test_a_zombie_is_restarted_like_any_killed_child(stubborn: Stubborn) -> None:
    log = Log()
    async with Supervisor([part("a", log, name="a")]) as sup:
        at(sup, "a").do(stubborn.hang)
        await settle()
        axon.exit(at(sup, "a"), axon.kill)
        await asyncio.sleep(KILL_GRACE + 0.1)
        assert await axon.lookup(Part, "a").number() == 2
        assert len(runtime().zombies) == 1
        await stubborn.release()


async def test_what_a_zombie_still_sends_is_refused(stubborn: Stubborn) -> None:
    refused: list[BaseException] = []

    async def ignore_and_send(other: Part) -> None:
        await stubborn.hang()
        try:
            other.end(axon.normal)
        except axon.ProcessDead as error:
            refused.append(error)

    async with Supervisor([part("a", Log()), part("b", Log(), shutdown="brutal_kill")]) as sup:
        a = at(sup, "a")
        at(sup, "b").do(lambda: ignore_and_send(a))
        await settle()
        await sup.terminate_child("b")
        await stubborn.release()
        assert len(refused) == 1
        assert await a.number() == 1


async def test_many_hanging_children_cost_their_own_time_each() -> None:
    log = Log()
    async with Supervisor([part(str(n), log, finish=for_ever, shutdown=0.1) for n in range(20)]):
        pass
    assert now() == pytest.approx(2, abs=0.1)


async def test_a_hanging_child_deep_down_does_not_hang_the_root() -> None:
    log = Log()
    deep = child(Supervisor([part("a", log, finish=for_ever)]), id="deep")
    async with Supervisor([child(Supervisor([deep]), id="middle"), part("b", log)]) as sup:
        assert await statuses(branch(sup, "middle", "deep")) == {"a": "running"}
    assert now() == pytest.approx(5, abs=0.01)


async def test_a_supervisor_with_a_time_limit_is_killed_when_it_is_over() -> None:
    log = Log()
    slow = Supervisor([part("a", log, Loose), part("b", log, finish=lasts(10), shutdown=60)])
    async with Supervisor([child(slow, id="inner", shutdown=3), part("c", log)]) as sup:
        down = asyncio.create_task(axon.wait_down(branch(sup, "inner")))
        await settle()
        log.clear()
    assert (await down).reason == killed
    assert now() == pytest.approx(3, abs=0.01)
    await asyncio.sleep(20)


# -- hanging in init


async def test_leaving_the_block_while_a_child_hangs_in_init() -> None:
    log = Log()
    with pytest.raises(TimeoutError):
        async with Supervisor([part("a", log), part("b", log)]) as sup:
            async with asyncio.timeout(1):
                await sup.start_child(part("hanging", log, begin=takes(AGES)))
    assert log == ["start a", "start b", "start hanging", "stop b shutdown", "stop a shutdown"]
    assert now() < 1 + KILL_GRACE


async def test_also_one_that_swallows_the_cancellation(stubborn: Stubborn) -> None:
    log = Log()
    with pytest.raises(TimeoutError):
        async with Supervisor([part("a", log)]) as sup:
            async with asyncio.timeout(1):
                await sup.start_child(part("hanging", log, begin=stubborn.hang))
    assert log == ["start a", "start hanging", "stop a shutdown"]
    assert now() <= 1 + KILL_GRACE + 0.01
    await stubborn.release()


async def test_leaving_the_block_while_a_child_hangs_in_its_restart() -> None:
    log = Log()
    async with asyncio.timeout(100):
        async with Supervisor([part("a", log), part("b", log, begin=takes(AGES, on=2))]) as sup:
            await crash(at(sup, "b"))
            log.clear()
    assert log == ["stop a shutdown"]
    assert now() <= KILL_GRACE + 0.01


async def test_a_hanging_init_inside_does_not_hang_the_parents_stop() -> None:
    log = Log()
    inner = child(Supervisor([part("a", log), part("b", log, begin=takes(AGES, on=2))]), id="inner")
    async with asyncio.timeout(100):
        async with Supervisor([inner, part("c", log)]) as sup:
            await crash(at(sup, "inner", "b"))
            log.clear()
    assert log == ["stop c shutdown", "stop a shutdown"]
    assert now() <= KILL_GRACE + 0.01


async def test_a_start_of_the_whole_tree_that_hangs_can_be_given_up() -> None:
    log = Log()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            async with Supervisor([part("a", log), part("b", log, begin=takes(AGES))]):
                pytest.fail("the body does not run")
    assert now() <= 1 + KILL_GRACE + 0.01
    assert log[-1].startswith("stop a")


async def test_so_can_one_that_has_failed_while_its_children_are_stopped() -> None:
    log = Log()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            async with Supervisor([part("a", log, finish=for_ever, shutdown=2), part("b", log, begin=fails_on(1))]):
                pytest.fail("the body does not run")
    assert log == ["start a", "start b", "stop a shutdown"]
    assert now() == pytest.approx(3, abs=0.01)  # "a" has its two seconds, from when it was asked last
