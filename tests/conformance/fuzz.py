"""Compares Axon with the Erlang/OTP that is installed, in scenarios made up at random.

    uv run python tests/conformance/fuzz.py --seed 1 --count 1000

Each scenario is recorded twice on OTP, the second time disturbed, and replayed on Axon four times: with plain and with
`async` workers, each as it comes and under a random schedule. A scenario in which OTP does not do the same twice says
nothing about Axon: it is shown, and not counted.
Where Axon does something else the scenario is made small and printed, to be replayed by hand (replay.py) or recorded
(erlang.py). `--keep 400` writes as many kB of scenarios as show most together to data/fuzz.jsonl, and what OTP did in
them to data/golden/fuzz.jsonl, which the suite replays. The exit status is 1 if anything differs.

    invent.py  makes scenarios up          erlang.py  records them on OTP
    judge.py   compares                    shrink.py  makes a scenario small
    keep.py    chooses those worth keeping
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from erlang import Erlang, erlang
from invent import Inventor
from judge import Scenario, Verdict, judge
from keep import most_telling, write
from replay import play
from shrink import shrink
from themes import SIZES

DATA = Path(__file__).parent / "data"
BATCH = 250
SMALLEST = 5
"""How many differing scenarios are made small; others are named."""


def invented(seed: str, size: str) -> Scenario:
    inventor = Inventor(seed, size)
    with suppress(Exception):  # the replay meets it again, and it is reported there
        play(inventor)
    return inventor.invented


def batch(otp: Erlang, size: str | None, seeds: list[str]) -> list[Verdict]:
    """The verdicts on the scenarios of these seeds."""
    sizes = [size] if size else ["small", "medium", "medium", "large"]
    return judge(otp, [invented(seed, sizes[number % len(sizes)]) for number, seed in enumerate(seeds)])


def verdicts(otp: Erlang, options: argparse.Namespace) -> Iterator[Verdict]:
    """As they come; several batches at once, since Erlang mostly waits."""
    seeds = [f"{options.seed}-{number}" for number in range(options.count)]
    batches = [seeds[start : start + BATCH] for start in range(0, len(seeds), BATCH)]
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        for found in pool.map(partial(batch, otp, options.size), batches):
            yield from found


def report(otp: Erlang, different: list[Verdict]) -> None:
    for verdict in different[:SMALLEST]:
        small = shrink(otp, verdict)
        print(f"\n{verdict.scenario['name']}, made small:\n{json.dumps(small.scenario)}\n{small.text}")
    if rest := different[SMALLEST:]:
        print("\ndifferent, too:", *(verdict.scenario["name"] for verdict in rest))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2, help="batches at once (2)")
    parser.add_argument("--size", choices=SIZES, help="of the scenarios (all sizes)")
    parser.add_argument("--keep", type=int, default=0, help="kB to write to data/ (none)")
    options = parser.parse_args()
    began = time.monotonic()
    with erlang() as otp:
        found = list(verdicts(otp, options))
        taken = time.monotonic() - began
        counts = Counter(verdict.kind for verdict in found)
        steps = sum(len(verdict.scenario["steps"]) for verdict in found)
        for verdict in found:
            if verdict.kind == "unsettled":
                print(f"\nnot settled: {json.dumps(verdict.scenario)}\n{verdict.text}")
        report(otp, [verdict for verdict in found if verdict.kind == "different"])
    if options.keep:
        write(DATA, most_telling([verdict for verdict in found if verdict.kind == "same"], 1000 * options.keep))
    print(
        f"{len(found)} scenarios with {steps} steps in {taken:.0f} s: {counts['same']} the same, "
        f"{counts['different']} different, {counts['unsettled']} not settled"
    )
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
