"""Restarts that wait: any wait strategy of tenacity, counted in attempts since the child was stable."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from parts import Boom, Log, at, crash, fails_from, fails_on, now, part, settle, statuses, takes
from tenacity import (
    RetryCallState,
    wait_chain,
    wait_exponential,
    wait_exponential_jitter,
    wait_fixed,
    wait_incrementing,
    wait_random,
)

import axon
from axon import DynamicSupervisor, InvalidOption, NoProcess, Supervisor, SupervisorDied, child, kill
from axon.supervisor import Strategy
from axon.telemetry import BackoffFailed, attach

Wait = Callable[[RetryCallState], float]


def a_tenth_of_the_attempts(state: RetryCallState) -> float:
    return state.attempt_number / 10


async def started_at(log: Log, wait: Wait, *, failures: int, seconds: float) -> list[float]:
    """When a child with this backoff was started, if it fails so often."""
    times: list[float] = []

    def begin(number: int) -> None:
        times.append(now())
        if 1 < number <= failures:
            raise Boom(number)

    async with Supervisor([part("a", log, begin=begin, backoff=wait)], max_restarts=100) as sup:
        at(sup, "a").crash(Boom(1))
        await asyncio.sleep(seconds)
    return [round(time, 3) for time in times]


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (wait_fixed(2), [0, 2, 4, 6, 8]),
        (wait_exponential(multiplier=1, max=5), [0, 1, 3, 7, 12]),
        (wait_incrementing(start=1, increment=2), [0, 1, 4, 9, 16]),
        (wait_chain(wait_fixed(1), wait_fixed(3)), [0, 1, 4, 7, 10]),
        (wait_fixed(1) + wait_fixed(0.5), [0, 1.5, 3, 4.5, 6]),
        (a_tenth_of_the_attempts, [0, 0.1, 0.3, 0.6, 1.0]),
        (wait_fixed(0), [0, 0, 0, 0, 0]),
    ],
)
async def test_the_waits_are_those_of_the_strategy(wait: Wait, expected: list[float]) -> None:
    assert await started_at(Log(), wait, failures=4, seconds=100) == expected


@pytest.mark.parametrize("wait", [wait_random(1, 3), wait_exponential_jitter(initial=1, max=3, jitter=1)])
async def test_a_jitter_stays_within_its_bounds(wait: Wait) -> None:
    times = await started_at(Log(), wait, failures=6, seconds=100)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(gaps) == 6
    assert all(0.999 <= gap <= 4.001 for gap in gaps)


async def test_a_strategy_sees_the_attempt_and_the_failure() -> None:
    seen: list[tuple[int, BaseException | None]] = []

    def wait(state: RetryCallState) -> float:
        outcome = state.outcome
        seen.append((state.attempt_number, None if outcome is None else outcome.exception()))
        return 1

    crashed = Boom("crashed")
    children = [part("a", Log(), begin=fails_on(2, reason=axon.shutdown), backoff=wait)]
    async with Supervisor(children, max_restarts=100) as sup:
        await crash(at(sup, "a"), crashed)
        await asyncio.sleep(10)
        axon.exit(at(sup, "a"), kill)
        await asyncio.sleep(10)
    assert seen == [(1, crashed), (2, None), (1, None)]


async def test_the_siblings_do_not_wait_along() -> None:
    log = Log()
    children = [part("a", log, backoff=wait_fixed(60)), part("b", log)]
    async with Supervisor(children) as sup:
        await crash(at(sup, "a"))
        await crash(at(sup, "b"))
        assert await statuses(sup) == {"a": "restarting", "b": "running"}


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_group_is_stopped_only_when_the_restart_is_due(strategy: Strategy) -> None:
    log = Log()
    children = [part("a", log, backoff=wait_fixed(60)), part("b", log)]
    async with Supervisor(children, strategy=strategy) as sup:
        log.clear()
        await crash(at(sup, "a"))
        assert log.take() == ["stop a Boom"]
        await asyncio.sleep(60)
        assert log.take() == ["stop b shutdown", "start a", "start b"]


async def test_no_process_says_when_the_restart_is_due() -> None:
    async with Supervisor([part("a", Log(), backoff=wait_fixed(60))]) as sup:
        a = at(sup, "a")
        await crash(a)
        for seconds in (10, 20):
            await asyncio.sleep(seconds)
            with pytest.raises(NoProcess) as nobody:
                await a.number()
            assert nobody.value.restart_in == pytest.approx(60 - (now() - 0), abs=0.01)


async def test_terminate_child_cancels_the_restart() -> None:
    log = Log()
    async with Supervisor([part("a", log, backoff=wait_fixed(60))]) as sup:
        await crash(at(sup, "a"))
        await sup.terminate_child("a")
        with pytest.raises(NoProcess) as nobody:
            await at(sup, "a").number()
        assert nobody.value.restart_in is None
        await asyncio.sleep(100)
        assert log.starts == {"a": 1}


async def test_stopping_the_tree_does_not_wait_for_a_restart() -> None:
    log = Log()
    async with Supervisor([part("a", log, backoff=wait_fixed(3600))]) as sup:
        await crash(at(sup, "a"))
    assert now() < 1
    await asyncio.sleep(7200)
    assert log.starts == {"a": 1}


async def test_every_restart_counts_when_it_is_decided_not_when_it_is_due() -> None:
    log = Log()
    children = [part("a", log, backoff=wait_fixed(60)), part("b", log)]
    with pytest.raises(SupervisorDied):
        async with Supervisor(children, max_restarts=1, max_seconds=5) as sup:
            await crash(at(sup, "a"))
            await crash(at(sup, "b"))
    assert now() < 1


async def test_waits_longer_than_the_period_never_use_up_the_budget() -> None:
    log = Log()
    children = [part("a", log, begin=fails_from(2), backoff=wait_fixed(10))]
    async with Supervisor(children, max_restarts=1, max_seconds=5) as sup:
        await crash(at(sup, "a"))
        await asyncio.sleep(1000)
        assert await statuses(sup) == {"a": "restarting"}
        assert log.starts["a"] == 101


async def test_giving_up_does_not_wait() -> None:
    with pytest.raises(SupervisorDied):
        async with Supervisor([part("a", Log(), backoff=wait_fixed(60))], max_restarts=0) as sup:
            await crash(at(sup, "a"))
            await asyncio.sleep(50)
    assert now() < 1


# -- stable


async def attempts(runs: list[float], *, waits: Wait, max_seconds: float = 5.0) -> list[int]:
    """The numbers of the attempts of a child that crashes after it ran for each of these times."""
    numbers: list[int] = []
    started = asyncio.Event()

    def wait(state: RetryCallState) -> float:
        numbers.append(state.attempt_number)
        return waits(state)

    children = [part("a", Log(), begin=lambda _: started.set(), backoff=wait)]
    async with Supervisor(children, max_restarts=100, max_seconds=max_seconds) as sup:
        for ran in runs:
            await asyncio.sleep(ran)
            started.clear()
            at(sup, "a").crash(Boom())
            await started.wait()
    return numbers


async def test_after_a_stable_time_the_waits_begin_anew() -> None:
    """Stable: it ran for the supervisor's `max_seconds`."""
    assert await attempts([0.5, 0.5, 4.9, 5.1, 0.5], waits=wait_fixed(1)) == [1, 2, 3, 1, 2]
    assert await attempts([0.5, 0.5, 0.5], waits=wait_fixed(0.5), max_seconds=0.25) == [1, 1, 1]


