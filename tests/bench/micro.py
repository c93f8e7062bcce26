"""What each primitive costs: `python tests/bench/micro.py`, a table and the same figures as JSON in the last line.

Each is measured in CPU time beside what asyncio alone does for the same purpose, in the same run and in turns with it;
the figures are nanoseconds an operation, the best of ROUNDS, and how many times slower (> 1) or faster the primitive
is than that floor. Only the ratios mean something on another machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from time import process_time
from typing import Any

import axon
from axon import GenServer, Supervisor, call, cast, child

ROUNDS = 9
SIZE = 1000
"""Operations in a round."""

Measured = Callable[[], Awaitable[float]]
"""Does SIZE operations, and returns the seconds of CPU they took."""


class Echo(GenServer[list[int]]):
    def init(self) -> list[int]:
        return [0]

    @cast
    def tell(self, state: list[int], message: object) -> None:
        state[0] += 1

    @call
    def ask(self, state: list[int], message: object) -> object:
        if message == "boom":
            raise ValueError(message)
        return message

    @call
    async def ask_async(self, state: list[int], message: object) -> object:
        return message

    def handle_info(self, state: list[int], message: object) -> None:
        state[0] += 1


class Actor:
    """The floor of servers: a queue, a task that serves it, and a future for each call."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[object, asyncio.Future[object] | None]] = asyncio.Queue()
        self.count = 0
        self.task = asyncio.create_task(self.serve())

    async def serve(self) -> None:
        while True:
            message, answer = await self.queue.get()
            self.count += 1
            if answer is not None:
                if message == "boom":
                    answer.set_exception(ValueError(message))
                    raise ValueError(message)
                answer.set_result(message)

    def tell(self, message: object) -> None:
        self.queue.put_nowait((message, None))

    async def ask(self, message: object) -> object:
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((message, answer))
        return await answer

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def until(count: Callable[[], int], goal: int) -> None:
    while count() < goal:  # noqa: ASYNC110  # a waker of its own would be a part of what is measured
        await asyncio.sleep(0)


def casts(tell: Callable[[object], None], count: Callable[[], int], messages: int = SIZE, each: int = 1) -> Measured:
    """Messages sent and handled; `each` tells how many come of one."""

    async def run() -> float:
        goal, began = count() + messages * each, process_time()
        for n in range(messages):
            tell(n)
        await until(count, goal)
        return process_time() - began

    return run


def timed(operation: Callable[[], Awaitable[object]]) -> Measured:
    async def run() -> float:
        began = process_time()
        for _ in range(SIZE):
            await operation()
        return process_time() - began

    return run


def timers(arm: Callable[[float], object], count: Callable[[], int]) -> Measured:
    """Armed for one instant, fired and handled, without the wait in between."""

    async def run() -> float:
        loop = asyncio.get_running_loop()
        goal, due, began = count() + SIZE, loop.time() + 0.05, process_time()
        for _ in range(SIZE):
            arm(due - loop.time())
        armed = process_time() - began
        while loop.time() < due:
            await asyncio.sleep(due - loop.time() - 0.002)
            while loop.time() < due:
                pass
        began = process_time()
        await until(count, goal)
        return armed + process_time() - began

    return run


def plainly(operation: Callable[[], object]) -> Measured:
    async def run() -> float:
        began = process_time()
        for _ in range(SIZE):
            operation()
        return process_time() - began

    return run


def started(start: Callable[[], Awaitable[Any]], stop: Callable[[Any], Awaitable[object]]) -> tuple[Measured, Measured]:
    """Starting so many, and stopping them."""
    all_: list[Any] = []

    async def starting() -> float:
        began = process_time()
        all_.extend([await start() for _ in range(SIZE)])
        return process_time() - began

    async def stopping() -> float:
        began = process_time()
        for each in all_:
            await stop(each)
        all_.clear()
        return process_time() - began

    return starting, stopping


async def begun() -> Actor:
    actor = Actor()
    await asyncio.sleep(0)
    return actor


