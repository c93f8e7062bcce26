"""What agents tell telemetry, besides what all processes do."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from ..telemetry import Event

Outcome: TypeAlias = Literal["answered", "failed", "cancelled", "deadline", "set aside", "interrupted"]
"""How a turn can end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnWasSetAside(Event):
    """A turn failed too often from one checkpoint, and was given up: a message that no restart makes good.

    `error` is what the last try failed with, empty if each took its program along; `attempts` how many there were.
    """

    message_id: str
    attempts: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnResumed(Event):
    """A new incarnation goes on with a turn: from its last response, of which there were `responses`."""

    message_id: str
    responses: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnQueued(Event):
    """A message was taken that has to wait for those before it; so many wait now (`queued`)."""

    message_id: str
    queued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnBegan(Event):
    """A turn that was queued has begun, after it had `waited` so many seconds; so many still wait (`queued`)."""

    message_id: str
    waited: float
    queued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded(Event):
    """A turn is over, `seconds` after it was taken, the first of which it `waited` for those before it; or its server
    ends, and with a store it goes on in the next incarnation: then its `outcome` is `interrupted`.

    `error` is the class of what it failed with, empty if it was answered. What was used is that of this incarnation
    alone, so that it may be added up; `cost_usd` is 0 for responses of which nobody knows the price.
    """

    message_id: str
    outcome: Outcome
    error: str
    seconds: float
    waited: float
    requests: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
