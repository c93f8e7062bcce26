"""Starting: `init` makes the state, the starter waits for it, and a failed start leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest
from servers import (
    Async,
    Boom,
    Plain,
    Start,
    State,
    TrappingPlain,
    each_kind,
    each_trapping_kind,
    frames_of,
    note,
    now,
    raising,
    seen,
    settle,
    sleeping,
    start_child,
)

import axon
from axon import GenServer, Ignore, InvalidHandler, Stop, normal, shutdown


@each_kind
async def test_b1_start_returns_a_handle_when_init_is_done(start: Start, kind: type[Plain]) -> None:
    server = await start(kind(begin=note("init")))
    assert await seen(server) == ["init"]


async def test_b1_start_waits_for_a_slow_init(start: Start) -> None:
    await start(Async(begin=sleeping(3)))
    assert now() == 3


@each_kind
async def test_b4_ignore_is_no_failure_and_leaves_nothing(start: Start, kind: type[Plain]) -> None:
    spec = kind(begin=raising(Ignore()))
    with pytest.raises(axon.Ignored, match="chose not to start") as caught:
        await start(spec, name="main")
    assert caught.value.child == "main"
    assert axon.whereis("main") is None
    assert spec.ends == [], "terminate is not called"


@each_kind
@pytest.mark.parametrize("reason", [normal, shutdown, shutdown("no work"), Boom()], ids=repr)
async def test_b5_stop_in_init_fails_the_start_with_its_reason(
    start: Start, kind: type[Plain], reason: axon.ExitReason
) -> None:
    spec = kind(begin=raising(Stop(reason)))
    with pytest.raises(axon.StartFailed) as caught:
        await start(spec, name="main")
    assert caught.value.reason == reason
    assert caught.value.child == "main"
    assert axon.whereis("main") is None
    assert spec.ends == [], "terminate is not called"


@each_kind
async def test_b5_the_name_is_free_for_an_immediate_retry(start: Start, kind: type[Plain]) -> None:
    for error in (Stop(shutdown), Boom(), Ignore()):
        with pytest.raises(axon.StartError):
            await start(kind(begin=raising(error)), name="main")
        axon.exit(await start(kind(), name="main"), axon.kill)


@each_kind
async def test_b6_an_error_in_init_is_the_reason_and_the_cause_with_its_traceback(
    start: Start, kind: type[Plain]
) -> None:
    boom = Boom("no disk")
    with pytest.raises(axon.StartFailed, match="no disk") as caught:
        await start(kind(begin=raising(boom)))
    assert caught.value.reason is boom
    assert caught.value.__cause__ is boom
    assert "init" in frames_of(boom)
    assert frames_of(boom)[-1] == "fail"


@each_kind
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
async def test_b6_whatever_init_raises_is_the_reason(start: Start, kind: type[Plain], error: BaseException) -> None:
    with pytest.raises(axon.StartFailed) as caught:
        await start(kind(begin=raising(error)))
    assert caught.value.reason is error


@each_kind
@pytest.mark.parametrize("parent_kind", [Plain, TrappingPlain])
async def test_b7_a_failing_init_under_start_link_reaches_the_starter_as_an_error_and_not_as_a_signal(
    start: Start, kind: type[Plain], parent_kind: type[Plain]
) -> None:
    async def start_child(state: list[object]) -> None:
        with pytest.raises(axon.StartFailed):
            await axon.start_link(kind(begin=raising(Boom())))

    parent = await start(parent_kind())
    await parent.do(start_child)
    await settle()
    assert await seen(parent) == []


async def test_b8_an_init_that_takes_longer_than_its_timeout_is_killed(start: Start) -> None:
    spec = Async(begin=sleeping(100))
    with pytest.raises(axon.StartFailed, match="longer than 2 s") as caught:
        await start(spec, name="main", timeout=2)
    assert now() == 2
    assert isinstance(caught.value.reason, TimeoutError)
    assert caught.value.__cause__ is caught.value.reason
    assert axon.whereis("main") is None, "an immediate retry finds the name free"
    assert spec.ends == []


async def test_b8_also_when_init_swallows_its_cancellation(start: Start) -> None:
    async def stubborn(state: list[object]) -> None:
        while now() < 2.5:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                continue

    with pytest.raises(axon.StartFailed):
        await start(Async(begin=stubborn), name="main", timeout=2)
    assert axon.whereis("main") is None, "an immediate retry finds the name free"
    await asyncio.sleep(2)


@pytest.mark.parametrize("failure", [Boom(), Stop(shutdown), Ignore()], ids=repr)
@pytest.mark.parametrize("kind", [Plain, Async, TrappingPlain])
async def test_b10_terminate_is_not_called_when_init_failed(
    start: Start, kind: type[Plain], failure: Exception
) -> None:
    spec = kind(begin=raising(failure))
    with pytest.raises(axon.StartError):
        await start(spec)
    assert spec.ends == []


@each_kind
async def test_b56_a_server_is_linked_to_its_starter_only_by_start_link(start: Start, kind: type[Plain]) -> None:
    starter, fates = await start(TrappingPlain()), [Boom(), Boom()]
    linked = await start_child(starter, kind())
    free: list[Plain] = []

    async def start_alone(state: State) -> None:
        free.append(await axon.start(kind()))

    await starter.do(start_alone)
    for server, fate in zip([linked, *free], fates, strict=True):
        axon.exit(server, fate)
    await settle()
    assert [exit.reason for exit in await seen(starter) if isinstance(exit, axon.Exit)] == fates[:1]


async def test_an_init_that_is_quick_enough_is_not_disturbed(start: Start) -> None:
    server = await start(Async(begin=sleeping(1)), timeout=2)
    await asyncio.sleep(5)
    assert axon.whereis(server) is not None


async def test_a_starter_that_gives_up_takes_the_half_born_server_along(start: Start) -> None:
    spec = Async(begin=sleeping(100))
    starter = asyncio.create_task(start(spec, name="main"))
    await settle()
    starter.cancel()
    await asyncio.wait([starter])
    await settle()
    assert starter.cancelled()
    assert axon.whereis("main") is None


@each_kind
async def test_b9_a_name_in_use_fails_the_start_before_init(start: Start, kind: type[Plain]) -> None:
    first = await start(kind(), name="main")
    began: list[object] = []
    with pytest.raises(axon.NameTaken) as caught:
        await start(kind(begin=began.append), name="main")
    assert (caught.value.name, caught.value.holder) == ("main", "main")
    assert began == []
    assert axon.lookup(Plain, "main") == first


async def test_b9_also_while_the_holder_is_still_in_its_init(start: Start) -> None:
    first = asyncio.create_task(start(Async(begin=sleeping(1)), name="main"))
    await settle()
    with pytest.raises(axon.NameTaken):
        await start(Async(), name="main")
    assert axon.lookup(Plain, "main") == await first


async def test_one_spec_starts_many_servers_that_share_nothing(start: Start) -> None:
    spec = Plain()
    first, second = await start(spec), await start(spec)
    await first.do(note(1))
    assert first != second
    assert (await seen(first), await seen(second)) == ([1], [])


class WithoutInit(GenServer[int]):
    """Forgot it."""


async def test_a_server_without_init_does_not_start(start: Start) -> None:
    with pytest.raises(axon.StartFailed, match=r"WithoutInit\.init: is missing") as caught:
        await start(WithoutInit())
    assert isinstance(caught.value.reason, InvalidHandler)


@each_trapping_kind
async def test_init_may_stop_the_server_right_after_its_start(start: Start, kind: type[Plain]) -> None:
    spec = kind(begin=lambda _: axon.stop_self(shutdown("nothing to do")))
    server = await start(spec)
    await settle()
    assert axon.whereis(server) is None
    assert spec.ends == [shutdown("nothing to do")]
