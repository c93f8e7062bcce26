"""The event loop of the tests: virtual time, and with `AXON_SIMULATE=SEED` a random schedule decided by that seed.

`AXON_IN_PLACE=off` has nothing done on the spot that can be done by messages and tasks, `AXON_IN_PLACE=SEED` leaves it
to chance each time: what users see is the same.
`AXON_SIMULATE=7-16` runs each test under each of these seeds.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import zlib
from typing import cast

from axon.process import Runtime
from axon.testing import simulation, virtual_clock

IN_PLACE = os.environ.get("AXON_IN_PLACE")
if IN_PLACE is not None:
    _chance = random.Random(IN_PLACE)

    def _is_in_place(_: Runtime) -> bool:
        return IN_PLACE != "off" and _chance.random() < 0.5

    def _keep(_: Runtime, value: bool) -> None: ...

    # On the class, so that it reaches every loop, however it was made.
    Runtime.in_place = cast("bool", property(_is_in_place, _keep))


def seeds(text: str) -> list[int]:
    """The numbers of `7` or `7-16`; none of an empty text."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1)) if text else []


SEEDS = seeds(os.environ.get("AXON_SIMULATE", ""))
_MARK = re.compile(r"-seed(\d+)|seed(\d+)-|\[seed(\d+)\]")
"""The seed in the name of a test, when there are several."""


def a_loop() -> asyncio.AbstractEventLoop:
    """A loop for the test that runs; its schedule follows from the seed and the test's own name."""
    if not SEEDS:
        return virtual_clock()
    name = os.environ["PYTEST_CURRENT_TEST"].rsplit(" ", 1)[0]  # without the phase: "test_x.py::test_y (call)"
    marked = _MARK.search(name)
    seed = next(filter(None, marked.groups())) if marked else SEEDS[0]
    return simulation(zlib.crc32(f"{seed} {_MARK.sub('', name)}".encode()))
