"""rest_for_one: what was started after the failed child depends on it and restarts with it; what came before stays."""

import asyncio

from axon import Exit, ExitReason, GenServer, Supervisor, call, child, exit, kill, shutdown


class Part(GenServer[str]):
    name: str
    trap_exit = True  # so that terminate runs on shutdown

    def init(self) -> str:
        print(f"  start {self.name}")
        return self.name

    @call
    def ping(self, state: str) -> str:
        return state

    def handle_info(self, state: str, message: object) -> None:
        if isinstance(message, Exit):
            print(f"  {state} heard {message.reason}")

    def terminate(self, state: str, reason: ExitReason) -> None:
        print(f"  stop {state}{'' if reason == shutdown else f', because of {reason!r}'}")


async def main() -> None:
    parts = [child(Part(name), id=name) for name in ("database", "cache", "web")]
    async with Supervisor(parts, strategy="rest_for_one") as site:
        print("the cache is killed:")
        exit(site.get(Part, "cache"), kill)
        await asyncio.sleep(0.01)
        print("all there:", [await site.get(Part, name).ping() for name in ("database", "cache", "web")])
        print("the block ends:")


if __name__ == "__main__":
    asyncio.run(main())
