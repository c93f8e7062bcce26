"""Crashes: whatever a callback raises ends this server and nobody else, with its reason and traceback kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from servers import (
    Async,
    Boom,
    Plain,
    Start,
    State,
    TrappingPlain,
    each_kind,
    frames_of,
    now,
    raising,
    reason_of,
    settle,
)

import axon
from axon import Exit
from axon.telemetry import Event, ProcessCrashed, ProcessExited, attach

ODD_ERRORS = [
    asyncio.CancelledError(),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    StopIteration(),
    StopAsyncIteration(),
    TimeoutError(),
    BaseExceptionGroup("many", [Boom(), KeyboardInterrupt()]),
    axon.CallTimeout("other", 5.0),
    axon.ServerDied("other", axon.killed),
]


@each_kind
async def test_b31_a_failing_handler_ends_the_server_and_its_caller_hears_why(start: Start, kind: type[Plain]) -> None:
    boom, spec = Boom("no memory"), kind()
    server = await start(spec)
    with pytest.raises(axon.ServerDied, match="no memory") as caught:
        await server.do(raising(boom))
    assert caught.value.reason is boom
    assert caught.value.__cause__ is boom
    assert spec.ends == [boom], "terminate was called with it"
    assert axon.whereis(server) is None


@each_kind
async def test_the_cause_keeps_the_traceback_of_the_handler(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    with pytest.raises(axon.ServerDied) as caught:
        await server.do(raising(Boom()))
    assert isinstance(caught.value.__cause__, Boom)
    frames = frames_of(caught.value.__cause__)
    assert "do" in frames
    assert frames[-1] == "fail"


@each_kind
@pytest.mark.parametrize("error", ODD_ERRORS, ids=lambda error: type(error).__name__)
async def test_whatever_a_handler_raises_is_a_crash_with_that_reason(
    start: Start, kind: type[Plain], error: BaseException
) -> None:
    spec = kind()
    server = await start(spec)
    with pytest.raises(axon.ServerDied) as caught:
        await server.do(raising(error))
    expected = RuntimeError if isinstance(error, StopIteration) and kind is not Plain else type(error)
    assert type(caught.value.reason) is expected
    assert spec.ends == [caught.value.reason]
    assert not axon.is_clean(caught.value.reason)


@each_kind
@pytest.mark.parametrize("way", ["cast", "info", "continue"])
async def test_b31_so_does_any_other_failing_callback(start: Start, kind: type[Plain], way: str) -> None:
    boom, spec = Boom(), kind()
    server = await start(spec)
    if way == "cast":
        server.tell(raising(boom))
    elif way == "info":
        axon.send(server, raising(boom))
    else:
        server.tell(lambda _: axon.continue_with(raising(boom)))
    assert await reason_of(server) is boom
    assert spec.ends == [boom]


async def test_a_cancellation_that_a_library_raised_by_itself_is_a_crash(start: Start) -> None:
    async def use_a_cancelled_future(state: State) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    server = await start(Async())
    with pytest.raises(axon.ServerDied) as caught:
        await server.do(use_a_cancelled_future)
    assert isinstance(caught.value.reason, asyncio.CancelledError)


async def test_so_is_one_that_a_handler_brought_upon_its_own_task(start: Start) -> None:
    async def cancel_myself(state: State) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)

    server = await start(Async())
    with pytest.raises(axon.ServerDied) as caught:
        await server.do(cancel_myself)
    assert isinstance(caught.value.reason, asyncio.CancelledError)


@each_kind
async def test_a_crash_is_one_event_with_the_messages_handled_last(start: Start, kind: type[Plain]) -> None:
    crashes: list[ProcessCrashed] = []
    attach(crashes.append, ProcessCrashed)
    server, boom = await start(kind(), name="doomed"), Boom()
    for number in range(10):
        await server.echo(number)
    with pytest.raises(axon.ServerDied):
        await server.do(raising(boom))
    [crash] = crashes
    assert (crash.path, crash.reason) == ("doomed", boom)
    assert crash.last_messages[:2] == ("echo(3)", "echo(4)")
    assert crash.last_messages[-1].startswith("do(<function raising")
    assert len(crash.last_messages) == 8
    assert crash.decision == "none: it has no supervisor and stays down"


@each_kind
@pytest.mark.parametrize("reason", [axon.normal, axon.shutdown, axon.shutdown("x")], ids=repr)
async def test_b39_an_orderly_end_is_no_crash(start: Start, kind: type[Plain], reason: axon.Reason) -> None:
    events: list[Event] = []
    attach(events.append, ProcessCrashed, ProcessExited)
    server = await start(kind(), name="tidy")
    await axon.stop(server, reason)
    assert events == [ProcessExited(path="tidy", reason=reason, terminated=True, terminate_reason=reason)]


@each_kind
async def test_a_crash_leaves_siblings_and_callers_alive(start: Start, kind: type[Plain]) -> None:
    doomed, sibling, asker = await start(kind()), await start(kind()), await start(kind())

    async def ask(state: State) -> str:
        with pytest.raises(axon.ServerDied):
            await doomed.do(raising(Boom()))
        return "I go on"

    assert await asker.do(ask) == "I go on"
    assert await sibling.echo(1) == 1


@each_kind
async def test_an_error_of_another_server_that_a_handler_does_not_catch_ends_it_too(
    start: Start, kind: type[Plain]
) -> None:
    doomed, asker = await start(kind()), await start(kind())
    with pytest.raises(axon.ServerDied) as caught:
        await asker.do(lambda _: doomed.do(raising(Boom())))
    assert isinstance(caught.value.reason, axon.ServerDied)
    assert isinstance(caught.value.reason.reason, Boom)
    assert isinstance(caught.value.__cause__, axon.ServerDied), "the chain of causes leads to the first failure"
    assert isinstance(caught.value.__cause__.__cause__, Boom)


async def test_however_long_a_chain_of_deaths_is_its_error_is_one_line(start: Start) -> None:
    """Who died, and why the first one had; texts within texts would double their backslashes at every link."""
    servers = [await start(Plain()) for _ in range(100)]

    def ask(index: int) -> Callable[[State], object]:
        return raising(Boom("no memory")) if index == 0 else lambda _: servers[index - 1].do(ask(index - 1))

    first, last = [(await axon.get_status(server)).path for server in (servers[0], servers[-1])]
    with pytest.raises(axon.ServerDied) as caught:
        await servers[-1].do(ask(99))
    assert str(caught.value) == f"{last} died before it answered: {first} had died: Boom('no memory')"
    assert repr(caught.value) == f"ServerDied({caught.value})"


def test_an_error_that_holds_others_is_as_long_as_they_are_together() -> None:
    error: axon.ExitReason = Boom("it's full")
    for level in range(50):
        error = axon.shutdown(axon.StartFailed(f"level {level}", error))
    assert repr(error).count("it's full") == 1
    assert len(repr(error)) < 50 * 60


@each_kind
async def test_links_of_a_crashed_server_hear_its_reason(start: Start, kind: type[Plain]) -> None:
    peer, server, boom = await start(TrappingPlain()), await start(kind()), Boom()
    process = axon.whereis(server)
    await peer.do(lambda _: axon.link(server))
    server.tell(raising(boom))
    await settle()
    state = await axon.get_state(peer)
    assert state == [Exit(process, boom)]


async def test_a_crash_in_place_ends_the_server_before_its_caller_goes_on(start: Start) -> None:
    server = await start(Plain(), name="main")
    with pytest.raises(axon.ServerDied):
        await server.do(raising(Boom()))
    assert axon.whereis("main") is None
    assert now() == 0
    await start(Plain(), name="main")
