"""What an environment costs: `uv run python tests/bench/envs.py`, a line for each figure and all as JSON in the last one.

build: with uv and with pip, without packages (s). reuse: `ensure_env` of what is there (ms, median and worst of 200), in
a manager that has it and in a new one. check: `check_env` (ms, median of 20). It needs no network.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from axon.env import PythonEnvManager


async def spans(work: Callable[[], Awaitable[object]], times: int) -> list[float]:
    """Milliseconds of each call."""
    taken: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - began) * 1e3)
    return taken


async def main(base: Path) -> None:
    figures: dict[str, float] = {}
    manager = PythonEnvManager(base=base / "uv")
    [build] = await spans(manager.ensure_env, 1)
    [build_by_pip] = await spans(PythonEnvManager(base=base / "pip", uv=False).ensure_env, 1)
    same = await spans(manager.ensure_env, 200)
    new = await spans(lambda: PythonEnvManager(base=base / "uv").ensure_env(), 200)
    check = await spans(manager.check_env, 20)
    figures["build_s"], figures["build_by_pip_s"] = build / 1e3, build_by_pip / 1e3
    figures["reuse_ms"], figures["reuse_worst_ms"] = statistics.median(same), max(same)
    figures["reuse_by_new_manager_ms"], figures["reuse_by_new_manager_worst_ms"] = statistics.median(new), max(new)
    figures["check_ms"] = statistics.median(check)
    for name, figure in figures.items():
        print(f"{name:32} {figure:8.2f}")
    print(json.dumps({name: round(figure, 3) for name, figure in figures.items()}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))