async def test_after_a_long_wait_it_has_to_run_for_as_long() -> None:
    """Otherwise a child whose database is away would be back at its shortest wait after each minute of waiting."""
    assert await attempts([1, 10, 29.9, 30.1, 1], waits=wait_fixed(30)) == [1, 2, 3, 1, 2]


async def test_the_stable_time_grows_and_shrinks_with_the_wait() -> None:
    doubling = wait_exponential(multiplier=4, max=16)  # 4, 8, 16, 16 seconds
    assert await attempts([1, 4.9, 7.9, 15.9, 16.1, 1], waits=doubling) == [1, 2, 3, 4, 1, 2]
    assert await attempts([1, 5.1, 1, 5.1], waits=doubling) == [1, 1, 2, 3]


async def test_a_child_that_died_early_is_not_stable_because_its_supervisor_looked_late() -> None:
    numbers: list[int] = []

    def wait(state: RetryCallState) -> float:
        numbers.append(state.attempt_number)
        return 1

    async with Supervisor([part("a", Log(), backoff=wait)]) as sup:
        await crash(at(sup, "a"))
        await asyncio.sleep(2)
        starting = asyncio.create_task(sup.start_child(part("b", Log(), begin=takes(60))))
        await settle()
        await crash(at(sup, "a"))
        await starting
        await settle()
        assert numbers == [1, 2]


async def test_started_by_hand_it_begins_anew() -> None:
    numbers: list[int] = []

    def wait(state: RetryCallState) -> float:
        numbers.append(state.attempt_number)
        return 60

    async with Supervisor([part("a", Log(), backoff=wait)]) as sup:
        for _ in range(2):
            await crash(at(sup, "a"))
            await sup.terminate_child("a")
            await sup.restart_child("a")
    assert numbers == [1, 1]


async def test_a_sibling_that_restarts_along_keeps_its_own_count() -> None:
    numbers: list[tuple[str, int]] = []

    def wait(label: str) -> Wait:
        def seconds(state: RetryCallState) -> float:
            numbers.append((label, state.attempt_number))
            return 0.5

        return seconds

    children = [part(label, Log(), backoff=wait(label)) for label in "ab"]
    async with Supervisor(children, strategy="one_for_all", max_restarts=100) as sup:
        for label in ("a", "a", "b", "a", "b"):
            await crash(at(sup, label))
            await asyncio.sleep(1)
        await asyncio.sleep(5)  # both run
        await crash(at(sup, "b"))
    assert numbers == [("a", 1), ("a", 2), ("b", 1), ("a", 3), ("b", 2), ("b", 1)]


