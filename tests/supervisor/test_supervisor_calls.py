"""What one can ask of a supervisor, and what it refuses."""

from __future__ import annotations

import asyncio

import pytest
from parts import (
    Boom,
    Log,
    Part,
    at,
    branch,
    crash,
    end,
    fails_from,
    fails_on,
    ignores_on,
    lasts,
    now,
    part,
    settle,
    statuses,
    takes,
)

import axon
from axon import (
    CallCycle,
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildCounts,
    ChildError,
    ChildNotFound,
    ChildRunning,
    NoProcess,
    StartFailed,
    Supervisor,
    WrongServer,
    child,
)
from axon.supervisor import Restart

# -- start_child


async def test_a78_start_child_returns_the_handle_of_a_child_that_is_ready() -> None:
    log = Log()
    async with Supervisor() as sup:
        handle = await sup.start_child(part("a", log, begin=takes(1)))
        assert now() == 1
        assert await handle.number() == 1
        assert handle == at(sup, "a")


async def test_a78_the_id_of_a_running_child_is_taken() -> None:
    async with Supervisor([part("a", Log())]) as sup:
        with pytest.raises(ChildAlreadyStarted) as refused:
            await sup.start_child(part("a", Log()))
        assert (refused.value.supervisor, refused.value.id) == ("Supervisor", "a")


async def test_a78_so_is_the_id_of_a_stopped_one() -> None:
    async with Supervisor([part("a", Log())]) as sup:
        await sup.terminate_child("a")
        with pytest.raises(ChildAlreadyPresent):
            await sup.start_child(part("a", Log()))


@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_a78_a_child_that_ignores_is_kept_without_a_process(restart: Restart) -> None:
    async with Supervisor() as sup:
        handle = await sup.start_child(part("a", Log(), begin=ignores_on(1), restart=restart))
        assert await statuses(sup) == {"a": "stopped"}
        with pytest.raises(NoProcess):
            await handle.number()
        await sup.restart_child("a")
        assert await handle.number() == 2


async def test_a78_a_temporary_child_that_ignores_is_not_kept() -> None:
    async with Supervisor() as sup:
        handle = await sup.start_child(part("a", Log(), begin=ignores_on(1), restart="temporary"))
        assert await sup.which_children() == []
        with pytest.raises(NoProcess):
            await handle.number()


async def test_a78_a_failing_start_keeps_no_spec_and_harms_nobody() -> None:
    log, cause = Log(), Boom()
    async with Supervisor([part("a", log)], strategy="one_for_all", max_restarts=0) as sup:
        with pytest.raises(StartFailed) as failed:
            await sup.start_child(part("b", log, begin=fails_on(1, reason=cause)))
        assert (failed.value.child, failed.value.reason, failed.value.__cause__) == ("Supervisor/b", cause, cause)
        await settle()
        assert log.starts == {"a": 1, "b": 1}  # and is not tried again
        assert await statuses(sup) == {"a": "running"}
        assert await (await sup.start_child(part("b", log))).number() == 2


async def test_a78_a_whole_tree_may_be_added() -> None:
    log = Log()
    async with Supervisor() as sup:
        inner = await sup.start_child(child(Supervisor([part("a", log)]), id="inner"))
        assert await statuses(inner) == {"a": "running"}


async def test_a_caller_that_gives_up_does_not_undo_a_start() -> None:
    async with Supervisor() as sup:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await sup.start_child(part("a", Log(), begin=takes(2)))
        assert await statuses(sup) == {"a": "running"}


# -- terminate_child


async def test_a79_terminate_child_stops_and_keeps_the_spec() -> None:
    log = Log()
    async with Supervisor([part("a", log), part("b", log)], strategy="one_for_all") as sup:
        log.clear()
        await sup.terminate_child("a")
        assert log.take() == ["stop a shutdown"]  # not restarted, nobody else touched
        assert await statuses(sup) == {"a": "stopped", "b": "running"}


async def test_a79_it_returns_when_the_child_is_gone() -> None:
    async with Supervisor([part("a", Log(), finish=lasts(3)), part("b", Log())]) as sup:
        stopping = asyncio.create_task(sup.terminate_child("a"))
        await settle()
        await sup.count_children()  # the supervisor is busy so long
        assert now() == 3
        await stopping


async def test_a79_twice_is_no_error() -> None:
    async with Supervisor([part("a", Log())]) as sup:
        await sup.terminate_child("a")
        await sup.terminate_child("a")


async def test_a79_a_temporary_child_is_removed() -> None:
    async with Supervisor([part("a", Log(), restart="temporary")]) as sup:
        await sup.terminate_child("a")
        assert await sup.which_children() == []


