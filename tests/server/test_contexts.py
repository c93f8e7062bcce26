"""A server's context and task are its own: nothing of its senders leaks in, and everything of its own stays."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar, Token
from typing import Any, cast

import pytest
from servers import Async, Plain, Start, State, each_kind, note, now, seen, settle, start_child

import axon
from axon import ExitReason, GenServer, call, stream
from axon.telemetry import ProcessExited, attach
from loops import a_loop

who: ContextVar[str] = ContextVar("who", default="nobody")


def note_who(state: State) -> None:
    state.append(who.get())


def be(name: str) -> Any:
    def become(state: State) -> None:
        who.set(name)

    return become


# -- context variables


@each_kind
async def test_a_handler_never_sees_its_senders_variables(start: Start, kind: type[Plain]) -> None:
    who.set("starter")
    server = await start(kind(begin=note_who))
    who.set("sender")
    await server.do(note_who)
    server.tell(note_who)
    axon.send(server, note_who)
    axon.send_after(0, server, note_who)
    await settle()
    await server.do(lambda _: axon.continue_with(note_who))
    assert await seen(server) == ["nobody"] * 6


@each_kind
async def test_a_server_keeps_its_own_from_one_callback_to_the_next(start: Start, kind: type[Plain]) -> None:
    server = await start(kind(begin=be("the server"), finish=note_who))
    state = await axon.get_state(server)
    await server.do(note_who)
    server.tell(be("somebody else"))
    axon.send(server, note_who)
    await axon.stop(server)
    assert state == ["the server", "somebody else", "somebody else"]
    assert who.get() == "nobody", "and they do not leak into its callers"


@each_kind
async def test_a_variable_is_reset_in_a_later_callback(start: Start, kind: type[Plain]) -> None:
    tokens: list[Token[str]] = []
    server = await start(kind())
    await server.do(note_who)
    await server.do(lambda _: tokens.append(who.set("the server")))
    await server.do(note_who)
    await server.do(lambda _: who.reset(tokens[0]))
    await server.do(note_who)
    assert await seen(server) == ["nobody", "the server", "nobody"]


async def test_of_two_idle_servers_none_sees_the_others(start: Start) -> None:
    first, second = await start(Plain()), await start(Plain())
    for server in (first, second) * 6:
        await server.do(lambda _: who.set(f"{who.get()}+"))
    for server in (first, second):
        await server.do(note_who)
        assert await seen(server) == ["nobody++++++"]


async def test_who_hears_of_a_death_may_send_though_the_dead_had_sent(start: Start) -> None:
    grave, dying = await start(Plain()), await start(Plain())
    await dying.do(be("the dying"))  # so it has a context of its own
    await dying.do(lambda _: grave.tell(note("sent before")))
    detach = attach(lambda event: grave.tell(note("heard")), ProcessExited)
    await axon.stop(dying)
    detach()
    assert await seen(grave) == ["sent before", "heard"]


@each_kind
async def test_tasks_of_a_handler_inherit_them(start: Start, kind: type[Plain]) -> None:
    async def tell_who() -> str:
        await asyncio.sleep(0)
        return who.get()

    server = await start(kind(begin=be("the server")))
    assert await server.do(lambda _: asyncio.get_running_loop().create_task(tell_who())) == "the server"


class Teller(GenServer[None]):
    def init(self) -> None:
        who.set("the server")

    @stream
    async def tell(self, state: None) -> AsyncIterator[str]:
        yield who.get()
        await asyncio.sleep(0)
        yield who.get()
        yield axon.current().path


async def test_streams_run_in_the_servers_context_too(start: Start) -> None:
    who.set("reader")
    teller = await start(Teller(), name="teller")
    assert [item async for item in teller.tell()] == ["the server", "the server", "teller"]


@each_kind
async def test_current_is_the_server_in_all_its_callbacks(start: Start, kind: type[Plain]) -> None:
    def note_current(state: State) -> None:
        state.append(axon.current())

    server = await start(kind(begin=note_current, finish=note_current))
    process = axon.whereis(server)
    state = await axon.get_state(server)
    await server.do(note_current)
    server.tell(note_current)
    axon.send(server, note_current)
    await axon.stop(server)
    assert state == [process] * 5
    with pytest.raises(axon.NotInProcess):
        axon.current()


@each_kind
async def test_ancestors_are_those_who_started_it(start: Start, kind: type[Plain]) -> None:
    def paths(state: State) -> list[str]:
        return [process.path for process in axon.ancestors()]

    parent = await start(kind(), name="parent")
    child = await start_child(parent, kind(), name="child")
    assert await child.do(paths) == ["parent"]
    assert await parent.do(paths) == []
    await axon.stop(child)


# -- tasks


def tasks() -> int:
    return len(asyncio.all_tasks())


async def test_a_plain_server_has_no_task(start: Start) -> None:
    before = tasks()
    server = await start(Plain())
    await server.do(note(1))
    server.tell(note(2))
    await axon.get_state(server)
    assert tasks() == before


async def test_an_async_server_has_one_for_all_its_callbacks(start: Start) -> None:
    found: list[object] = []

    def note_task(state: State) -> None:
        found.append(asyncio.current_task())

    server = await start(Async(begin=note_task, finish=note_task))
    await server.do(note_task)
    server.tell(note_task)
    axon.send(server, note_task)
    await server.do(lambda _: axon.continue_with(note_task))
    await axon.stop(server)
    assert len(found) == 6
    assert len(set(found)) == 1
    assert found[0] is not asyncio.current_task()


async def test_a_plain_server_gets_one_with_its_first_handler_that_suspends_and_keeps_it(start: Start) -> None:
    found: list[object] = []

    async def note_task(state: State) -> None:
        found.append(asyncio.current_task())
        await asyncio.sleep(0)
        found.append(asyncio.current_task())

    server = await start(Plain())
    await server.do(note_task)
    await server.do(note_task)
    await server.do(lambda _: found.append(asyncio.current_task()))
    assert len(set(found)) == 1
    assert len(found) == 5


async def test_timeouts_and_task_groups_work_inside_handlers(start: Start) -> None:
    async def work(state: State) -> list[str]:
        done: list[str] = []

        async def part(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            done.append(name)

        async with asyncio.TaskGroup() as group:
            group.create_task(part("slow", 2))
            group.create_task(part("quick", 1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.sleep(10)
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(part("cancelled", 10))
                raise ValueError
        return done

    server = await start(Async())
    for _ in range(3):
        assert await server.do(work) == ["quick", "slow"]
    assert now() == 9


class Client(GenServer[AsyncExitStack]):
    """Opens a client in `init` that is closed in `terminate`."""

    log: list[Any]

    async def init(self) -> AsyncExitStack:
        stack = AsyncExitStack()
        await stack.enter_async_context(self.client())
        return stack

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[None, None]:
        """As anyio's cancel scopes and task groups do, it insists on one task."""
        async with asyncio.TaskGroup() as group:
            heart = group.create_task(asyncio.sleep(1000))
            opened_in = asyncio.current_task()
            self.log.append("open")
            yield
            assert asyncio.current_task() is opened_in
            self.log.append("close")
            heart.cancel()

    @call
    async def use(self, state: AsyncExitStack) -> str:
        await asyncio.sleep(0)
        return "used"

    async def terminate(self, state: AsyncExitStack, reason: ExitReason) -> None:
        await state.aclose()


