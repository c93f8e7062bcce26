"""A pool of workers: picked by turns, by load or by key, told all at once, and watched while one dies and comes back."""

import asyncio

from axon import GenServer, Joined, Left, PubSub, Registry, Supervisor, call, cast, child, exit, group, kill, lookup

NEWS = PubSub()
ROOMS = Registry[str, None]("rooms")


class Worker(GenServer[list[str]]):
    def init(self) -> list[str]:
        group(Worker, "pool").join(self)  # at every restart, too
        return []

    @call
    def work(self, state: list[str], job: str) -> str:
        state.append(job)
        return f"{self!r} did {' and '.join(state)}"

    @cast
    def forget(self, state: list[str]) -> None:
        state.clear()


class Watcher(GenServer[None]):
    def init(self) -> None:
        _, members = group(Worker, "pool").monitor()
        NEWS.subscribe("weather")
        print("the watcher begins with", len(members), "workers")

    def handle_info(self, state: None, message: object) -> None:
        match message:
            case Joined(members=members) | Left(members=members):
                print(type(message).__name__, *members)
            case _:
                print("the watcher hears of", message)


async def main() -> None:
    workers = [child(Worker(), id=f"worker-{number}") for number in (1, 2)]
    async with Supervisor([*workers, child(Watcher(), name=ROOMS.via("watchtower"))], name="root"):
        pool = group(Worker, "pool")
        for job in ("this", "that", "more"):
            print(await pool.pick().work(job))
        pool.broadcast(Worker.forget)
        ann = pool.pick(key="ann")
        print("the key stays:", all(pool.pick(key="ann") == ann for _ in range(10)))
        exit(pool.pick(), kill)
        await asyncio.sleep(0.01)
        print("the key is where it was:", pool.pick(key="ann") == ann)
        NEWS.broadcast("weather", "rain")
        await asyncio.sleep(0.01)
        print("found by its key:", lookup(Watcher, ROOMS.via("watchtower")))


if __name__ == "__main__":
    asyncio.run(main())
