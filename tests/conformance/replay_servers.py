"""Replays scenarios of servers, signals and process groups, recorded on Erlang/OTP, on Axon: one trace a line.

    uv run python tests/conformance/replay_servers.py tests/conformance/data/servers/calls.jsonl > traces.jsonl

oracle/SCENARIOS.md describes scenarios and traces. `--golden FILE` compares instead and prints the first step that
differs; `--only TEXT` takes the scenarios whose name contains it, `--async-handlers` runs servers with `async`
callbacks. The exit status is 0 if all went well (and, with `--golden`, all is the same).

    world.py      the processes of a scenario by their ids, and the events they report
    scripted.py   the processes
    actions.py    what they can be told to do
    groups.py     what of it is about process groups
    reasons.py    reasons of the recordings <-> exit reasons of Axon
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actions import Do
from reasons import parse
from replay import read
from scripted import AsyncScripted, Scripted, starting
from world import Event, World

import axon
from axon.testing import virtual_clock

POLL = 0.001
"""Seconds between two looks. On virtual time such a sleep ends when nobody can run."""
PATIENCE = 60_000
"""Looks after which processes that do not come to rest are an error."""

RECEIVED = ("exit", "down", "got", "idle", "timer", "joined", "left", "stray")


def replay(scenario: Mapping[str, Any], *, async_handlers: bool = False) -> dict[str, Any]:
    """The trace of one scenario, in an event loop of its own."""
    with asyncio.Runner(loop_factory=virtual_clock) as runner:
        return runner.run(_run(scenario, AsyncScripted if async_handlers else Scripted))


async def _run(scenario: Mapping[str, Any], server: type[Scripted]) -> dict[str, Any]:
    world = World(starting(server))
    plain = [{"id": spec} if isinstance(spec, str) else spec for spec in scenario.get("plain", ())]
    specs = [*({**spec, "kind": "plain"} for spec in plain), *scenario.get("servers", ())]
    trace: list[list[Event]] = []
    for step in [["at_once", [["start", spec] for spec in specs]], *scenario["steps"]]:
        await _take(world, step)
        await _rest(world)
        observed, world.events = world.events, []
        trace.append(canonical(scenario.get("order", "total"), observed))
    alive = world.alive()
    for id in alive:
        axon.exit(world.processes[id], axon.kill)
    await asyncio.sleep(POLL)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"all are dead, and these still run: {left}"
    return {"name": scenario["name"], "trace": trace, "alive": alive}


async def _take(world: World, step: Sequence[Any]) -> None:
    match step:
        case ["do", id, actions] if id in world.handles:
            world.handles[id].told(actions)
        case ["do" | "info", id, actions]:
            axon.send(world.processes[id], Do(actions))
        case ["tell", id, text]:
            axon.send(world.processes[id], text)
        case ["open", gate]:
            world.open(gate)
        case ["exit", id, reason]:
            axon.exit(world.processes[id], parse(reason))
        case ["wait", ms]:
            await asyncio.sleep(ms / 1000)
        case ["start", spec]:
            answer = await world.start(world, "start", spec)
            assert answer == "ok", answer
        case ["at_once", steps]:
            for one in steps:
                await _take(world, one)
        case _:
            raise ValueError(f"no such step: {step}")


async def _rest(world: World) -> None:
    """Wait until nothing is under way, so that time stands still between steps but for `wait`."""
    looks = 0
    for _ in range(PATIENCE):
        await asyncio.sleep(POLL)
        looks = 0 if world.is_waiting_for_time() else looks + 1
        if looks == 2:  # what woke up together with the first look has had its turn
            return
    raise TimeoutError("the processes do not come to rest")


# -- what OTP leaves open, sorted; the oracle does the same by itself


def canonical(order: str, events: list[Event]) -> list[Event]:
    """One step's events in canonical order."""
    match order:
        case "total":
            return events
        case "process":
            return sorted(events, key=lambda event: event[0])
        case "source":
            ended = {event[0] for event in events if event[1] == "ended"}
            return sorted((e for e in events if e[1] not in RECEIVED or e[0] not in ended), key=_by_source)
        case _:
            raise ValueError(f"no such order: {order}")


def _by_source(event: Event) -> tuple[Any, ...]:
    id, kind, *_ = event
    if kind in RECEIVED:
        return (id, 2, event)
    return (id, 3 if kind in ("terminate", "ended") else 1, [])


def difference(expected: Mapping[str, Any], got: Mapping[str, Any]) -> str | None:
    """What differs in the first step that does, or None."""
    for number, (one, other) in enumerate(zip(expected["trace"], got["trace"], strict=True)):
        if one != other:
            lines = [f"  OTP   {json.dumps(event)}" for event in one]
            return "\n".join([f"step {number}:", *lines, *(f"  Axon  {json.dumps(event)}" for event in other)])
    if expected["alive"] != got["alive"]:
        return f"alive: OTP {expected['alive']}, Axon {got['alive']}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--golden", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--async-handlers", action="store_true")
    options = parser.parse_args()
    golden = {} if options.golden is None else {line["name"]: line for line in read(options.golden)}
    scenarios = [s for path in options.files for s in read(path) if options.only in s["name"]]
    failed = 0
    for scenario in scenarios:
        name = scenario["name"]
        try:
            answer = replay(scenario, async_handlers=options.async_handlers)
            what = difference(golden[name], answer) if golden else None
        except Exception as error:  # a scenario that cannot be run is reported as such, and the others go on
            what = f"{type(error).__name__}: {error}"
            answer = {"name": name, "error": what}
        failed += what is not None
        if golden and what is not None:
            print(f"{name}: {what}")
        elif not golden:
            print(json.dumps(answer, separators=(",", ":"), sort_keys=True))
    if golden:
        print(f"{len(scenarios) - failed} of {len(scenarios)} the same")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
