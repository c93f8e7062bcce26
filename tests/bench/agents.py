"""What a durable agent costs over pydantic-ai alone: `uv run python tests/bench/agents.py`, tables, and JSON in the last line.

`--quick` takes a minute. Times are CPU of this process with its threads (not of PostgreSQL's), measured alternately with
the same run of pydantic-ai alone, each figure the median of rounds; TestModel answers at once, so all of it is overhead.
The files of SQLite lie where TMPDIR says.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from pydantic_ai import Agent, ModelMessage, ModelRequest, ModelResponse
from pydantic_ai.messages import TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel

sys.path.insert(0, str(Path(__file__).parents[1]))

import axon
from axon import DynamicSupervisor
from axon.agent import AgentServer
from axon.store import MemoryStore, PostgresStore, SQLiteStore, Store
from places import BINARIES, Server

QUICK = "--quick" in sys.argv
ROUNDS, TURNS = (3, 10) if QUICK else (9, 30)
AT_ONCE = 100 if QUICK else 1000
KEPT = 50 if QUICK else 300
LONG = 2000
SOAK = 2000 if QUICK else 20_000

Figures = dict[str, Any]
Turn = Callable[[], Awaitable[object]]


# -- agents


def talks() -> Agent[None, str]:
    return Agent(TestModel(), name="bench")


def with_tool() -> Agent[None, str]:
    agent = talks()

    @agent.tool_plain
    async def look(place: str) -> str:
        return place

    return agent


def conversation(messages: int) -> list[ModelMessage]:
    """One that a run has had before, so that nothing in it is new to pydantic-ai."""
    pair: list[ModelMessage] = [
        ModelRequest.user_text_prompt("What is the weather like?"),
        ModelResponse([TextPart("Fine, as ever. " * 10)]),
    ]
    return [pair[number % 2] for number in range(messages)]


async def three_steps(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    await asyncio.sleep(0.05)
    steps = sum(isinstance(message, ModelResponse) for message in messages)
    return ModelResponse([TextPart("done") if steps == 2 else ToolCallPart("look", {"place": "here"})])


@contextmanager
def stores() -> Generator[dict[str, Store | None]]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found: dict[str, Store | None] = {
            "no store": None,
            "memory": MemoryStore(),
            "sqlite": SQLiteStore(home / "a.db"),
        }
        if BINARIES:
            server = Server(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            server.start()
            stack.callback(server.stop)
            found["postgres"] = PostgresStore(server.dsn)
        else:
            print("PostgreSQL is left out: it is not installed here")
        yield found


# -- measuring


async def alternately(works: dict[str, Turn], rounds: int, turns: int) -> dict[str, list[float]]:
    """Microseconds of CPU a turn of each, of each round."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for round in range(rounds + 1):  # the first one warms up
        for name, work in works.items():
            gc.collect()
            began = process_time()
            for _ in range(turns):
                await work()
            if round:
                found[name].append((process_time() - began) / turns * 1e6)
    return found


def over(found: dict[str, list[float]], name: str, bare: str) -> float:
    """How much more, as a part of the bare run beside it."""
    return statistics.median(one / other for one, other in zip(found[name], found[bare], strict=True)) - 1


def resident() -> int:
    """Bytes of memory that this process holds (Linux)."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -- a turn


def bare_modes(agent: Agent[None, str]) -> dict[str, Turn]:
    async def by_iter() -> None:
        async with agent.iter("hello", message_history=[]) as run:
            async for _ in run:
                pass

    async def with_pauses() -> None:
        """What waiting for a disk does to the same work, whoever waits: the processor's caches are cold after it."""
        async with agent.iter("hello", message_history=[]) as run:
            async for _ in run:
                await asyncio.sleep(0.005)

    async def by_stream() -> None:
        async with agent.run_stream_events("hello", message_history=[]) as events:
            async for _ in events:
                pass

    return {
        "iter": by_iter,
        "iter with pauses": with_pauses,
        "run": lambda: agent.run("hello", message_history=[]),
        "streamed": by_stream,
    }


def served_modes(server: AgentServer[None, str]) -> dict[str, Turn]:
    async def by_stream() -> None:
        async for _ in server.run_stream_events("hello", message_history=[]):
            pass

    return {"run": lambda: server.run("hello", message_history=[]), "streamed": by_stream}


