"""Never run: what the type checkers must accept, and what they must know about it without a plugin.

mypy `--strict` and pyright `strict` check this file with the rest of the tree; `refused.py` is its counterpart.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Generic, Protocol, TypeVar, assert_type

from tenacity import wait_exponential_jitter

import axon
from axon import (
    ChildSpec,
    Down,
    DynamicSupervisor,
    Exit,
    ExitReason,
    GenServer,
    IdleTimeout,
    Ignore,
    PartitionSupervisor,
    Reason,
    Reply,
    ServerDied,
    Stop,
    Stream,
    Supervisor,
    call,
    cast,
    child,
    from_thread,
    handler,
    lookup,
    run,
    start,
    start_link,
    stream,
)
from axon.telemetry import ProcessCrashed, attach

T = TypeVar("T")


class OutOfStock(Exception):
    """An error that is an answer."""


# -- a server, with all that a handler can be


@dataclass
class Count:
    value: int
    waiting: list[Reply[int]] = field(default_factory=list[Reply[int]])


class Counter(GenServer[Count]):
    begin: int = 0
    labels: list[str] = field(default_factory=list[str])
    step: int = field(default=1, kw_only=True)
    trap_exit = True

    def init(self) -> Count:
        if self.begin < 0:
            raise Stop(axon.shutdown("negative"))
        axon.continue_with("warm up")
        return Count(self.begin)

    @call
    def increment(self, state: Count, by: int = 1) -> int:
        """Add `by`, and say what it comes to."""
        state.value += by * self.step
        return state.value

    @call
    async def slowly(self, state: Count, word: str, *, times: int = 1) -> str:
        await asyncio.sleep(0)
        return word * times

    @call
    def nothing(self, state: Count) -> None: ...

    @call
    def maybe(self, state: Count, /, *names: str, **weights: float) -> dict[str, float] | None:
        return weights if names else None

    @call
    def by_task(self, state: Count, seconds: float) -> asyncio.Task[str]:
        return asyncio.create_task(asyncio.sleep(seconds, "done"))

    @call
    def by_future(self, state: Count) -> asyncio.Future[bytes]:
        return asyncio.get_running_loop().create_future()

    @call
    def by_reply(self, state: Count) -> Reply[int]:
        reply = Reply[int]()
        state.waiting.append(reply)
        return reply

    @call
    async def by_task_after_an_await(self, state: Count) -> asyncio.Task[str]:
        await asyncio.sleep(0)
        return asyncio.create_task(asyncio.sleep(0, "done"))

    @call(timeout=0.5, raises=(OutOfStock, KeyError))
    def take(self, state: Count, items: int) -> int:
        if items > state.value:
            raise OutOfStock
        return items

    @call(timeout=None)
    async def patiently(self, state: Count) -> str:
        return "at last"

    @call(raises=(OutOfStock,))
    def order(self, state: Count) -> asyncio.Task[int]:
        return asyncio.create_task(asyncio.sleep(0, 1))

    @call()
    async def every(self, state: Count, items: list[T], *, times: int = 1) -> list[T]:
        return items * times

    @cast
    def reset(self, state: Count) -> None:
        state.value = 0

    @cast
    async def push(self, state: Count, item: int) -> None:
        state.value += item

    @stream
    async def ticks(self, state: Count, upto: int) -> AsyncIterator[str]:
        for tick in range(upto):
            yield f"{state.value + tick}"

    @stream(timeout=None)
    async def patient_ticks(self, state: Count) -> AsyncGenerator[int, None]:
        yield state.value

    @stream()
    async def plain_ticks(self, state: Count) -> AsyncIterator[int]:
        yield state.value

    def handle_continue(self, state: Count, continuation: object) -> None:
        axon.idle_after(60)

    def handle_info(self, state: Count, message: object) -> None:
        match message:
            case Down(monitor, process, reason):
                assert_type(monitor, axon.Monitor)
                assert_type(process, axon.Process | None)
                assert_type(reason, ExitReason)
            case Exit(sender, reason):
                assert_type(sender, axon.Process | None)
                assert_type(reason, ExitReason)
            case IdleTimeout(seconds):
                assert_type(seconds, float)
            case axon.Timeout(timer, about):
                assert_type(timer, axon.Timer)
                assert_type(about, object)
            case _:
                super().handle_info(state, message)

    def terminate(self, state: Count, reason: ExitReason) -> None:
        for reply in state.waiting:
            reply.set_exception(OutOfStock())


class Asynchronous(GenServer[Count]):
    """Every callback may be `async def`."""

    async def init(self) -> Count:
        await asyncio.sleep(0)
        raise Ignore

    async def handle_continue(self, state: Count, continuation: object) -> None: ...

    async def handle_info(self, state: Count, message: object) -> None: ...

    async def terminate(self, state: Count, reason: ExitReason) -> None: ...


class Doubling(Counter):
    """A subclass adds fields, and overrides a handler with a handler."""

    label: str = "twice"
    begin: int = 2
    most: ClassVar[int] = 100

    def init(self) -> Count:
        state = super().init()
        state.value = min(state.value, self.most)
        return state

    @call(timeout=1.0)
    async def increment(self, state: Count, by: int = 1, *, times: int = 2) -> int:
        return int(handler(Counter.increment)(self, state, by * times))


# -- a generic server


@dataclass
class Items(Generic[T]):
    items: list[T] = field(default_factory=list[T])


class Stack(GenServer[Items[T]], Generic[T]):
    limit: int = 10

    def init(self) -> Items[T]:
        return Items()

    @cast
    def push(self, state: Items[T], item: T) -> None:
        state.items.append(item)

    @call
    def pop(self, state: Items[T]) -> T | None:
        return state.items.pop() if state.items else None

    @stream
    async def all(self, state: Items[T]) -> AsyncIterator[T]:
        for item in tuple(state.items):
            yield item


class Names(Stack[str]):
    """A generic server with its type filled in."""


G = TypeVar("G", bound=GenServer[Any])


async def started_and_found(spec: G, server: type[G]) -> G:
    """A function over servers of any class keeps the class."""
    await start(spec, name="main")
    return lookup(server, "main")


# -- protocols and fakes


class Increments(Protocol):
    async def increment(self, by: int = 1) -> int: ...
    def reset(self) -> None: ...
    def ticks(self, upto: int) -> AsyncIterator[str]: ...


class FakeCounter:
    """What a test puts in an actor's place: a plain class."""

    async def increment(self, by: int = 1) -> int:
        return by

    def reset(self) -> None: ...

    async def ticks(self, upto: int) -> AsyncIterator[str]:
        yield "0"


