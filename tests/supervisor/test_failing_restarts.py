"""A restart that fails is tried again, each try at the cost of the budget, and the supervisor stays reachable."""

from __future__ import annotations

import asyncio

import pytest
from parts import Boom, Log, at, crash, fails_from, fails_on, ignores_on, part, settle, statuses, watching
from tenacity import wait_fixed

import axon
from axon import ChildAlreadyPresent, ChildRestarting, ExitReason, Supervisor, SupervisorDied, kill, shutdown


async def test_a54_every_attempt_counts() -> None:
    log = Log()
    sup = await axon.start(Supervisor([part("a", log, begin=fails_from(2)), part("b", log)], max_restarts=3))
    down = await watching(sup)
    log.clear()
    await crash(at(sup, "a"))
    assert log.take() == ["stop a Boom", "start a", "start a", "start a", "stop b shutdown"]
    assert (await down).reason == shutdown


async def test_a54_an_attempt_that_succeeds_ends_it() -> None:
    log = Log()
    async with Supervisor([part("a", log, begin=fails_on(2, 3))], max_restarts=3) as sup:
        await crash(at(sup, "a"))
        assert await at(sup, "a").number() == 4


@pytest.mark.parametrize("reason", [axon.normal, shutdown])
async def test_a54_a_restart_is_tried_again_whatever_init_failed_with(reason: ExitReason) -> None:
    log = Log()
    children = [part("a", log, restart="transient", begin=fails_on(2, reason=reason))]
    async with Supervisor(children) as sup:
        await crash(at(sup, "a"))
        assert await at(sup, "a").number() == 3


async def test_a55_between_two_attempts_it_answers_calls() -> None:
    """The calls were in its mailbox before the message by which it tries again."""
    log = Log()

    async def takes_a_second_to_fail(number: int) -> None:
        if number == 2:
            await asyncio.sleep(1)
            raise Boom

    async with Supervisor([part("a", log, begin=takes_a_second_to_fail), part("b", log)]) as sup:
        await crash(at(sup, "a"))
        seen = await asyncio.gather(*(statuses(sup) for _ in range(3)))
        assert seen == [{"a": "restarting", "b": "running"}] * 3
        await settle()
        assert await at(sup, "a").number() == 3


async def test_a55_it_can_be_stopped_while_it_tries_for_ever() -> None:
    log = Log()
    async with Supervisor([part("a", log, begin=fails_from(2)), part("b", log)], max_restarts=10**9) as sup:
        at(sup, "a").crash(Boom())
        while log.starts["a"] < 100:
            await sup.count_children()
        log.clear()
    assert log[-1] == "stop b shutdown"


async def test_a56_a_child_that_waits_for_its_next_attempt() -> None:
    log = Log()
    async with Supervisor([part("a", log, backoff=wait_fixed(60)), part("b", log)]) as sup:
        await crash(at(sup, "a"))
        assert await statuses(sup) == {"a": "restarting", "b": "running"}
        assert (await sup.count_children()).active == 1
        with pytest.raises(ChildAlreadyPresent):
            await sup.start_child(part("a", log))
        with pytest.raises(ChildRestarting):
            await sup.restart_child("a")
        with pytest.raises(ChildRestarting):
            await sup.delete_child("a")


async def test_a57_terminate_child_gives_the_attempts_up() -> None:
    log = Log()
    async with Supervisor([part("a", log, begin=fails_on(2), backoff=wait_fixed(60))], max_restarts=1) as sup:
        await crash(at(sup, "a"))
        await sup.terminate_child("a")
        assert await statuses(sup) == {"a": "stopped"}
        await asyncio.sleep(100)
        assert await statuses(sup) == {"a": "stopped"}
        assert log.starts == {"a": 1}


async def test_a58_one_for_all_a_sibling_that_fails_brings_the_whole_group_down_again() -> None:
    log = Log()
    children = [part("a", log), part("b", log, begin=fails_on(2)), part("c", log)]
    async with Supervisor(children, strategy="one_for_all", max_restarts=2) as sup:
        log.clear()
        await crash(at(sup, "c"))
        first = ["stop c Boom", "stop b shutdown", "stop a shutdown", "start a", "start b"]
        assert log.take() == [*first, "stop a shutdown", "start a", "start b", "start c"]


async def test_a58_rest_for_one_only_from_the_one_that_failed_on() -> None:
    log = Log()
    children = [part("a", log), part("b", log), part("c", log, begin=fails_on(2)), part("d", log)]
    async with Supervisor(children, strategy="rest_for_one", max_restarts=2) as sup:
        log.clear()
        await crash(at(sup, "b"))
        first = ["stop b Boom", "stop d shutdown", "stop c shutdown", "start b", "start c"]
        assert log.take() == [*first, "start c", "start d"]
        assert [await at(sup, label).number() for label in "abcd"] == [1, 2, 3, 2]


