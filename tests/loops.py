"""The event loop of the tests: virtual time, and with `AXON_SIMULATE=SEED` a random schedule decided by that seed.

`AXON_IN_PLACE=off` has nothing done on the spot that can be done by messages and tasks, `AXON_IN_PLACE=SEED` leaves it
to chance each time: what users see is the same.
"""

from __future__ import annotations

import asyncio
import os
import random
import zlib
from typing import cast

from axon.process import Runtime
from axon.testing import simulation, virtual_clock

IN_PLACE = os.environ.get("AXON_IN_PLACE")
if IN_PLACE is not None:
    _chance = random.Random(IN_PLACE)
    # On the class, so that it reaches every loop, however it was made.
    Runtime.in_place = cast("bool", property(lambda _: IN_PLACE != "off" and _chance.random() < 0.5, lambda *_: None))

SEED = os.environ.get("AXON_SIMULATE")


def a_loop() -> asyncio.AbstractEventLoop:
    """A loop for the test that runs; its schedule follows from `AXON_SIMULATE` and the test's own name."""
    if SEED is None:
        return virtual_clock()
    test = os.environ["PYTEST_CURRENT_TEST"].rsplit(" ", 1)[0]  # without the phase: "test_x.py::test_y (call)"
    return simulation(zlib.crc32(f"{SEED} {test}".encode()))
