"""The pen of an agent: steps go to its store in order, and nothing follows a step that is not kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextvars import copy_context

from pydantic_ai.messages import ModelMessage
from pydantic_ai.usage import RunUsage

from ..errors import ProcessDead
from ..process import Process
from ..store import ApprovalRequest, MemoryStore, Stale, Store
from ._errors import TakenOver
from ._kept import SNAPSHOTS, Kept, KeptTurn, replayed
from ._records import Step, encoded

COMPACT_AFTER = 1000
"""Records after which an idle agent writes a snapshot in their place."""


class _Now(Awaitable[None]):
    """Something that has happened already."""

    def __await__(self) -> Generator[object, None, None]:
        return
        yield


NOW = _Now()
"""What is kept already."""


class Journal:
    """What one incarnation knows and writes. Without a store it only knows.

    A step changes what is `kept` at once, so that the order of steps is that in which they were noted; awaiting
    `note` waits until it is durable. A write that fails ends the agent through `broken`, with the store's error, or with
    `TakenOver`: what waits for it goes on waiting, until the end of the process cancels it.

    has_checkpoints: whether a turn may have to go on from one, after a restart or a try that failed; otherwise its steps
    are of no use to anybody, and are not taken.
    """

    def __init__(
        self,
        process: Process,
        key: str,
        store: Store | None,
        broken: Callable[[Exception], None],
        *,
        has_checkpoints: bool,
    ) -> None:
        self.process = process
        self.key = key
        self.store = store
        self.rows: Store = MemoryStore() if store is None else store
        """Where approvals are."""
        self.has_checkpoints = has_checkpoints
        self.kept: Kept = Kept()
        self.epoch: int = process.serial
        self._version = 0
        self._records = 0
        self._broken = broken
        self._context = copy_context()
        self._queue: list[tuple[Step, Sequence[ApprovalRequest], asyncio.Future[None]]] = []
        self._under_way: list[asyncio.Future[None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._failed = False
        self._asking = asyncio.Lock()

    async def open(self) -> None:
        """Take the journal over from whoever had it, and read it."""
        assert self.store is not None, "without a store there is nothing to open"
        self.process.on_death(self._close)
        found = await self.store.open(self.key)
        self.kept = replayed(found)
        self.epoch, self._version, self._records = found.epoch, found.version, len(found.entries)

    def note(self, step: Step, approvals: Sequence[ApprovalRequest] = ()) -> Awaitable[None]:
        """Take a step; await the result to know that it is kept. Raises `ProcessDead` when this incarnation is over."""
        if self.process.reason is not None:
            raise ProcessDead(self.process.path, self.process.reason)
        self.kept.apply(step)
        if self.store is None:
            self.kept.answers.clear()  # nobody will come back for them
            return NOW
        kept: asyncio.Future[None] = self.process.runtime.loop.create_future()
        self._queue.append((step, approvals, kept))
        if self._writer is None and not self._failed:
            self._writer = self.process.runtime.loop.create_task(self._write(self.store), context=self._context)
        return kept

    def finish(self, turn: KeptTurn, messages: list[ModelMessage] | None, usage: RunUsage) -> Awaitable[None]:
        """A turn without checkpoints is over, and `messages` are the conversation if it succeeded. Raises `ProcessDead`."""
        if self.process.reason is not None:
            raise ProcessDead(self.process.path, self.process.reason)
        self.kept.finish(turn, messages, usage)
        return NOW

    def jot(self, step: Step) -> None:
        """Take a step that nobody waits for: what follows it is kept only after it."""
        _ = self.note(step)

    async def ask(self, step: Step, approvals: Sequence[ApprovalRequest]) -> None:
        """Take a step that makes rows for others to decide, together with it."""
        if self.store is None:
            async with self._asking:  # whoever opens it takes it over
                rows = await self.rows.open(self.key)
                await self.rows.append(self.key, (), epoch=rows.epoch, version=rows.version, approvals=approvals)
            await self.note(step)
        else:
            await self.note(step, approvals)

    def put_down(self) -> bool:
        """Forget what the store has, until `take_up`; returns False while something is still to be written."""
        if self.store is None or self._writer is not None or self.kept.is_busy:
            return False
        self.kept = Kept(spent=self.kept.spent)
        return True

    async def take_up(self) -> None:
        """Read again what was put down. Raises `TakenOver` if somebody else has it now, and what the store raises."""
        assert self.store is not None, "only what is in a store can be put down"
        await self.flushed()
        found = await self.store.read(self.key)
        epoch, version = (0, 0) if found is None else (found.epoch, found.version)
        if found is None or epoch != self.epoch or version != self._version:
            raise self._refused(
                Stale(self.key, epoch=self.epoch, version=self._version, current_epoch=epoch, current_version=version)
            )
        self.kept = replayed(found)

    async def flushed(self) -> None:
        """Wait until all that was noted is kept."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _write(self, store: Store) -> None:
        try:
            while self._queue:
                batch, self._queue = self._queue, []
                self._under_way = [kept for _, _, kept in batch]
                records = [encoded(step) for step, _, _ in batch]
                self._version = await store.append(
                    self.key,
                    records,
                    epoch=self.epoch,
                    version=self._version,
                    marker="running" if self.kept.is_busy else "idle",
                    approvals=[request for _, asked, _ in batch for request in asked],
                )
                self._records += len(records)
                for kept in self._under_way:
                    if not kept.done():
                        kept.set_result(None)
                self._under_way = []
                await self._compact_if_due(store)
        except Exception as error:
            self._failed = True
            self._broken(self._refused(error) if isinstance(error, Stale) else error)
        finally:
            self._writer = None

    async def _compact_if_due(self, store: Store) -> None:
        """Between turns a snapshot takes the place of many records, so that a start need not read them all."""
        if not self._queue and not self.kept.is_busy and self._records > COMPACT_AFTER + len(self.kept.messages):
            snapshot = SNAPSHOTS.record(self.kept)
            await store.compact(self.key, snapshot, epoch=self.epoch, version=self._version)
            self._records = 0

    def _refused(self, stale: Stale) -> Exception:
        """What it means that a write was refused."""
        if stale.current_epoch <= self.epoch:  # deleted, or written to by this very owner
            return stale
        taken_over = TakenOver(self.process.path)
        taken_over.__cause__ = stale
        return taken_over

    def _close(self) -> None:
        """Write no more: this incarnation is over, and what still waits for it is cancelled."""
        if self._writer is not None:
            self._writer.cancel()
        for kept in (*self._under_way, *(kept for _, _, kept in self._queue)):
            kept.cancel()
