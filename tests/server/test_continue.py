"""`continue_with`: work that comes before every message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from servers import Async, Boom, Plain, Start, State, each_kind, note, now, raising, reason_of, seen, settle, sleeping

import axon
from axon import GenServer, InvalidHandler, call


@each_kind
async def test_b2_continue_runs_before_any_message(start: Start, kind: type[Plain]) -> None:
    server = await start(kind(begin=lambda _: axon.continue_with("continued")))
    server.tell(note("early"))
    axon.send(server, "late")
    assert await seen(server) == ["continued", "early", "late"]


async def test_b2_also_before_those_queued_during_init(start: Start) -> None:
    async def begin(state: State) -> None:
        axon.continue_with("continued")
        await asyncio.sleep(1)

    starting = asyncio.create_task(start(Async(begin=begin), name="main"))
    await settle()
    axon.send("main", "queued during init")
    server = await starting
    axon.send("main", "after init")
    assert await seen(server) == ["continued", "queued during init", "after init"]


@each_kind
async def test_b2_a_continue_may_ask_for_another_which_runs_first_too(start: Start, kind: type[Plain]) -> None:
    def first(state: State) -> None:
        state.append("first")
        axon.continue_with("second")

    server = await start(kind(begin=lambda _: axon.continue_with(first)))
    axon.send(server, "message")
    assert await seen(server) == ["first", "second", "message"]


async def test_b2_start_returns_right_after_init(start: Start) -> None:
    server = await start(Async(begin=lambda _: axon.continue_with(sleeping(10))))
    assert now() == 0
    await server.do()
    assert now() == 10


@each_kind
async def test_a_handler_may_continue_after_its_answer(start: Start, kind: type[Plain]) -> None:
    def ask(state: State) -> str:
        server.tell(note("next"))
        axon.continue_with("continued")
        return "answer"

    server = await start(kind())
    assert await server.do(ask) == "answer"
    assert await seen(server) == ["continued", "next"]


@each_kind
async def test_several_continuations_of_one_callback_run_in_order(start: Start, kind: type[Plain]) -> None:
    def begin(state: State) -> None:
        axon.continue_with(1)
        axon.continue_with(2)

    assert await seen(await start(kind(begin=begin))) == [1, 2]


@each_kind
async def test_b33_a_failing_continue_ends_the_server(start: Start, kind: type[Plain]) -> None:
    boom = Boom()
    spec = kind()
    server = await start(spec)
    await server.do(lambda _: axon.continue_with(raising(boom)))
    await settle()
    assert axon.whereis(server) is None
    assert spec.ends == [boom]


class NoContinue(GenServer[None]):
    def init(self) -> None:
        return None

    @call
    def go(self, state: None) -> None:
        axon.continue_with("?")


async def test_a_server_that_continues_without_a_handle_continue_crashes_and_says_why(start: Start) -> None:
    server = await start(NoContinue())
    downfall = asyncio.create_task(reason_of(server))
    await settle()
    await server.go()
    reason = await downfall
    assert isinstance(reason, InvalidHandler)
    with pytest.raises(InvalidHandler, match=r"NoContinue\.handle_continue: is missing"):
        raise reason


VERBS: dict[str, Callable[[], None]] = {
    "continue_with": lambda: axon.continue_with(1),
    "stop_self": axon.stop_self,
    "idle_after": lambda: axon.idle_after(1),
}


@each_kind
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
@pytest.mark.parametrize("busy", [False, True])
async def test_a_task_that_a_callback_started_cannot_say_the_verbs_of_a_callback(
    start: Start, kind: type[Plain], verb: Callable[[], None], busy: bool
) -> None:
    async def work() -> None:
        await asyncio.sleep(1)
        verb()

    server = await start(kind())
    working = asyncio.create_task(server.do(lambda _: asyncio.get_running_loop().create_task(work())))
    await settle()
    if busy:
        await server.do(sleeping(2))
    with pytest.raises(axon.InvalidOption, match="in a callback"):
        await working
    assert await server.echo(1) == 1


async def test_a_plain_coroutine_cannot_say_the_verbs_of_a_callback() -> None:
    with pytest.raises(axon.NotInProcess):
        axon.continue_with(1)
    with pytest.raises(axon.NotInProcess):
        axon.stop_self()
    with pytest.raises(axon.NotInProcess):
        axon.idle_after(1)
