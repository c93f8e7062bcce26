"""What a store costs: `uv run python tests/bench/store.py`, a table and the same figures as JSON in the last line.

append: one record of 2 kB, one after the other (µs, median and 99th percentile). at once: the same by 100 journals at
the same time (µs per append). open: taking over a journal of a snapshot and 100 such records (µs, median). PostgreSQL
is a server of its own, with fsync, where it is installed. The files lie where TMPDIR says: put it on the disk that is
meant.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))

from places import BINARIES, Server

from axon.store import MemoryStore, PostgresStore, Record, SQLiteStore, Store

RECORD = Record("response", bytes(range(250)) * 8)
APPENDS = 1000
JOURNALS = 100
Figures = dict[str, float]


async def measured(store: Store) -> Figures:
    owner = await store.open("one")
    spans: list[float] = []
    for version in range(APPENDS):
        began = time.perf_counter()
        await store.append("one", [RECORD], epoch=owner.epoch, version=version)
        spans.append((time.perf_counter() - began) * 1e6)

    await store.compact("one", RECORD, epoch=owner.epoch, version=APPENDS - 100)
    opens: list[float] = []
    for _ in range(50):
        began = time.perf_counter()
        journal = await store.open("one")
        opens.append((time.perf_counter() - began) * 1e6)
        assert len(journal.entries) == 100

    async def grow(key: str, epoch: int) -> None:
        for version in range(APPENDS // JOURNALS):
            await store.append(key, [RECORD], epoch=epoch, version=version)

    owners = [await store.open(f"many-{number}") for number in range(JOURNALS)]
    began = time.perf_counter()
    await asyncio.gather(*(grow(each.key, each.epoch) for each in owners))
    at_once = (time.perf_counter() - began) * 1e6 / APPENDS
    await store.close()
    return {
        "append": statistics.median(spans),
        "append p99": statistics.quantiles(spans, n=100)[98],
        "at once": at_once,
        "open": statistics.median(opens),
    }


@contextmanager
def stores() -> Generator[dict[str, Store]]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found: dict[str, Store] = {
            "memory": MemoryStore(),
            "sqlite full": SQLiteStore(home / "full.db"),
            "sqlite normal": SQLiteStore(home / "normal.db", synchronous="normal"),
        }
        if BINARIES:
            server = Server(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            server.start()
            stack.callback(server.stop)
            found["postgres"] = PostgresStore(server.dsn)
        yield found


def main() -> None:
    with stores() as found:
        figures = {name: asyncio.run(measured(store)) for name, store in found.items()}
    print(f"{'µs':15}" + "".join(f"{column:>12}" for column in figures["memory"]))
    for name, row in figures.items():
        print(f"{name:15}" + "".join(f"{value:12.0f}" for value in row.values()))
    print(
        json.dumps({name: {column: round(value, 1) for column, value in row.items()} for name, row in figures.items()})
    )


if __name__ == "__main__":
    main()
