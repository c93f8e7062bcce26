"""Spawning: a coroutine function becomes a process with a context, a parent and an end of its own."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from subjects import quiet, subject

import axon
from axon import ExitReason, kill, killed, noproc, normal, shutdown
from axon.process import receive, runtime, spawn, spawn_link, spawn_monitor, trap_exit

BOOM = RuntimeError("boom")
COLOUR: ContextVar[str] = ContextVar("colour", default="none")


async def ends_with(error: BaseException | None) -> object:
    if error is not None:
        raise error
    return "what it returns is nobody's business"


@pytest.mark.parametrize(("error", "reason"), [(None, normal), (BOOM, BOOM)])
async def test_c5_the_reason_is_normal_or_the_exception_itself(error: BaseException | None, reason: ExitReason) -> None:
    assert (await axon.wait_down(spawn(ends_with, error))).reason is reason


async def test_a_process_starts_after_the_step_that_spawned_it() -> None:
    steps: list[str] = []

    async def child() -> None:
        steps.append("child")

    process = spawn(child)
    steps.append("parent")
    await axon.wait_down(process)
    assert steps == ["parent", "child"]


async def test_the_programs_task_factory_does_not_make_processes() -> None:
    """An eager one would run them in the step that spawns them, before their links are made."""
    asked: list[object] = []

    def factory(loop: asyncio.AbstractEventLoop, body: Any, **options: Any) -> asyncio.Task[Any]:
        asked.append(body)
        return asyncio.Task(body, loop=loop, **options)

    asyncio.get_running_loop().set_task_factory(factory)
    await axon.wait_down(spawn(ends_with, None))
    assert asked == []
    await asyncio.create_task(asyncio.sleep(0))
    assert len(asked) == 1


async def test_arguments_are_passed_on() -> None:
    seen: list[object] = []

    async def child(a: int, *, fn: str, linked: str) -> None:
        seen.append((a, fn, linked))

    await axon.wait_down(spawn(child, 1, fn="two", linked="three"))
    assert seen == [(1, "two", "three")]


async def test_a_linked_child_takes_its_parent_along_and_a_plain_one_does_not() -> None:
    async def parent(make: Callable[..., object]) -> None:
        make(ends_with, BOOM)
        await asyncio.sleep(1)

    assert (await axon.wait_down(spawn(parent, spawn_link))).reason is BOOM
    assert (await axon.wait_down(spawn(parent, spawn))).reason is normal
    assert (await axon.wait_down(spawn(parent, spawn_monitor))).reason is normal


async def test_a_monitored_child_tells_its_parent() -> None:
    seen: list[object] = []

    async def parent() -> None:
        child, monitor = spawn_monitor(ends_with, BOOM)
        seen.extend([await receive(), axon.Down(monitor, child, BOOM)])

    await axon.wait_down(spawn(parent))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("reason", [normal, shutdown("deploy"), kill, BOOM], ids=repr)
@pytest.mark.parametrize("trapping", [False, True])
async def test_c5_a_process_ends_itself_with_any_reason_by_raising_stop(reason: ExitReason, trapping: bool) -> None:
    """Erlang's `exit/1`, which no trapping of exits keeps from its end."""

    async def child() -> None:
        trap_exit(trapping)
        raise axon.Stop(reason)

    assert (await axon.wait_down(spawn(child))).reason == reason


async def test_ancestors_are_those_who_spawned_the_nearest_first() -> None:
    seen: dict[str, tuple[axon.Process, ...]] = {}

    async def generation(names: list[str]) -> None:
        seen[names[0]] = axon.ancestors()
        if names[1:]:
            await axon.wait_down(spawn(generation, names[1:]))

    first = spawn(generation, ["first", "second", "third"])
    await axon.wait_down(first)
    assert seen["first"] == ()
    assert seen["second"] == (first,)
    assert seen["third"][1:] == (first,)
    assert seen["third"][0].path.startswith(f"{first.path}/generation#")


@pytest.mark.fifo("two thousand that could run: to choose one of them at every step takes seconds")
async def test_a_family_may_be_deep() -> None:
    """The path of the 2,000th descendant is a text, not a RecursionError."""
    paths: list[str] = []

    async def generation(left: int) -> None:
        if left:
            spawn(generation, left - 1)
        else:
            paths.append(axon.current().path)

    spawn(generation, 2000)
    await quiet()
    assert paths[0].count("/") == 2000


async def test_a_spawned_process_acts_on_nobodys_behalf() -> None:
    """`callers` belong to the request that is being handled; what a handler spawns has none."""
    seen: list[object] = []

    async def child() -> None:
        seen.append(axon.callers())

    class Spawner(axon.GenServer[None]):
        def init(self) -> None: ...

        @axon.call
        def go(self, state: None) -> None:
            seen.append(axon.callers())
            spawn(child)

    async def asker(spawner: Spawner) -> None:
        await spawner.go()

    spawner = await axon.start(Spawner())
    process = spawn(asker, spawner)
    await axon.wait_down(process)
    await quiet()
    assert seen == [(process,), ()]
    await axon.stop(spawner)


