"""What `import axon` costs beyond `import asyncio`: `python tests/bench/import_time.py` prints both medians.

Each round imports both in fresh interpreters, one right after the other, so that what else the machine does meets
both alike. The requirement is less than 80 ms more; the exit status tells whether it was met.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 10
LIMIT = 80.0
"""Milliseconds that `import axon` may take more than `import asyncio`."""

PROGRAM = "from time import perf_counter; began = perf_counter(); import {0}; print((perf_counter() - began) * 1000)"


def milliseconds(module: str, bytecode: str) -> float:
    """The time of one import in an interpreter of its own, which finds and keeps its bytecode in that folder."""
    command = [sys.executable, "-c", PROGRAM.format(module)]
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout)


def main() -> int:
    with tempfile.TemporaryDirectory() as bytecode:
        for module in ("asyncio", "axon"):  # compiled once, as an installer does
            milliseconds(module, bytecode)
        rounds = [(milliseconds("asyncio", bytecode), milliseconds("axon", bytecode)) for _ in range(ROUNDS)]
    floor, ours = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(
        f"import asyncio {floor:.1f} ms, import axon {ours:.1f} ms: {ours - floor:.1f} ms more"
        f" (medians of {ROUNDS}, limit {LIMIT:.0f} ms, Python {sys.version.split()[0]})"
    )
    return 0 if ours - floor < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
