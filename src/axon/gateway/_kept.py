"""The agents that requests have created, kept in the store, so that the next program serves them again."""

from __future__ import annotations

from ..store import Codec, Store
from ._requests import CreateAgent

MARKER = "axon.gateway agent"
"""What marks their journals among all others."""
_REQUESTS = Codec("agent", CreateAgent)


class KeptAgents:
    """What there is to serve at the next start, each in a journal of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(self, request: CreateAgent) -> None:
        """Keep an agent, in place of an earlier one of its id."""
        key = _key(request.agent_id)
        kept = await self._store.open(key)
        record = _REQUESTS.record(request)
        await self._store.append(key, [record], epoch=kept.epoch, version=kept.version, marker=MARKER)

    async def forget(self, agent_id: str) -> bool:
        """Keep it no more, nor its conversation; returns whether it was kept."""
        was_kept = await self._store.read(_key(agent_id)) is not None
        for key in (_key(agent_id), agent_id) if was_kept else ():
            kept = await self._store.open(key)
            await self._store.delete(key, epoch=kept.epoch)
        return was_kept

    async def all(self) -> list[CreateAgent]:
        """All that are kept, by id. Raises `Unreadable`."""
        found: list[CreateAgent] = []
        for head in await self._store.heads(marker=MARKER):
            kept = await self._store.read(head.key)
            if kept is not None and kept.entries:
                found.append(_REQUESTS.value(kept.entries[-1]))
        return found


def _key(agent_id: str) -> str:
    """No agent's own journal has such a name."""
    return f"gateway/{agent_id}"
