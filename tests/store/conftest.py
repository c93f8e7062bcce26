"""One conformance suite for all stores: a test that takes `store` or `place` runs over each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from axon.store import Store
from places import InFile, InMemory, InPostgres, Place

SQLITE = pytest.param("sqlite", marks=pytest.mark.real_clock)
POSTGRES = pytest.param("postgres", marks=pytest.mark.real_clock)


@pytest.fixture(params=["memory", SQLITE, POSTGRES])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "memory":
        return InMemory()
    if request.param == "sqlite":
        return InFile(tmp_path / "axon.db")
    return InPostgres(request.getfixturevalue("server"))


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    store = place.store()
    yield store
    await store.close()