async def test_a_client_opened_in_init_and_closed_in_terminate_lives_in_one_task(start: Start) -> None:
    client = await start(Client([]))
    assert await client.use() == "used"
    await asyncio.sleep(10)
    assert await client.use() == "used"
    await axon.stop(client)
    assert client.log == ["open", "close"]


async def test_a_shielded_await_survives_the_callers_patience(start: Start) -> None:
    server = await start(Async())
    finished: list[float] = []

    async def work(state: State) -> None:
        await asyncio.sleep(3)
        finished.append(now())

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await server.do(work)
    await server.do()
    assert finished == [3]


def test_an_idle_async_server_at_the_end_of_its_loop_ends_in_order() -> None:
    async def main() -> None:
        kept.append(await axon.start(spec))
        await asyncio.sleep(1)

    spec, kept = Async(), list[Async]()  # a server that nobody refers to any more might be collected before
    with asyncio.Runner(loop_factory=a_loop) as runner:
        runner.run(main())
    assert spec.ends == [axon.shutdown]


def test_so_does_one_that_never_had_to_wait() -> None:
    class Quick(GenServer[None]):
        ends: list[object]

        async def init(self) -> None: ...

        async def terminate(self, state: None, reason: axon.ExitReason) -> None:
            await asyncio.sleep(1)
            self.ends.append(reason)

    async def main() -> None:
        kept.append(await axon.start(Quick(ends)))
        await asyncio.sleep(1)

    ends, kept = list[object](), list[Quick]()
    with asyncio.Runner(loop_factory=a_loop) as runner:
        runner.run(main())
    assert ends == [axon.shutdown]


async def test_a_server_that_has_set_a_variable_is_freed_when_it_stops() -> None:
    """Its context holds it, and it its context."""

    class Setter(GenServer[None]):
        def init(self) -> None:
            who.set("it")

    gc.collect()
    gc.disable()
    try:
        server = await axon.start(Setter())
        process = weakref.ref(cast("axon.Process", axon.whereis(server)))
        await axon.stop(server)
        await settle()
        assert process() is None
    finally:
        gc.enable()
