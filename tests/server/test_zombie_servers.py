"""A server that does not let itself be killed is declared dead, and what it still does counts for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from servers import Async, Plain, Start, State, now, raising, seen, settle

import axon
from axon import Reply


def deaf_until(seconds: float, then: Callable[[], Any] = lambda: None) -> Callable[[State], Awaitable[Any]]:
    """What a handler does that ignores every cancellation for a while."""

    async def work(state: State) -> Any:
        while now() < seconds:
            try:
                await asyncio.sleep(seconds - now())
            except asyncio.CancelledError:
                continue
        return then()

    return work


async def test_its_callers_hear_of_its_death_when_it_is_declared(start: Start) -> None:
    server = await start(Async(), name="deaf")
    asking = asyncio.create_task(server.do(deaf_until(5)))
    await settle()
    waiting = asyncio.create_task(server.echo(1))
    await settle()
    axon.exit(server, axon.kill)
    await asyncio.wait([asking, waiting])
    assert now() == pytest.approx(1, abs=0.01), "the grace of a kill"
    for asker in (asking, waiting):
        error = asker.exception()
        assert isinstance(error, axon.ServerDied)
        assert error.reason == axon.killed
    await asyncio.sleep(10)


@pytest.mark.parametrize("way", ["answer", "crash", "stop_self", "reply", "cast", "send"])
async def test_what_it_does_afterwards_is_refused_or_ignored(start: Start, way: str) -> None:
    spec = Async()
    server, other = await start(spec), await start(Plain())
    reply: Reply[str] = Reply()
    asking = asyncio.create_task(other.do(lambda _: reply))
    acts: dict[str, Callable[[], Any]] = {
        "answer": lambda: "too late",
        "crash": lambda: raising(ValueError())([]),
        "stop_self": axon.stop_self,
        "reply": lambda: reply.set_result("from a zombie"),
        "cast": lambda: other.tell(lambda state: state.append("from a zombie")),
        "send": lambda: axon.send(other, "from a zombie"),
    }
    refused: list[BaseException] = []

    def act() -> Any:
        try:
            return acts[way]()
        except BaseException as error:
            refused.append(error)
            raise

    working = asyncio.create_task(server.do(deaf_until(5, act)))
    await settle()
    axon.exit(server, axon.kill)
    await asyncio.sleep(10)
    assert isinstance(working.exception(), axon.ServerDied)
    assert spec.ends == [], "no terminate"
    if way not in ("answer", "crash"):
        assert [type(error) for error in refused] == [axon.ProcessDead]
    reply.set_result("from the living")
    assert await asking == "from the living"
    assert await seen(other) == []


async def test_what_it_asks_is_refused(start: Start) -> None:
    refused: list[BaseException] = []

    async def ask_after(state: State) -> None:
        await deaf_until(5)(state)
        for ask in (other.echo(1), axon.get_state(other), axon.stop(other), axon.start(Plain())):
            try:
                await ask
            except BaseException as error:
                refused.append(error)

    server, other = await start(Async()), await start(Plain())
    working = asyncio.create_task(server.do(ask_after))
    await settle()
    axon.exit(server, axon.kill)
    await asyncio.sleep(10)
    assert isinstance(working.exception(), axon.ServerDied)
    assert [type(error) for error in refused] == [axon.ProcessDead] * 4
    assert axon.statistics(other).handled == 0
