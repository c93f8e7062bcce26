"""What supervised servers cost: `python tests/bench/supervised.py 10000 100000` prints time and memory for each number.

Each number of servers is measured under both supervisors, in a process of its own: memory is what the process grew by
while they started, so it counts all that an idle server keeps, its supervisor's record of it included. The servers are
the smallest there are, with plain handlers; times are microseconds of CPU a server.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import process_time

from growth import Part

import axon
from axon import DynamicSupervisor, Supervisor, child


class Measured:
    """The times of one run, each divided by the number of servers."""

    def __init__(self, servers: int) -> None:
        self.servers = servers
        self.columns: list[str] = []

    async def step(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        began = process_time()
        await work()
        self.columns.append(f"{name} {(process_time() - began) / self.servers * 1e6:6.1f} µs")


def resident() -> int:
    """Bytes of memory that this process holds (Linux)."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def ask_all(servers: Sequence[Part]) -> None:
    for number, server in enumerate(servers):
        assert await server.ask() == number


async def crash_all(sup: Supervisor | DynamicSupervisor, servers: Sequence[Part]) -> None:
    """The supervisor takes its messages in order: when it answers after the last crash, all are restarted."""
    last = asyncio.ensure_future(axon.wait_down(servers[-1]))
    await asyncio.sleep(0)
    for server in servers:
        server.crash()
    await last
    assert (await sup.count_children()).active == len(servers)


async def static(servers: int) -> str:
    measured, before = Measured(servers), resident()
    tree = Supervisor([child(Part(n), id=str(n)) for n in range(servers)], max_restarts=servers)
    started: list[Supervisor] = []

    async def start() -> None:
        started.append(await axon.start(tree))

    await measured.step("start", start)
    memory = resident() - before
    (sup,) = started
    found = [sup.get(Part, str(n)) for n in range(servers)]
    await measured.step("call", lambda: ask_all(found))
    await measured.step("crash", lambda: crash_all(sup, found))
    await measured.step("stop", lambda: axon.stop(sup))
    return f"{memory / servers:5.0f} bytes  {'  '.join(measured.columns)}"


async def dynamic(servers: int) -> str:
    measured, before, found = Measured(servers), resident(), list[Part]()
    sup = await axon.start(DynamicSupervisor(max_restarts=servers))

    async def start() -> None:
        for n in range(servers):
            found.append(await sup.start_child(Part(n)))

    async def terminate() -> None:
        for server in found[: servers // 10]:
            await sup.terminate_child(server)

    await measured.step("start", start)
    memory = resident() - before
    await measured.step("call", lambda: ask_all(found))
    await measured.step("crash", lambda: crash_all(sup, found))
    measured.servers = servers // 10
    await measured.step("terminate", terminate)
    measured.servers = servers - servers // 10
    await measured.step("stop", lambda: axon.stop(sup))
    return f"{memory / servers:5.0f} bytes  {'  '.join(measured.columns)}"


KINDS = {"Supervisor": static, "DynamicSupervisor": dynamic}


def main() -> None:
    if sys.argv[1] in KINDS:
        logging.getLogger("axon").setLevel(logging.CRITICAL)
        print(asyncio.run(KINDS[sys.argv[1]](int(sys.argv[2]))))
        return
    for servers in sys.argv[1:]:
        for kind in KINDS:
            done = subprocess.run([sys.executable, __file__, kind, servers], check=True, capture_output=True, text=True)
            print(f"{servers:>7} under {kind:17}: {done.stdout.strip()}")


if __name__ == "__main__":
    main()
