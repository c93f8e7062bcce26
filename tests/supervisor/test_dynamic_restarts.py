"""A dynamic supervisor restarts each child by itself, within one budget, and forgets those that ended for good."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from parts import Boom, Log, at, crash, end, fails_from, fails_on, ignores_on, part, settle, statuses, takes, watching
from tenacity import wait_fixed

import axon
from axon import DynamicSupervisor, ExitReason, NoProcess, Supervisor, SupervisorDied, child, kill, normal, shutdown
from axon.telemetry import ChildRestarted, ProcessCrashed, SupervisorGaveUp, attach
from axon.testing import eventually


@pytest.mark.parametrize("reason", [Boom(), normal, shutdown, shutdown("done")])
async def test_a29_a_permanent_child_is_restarted_after_every_exit(reason: ExitReason) -> None:
    async with DynamicSupervisor() as sup:
        handle = await sup.start_child(part("a", Log()))
        await (crash(handle, reason) if isinstance(reason, BaseException) else end(handle, reason))
        assert await handle.number() == 2


async def test_a30_a_transient_child_is_restarted_after_a_failure() -> None:
    async with DynamicSupervisor() as sup:
        handle = await sup.start_child(part("a", Log(), restart="transient"))
        await crash(handle)
        axon.exit(handle, kill)
        await settle()
        assert await handle.number() == 3


@pytest.mark.parametrize("reason", [normal, shutdown, shutdown("done")])
async def test_a30_one_that_ended_in_order_is_gone(reason: ExitReason) -> None:
    """A static supervisor keeps its spec; here nobody could start it again."""
    async with DynamicSupervisor() as sup:
        handle = await sup.start_child(part("a", Log(), restart="transient"))
        await end(handle, reason)
        assert await sup.which_children() == []
        with pytest.raises(NoProcess, match="it has ended"):
            await handle.number()


@pytest.mark.parametrize(("reason", "crashes"), [(Boom(), 1), (kill, 1), (normal, 0), (shutdown, 0)])
async def test_a31_a_temporary_child_is_gone_whatever_the_reason(reason: ExitReason, crashes: int) -> None:
    decisions: list[str] = []
    attach(lambda event: decisions.append(event.decision), ProcessCrashed)
    async with DynamicSupervisor(max_restarts=0) as sup:
        handle = await sup.start_child(part("a", Log(), restart="temporary"))
        if reason is kill:
            axon.exit(handle, kill)
        handle.end(reason)
        await settle()
        assert await sup.which_children() == []
    assert decisions == ["none: it is temporary"] * crashes


async def test_a36_the_siblings_do_not_notice() -> None:
    log = Log()
    async with DynamicSupervisor() as sup:
        first, second = [await sup.start_child(part(label, log)) for label in "ab"]
        log.clear()
        await crash(first)
        assert log == ["stop a Boom", "start a"]
        assert [await handle.number() for handle in (first, second)] == [2, 1]


async def test_a46_a49_the_budget_is_shared_by_all_children() -> None:
    log = Log()
    sup = await axon.start(DynamicSupervisor(max_restarts=2))
    down = await watching(sup)
    handles = [await sup.start_child(part(label, log)) for label in "abc"]
    log.clear()
    for handle in handles:
        await crash(handle)
    assert sorted(log[5:]) == ["stop a shutdown", "stop b shutdown"]
    assert log[:5] == [
        "stop a Boom",
        "start a",
        "stop b Boom",
        "start b",
        "stop c Boom",
    ]
    assert (await down).reason == shutdown


async def test_a51_the_block_says_who_failed_last_and_of_what() -> None:
    given_up: list[SupervisorGaveUp] = []
    attach(given_up.append, SupervisorGaveUp)
    cause = Boom("no ink")
    with pytest.raises(SupervisorDied, match="the child 'ann' failed last, with Boom") as died:
        async with DynamicSupervisor(max_restarts=0, name="app") as sup:
            await crash(await sup.start_child(part("ann", Log())), cause)
    assert died.value.__cause__ is cause
    assert [(event.path, event.child, event.reason) for event in given_up] == [("app", "ann", cause)]


async def test_a51_the_cause_is_told_over_all_levels() -> None:
    cause = Boom("at the bottom")
    with pytest.raises(SupervisorDied) as died:
        async with DynamicSupervisor(max_restarts=0) as sup:
            inner = await sup.start_child(child(Supervisor([part("a", Log())], max_restarts=0), id="inner"))
            await crash(at(inner, "a"), cause)
    assert died.value.__cause__ is cause


async def test_a52_starting_and_ending_by_hand_never_counts() -> None:
    log = Log()
    async with DynamicSupervisor(max_restarts=0) as sup:
        for _ in range(5):
            await sup.terminate_child(await sup.start_child(part("a", log)))
            await crash(await sup.start_child(part("b", log, restart="temporary")))
        assert log.starts == {"a": 5, "b": 5}


async def test_a54_a_restart_that_fails_is_tried_again_and_every_attempt_counts() -> None:
    log = Log()
    sup = await axon.start(DynamicSupervisor(max_restarts=3))
    down = await watching(sup)
    handle = await sup.start_child(part("a", log, begin=fails_from(2)))
    log.clear()
    await crash(handle)
    assert log == ["stop a Boom", "start a", "start a", "start a"]
    assert (await down).reason == shutdown


async def test_a55_between_two_attempts_it_answers_calls() -> None:
    log = Log()
    seen: list[Mapping[str, str]] = []

    def begin(number: int) -> None:
        if number > 1 and len(seen) < 3:
            raise Boom

    async with DynamicSupervisor(max_restarts=10**6) as sup:
        handle = await sup.start_child(part("a", log, begin=begin))
        handle.crash(Boom())
        while log.starts["a"] < 2:
            await sup.count_children()
        while len(seen) < 3:
            seen.append(await statuses(sup))
        await eventually(lambda: axon.whereis(handle))
        assert seen == [{"a": "restarting"}] * 3


async def test_a57_terminate_child_gives_the_attempts_up() -> None:
    log = Log()
    async with DynamicSupervisor(max_restarts=10**6) as sup:
        handle = await sup.start_child(part("a", log, begin=fails_from(2)))
        handle.crash(Boom())
        while log.starts["a"] < 10:
            await sup.count_children()
        await sup.terminate_child(handle)
        tried = log.starts["a"]
        await asyncio.sleep(10)
        assert log.starts["a"] == tried
        assert await sup.which_children() == []


async def test_a59_a_retry_of_a_child_that_is_gone_is_ignored() -> None:
    log = Log()
    async with DynamicSupervisor(max_restarts=1) as sup:
        handle = await sup.start_child(part("a", log, backoff=wait_fixed(10)))
        await crash(handle)
        await sup.terminate_child(handle)
        again = await sup.start_child(part("a", log))
        await asyncio.sleep(20)
        assert await again.number() == 2


async def test_a59_also_one_that_is_in_the_mailbox_already() -> None:
    log = Log()
    async with DynamicSupervisor(max_restarts=1) as sup:
        handle = await sup.start_child(part("a", log, begin=fails_on(2)))
        axon.exit(handle, kill)
        await sup.terminate_child(handle)
        await settle()
        assert log.starts == {"a": 2}
        assert await sup.which_children() == []


async def test_a61_ignore_at_a_restart_drops_the_child() -> None:
    log = Log()
    async with DynamicSupervisor(max_children=1) as sup:
        handle = await sup.start_child(part("a", log, begin=ignores_on(2)))
        await crash(handle)
        assert await sup.which_children() == []
        with pytest.raises(NoProcess, match="it chose not to start"):
            await handle.number()
        await sup.start_child(part("b", log))


async def test_a34_a_restart_begins_with_the_spec_as_it_was_given() -> None:
    log = Log()
    restarted: list[tuple[str, int]] = []
    attach(lambda event: restarted.append((event.path, event.restarts)), ChildRestarted)
    async with DynamicSupervisor(name="app") as sup:
        handle = await sup.start_child(part("a", log))
        for number in (2, 3):
            await crash(handle)
            assert await handle.number() == number
    assert restarted == [("app/a", 1), ("app/a", 2)]


async def test_a42_of_several_that_died_at_once_each_counts() -> None:
    log = Log()
    with pytest.raises(SupervisorDied):
        async with DynamicSupervisor(max_restarts=2) as sup:
            handles = [await sup.start_child(part(label, log)) for label in "abc"]
            for handle in handles:
                axon.exit(handle, kill)
            await settle()
    assert log.starts == {"a": 2, "b": 2, "c": 1}


async def test_a11_while_a_child_starts_slowly_the_others_wait_for_their_restart() -> None:
    log = Log()
    async with DynamicSupervisor() as sup:
        handle = await sup.start_child(part("a", log))
        starting = asyncio.create_task(sup.start_child(part("b", log, begin=takes(2))))
        await settle()
        await crash(handle)
        assert log.starts == {"a": 1, "b": 1}
        await starting
        await settle()
        assert log.starts == {"a": 2, "b": 1}
