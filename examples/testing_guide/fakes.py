"""What stands in for the world outside in the tests."""

from __future__ import annotations

import asyncio

from axon.testing import trouble


class FakeLedger:
    """A ledger in memory, as far away as a database, and sometimes in trouble."""

    def __init__(self) -> None:
        self.kept: frozenset[str] = frozenset()

    async def read(self) -> set[str]:
        await self._answer()
        return set(self.kept)

    async def write(self, customers: set[str]) -> None:
        await self._answer()
        self.kept = frozenset(customers)

    async def _answer(self) -> None:
        await asyncio.sleep(0.01)
        if trouble():
            raise ConnectionError("the ledger does not answer")
