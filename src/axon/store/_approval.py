"""Decisions made from outside: asked for by the owner of a journal, decided by anybody, kept as rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import InvalidOption
from ._journal import checked_body, checked_text

ApprovalStatus = Literal["pending", "approved", "denied", "expired", "cancelled"]
"""What became of an approval. All but `pending` are final; `expired` is a denial that nobody made."""

Verdict = Literal["approved", "denied", "cancelled"]
"""What `Store.decide` may be told; `expired` is the store's own."""


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What an `append` asks for: an id used once in the store, what there is to decide, and until when.

    payload: bytes for whoever decides (JSON). expires_at: seconds since 1970 as `time.time()` counts them, after which
    nobody can decide any more; None waits for ever.
    """

    id: str
    payload: bytes = b""
    expires_at: float | None = None

    def __post_init__(self) -> None:
        checked_text("id", self.id)
        checked_body("payload", self.payload)
        if self.expires_at is not None and not math.isfinite(self.expires_at):
            raise InvalidOption("expires_at", self.expires_at, "seconds since 1970, or None")


@dataclass(frozen=True, slots=True)
class Approval:
    """The row of an approval: what was asked for by which journal, and what became of it.

    Times are seconds since 1970. `decision` is what the decider gave along (bytes, JSON), `decided_by` who it was, in
    the decider's own words; empty for one that expired.
    """

    id: str
    key: str
    payload: bytes
    asked_at: float
    expires_at: float | None
    status: ApprovalStatus = "pending"
    decision: bytes = b""
    decided_by: str = ""
    decided_at: float | None = None

    @property
    def pending(self) -> bool:
        """Whether it still waits for a decision."""
        return self.status == "pending"


def checked_verdict(verdict: Verdict, decision: bytes, by: str) -> None:
    """Raise `InvalidOption` for a decision that no store takes."""
    if verdict not in get_args(Verdict):
        raise InvalidOption("verdict", verdict, f"one of {', '.join(get_args(Verdict))}")
    checked_body("decision", decision)
    checked_text("by", by, empty=True)


def has_expired(approval: Approval, now: float) -> bool:
    """Whether its time has passed and the row does not say so yet."""
    return approval.pending and approval.expires_at is not None and approval.expires_at <= now