async def test_a79_a_child_that_is_waiting_for_its_supervisor_can_be_terminated() -> None:
    """As in OTP: the waiting child gets its exit signal, and is killed if it does not listen in time."""
    log = Log()
    async with Supervisor([part("a", log, shutdown=1), part("slow", log, begin=takes(1, on=2))]) as sup:
        crashing = asyncio.create_task(crash(at(sup, "slow")))
        await settle()
        terminating = asyncio.create_task(sup.terminate_child("a"))
        await settle()
        at(sup, "a").do(sup.count_children)
        await terminating
        assert await statuses(sup) == {"a": "stopped", "slow": "running"}
        await crashing


async def test_a79_a_deadline_does_not_undo_the_end_of_a_child() -> None:
    """It is the caller's patience; the child it asked to end stays ended."""
    log = Log()
    async with Supervisor([part("a", log, finish=lasts(3))]) as sup:
        with pytest.raises(axon.DeadlineExceeded):
            async with axon.deadline(1):
                await sup.terminate_child("a")
        await asyncio.sleep(10)
        assert await statuses(sup) == {"a": "stopped"}
        assert log.starts == {"a": 1}


# -- restart_child and delete_child


async def test_a80_restart_child_starts_a_stopped_one() -> None:
    async with Supervisor([part("a", Log())]) as sup:
        await sup.terminate_child("a")
        await sup.restart_child("a")
        assert await at(sup, "a").number() == 2


async def test_a80_also_one_that_had_ended_or_ignored() -> None:
    log = Log()
    children = [part("a", log, restart="transient"), part("b", log, begin=ignores_on(1, 2))]
    async with Supervisor(children) as sup:
        await end(at(sup, "a"))
        await sup.restart_child("a")
        assert await at(sup, "a").number() == 2
        await sup.restart_child("b")  # ignores again: no error
        assert await statuses(sup) == {"a": "running", "b": "stopped"}
        await sup.restart_child("b")
        assert await at(sup, "b").number() == 3


async def test_a80_a_failing_start_is_an_error_and_the_spec_stays() -> None:
    log = Log()
    async with Supervisor([part("a", log, begin=fails_on(2))], max_restarts=0) as sup:
        await sup.terminate_child("a")
        with pytest.raises(StartFailed):
            await sup.restart_child("a")
        await settle()
        assert await statuses(sup) == {"a": "stopped"}
        assert log.starts == {"a": 2}
        await sup.restart_child("a")
        assert await at(sup, "a").number() == 3


@pytest.mark.parametrize("operation", ["restart_child", "delete_child"])
async def test_a80_a81_a_running_child_is_refused(operation: str) -> None:
    async with Supervisor([part("a", Log())]) as sup:
        with pytest.raises(ChildRunning, match=r"child 'a' is running; terminate_child\(\) it first"):
            await getattr(sup, operation)("a")
        assert await at(sup, "a").number() == 1


async def test_a81_delete_child_drops_the_spec_of_a_stopped_one() -> None:
    async with Supervisor([part("a", Log()), part("b", Log())]) as sup:
        await sup.terminate_child("a")
        await sup.delete_child("a")
        assert await statuses(sup) == {"b": "running"}
        with pytest.raises(ChildNotFound):
            sup.get(Part, "a")


@pytest.mark.parametrize("operation", ["terminate_child", "restart_child", "delete_child", "get_child_spec"])
async def test_an_unknown_child_is_not_found(operation: str) -> None:
    async with Supervisor([part("a", Log())], name="app") as sup:
        with pytest.raises(ChildNotFound, match="app: child 'b' is not known here") as refused:
            await getattr(sup, operation)("b")
        assert isinstance(refused.value, ChildError)
        assert refused.value.id == "b"


# -- looking


async def test_a82_which_children_are_listed_in_start_order() -> None:
    log = Log()
    inner = child(Supervisor([part("c", log)]), id="inner")
    async with Supervisor([part("b", log), inner, part("a", log, begin=ignores_on(1))]) as sup:
        listed = await sup.which_children()
        assert [(info.id, info.status, info.type) for info in listed] == [
            ("b", "running", "worker"),
            ("inner", "running", "supervisor"),
            ("a", "stopped", "worker"),
        ]
        assert [info.handle for info in listed] == [at(sup, "b"), branch(sup, "inner"), at(sup, "a")]


async def test_a83_count_children_counts_specs_and_those_alive() -> None:
    log = Log()
    inner = child(Supervisor([part("c", log)]), id="inner")
    async with Supervisor([part("a", log), inner, part("b", log, begin=ignores_on(1))]) as sup:
        assert await sup.count_children() == ChildCounts(specs=3, active=2, supervisors=1, workers=2)
        await sup.terminate_child("inner")
        assert await sup.count_children() == ChildCounts(specs=3, active=1, supervisors=1, workers=2)


