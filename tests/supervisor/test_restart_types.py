"""Which exits restart a child: by its restart type and by the reason, exactly."""

from __future__ import annotations

import gc
import logging
import weakref

import pytest
from parts import Boom, Log, Part, at, crash, end, part, settle, statuses

import axon
from axon import ChildNotFound, ExitReason, NoProcess, Supervisor, killed, noproc, normal, shutdown
from axon.supervisor import Restart, Strategy

CLEAN = [normal, shutdown, shutdown("x")]
FAILED = [killed, noproc, Boom()]


@pytest.mark.parametrize("reason", CLEAN + FAILED, ids=repr)
async def test_a29_a_permanent_child_is_restarted_after_every_exit(reason: ExitReason) -> None:
    log = Log()
    async with Supervisor([part("a", log, restart="permanent")]) as sup:
        await end(at(sup, "a"), reason)
        assert await at(sup, "a").number() == 2


@pytest.mark.parametrize("reason", FAILED, ids=repr)
async def test_a30_a_transient_child_is_restarted_after_a_failure(reason: ExitReason) -> None:
    log = Log()
    async with Supervisor([part("a", log, restart="transient")]) as sup:
        await end(at(sup, "a"), reason)
        assert await at(sup, "a").number() == 2


async def test_a30_killed_from_outside_is_a_failure() -> None:
    log = Log()
    async with Supervisor([part("a", log, restart="transient")]) as sup:
        axon.exit(at(sup, "a"), axon.kill)
        await settle()
        assert await at(sup, "a").number() == 2


@pytest.mark.parametrize("reason", CLEAN, ids=repr)
async def test_a30_a32_a_transient_child_that_ended_in_order_stays_as_a_spec(reason: ExitReason) -> None:
    log = Log()
    async with Supervisor([part("a", log, restart="transient"), part("b", log)]) as sup:
        await end(at(sup, "a"), reason)
        assert await statuses(sup) == {"a": "stopped", "b": "running"}
        counts = await sup.count_children()
        assert (counts.specs, counts.active) == (2, 1)
        assert log.starts["a"] == 1


@pytest.mark.parametrize("reason", CLEAN + FAILED, ids=repr)
async def test_a31_a_temporary_child_is_gone_with_its_spec_whatever_the_reason(reason: ExitReason) -> None:
    log = Log()
    async with Supervisor([part("a", log, restart="temporary"), part("b", log)]) as sup:
        await end(at(sup, "a"), reason)
        assert await statuses(sup) == {"b": "running"}
        assert log.starts["a"] == 1
        with pytest.raises(ChildNotFound):
            await sup.restart_child("a")


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize(("restart", "reason"), [("transient", normal), ("temporary", normal), ("temporary", Boom())])
async def test_a33_an_exit_that_restarts_nobody_costs_no_budget_and_touches_nobody(
    strategy: Strategy, restart: Restart, reason: ExitReason
) -> None:
    log = Log()
    children = [part("a", log), part("b", log, restart=restart), part("c", log)]
    async with Supervisor(children, strategy=strategy, max_restarts=0) as sup:
        log.clear()
        at(sup, "b").end(reason)
        await settle()
        assert [line for line in log if not line.startswith("stop b")] == []
        assert [await at(sup, label).number() for label in "ac"] == [1, 1]


async def test_a34_a_restarted_child_is_a_new_process_from_the_same_spec() -> None:
    log = Log()
    async with Supervisor([part("a", log)]) as sup:
        handle, before = at(sup, "a"), axon.whereis(at(sup, "a"))
        assert before is not None
        await crash(handle)
        after = axon.whereis(handle)
        assert after is not None
        assert after is not before
        assert before.reason is not None  # the old one stays dead
        assert at(sup, "a") == handle
        assert (handle.label, handle.log) == ("a", log)


class Notes(axon.GenServer[list[str]]):
    """Its state starts from its spec, and grows."""

    first: tuple[str, ...]

    def init(self) -> list[str]:
        return list(self.first)

    @axon.call
    def add(self, state: list[str], line: str) -> list[str]:
        state.append(line)
        return list(state)

    @axon.cast
    def crash(self, state: list[str]) -> None:
        raise Boom


async def test_a34_nothing_of_the_crashed_state_is_used_again() -> None:
    async with Supervisor([Notes(("one",))]) as sup:
        notes = sup.get(Notes)
        assert await notes.add("two") == ["one", "two"]
        notes.crash()
        await settle()
        assert await notes.add("three") == ["one", "three"]


async def test_a35_a_restart_is_immediate() -> None:
    log = Log()
    async with Supervisor([part("a", log)]) as sup:
        a = at(sup, "a")
        a.crash(Boom())
        with pytest.raises((NoProcess, axon.ServerDied)):
            await a.number()
        assert await sup.count_children() == axon.ChildCounts(specs=1, active=1, supervisors=0, workers=1)
        assert await a.number() == 2


async def test_a_child_that_crashes_right_after_a_restart_is_restarted_again() -> None:
    log = Log()
    async with Supervisor([part("a", log)], max_restarts=3) as sup:
        for number in (2, 3, 4):
            await crash(at(sup, "a"))
            assert await at(sup, "a").number() == number
        assert isinstance(at(sup, "a"), Part)


async def test_what_a_restarted_child_died_of_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    """An exception holds its traceback, and that all that was at hand where it was raised."""
    caplog.set_level(logging.CRITICAL, logger="axon")  # pytest keeps what is logged
    kept: list[weakref.ref[Boom]] = []

    async def fail() -> None:
        error = Boom()
        kept.append(weakref.ref(error))
        raise error

    async with Supervisor([part("a", Log())]) as sup:
        at(sup, "a").do(fail)
        await settle()
        assert await at(sup, "a").number() == 2
        for _ in range(8):  # a server remembers its last eight messages, and one was the exit of the child
            await sup.count_children()
        gc.collect()
        assert kept[0]() is None
