"""Never run: mistakes that the type checkers must refuse, each with the very complaint that is expected of both.

An ignore comment that nothing needs is itself an error (mypy `--strict`, pyright's reportUnnecessaryTypeIgnoreComment),
so this file fails as soon as one of these mistakes goes unseen. `accepted.py` is its counterpart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import axon
from axon import (
    DynamicSupervisor,
    GenServer,
    PartitionSupervisor,
    Supervisor,
    call,
    cast,
    child,
    from_thread,
    handler,
    lookup,
    run,
    start,
    stream,
)

T = TypeVar("T")


@dataclass
class Count:
    value: int


class Counter(GenServer[Count]):
    begin: int = 0
    step: int = field(default=1, kw_only=True)
    origin: str = field(default="", init=False)

    def init(self) -> Count:
        return Count(self.begin)

    @call
    def increment(self, state: Count, by: int = 1) -> int:
        return state.value + by

    @call
    async def slowly(self, state: Count, word: str, *, times: int = 1) -> str:
        return word * times

    @call
    def later(self, state: Count) -> asyncio.Task[str]:
        return asyncio.create_task(asyncio.sleep(0, "done"))

    @cast
    def reset(self, state: Count) -> None: ...

    @cast
    def push(self, state: Count, item: int) -> None: ...

    @stream
    async def ticks(self, state: Count, upto: int) -> AsyncIterator[str]:
        yield ""


class Stack(GenServer[list[T]], Generic[T]):
    def init(self) -> list[T]:
        return []

    @cast
    def push(self, state: list[T], item: T) -> None: ...

    @call
    def pop(self, state: list[T]) -> T | None: ...


class Increments(Protocol):
    async def increment(self, by: int = 1) -> int: ...


class Misspelt:
    async def incremnt(self, by: int = 1) -> int:
        return by


class WrongAnswer:
    async def increment(self, by: int = 1) -> str:
        return str(by)


async def use(counter: Increments) -> None: ...


# -- requests


async def wrong_arguments(counter: Counter) -> None:
    await counter.increment("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await counter.increment(3, 4)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await counter.increment(to=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await counter.increment(Count(3), 3)  # type: ignore[arg-type, call-arg]  # pyright: ignore[reportCallIssue]
    await counter.slowly()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await counter.slowly("a", 2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    counter.push("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    counter.push()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    counter.ticks("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def wrong_names(counter: Counter) -> None:
    await counter.incremnt(3)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    print(counter.value)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]
    print(counter.state)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]


async def wrong_actors(counter: Counter, stack: Stack[int]) -> None:
    await use(stack)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await Counter.increment(stack, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    _other: Counter = stack  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    await Counter.increment(counter)


async def wrong_answers(counter: Counter) -> None:
    _text: str = await counter.increment(3)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    _task: asyncio.Task[str] = await counter.later()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    _number: int = await counter.later()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    async for tick in counter.ticks(3):
        _wrong: int = tick  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


async def forgotten_awaits(counter: Counter) -> None:
    counter.increment(3)  # type: ignore[unused-awaitable]  # pyright: ignore[reportUnusedCoroutine]
    counter.later()  # type: ignore[unused-awaitable]  # pyright: ignore[reportUnusedCoroutine]
    _total: int = counter.increment(3)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    axon.offer(counter.push, 3)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    axon.stop(counter)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    start(Counter())  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]


async def casts_have_no_answer(counter: Counter) -> None:
    await counter.reset()  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]


async def streams_are_read_not_awaited(counter: Counter) -> None:
    await counter.ticks(3)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    next(counter.ticks(3))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def fakes(counter: Counter) -> None:
    await use(Misspelt())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await use(WrongAnswer())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def generics(stack: Stack[int]) -> None:
    stack.push("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    _texts: Stack[str] = stack  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    _text: str | None = await stack.pop()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


async def doors(counter: Counter) -> None:
    await axon.offer(counter.push, "x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await axon.offer(counter.increment, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    _text: str = from_thread.call(counter.increment, 3)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    from_thread.call(counter.increment, "3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    from_thread.call(counter.push, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    from_thread.cast(counter.increment, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    handler(Counter.increment)(counter, Count(3), to=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# -- specs and handles


async def wrong_fields(counter: Counter) -> None:
    Counter(begin="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Counter(start=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Counter(1, 2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Counter(origin="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    counter.begin = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    counter.fresh = 3  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


async def wrong_starts(counter: Counter) -> None:
    await start(Counter)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    await start(Count(3))  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    await start(Counter(), mailbox="many")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    _other: Stack[int] = await start(Counter())  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    _found: Stack[int] = lookup(Counter, "main")  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    lookup("Counter", "main")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lookup(Count, "main")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


async def wrong_operations(counter: Counter) -> None:
    axon.exit(counter, "kill")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    axon.exit(Count(3), axon.kill)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    axon.monitor(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    axon.link(Misspelt())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    axon.send_after("1", counter, "tick")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await axon.stop(counter, "normal")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await axon.wait_down(Count(3))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    axon.statistics(Misspelt())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    axon.is_clean("normal")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    raise axon.Stop("normal")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def wrong_supervision(counter: Counter) -> None:
    Supervisor([Counter])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    Supervisor([Count(3)])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    Supervisor([Counter()], "one_for_all")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    Supervisor([Counter()], strategy="one_for_al")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Supervisor([Counter()], max_restarts="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Supervisor([Counter()], auto_shutdown="sometimes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    child(Counter)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    child(Counter(), "main")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    child(Counter(), restart="always")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    child(Counter(), shutdown="never")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    child(Counter(), backoff=0.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    child(Counter(), max_restarts=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    async with Supervisor([Counter()]) as sup:
        _feed: Stack[int] = sup.get(Counter)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
        sup.get("Counter")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        _text: Stack[int] = await sup.start_child(child(Counter()))  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
        await sup.start_child(Counter)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await sup.delete_child(Counter)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    DynamicSupervisor([Counter()])  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    DynamicSupervisor(strategy="one_for_all")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    async with DynamicSupervisor() as dynamic:
        _words: Stack[int] = await dynamic.start_child(Counter())  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
        await dynamic.terminate_child("Counter")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    PartitionSupervisor([Counter()])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async with PartitionSupervisor(Counter()) as parts:
        parts.route(1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        _part: Stack[int] = parts.route("ann")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    run(main())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    run([Supervisor()])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    run(Counter())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def main() -> None: ...


# -- server classes


class WrongCallbacks(GenServer[Count]):
    def init(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return "3"

    def handle_info(self, state: str, message: object) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]

    def terminate(self, state: Count) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]


class WrongHandlers(GenServer[Count]):
    @call  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
    def no_state(self) -> int:
        return 1

    @cast  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
    def with_an_answer(self, state: Count) -> int:
        return 1

    @stream  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    def not_a_generator(self, state: Count) -> int:
        return 1

    @call(timeout="5")  # type: ignore[call-overload, untyped-decorator]  # pyright: ignore[reportArgumentType]
    def wrong_timeout(self, state: Count) -> int:
        return 1

    @call(raises=KeyError)  # type: ignore[call-overload, untyped-decorator]  # pyright: ignore[reportArgumentType]
    def not_a_tuple(self, state: Count) -> int:
        return 1

    @call(raises=("KeyError",))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    def not_classes(self, state: Count) -> int:
        return 1

    @cast(timeout=5)  # type: ignore[call-overload, untyped-decorator]  # pyright: ignore[reportCallIssue, reportUntypedFunctionDecorator]
    def casts_have_no_options(self, state: Count) -> None: ...


class WrongOverride(Counter):
    @call
    def increment(self, state: Count, by: str) -> int:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return 1


class WrongAnswerOverride(Counter):
    @call
    def increment(self, state: Count, by: int = 1) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return ""


class WrongOption(Counter):
    trap_exit = "yes"  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


# -- what pyright accepts, and mypy 2.4 does not understand: the way out is in the docstring


class Misunderstood(GenServer[Count]):
    @call
    def same(self, state: Count, item: T) -> T:
        """A type variable that is the whole answer: make the server generic instead, or answer `list[T]`."""
        return item

    @call  # type: ignore[arg-type]
    def options(self, state: Count, **options: int) -> int:
        """Keywords of any name beside parameters that have one: end those with `/`, as in `(self, state, /, ...)`."""
        return len(options)


async def misunderstood(server: Misunderstood) -> None:
    await server.same("x")  # type: ignore[arg-type]
