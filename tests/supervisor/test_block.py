"""`async with Supervisor`: the block is the parent, and neither outlives the other."""

from __future__ import annotations

import asyncio
import traceback

import pytest
from parts import Boom, Log, Loose, at, branch, crash, end, fails_on, for_ever, lasts, now, part, settle, takes

import axon
from axon import GenServer, NoProcess, StartFailed, Supervisor, SupervisorDied, child, normal, shutdown
from axon.testing import simulate

# -- leaving


async def test_leaving_stops_the_tree_in_order() -> None:
    log = Log()
    async with Supervisor([part("a", log), part("b", log)]) as sup:
        log.clear()
    assert log == ["stop b shutdown", "stop a shutdown"]
    assert axon.whereis(sup) is None


async def test_leaving_by_an_exception_stops_it_and_raises_that_exception() -> None:
    log, error = Log(), Boom()
    with pytest.raises(Boom) as raised:
        async with Supervisor([part("a", log), part("b", log)]):
            log.clear()
            raise error
    assert raised.value is error
    assert log == ["stop b shutdown", "stop a shutdown"]


async def test_leaving_by_cancellation_stops_it_in_order() -> None:
    log = Log()

    async def program() -> None:
        async with Supervisor([part("a", log, finish=lasts(1)), part("b", log, finish=lasts(1))]):
            await for_ever()

    task = asyncio.create_task(program())
    await settle()
    log.clear()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["stop b shutdown", "stop a shutdown"]
    assert now() >= 2
    assert task.cancelled()


async def test_a_second_cancellation_does_not_leave_the_tree_running() -> None:
    log = Log()
    names: list[str] = []

    async def program() -> None:
        try:
            async with Supervisor([part("a", log, finish=lasts(3), name="a"), part("b", log, finish=lasts(1))]):
                await for_ever()
        finally:
            names.extend(axon.registered())

    task = asyncio.create_task(program())
    await settle()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.5)
    assert not task.done()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (names, log[-1]) == ([], "stop a shutdown")
    assert now() >= 4


async def test_a_cancellation_that_comes_while_leaving_is_told_when_the_tree_is_down() -> None:
    log = Log()

    async def program() -> None:
        async with Supervisor([part("a", log, finish=lasts(2))]):
            pass
        pytest.fail("the cancellation comes before")

    task = asyncio.create_task(program())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert now() == 2


async def test_leaving_by_return_and_break() -> None:
    log = Log()

    async def program() -> int:
        async with Supervisor([part("a", log)]) as sup:
            return await at(sup, "a").number()

    assert await program() == 1
    for _ in range(2):
        async with Supervisor([part("b", log)]):
            break
    assert log == ["start a", "stop a shutdown", "start b", "stop b shutdown"]


# -- the supervisor ends by itself


async def test_giving_up_cancels_the_body_and_says_why() -> None:
    log, cause = Log(), Boom("the cause")
    cancelled = False
    with pytest.raises(SupervisorDied) as died:
        async with Supervisor([part("a", log)], max_restarts=0, max_seconds=7, name="app") as sup:
            at(sup, "a").crash(cause)
            try:
                await for_ever()
            except asyncio.CancelledError:
                cancelled = True
                raise
    assert cancelled
    assert (died.value.path, died.value.reason, died.value.__cause__) == ("app", shutdown, cause)
    assert died.value.why == ("more than 0 restarts within 7 s; the child 'a' failed last, with Boom('the cause')")
    assert died.value.why in str(died.value)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0  # the program goes on as if nobody had cancelled it
    await settle()


async def test_the_cause_is_told_over_all_levels() -> None:
    cause = Boom("deep down")
    deep = child(Supervisor([part("a", Log())], max_restarts=0), id="deep")
    middle = child(Supervisor([deep], max_restarts=0), id="middle")
    with pytest.raises(SupervisorDied) as died:
        async with Supervisor([middle], max_restarts=0) as sup:
            await crash(at(sup, "middle", "deep", "a"), cause)
    assert died.value.__cause__ is cause
    assert "'middle'" in died.value.why


async def test_the_cause_is_told_when_a_tree_did_not_start_again() -> None:
    inner = child(Supervisor([part("a", Log(), begin=fails_on(2))], max_restarts=0), id="inner")
    with pytest.raises(SupervisorDied) as died:
        async with Supervisor([inner], max_restarts=1) as sup:
            await crash(at(sup, "inner", "a"))
    error: BaseException | None = died.value
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    assert repr(error) == "Boom('attempt 2')"


