"""What a store has to say; everything it raises by itself is a `StoreError`.

StoreError                    .store: which one, as its repr says
├─ Stale                      somebody else owns or has written it   .key .epoch .version .current_epoch .current_version
├─ Unreadable                 it is there, but it cannot be read; nothing was changed    .key .position .reason
├─ StoreUnavailable           it does not answer: the outcome of a write is known only to a later `read`
│  ├─ StoreLocked             another process held it for too long              .after
│  └─ StoreFull               there is no room for what was to be written; nothing was changed
├─ StoreDamaged               the file as a whole cannot be read; it was left as it is
├─ UnknownSchema              its tables are of a newer Axon; it was left as it is       .found .known
├─ NoApproval                 there is no approval of this id                            .id
├─ ApprovalExists             the id of an approval is used once                         .id
└─ AlreadyDecided             the approval is not pending any more                       .approval
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import AxonError

if TYPE_CHECKING:
    from ._approval import Approval


class StoreError(AxonError):
    """A store could not do what it was asked for."""


class Stale(StoreError):
    """A write was refused: since the writer read, somebody took the journal over, wrote to it, or deleted it.

    `epoch` and `version` are what the writer believed, `current_epoch` and `current_version` what is so; both of these
    are 0 if there is no such journal. With another epoch the writer has lost the journal for good and must stop; with
    the same epoch it has itself written more than it knows (a cancelled `append`), and reads to find out what.
    """

    def __init__(self, key: str, *, epoch: int, version: int, current_epoch: int, current_version: int) -> None:
        if current_epoch == 0:
            now = "there is no such journal"
        elif current_epoch != epoch:
            now = f"it was taken over: its epoch is {current_epoch}, its version {current_version}"
        else:
            now = f"its version is {current_version}"
        super().__init__(f"a write to {key!r} with epoch={epoch}, version={version} was refused: {now}")
        self.key = key
        self.epoch = epoch
        self.version = version
        self.current_epoch = current_epoch
        self.current_version = current_version


class Unreadable(StoreError):
    """A record is there and cannot be read: damaged, missing from the middle, or of a newer format.

    It is never taken for absent, and what is stored was left as it is. `position` is the version of the journal at
    which the record was appended; `reason` says what is wrong with it.
    """

    def __init__(self, key: str, position: int, reason: str) -> None:
        super().__init__(f"record {position} of {key!r} cannot be read: {reason}")
        self.key = key
        self.position = position
        self.reason = reason


class StoreUnavailable(StoreError):
    """The store does not answer. Whether a write that was under way took effect, a later `read` tells."""


class StoreLocked(StoreUnavailable):
    """Another process held what was to be written for longer than `after` seconds. Nothing was written."""

    def __init__(self, store: str, after: float) -> None:
        super().__init__(f"{store} was locked by another process for more than {after:g} s")
        self.after = after


class StoreFull(StoreUnavailable):
    """There was no room for what was to be written. Nothing was written, and what was there before can be read."""


class StoreDamaged(StoreError):
    """What is there is no store that can be read: another kind of file, or one with damaged pages. It was left as it is."""


class UnknownSchema(StoreError):
    """The tables are of schema `found`, made by a newer Axon; this one knows up to `known`. They were left as they are."""

    def __init__(self, store: str, found: int, known: int) -> None:
        super().__init__(f"the tables of {store} have schema {found}, made by a newer Axon (this one knows {known})")
        self.found = found
        self.known = known


class NoApproval(StoreError, LookupError):
    """There is no approval with the id `id`."""

    def __init__(self, id: str) -> None:
        super().__init__(f"there is no approval {id!r}")
        self.id = id


class ApprovalExists(StoreError):
    """An approval with the id `id` was asked for before; the append that was to ask for it was not done."""

    def __init__(self, id: str) -> None:
        super().__init__(f"an approval {id!r} exists already: ids are used once")
        self.id = id


class AlreadyDecided(StoreError):
    """The approval was decided before, or it expired; `approval` is the row as it is. The decision changed nothing."""

    def __init__(self, approval: Approval) -> None:
        super().__init__(
            f"approval {approval.id!r} is {approval.status}{f' by {approval.decided_by}' if approval.decided_by else ''}"
        )
        self.approval = approval
