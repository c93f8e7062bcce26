"""A supervised counter: it crashes, its supervisor starts it anew, and the handle still leads to it."""

import asyncio
from dataclasses import dataclass

from axon import GenServer, NoProcess, ServerDied, Supervisor, call, cast


@dataclass
class Count:
    value: int


class Counter(GenServer[Count]):
    begin: int = 0

    def init(self) -> Count:
        return Count(self.begin)

    @call
    def increment(self, state: Count, by: int = 1) -> int:
        state.value += by
        return state.value

    @call
    def divide(self, state: Count, by: int) -> float:
        return state.value / by

    @cast
    def reset(self, state: Count) -> None:
        state.value = 0


async def main() -> None:
    async with Supervisor([Counter(begin=5)], strategy="one_for_one") as supervisor:
        counter = supervisor.get(Counter)
        print("5 + 3 =", await counter.increment(3))
        try:
            await counter.divide(by=0)
        except ServerDied as died:
            print("the counter died of", repr(died.reason))
        while True:
            try:
                print("its successor begins anew:", await counter.increment(0))
                break
            except NoProcess as nobody:
                if nobody.restart_in is None:  # and nobody will be: it has ended for good
                    raise
                await asyncio.sleep(nobody.restart_in)


if __name__ == "__main__":
    asyncio.run(main())