async def test_the_cause_is_not_that_of_an_earlier_incarnation() -> None:
    inner = child(Supervisor([part("a", Log())], max_restarts=0), id="inner")
    with pytest.raises(SupervisorDied) as died:
        async with Supervisor([inner], max_restarts=1) as sup:
            await crash(at(sup, "inner", "a"), Boom("long ago"))
            axon.exit(branch(sup, "inner"), axon.kill)
            await for_ever()
    assert died.value.__cause__ is None
    assert died.value.why.endswith("the child 'inner' failed last, with killed")


async def test_a_killed_supervisor_cancels_the_body_too() -> None:
    log = Log()
    with pytest.raises(SupervisorDied) as died:
        async with Supervisor([part("a", log, Loose)]) as sup:
            axon.exit(sup, axon.kill)
            await for_ever()
    assert (died.value.reason, died.value.why, died.value.__cause__) == (axon.killed, "", None)


async def test_auto_shutdown_cancels_the_body_too() -> None:
    job = part("job", Log(), restart="transient", significant=True)
    with pytest.raises(SupervisorDied) as died:
        async with Supervisor([job], auto_shutdown="any_significant") as sup:
            at(sup, "job").end(normal)
            await for_ever()
    assert (died.value.reason, died.value.__cause__) == (shutdown, None)


async def test_a_supervisor_that_is_stopped_in_its_block_ends_the_block() -> None:
    log = Log()
    with pytest.raises(SupervisorDied) as died:
        async with Supervisor([part("a", log)]) as sup:
            await axon.stop(sup)
            pytest.fail("the body is cancelled")
    assert died.value.reason == normal
    assert log == ["start a", "stop a normal"] or log == ["start a", "stop a shutdown"]


async def test_a_supervisor_that_ended_while_the_body_did_not_wait_is_told_at_the_end() -> None:
    with pytest.raises(SupervisorDied):
        async with Supervisor() as sup:
            axon.exit(sup, axon.kill)


async def test_the_body_may_clean_up_before_it_goes() -> None:
    with pytest.raises(SupervisorDied):
        async with Supervisor([part("a", Log())], max_restarts=0) as sup:
            at(sup, "a").crash(Boom())
            try:
                await for_ever()
            finally:
                await asyncio.sleep(3)
    assert now() >= 3


async def test_an_error_of_the_bodys_own_is_not_lost_when_the_supervisor_died_too() -> None:
    with pytest.raises(BaseException) as raised:
        async with Supervisor([part("a", Log())], max_restarts=0) as sup:
            at(sup, "a").crash(Boom("in the child"))
            try:
                await for_ever()
            finally:
                raise ValueError("in the body")
    shown = "".join(traceback.format_exception(raised.value))
    assert "in the body" in shown
    assert "in the child" in shown


# -- what surrounds it, and what is in it


async def test_an_inner_block_is_stopped_before_the_outer_one() -> None:
    log = Log()
    async with Supervisor([part("a", log)]), Supervisor([part("b", log)]):
        log.clear()
    assert log == ["stop b shutdown", "stop a shutdown"]


async def test_when_the_outer_supervisor_dies_the_inner_block_is_left_in_order() -> None:
    log = Log()
    with pytest.raises(SupervisorDied) as died:
        async with (
            Supervisor([part("a", log)], max_restarts=0, name="outer") as outer,
            Supervisor([part("b", log, finish=lasts(1))], name="inner"),
        ):
            at(outer, "a").crash(Boom())
            await for_ever()
    assert died.value.path == "outer"
    assert log[-1] == "stop b shutdown"
    assert now() >= 1


async def test_when_the_inner_supervisor_dies_the_outer_block_may_go_on() -> None:
    log = Log()
    async with Supervisor([part("a", log)]) as outer:
        with pytest.raises(SupervisorDied) as died:
            async with Supervisor([part("b", log)], max_restarts=0, name="inner") as inner:
                at(inner, "b").crash(Boom())
                await for_ever()
        assert died.value.path == "inner"
        assert await at(outer, "a").number() == 1


