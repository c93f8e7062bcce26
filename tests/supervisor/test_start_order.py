"""Starting: children one after another in the order of the list, all or none."""

from __future__ import annotations

import asyncio

import pytest
from parts import Begin, Boom, Log, Part, at, crash, fails_on, ignores_on, now, part, settle, shown, statuses, takes

import axon
from axon import NameTaken, NoProcess, StartFailed, Supervisor, child, shutdown
from axon.supervisor import Restart
from axon.supervisor._children import Children
from axon.telemetry import ProcessStartFailed, attach


async def test_a1_the_next_child_starts_when_the_one_before_it_is_ready() -> None:
    log = Log()

    async def slow(number: int) -> None:
        await asyncio.sleep(1)
        log.append("ready a")

    tree = Supervisor([part("a", log, begin=slow), part("b", log)])
    async with tree:
        assert log == ["start a", "ready a", "start b"]


async def test_a2_the_supervisor_is_there_when_every_init_is_done() -> None:
    log = Log()
    inner = child(Supervisor([part("c", log, begin=takes(2))]), id="inner")
    async with Supervisor([part("a", log, begin=takes(1)), inner, part("b", log, begin=takes(4))]) as sup:
        assert now() == 7
        assert await statuses(sup) == {"a": "running", "inner": "running", "b": "running"}


@pytest.mark.parametrize(
    ("begin", "reason"),
    [
        (fails_on(1), "Boom"),
        (fails_on(1, reason=shutdown("not now")), "shutdown('not now')"),
        (fails_on(1, reason=axon.normal), "normal"),
        (fails_on(1, reason=asyncio.CancelledError()), "CancelledError"),
    ],
)
async def test_a3_if_one_child_fails_those_before_it_are_stopped_and_no_later_one_starts(
    begin: Begin, reason: str
) -> None:
    log = Log()
    tree = Supervisor([part("a", log), part("b", log), part("c", log, begin=begin), part("d", log)], name="app")
    with pytest.raises(StartFailed) as failed:
        async with tree:
            pytest.fail("the body does not run")
    assert log == ["start a", "start b", "start c", "stop b shutdown", "stop a shutdown"]
    assert axon.whereis("app") is None
    assert isinstance(failed.value.reason, axon.Reason)
    inner = failed.value.reason.term
    assert isinstance(inner, StartFailed)
    assert (failed.value.reason.name, inner.child, shown(inner.reason)) == ("shutdown", "c", reason)


async def test_a3_the_supervisors_own_exit_reason_says_which_child_failed_and_why() -> None:
    log, cause = Log(), Boom()
    seen: list[object] = []
    axon.telemetry.attach(lambda event: seen.append((event.path, event.reason)), axon.telemetry.ProcessStartFailed)
    with pytest.raises(StartFailed):
        await axon.start(Supervisor([part("a", log, begin=fails_on(1, reason=cause))]), name="app")
    assert seen == [("app/a", cause), ("app", shutdown(StartFailed("a", cause)))]


async def test_a4_a_failure_at_the_start_is_not_tried_again() -> None:
    log = Log()
    with pytest.raises(StartFailed):
        async with Supervisor([part("a", log, begin=fails_on(1))], max_restarts=10):
            pass
    assert log.starts == {"a": 1}


@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_a5_a_child_that_ignores_stays_without_a_process_and_later_ones_start(restart: Restart) -> None:
    log = Log()
    children = [part("a", log), part("b", log, begin=ignores_on(1), restart=restart), part("c", log)]
    async with Supervisor(children) as sup:
        assert log == ["start a", "start b", "start c"]
        assert await statuses(sup) == {"a": "running", "b": "stopped", "c": "running"}
        with pytest.raises(NoProcess):
            await at(sup, "b").number()


async def test_a6_a_temporary_child_that_ignores_leaves_no_spec() -> None:
    log = Log()
    children = [part("a", log, begin=ignores_on(1), restart="temporary"), part("b", log)]
    async with Supervisor(children) as sup:
        assert await statuses(sup) == {"b": "running"}


class Optional(Supervisor):
    """A supervisor with an `init` of its own."""

    because: BaseException | None = None

    async def init(self) -> Children:
        if self.because is not None:
            raise self.because
        return await super().init()


async def test_a7_a_supervisor_may_ignore_its_start_too() -> None:
    log = Log()
    with pytest.raises(axon.Ignored):
        await axon.start(Optional([part("a", log)], because=axon.Ignore()))
    ignoring = child(Optional([part("a", log)], because=axon.Ignore()), id="inner")
    async with Supervisor([ignoring, part("b", log)]) as sup:
        assert await statuses(sup) == {"inner": "stopped", "b": "running"}
    assert log.starts == {"b": 1}


async def test_a8_what_the_init_of_a_supervisor_raises_is_its_exit_reason() -> None:
    cause = Boom("no configuration")
    exits: list[object] = []
    attach(lambda event: exits.append(event.reason), ProcessStartFailed)
    with pytest.raises(StartFailed) as failed:
        await axon.start(Optional([part("a", Log())], because=cause))
    assert failed.value.reason is cause
    assert exits == [cause]


async def test_a10_a_child_that_dies_while_a_sibling_starts_is_looked_at_when_the_start_is_done() -> None:
    log = Log()

    def crash_soon(number: int) -> None:
        if number == 1:
            axon.continue_with("right after init")

    async with Supervisor([part("a", log, begin=crash_soon), part("b", log, begin=takes(1))]) as sup:
        await settle()
        assert log == ["start a", "start b", "stop a Boom", "start a"]
        assert await statuses(sup) == {"a": "running", "b": "running"}
        assert log.starts == {"a": 2, "b": 1}


async def test_a11_a_child_that_starts_slowly_keeps_its_supervisor_busy() -> None:
    log = Log()
    async with Supervisor([part("a", log)]) as sup:
        slow = asyncio.create_task(sup.start_child(part("b", log, begin=takes(3))))
        await settle()
        assert await statuses(sup) == {"a": "running", "b": "running"}
        assert now() >= 3
        await slow


async def test_a13_a_child_has_its_name_before_its_init_and_requests_wait_for_its_end() -> None:
    log = Log()
    async with Supervisor() as sup:
        starting = asyncio.create_task(sup.start_child(part("a", log, name="first", begin=takes(3))))
        await settle()
        assert await axon.lookup(Part, "first").number() == 1
        assert now() == 3
        await starting


async def test_a_name_that_is_taken_is_a_failure_to_start() -> None:
    log = Log()
    tree = Supervisor([part("a", log), part("b", log, name="same")])
    async with Supervisor([part("holder", Log(), name="same")]):
        with pytest.raises(StartFailed) as failed:
            async with tree:
                pass
    root = failed.value.__cause__.__cause__ if failed.value.__cause__ is not None else None
    assert isinstance(root, NameTaken)
    assert (root.name, root.holder) == ("same", "Supervisor/holder")
    assert log == ["start a", "stop a shutdown"]


async def test_a_restarted_child_has_its_name_again() -> None:
    log = Log()
    async with Supervisor([part("a", log, name="first")]) as sup:
        await crash(at(sup, "a"))
        assert await axon.lookup(Part, "first").number() == 2


async def test_a_supervisor_without_children_starts() -> None:
    async with Supervisor([]) as sup:
        assert await sup.which_children() == []
