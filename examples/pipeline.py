"""A pipeline under one_for_all: its stages hold addresses and counts of each other, so they live and die together."""

import asyncio

from axon import GenServer, Supervisor, call, cast, child, lookup, wait_down


class Sink(GenServer[list[str]]):
    def init(self) -> list[str]:
        return []

    @cast
    def store(self, state: list[str], line: str) -> None:
        state.append(line)

    @call
    def lines(self, state: list[str]) -> list[str]:
        return list(state)


class Shout(GenServer[Sink]):
    def init(self) -> Sink:
        return lookup(Sink, "sink")  # it was started before

    @cast
    def push(self, state: Sink, line: object) -> None:
        if not isinstance(line, str):
            raise TypeError(f"cannot shout {line!r}")
        state.store(line.upper())


async def main() -> None:
    async with Supervisor([child(Sink(), name="sink"), Shout()], strategy="one_for_all") as pipeline:
        shout, sink = pipeline.get(Shout), pipeline.get(Sink)
        shout.push("one")
        shout.push("two")
        await asyncio.sleep(0)
        print("stored:", await sink.lines())

        shout.push(3)  # ends this stage; the other is stopped and both are started again
        print("the sink ended with", (await wait_down(sink)).reason)
        await asyncio.sleep(0.01)
        shout.push("again")
        await asyncio.sleep(0)
        print("stored by the new pipeline:", await sink.lines())


if __name__ == "__main__":
    asyncio.run(main())