async def test_when_both_die_the_outer_one_is_told() -> None:
    with pytest.raises(SupervisorDied) as died:
        async with (
            Supervisor([part("a", Log())], max_restarts=0, name="outer") as outer,
            Supervisor([part("b", Log())], max_restarts=0, name="inner") as inner,
        ):
            axon.exit(inner, axon.kill)
            axon.exit(outer, axon.kill)
            await for_ever()
    assert died.value.path == "outer"


async def test_a_timeout_around_a_block_stops_it_in_order() -> None:
    log = Log()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            async with Supervisor([part("a", log, finish=lasts(2)), part("b", log)]):
                log.clear()
                await for_ever()
    assert log == ["stop b shutdown", "stop a shutdown"]
    assert now() == 3


async def test_a_timeout_inside_a_block_is_the_bodys_own() -> None:
    log = Log()
    async with Supervisor([part("a", log)]) as sup:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await for_ever()
        assert await at(sup, "a").number() == 1


async def test_a_timeout_that_passes_as_the_supervisor_dies_wins() -> None:
    """Both cancel the body; as with nested timeouts, the outer one is told."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            async with Supervisor([part("a", Log())], max_restarts=0) as sup:
                asyncio.get_running_loop().call_at(1, at(sup, "a").crash, Boom())
                await for_ever()


async def test_a_task_group_inside_is_cancelled_when_the_supervisor_gives_up() -> None:
    ended: list[str] = []

    async def worker() -> None:
        try:
            await for_ever()
        finally:
            ended.append("worker")

    with pytest.raises(SupervisorDied):
        async with Supervisor([part("a", Log())], max_restarts=0) as sup, asyncio.TaskGroup() as group:
            group.create_task(worker())
            await settle()
            at(sup, "a").crash(Boom())
    assert ended == ["worker"]


async def test_a_failure_in_a_task_group_inside_stops_the_tree() -> None:
    log = Log()

    async def fail() -> None:
        raise Boom

    with pytest.raises(ExceptionGroup) as group_error:
        async with Supervisor([part("a", log)]), asyncio.TaskGroup() as group:
            log.clear()
            group.create_task(fail())
            await for_ever()
    assert group_error.group_contains(Boom)
    assert log == ["stop a shutdown"]


async def test_blocks_in_tasks_of_a_task_group() -> None:
    """One supervisor gives up; the group cancels the other block, which stops its tree."""
    log = Log()

    async def program(label: str, *, crashes: bool) -> None:
        async with Supervisor([part(label, log)], max_restarts=0, name=f"app {label}") as sup:
            await settle()  # both blocks are entered
            if crashes:
                at(sup, label).crash(Boom())
            await for_ever()

    with pytest.raises(ExceptionGroup) as failed:
        async with asyncio.TaskGroup() as group:
            group.create_task(program("a", crashes=False))
            group.create_task(program("b", crashes=True))
    assert failed.group_contains(SupervisorDied)
    assert len(failed.value.exceptions) == 1
    assert log[-1] == "stop a shutdown"


async def test_a_block_in_a_task_that_was_cancelled_before_tells_of_its_supervisor() -> None:
    died: list[SupervisorDied] = []

    async def program() -> None:
        try:
            await for_ever()
        finally:  # cleaning up with the help of a tree
            try:
                async with Supervisor([part("a", Log())], max_restarts=0) as sup:
                    at(sup, "a").crash(Boom())
                    await for_ever()
            except SupervisorDied as error:
                died.append(error)

    task = asyncio.create_task(program())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(died) == 1


async def test_one_spec_may_be_entered_often_and_at_once() -> None:
    log = Log()
    tree = Supervisor([part("a", log)])

    async def program() -> int:
        async with tree as sup:
            await asyncio.sleep(1)
            return await at(sup, "a").number()

    assert sorted(await asyncio.gather(program(), program())) == [1, 2]
    assert await program() == 3
    async with tree as outer, tree as inner:
        assert outer != inner


async def test_a_running_tree_is_not_entered_again() -> None:
    """Its handle is an address, and no spec: entering it would start a second tree."""
    log = Log()
    async with Supervisor([part("a", log)]) as sup:
        with pytest.raises(axon.InvalidOption, match="supervisor must be a spec, not a running server"):
            async with sup:
                pytest.fail("there is no block to enter")
    assert log == ["start a", "stop a shutdown"]


async def test_a_block_may_be_left_in_another_task_than_it_was_entered_in() -> None:
    """A fixture of pytest-asyncio does so."""
    log = Log()
    tree = Supervisor([part("a", log)])
    sup = await asyncio.create_task(tree.__aenter__())
    assert await at(sup, "a").number() == 1
    await asyncio.create_task(tree.__aexit__(None, None, None))
    assert log == ["start a", "stop a shutdown"]


class Host(GenServer[Supervisor]):
    """A server that keeps a tree of its own, as an async context opened in init and closed in terminate."""

    tree: Supervisor
    trap_exit = True

    async def init(self) -> Supervisor:
        return await self.tree.__aenter__()

    async def terminate(self, state: Supervisor, reason: axon.ExitReason) -> None:
        await self.tree.__aexit__(None, None, None)


async def test_a_block_in_a_server() -> None:
    log = Log()
    async with Supervisor([Host(Supervisor([part("a", log)], name="private"))]):
        private = axon.lookup(Supervisor, "private")
        assert repr(at(private, "a")) == "<Part Supervisor/Host/private/a>"
    assert log == ["start a", "stop a shutdown"]


# -- entering


async def test_a_start_that_fails_raises_with_the_root_cause() -> None:
    log, cause = Log(), Boom("the cause")
    inner = child(Supervisor([part("b", log, begin=fails_on(1, reason=cause))]), id="inner")
    with pytest.raises(StartFailed) as failed:
        async with Supervisor([part("a", log), inner], name="app"):
            pytest.fail("the body does not run")
    assert failed.value.child == "app"
    error: BaseException | None = failed.value
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    assert error is cause
    assert log == ["start a", "start b", "stop a shutdown"]


async def test_a_cancellation_while_entering_leaves_nothing_running() -> None:
    log = Log()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            async with Supervisor([part("a", log, finish=lasts(1), name="a"), part("b", log, begin=takes(60))]):
                pytest.fail("the body does not run")
    assert axon.registered() == []
    assert log[-1] in ("stop a shutdown", "stop a killed")
    assert now() == 2


def test_a_cancellation_in_any_turn_of_the_start_stops_what_has_begun() -> None:
    """Also if what is left of the supervisor's `init` has not taken its first step by then: some schedule brings that."""

    async def program() -> None:
        log = Log()

        async def enter() -> None:
            parts = [part("a", log, finish=lasts(1), name="a"), part("b", log, begin=takes(60), name="b")]
            async with Supervisor(parts):
                pytest.fail("the body does not run")

        task = asyncio.create_task(enter())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert axon.registered() == []
        assert log == [] or log[-1] == "stop a shutdown"

    for seed in range(150):
        simulate(program, seed)


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancellation_just_as_the_start_is_done_leaves_nothing_running(turns: int) -> None:
    log = Log()

    async def program() -> None:
        async with Supervisor([part("a", log, begin=takes(1))], name="app"):
            await for_ever()

    task = asyncio.create_task(program())
    await asyncio.sleep(0.5)
    canceller = asyncio.create_task(cancel_at(1, turns, task))
    await asyncio.wait([task], timeout=10)
    hangs = not task.done()
    if hangs:  # let the test go on
        axon.exit("app", axon.kill)
    await asyncio.gather(task, canceller, return_exceptions=True)
    assert not hangs
    assert task.cancelled()
    assert axon.registered() == []


async def cancel_at(seconds: float, turns: int, task: asyncio.Task[None]) -> None:
    await asyncio.sleep(seconds - now())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()


async def test_a_name_of_a_block_that_is_taken() -> None:
    async with Supervisor(name="app"):
        with pytest.raises(axon.NameTaken):
            async with Supervisor(name="app"):
                pytest.fail("the body does not run")
    async with Supervisor(name="app") as again:
        assert axon.lookup(Supervisor, "app") == again


async def test_an_uncaught_end_of_a_child_reaches_nobody_but_its_supervisor() -> None:
    log = Log()
    async with Supervisor([part("a", log), child(Supervisor([part("b", log)]), id="inner")]) as sup:
        await end(at(sup, "a"), Boom())
        await end(at(branch(sup, "inner"), "b"), Boom())
        assert [await at(sup, "a").number(), await at(sup, "inner", "b").number()] == [2, 2]


async def test_a_handle_of_a_left_block_leads_to_nobody() -> None:
    async with Supervisor([part("a", Log())]) as sup:
        a = at(sup, "a")
    with pytest.raises(NoProcess, match="its block was left"):
        await a.number()
