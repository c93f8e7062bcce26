"""The survivor under random schedules: killed at any await, with a store that fails, before and after it has written."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from collections.abc import Sequence

import pytest
from survivors import AskingStore, World, grant_everything, survivor, thinking, told

import axon
from axon import Supervisor, child
from axon.agent import AgentServer, Boundary
from axon.store import ApprovalRequest, Journal, Record, StoreUnavailable
from axon.testing import Faults, simulate, trouble

SEEDS = int(os.environ.get("AXON_SEEDS", "15"))


class FailingStore(AskingStore):
    """Its requests fail when the simulation says so: some before they did anything, some after."""

    async def open(self, key: str) -> Journal:
        if trouble():
            raise StoreUnavailable("no connection")
        return await super().open(key)

    async def append(
        self,
        key: str,
        records: Sequence[Record],
        *,
        epoch: int,
        version: int,
        marker: str | None = None,
        approvals: Sequence[ApprovalRequest] = (),
    ) -> int:
        if trouble():
            raise StoreUnavailable("the connection broke before")
        done = await super().append(key, records, epoch=epoch, version=version, marker=marker, approvals=approvals)
        if trouble():
            raise StoreUnavailable("the connection broke after")
        return done


async def started(sup: Supervisor, spec: AgentServer[object, str]) -> AgentServer[object, str]:
    """A first start that fails is its starter's to repeat."""
    while True:
        try:
            return await sup.start_child(child(spec, id="one"))
        except axon.StartFailed:
            await asyncio.sleep(0.1)


async def a_life(seen: list[object], *, streamed: bool) -> None:
    """One turn, asked for until there is an answer, however often the agent ends meanwhile."""
    world, store = World(), FailingStore()
    spec = AgentServer(survivor(world), model=thinking(world), name="survivor", store=store, attempts=10_000)
    async with Supervisor([], max_restarts=10_000) as sup:
        agent = await started(sup, spec)
        granting = asyncio.create_task(grant_everything(store))
        if streamed:
            reader = agent.run_stream("go", message_id="m")
            try:
                async for _ in reader:
                    pass
            except axon.CallError:
                pass
        result = await agent.run("go", message_id="m")
        granting.cancel()
        again = await agent.run("go", message_id="m")
    journal = await store.read("survivor")
    assert journal is not None
    kinds = Counter(Boundary(entry.record.kind) for entry in journal.entries)
    seen += [result.output, told(result.all_messages())]

    assert (result.output, told(again.all_messages())) == ("all is done", told(result.all_messages()))
    assert kinds[Boundary.ACCEPTED] == kinds[Boundary.COMMITTED] == 1, "what was taken is taken once"
    assert kinds[Boundary.RESPONSE] == 4, "a request whose answer is kept is not made again"
    for name, times in Counter(world.effects).items():
        assert times == 1 or name == "look", "only an idempotent effect is made twice"
    assert all(len(keys) == 1 for keys in world.keys.values())
    assert result.usage.requests == 4


def reference(*, streamed: bool) -> list[object]:
    seen: list[object] = []

    async def life() -> None:
        await a_life(seen, streamed=streamed)

    simulate(life, 0)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "faults",
    [
        Faults(kill=0.01, victims="Supervisor/one", most_kills=20),
        Faults(trouble=0.05),
        Faults(kill=0.005, victims="Supervisor/one", most_kills=10, trouble=0.03, late=0.5),
    ],
    ids=["kills", "a failing store", "both"],
)
def test_nothing_that_is_done_is_done_again_under_any_schedule(faults: Faults, streamed: bool) -> None:
    whole = reference(streamed=streamed)
    same = 0
    for seed in range(SEEDS):
        seen: list[object] = []

        async def life(seen: list[object] = seen) -> None:
            await a_life(seen, streamed=streamed)

        simulate(life, seed, faults=faults)
        assert seen[0] == whole[0]
        same += seen == whole
    gc.collect()  # what was never begun is found here, and not in another test
    assert same > 0, "some of these lives leave the very history of an undisturbed one"


async def lives_beside(world: World) -> None:
    """Three runs beside the conversation, asked for until there is an answer."""
    store = FailingStore()
    spec = AgentServer(survivor(world), model=thinking(world), name="survivor", store=store, attempts=10_000)
    async with Supervisor([], max_restarts=10_000) as sup:
        agent = await started(sup, spec)
        granting = asyncio.create_task(grant_everything(store))
        ids = ("a", "b", "c")
        results = await asyncio.gather(*(agent.run("go", message_id=id, aside=True) for id in ids))
        granting.cancel()
        assert [result.output for result in results] == ["all is done"] * 3
        assert (await agent.status()).asides == ()
        assert (await agent.usage()).requests == 12
    journal = await store.read("survivor")
    assert journal is not None
    kinds = Counter(Boundary(entry.record.kind) for entry in journal.entries)
    assert kinds[Boundary.ACCEPTED] == kinds[Boundary.COMMITTED] == 3
    assert kinds[Boundary.RESPONSE] == 12
    assert all(times <= 3 for name, times in Counter(world.effects).items() if name != "look")


@pytest.mark.slow
def test_beside_the_conversation_nothing_is_done_again_either() -> None:
    faults = Faults(kill=0.005, victims="Supervisor/one", most_kills=10, trouble=0.03, late=0.5)
    for seed in range(SEEDS):
        simulate(lambda: lives_beside(World()), seed, faults=faults)
    gc.collect()