async def thrice(counter: Increments) -> int:
    return sum([await counter.increment(3) for _ in range(3)])


async def in_an_actors_place(counter: Counter, doubling: Doubling) -> None:
    await thrice(counter)
    await thrice(doubling)
    await thrice(FakeCounter())


# -- what a caller knows


async def calls(counter: Counter) -> None:
    assert_type(await counter.increment(), int)
    assert_type(await counter.increment(3), int)
    assert_type(await counter.increment(by=3), int)
    assert_type(await Counter.increment(counter, 3), int)
    assert_type(await counter.slowly("ab", times=2), str)
    await counter.nothing()
    assert_type(await counter.maybe("a", "b", c=0.5), dict[str, float] | None)
    assert_type(await counter.every(["x"], times=2), list[str])
    async with asyncio.timeout(1), axon.deadline(0.5):
        total = asyncio.create_task(counter.increment(3))
        assert_type(await total, int)
    assert_type(await asyncio.gather(counter.increment(), counter.patiently()), tuple[int, str])
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(counter.patiently())
    assert_type(waiting.result(), str)
    assert_type(await partial(counter.increment, by=3)(), int)
    add: Callable[[int], Awaitable[int]] = counter.increment
    ask: Callable[[], Coroutine[None, None, str]] = counter.patiently
    assert_type((await add(3), await ask()), tuple[int, str])


async def later_answers(counter: Counter) -> None:
    assert_type(await counter.by_task(0.1), str)
    assert_type(await counter.by_future(), bytes)
    assert_type(await counter.by_reply(), int)
    assert_type(await counter.by_task_after_an_await(), str)
    assert_type(await counter.order(), int)


async def declared_errors(counter: Counter) -> None:
    try:
        assert_type(await counter.take(3), int)
    except OutOfStock:
        assert_type(await counter.patiently(), str)
    except ServerDied as died:
        assert_type(died.reason, object)
        assert_type(died.target, str)
    except axon.MailboxFull as full:
        assert_type(full.limit, int)
    except axon.NoProcess as nobody:
        assert_type(nobody.restart_in, float | None)
    except axon.CallCycle as cycle:
        assert_type(cycle.cycle, tuple[str, ...])


