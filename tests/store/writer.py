"""A process that writes to a journal and says what was acknowledged: `python writer.py STORE KEY HOW COUNT`.

`grow` appends three records at a time for ever and prints the version after each; `contend` says `ready`,
waits for a line, and takes the journal over whenever it was lost, until COUNT of its appends were acknowledged; it
prints `version epoch` of each.
"""

from __future__ import annotations

import asyncio
import sys

from axon.store import MemoryStore, PostgresStore, Record, SQLiteStore, Stale, Store

STORES = {"MemoryStore": MemoryStore, "PostgresStore": PostgresStore, "SQLiteStore": SQLiteStore}


async def grow(store: Store, key: str) -> None:
    owner = await store.open(key)
    version = owner.version
    while True:
        batch = [numbered(number) for number in range(version + 1, version + 4)]
        version = await store.append(key, batch, epoch=owner.epoch, version=version)
        print(version, flush=True)


async def contend(store: Store, key: str, count: int) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    done = 0
    while done < count:
        owner = await store.open(key)
        version = owner.version
        try:
            while done < count:
                record = Record("contended", str(owner.epoch).encode())
                version = await store.append(key, [record], epoch=owner.epoch, version=version)
                done += 1
                print(version, owner.epoch, flush=True)
                await asyncio.sleep(0.002)  # another one may take it over, however few processors there are
        except Stale:
            continue
    await store.close()


def numbered(number: int) -> Record:
    """What stands at a place of the journal: small and large bodies in turn."""
    return Record("numbered", str(number).encode() * (1 if number % 3 else 2000))


async def main(store: str, key: str, how: str, count: str) -> None:
    made: Store = eval(store, dict(STORES))
    await (grow(made, key) if how == "grow" else contend(made, key, int(count)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
