"""The suites under random schedules: `python tests/simulation/suites.py --seeds 200 [--first SEED] [--jobs 2]`.

Each test of processes, servers and supervisors runs once under each seed (`AXON_SIMULATE`), ten seeds to a pytest.
Left out are those that a seed changes nothing of: marked `fifo`, or `real_clock`. A seed under which a test fails is
told with the line that runs that again; the exit status is 1 if there was one.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITES = ("tests/process", "tests/server", "tests/supervisor")
CHUNK = 10
MOST_SECONDS = 1_200
"""A pytest that takes longer hangs."""


@dataclass(frozen=True)
class Outcome:
    """What the suites did under some seeds; `failed` are the tests that did not hold, by seed."""

    passed: int
    failed: dict[int, list[str]]


def command(seeds: range, chunk: range, tests: Sequence[str] = SUITES) -> str:
    """The line that runs these tests under these seeds; all in a chunk have Hypothesis draw the same examples."""
    numbers = f"{seeds[0]}-{seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}"
    which = f"-m 'not real_clock and not fifo' --hypothesis-seed={chunk[0]}"
    return f"AXON_SIMULATE={numbers} PYTHONHASHSEED=0 {shlex.join([sys.executable, '-m', 'pytest', *tests])} {which}"


def run(chunk: range) -> Outcome:
    """Run the suites under these seeds."""
    line = f"{command(chunk, chunk)} -p no:cacheprovider --tb=no --show-capture=no"
    with subprocess.Popen(["sh", "-c", f"exec env {line}"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as pytest:
        try:
            said, _ = pytest.communicate(timeout=MOST_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.kill()
            return Outcome(0, {chunk[0]: [f"(not over after {MOST_SECONDS} s)"]})
    failed: dict[int, list[str]] = {}
    for test, number in re.findall(r"^(?:FAILED|ERROR) (\S*?seed(\d+)\S*)", said, re.MULTILINE):
        failed.setdefault(int(number), []).append(re.sub(r"-seed\d+|seed\d+-|\[seed\d+\]", "", test))
    if pytest.returncode and not failed:
        failed[chunk[0]] = [f"(pytest ended with status {pytest.returncode})"]
    return Outcome(said.count("."), failed)


def seconds_of_children() -> float:
    """The processor's time of all runs so far."""
    times = os.times()
    return times.children_user + times.children_system


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds (default 200)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side (default 1)")
    asked = parser.parse_args(arguments)
    seeds = range(asked.first, asked.first + asked.seeds)
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    began = time.monotonic()
    passed = broken = 0
    with ThreadPoolExecutor(asked.jobs) as pool:
        for chunk, outcome in zip(chunks, pool.map(run, chunks), strict=True):
            passed += outcome.passed
            broken += len(outcome.failed)
            for seed, tests in sorted(outcome.failed.items()):
                print(f"seed {seed}: {len(tests)} fail, again:")
                print(f"  {command(range(seed, seed + 1), chunk, tests)}", flush=True)
            print(f"seeds up to {chunk[-1]} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    took = f"{time.monotonic() - began:.0f} s with {asked.jobs} jobs, {seconds_of_children():.0f} s of the processor"
    print(f"{len(seeds)} seeds, {passed} tests passed, {broken} seeds with failures; {took}")
    return 1 if broken or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
