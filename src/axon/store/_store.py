"""The protocol of a store: what all of them promise, whatever they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from ._approval import Approval, ApprovalRequest, ApprovalStatus, Verdict
from ._journal import Head, Journal, Record


@runtime_checkable
class Store(Protocol):
    """Durable journals, each written by one owner at a time, and approvals that anybody may decide.

    `open` takes a journal over and gives a new epoch; a write is done only with the current epoch and version, so that
    neither an owner that was declared dead nor an older deployment can write any more (fencing). Every method is done
    wholly or not at all. A caller that is cancelled does not know which; what it asks next sees the outcome.

    All methods raise `StoreUnavailable` when the store does not answer, `InvalidOption` for values that it could not
    give back as they were. Nothing has to be opened: the first request does it. A store is made of values alone, and
    belongs to no process: it may be a field of a spec, and serves every incarnation.

    Not a database for the program's own data, and not a queue: what is sent to an agent goes to its address.
    """

    async def open(self, key: str) -> Journal:
        """Take the journal over, making an empty one if there is none, and return it with its new epoch.

        From here on every write of an earlier owner is refused. Raises `Unreadable` when a record cannot be read: then
        nothing was taken over.
        """
        ...

    async def read(self, key: str) -> Journal | None:
        """The journal as it is, without taking it over; None if there is none. Raises `Unreadable`."""
        ...

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
        """Write the records after the `version` records there are, all of them or none, and return the new version.

        marker: replaces the text that `heads` can be asked for, None leaves it. approvals: rows made in the same
        transaction. Any of the three may be empty. Once this returns, the records are durable as the store promises.

        Raises `Stale` unless `epoch` and `version` are the current ones, `ApprovalExists` for an id used before.
        """
        ...

    async def compact(self, key: str, snapshot: Record, *, epoch: int, version: int) -> None:
        """Put a snapshot in the place of all records up to `version`, in one step. The journal's version stays.

        version: any up to the current one, and not before that of the last snapshot. Raises `Stale` otherwise, or when
        the epoch is not the current one.
        """
        ...

    async def delete(self, key: str, *, epoch: int) -> None:
        """Remove the journal and its approvals. Raises `Stale` when the epoch is not the current one.

        A later `open` of the key begins an empty journal with a larger epoch than any before.
        """
        ...

    async def heads(self, *, marker: str | None = None) -> list[Head]:
        """The heads of all journals, or of those with this marker, by key: what there is to take over at boot."""
        ...

    async def approval(self, id: str) -> Approval:
        """The approval with this id, `expired` if its time has passed. Raises `NoApproval`."""
        ...

    async def approvals(self, *, key: str | None = None, status: ApprovalStatus | None = None) -> list[Approval]:
        """The approvals of one journal or of all, of one status or of any, the oldest first."""
        ...

    async def decide(self, id: str, verdict: Verdict, *, decision: bytes = b"", by: str = "") -> Approval:
        """Decide a pending approval, from any process and without owning its journal, and return its row.

        Raises `AlreadyDecided` when it is not pending any more, expired ones included, and `NoApproval`.
        """
        ...

    async def close(self) -> None:
        """Let go of files, connections and threads, after what is under way. The next request opens them again."""
        ...
