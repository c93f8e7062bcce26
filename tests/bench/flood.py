"""How long the loop is held by servers that never run out of mail: `python tests/bench/flood.py`.

A hundred servers, each of whose messages is followed by another one; a bystander takes every turn of the loop that it gets.
The last line is JSON.
"""

from __future__ import annotations

import asyncio
import json
import time

import axon
from axon import GenServer, cast

SERVERS = 100
SECONDS = 2.0
WAITING = 100
"""Messages at each of them."""


class Flooded(GenServer[int]):
    def init(self) -> int:
        return 0

    @cast
    def work(self, state: int, number: int) -> None:
        self.work(number)


async def main() -> None:
    servers = [await axon.start(Flooded()) for _ in range(SERVERS)]
    for server in servers:
        for number in range(WAITING):
            server.work(number)
    gaps, began, handled = list[float](), time.perf_counter(), sum(axon.statistics(s).handled for s in servers)
    last = began
    while last - began < SECONDS:
        await asyncio.sleep(0)
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
    handled = sum(axon.statistics(server).handled for server in servers) - handled
    gaps.sort()
    found = {
        "gap_p50_ms": gaps[len(gaps) // 2] * 1e3,
        "gap_p99_ms": gaps[len(gaps) * 99 // 100] * 1e3,
        "messages_per_s": handled / (last - began),
    }
    for name, value in found.items():
        print(f"{name:16}{value:14,.2f}")
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