async def test_a83_a_child_that_is_dead_before_its_supervisor_looked_is_not_active() -> None:
    async with Supervisor([part("a", Log())]) as sup:
        starting = asyncio.create_task(sup.start_child(part("b", Log(), begin=takes(1))))
        await settle()
        counting = asyncio.create_task(sup.count_children())
        await settle()
        axon.exit(at(sup, "a"), axon.kill)
        assert await counting == ChildCounts(specs=2, active=1, supervisors=0, workers=2)
        await starting


async def test_a84_get_child_spec_is_the_spec_that_was_given() -> None:
    spec = part("a", Log(), restart="transient", shutdown=1)
    async with Supervisor([spec]) as sup:
        assert await sup.get_child_spec("a") is spec


async def test_get_is_at_once_and_typed() -> None:
    async with Supervisor([Part("a", Log()), part("b", Log())]) as sup:
        assert isinstance(sup.get(Part), Part)
        with pytest.raises(ChildNotFound):
            sup.get(Part, "c")
        with pytest.raises(WrongServer, match="not a Supervisor"):
            sup.get(Supervisor, "b")


async def test_a89_the_calls_wait_without_limit() -> None:
    async with Supervisor() as sup:
        handle = await sup.start_child(part("a", Log(), begin=takes(3600)))
        assert (await handle.number(), now()) == (1, 3600)


@pytest.mark.parametrize("operation", ["which_children", "count_children"])
async def test_a89_asking_a_dead_supervisor_is_an_error(operation: str) -> None:
    async with Supervisor([part("a", Log())]) as sup:
        pass
    with pytest.raises(NoProcess, match="its block was left"):
        await getattr(sup, operation)()
    with pytest.raises(NoProcess):
        await sup.start_child(part("b", Log()))


async def test_a90_an_unknown_message_is_ignored() -> None:
    async with Supervisor([part("a", Log())]) as sup:
        axon.send(sup, "hello")
        await settle()
        assert await statuses(sup) == {"a": "running"}


@pytest.mark.parametrize("operation", ["count_children", "start_child"])
async def test_a91_a_child_that_calls_its_supervisor_from_init_is_refused(operation: str) -> None:
    """It would wait for itself: the supervisor is busy in that very init."""

    async def ask(number: int) -> None:
        await (sup.count_children() if operation == "count_children" else sup.start_child(part("b", Log())))

    async with Supervisor() as sup:
        with pytest.raises(StartFailed) as failed:
            await sup.start_child(part("a", Log(), begin=ask))
        assert isinstance(failed.value.reason, CallCycle)
        assert failed.value.reason.cycle == ("Supervisor/a", "Supervisor", "Supervisor/a")


async def test_a_child_may_call_its_supervisor_later() -> None:
    seen: list[object] = []

    async def ask() -> None:
        seen.append(await sup.count_children())

    async with Supervisor([part("a", Log())]) as sup:
        at(sup, "a").do(ask)
        await settle()
    assert seen == [ChildCounts(specs=1, active=1, supervisors=0, workers=1)]


async def test_a_child_that_waits_for_its_supervisor_does_not_stop_it_from_stopping() -> None:
    log = Log()
    children = [part("a", log), part("b", log), part("c", log, finish=lasts(1))]
    async with Supervisor(children) as sup:
        log.clear()
        asyncio.get_running_loop().call_later(0.5, at(sup, "b").do, sup.count_children)
    assert [line for line in log if not line.startswith("stop b")] == ["stop c shutdown", "stop a shutdown"]


@pytest.mark.timeout(5)
async def test_others_may_ask_while_the_supervisor_ends_a_child_that_waits_for_it() -> None:
    """The two wait for each other until the child's time is over; whoever asks meanwhile just waits, too."""
    answers: list[ChildCounts] = []
    other = await axon.start(Part("other", Log()))

    async def ask() -> None:
        answers.append(await sup.count_children())

    async with Supervisor([part("a", Log(), shutdown=3), part("b", Log(), begin=takes(1, on=2))]) as sup:
        await crash(at(sup, "b"))
        ending = asyncio.create_task(sup.terminate_child("a"))
        await settle()
        at(sup, "a").do(sup.count_children)
        await asyncio.sleep(2)
        other.do(ask)
        await ending
        await settle()
    await axon.stop(other)
    assert answers == [ChildCounts(specs=2, active=1, supervisors=0, workers=2)]


async def test_calls_that_were_waiting_when_the_supervisor_gave_up_are_told() -> None:
    log = Log()
    sup = await axon.start(Supervisor([part("a", log, begin=fails_from(2)), part("b", log, finish=lasts(1))]))
    at(sup, "a").crash(Boom())
    await asyncio.sleep(0.5)
    with pytest.raises(axon.ServerDied) as died:
        await sup.count_children()
    assert died.value.reason == axon.shutdown