async def casts(counter: Counter, stack: Stack[str]) -> None:
    counter.reset()
    counter.push(3)
    stack.push("x")
    await axon.offer(counter.push, 3)
    await axon.offer(stack.push, item="x")


async def streams(counter: Counter, stack: Stack[bytes]) -> None:
    async for tick in counter.ticks(3):
        assert_type(tick, str)
    async with counter.ticks(upto=3) as ticks:
        assert_type(ticks, Stream[str])
        assert_type(await anext(ticks), str)
    assert_type([tick async for tick in counter.patient_ticks()], list[int])
    assert_type([tick async for tick in counter.plain_ticks()], list[int])
    assert_type([item async for item in stack.all()], list[bytes])


async def generics() -> None:
    stack = await start(Stack[int](limit=3))
    assert_type(stack, Stack[int])
    stack.push(3)
    assert_type(await stack.pop(), int | None)
    assert_type(await started_and_found(Counter(), Counter), Counter)
    names = await start(Names())
    names.push("x")
    assert_type(await names.pop(), str | None)


def threads(counter: Counter) -> None:
    assert_type(from_thread.call(counter.increment, 3), int)
    assert_type(axon.from_thread.call(counter.slowly, "ab", times=2), str)
    axon.from_thread.cast(counter.push, 3)


def in_place(counter: Counter) -> None:
    handler(Counter.increment)(counter, Count(3), by=2)
    handler(Counter.reset)(counter, Count(3))


# -- specs and handles


async def starts() -> None:
    assert_type(await start(Counter(begin=5)), Counter)
    assert_type(await start(Counter(5, ["a"], step=2), name="main", timeout=1.0, mailbox=100), Counter)
    assert_type(await start(Doubling(label="x", begin=1)), Doubling)
    assert_type(await start_link(Asynchronous()), Asynchronous)


async def handles(counter: Counter, other: Counter) -> None:
    assert_type(counter.begin, int)
    assert_type(counter.trap_exit, bool)
    assert_type(lookup(Counter, "main"), Counter)
    assert_type(lookup(Stack[int], "stack"), Stack[int])
    assert_type(axon.whereis(counter), axon.Process | None)
    assert_type(dataclasses.replace(counter, begin=3), Counter)
    assert_type([known.name for known in dataclasses.fields(counter)], list[str])
    assert_type(copy.copy(counter), Counter)
    assert_type({counter: 1, other: 2}, dict[Counter, int])
    if counter == other:
        axon.send(counter, "a message")
    axon.send("main", ("any", "message"))
    axon.register("spare", counter)
    axon.exit(counter, axon.kill)
    axon.link(counter)
    assert_type(axon.monitor(counter), axon.Monitor)
    assert_type(await axon.wait_down(counter), Down)
    await axon.replace_state(counter, lambda state: Count(state.value + 1))
    assert_type(axon.statistics(counter).handled, int)
    await axon.stop(counter, axon.shutdown, timeout=1.0)


def specs(spec: Counter) -> None:
    match spec:
        case Doubling(begin, label=label):
            assert_type((begin, label), tuple[int, str])
        case Counter(begin):
            assert_type(begin, int)


async def supervisors() -> None:
    async with Supervisor([Counter(begin=5), child(Stack[int](), restart="transient")], strategy="one_for_one") as sup:
        assert_type(sup, Supervisor)
        assert_type(sup.get(Counter), Counter)
        assert_type(sup.get(Stack[int], "Stack"), Stack[int])
        assert_type(await sup.start_child(child(Counter(), id="x", name="spare")), Counter)
        assert_type(await sup.start_child(Counter()), Counter)
        assert_type(await sup.start_child(Stack[int]()), Stack[int])
        assert_type(await sup.start_child(child(Stack[int](), id="y")), Stack[int])
        spec = child(Counter(), id="z", shutdown="brutal_kill", backoff=wait_exponential_jitter(initial=0.1, max=30))
        assert_type(spec, ChildSpec[Counter])
        assert_type(spec.server, Counter)
        assert_type(await sup.start_child(spec), Counter)
        assert_type(await sup.start_child(Supervisor([Counter()])), Supervisor)
        await sup.terminate_child("x")
        await sup.restart_child("x")
        await sup.delete_child("x")
        assert_type(await sup.which_children(), list[axon.ChildInfo])
        assert_type((await sup.count_children()).active, int)
        assert_type(await sup.get_child_spec("x"), ChildSpec[GenServer[Any]])


