"""When an account may be asked: a state machine that is told the time, and does nothing by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["closed", "ramp", "open", "half_open", "parked"]
"""What an account is in.

`closed`: all is well. `ramp`: it is well again, and is asked a little more often each second. `open`: nobody asks it.
`half_open`: a probe is under way, nobody else asks it. `parked`: nobody asks it until somebody resumes it.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """The leave to send one request. `epoch` is the spell of weather in which it was given."""

    epoch: int
    is_probe: bool


class Breaker:
    """A circuit breaker with a bound on its probes and a ramp after each recovery.

    failures: how many in a row open it. probe_every: seconds between two probes at least. ramp: seconds until the full
    rate after it closed. least_rate: requests a second at the end of a ramp, at least. chance: gives numbers in 0..1,
    which make it wait up to a tenth longer than it must, never shorter.

    A request that was let pass before the weather changed says nothing about the weather now; all that counts of it is
    how long the provider asks everybody to wait.
    https://learn.microsoft.com/azure/architecture/patterns/circuit-breaker
    """

    def __init__(
        self, *, failures: int, probe_every: float, ramp: float, chance: Callable[[], float], rate: float | None = None
    ) -> None:
        self.since: float = 0.0
        """When it was opened, parked or closed."""
        self.probes_sent: int = 0
        """Since it was well."""
        self._failures = failures
        self._probe_every = probe_every
        self._ramp = ramp
        self._chance = chance
        self._limit = rate
        self._state: Literal["closed", "open", "parked"] = "closed"
        self._epoch = 0
        self._streak = 0
        self._probes = 0  # under way
        self._next = 0.0  # when the next probe may go
        self._last_probe = -math.inf
        self._ramp_began = -math.inf
        self._full_rate = 0.0
        self._ramped = 0.0  # requests let pass, or not asked for in time, since the ramp began

    def state(self, now: float) -> State:
        """What it is in."""
        if self._state == "open" and self._probes:
            return "half_open"
        if self._state == "closed" and now < self._ramp_began + self._ramp:
            return "ramp"
        return self._state

    @property
    def is_well(self) -> bool:
        """Whether requests go through, be it in a ramp."""
        return self._state == "closed"

    def next_at(self, now: float) -> float:
        """When the next request may pass: `now` or later, `inf` if that takes a `resume`."""
        if self._state == "closed":
            if now >= self._ramp_began + self._ramp:
                return now
            return max(now, self._ramp_began + math.sqrt(2 * self._ramped * self._ramp / self._full_rate))
        return max(now, self._next)

    def let_pass(self, now: float) -> Pass:
        """Take leave to send a request at a time at which `next_at` says so."""
        if self._state == "closed":
            passed = now - self._ramp_began
            if passed < self._ramp:
                # Room that nobody asked for in time is not saved up.
                self._ramped = max(self._ramped, math.floor(self._full_rate * passed**2 / (2 * self._ramp))) + 1
            return Pass(self._epoch, is_probe=False)
        if self._state == "parked":
            self._enter("open", now)
        self._probes += 1
        self.probes_sent += 1
        self._last_probe = now
        self._next = self._longer(now, self._probe_every)
        return Pass(self._epoch, is_probe=True)

    def is_current(self, leave: Pass) -> bool:
        """Whether the weather is still the one in which it was let pass."""
        return leave.epoch == self._epoch

    def until(self, now: float) -> float | None:
        """When its state ends or the next probe may go, None if nobody can tell."""
        if self._state == "closed":
            end = self._ramp_began + self._ramp
            return end if now < end else None
        return self._next if now < self._next < math.inf else None

    # -- what became of a request

    def succeeded(self, leave: Pass, now: float, waiting: int) -> bool:
        """It was answered, while so many wait; returns whether that closed the breaker."""
        if leave.epoch != self._epoch:
            return False
        self._streak = 0
        if not leave.is_probe:
            return False
        self._enter("closed", now)
        self._ramp_began, self._ramped = now, 0.0
        # All who wait are through by the end of the ramp; and whoever asks meanwhile finds room.
        self._full_rate = self._limit or 2 * max(waiting, LEAST) / max(self._ramp, 1e-9)
        return True

    def failed(self, leave: Pass, now: float, *, at_once: bool, retry_after: float | None) -> bool:
        """The provider failed; returns whether that opened the breaker.

        at_once: it speaks for the whole account. retry_after: seconds it asks everybody to wait.
        """
        current = leave.epoch == self._epoch
        if self._state != "closed":
            if retry_after is not None and self._state == "open":
                self._next = max(self._next, self._longer(now, retry_after))
            if current and leave.is_probe:
                self._probes -= 1
            return False
        if not current and retry_after is None:
            return False
        self._streak += 1
        if not at_once and retry_after is None and self._streak < self._failures:
            return False
        self._enter("open", now)
        self._next = self._longer(now, self._probe_every if retry_after is None else retry_after)
        self._next = max(self._next, self._last_probe + self._probe_every)
        return True

    def dropped(self, leave: Pass) -> None:
        """It said nothing about the provider: it was cancelled, or refused for its own sake."""
        if leave.is_probe and leave.epoch == self._epoch and self._state == "open":
            self._probes -= 1

    # -- parking

    def park(self, leave: Pass, now: float, retry_after: float | None) -> bool:
        """The account itself was refused: let nobody pass until `resume`, or for so many seconds; returns whether that
        parked it.
        """
        if leave.epoch != self._epoch:
            return False
        self._enter("parked", now)
        self._next = math.inf if retry_after is None else self._longer(now, retry_after)
        return True

    def resume(self, now: float) -> bool:
        """Let a probe pass as soon as the bound on probes allows it; returns whether there was reason to."""
        if self._state == "closed":
            return False
        if self._state == "parked":
            self._enter("open", now)
        self._next = max(now, self._last_probe + self._probe_every)
        return True

    def _enter(self, state: Literal["closed", "open", "parked"], now: float) -> None:
        if self._state == "closed":
            self.probes_sent = 0
        self._state, self.since = state, now
        self._epoch += 1
        self._streak = self._probes = 0

    def _longer(self, now: float, seconds: float) -> float:
        return now + seconds * (1 + 0.1 * self._chance())


LEAST = 15
"""A ramp leads to a rate at which at least so many could ask within half of it."""
