"""What an account is in, and what was spent on it: a picture of one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from ._breaker import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What responses have used and cost."""

    responses: int = 0
    tokens: int = 0
    """Input and output together."""
    cost: Decimal = Decimal(0)
    """US dollars."""
    unpriced: int = 0
    """Responses whose price nobody knows; they are not in `cost`."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            responses=self.responses + other.responses,
            tokens=self.tokens + other.tokens,
            cost=self.cost + other.cost,
            unpriced=self.unpriced + other.unpriced,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """What `Account.status` returns."""

    name: str
    """The account's."""
    state: State
    """`closed` is well; `ramp`: well again, and not yet at the full rate; `open`: nobody asks it; `half_open`: a probe is
    under way; `parked`: nobody asks it until it is resumed.
    """
    seconds: float
    """How long ago it was opened, parked or closed."""
    resumes_in: float | None = None
    """Seconds until the next probe, or the full rate; None if nobody knows, as when it is parked."""
    error: str | None = None
    """What the provider said last, while the account is not well."""
    probes: int = 0
    """Sent since it was well."""
    waiting: int = 0
    """Requests that wait."""
    in_flight: int = 0
    """Requests under way."""
    requests: int = 0
    """Sent in the last minute."""
    tokens: int = 0
    """Used in the last minute, those of requests under way estimated."""
    spent: Spent = field(default_factory=Spent)
    """On all requests together."""
    agents: Mapping[str, Spent] = field(default_factory=dict[str, Spent])
    """The same for each agent, by its name, or its path if it has none; of all others by the path of the process that
    asked, which is empty for plain coroutines.
    """
