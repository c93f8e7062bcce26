"""Every test runs on virtual time, with blocking calls refused and nothing left running afterwards."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings

from axon.testing import assert_no_leaks, virtual_clock
from loops import SEEDS, a_loop

if SEEDS:
    os.environ.setdefault("AXON_EXAMPLES", "10")  # many seeds bring more than many examples under each

if TYPE_CHECKING:
    from places import Durable, Server

# On a loaded machine an example may take long, which is no failure; pytest-timeout ends those that hang.
settings.register_profile("axon", deadline=None, max_examples=int(os.environ.get("AXON_EXAMPLES", "100")))
if SEEDS:  # which alone decides what happens, not what failed before
    settings.register_profile("axon", settings.get_profile("axon"), database=None)
settings.load_profile("axon")

# A script's background job (`pytest &`) ignores Ctrl-C, and so would every program that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The first record that is logged imports structlog, which reads files: a test on the loop would refuse that.
importlib.import_module("structlog")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("real_clock") is not None:
        return {"real": asyncio.new_event_loop}
    if item.get_closest_marker("fifo") is not None:
        return {"virtual": virtual_clock}
    return {"simulated" if SEEDS else "virtual": a_loop}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if len(SEEDS) > 1:
        metafunc.parametrize("seed", SEEDS, ids="seed{}".format, indirect=True)


@pytest.fixture(autouse=True)
def seed() -> None:
    """There is one run of each test for each seed; `a_loop` finds it in the test's name."""


@pytest.fixture(scope="session", autouse=True)
def blocking_calls_are_errors() -> Iterator[BlockBuster]:
    # The demo reads its folder before its loop starts; tests of it do so wherever they are.
    with blockbuster_ctx("axon", excluded_modules=["axon.cli"]) as blocking:
        for function in blocking.functions.values():  # Hypothesis reads the project's files while it draws
            function.can_block_in("axon/testing/_choices.py", "_draw")
        yield blocking


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("asyncio") is not None:
        request.getfixturevalue("no_leaks")


@pytest.fixture
async def no_leaks() -> AsyncIterator[None]:
    """After a test nothing is left of what it started; the search looks at the objects of this test only."""
    gc.collect()
    gc.freeze()
    async with assert_no_leaks():
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server, started when the first test wants it."""
    from places import BINARIES, Server

    if not BINARIES:
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="axon-pg-") as home:
        server = Server(Path(home), "-F")  # no fsync: no machine goes down here
        server.start()
        yield server
        server.stop(signal.SIGQUIT)


@pytest.fixture(
    params=[pytest.param(kind, marks=pytest.mark.real_clock) for kind in ("sqlite", "postgres")],
)
def durable(request: pytest.FixtureRequest, tmp_path: Path) -> Durable:
    """A place that other processes can reach."""
    from places import InFile, InPostgres

    if request.param == "sqlite":
        return InFile(tmp_path / "axon.db")
    return InPostgres(request.getfixturevalue("server"))
