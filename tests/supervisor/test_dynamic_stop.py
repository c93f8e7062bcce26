"""A dynamic supervisor stops its children all at once, each by the time its spec gives it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from parts import (
    Boom,
    Log,
    Loose,
    Part,
    Stubborn,
    breaks,
    crash,
    lasts,
    now,
    part,
    settle,
    watching,
)
from tenacity import wait_fixed

import axon
from axon import (
    AxonError,
    CallCycle,
    ChildSpec,
    DynamicSupervisor,
    GenServer,
    ServerDied,
    Supervisor,
    child,
    killed,
    normal,
    shutdown,
)
from axon.process import runtime
from axon.telemetry import ProcessCrashed, attach


async def started(sup: DynamicSupervisor, specs: Sequence[ChildSpec[Part]]) -> list[Part]:
    return [await sup.start_child(spec) for spec in specs]


async def stopped(*specs: ChildSpec[Part]) -> dict[str, tuple[axon.ExitReason, float]]:
    """How and when each child ended, after its supervisor was stopped."""
    ends: dict[str, tuple[axon.ExitReason, float]] = {}
    sup = await axon.start(DynamicSupervisor())

    async def watch(spec: ChildSpec[Part], handle: Part) -> None:
        down = await axon.wait_down(handle)
        ends[spec.id] = (down.reason, round(now() - begun, 2))

    handles = await started(sup, specs)
    async with asyncio.TaskGroup() as watching:
        for spec, handle in zip(specs, handles, strict=True):
            watching.create_task(watch(spec, handle))
        await settle()
        begun = now()
        await axon.stop(sup)
        ends["last"] = (normal, round(now() - begun, 2))
    return ends


async def test_a45_all_children_stop_at_once_and_it_takes_as_long_as_the_slowest() -> None:
    log = Log()
    ends = await stopped(
        *(part(label, log, finish=lasts(seconds)) for label, seconds in [("a", 1), ("b", 3), ("c", 2)])
    )
    assert sorted(log[3:]) == ["stop a shutdown", "stop b shutdown", "stop c shutdown"]
    assert ends == {"a": (shutdown, 1), "c": (shutdown, 2), "b": (shutdown, 3), "last": (normal, 3)}


async def test_a45_each_has_the_time_of_its_own_spec() -> None:
    log = Log()
    ends = await stopped(
        part("brutal", log, finish=lasts(60), shutdown="brutal_kill"),
        part("half", log, finish=lasts(60), shutdown=0.5),
        part("default", log, finish=lasts(60)),
        part("none", log, finish=lasts(60), shutdown=0),
        part("long", log, finish=lasts(60), shutdown=100),
        part("ever", log, finish=lasts(300), shutdown="infinity"),
    )
    assert ends == {
        "brutal": (killed, 0),
        "none": (killed, 0),
        "half": (killed, 0.5),
        "default": (killed, 5),
        "long": (shutdown, 60),
        "ever": (shutdown, 300),
        "last": (normal, 300),
    }
    assert "stop brutal shutdown" not in log


async def test_a21_children_that_do_not_trap_exits_die_at_once() -> None:
    ends = await stopped(*(part(label, Log(), Loose) for label in "abc"))
    assert ends == dict.fromkeys("abc", (shutdown, 0)) | {"last": (normal, 0)}


async def test_a45_a_child_that_swallows_every_cancellation_holds_up_nobody() -> None:
    stubborn = Stubborn()
    ends = await stopped(
        part("a", Log(), finish=stubborn.hang, shutdown=1),
        part("b", Log(), finish=stubborn.hang, shutdown=1),
        part("c", Log(), finish=lasts(1)),
    )
    assert ends == {"c": (shutdown, 1), "a": (killed, 2), "b": (killed, 2), "last": (normal, 2)}
    assert len(runtime().zombies) == 2
    await stubborn.release()


async def test_a45_the_trees_inside_stop_at_once_too_each_in_its_own_order() -> None:
    log = Log()
    sup = await axon.start(DynamicSupervisor())
    for name in "ab":
        await sup.start_child(child(Supervisor([part(f"{name}{n}", log, finish=lasts(1)) for n in (1, 2)]), id=name))
    log.clear()
    begun = now()
    await axon.stop(sup)
    for name in "ab":
        assert [line for line in log if f" {name}" in line] == [f"stop {name}2 shutdown", f"stop {name}1 shutdown"]
    assert now() - begun == pytest.approx(2)


async def test_a27_a_child_that_crashes_while_it_stops_is_not_started_again() -> None:
    log = Log()
    async with DynamicSupervisor() as sup:
        first, _ = await started(sup, [part("a", log), part("b", log, finish=lasts(1))])
        asyncio.get_running_loop().call_later(0.5, first.crash, Boom())
        log.clear()
    assert sorted(log) == ["stop a shutdown", "stop b shutdown"]


async def test_a22_a_bad_end_is_reported_and_does_not_change_its_supervisors_reason() -> None:
    crashes: list[tuple[str, str, str]] = []
    attach(lambda event: crashes.append((event.path, repr(event.reason), event.decision)), ProcessCrashed)
    sup = await axon.start(DynamicSupervisor(), name="app")
    specs = [
        part("breaks", Log(), finish=breaks),
        part("late", Log(), finish=lasts(60), shutdown=1),
        part("brutal", Log(), shutdown="brutal_kill"),
        part("good", Log()),
    ]
    await started(sup, specs)
    await axon.stop(sup, shutdown)
    decision = "none: its supervisor is stopping"
    assert crashes == [("app/breaks", "Boom('in terminate')", decision), ("app/late", "killed", decision)]


async def test_a92_one_that_died_before_its_supervisor_looked_is_reported_once() -> None:
    crashes: list[str] = []
    attach(lambda event: crashes.append(event.path), ProcessCrashed)
    async with DynamicSupervisor(name="app") as sup:
        (handle,) = await started(sup, [part("a", Log())])
        axon.exit(handle, axon.kill)
    assert crashes == ["app/a"]


async def test_a25_a_killed_one_leaves_no_orphan() -> None:
    log = Log()
    async with Supervisor([child(DynamicSupervisor(), id="users", restart="temporary")]) as app:
        users = app.get(DynamicSupervisor, "users")
        handles = await started(users, [part("a", log), part("b", log, Loose)])
        deep = await users.start_child(child(Supervisor([part("c", log)]), id="deep"))
        targets: list[GenServer[Any]] = [*handles, deep]
        downs = [asyncio.create_task(axon.wait_down(target)) for target in targets]
        await settle()
        log.clear()
        axon.exit(users, axon.kill)
        await settle()
        assert [(await down).reason for down in downs] == [killed] * 3
        assert sorted(log) == ["stop a killed", "stop c shutdown"]


async def test_a28_nor_does_one_that_is_killed_in_the_middle_of_its_stop() -> None:
    log = Log()
    sup = await axon.start(DynamicSupervisor())
    handles = await started(sup, [part("a", log, finish=lasts(1)), part("b", log, Loose)])
    downs = [await watching(handle) for handle in handles]
    stopping = asyncio.create_task(axon.stop(sup))
    await settle()
    axon.exit(sup, axon.kill)
    with pytest.raises(ServerDied):
        await stopping
    assert [(await down).reason for down in downs] == [shutdown, shutdown]


async def test_a15_a_child_that_unlinked_itself_does_not_hang_it() -> None:
    log = Log()
    async with DynamicSupervisor() as sup:
        for handle in await started(sup, [part("a", log), part("b", log, Loose)]):
            handle.do(lambda: axon.unlink(sup))
        await settle()
        log.clear()
    assert log == ["stop a shutdown"]
    assert now() < 0.01


async def test_while_a_restart_is_waited_for_the_stop_does_not_wait() -> None:
    log = Log()
    async with DynamicSupervisor() as sup:
        (handle,) = await started(sup, [part("a", log, backoff=wait_fixed(3600))])
        await crash(handle)
    assert now() < 1
    await asyncio.sleep(7200)
    assert log.starts == {"a": 1}


# -- children that wait for the supervisor that ends them


class Asker:
    """Asks a supervisor something, and notes the errors."""

    def __init__(self, sup: DynamicSupervisor) -> None:
        self.sup, self.errors = sup, list[AxonError]()

    async def ask(self, *_: object) -> None:
        try:
            await self.sup.count_children()
        except AxonError as error:
            self.errors.append(error)


async def test_a_child_that_asks_its_supervisor_while_both_end_is_refused() -> None:
    """The two would wait for each other until the child's time is over, or for ever."""
    sup = await axon.start(DynamicSupervisor(), name="app")
    asker = Asker(sup)
    await started(sup, [part(label, Log(), finish=asker.ask, shutdown="infinity") for label in "abc"])
    await axon.stop(sup)
    assert now() < 0.1
    assert sorted(error.cycle for error in asker.errors if isinstance(error, CallCycle)) == [
        (f"app/{label}", "app", f"app/{label}") for label in "abc"
    ]


