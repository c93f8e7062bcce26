"""What is done on the spot, without a turn of the loop, cannot be told from what takes the way through the mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pytest
from servers import Async, Boom, Plain, Ready, Start, each_kind, note, raising, seen, settle

import axon
from axon import GenServer, call
from axon.process import runtime
from axon.telemetry import Event, ProcessCrashed, ProcessExited, attach
from loops import IN_PLACE

WHO: ContextVar[str] = ContextVar("who", default="nobody")


@pytest.fixture(params=[True, False], ids=["on the spot", "through the mailbox"])
async def in_place(request: pytest.FixtureRequest) -> AsyncIterator[bool]:
    runtime().in_place = request.param
    yield request.param
    runtime().in_place = True


@each_kind
async def test_calls_casts_and_plain_messages_keep_their_order(start: Start, kind: type[Plain], in_place: bool) -> None:
    server = await start(kind())
    for n in range(0, 12, 4):
        server.tell(note(n))
        axon.send(server, n + 1)
        await server.do(note(n + 2))
        await server.do(note(n + 3))
    assert await seen(server) == list(range(12))


@each_kind
async def test_what_a_server_sends_itself_comes_before_the_next_request(
    start: Start, kind: type[Plain], in_place: bool
) -> None:
    """It was sent before the answer, and the request after that."""
    server = await start(kind())
    for _ in range(3):
        await server.do(lambda _: server.tell(note("cast")))
        await server.do(note("call"))
    assert await seen(server) == ["cast", "call"] * 3


@each_kind
@pytest.mark.parametrize("reason", [axon.kill, axon.shutdown], ids=repr)
async def test_a_server_that_ends_itself_by_a_signal_handles_nothing_more(
    start: Start, kind: type[Plain], in_place: bool, reason: axon.ExitReason
) -> None:
    """Nor is the request answered whose handler sent it."""

    def end(_: object) -> None:
        axon.exit(axon.current(), reason)

    asked, told, handled = await start(kind()), await start(kind()), list[str]()
    with pytest.raises(axon.ServerDied):
        await asked.do(end)
    told.tell(end)
    told.tell(lambda _: handled.append("a cast after it"))
    with pytest.raises(axon.ServerDied):
        await told.do(lambda _: handled.append("a call after it"))
    assert axon.whereis(asked) is axon.whereis(told) is None
    assert handled == []


@each_kind
async def test_one_message_at_a_time(start: Start, kind: type[Plain], in_place: bool) -> None:
    """Also where a handler that was begun on the spot has to wait."""
    server, inside, most = await start(kind()), 0, 0

    async def work(state: list[object]) -> None:
        nonlocal inside, most
        inside, most = inside + 1, max(most, inside + 1)
        await asyncio.sleep(1)
        inside -= 1

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(server.do(work) if kind is not Plain else server.do())
    assert most == (0 if kind is Plain else 1)


@each_kind
async def test_a_crash_is_that_of_the_server(start: Start, kind: type[Plain], in_place: bool) -> None:
    """It reaches the caller as `ServerDied` with its cause, `terminate` has run, and the caller lives."""
    spec = kind()
    server, boom = await start(spec), Boom("once")
    with pytest.raises(axon.ServerDied) as died:
        await server.do(raising(boom))
    assert died.value.reason is boom is died.value.__cause__
    assert spec.ends == [boom]
    with pytest.raises(axon.NoProcess):
        await server.do()


@each_kind
async def test_a_handler_sees_the_context_of_its_process(start: Start, kind: type[Plain], in_place: bool) -> None:
    """Not that of its caller, and what it sets stays with it."""
    server, token = await start(kind()), WHO.set("the caller")
    assert await server.do(lambda _: WHO.get()) == "nobody"

    def become(state: list[object]) -> None:
        WHO.set("the server")

    await server.do(become)
    assert (WHO.get(), await server.do(lambda _: WHO.get())) == ("the caller", "the server")
    assert await server.do(lambda _: axon.current()) is axon.process.find(server, runtime())
    WHO.reset(token)


class Link(GenServer[None]):
    """One of a chain: it asks the next one."""

    following: Link | None = None

    def init(self) -> None: ...

    @call(timeout=None)
    async def depth(self, state: None) -> int:
        return 1 if self.following is None else 1 + await self.following.depth()

    @call(timeout=None)
    async def many(self, state: None, times: int) -> int:
        assert self.following is not None
        return sum([await self.following.depth() for _ in range(times)])


@pytest.mark.slow
async def test_chains_of_calls_know_no_recursion_error() -> None:
    """100,000 one after the other, and 10,000 each within the one before it."""
    links: list[Link] = []
    for _ in range(10_000):
        links.append(await axon.start(Link(links[-1] if links else None)))
    assert await links[1].many(100_000) == 100_000
    assert await links[-1].depth() == 10_000
    for link in links:
        await axon.stop(link)


@pytest.mark.fifo("simulation leaves to chance who has the next turn")
@each_kind
async def test_a_flooded_server_takes_64_messages_a_turn(start: Start, kind: type[Plain], in_place: bool) -> None:
    flooded, other = await start(kind()), await start(kind())
    await flooded.do()
    await other.do()
    order: list[str] = []
    for _ in range(500):
        flooded.tell(lambda _: order.append("flooded"))
    other.tell(lambda _: order.append("other"))
    await settle()
    # Left to chance, either may have a turn in which it does no more than begin its task; a plain one has none.
    assert order.index("other") <= (64 if kind is Plain or IN_PLACE in (None, "off") else 128)


@pytest.mark.real_clock
async def test_a_flood_does_not_hold_the_loop_longer_than_its_slice() -> None:
    """Others have their turn at once: the flood is many times longer than what they wait for one."""
    servers, turns, flooding = [await axon.start(Plain()) for _ in range(100)], 0, True

    async def bystander() -> None:
        nonlocal turns
        while flooding:
            turns += 1
            await asyncio.sleep(0)

    standing_by = asyncio.create_task(bystander())
    for server in servers:
        for _ in range(1000):
            server.tell(note(1))
    for server in servers:
        await axon.get_state(server)
    flooding = False
    await standing_by
    assert turns > 10
    for server in servers:
        await axon.stop(server)


@pytest.mark.parametrize("kind", [Async, Ready])
async def test_a_caller_that_is_cancelled_does_not_cancel_the_handler(
    start: Start, kind: type[Plain], in_place: bool
) -> None:
    server = await start(kind())

    async def slow(state: list[object]) -> None:
        await asyncio.sleep(1)
        state.append("done")

    asking = asyncio.create_task(server.do(slow))
    await asyncio.sleep(0.5)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await seen(server) == ["done"]


@each_kind
async def test_deadlines_reach_the_handler_and_end_it(start: Start, kind: type[Plain], in_place: bool) -> None:
    server = await start(kind())
    async with axon.deadline(2):
        left = await server.do(lambda _: axon.process.deadline_at.get())
        assert left == asyncio.get_running_loop().time() + 2
        if kind is not Plain:
            with pytest.raises(axon.DeadlineExceeded):
                await server.do(lambda _: asyncio.sleep(5))
    assert await server.do(lambda _: axon.process.deadline_at.get()) is None  # and stay with their message


@dataclass
class Session:
    """What a server opened, and the task that did."""

    stack: AsyncExitStack
    tasks: list[asyncio.Task[Any] | None]


class Client(GenServer[Session]):
    """Keeps a client that has to be closed in the task that opened it."""

    tasks: list[asyncio.Task[Any] | None] = field(default_factory=list[Any])

    async def init(self) -> Session:
        @asynccontextmanager
        async def client() -> AsyncGenerator[None]:
            self.tasks.append(asyncio.current_task())
            async with asyncio.timeout(1000):  # it, too, belongs to one task
                yield
            self.tasks.append(asyncio.current_task())

        stack = AsyncExitStack()
        await stack.enter_async_context(client())
        return Session(stack, self.tasks)

    @call
    async def use(self, state: Session) -> None:
        self.tasks.append(asyncio.current_task())

    async def terminate(self, state: Session, reason: object) -> None:
        await state.stack.aclose()


async def test_what_init_opens_terminate_closes_in_the_same_task(in_place: bool) -> None:
    spec = Client()
    client = await axon.start(spec)
    await client.use()
    await axon.stop(client)
    assert len(spec.tasks) == 3
    assert set(spec.tasks) != {None}
    assert len(set(spec.tasks)) == 1


@pytest.mark.parametrize("kind", [Async, Ready])
async def test_task_groups_and_timeouts_work_in_the_first_step(start: Start, kind: type[Plain], in_place: bool) -> None:
    server = await start(kind())

    async def group(state: list[object]) -> list[int]:
        async with asyncio.TaskGroup() as tasks:
            parts = [tasks.create_task(asyncio.sleep(1, n)) for n in range(3)]
        return [part.result() for part in parts]

    async def failing(state: list[object]) -> str:
        with pytest.raises(BaseExceptionGroup) as caught:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(asyncio.sleep(100))
                raise Boom
        return "caught" if isinstance(caught.value.exceptions[0], Boom) else "not reached"

    async def late(state: list[object]) -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.sleep(100)
        except TimeoutError:
            return "in time"
        return "not reached"

    for _ in range(2):
        assert await server.do(group) == [0, 1, 2]
        assert await server.do(failing) == "caught"
        assert await server.do(late) == "in time"


@each_kind
async def test_statistics_and_events_are_the_same(start: Start, kind: type[Plain]) -> None:
    async def life(in_place: bool) -> tuple[object, ...]:
        runtime().in_place = in_place
        events: list[tuple[str, object]] = []

        def listen(event: Event) -> None:
            assert isinstance(event, ProcessExited | ProcessCrashed)
            events.append((type(event).__name__, event.reason))

        detach = attach(listen, ProcessExited, ProcessCrashed)
        server = await axon.start(kind())
        for n in range(12):
            await server.echo(n)
        statistics = axon.statistics(server)
        with pytest.raises(axon.ServerDied):
            await server.do(raising(BOOM))
        detach()
        return statistics, events

    assert await life(True) == await life(False)
    runtime().in_place = True


BOOM = Boom()