async def test_context_variables_do_not_leak_from_parent_to_child_nor_back() -> None:
    seen: list[str] = []

    async def child() -> None:
        seen.append(COLOUR.get())
        COLOUR.set("of the child")

    async def parent() -> None:
        COLOUR.set("of the parent")
        await axon.wait_down(spawn(child))
        seen.append(COLOUR.get())

    COLOUR.set("of the test")
    await axon.wait_down(spawn(parent))
    assert [*seen, COLOUR.get()] == ["none", "of the parent", "of the test"]


async def test_current_is_the_process_also_in_tasks_that_it_starts() -> None:
    seen: list[axon.Process] = []

    async def look() -> None:
        seen.append(axon.current())

    async def body() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(look())
        await look()

    process = spawn(body)
    await axon.wait_down(process)
    assert seen == [process, process]


async def test_killed_before_its_first_step_it_never_runs() -> None:
    """And is dead at once: there is nothing to interrupt."""
    steps: list[str] = []

    async def child() -> None:
        steps.append("ran")

    process = spawn(child)
    axon.exit(process, axon.kill)
    assert process.reason is killed
    await quiet()
    assert steps == []


async def test_a_process_is_an_address_and_stays_home() -> None:
    async with subject() as target:
        assert repr(target.process) == f"<Process {target.process.serial} {target.process.path}>"
        for give_away in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(axon.NotPicklable, match="send its name instead"):
                give_away(target.process)
        axon.exit(target.process, shutdown)
        await quiet()
        assert repr(target.process).endswith(" ended>")


@pytest.mark.real_clock
async def test_a_process_of_another_event_loop_is_refused() -> None:
    """Instead of waking it from the wrong thread."""

    async def elsewhere(target: axon.Process) -> None:
        with pytest.raises(axon.WrongLoop, match="another event loop"):
            axon.send(target, "hello")

    async with subject() as target:
        await asyncio.to_thread(asyncio.run, elsewhere(target.process))


@pytest.mark.parametrize("wrong", [7, "name", lambda: None, ends_with(None)], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("make", [spawn, spawn_link, spawn_monitor])
async def test_only_a_coroutine_function_can_be_spawned(make: Callable[[Any], object], wrong: object) -> None:
    refused: list[axon.InvalidOption] = []

    async def parent() -> None:
        try:
            make(wrong)
        except axon.InvalidOption as error:
            refused.append(error)

    before = runtime().next_serial()
    await axon.wait_down(spawn(parent))
    assert refused[0].option == "fn"
    assert refused[0].expected == "a coroutine function (async def)"
    assert runtime().next_serial() == before + 3  # the parent's label and serial, nobody else's
    if asyncio.iscoroutine(wrong):
        wrong.close()


@pytest.mark.parametrize("make", [spawn_link, spawn_monitor])
async def test_only_a_process_can_link_or_monitor_what_it_spawns(make: Callable[..., object]) -> None:
    with pytest.raises(axon.NotInProcess, match=make.__name__):
        make(ends_with, None)


ACTS: dict[str, Callable[[], object]] = {
    "current": axon.current,
    "ancestors": axon.ancestors,
    "trap_exit": lambda: axon.process.trap_exit(True),
    "monitor": lambda: axon.monitor("nobody"),
    "link": lambda: axon.link("nobody"),
    "unlink": lambda: axon.unlink("nobody"),
}


@pytest.mark.parametrize("act", ACTS)
async def test_what_only_a_process_can_do_is_refused_in_a_plain_coroutine(act: str) -> None:
    with pytest.raises(axon.NotInProcess):
        ACTS[act]()


USES: dict[str, Callable[[Any], object]] = {
    "whereis": axon.whereis,
    "send": lambda target: axon.send(target, "hello"),
    "exit": lambda target: axon.exit(target, shutdown),
    "send_after": lambda target: axon.send_after(1, target, "hello"),
}


@pytest.mark.parametrize("wrong", [7, None, object()], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("use", USES)
async def test_a_target_is_a_process_a_handle_or_a_name(use: str, wrong: object) -> None:
    with pytest.raises(axon.InvalidOption, match="target must be a process, a handle or a registered name"):
        USES[use](wrong)
    with pytest.raises(axon.InvalidOption, match="target must be a process, a handle or a registered name"):
        await axon.wait_down(wrong)  # type: ignore[arg-type]  # the point


async def test_nobody_there_is_told_apart_from_a_death() -> None:
    """`wait_down` on a dead process is not the reason it died of: that was told to those who watched."""
    process = spawn(ends_with, BOOM)
    assert (await axon.wait_down(process)).reason is BOOM
    assert (await axon.wait_down(process)).reason is noproc
    assert process.reason is BOOM
