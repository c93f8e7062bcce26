"""A child that keeps failing is told of once, and again when it has been stable: what to look for in a log."""

from __future__ import annotations

import asyncio

import pytest
from parts import Boom, Log, at, crash, end, fails_on, part, settle, takes
from tenacity import wait_fixed

import axon
from axon import DynamicSupervisor, PartitionSupervisor, Supervisor, SupervisorDied, child, normal
from axon.supervisor import Strategy
from axon.telemetry import CrashLoopEnded, CrashLoopStarted, ProcessCrashed, SupervisorGaveUp, attach


class Loops:
    """What is told of crash loops."""

    def __init__(self) -> None:
        self.started: list[CrashLoopStarted] = []
        self.ended: list[CrashLoopEnded] = []
        self.order: list[str] = []
        attach(self.started.append, CrashLoopStarted)
        attach(self.ended.append, CrashLoopEnded)
        attach(lambda event: self.order.append("crashed"), ProcessCrashed)
        attach(lambda event: self.order.append("loop"), CrashLoopStarted)
        attach(lambda event: self.order.append("gave up"), SupervisorGaveUp)

    def take(self) -> tuple[list[str], list[str]]:
        taken = [event.path for event in self.started], [event.path for event in self.ended]
        self.started.clear()
        self.ended.clear()
        return taken


@pytest.fixture
async def loops() -> Loops:
    return Loops()


async def test_the_third_crash_in_a_row_is_a_crash_loop_and_it_is_told_once(loops: Loops) -> None:
    async with Supervisor([part("a", Log())], max_restarts=100) as sup:
        causes = [Boom(crashes) for crashes in range(1, 7)]
        for cause in causes:
            await asyncio.sleep(1)
            await crash(at(sup, "a"), cause)
        (event,) = loops.started
        assert (event.path, event.restarts, event.reason) == ("Supervisor/a", 3, causes[2])
        assert event.seconds == pytest.approx(2, abs=0.01)  # since the first
    assert loops.ended == []


async def test_crashes_with_stable_times_between_them_are_none(loops: Loops) -> None:
    async with Supervisor([part("a", Log())], max_restarts=100) as sup:
        for _ in range(6):
            await crash(at(sup, "a"))
            await crash(at(sup, "a"))
            await asyncio.sleep(5)
    assert loops.take() == ([], [])


async def test_when_the_child_is_stable_again_that_is_told_too(loops: Loops) -> None:
    async with Supervisor([part("a", Log())], max_restarts=100) as sup:
        for _ in range(4):
            await crash(at(sup, "a"))
            await asyncio.sleep(1)
        await asyncio.sleep(3.9)
        assert loops.ended == []
        await asyncio.sleep(0.2)
        (event,) = loops.ended
        assert (event.path, event.restarts) == ("Supervisor/a", 4)
        assert event.seconds == pytest.approx(3 + 5, abs=0.01)
        await asyncio.sleep(60)
        assert len(loops.ended) == 1


async def test_the_next_loop_is_told_of_again(loops: Loops) -> None:
    async with Supervisor([part("a", Log())], max_restarts=100) as sup:
        for _ in range(2):
            for _ in range(4):
                await crash(at(sup, "a"))
            await asyncio.sleep(6)
            assert loops.take() == (["Supervisor/a"], ["Supervisor/a"])


async def test_one_that_recovers_without_a_loop_is_not_worth_a_word(loops: Loops) -> None:
    async with Supervisor([part("a", Log())]) as sup:
        await crash(at(sup, "a"))
        await crash(at(sup, "a"))
        await asyncio.sleep(60)
    assert loops.take() == ([], [])


async def test_it_comes_after_the_crash_and_before_its_supervisor_gives_up(loops: Loops) -> None:
    with pytest.raises(SupervisorDied):
        async with Supervisor([part("a", Log())]) as sup:
            for _ in range(4):
                await crash(at(sup, "a"))
    assert loops.order == ["crashed", "crashed", "crashed", "loop", "crashed", "gave up"]


async def test_a_supervisor_that_gives_up_says_so_and_nothing_of_a_loop(loops: Loops) -> None:
    with pytest.raises(SupervisorDied):
        async with Supervisor([part("a", Log())], max_restarts=2) as sup:
            for _ in range(3):
                await crash(at(sup, "a"))
    assert loops.take() == ([], [])


