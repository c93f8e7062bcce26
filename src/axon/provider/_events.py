"""What accounts tell telemetry: when their weather changes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from ..telemetry import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOpened(Event):
    """Nobody asks the account for now. `error` is what the provider said last; `seconds` pass before the first probe."""

    logged: ClassVar[tuple[int, str] | None] = (logging.WARNING, "provider account open")

    account: str
    error: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerHalfOpened(Event):
    """A probe is sent, the `probe`-th since the account was well."""

    logged: ClassVar[tuple[int, str] | None] = (logging.INFO, "provider account half-open")

    account: str
    probe: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerClosed(Event):
    """A probe was answered after `seconds` without the account; now it is asked a little more often each second, until
    the full rate in `ramp` seconds. So many requests are `waiting`.
    """

    logged: ClassVar[tuple[int, str] | None] = (logging.WARNING, "provider account closed, ramp begins")

    account: str
    seconds: float
    ramp: float
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RampEnded(Event):
    """The account is at its full rate again. So many requests are still `waiting`."""

    logged: ClassVar[tuple[int, str] | None] = (logging.INFO, "provider account at full rate")

    account: str
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountParked(Event):
    """The provider refuses the account itself, and nobody asks it until it is resumed, or for so many `seconds`."""

    logged: ClassVar[tuple[int, str] | None] = (logging.ERROR, "provider account parked")
    advice: ClassVar[str] = "its quota or its key is refused: see to that, then call resume() of the account"

    account: str
    error: str
    seconds: float | None
