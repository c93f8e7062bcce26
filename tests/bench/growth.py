"""How the cost of an operation grows with what is around it: `python tests/bench/growth.py [--quick]`.

Each line is an operation, each column ten times more of what the line is about; the figures are microseconds of CPU an
operation, the smallest of three rounds. Flat lines are what is wanted. JSON in the last line.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
from collections.abc import Awaitable, Callable
from time import process_time

import axon
import axon.errors
from axon import DynamicSupervisor, GenServer, Supervisor, call, cast, child

Measure = Callable[[int], Awaitable[float]]
ROUNDS = 3


class Part(GenServer[int]):
    number: int = 0

    def init(self) -> int:
        return self.number

    @call
    def ask(self, state: int) -> int:
        return state

    @cast
    def tell(self, state: int) -> None:
        return None

    @cast
    def crash(self, state: int) -> None:
        raise ValueError(state)


def each(began: float, operations: int) -> float:
    """Microseconds of CPU an operation."""
    return (process_time() - began) / operations * 1e6


class Plain:
    """What the caches of the processor alone make of many objects."""

    def __init__(self, number: int) -> None:
        self.number = number

    def ask(self) -> int:
        return self.number


async def methods(objects: int) -> float:
    """Calls of a plain method of one after the other of so many objects, each with two more: no actors."""
    made = [(Plain(n), [n], {n: n}) for n in range(objects)]
    chosen = [made[n * 7919 % objects] for n in range(10_000)]
    began = process_time()
    for plain, listed, counted in chosen:
        listed[0] = counted[plain.ask()]
    return each(began, len(chosen))


async def calls(actors: int) -> float:
    """Calls to one after the other of so many servers, none of them its first ones."""
    servers = [await axon.start(Part(n)) for n in range(actors)]
    chosen = [servers[n * 7919 % actors] for n in range(10_000)]
    for server in chosen:
        for _ in range(10):
            await server.ask()
    began = process_time()
    for server in chosen:
        await server.ask()
    cost = each(began, len(chosen))
    for server in servers:
        await axon.stop(server)
    return cost


async def starts_and_stops(actors: int) -> float:
    """The start and the stop of a server beside so many others."""
    servers = [await axon.start(Part(n)) for n in range(actors)]
    began = process_time()
    for _ in range(2000):
        await axon.stop(await axon.start(Part()))
    cost = each(began, 2000)
    for server in servers:
        await axon.stop(server)
    return cost


async def casts(length: int) -> float:
    """A cast and its handling, with so many in the mailbox at once."""
    server = await axon.start(Part())
    began = process_time()
    for _ in range(length):
        server.tell()
    await axon.get_state(server)  # which waits behind them
    cost = each(began, length)
    await axon.stop(server)
    return cost


async def timers(number: int) -> float:
    """A timer armed and cancelled, beside so many others."""
    server = await axon.start(Part())
    for n in range(number):
        axon.send_after(1000 + n * 0.001, server, n)
    began = process_time()
    for n in range(10_000):
        axon.cancel_timer(axon.send_after(500 + n * 0.1, server, n))
    cost = each(began, 10_000)
    await axon.stop(server)
    return cost


async def crashes(children: int) -> float:
    """The crash and the restart of one of so many children."""
    tree = Supervisor([child(Part(n), id=str(n)) for n in range(children)], max_restarts=10**9, max_seconds=1)
    sup = await axon.start(tree)
    parts = [sup.get(Part, str(n * 7919 % children)) for n in range(200)]
    began = process_time()
    for part in parts:
        part.crash()
        while True:
            await asyncio.sleep(0)
            try:
                await part.ask()
                break
            except axon.errors.CallError:
                continue
    cost = each(began, len(parts))
    await axon.stop(sup)
    return cost


async def children(number: int) -> float:
    """The start and the stop of a child under a supervisor, all of so many stopped with it."""
    began = process_time()
    sup = await axon.start(DynamicSupervisor())
    for n in range(number):
        await sup.start_child(child(Part(n), id=str(n)))
    await axon.stop(sup)
    return each(began, number)


async def broadcasts(members: int) -> float:
    """The delivery of a broadcast to one of so many members."""
    pool = axon.group(Part, "pool")
    servers = [await axon.start(Part(n)) for n in range(members)]
    pool.join(*servers)
    for _ in range(10):  # no first messages
        pool.broadcast(Part.tell)
        await axon.get_state(servers[-1])
    rounds = max(1, 20_000 // members)
    began = process_time()
    for _ in range(rounds):
        pool.broadcast(Part.tell)
        await servers[-1].ask()
    await axon.get_state(servers[-1])
    cost = each(began, rounds * members)
    for server in servers:
        await axon.stop(server)
    return cost


LINES: dict[str, tuple[Measure, tuple[int, ...]]] = {
    "a method, objects": (methods, (10, 1_000, 100_000)),
    "call, servers": (calls, (10, 1_000, 100_000)),
    "start and stop, servers": (starts_and_stops, (10, 1_000, 100_000)),
    "cast, mailbox": (casts, (1, 100, 10_000, 1_000_000)),
    "timer, timers": (timers, (10, 1_000, 100_000)),
    "crash and restart, children": (crashes, (10, 1_000, 100_000)),
    "child started and stopped": (children, (10, 1_000, 100_000)),
    "broadcast, members": (broadcasts, (10, 1_000, 100_000)),
}


async def measured(measure: Measure, size: int) -> float:
    """The smallest of a few rounds, with the collector looking at nothing that was there before."""
    best = float("inf")
    for _ in range(ROUNDS if size < 100_000 else 1):
        gc.collect()
        gc.freeze()
        best = min(best, await measure(size))
    return best


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="leave out what is larger than 1,000")
    most = 1_000 if options.parse_args().quick else 10**9
    logging.disable(logging.CRITICAL)
    results: dict[str, dict[int, float]] = {}
    for name, (measure, sizes) in LINES.items():
        results[name] = {size: asyncio.run(measured(measure, size)) for size in sizes if size <= most}
        print(f"{name:28}" + "".join(f"{size:>10,}: {cost:7.2f}" for size, cost in results[name].items()), flush=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
