"""What agents tell telemetry, besides what all processes do."""

from __future__ import annotations

from dataclasses import dataclass

from ..telemetry import Event


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
