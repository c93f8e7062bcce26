"""The suites under random schedules: `python tests/simulation/suites.py --seeds 200 [--first SEED] [--jobs 2]`.

The tests of processes, servers and supervisors run once under each seed (`AXON_SIMULATE`), in a pytest of their own.
Left out are those that a seed changes nothing of: marked `fifo`, or `real_clock`. A seed under which a test fails is
told with the line that runs that again; the exit status is 1 if there was one.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITES = ("tests/process", "tests/server", "tests/supervisor")
MOST_SECONDS = 600
"""A seed whose run takes longer hangs."""


@dataclass(frozen=True)
class Outcome:
    """What the suites did under one seed; `problem` is None if every test held."""

    seed: int
    tests: int
    problem: str | None
    failed: tuple[str, ...] = ()

    def __str__(self) -> str:
        line = " ".join(["pytest", *(self.failed or SUITES), *options(self.seed)])
        return f"seed {self.seed}: {self.problem}\n  again: {' '.join(settings(self.seed))} uv run {line}"


def settings(seed: int) -> list[str]:
    """The environment of a run, as a shell takes it."""
    return [f"AXON_SIMULATE={seed}", "PYTHONHASHSEED=0"]


def options(seed: int) -> list[str]:
    return ["-m", "'not real_clock and not fifo'", f"--hypothesis-seed={seed}"]


def run(seed: int) -> Outcome:
    """Run the suites under one seed."""
    environment = os.environ | dict(setting.split("=") for setting in settings(seed))
    chosen = [option.strip("'") for option in options(seed)]
    command = [sys.executable, "-m", "pytest", *SUITES, *chosen, "-p", "no:cacheprovider", "--tb=no"]
    command += ["-o", "addopts=--strict-markers", "--show-capture=no"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome(seed, 0, f"not over after {MOST_SECONDS} s")
    passed = re.search(r"(\d+) passed", done.stdout)
    tests = int(passed[1]) if passed else 0
    if done.returncode == 0:
        return Outcome(seed, tests, None)
    failed = tuple(dict.fromkeys(re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)))
    return Outcome(seed, tests, f"{len(failed)} fail (pytest ended with status {done.returncode})", failed)


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
    began = told = time.monotonic()
    done = tests = failures = 0
    with ThreadPoolExecutor(asked.jobs) as pool:
        for outcome in pool.map(run, range(asked.first, asked.first + asked.seeds)):
            done += 1
            tests += outcome.tests
            failures += outcome.problem is not None
            if outcome.problem is not None:
                print(outcome, flush=True)
            if time.monotonic() - told > 30:
                told = time.monotonic()
                print(f"{done} of {asked.seeds} seeds in {told - began:.0f} s", file=sys.stderr, flush=True)
    took = f"{time.monotonic() - began:.0f} s with {asked.jobs} jobs, {seconds_of_children():.0f} s of the processor"
    print(f"{done} seeds, {tests} tests passed, {failures} seeds with failures; {took}")
    return 1 if failures or not done else 0


if __name__ == "__main__":
    sys.exit(main())
