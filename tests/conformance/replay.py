"""Replays scenarios recorded on Erlang/OTP on Axon, and prints what happened: one canonical trace a line.

    uv run python tests/conformance/replay.py tests/conformance/data/core.jsonl > traces.jsonl

Each line of the input is a scenario: a supervision tree, and steps that disturb it. Each line of the output is
`{"name": ..., "trace": [event, ...]}`, the same as the line of that name in the golden file if Axon did what OTP 25
did. `--golden FILE` compares here and prints the first step that differs; `--only TEXT` takes the scenarios whose
name contains it, `--raw` leaves the events in the order observed, `--async-handlers` runs every worker with `async`
callbacks, `--seed N` under the schedule of that seed. The exit status is 0 if all went well (and, with `--golden`, all is the same).

Every scenario has an event loop of its own, on virtual time: it takes the same course on any machine and under any
load, and a restart period of 60 seconds is never waited for.

    reasons.py   reasons of the recordings <-> exit reasons of Axon
    adapter.py   a recorded tree as an Axon tree
    recorder.py  its events, in the words of the recordings
    steps.py     the steps, taken by the parent of the tree's root
    canon.py     the canonical order of what OTP leaves open
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from canon import Event
from steps import Driver

import axon
from axon.testing import simulate, virtual_clock


def replay(
    scenario: Mapping[str, Any], *, async_handlers: bool = False, raw: bool = False, seed: int | None = None
) -> list[Event]:
    """The trace of one scenario, on the virtual clock or, with a seed, under the schedule that it decides."""
    return play(Driver(scenario, async_handlers=async_handlers, raw=raw), seed)


def play(driver: Driver, seed: int | None = None) -> list[Event]:
    """The trace of the scenario that a driver has, on an event loop of its own."""

    async def run() -> list[Event]:
        down = await axon.wait_down(axon.process.spawn(driver.run))
        if isinstance(down.reason, BaseException):
            raise down.reason
        await asyncio.sleep(0.001)  # a task that ended is done a turn of the loop later
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"the tree is dead, and these still run: {left}"
        return driver.trace

    if seed is not None:
        return simulate(run, seed)
    with asyncio.Runner(loop_factory=virtual_clock) as runner:
        return runner.run(run())


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file, one a line."""
    return (json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip())


def difference(expected: list[Event], got: list[Event]) -> str | None:
    """What differs in the first step that does, or None."""
    if expected == got:
        return None
    before, after = list(_steps(expected)), list(_steps(got))
    for number, (one, other) in enumerate(zip(before, after, strict=False)):
        if one != other:
            lines = [f"step {number}:"]
            lines += [f"  OTP   {_line(event)}" for event in one if event not in other]
            lines += [f"  Axon  {_line(event)}" for event in other if event not in one]
            if len(lines) == 1:
                lines += [f"  OTP   {_line(event)}" for event in one] + [f"  Axon  {_line(event)}" for event in other]
            return "\n".join(lines)
    return f"OTP took {len(before)} steps, Axon {len(after)}"


def _steps(trace: Iterable[Event]) -> Iterator[list[Event]]:
    step: list[Event] = []
    for event in trace:
        step.append(event)
        if event["event"] in ("result", "final"):
            yield step
            step = []


def _line(event: Event) -> str:
    return json.dumps(event, sort_keys=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--golden", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--raw", action="store_true")
    parser.add_argument("--async-handlers", action="store_true")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    golden = {} if options.golden is None else {line["name"]: line["trace"] for line in read(options.golden)}
    failed = total = 0
    for scenario in (scenario for path in options.files for scenario in read(path)):
        name = scenario["name"]
        if options.only not in name:
            continue
        total += 1
        answer: dict[str, Any] = {"name": name}
        try:
            answer["trace"] = replay(
                scenario, async_handlers=options.async_handlers, raw=options.raw, seed=options.seed
            )
        except Exception as error:  # a scenario that cannot be run is reported as such, and the others go on
            answer["error"] = f"{type(error).__name__}: {error}"
            failed += 1
        if options.golden is None:
            print(json.dumps(answer, separators=(",", ":"), sort_keys=True))
            continue
        if "error" not in answer and (what := difference(golden[name], answer["trace"])) is not None:
            failed += 1
            answer["error"] = what
        if "error" in answer:
            print(f"{name}: {answer['error']}")
    if options.golden is not None:
        print(f"{total - failed} of {total} the same")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
