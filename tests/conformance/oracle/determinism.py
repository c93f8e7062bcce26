"""Records scenarios ten times while disturbing Erlang, and says where a trace is not the golden one: exit status 1.

    python tests/conformance/oracle/determinism.py [FILE.jsonl ...]      (default: all of data/servers)

The disturbances: 1 and 4 schedulers, 1 to 64 scenarios side by side, random yields, priorities and pauses in the
processes, and other programs that use up the processors.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ORACLE = Path(__file__).parent / "servers.escript"
RELEASE = "25"
"""The Erlang/OTP that the golden traces were recorded on."""
DATA = Path(__file__).parents[1] / "data" / "servers"

RUNS = [
    *((s, jobs, jitter, load) for s, jobs in ((1, 16), (4, 64)) for jitter in (False, True) for load in (0, 4)),
    (4, 1, True, 0),
    (2, 8, True, 2),
]
"""Schedulers, scenarios at once, whether processes are disturbed from within, busy programs besides."""


@contextmanager
def loaded(programs: int) -> Generator[None, None, None]:
    """While the block runs, so many programs do nothing but compute."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
    try:
        yield
    finally:
        for program in running:
            program.kill()
            program.wait()


def record(path: Path, schedulers: int, jobs: int, *, jitter: bool) -> dict[str, Any]:
    """What Erlang does now, a trace by name."""
    command = ["escript", str(ORACLE), "--jobs", str(jobs), *["--jitter"] * jitter, str(path)]
    flags = os.environ | {"ERL_FLAGS": f"+S {schedulers}:{schedulers}"}
    return traces(subprocess.run(command, env=flags, check=False, capture_output=True, text=True).stdout)


def release() -> str:
    """The Erlang/OTP of this machine."""
    ask = "io:put_chars(erlang:system_info(otp_release)), halt()."
    return subprocess.run(["erl", "-noshell", "-eval", ask], check=True, capture_output=True, text=True).stdout


def traces(text: str) -> dict[str, Any]:
    """The traces of a recording by name."""
    return {trace["name"]: trace for trace in map(json.loads, text.splitlines())}


def main(paths: list[Path]) -> int:
    differing = 0
    for path in paths:
        golden = traces((path.parent / "golden" / path.name).read_text("utf-8"))
        for number, (schedulers, jobs, jitter, load) in enumerate(RUNS, 1):
            with loaded(load):
                got = record(path, schedulers, jobs, jitter=jitter)
            others = [name for name, trace in golden.items() if got.get(name) != trace]
            for name in others:
                print(f"{path.name}: {name}:\n  golden {golden[name]}\n  now    {got.get(name)}")
            differing += len(others)
            how = (
                f"{schedulers} schedulers, {jobs} at once{', jitter' * jitter}{f', {load} busy programs' * bool(load)}"
            )
            print(
                f"{path.name}, run {number} ({how}): {len(golden) - len(others)} of {len(golden)} the same", flush=True
            )
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]] or sorted(DATA.glob("*.jsonl"))))
