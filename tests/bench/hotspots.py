"""Where the time of a primitive goes: `python tests/bench/hotspots.py cast`, function by function, in ns an operation.

The names are those of micro.py's table. The profiler makes each call of a function dearer, short ones most: the order is
to be trusted, and what one function takes beside another of its size; the sum is not the primitive's time.
"""

from __future__ import annotations

import asyncio
import cProfile
import logging
import pstats
import sys
from pathlib import Path

from micro import SIZE, measure

ROUNDS = 20
SHOWN = 15
"""Functions in the table."""


async def profiled(name: str) -> pstats.Stats:
    """The profile of so many rounds of a primitive; raises `SystemExit` with the names there are if it is none."""
    pairs = await measure()
    if name not in pairs:
        raise SystemExit(f"{name!r} is none of: {', '.join(pairs)}")
    run, profile = pairs[name][0], cProfile.Profile()
    await run()
    profile.enable()
    for _ in range(ROUNDS):
        await run()
    profile.disable()
    return pstats.Stats(profile)


def main() -> None:
    logging.disable(logging.CRITICAL)
    name = " ".join(sys.argv[1:])
    found = asyncio.run(profiled(name))
    print(f"{name}: ns an operation in the function itself, calls of it an operation")
    rows: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = vars(found)["stats"]
    for (file, line, function), (_, calls, itself, _, _) in sorted(rows.items(), key=lambda row: -row[1][2])[:SHOWN]:
        place = f"{Path(file).name}:{line}" if line else "built in"
        print(f"{itself / ROUNDS / SIZE * 1e9:8.0f} {calls / ROUNDS / SIZE:8.2f}  {place:24} {function}")


if __name__ == "__main__":
    main()
