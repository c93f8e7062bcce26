"""Calls that would wait for themselves are refused at once, and say where the circle is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from servers import Async, Plain, Start, State, each_kind, now, settle, sleeping

import axon
from axon import GenServer, call, cast


class Node(GenServer[None]):
    """Asks whom it is told to ask."""

    def init(self) -> None:
        return None

    @call
    async def ask(self, state: None, *others: Node) -> str:
        return await others[0].ask(*others[1:]) if others else "the end"

    @call(raises=(axon.CallCycle,))
    async def ask_carefully(self, state: None, *others: Node) -> str:
        return await others[0].ask_carefully(*others[1:]) if others else "the end"

    @call
    def ask_in_a_task(self, state: None, *others: Node) -> asyncio.Task[str]:
        return asyncio.get_running_loop().create_task(others[0].ask(*others[1:]))

    @call
    async def ask_all(self, state: None, *others: Node) -> list[str]:
        return await asyncio.gather(*(other.ask() for other in others))

    @call
    async def ask_with_patience(self, state: None, seconds: float, other: Node, back: Node) -> str:
        try:
            async with asyncio.timeout(seconds):
                return await other.ask_later(2 * seconds, back)
        except TimeoutError:
            return "gave up"

    @call
    async def ask_later(self, state: None, seconds: float, other: Node) -> str:
        await asyncio.sleep(seconds)
        return await other.ask()

    @cast
    async def tell(self, state: None, *others: Node) -> None:
        if others:
            others[0].tell(*others[1:])


async def test_b15_calling_oneself_is_refused_at_once(start: Start) -> None:
    node = await start(Node(), name="a")
    with pytest.raises(axon.CallCycle, match="a -> a") as caught:
        await node.ask_carefully(node)
    assert caught.value.cycle == ("a", "a")
    assert now() == 0
    assert await node.ask() == "the end", "the server survives"


async def test_a_cycle_that_no_handler_catches_is_a_crash_like_any_other(start: Start) -> None:
    node = await start(Node(), name="a")
    with pytest.raises(axon.ServerDied) as caught:
        await node.ask(node)
    assert isinstance(caught.value.reason, axon.CallCycle)


@pytest.mark.parametrize("length", [2, 3, 7])
async def test_longer_cycles_are_refused_with_their_path(start: Start, length: int) -> None:
    nodes = [await start(Node(), name=name) for name in "abcdefg"[:length]]
    with pytest.raises(axon.CallCycle) as caught:
        await nodes[0].ask_carefully(*nodes[1:], nodes[0])
    assert set(caught.value.cycle) == set("abcdefg"[:length])
    assert caught.value.cycle[0] == caught.value.cycle[-1] == "abcdefg"[length - 1], "the one that closes it"
    assert caught.value.cycle[1] == "a"
    assert now() == 0


async def test_a_cycle_need_not_lead_through_the_first_caller(start: Start) -> None:
    a, b, c = [await start(Node(), name=name) for name in "abc"]
    with pytest.raises(axon.CallCycle) as caught:
        await a.ask_carefully(b, c, b)
    assert caught.value.cycle == ("c", "b", "c")


async def replace_nothing(server: Plain) -> None:
    await axon.replace_state(server, lambda state: state)


async def look_at(server: Plain) -> None:
    await axon.get_state(server)


@pytest.mark.parametrize("ask", [axon.stop, axon.suspend, look_at, replace_nothing])
@each_kind
async def test_b15_other_requests_to_oneself_are_refused_too(
    start: Start, kind: type[Plain], ask: Callable[[Plain], Any]
) -> None:
    async def ask_myself(state: State) -> str:
        with pytest.raises(axon.CallCycle):
            await ask(server)
        return "survived"

    server = await start(kind())
    assert await server.do(ask_myself) == "survived"


async def test_a_child_that_calls_its_starter_from_init_is_refused(start: Start) -> None:
    parent = await start(Async(), name="parent")

    async def start_child(state: State) -> BaseException | None:
        with pytest.raises(axon.StartFailed) as caught:
            await axon.start(Async(begin=lambda _: parent.echo(1)))
        return caught.value.__cause__

    assert isinstance(await parent.do(start_child), axon.CallCycle)


async def test_waiting_for_room_in_ones_own_mailbox_is_refused(start: Start) -> None:
    server = await start(Async(), mailbox=1)

    async def offer_myself(state: State) -> str:
        server.tell(lambda _: None)
        with pytest.raises(axon.CallCycle):
            await axon.offer(server.tell, lambda _: None)
        return "survived"

    assert await server.do(offer_myself) == "survived"


# -- what is none


async def test_a_task_that_a_handler_started_may_call_back(start: Start) -> None:
    a, b = await start(Node()), await start(Node())
    assert await a.ask_in_a_task(a) == "the end"
    assert await a.ask_in_a_task(b, a) == "the end"


async def test_gathered_calls_make_no_edge(start: Start) -> None:
    a, b, c = [await start(Node()) for _ in range(3)]
    assert await a.ask_all(b, c, b) == ["the end"] * 3


async def test_many_may_wait_for_one(start: Start) -> None:
    busy = await start(Async())
    askers = [await start(Async()) for _ in range(3)]
    waiting = [asyncio.create_task(asker.do(lambda _: busy.do(sleeping(1)))) for asker in askers]
    assert await asyncio.gather(*waiting) == [None] * 3


async def test_a_call_that_was_given_up_is_an_edge_no_more(start: Start) -> None:
    a, b = await start(Node()), await start(Node())
    assert await a.ask_with_patience(1, b, a) == "gave up"
    await asyncio.sleep(1.5)
    assert await b.ask() == "the end", "b could call back meanwhile"


async def test_one_after_the_other_is_no_cycle(start: Start) -> None:
    a, b = await start(Node()), await start(Node())
    for _ in range(3):
        assert await a.ask(b) == "the end"
        assert await b.ask(a) == "the end"


async def test_casts_may_go_in_circles(start: Start) -> None:
    a, b = await start(Node()), await start(Node())
    a.tell(b, a, b)
    await settle()
    assert [axon.statistics(node).handled for node in (a, b)] == [2, 2]


async def test_plain_coroutines_may_wait_for_each_others_servers(start: Start) -> None:
    a, b = await start(Node()), await start(Node())

    async def back_and_forth() -> str:
        return await a.ask(b)

    assert list(await asyncio.gather(back_and_forth(), b.ask())) == ["the end", "the end"]
