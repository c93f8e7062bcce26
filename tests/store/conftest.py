"""One conformance suite for all stores: a test that takes `store` or `place` runs over each of them."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from places import BINARIES, Durable, InFile, InMemory, InPostgres, Place, Server

from axon.store import Store

SQLITE = pytest.param("sqlite", marks=pytest.mark.real_clock)
POSTGRES = pytest.param("postgres", marks=pytest.mark.real_clock)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="axon-pg-") as home:
        server = Server(Path(home), "-F")  # no fsync: no machine goes down here
        server.start()
        yield server
        server.stop(signal.SIGQUIT)


@pytest.fixture(params=["memory", SQLITE, POSTGRES])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "memory":
        return InMemory()
    if request.param == "sqlite":
        return InFile(tmp_path / "axon.db")
    return InPostgres(request.getfixturevalue("server"))


@pytest.fixture(params=[SQLITE, POSTGRES])
def durable(request: pytest.FixtureRequest, tmp_path: Path) -> Durable:
    """A place that other processes can reach."""
    if request.param == "sqlite":
        return InFile(tmp_path / "axon.db")
    return InPostgres(request.getfixturevalue("server"))


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    store = place.store()
    yield store
    await store.close()
