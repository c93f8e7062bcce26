"""A million idle servers in one process: `python tests/bench/million.py [--count 1000000]`.

Each is started, answers once, and is stopped, the last one first; the time and the memory of it, as JSON in the last
line.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import time
from pathlib import Path

import axon
from axon import GenServer, call


class Counter(GenServer[list[int]]):
    def init(self) -> list[int]:
        return [0]

    @call
    def add(self, state: list[int], by: int) -> int:
        state[0] += by
        return state[0]


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def measure(count: int) -> dict[str, float]:
    """Seconds for each of the three, bytes for one server."""
    await axon.stop(await axon.start(Counter()))
    gc.collect()
    gc.freeze()
    before, began = resident(), time.perf_counter()
    servers = [await axon.start(Counter()) for _ in range(count)]
    started = time.perf_counter()
    for server in servers:
        assert await server.add(1) == 1
    answered = time.perf_counter()
    size = (resident() - before) / count
    for server in reversed(servers):
        await axon.stop(server)
    stopped = time.perf_counter()
    return {
        "count": count,
        "start_s": started - began,
        "answer_s": answered - started,
        "stop_s": stopped - answered,
        "bytes_each": size,
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=1_000_000)
    result = asyncio.run(measure(options.parse_args().count))
    for name, value in result.items():
        print(f"{name:12} {value:14,.2f}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