async def test_a58_those_behind_the_one_that_failed_are_stopped_meanwhile() -> None:
    log = Log()
    children = [part("a", log), part("b", log, begin=fails_on(2), backoff=wait_fixed(60)), part("c", log)]
    async with Supervisor(children, strategy="rest_for_one", max_restarts=2) as sup:
        await crash(at(sup, "a"))
        assert await statuses(sup) == {"a": "running", "b": "restarting", "c": "stopped"}
        await sup.restart_child("c")
        assert await statuses(sup) == {"a": "running", "b": "restarting", "c": "running"}
        await asyncio.sleep(60)
        assert await statuses(sup) == dict.fromkeys("abc", "running")
        assert await at(sup, "c").number() == 3


async def test_a59_a_retry_is_ignored_if_the_child_was_deleted_and_added_again() -> None:
    log = Log()
    async with Supervisor([part("a", log, backoff=wait_fixed(10))]) as sup:
        await crash(at(sup, "a"))
        await sup.terminate_child("a")
        await sup.delete_child("a")
        added = await sup.start_child(part("a", log))
        await asyncio.sleep(20)
        assert await added.number() == 2
        assert log.starts == {"a": 2}


async def test_a59_a_retry_is_ignored_if_the_child_was_started_meanwhile() -> None:
    log = Log()
    async with Supervisor([part("a", log, backoff=wait_fixed(10))], max_restarts=1) as sup:
        await crash(at(sup, "a"))
        await sup.terminate_child("a")
        await sup.restart_child("a")
        await asyncio.sleep(20)
        assert await at(sup, "a").number() == 2


async def test_a59_a_retry_is_ignored_if_a_sibling_brought_the_child_back() -> None:
    log = Log()
    children = [part("a", log, backoff=wait_fixed(10)), part("b", log)]
    async with Supervisor(children, strategy="one_for_all", max_restarts=2) as sup:
        await crash(at(sup, "a"))
        await crash(at(sup, "b"))
        assert await at(sup, "a").number() == 2
        await asyncio.sleep(20)
        assert [await at(sup, label).number() for label in "ab"] == [2, 2]


async def test_a59_a_retry_in_the_mailbox_is_ignored_if_an_earlier_sibling_brought_the_child_back() -> None:
    log = Log()
    children = [part("a", log), part("b", log, begin=fails_on(2))]
    async with Supervisor(children, strategy="rest_for_one", max_restarts=2) as sup:
        axon.exit(at(sup, "b"), kill)  # its restart fails, and the message that tries again queues up behind ...
        axon.exit(at(sup, "a"), kill)  # ... this exit, which restarts both
        await settle()
        assert [await at(sup, label).number() for label in "ab"] == [2, 3]


async def test_a59_a_retry_in_the_mailbox_is_ignored_if_the_child_was_terminated_before() -> None:
    log = Log()
    async with Supervisor([part("a", log, begin=fails_on(2))], max_restarts=1) as sup:
        axon.exit(at(sup, "a"), kill)
        await sup.terminate_child("a")
        await settle()
        assert await statuses(sup) == {"a": "stopped"}
        assert log.starts == {"a": 2}


async def test_a60_a_child_that_crashes_right_after_its_init_has_started() -> None:
    log = Log()

    def crash_soon(number: int) -> None:
        if number == 1:
            axon.continue_with("right after init")

    async with Supervisor() as sup:
        handle = await sup.start_child(part("a", log, begin=crash_soon))
        await settle()
        assert await handle.number() == 2


async def test_a61_ignore_at_a_restart_keeps_the_child_without_a_process() -> None:
    log = Log()
    async with Supervisor([part("a", log, begin=ignores_on(2)), part("b", log)], max_restarts=1) as sup:
        await crash(at(sup, "a"))
        assert await statuses(sup) == {"a": "stopped", "b": "running"}
        await sup.restart_child("a")
        assert await at(sup, "a").number() == 3


async def test_a_child_that_was_killed_in_its_init_failed_to_start() -> None:
    log = Log()

    async def killed_at_the_second(number: int) -> None:
        if number == 2:
            axon.exit(axon.current(), kill)
            await asyncio.sleep(1)

    async with Supervisor([part("a", log, begin=killed_at_the_second)]) as sup:
        await crash(at(sup, "a"))
        assert await at(sup, "a").number() == 3


async def test_giving_up_names_the_failure_of_the_last_attempt() -> None:
    with pytest.raises(SupervisorDied) as died:
        async with Supervisor([part("a", Log(), begin=fails_from(2))], max_restarts=2) as sup:
            await crash(at(sup, "a"))
    assert repr(died.value.__cause__) == "Boom('attempt 3')"
