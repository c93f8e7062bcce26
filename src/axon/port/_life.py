"""The life of a child process as plain data: what is to be done about it, and when; no clock and no process in here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Phase: TypeAlias = Literal["starting", "ready", "busy", "draining", "dead"]
"""It is not there yet; it has nothing to do; it has; it is to end; it has ended, or is as good as dead."""

TERM_GRACE = 0.5
"""Seconds between SIGTERM and SIGKILL."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done: `term` asks all of its group once more, anything else kills it, for that reason."""

    what: Literal["late", "hung", "overran", "term", "kill"]
    request: int = 0


@dataclass(slots=True)
class Life:
    """Times are seconds of one clock. start_within: until it has to be ready; hang: how long it may give no sign, None
    for ever; grace: how long it may take to end, and a request after its deadline.
    """

    began: float
    start_within: float
    hang: float | None
    grace: float
    phase: Phase = "starting"
    sign: float = 0.0  # when it gave the last one
    ending: float | None = None  # when it was told to
    termed: bool = False
    requests: set[int] = field(default_factory=set[int])
    due: dict[int, float] = field(default_factory=dict[int, float])

    # -- what happens

    def ready(self, now: float) -> None:
        """It can be used."""
        if self.phase == "starting":
            self.phase, self.sign = "ready", now

    def gave_sign(self, now: float) -> None:
        """A heartbeat came."""
        self.sign = max(self.sign, now)

    def asked(self, request: int, due: float | None = None) -> None:
        """It was sent a request, which is to be over at `due`."""
        self.requests.add(request)
        if due is not None:
            self.due[request] = due
        if self.phase == "ready":
            self.phase = "busy"

    def over(self, request: int) -> None:
        """The request is."""
        self.requests.discard(request)
        self.due.pop(request, None)
        if self.phase == "busy" and not self.requests:
            self.phase = "ready"

    def told_to_end(self, now: float) -> None:
        """It was asked to end, or has said that it does."""
        if self.phase in ("starting", "ready", "busy"):
            self.phase, self.ending = "draining", now

    def ended(self) -> None:
        """Its process has ended."""
        self.phase = "dead"

    # -- what to do

    def next_look(self) -> float | None:
        """When there may be something to do; None if never, as far as is known now."""
        times: list[float] = []
        if self.phase == "starting":
            times.append(self.began + self.start_within)
        elif self.phase in ("ready", "busy"):
            times += [due + self.grace for due in self.due.values()]
            if self.hang is not None:
                times.append(self.sign + self.hang)
        elif self.phase == "draining":
            assert self.ending is not None
            times.append(self.ending + self.grace + (TERM_GRACE if self.termed else 0.0))
        return min(times, default=None)

    def look(self, now: float) -> Verdict | None:
        """What is to be done now, if anything; after a verdict that kills it is as good as dead."""
        verdict = self._judge(now)
        if verdict is not None and verdict.what != "term":
            self.phase = "dead"
        return verdict

    def _judge(self, now: float) -> Verdict | None:
        if self.phase == "starting" and now >= self.began + self.start_within:
            return Verdict("late")
        if self.phase in ("ready", "busy"):
            if self.hang is not None and now >= self.sign + self.hang:
                return Verdict("hung")
            late = [request for request, due in self.due.items() if now >= due + self.grace]
            if late:
                return Verdict("overran", min(late))
        if self.phase == "draining" and self.ending is not None:
            if not self.termed and now >= self.ending + self.grace:
                self.termed = True
                return Verdict("term")
            if self.termed and now >= self.ending + self.grace + TERM_GRACE:
                return Verdict("kill")
        return None