async def test_so_is_a_server_that_asks_its_supervisor_on_the_childs_behalf() -> None:
    sup = await axon.start(DynamicSupervisor(), name="app")
    helper = await axon.start(Part("helper", Log()), name="helper")
    asker = Asker(sup)

    async def have_the_helper_ask(_: axon.ExitReason) -> None:
        helper.do(asker.ask)
        await helper.number()

    await started(sup, [part("a", Log()), part("b", Log(), finish=have_the_helper_ask, shutdown="infinity")])
    await axon.stop(sup)
    await axon.stop(helper)
    assert [error.cycle for error in asker.errors if isinstance(error, CallCycle)] == [
        ("helper", "app", "app/b", "helper")
    ]


async def test_meanwhile_it_waits_for_each_of_them() -> None:
    """As `axon.waits` shows it, for whoever wonders why a stop takes so long."""
    sup = await axon.start(DynamicSupervisor(), name="app")
    await started(sup, [part(label, Log(), finish=lasts(seconds)) for label, seconds in [("a", 1), ("b", 3)]])
    stopping = asyncio.create_task(axon.stop(sup))
    await settle()
    assert [(wait.waiter.path, wait.target.path) for wait in axon.waits()] == [("app", "app/a"), ("app", "app/b")]
    await asyncio.sleep(2)
    assert [(wait.waiter.path, wait.target.path) for wait in axon.waits()] == [("app", "app/b")]
    await stopping
    assert axon.waits() == []


async def test_whoever_else_asks_meanwhile_hears_of_the_end() -> None:
    sup = await axon.start(DynamicSupervisor())
    other, asker = await axon.start(Part("other", Log())), Asker(sup)
    await started(sup, [part("a", Log(), finish=lasts(2))])
    stopping = asyncio.create_task(axon.stop(sup, shutdown))
    await settle()
    other.do(asker.ask)
    await stopping
    await axon.stop(other)
    (error,) = asker.errors
    assert isinstance(error, ServerDied)
    assert error.reason == shutdown


async def test_its_parent_may_ask_too() -> None:
    """The two are linked, but nobody waits for the parent."""
    askers: list[Asker] = []
    parent = await axon.start(Part("parent", Log()))

    async def start() -> None:
        askers.append(Asker(await axon.start_link(DynamicSupervisor())))

    parent.do(start)
    await settle()
    (asker,) = askers
    await started(asker.sup, [part("a", Log(), finish=lasts(2))])
    stopping = asyncio.create_task(axon.stop(asker.sup))
    await settle()
    parent.do(asker.ask)
    await stopping
    await axon.stop(parent)
    assert [type(error) for error in asker.errors] == [ServerDied]
