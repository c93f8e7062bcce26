"""Many schedules of the trees: `python tests/simulation/schedules.py --count 1000000 --jobs 2 [--tree NAME] [--first SEED]`.

They are spread over all trees, fewer on those that take long. The exit status is 1 if one of them breaks a rule; each failure comes with the
line that runs it again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from trees import TREES

CHUNK = 250
SHOWN = 3
"""Failures shown of a tree."""


@dataclass
class Tally:
    """What some schedules of one tree were."""

    tree: str
    schedules: int = 0
    steps: int = 0
    kills: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list[str])

    def add(self, other: Tally) -> None:
        self.schedules += other.schedules
        self.steps += other.steps
        self.kills += other.kills
        self.seconds += other.seconds
        self.failures += other.failures


def run_chunk(chunk: tuple[str, int, int]) -> Tally:
    """Run some schedules; `seconds` is the processor's time."""
    name, first, number = chunk
    tally, began = Tally(name), time.process_time()
    for seed in range(first, first + number):
        tally.schedules += 1
        try:
            run = TREES[name].run(seed)
        except Exception as error:
            tally.failures.append("\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])]))
        else:
            tally.steps += run.steps
            tally.kills += run.kills
    tally.seconds = time.process_time() - began
    return tally


def chunks(names: list[str], first: int, count: int) -> Iterator[tuple[str, int, int]]:
    """The schedules of all trees, in pieces, tree after tree in turn."""
    shares = {name: TREES[name].share for name in names}
    each = {name: int(count * share / sum(shares.values())) for name, share in shares.items()}
    each[names[0]] += count - sum(each.values())
    for start in range(0, max(each.values()), CHUNK):
        for name, number in each.items():
            if start < number:
                yield name, first + start, min(CHUNK, number - start)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=10_000, help="schedules in all (default 10000)")
    options.add_argument("--jobs", type=int, default=1, help="processes side by side (default 1)")
    options.add_argument("--tree", choices=sorted(TREES), help="this tree only (default all)")
    options.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    asked = options.parse_args()
    names = [asked.tree] if asked.tree else list(TREES)
    tallies = {name: Tally(name) for name in names}
    began = told = time.monotonic()
    with ProcessPoolExecutor(asked.jobs) as pool:
        for tally in pool.map(run_chunk, chunks(names, asked.first, asked.count)):
            known = tallies[tally.tree]
            for failure in tally.failures[: max(0, SHOWN - len(known.failures))]:
                print(f"\n{tally.tree}: {failure}", flush=True)
            known.add(tally)
            if time.monotonic() - told > 10:
                told = time.monotonic()
                done = sum(known.schedules for known in tallies.values())
                print(f"{done} of {asked.count} schedules in {told - began:.0f} s", file=sys.stderr, flush=True)
    failed = sum(len(known.failures) for known in tallies.values())
    print(f"\n{'tree':12} {'schedules':>10} {'steps':>12} {'kills':>9} {'seconds':>9} {'failures':>9}")
    for known in tallies.values():
        counts = f"{known.schedules:10} {known.steps:12} {known.kills:9} {known.seconds:9.1f} {len(known.failures):9}"
        print(f"{known.tree:12} {counts}")
    print(f"{asked.count} schedules, {failed} failures, {time.monotonic() - began:.0f} s with {asked.jobs} jobs")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
