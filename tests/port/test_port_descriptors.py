"""A program that has no descriptors left: a start fails with that, and keeps none of those that it had got."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from port_servers import Counter

import axon
from axon import GenServer
from axon.port import Program, isolated, own_paths

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

SERVES = "import axon.port, time; axon.port.announce(port=1); time.sleep(60)"
NEEDED = 30
"""More descriptors than a start takes."""


def program() -> Program:
    return Program([sys.executable, "-c", SERVES], environ={"PYTHONPATH": os.pathsep.join(own_paths())})


@contextmanager
def free(count: int) -> Generator[None]:
    """No more than so many descriptors can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    taken: list[int] = []
    try:
        while len(taken) < 256:
            try:
                taken.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        for _ in range(count):
            os.close(taken.pop())
        yield
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def opened() -> set[str]:
    return {f"{fd} {os.path.realpath(f'/proc/self/fd/{fd}')}" for fd in os.listdir("/proc/self/fd")}  # noqa: PTH208


@pytest.mark.parametrize("spec", [isolated(Counter()), program()], ids=["server", "program"])
async def test_a_start_without_descriptors_fails_and_keeps_none(spec: GenServer[object]) -> None:
    """At each point of it; and with as many as it needs it succeeds."""
    first = await axon.start(isolated(Counter()))  # the guard is there, and what is imported on the way
    before = opened()
    failed = 0
    for count in range(NEEDED):
        with free(count):
            started = await asyncio.gather(axon.start(spec), return_exceptions=True)
        if isinstance(started[0], BaseException):
            assert isinstance(started[0], axon.StartFailed), count
            assert isinstance(started[0].reason, OSError), count
            gc.collect()
            assert opened() == before, count
            failed += 1
        else:
            await axon.stop(started[0])
            break
    assert 5 < failed < NEEDED
    await axon.stop(first)