async def turn_costs(make: Callable[[], Agent[None, str]], found: dict[str, Store | None]) -> Figures:
    agent = make()
    works = {f"bare {mode}": turn for mode, turn in bare_modes(agent).items()}
    records: dict[str, int] = {}
    for name, store in found.items():
        server = await axon.start(AgentServer[None, str](agent, name=f"{make.__name__} {name}", store=store))
        works |= {f"{name} {mode}": turn for mode, turn in served_modes(server).items()}
        if store is not None:
            before = await version(store, server)
            await server.run("hello", message_history=[])
            records[name] = await version(store, server) - before
    spans = await alternately(works, ROUNDS, TURNS)
    figures: Figures = {"us": {name: round(statistics.median(each), 1) for name, each in spans.items()}}
    for name in found:
        figures[name] = {
            "over iter": round(over(spans, f"{name} run", "bare iter"), 3),
            "over run": round(over(spans, f"{name} run", "bare run"), 3),
            "over streamed": round(over(spans, f"{name} streamed", "bare streamed"), 3),
        }
        if name in records:
            figures[name]["steps"] = records[name]
            more = statistics.median(
                one - other for one, other in zip(spans[f"{name} run"], spans["bare iter"], strict=True)
            )
            figures[name]["ms a step"] = round(more / records[name] / 1000, 3)
    return figures


async def version(store: Store, server: AgentServer[None, str]) -> int:
    kept = await store.read(str(server.name))
    return 0 if kept is None else kept.version


async def turns() -> Figures:
    with stores() as found:
        async with AsyncExitStack() as stack:
            for store in found.values():
                if store is not None:
                    stack.push_async_callback(store.close)
            figures = {make.__name__: await turn_costs(make, found) for make in (talks, with_tool)}
            await shut_down()
    for kind, row in figures.items():
        print(f"\na turn of an agent that {'only talks' if kind == 'talks' else 'calls a tool'}: µs, over the bare run")
        bare = row["us"]
        print(
            f"{'bare':10}{bare['bare run']:10.0f} run{bare['bare iter']:10.0f} iter{bare['bare streamed']:10.0f} streamed"
        )
        print(f"{'':10}{bare['bare iter with pauses']:10.0f} iter, with 5 ms between its nodes")
        for name in found:
            cost = row[name]
            steps = (
                f"   {cost['ms a step']:.2f} ms for each of {cost['steps']} journaled steps" if "steps" in cost else ""
            )
            print(
                f"{name:10}{bare[f'{name} run']:10.0f} {cost['over run']:+.1%} over run {cost['over iter']:+.1%} over iter"
                f"{bare[f'{name} streamed']:8.0f} {cost['over streamed']:+.1%} over streamed{steps}"
            )
    return figures


# -- many at once


async def at_once() -> Figures:
    agent = Agent[object, str](FunctionModel(three_steps), name="bench")
    agent.tool_plain(look)
    sup = await axon.start(DynamicSupervisor())
    servers = [await sup.start_child(AgentServer[object, str](agent)) for _ in range(AT_ONCE)]
    found: dict[str, list[tuple[float, float]]] = {"bare": [], "axon": []}
    for _ in range(1 if QUICK else 3):
        for name, spans in found.items():
            ask: Sequence[Awaitable[object]] = (
                [agent.run("hello", message_history=[]) for _ in range(AT_ONCE)]
                if name == "bare"
                else [server.run("hello", message_history=[]) for server in servers]
            )
            gc.collect()
            began, wall = process_time(), perf_counter()
            await asyncio.gather(*ask)
            spans.append((process_time() - began, perf_counter() - wall))
    await axon.stop(sup)
    cpu = {name: statistics.median(one for one, _ in spans) for name, spans in found.items()}
    took = {name: statistics.median(one for _, one in spans) for name, spans in found.items()}
    more = statistics.median(a[0] / b[0] for a, b in zip(found["axon"], found["bare"], strict=True)) - 1
    print(f"\n{AT_ONCE} agents at once, each 3 steps of 50 ms with 2 tool calls: s")
    for name in found:
        print(f"{name:10}{cpu[name]:8.2f} CPU{took[name]:8.2f} until all were done")
    print(f"{'over':10}{more:+8.1%} CPU")
    return {"agents": AT_ONCE, "cpu s": cpu, "until done s": took, "over": round(more, 3)}


async def look(place: str) -> str:
    """A tool."""
    return place


# -- memory, each in a process of its own


