"""What an operation costs the event loop, counted and not timed: more than this is a mistake, less is a new number here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, NamedTuple, TypeVarTuple

import pytest

import axon
from axon import DynamicSupervisor, GenServer, Supervisor, call, cast, child
from loops import IN_PLACE

Ts = TypeVarTuple("Ts")
TIMES = 48
"""How often each is done: fewer than are done on the spot before the loop goes round."""


class Costs(NamedTuple):
    """What the loop was asked for, and how many more tasks there are in the end."""

    callbacks: int = 0
    futures: int = 0
    timers: int = 0
    tasks: int = 0


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts what it is asked for."""

    callbacks = futures = timers = 0

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        self.callbacks += 1
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self.timers += 1
        return super().call_at(when, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        self.futures += 1
        return super().create_future()

    def costs(self) -> Costs:
        return Costs(self.callbacks, self.futures, self.timers, len(asyncio.all_tasks(self)))


class Plain(GenServer[int]):
    def init(self) -> int:
        return 0

    @call
    def ask(self, state: int) -> int:
        return state

    @cast
    def tell(self, state: int) -> None: ...

    @call
    def crash(self, state: int) -> None:
        raise ValueError(state)


class Ready(GenServer[int]):
    async def init(self) -> int:
        return 0

    @call
    async def ask(self, state: int) -> int:
        return state

    @cast
    async def tell(self, state: int) -> None: ...

    @call
    async def wait(self, state: int) -> int:
        await asyncio.sleep(0)
        return state


Operation = Callable[[], Coroutine[Any, Any, object]]
Prepare = Callable[[], Coroutine[Any, Any, Operation]]


def costs_of(prepare: Prepare) -> Costs:
    """What the operation that `prepare` returns costs when it is done for the second time."""

    async def main() -> Costs:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        operation = await prepare()
        await operation()  # whatever is made once is made by now
        await asyncio.sleep(0.01)
        while axon.process.runtime().take_in_place():
            pass  # a new share follows the one that is used up
        before = loop.costs()
        await operation()
        after = loop.costs()
        return Costs(*(b - a for a, b in zip(before, after, strict=True)))

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        return runner.run(main())


async def calls() -> Operation:
    server = await axon.start(Plain())

    async def operation() -> None:
        for _ in range(TIMES):
            await server.ask()

    return operation


async def async_calls() -> Operation:
    server = await axon.start(Ready())

    async def operation() -> None:
        for _ in range(TIMES):
            await server.ask()

    return operation


async def calls_that_wait() -> Operation:
    server = await axon.start(Ready())

    async def operation() -> None:
        for _ in range(TIMES):
            await server.wait()

    return operation


async def casts() -> Operation:
    server = await axon.start(Plain())

    async def operation() -> None:
        for _ in range(TIMES):
            server.tell()
        await asyncio.sleep(0)

    return operation


async def casts_to_many() -> Operation:
    servers = [await axon.start(Plain()) for _ in range(TIMES)]

    async def operation() -> None:
        for server in servers:
            server.tell()
        await asyncio.sleep(0)

    return operation


async def lives() -> Operation:
    async def operation() -> None:
        for _ in range(TIMES // 2):
            await axon.stop(await axon.start(Plain()))

    return operation


async def async_lives() -> Operation:
    async def operation() -> None:
        for _ in range(TIMES // 2):
            await axon.stop(await axon.start(Ready()))
        await asyncio.sleep(0)  # the tasks are gone a turn later

    return operation


async def children() -> Operation:
    supervisor = await axon.start(DynamicSupervisor())

    async def operation() -> None:
        for _ in range(TIMES // 2):
            await supervisor.start_child(Plain())

    return operation


async def restarts() -> Operation:
    supervisor = await axon.start(Supervisor([child(Plain(), id="it")], max_restarts=1000))
    server = supervisor.get(Plain, "it")

    async def operation() -> None:
        for _ in range(TIMES // 2):
            with pytest.raises(axon.ServerDied):
                await server.crash()
            while True:
                try:
                    await server.ask()
                    break
                except axon.NoProcess:
                    await asyncio.sleep(0)

    return operation


async def timers() -> Operation:
    server = await axon.start(Plain())

    async def operation() -> None:
        for n in range(TIMES):
            axon.cancel_timer(axon.send_after(60 + n, server, n))

    return operation


async def timers_in_a_row() -> Operation:
    class Ticks(GenServer[None]):
        def init(self) -> None: ...

        def handle_info(self, state: None, message: Any) -> None:
            left, done = message
            if left:
                axon.send_after(0, axon.current(), (left - 1, done))
            else:
                done.set_result(None)

    server = await axon.start(Ticks())

    async def operation() -> None:
        done = asyncio.get_running_loop().create_future()
        axon.send_after(0, server, (TIMES - 1, done))
        await done

    return operation


@pytest.mark.real_clock
@pytest.mark.parametrize(
    ("prepare", "costs", "by_mail"),
    [
        pytest.param(calls, Costs(), Costs(96, 48, 1), id="48 calls of an idle server"),
        pytest.param(async_calls, Costs(), Costs(144, 96, 1), id="48 calls of one with coroutines that need not wait"),
        pytest.param(calls_that_wait, Costs(144, 96, 1), Costs(192, 96, 1), id="48 that wait a turn"),
        pytest.param(casts, Costs(2), Costs(2), id="48 casts to one server"),
        pytest.param(casts_to_many, Costs(2), Costs(2), id="a cast to each of 48 servers"),
        pytest.param(lives, Costs(), Costs(48, 24), id="24 starts and stops"),
        pytest.param(async_lives, Costs(1 + 1), Costs(121, 72), id="24 starts and stops with coroutines"),
        pytest.param(children, Costs(), Costs(72, 48), id="24 children started"),
        pytest.param(restarts, Costs(1), Costs(96, 48, 1), id="24 crashes and restarts"),
        pytest.param(timers, Costs(timers=1), Costs(timers=1), id="48 timers armed and cancelled"),
        pytest.param(
            timers_in_a_row, Costs(1, 1, 48), Costs(49, 1, 48), id="48 that fire, each armed when the last one fired"
        ),
    ],
)
def test_an_operation_costs_the_loop_exactly(prepare: Prepare, costs: Costs, by_mail: Costs) -> None:
    """`by_mail` with nothing done on the spot; where that is left to chance, it is the most."""
    if IN_PLACE is None:
        assert costs_of(prepare) == costs
    elif IN_PLACE == "off":
        assert costs_of(prepare) == by_mail
    else:
        assert all(one <= most for one, most in zip(costs_of(prepare), by_mail, strict=True))
