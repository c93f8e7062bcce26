"""What a port costs: `uv run python tests/bench/ports.py`, a table and the same figures as JSON in the last line.

call: one `counter.increment(3)` after the other, to a server in a process of its own (µs, median and 99th percentile);
echo: the same bytes to and fro through the pipes of a process that is nothing but an asyncio echo, in turns with the calls.
64 at once: calls, and echoes, a second with so many under way. start: from `axon.start` until the server runs, under a
guard that is there (ms, median); alone: with its guard; pass: a process of `python -c pass`; pydantic_ai: one that imports it.
pool: of 4 workers. ask: `pool.ask(Counter.increment, 3)`, one after the other, in turns with the calls (µs, median); 64 at once,
each worker lent to 16; 1 ms each: requests a second that compute for that long, of one port and of the pool; refused: askers
a second who find the line full.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "port"))

from port_servers import Counter

import axon
from axon.port import PoolFull, PortPool, isolated
from axon.port._frames import Kind, encode
from axon.wire import Interface, frame_of

ROUNDS, CALLS, IN_FLIGHT, STARTS = 10, 400, 64, 7
POOL, SHARE = 4, 16
ECHO = """
import asyncio, sys
async def main(size, answer):
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout)
    try:
        while True:
            await reader.readexactly(size)
            transport.write(bytes(answer))
    except asyncio.IncompleteReadError:
        pass
asyncio.run(main(*map(int, sys.argv[1:])))
"""


class Echo:
    """A process that answers so many bytes with so many others."""

    def __init__(self, process: asyncio.subprocess.Process, request: bytes, answer: int) -> None:
        self.process, self.request, self.answer = process, request, answer
        assert process.stdin is not None
        assert process.stdout is not None
        self.out, self.back = process.stdin, process.stdout

    @classmethod
    async def start(cls, request: bytes, answer: int) -> Echo:
        pipe = asyncio.subprocess.PIPE
        command = [sys.executable, "-c", ECHO, str(len(request)), str(answer)]
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe), request, answer)

    async def ask(self) -> bytes:
        self.out.write(self.request)
        return await self.back.readexactly(self.answer)

    async def close(self) -> None:
        self.out.close()
        await self.process.wait()


async def spans(ask: Callable[[], Awaitable[object]]) -> list[float]:
    found: list[float] = []
    for _ in range(CALLS):
        began = time.perf_counter()
        await ask()
        found.append((time.perf_counter() - began) * 1e6)
    return found


async def per_second(ask: Callable[[], Awaitable[object]]) -> float:
    async def some() -> None:
        for _ in range(CALLS // 8):
            await ask()

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))
    return IN_FLIGHT * (CALLS // 8) / (time.perf_counter() - began)


async def echoes_per_second(echo: Echo) -> float:
    """So many written at once, then read, over and over."""
    began = time.perf_counter()
    for _ in range(CALLS // 8):
        echo.out.write(echo.request * IN_FLIGHT)
        await echo.back.readexactly(echo.answer * IN_FLIGHT)
    return IN_FLIGHT * (CALLS // 8) / (time.perf_counter() - began)


async def start_and_stop() -> float:
    began = time.perf_counter()
    server = await axon.start(isolated(Counter()))
    took = (time.perf_counter() - began) * 1e3
    await axon.stop(server)
    return took


async def refused_per_second(pool: PortPool[Counter]) -> float:
    """While all workers have as much as they may, and the line is full."""
    async with AsyncExitStack() as all_of_them:
        for _ in range(POOL * SHARE):
            await all_of_them.enter_async_context(pool.worker())
        began = time.perf_counter()
        for _ in range(CALLS):
            try:
                await pool.ask(Counter.increment, 3)
            except PoolFull:
                continue
            raise AssertionError("there was room")
        return CALLS / (time.perf_counter() - began)


async def pooled(counter: Counter) -> dict[str, float]:
    async with PortPool(isolated(Counter()), size=POOL, max_in_flight=SHARE, max_waiting=0) as pool:
        asks: list[float] = []
        calls: list[float] = []
        rates: list[tuple[float, float, float, float, float]] = []
        for _ in range(ROUNDS):
            asks += await spans(lambda: pool.ask(Counter.increment, 3))
            calls += await spans(lambda: counter.increment(3))
            rates.append(
                (
                    await per_second(lambda: pool.ask(Counter.increment, 3)),
                    await per_second(lambda: counter.increment(3)),
                    await per_second(lambda: pool.ask(Counter.compute, 0.001)),
                    await per_second(lambda: counter.compute(0.001)),
                    await refused_per_second(pool),
                )
            )
        at_once, alone, computed, computed_alone, refused = map(statistics.median, zip(*rates, strict=True))
        return {
            "pool: ask": statistics.median(asks),
            "pool: ask / call": statistics.median(asks) / statistics.median(calls),
            "pool: a second, 64 at once": at_once,
            "port: a second, 64 at once": alone,
            "pool: 1 ms each, a second": computed,
            "port: 1 ms each, a second": computed_alone,
            "pool: refused, a second": refused,
        }


def program(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - began) * 1e3


def times(code: str) -> float:
    return statistics.median(program(code) for _ in range(STARTS))


async def measured() -> dict[str, float]:
    interface = Interface(Counter)
    request = encode(Kind.REQUEST, 1, interface.encode(Counter.increment, 3))
    answer = encode(Kind.ANSWER, 1, frame_of(interface.methods["increment"], 12_000))
    alone = statistics.median([await start_and_stop() for _ in range(STARTS)])
    counter = await axon.start(isolated(Counter()))
    echo = await Echo.start(request, len(answer))
    calls: list[float] = []
    floor: list[float] = []
    for _ in range(ROUNDS):
        calls += await spans(lambda: counter.increment(3))
        floor += await spans(echo.ask)
    at_once = [(await per_second(lambda: counter.increment(3)), await echoes_per_second(echo)) for _ in range(ROUNDS)]
    starts = statistics.median([await start_and_stop() for _ in range(STARTS)])
    pools = await pooled(counter)
    await axon.stop(counter)
    await echo.close()
    return {
        "call": statistics.median(calls),
        "call p99": statistics.quantiles(calls, n=100)[98],
        "echo": statistics.median(floor),
        "echo p99": statistics.quantiles(floor, n=100)[98],
        "call / echo": statistics.median(calls) / statistics.median(floor),
        "calls a second, 64 at once": statistics.median(port for port, _ in at_once),
        "echoes a second, 64 at once": statistics.median(bare for _, bare in at_once),
        "start": starts,
        "start alone": alone,
        **pools,
    }


def main() -> None:
    figures = asyncio.run(measured())
    figures |= {
        "pass": times("pass"),
        "axon.port": times("import axon.port"),
        "pydantic_ai": times("import pydantic_ai"),
    }
    for name, value in figures.items():
        print(f"{name:30} {value:12.1f}")
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