async def test_restarts_that_fail_count_as_crashes_do(loops: Loops) -> None:
    children = [part("a", Log(), begin=fails_on(2, 3, 4), backoff=wait_fixed(10))]
    async with Supervisor(children) as sup:
        await crash(at(sup, "a"))
        await asyncio.sleep(21)
        (event,) = loops.started
        assert (event.restarts, repr(event.reason)) == (3, "Boom('attempt 3')")
        await asyncio.sleep(19 + 9.8)
        assert loops.ended == []
        await asyncio.sleep(0.3)
        assert [event.restarts for event in loops.ended] == [4]


async def test_each_child_has_a_count_of_its_own(loops: Loops) -> None:
    async with Supervisor([part(label, Log()) for label in "abc"], max_restarts=100) as sup:
        for label in "abcabca":
            await crash(at(sup, label))
    assert loops.take() == (["Supervisor/a"], [])


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_in_a_group_it_is_the_one_that_fails_which_is_told_of(loops: Loops, strategy: Strategy) -> None:
    children = [part(label, Log()) for label in "ab"]
    async with Supervisor(children, strategy=strategy, max_restarts=100) as sup:
        for _ in range(4):
            await crash(at(sup, "a"))
        await asyncio.sleep(4)
        await crash(at(sup, "b"))
        await asyncio.sleep(6)
    assert loops.take() == (["Supervisor/a"], ["Supervisor/a"])


async def test_of_a_child_that_is_ended_no_recovery_is_told(loops: Loops) -> None:
    children = [part("a", Log()), part("b", Log(), restart="transient"), part("c", Log())]
    async with Supervisor(children, max_restarts=100) as sup:
        for label in "abc":
            for _ in range(3):
                await crash(at(sup, label))
        await sup.terminate_child("a")
        await end(at(sup, "b"))
        await sup.terminate_child("c")
        await sup.restart_child("c")  # by hand: its failures are forgotten
        await asyncio.sleep(60)
        assert len(loops.started) == 3
        assert loops.ended == []
        await crash(at(sup, "c"))
        assert len(loops.started) == 3
    assert loops.ended == []


async def test_of_a_child_that_died_before_its_supervisor_looked_no_recovery_is_told(loops: Loops) -> None:
    """The supervisor is busy with a slow start while the child dies, and while it would have been stable."""
    async with Supervisor([part("a", Log())], max_restarts=100) as sup:
        for _ in range(3):
            await crash(at(sup, "a"))
        starting = asyncio.create_task(sup.start_child(part("b", Log(), begin=takes(60))))
        await settle()
        await crash(at(sup, "a"))
        await starting
        assert loops.ended == []


async def test_children_of_dynamic_supervisors_and_partitions_are_told_of_too(loops: Loops) -> None:
    tree = PartitionSupervisor(DynamicSupervisor(max_restarts=100), partitions=2, name="users")
    async with tree as users:
        handle = await users.route(1).start_child(part("ann", Log()))
        for _ in range(3):
            await crash(handle)
        await asyncio.sleep(6)
        assert loops.take() == (["users/1/ann"], ["users/1/ann"])
        for _ in range(3):
            await crash(handle)
        await users.route(1).terminate_child(handle)
        await asyncio.sleep(6)
        assert loops.take() == (["users/1/ann"], [])


async def test_nothing_is_left_of_it_when_the_supervisor_ends(loops: Loops) -> None:
    async with Supervisor([part("a", Log())], max_restarts=100) as sup:
        for _ in range(3):
            await crash(at(sup, "a"))
        axon.exit(at(sup, "a"), axon.shutdown)
    await asyncio.sleep(60)
    assert loops.ended == []


# -- what to do


async def test_the_advice_fits_the_child(loops: Loops) -> None:
    tree = child(Supervisor([part("d", Log())], max_restarts=0), id="c")
    slowed = part("b", Log(), backoff=wait_fixed(0))
    async with Supervisor([part("a", Log()), slowed, tree, part("e", Log())], max_restarts=100) as sup:
        for _ in range(3):
            await crash(at(sup, "a"))
            await crash(at(sup, "b"))
            await crash(at(sup, "c", "d"))
            await end(at(sup, "e"), normal)
            await asyncio.sleep(0.1)
            for event in loops.started:
                assert event.restarts == 3
    advice = {event.path.removeprefix("Supervisor/"): event.advice for event in loops.started}
    assert advice["a"].startswith("fix the cause; child(..., backoff=...) slows it down")
    assert advice["b"] == "fix the cause; its backoff slows it down meanwhile"
    assert "its line 'gave up'" in advice["c"]
    assert "restart='transient'" in advice["e"]
