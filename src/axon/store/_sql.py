"""What the stores in a database share: each request is one transaction, in a thread that owns the connection."""

from __future__ import annotations

import asyncio
import os
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar
from zlib import crc32

from . import _tables as tables
from ._approval import Approval, ApprovalRequest, ApprovalStatus, Verdict, checked_verdict, has_expired
from ._errors import AlreadyDecided, NoApproval, StoreUnavailable
from ._journal import Head, Journal, Record, check_write, checked_text

T = TypeVar("T")

Work = Callable[[tables.Transaction], T]
"""What is done inside a transaction."""

TOGETHER = 100
"""How many requests a link takes at a time, at most."""


@dataclass(eq=False, slots=True)
class Job(Generic[T]):
    """One request: what it does, and what became of it."""

    work: Work[T]
    writes: bool
    given_up: bool = False
    answer: list[T] = field(default_factory=list[T])
    error: BaseException | None = None

    @property
    def done(self) -> bool:
        return bool(self.answer) or self.error is not None


class Link(ABC):
    """A connection to the database, owned by one thread; it connects when it is first needed, and again after errors."""

    def __init__(self) -> None:
        self.waiting: deque[Job[Any]] = deque()

    @abstractmethod
    def run(self, work: Work[T], *, writes: bool) -> T:
        """Do the work in a transaction, wholly or not at all. Raises `StoreError`."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect, if connected."""

    def outcome(self, job: Job[T]) -> T:
        """Do the job with all that wait before it and after it, unless it was done with another one already."""
        while not (job.done or job.given_up):
            self.run_all([self.waiting.popleft() for _ in range(min(TOGETHER, len(self.waiting)))])
        if job.error is not None:
            raise job.error
        if not job.answer:
            raise CancelledError  # its caller is gone
        return job.answer[0]

    def run_all(self, jobs: Sequence[Job[Any]]) -> None:
        """Do the jobs in their order, each in a transaction of its own; each of them is done then, or given up."""
        for job in jobs:
            if not job.given_up:
                try:
                    job.answer = [self.run(job.work, writes=job.writes)]
                except Exception as error:
                    job.error = error


class SQLStore(ABC):
    """The `Store` protocol over one or several links; the requests about one key are done in the order they came."""

    _TAKE_OVER: ClassVar[Sequence[str]]
    """Statements that raise a journal's epoch; see `take_over`."""

    def __init__(self, links: int) -> None:
        self._count = links
        self._links: list[tuple[Link, ThreadPoolExecutor]] = []
        self._home = os.getpid()

    @abstractmethod
    def _link(self) -> Link:
        """A new link, not connected yet."""

    async def open(self, key: str) -> Journal:
        """As `Store.open`."""
        checked_text("key", key)
        return await self._do(key, lambda db: tables.take_over(db, key, self._TAKE_OVER))

    async def read(self, key: str) -> Journal | None:
        """As `Store.read`."""
        checked_text("key", key)
        return await self._do(key, lambda db: tables.read(db, key), writes=False)

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
        work = partial(
            tables.append,
            key=key,
            records=tuple(records),
            epoch=epoch,
            version=version,
            marker=marker,
            approvals=tuple(approvals),
            now=time.time(),
        )
        return await self._do(key, work)

    async def compact(self, key: str, snapshot: Record, *, epoch: int, version: int) -> None:
        """As `Store.compact`."""
        check_write(key, epoch, version)
        await self._do(key, lambda db: tables.compact(db, key, snapshot, epoch, version))

    async def delete(self, key: str, *, epoch: int) -> None:
        """As `Store.delete`."""
        check_write(key, epoch)
        await self._do(key, lambda db: tables.delete(db, key, epoch))

    async def heads(self, *, marker: str | None = None) -> list[Head]:
        """As `Store.heads`."""
        return await self._do("", lambda db: tables.heads(db, marker), writes=False)

    async def approval(self, id: str) -> Approval:
        """As `Store.approval`."""
        checked_text("id", id)
        rows = await self._approvals(id, "id = ?", (id,))
        if not rows:
            raise NoApproval(id)
        return rows[0]

    async def approvals(self, *, key: str | None = None, status: ApprovalStatus | None = None) -> list[Approval]:
        """As `Store.approvals`."""
        rows = await self._approvals("", "true" if key is None else "key = ?", () if key is None else (key,))
        found = [row for row in rows if status in {None, row.status}]
        return sorted(found, key=lambda row: (row.asked_at, row.id))

    async def decide(self, id: str, verdict: Verdict, *, decision: bytes = b"", by: str = "") -> Approval:
        """As `Store.decide`."""
        checked_text("id", id)
        checked_verdict(verdict, decision, by)
        now = time.time()
        row, decided = await self._do(id, lambda db: tables.decide(db, id, verdict, decision=decision, by=by, now=now))
        if not decided:
            raise AlreadyDecided(row)
        return row

    async def close(self) -> None:
        """As `Store.close`."""
        self._check_process()
        links, self._links = self._links, []
        loop = asyncio.get_running_loop()
        closing = [loop.run_in_executor(thread, link.close) for link, thread in links]
        for _, thread in links:
            thread.shutdown(wait=False)  # it ends after what it was given, whether or not this caller still waits
        await asyncio.gather(*closing)

    async def _approvals(self, about: str, where: str, values: Sequence[object]) -> list[Approval]:
        now = time.time()
        rows = await self._do(about, lambda db: tables.approvals(db, where, values), writes=False)
        late = [row.id for row in rows if has_expired(row, now)]
        if not late:
            return rows
        await self._do(about, lambda db: tables.expire(db, late))
        return await self._approvals(about, where, values)

    async def _do(self, key: str, work: Work[T], *, writes: bool = True) -> T:
        self._check_process()
        if not self._links:
            self._home = os.getpid()
            self._links = [(self._link(), ThreadPoolExecutor(1, "axon-store")) for _ in range(self._count)]
        link, thread = self._links[crc32(key.encode()) % len(self._links)]
        job = Job(work, writes)
        link.waiting.append(job)
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, link.outcome, job)
        finally:
            job.given_up = True  # if it waits still, its caller was cancelled

    def _check_process(self) -> None:
        """Threads do not survive a fork, and what SQLite knows of its locks is the parent's."""
        if self._links and self._home != os.getpid():
            raise StoreUnavailable(f"{self!r} was in use when this process was forked: close() it before a fork")