async def memory() -> Figures:
    """Bytes of Python objects an agent, as tracemalloc counts them."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as home:
        store = SQLiteStore(Path(home) / "a.db", synchronous="normal")
        agent = talks()
        await (await axon.start(AgentServer[None, str](agent))).run("hello")
        sup = await axon.start(DynamicSupervisor())
        tracemalloc.start()

        async def grown(specs: Sequence[AgentServer[None, str]], messages: int, rest: float) -> int:
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            servers = [await sup.start_child(spec) for spec in specs]
            for server in servers if messages else ():
                # A conversation of its own: what is read from the store again shares nothing with the others either.
                await server.run("hello", message_history=conversation(messages))
            await asyncio.sleep(rest)
            gc.collect()
            return (tracemalloc.get_traced_memory()[0] - before) // len(servers)

        def durable(prefix: str, after: float | None) -> list[AgentServer[None, str]]:
            return [
                AgentServer[None, str](agent, name=f"{prefix}{n}", store=store, passivate_after=after)
                for n in range(KEPT)
            ]

        figures["never asked"] = await grown([AgentServer[None, str](agent) for _ in range(KEPT)], 0, 0)
        figures["22 messages"] = await grown(durable("idle", None), 20, 0)
        figures["22 messages, passivated"] = await grown(durable("passive", 0.1), 20, 1)
        tracemalloc.stop()
        await axon.stop(sup)
        await store.close()
    return figures


async def soak() -> Figures:
    """MiB of memory that the process holds, after a tenth of the turns, in the middle and at the end."""
    with tempfile.TemporaryDirectory() as home:
        store = SQLiteStore(Path(home) / "a.db", synchronous="normal")
        server = await axon.start(AgentServer[None, str](talks(), name="soak", store=store))
        found: list[float] = []
        for turn in range(1, SOAK + 1):
            await server.run("hello", message_history=[])
            if turn in (SOAK // 10, SOAK // 2, SOAK):
                found.append(round(resident() / 2**20, 1))
        await axon.stop(server)
        await store.close()
    return {"turns": SOAK, "start": found[0], "middle": found[1], "end": found[2]}


# -- a long conversation


async def long_history() -> Figures:
    """Microseconds of CPU a turn, in a conversation of 2,000 messages and in none."""
    agent, works = talks(), dict[str, Turn]()
    with tempfile.TemporaryDirectory() as home:
        store = SQLiteStore(Path(home) / "a.db")
        for length in (0, LONG):
            works[f"bare {length}"] = bare_conversation(agent, length)
            for name, kept in (("no store", None), ("sqlite", store)):
                server = await axon.start(AgentServer[None, str](agent, name=f"{name} {length}", store=kept))
                await server.run("hello", message_history=conversation(length))
                works[f"{name} {length}"] = served_conversation(server)
        spans = await alternately(works, ROUNDS, 3 if QUICK else 5)
        await shut_down()
        await store.close()
    medians = {name: statistics.median(each) for name, each in spans.items()}
    growth = {name: medians[f"{name} {LONG}"] - medians[f"{name} 0"] for name in ("bare", "no store", "sqlite")}
    print(f"\na turn in a conversation of {LONG} messages: ms, and how much of it comes from its length")
    for name, more in growth.items():
        print(
            f"{name:10}{medians[f'{name} {LONG}'] / 1000:8.1f}{more / 1000:8.1f}   {more / growth['bare'] - 1:+.1%} over bare"
        )
    return {
        "us": {name: round(one, 1) for name, one in medians.items()},
        "growth us": {n: round(g, 1) for n, g in growth.items()},
    }


def bare_conversation(agent: Agent[None, str], length: int) -> Turn:
    history = conversation(length)

    async def turn() -> None:
        nonlocal history
        history = (await agent.run("hello", message_history=history)).all_messages()

    return turn


def served_conversation(server: AgentServer[None, str]) -> Turn:
    return lambda: server.run("hello")


async def shut_down() -> None:
    for name in axon.registered():
        found = axon.whereis(name)
        if found is not None:
            await axon.stop(found)


PARTS = {"turns": turns, "at_once": at_once, "long_history": long_history}
ALONE = {"memory": memory, "soak": soak}


def in_a_process_of_its_own(part: str) -> Figures:
    command = [sys.executable, __file__, part, *(["--quick"] if QUICK else [])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    asked = [one for one in sys.argv[1:] if not one.startswith("-")]
    if asked and asked[0] in ALONE:  # a process of its own
        print(json.dumps(asyncio.run(ALONE[asked[0]]())))
        return
    figures: Figures = {name: asyncio.run(part()) for name, part in PARTS.items() if not asked or name in asked}
    if not asked:
        held = figures["memory"] = in_a_process_of_its_own("memory")
        print("\nan idle agent: bytes")
        for name, size in held.items():
            print(f"{name:24}{size:8}")
        flat = figures["soak"] = in_a_process_of_its_own("soak")
        print(
            f"\nMiB over {flat['turns']} turns: {flat['start']} at a tenth, {flat['middle']} in the middle, {flat['end']} at the end"
        )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
