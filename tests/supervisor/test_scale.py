"""Ten thousand servers under one supervisor, and what one more of them costs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from time import process_time

import pytest

import axon
from axon import DynamicSupervisor, ExitReason, GenServer, Supervisor, call, cast, child

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.fifo("ten thousand that could run: to choose one of them at every step takes minutes"),
]

MANY = 10_000


@pytest.fixture(autouse=True)
def _no_log(caplog: pytest.LogCaptureFixture) -> None:
    """Each crash with its traceback would take longer than all the rest."""
    caplog.set_level(logging.CRITICAL, logger="axon")


class Numbered(GenServer[int]):
    """Writes down when it stops; its state is how often it was started."""

    number: int
    starts: dict[int, int]
    stops: list[int]
    trap_exit = True

    def init(self) -> int:
        self.starts[self.number] = self.starts.get(self.number, 0) + 1
        return self.starts[self.number]

    @call
    def began(self, state: int) -> tuple[int, int]:
        return self.number, state

    @cast
    def crash(self, state: int) -> None:
        raise ValueError(self.number)

    def terminate(self, state: int, reason: ExitReason) -> None:
        if reason == axon.shutdown:
            self.stops.append(self.number)


class Plain(GenServer[None]):
    """As little as a server can be."""

    def init(self) -> None:
        return None

    @cast
    def crash(self, state: None) -> None:
        raise ValueError


async def live(sup: Supervisor | DynamicSupervisor, servers: Sequence[Numbered]) -> None:
    """Each answers, crashes once, and is there again."""
    assert [await server.began() for server in servers] == [(n, 1) for n in range(MANY)]
    last = asyncio.ensure_future(axon.wait_down(servers[-1]))
    await asyncio.sleep(0)
    for server in servers:
        server.crash()
    await last
    counts = await sup.count_children()  # it takes its messages in order, and the last crash is one of them
    assert (counts.specs, counts.active) == (MANY, MANY)
    assert [await server.began() for server in servers] == [(n, 2) for n in range(MANY)]


async def test_ten_thousand_under_a_supervisor() -> None:
    starts, stops = dict[int, int](), list[int]()
    tree = [child(Numbered(n, starts, stops), id=str(n)) for n in range(MANY)]
    async with Supervisor(tree, max_restarts=MANY) as sup:
        assert list(starts) == list(range(MANY))
        await live(sup, [sup.get(Numbered, str(n)) for n in range(MANY)])
    assert stops == list(reversed(range(MANY)))


async def test_ten_thousand_under_a_dynamic_supervisor() -> None:
    starts, stops = dict[int, int](), list[int]()
    async with DynamicSupervisor(max_restarts=MANY) as sup:
        servers = [await sup.start_child(Numbered(n, starts, stops)) for n in range(MANY)]
        await live(sup, servers)
        for server in servers[::10]:
            await sup.terminate_child(server)
        assert stops == list(range(0, MANY, 10))
        stops.clear()
    assert sorted(stops) == [n for n in range(MANY) if n % 10]


# -- what one more costs


async def seconds(operation: Awaitable[object]) -> float:
    began = process_time()
    await operation
    return process_time() - began


async def crash(server: Plain) -> float:
    """How long it takes until it is there again."""
    began = process_time()
    server.crash()
    for _ in range(10):
        await asyncio.sleep(0)
        if axon.whereis(server) is not None:
            break
    return process_time() - began


async def dynamic(children: int) -> dict[str, float]:
    """The median times of one start, one crash with its restart, and one end, among so many children."""
    async with DynamicSupervisor(max_restarts=10**6) as sup:
        servers = [await sup.start_child(Plain()) for _ in range(children)][:100]
        starts = [await seconds(sup.start_child(Plain())) for _ in servers]
        crashes = [await crash(server) for server in servers]
        ends = [await seconds(sup.terminate_child(server)) for server in servers]
    return {"start": median(starts), "crash": median(crashes), "end": median(ends)}


async def static(children: int) -> dict[str, float]:
    """The same of a crash under a static one."""
    async with Supervisor([child(Plain(), id=str(n)) for n in range(children)], max_restarts=10**6) as sup:
        servers = [sup.get(Plain, str(n)) for n in range(100)]
        return {"crash": median([await crash(server) for server in servers])}


@pytest.mark.parametrize("kind", [dynamic, static])
async def test_one_more_costs_the_same_however_many_there_are(
    kind: Callable[[int], Awaitable[dict[str, float]]],
) -> None:
    """A look at each of ten thousand would take several times as long as all the rest."""
    few, many = await kind(100), await kind(MANY)
    assert {what: time for what, time in many.items() if time > 3 * few[what]} == {}
