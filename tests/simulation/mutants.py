"""Bugs planted one at a time, and whether the tests find them: `python tests/simulation/mutants.py [NAME …]`.

Each `mutants/NAME.patch` says in its head what it breaks and what finds it:

    found by: pytest TESTS     the suite finds it: these tests, or some of them, fail
    found by: race TREE        the suite does not, and simulation does: within 10,000 schedules of this tree, and the
                               schedule that broke does so again 100 times of 100

A line for each says how it was found. The exit status is 1 if one was not, or if a patch does not apply. `--quick`
leaves out the proof that the suite misses the races.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATCHES = Path(__file__).parent / "mutants"
SCHEDULES = 10_000
AGAIN = 100
MOST_SECONDS = 1_800
"""A run that takes longer hangs."""
SUITES = ("tests/process", "tests/server", "tests/supervisor")
"""Where a race would have to be found without simulation."""

HUNT = f"""
import sys
from trees import TREES
for seed in range({SCHEDULES}):
    try:
        TREES[sys.argv[1]].run(seed)
    except BaseException as error:
        print(seed, type(error).__name__)
        break
"""
REPEAT = f"""
import sys
from trees import TREES
broken = 0
for _ in range({AGAIN}):
    try:
        TREES[sys.argv[1]].run(int(sys.argv[2]))
    except BaseException:
        broken += 1
print(broken)
"""


@dataclass(frozen=True)
class Mutant:
    """One planted bug."""

    name: str
    what: str
    finder: str
    where: str

    @classmethod
    def read(cls, patch: Path) -> Mutant:
        what, found = patch.read_text("utf-8").splitlines()[:2]
        match = re.fullmatch(r"found by: (pytest|race) (.+)", found)
        if match is None:
            raise ValueError(f"{patch.name}: its second line is not `found by: pytest TESTS` or `found by: race TREE`")
        return cls(patch.stem, what, *match.groups())


class Copy:
    """A copy of the sources with one bug in it; the tests are those of the project."""

    def __init__(self, home: Path, mutant: Mutant) -> None:
        self.src, self.examples = home / "src", home / "examples"
        shutil.copytree(ROOT / "src", self.src)
        patch = ["patch", "-p1", "-s", "-F0", "-i", str(PATCHES / f"{mutant.name}.patch")]
        done = subprocess.run(patch, cwd=home, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"the patch does not apply: {done.stdout.strip()}")

    def python(self, *arguments: str, paths: Sequence[Path] = ()) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(map(str, [self.src, *paths]))  # before what is installed, which is the sound one
        environment: Mapping[str, str] = {
            **os.environ,
            "PYTHONPATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self.examples),  # what fails for a bug fails for no other
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=MOST_SECONDS,
        )

    def first_failing_test(self, *tests: str, patience: int = 60) -> str | None:
        """A test that fails, or None; one that takes longer than `patience` seconds hangs, and so it fails.

        Those that look at the real clock are left out: on a busy machine they may fail without any bug.
        """
        options = ["-x", "-q", "-m", "not real_clock", "-p", "no:cacheprovider", "--no-header", "--tb=no"]
        options += ["--timeout", str(patience)]
        try:
            done = self.python("-m", "pytest", *options, *tests)
        except subprocess.TimeoutExpired:  # a broken loop may not even end when its test is over
            return f"a pytest that was not over after {MOST_SECONDS} s"
        if done.returncode == 0:
            return None
        failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
        return failed[1].removeprefix("tests/") if failed else f"pytest ended with status {done.returncode}"

    def first_broken_schedule(self, tree: str) -> tuple[int, str] | None:
        done = self.python("-c", HUNT, tree, paths=[Path(__file__).parent])
        words = done.stdout.split()
        return (int(words[0]), words[1]) if words else None

    def times_broken(self, tree: str, seed: int) -> int:
        return int(self.python("-c", REPEAT, tree, str(seed), paths=[Path(__file__).parent]).stdout or 0)


def judge(mutant: Mutant, quick: bool) -> tuple[bool, str]:
    """Whether it was found as it says, and how."""
    with tempfile.TemporaryDirectory(prefix="axon-mutant-") as home:
        try:
            copy = Copy(Path(home), mutant)
        except ValueError as error:
            return False, str(error)
        if mutant.finder == "pytest":
            test = copy.first_failing_test(*mutant.where.split())
            return test is not None, f"by {test}" if test else "NOT FOUND by the suite"
        test = None if quick else copy.first_failing_test(*SUITES, patience=600)
        broken = copy.first_broken_schedule(mutant.where)
        if broken is None:
            return False, f"NOT FOUND within {SCHEDULES} schedules of {mutant.where}"
        seed, what = broken
        times = copy.times_broken(mutant.where, seed)
        how = f"by simulation: {mutant.where}, seed {seed} ({what}), again {times} of {AGAIN}"
        if test is not None:
            how += f"; {test} finds it, too, so it is no race"
        return test is None and times == AGAIN, how


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    mutants = [Mutant.read(patch) for patch in sorted(PATCHES.glob("*.patch"))]
    chosen = [mutant for mutant in mutants if not asked.names or mutant.name in asked.names]
    began, survived = time.monotonic(), 0
    with ThreadPoolExecutor(asked.jobs) as pool:
        judged = pool.map(partial(judge, quick=asked.quick), chosen)
        for mutant, (found, how) in zip(chosen, judged, strict=True):
            survived += not found
            print(f"{'ok  ' if found else 'FAIL'} {mutant.name:26} {how}", flush=True)
    races = sum(mutant.finder == "race" for mutant in chosen)
    print(f"{len(chosen)} bugs, {races} of them races, {survived} not found; {time.monotonic() - began:.0f} s")
    return 1 if survived or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
