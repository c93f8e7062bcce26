"""A store that lives as long as the object: for tests, simulations and agents that need not survive."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ._approval import Approval, ApprovalRequest, ApprovalStatus, Verdict, checked_verdict, has_expired
from ._errors import AlreadyDecided, ApprovalExists, NoApproval, Stale
from ._journal import Entry, Head, Journal, Record, check_write, checked_text


@dataclass(slots=True)
class _Kept:
    epoch: int
    version: int = 0
    marker: str = ""
    snapshot: Entry | None = None
    entries: list[Entry] = field(default_factory=list[Entry])


class MemoryStore:
    """The `Store` protocol in memory: nothing survives the object, everything else is as in the durable ones.

    A request waits one turn of the loop before it is done and one before it is answered, so a test that cancels its
    caller meets both outcomes. It may be used from any loop and thread: a simulated restart keeps it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._journals: dict[str, _Kept] = {}
        self._approvals: dict[str, Approval] = {}
        self._epochs = 0

    def __repr__(self) -> str:
        return f"<MemoryStore of {len(self._journals)} journals>"

    async def open(self, key: str) -> Journal:
        """As `Store.open`."""
        checked_text("key", key)
        await asyncio.sleep(0)
        with self._lock:
            self._epochs += 1
            kept = self._journals.setdefault(key, _Kept(0))
            kept.epoch = self._epochs
            journal = _journal(key, kept)
        await asyncio.sleep(0)
        return journal

    async def read(self, key: str) -> Journal | None:
        """As `Store.read`."""
        checked_text("key", key)
        await asyncio.sleep(0)
        with self._lock:
            kept = self._journals.get(key)
            return None if kept is None else _journal(key, kept)

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
        """As `Store.append`."""
        check_write(key, epoch, version, marker)
        await asyncio.sleep(0)
        with self._lock:
            kept = self._owned(key, epoch, version)
            if kept.version != version:
                raise self._stale(key, epoch, version)
            asked = [request.id for request in approvals]
            for place, id in enumerate(asked):
                if id in self._approvals or id in asked[:place]:
                    raise ApprovalExists(id)
            kept.entries += [Entry(key, version + place, record) for place, record in enumerate(records, start=1)]
            kept.version = written = version + len(records)
            kept.marker = kept.marker if marker is None else marker
            now = time.time()
            for request in approvals:
                self._approvals[request.id] = Approval(request.id, key, request.payload, now, request.expires_at)
        await asyncio.sleep(0)
        return written

    async def compact(self, key: str, snapshot: Record, *, epoch: int, version: int) -> None:
        """As `Store.compact`."""
        check_write(key, epoch, version)
        await asyncio.sleep(0)
        with self._lock:
            kept = self._owned(key, epoch, version)
            if not (0 if kept.snapshot is None else kept.snapshot.version) <= version <= kept.version:
                raise self._stale(key, epoch, version)
            kept.snapshot = Entry(key, version, snapshot)
            kept.entries = [entry for entry in kept.entries if entry.version > version]
        await asyncio.sleep(0)

    async def delete(self, key: str, *, epoch: int) -> None:
        """As `Store.delete`."""
        check_write(key, epoch)
        await asyncio.sleep(0)
        with self._lock:
            self._owned(key, epoch, 0)
            del self._journals[key]
            self._approvals = {id: row for id, row in self._approvals.items() if row.key != key}
        await asyncio.sleep(0)

    async def heads(self, *, marker: str | None = None) -> list[Head]:
        """As `Store.heads`."""
        await asyncio.sleep(0)
        with self._lock:
            found = [_head(key, kept) for key, kept in sorted(self._journals.items())]
        return [head for head in found if marker is None or head.marker == marker]

    async def approval(self, id: str) -> Approval:
        """As `Store.approval`."""
        checked_text("id", id)
        await asyncio.sleep(0)
        with self._lock:
            return self._approval(id)

    async def approvals(self, *, key: str | None = None, status: ApprovalStatus | None = None) -> list[Approval]:
        """As `Store.approvals`."""
        await asyncio.sleep(0)
        with self._lock:
            found = sorted(map(self._approval, self._approvals), key=lambda row: (row.asked_at, row.id))
        return [row for row in found if key in {None, row.key} and status in {None, row.status}]

    async def decide(self, id: str, verdict: Verdict, *, decision: bytes = b"", by: str = "") -> Approval:
        """As `Store.decide`."""
        checked_text("id", id)
        checked_verdict(verdict, decision, by)
        await asyncio.sleep(0)
        with self._lock:
            row = self._approval(id)
            if not row.pending:
                raise AlreadyDecided(row)
            row = replace(row, status=verdict, decision=decision, decided_by=by, decided_at=time.time())
            self._approvals[id] = row
        await asyncio.sleep(0)
        return row

    async def close(self) -> None:
        """As `Store.close`; there is nothing to let go of, and nothing is forgotten."""

    def _owned(self, key: str, epoch: int, version: int) -> _Kept:
        kept = self._journals.get(key)
        if kept is None or kept.epoch != epoch:
            raise self._stale(key, epoch, version)
        return kept

    def _stale(self, key: str, epoch: int, version: int) -> Stale:
        kept = self._journals.get(key) or _Kept(0)
        return Stale(key, epoch=epoch, version=version, current_epoch=kept.epoch, current_version=kept.version)

    def _approval(self, id: str) -> Approval:
        """The row, once it was seen whether it has expired."""
        row = self._approvals.get(id)
        if row is None:
            raise NoApproval(id)
        if has_expired(row, time.time()):
            row = self._approvals[id] = replace(row, status="expired", decided_at=row.expires_at)
        return row


def _head(key: str, kept: _Kept) -> Head:
    return Head(key, kept.epoch, kept.version, kept.marker)


def _journal(key: str, kept: _Kept) -> Journal:
    return Journal(_head(key, kept), kept.snapshot, tuple(kept.entries))
