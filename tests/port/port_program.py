"""A program with a server in a process of its own, which the tests end in every way there is."""

from __future__ import annotations

import asyncio
import json
import sys

from port_servers import Cleaner, Doomed

from axon import Supervisor, child
from axon.port import isolated
from axon.port._spawner import Spawner
from axon.process import runtime


async def main() -> None:
    said = sys.argv[1]
    async with Supervisor(
        [child(isolated(Doomed()), id="doomed"), child(isolated(Cleaner(said)), id="cleaner")], max_restarts=0
    ) as sup:
        doomed, cleaner = sup.get(Doomed, "doomed"), sup.get(Cleaner, "cleaner")
        pids = [await doomed.process(), *await doomed.fork_away(ignores_term=True)]
        pids.append(await cleaner.process())
        spawner = runtime().spawner
        assert isinstance(spawner, Spawner)
        print(json.dumps({"pids": pids, "guard": spawner._pid}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main())