async def test_a_sibling_that_fails_to_start_waits_by_its_own_strategy() -> None:
    log = Log()
    children = [
        part("a", log, backoff=wait_fixed(1)),
        part("b", log, begin=fails_on(2, 3), backoff=wait_incrementing(start=10, increment=10)),
    ]
    async with Supervisor(children, strategy="one_for_all", max_restarts=100) as sup:
        log.clear()
        await crash(at(sup, "a"))
        await asyncio.sleep(1)
        assert log.take() == ["stop a Boom", "stop b shutdown", "start a", "start b"]
        await asyncio.sleep(10)
        assert log.take() == ["stop a shutdown", "start a", "start b"]
        await asyncio.sleep(20)
        assert log.take() == ["stop a shutdown", "start a", "start b"]
        assert await statuses(sup) == {"a": "running", "b": "running"}


async def test_a_supervisor_may_wait_too() -> None:
    inner = child(Supervisor([part("a", Log())], max_restarts=0), id="inner", backoff=wait_fixed(60))
    async with Supervisor([inner]) as sup:
        await crash(at(sup, "inner", "a"))
        assert await statuses(sup) == {"inner": "restarting"}
        await asyncio.sleep(60)
        assert await at(sup, "inner", "a").number() == 2


# -- children of a dynamic supervisor


async def test_a_dynamic_child_waits_and_the_others_do_not() -> None:
    async with DynamicSupervisor(max_restarts=100) as sup:
        times: list[float] = []

        def begin(number: int) -> None:
            times.append(now())
            if number in (2, 3):
                raise Boom

        first = await sup.start_child(part("a", Log(), begin=begin, backoff=wait_incrementing(1, 1)))
        second = await sup.start_child(part("b", Log()))
        await crash(first)
        await crash(second)
        assert await statuses(sup) == {"a": "restarting", "b": "running"}
        with pytest.raises(NoProcess) as nobody:
            await first.number()
        assert nobody.value.restart_in == pytest.approx(1, abs=0.01)
        await asyncio.sleep(100)
        assert await statuses(sup) == {"a": "running", "b": "running"}
        assert times == pytest.approx([0, 1, 1 + 2, 1 + 2 + 3])


async def test_a_dynamic_child_is_terminated_during_its_wait() -> None:
    log = Log()
    async with DynamicSupervisor() as sup:
        handle = await sup.start_child(part("a", log, backoff=wait_fixed(60)))
        await crash(handle)
        begun = now()
        await sup.terminate_child(handle)
        assert now() - begun < 0.1
        assert await sup.which_children() == []
        with pytest.raises(NoProcess) as nobody:
            await handle.number()
        assert nobody.value.restart_in is None
        await asyncio.sleep(100)
    assert log.starts == {"a": 1}


async def test_a_dynamic_child_is_stable_after_as_long() -> None:
    numbers: list[int] = []

    def wait(state: RetryCallState) -> float:
        numbers.append(state.attempt_number)
        return 1

    async with DynamicSupervisor(max_restarts=100) as sup:
        handle = await sup.start_child(part("a", Log(), backoff=wait))
        for ran in (0.5, 4, 5, 0.5):
            await asyncio.sleep(ran)
            await crash(handle)
            await asyncio.sleep(1)
    assert numbers == [1, 2, 1, 2]


@pytest.mark.parametrize("answer", [-1, "soon", None, float("nan")])
async def test_a_strategy_that_answers_nonsense_is_told_and_the_restart_does_not_wait(answer: object) -> None:
    def wrong(_: RetryCallState) -> Any:
        return answer

    told, log = await crashed_with(wrong)
    assert isinstance(told.error, InvalidOption)
    assert told.error.option == "backoff"
    assert log.starts == {"a": 2}


async def test_a_strategy_that_raises_is_told_and_the_restart_does_not_wait() -> None:
    def broken(_: RetryCallState) -> float:
        raise ZeroDivisionError

    told, log = await crashed_with(broken)
    assert (told.path, type(told.error)) == ("Supervisor/a", ZeroDivisionError)
    assert log.starts == {"a": 2}


async def test_a_strategy_that_always_raises_leaves_the_budget_in_force() -> None:
    def broken(_: RetryCallState) -> float:
        raise ZeroDivisionError

    with pytest.raises(SupervisorDied):
        async with Supervisor([part("a", Log(), begin=fails_from(2), backoff=broken)]) as sup:
            await crash(at(sup, "a"))
            await asyncio.sleep(1)


async def crashed_with(backoff: Any) -> tuple[BackoffFailed, Log]:
    """What is told when a child with this backoff crashes."""
    log, told = Log(), list[BackoffFailed]()
    detach = attach(told.append, BackoffFailed)
    async with Supervisor([part("a", log, backoff=backoff)]) as sup:
        await crash(at(sup, "a"))
        await settle()
    detach()
    [only] = told
    return only, log


async def test_a_restart_under_way_when_the_supervisor_is_killed_is_forgotten() -> None:
    log = Log()
    with pytest.raises(SupervisorDied):
        async with Supervisor([part("a", log, backoff=wait_fixed(10))]) as sup:
            await crash(at(sup, "a"))
            axon.exit(sup, kill)
            await settle()
    await asyncio.sleep(20)
    assert log.starts == {"a": 1}
