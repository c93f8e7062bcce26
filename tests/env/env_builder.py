"""A program that ensures an environment, and kills itself at a point: `env_builder.py BASE LINKS REQUIREMENT [POINT]`.

It prints `ready`, waits for a line, and prints `built` or `found`. POINT is a step of the build, `said` for the first
line of the installer, or one of `POINTS`; at `hold` it goes on holding what it has.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from env_parts import builds, manager

from axon.env import EnvInstallerSaid, EnvProgress, _manifest, _place
from axon.telemetry import Event, attach

POINTS: dict[str, tuple[Any, str]] = {
    "in the manifest": (_manifest, "_digest"),
    "in the record": (os, "fsync"),
    "before the record counts": (Path, "replace"),
    "when it counts": (_place.Place, "look"),
}
"""Functions at whose call it ends."""
STEPS = ("interpreter", "venv", "install", "verify", "said")


def end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def ending(*_: object, **__: object) -> None:
    end()


def at(point: str) -> Callable[[Event], None]:
    def listen(event: Event) -> None:
        if getattr(event, "step", "said") == point:
            end()

    return listen


async def main(base: str, links: str, requirement: str, point: str = "") -> None:
    attach(at(point), EnvProgress)
    attach(at(point), EnvInstallerSaid)
    if point in POINTS:
        setattr(*POINTS[point], ending)
    wanted = manager(Path(base), Path(links), requirement)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    async with builds() as built:
        await wanted.ensure_env()
    print("built" if built else "found", flush=True)
    if point == "hold":
        await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