async def children_that_come_and_go() -> None:
    async with DynamicSupervisor(max_children=10, extra_arguments={"begin": 5}, name="counters") as sup:
        assert_type(sup, DynamicSupervisor)
        counter = await sup.start_child(Counter())
        assert_type(counter, Counter)
        assert_type(await sup.start_child(child(Stack[int](), restart="transient")), Stack[int])
        await sup.terminate_child(counter)
        assert_type(await sup.which_children(), list[axon.ChildInfo])


def one_more(counter: Counter, number: int) -> Counter:
    return dataclasses.replace(counter, begin=number)


async def partitions() -> None:
    async with PartitionSupervisor(Counter(), partitions=4, with_arguments=one_more) as sup:
        assert_type(sup, PartitionSupervisor[Counter])
        assert_type(sup.route("ann"), Counter)
        assert_type(await sup.route(7).increment(3), int)
        assert_type(sup.size(), int)
        await sup.resize(2)
    async with PartitionSupervisor(child(Stack[int](), shutdown=1), strategy="one_for_all") as stacks:
        assert_type(stacks.route(b"x"), Stack[int])
    async with PartitionSupervisor(DynamicSupervisor()) as starters:
        assert_type(await starters.route("ann").start_child(Counter()), Counter)


class Tree(Supervisor):
    """A supervisor of one's own."""


def nested(feeds: list[Stack[int]]) -> Supervisor:
    inner = Supervisor((Counter(), Stack[str]()), strategy="rest_for_one", max_restarts=10, max_seconds=60)
    return Tree(
        [
            child(inner, id="inner"),
            *feeds,
            Supervisor([child(Counter(), significant=True, restart="temporary")], auto_shutdown="any_significant"),
            child(Tree([]), id="tree", shutdown=10),
            child(DynamicSupervisor(max_restarts=100), id="dynamic"),
            child(PartitionSupervisor(Counter()), id="parts"),
        ],
        strategy="one_for_all",
        name="top",
    )


def a_list_of_its_own(counters: int) -> Supervisor:
    children: list[ChildSpec[GenServer[Any]]] = [child(Counter(begin), id=f"{begin}") for begin in range(counters)]
    children.append(child(Stack[int]()))
    return Supervisor(children)


async def main() -> None:
    async with nested([]) as top:
        assert_type(top, Supervisor)


async def main_with_status() -> int:
    return 3


def programs() -> None:
    assert_type(run(nested([])), int)
    assert_type(run(main), int)
    assert_type(run(DynamicSupervisor(), stop_within=None), int)
    assert_type(run([axon.Application("db", nested([]), requires=["disk"])], stop_within=3), int)
    assert_type(run(main_with_status), int)


# -- exit reasons


def why(reason: ExitReason) -> str:
    match reason:
        case axon.normal | axon.shutdown:
            return "in order"
        case Reason("shutdown", term):
            assert_type(term, object)
            return f"in order: {term}"
        case axon.killed:
            return "killed"
        case Reason(name=name):
            return name
        case BaseException() as error:
            return repr(error)


def verdict(down: Down) -> bool:
    if isinstance(down.reason, BaseException):
        assert_type(down.reason, BaseException)
    else:
        assert_type(down.reason, Reason)
    return axon.is_clean(down.reason)


# -- one floor down, and what happens there


async def echo(inbox: str, *, times: int = 1) -> None:
    while True:
        message = await axon.process.receive(timeout=1.0, match=lambda message: message != inbox)
        assert_type(message, object)


async def processes() -> None:
    echoing = axon.process.spawn(echo, "inbox", times=2)
    assert_type(echoing, axon.Process)
    assert_type(axon.process.spawn_monitor(echo, "inbox"), tuple[axon.Process, axon.Monitor])
    assert_type(axon.current().path, str)
    assert_type(axon.cancel_timer(axon.send_after(1.0, echoing, "hello")), float | None)
    match (await axon.wait_down(echoing)).reason:
        case Reason(term=term):
            assert_type(term, object)
        case error:
            assert_type(error, BaseException)


def events() -> None:
    detach = attach(lambda event: print(event.path, event.reason), ProcessCrashed)
    assert_type(detach(), None)
