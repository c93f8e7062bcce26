"""A store as the field of a spec: every incarnation finds what the one before it had written."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from places import Place

from axon import ExitReason, GenServer, ServerDied, Supervisor, call, child, whereis
from axon.store import Journal, MemoryStore, Record, Store
from axon.testing import eventually


@dataclass
class Kept:
    journal: Journal
    version: int


class Keeper(GenServer[Kept]):
    """Opens its journal when it begins, and lets go of the store when it ends."""

    store: Store
    trap_exit = True

    async def init(self) -> Kept:
        journal = await self.store.open("keeper")
        return Kept(journal, journal.version)

    @call
    async def keep(self, state: Kept, text: str) -> int:
        records = [Record("text", text.encode())]
        state.version = await self.store.append("keeper", records, epoch=state.journal.epoch, version=state.version)
        return state.version

    @call
    def kept(self, state: Kept) -> list[str]:
        return [entry.record.body.decode() for entry in state.journal.entries]

    @call
    def crash(self, state: Kept) -> None:
        raise RuntimeError("a bug")

    async def terminate(self, state: Kept, reason: ExitReason) -> None:
        await self.store.close()


async def test_the_next_incarnation_goes_on_where_the_last_one_was(place: Place) -> None:
    async with Supervisor([child(Keeper(place.store()))], strategy="one_for_one") as supervisor:
        keeper = supervisor.get(Keeper)
        assert await keeper.keep("a") == 1
        assert await keeper.keep("b") == 2
        with pytest.raises(ServerDied):
            await keeper.crash()
        await eventually(lambda: whereis(keeper))
        assert await keeper.keep("c") == 3
        assert await keeper.kept() == ["a", "b"]
    async with Supervisor([child(Keeper(place.store()))], strategy="one_for_one") as supervisor:
        assert await supervisor.get(Keeper).kept() == ["a", "b", "c"]


async def test_all_stores_keep_the_protocol(place: Place) -> None:
    assert isinstance(place.store(), Store)
    assert isinstance(MemoryStore(), Store)