async def measure() -> dict[str, tuple[Measured, Measured]]:
    """Each primitive, and its floor."""
    loop = asyncio.get_running_loop()
    server, actor = await axon.start(Echo()), await begun()
    state: list[int] = await axon.get_state(server)
    members = [await axon.start(Echo()) for _ in range(SIZE)]
    last: list[int] = await axon.get_state(members[-1])
    actors = [await begun() for _ in range(SIZE)]
    pool = axon.group(Echo, "pool")
    pool.join(*members)
    tree = await axon.start(Supervisor([child(Echo(), id="it")], max_restarts=10**9, max_seconds=0.001))
    supervised, crashing = tree.get(Echo, "it"), [actor]

    def tell_all(message: object) -> None:
        for each in actors:
            each.tell(message)

    async def crash() -> None:
        with contextlib.suppress(axon.ServerDied):
            await supervised.ask("boom")
        while True:
            try:
                await supervised.ask("ping")
                return
            except axon.NoProcess:
                await asyncio.sleep(0)

    async def crash_actor() -> None:
        one = Actor()
        with contextlib.suppress(ValueError):
            await one.ask("boom")
        await asyncio.wait([one.task])
        one.task.exception()
        crashing[0] = Actor()
        await crashing[0].ask("ping")
        await crashing[0].stop()

    process = axon.whereis(server)
    assert process is not None
    other = axon.process.spawn(asyncio.sleep, 3600)
    watched: asyncio.Future[None] = loop.create_future()

    def handled() -> int:
        return state[0]

    def counted() -> int:
        return actor.count

    def nothing(_: object) -> None: ...

    def watch() -> None:
        watched.add_done_callback(nothing)
        watched.remove_done_callback(nothing)

    def link() -> None:
        axon.link(other)
        axon.unlink(other)

    async def link_and_unlink() -> float:
        return await server_runs(link)

    async def monitor_and_demonitor() -> float:
        return await server_runs(lambda: axon.demonitor(axon.monitor(other)))

    async def server_runs(operation: Callable[[], object]) -> float:
        """In a process, which is what links and monitors."""
        took: asyncio.Future[float] = loop.create_future()

        async def body() -> None:
            took.set_result(await plainly(operation)())

        axon.process.spawn(body)
        return await took

    start, stop = started(lambda: axon.start(Echo()), axon.stop)
    floor_start, floor_stop = started(begun, Actor.stop)
    return {
        "cast": (casts(server.tell, handled), casts(actor.tell, counted)),
        "call, plain": (timed(lambda: server.ask(1)), timed(lambda: actor.ask(1))),
        "call, async": (timed(lambda: server.ask_async(1)), timed(lambda: actor.ask(1))),
        "start": (start, floor_start),
        "stop": (stop, floor_stop),
        "crash and restart": (timed(crash), timed(crash_actor)),
        "link and unlink": (link_and_unlink, plainly(watch)),
        "monitor and demonitor": (monitor_and_demonitor, plainly(watch)),
        "send_after": (
            timers(lambda left: axon.send_after(left, server, 1), handled),
            timers(lambda left: loop.call_later(left, actor.tell, 1), counted),
        ),
        "send_after and cancel": (
            plainly(lambda: axon.cancel_timer(axon.send_after(60.0, server, 1))),
            plainly(lambda: loop.call_later(60.0, actor.tell, 1).cancel()),
        ),
        "broadcast, a member": (
            casts(lambda message: pool.broadcast(Echo.tell, message), lambda: last[0], 1),
            casts(tell_all, lambda: actors[-1].count, 1),
        ),
    }


async def figures() -> dict[str, dict[str, float]]:
    pairs = await measure()
    best = {name: [float("inf"), float("inf")] for name in pairs}
    gc.disable()  # a full collection takes 20 ms, and would hit one primitive or another
    for _ in range(ROUNDS):
        gc.collect()
        for name, pair in pairs.items():
            for side, run in enumerate(pair):
                best[name][side] = min(best[name][side], await run())
    return {
        name: {"ns": ours / SIZE * 1e9, "floor": floor / SIZE * 1e9, "ratio": ours / floor}
        for name, (ours, floor) in best.items()
    }


def main() -> None:
    logging.disable(logging.CRITICAL)
    found = asyncio.run(figures())
    print(f"{'ns, Python ' + sys.version.split()[0]:24}{'axon':>10}{'asyncio':>10}{'ratio':>8}")
    for name, row in found.items():
        print(f"{name:24}{row['ns']:10.0f}{row['floor']:10.0f}{row['ratio']:8.2f}")
    print(json.dumps({name: {key: round(value, 2) for key, value in row.items()} for name, row in found.items()}))


if __name__ == "__main__":
    main()
