"""The restart budget: so many within so many seconds, and the next one ends the supervisor."""

from __future__ import annotations

import asyncio

import pytest
from parts import Boom, Log, at, crash, end, now, part, settle, statuses, watching

import axon
from axon import Supervisor, SupervisorDied, child, shutdown


async def survives(gaps: list[float], max_restarts: int, max_seconds: float) -> bool:
    """Whether a supervisor lives after crashes with these gaps between them."""
    sup = await axon.start(
        Supervisor([part("a", Log())], max_restarts=max_restarts, max_seconds=max_seconds), name="app"
    )
    a = at(sup, "a")
    a.crash(Boom())
    await asyncio.sleep(0)
    for gap in gaps:
        await asyncio.sleep(gap)
        a.crash(Boom())
    await asyncio.sleep(0.01)
    lives = axon.whereis("app") is not None
    if lives:
        await axon.stop(sup)
    return lives


@pytest.mark.parametrize("allowed", [0, 1, 2, 3])
async def test_a46_so_many_restarts_are_allowed_and_the_next_one_is_not(allowed: int) -> None:
    log = Log()
    sup = await axon.start(Supervisor([part("a", log)], max_restarts=allowed))
    down = await watching(sup)
    for count in range(1, allowed + 1):
        await crash(at(sup, "a"))
        assert log.starts["a"] == count + 1
    await crash(at(sup, "a"))
    assert (await down).reason == shutdown
    assert log.starts["a"] == allowed + 1


async def test_a47_without_any_allowed_the_first_failure_ends_the_supervisor() -> None:
    with pytest.raises(SupervisorDied):
        async with Supervisor([part("a", Log())], max_restarts=0) as sup:
            await crash(at(sup, "a"))


@pytest.mark.parametrize(
    ("gaps", "lives"),
    [
        ([1.0, 1.0], False),  # the first is exactly 2 s ago: it still counts
        ([1.0, 1.125], True),
        ([2.125, 2.125, 2.125, 2.125], True),
        ([2.125, 0.5, 0.5], False),
        ([0.5, 1.75, 1.75, 1.75], True),
    ],
)
async def test_a48_the_window_includes_its_end(gaps: list[float], lives: bool) -> None:
    assert await survives(gaps, max_restarts=2, max_seconds=2) is lives


async def test_a48_the_period_may_be_a_fraction_of_a_second() -> None:
    assert await survives([0.25], max_restarts=1, max_seconds=0.25) is False
    assert await survives([0.375], max_restarts=1, max_seconds=0.25) is True


async def test_a49_the_budget_is_the_supervisors_not_the_childs() -> None:
    log = Log()
    with pytest.raises(SupervisorDied):
        async with Supervisor([part(label, log) for label in "abc"], max_restarts=2) as sup:
            for label in "abc":
                await crash(at(sup, label))
    assert log.starts == {"a": 2, "b": 2, "c": 1}


async def test_a50_three_within_five_seconds_by_default() -> None:
    assert (Supervisor().max_restarts, Supervisor().max_seconds) == (3, 5.0)
    log = Log()
    with pytest.raises(SupervisorDied):
        async with Supervisor([part("a", log)]) as sup:
            for _ in range(4):
                await crash(at(sup, "a"))
    assert log.starts == {"a": 4}
    assert await survives([1.75] * 6, 3, 5.0)


async def test_a51_giving_up_stops_the_others_in_reverse_and_not_the_one_that_failed() -> None:
    log = Log()
    sup = await axon.start(Supervisor([part(label, log) for label in "abc"], max_restarts=0))
    down = await watching(sup)
    log.clear()
    await crash(at(sup, "b"))
    assert log.take() == ["stop b Boom", "stop c shutdown", "stop a shutdown"]
    assert (await down).reason == shutdown


async def test_a52_starting_and_stopping_by_hand_never_counts() -> None:
    log = Log()
    children = [part("a", log), part("b", log)]
    async with Supervisor(children, strategy="one_for_all", max_restarts=0) as sup:
        for _ in range(5):
            await sup.terminate_child("a")
            await sup.restart_child("a")
            await sup.start_child(part("c", log))
            await sup.terminate_child("c")
            await sup.delete_child("c")
        assert log.starts == {"a": 6, "b": 1, "c": 5}


async def test_a52_neither_does_the_end_of_a_child_that_is_not_restarted() -> None:
    log = Log()
    async with Supervisor([part("a", log)], max_restarts=0) as sup:
        for _ in range(5):
            await sup.start_child(part("temporary", log, restart="temporary"))
            await crash(at(sup, "temporary"))
            await sup.start_child(part("transient", log, restart="transient"))
            await end(at(sup, "transient"))
            await sup.delete_child("transient")
        assert await statuses(sup) == {"a": "running"}


async def test_a53_the_record_forgets_by_time_only() -> None:
    """Two crashes, a quiet time shorter than the period, and two more: the first two still count."""
    assert await survives([0.25, 3, 0.25], max_restarts=3, max_seconds=5) is False
    assert await survives([0.25, 6, 0.25], max_restarts=3, max_seconds=5) is True


async def test_a_normal_end_of_a_permanent_child_counts_too() -> None:
    log = Log()
    with pytest.raises(SupervisorDied):
        async with Supervisor([part("a", log)], max_restarts=1) as sup:
            await end(at(sup, "a"))
            await end(at(sup, "a"))


async def test_a_restarted_supervisor_has_its_whole_budget_again() -> None:
    log = Log()
    inner = child(Supervisor([part("a", log)], max_restarts=1), id="inner")
    async with Supervisor([inner], max_restarts=10) as sup:
        for crashes in range(1, 7):
            await crash(at(sup, "inner", "a"))
            assert log.starts["a"] == crashes + 1
        assert now() < 5
        await settle()
