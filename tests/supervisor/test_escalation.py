"""A supervisor that gave up is a child that ended `shutdown`."""

from __future__ import annotations

import pytest
from parts import Log, at, branch, crash, end, part, statuses

import axon
from axon import Supervisor, SupervisorDied, child


async def test_a62_it_is_restarted_with_its_initial_children() -> None:
    log = Log()
    inner = child(Supervisor([part("a", log), part("b", log)], max_restarts=0), id="inner")
    async with Supervisor([inner]) as outer:
        sup = branch(outer, "inner")
        await sup.start_child(part("added", log))
        await sup.terminate_child("b")
        await sup.delete_child("b")
        await crash(at(sup, "a"))
        assert await statuses(sup) == {"a": "running", "b": "running"}
        assert log.starts == {"a": 2, "b": 2, "added": 1}
        assert await statuses(outer) == {"inner": "running"}


async def test_a63_a_transient_supervisor_that_gave_up_is_not_restarted() -> None:
    log = Log()
    inner = child(Supervisor([part("a", log)], max_restarts=0), id="inner", restart="transient")
    async with Supervisor([inner, part("b", log)]) as outer:
        await crash(at(outer, "inner", "a"))
        assert await statuses(outer) == {"inner": "stopped", "b": "running"}


async def test_a63_a_temporary_one_is_gone() -> None:
    log = Log()
    inner = child(Supervisor([part("a", log)], max_restarts=0), id="inner", restart="temporary")
    async with Supervisor([inner, part("b", log)]) as outer:
        await crash(at(outer, "inner", "a"))
        assert await statuses(outer) == {"b": "running"}


@pytest.mark.parametrize(("outer_allows", "inner_allows"), [(0, 0), (1, 1), (2, 1), (1, 2), (3, 0)])
async def test_a64_budgets_multiply(outer_allows: int, inner_allows: int) -> None:
    log = Log()
    inner = child(Supervisor([part("a", log)], max_restarts=inner_allows), id="inner")
    crashes = 0
    with pytest.raises(SupervisorDied):
        async with Supervisor([inner], max_restarts=outer_allows) as outer:
            while True:
                crashes += 1
                await crash(at(outer, "inner", "a"))
    assert crashes == (outer_allows + 1) * (inner_allows + 1)


async def test_a_supervisor_whose_children_do_not_start_again_is_tried_again_by_its_parent() -> None:
    """At a supervisor's own restart nothing is retried within: its parent pays for each attempt."""
    log = Log()

    def fails_twice(number: int) -> None:
        if number in (2, 3):
            raise ValueError(number)

    inner = child(Supervisor([part("a", log), part("b", log, begin=fails_twice)]), id="inner")
    async with Supervisor([inner], max_restarts=3) as outer:
        log.clear()
        axon.exit(branch(outer, "inner"), axon.kill)
        await end(at(outer, "inner", "a"))
        assert log.starts["b"] == 4
        assert await statuses(branch(outer, "inner")) == {"a": "running", "b": "running"}


async def test_the_root_gives_up_over_all_levels_and_everybody_stops_in_order() -> None:
    log = Log()
    inner = child(Supervisor([part("b1", log), part("b2", log)], max_restarts=0), id="b")
    with pytest.raises(SupervisorDied):
        async with Supervisor([part("a", log), inner, part("c", log)], max_restarts=0) as outer:
            log.clear()
            await crash(at(outer, "b", "b1"))
    assert log == ["stop b1 Boom", "stop b2 shutdown", "stop c shutdown", "stop a shutdown"]
