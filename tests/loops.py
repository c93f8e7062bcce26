"""The event loop of the tests: virtual time, and with `AXON_SIMULATE=SEED` a random schedule decided by that seed."""

from __future__ import annotations

import asyncio
import os
import zlib

from axon.testing import simulation, virtual_clock

SEED = os.environ.get("AXON_SIMULATE")


def a_loop() -> asyncio.AbstractEventLoop:
    """A loop for the test that runs; its schedule follows from `AXON_SIMULATE` and the test's own name."""
    if SEED is None:
        return virtual_clock()
    test = os.environ["PYTEST_CURRENT_TEST"].rsplit(" ", 1)[0]  # without the phase: "test_x.py::test_y (call)"
    return simulation(zlib.crc32(f"{SEED} {test}".encode()))
