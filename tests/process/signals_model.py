"""Links, monitors and exit signals as a pure model: what the runtime is compared with.

Processes are numbers. After every operation all signals have arrived, so the model needs no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from axon import ExitReason, kill, killed, noproc, normal

Told: TypeAlias = tuple[str, int, ExitReason]
"""("exit", from whom, reason), ("down", of whom, reason) or ("refused", to link with whom, noproc)."""


@dataclass
class Member:
    trapping: bool = False
    reason: ExitReason | None = None
    links: list[int] = field(default_factory=list[int])
    told: list[Told] = field(default_factory=list[Told])
    lived_to_hear: int = 0

    def told_for_sure(self) -> list[Told]:
        """What a process is told in the very step in which it dies, it may or may not live to hear."""
        return self.told if self.reason is None else self.told[: self.lived_to_hear]


@dataclass
class Model:
    """Each method is one operation, done by process `who` if it still lives."""

    members: list[Member]
    monitors: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])  # (watcher, target), oldest first
    _signals: deque[Callable[[], None]] = field(default_factory=deque[Callable[[], None]])

    def trap(self, who: int, flag: bool) -> None:
        self.members[who].trapping = flag

    def link(self, who: int, other: int) -> None:
        me, peer = self.members[who], self.members[other]
        if peer.reason is not None:
            me.told.append(("exit" if me.trapping else "refused", other, noproc))
        elif who != other and other not in me.links:
            me.links.append(other)
            peer.links.append(who)

    def unlink(self, who: int, other: int) -> None:
        if other in self.members[who].links:
            self.members[who].links.remove(other)
            self.members[other].links.remove(who)

    def monitor(self, who: int, other: int) -> None:
        if self.members[other].reason is not None:
            self.members[who].told.append(("down", other, noproc))
        elif who != other:
            self.monitors.append((who, other))

    def demonitor(self, who: int, other: int) -> None:
        """Remove the oldest monitor that `who` has on `other`."""
        if (who, other) in self.monitors:
            self.monitors.remove((who, other))

    def exit(self, who: int, other: int, reason: ExitReason) -> None:
        self._mark()
        self._signal(who, other, reason, linked=False)
        self._deliver()

    def end(self, who: int, reason: ExitReason) -> None:
        """Return, raise, or stop with a reason."""
        self._mark()
        self._die(who, reason)
        self._deliver()

    def _mark(self) -> None:
        for member in self.members:
            if member.reason is None:
                member.lived_to_hear = len(member.told)

    def _signal(self, sender: int, target: int, reason: ExitReason, linked: bool) -> None:
        member = self.members[target]
        if member.reason is not None:
            return
        if linked:
            if sender not in member.links:
                return
            member.links.remove(sender)
        if reason == kill and not linked:
            self._die(target, killed)
        elif member.trapping:
            member.told.append(("exit", sender, reason))
        elif reason != normal or sender == target:
            self._die(target, reason)

    def _die(self, who: int, reason: ExitReason) -> None:
        member = self.members[who]
        member.reason = reason
        for peer in member.links:
            self._signals.append(partial(self._signal, who, peer, reason, linked=True))
        member.links = []
        for watcher, target in self.monitors:
            if target == who:
                self._signals.append(partial(self._down, watcher, who, reason))
        self.monitors = [(w, t) for w, t in self.monitors if who not in (w, t)]

    def _down(self, watcher: int, target: int, reason: ExitReason) -> None:
        if self.members[watcher].reason is None:
            self.members[watcher].told.append(("down", target, reason))

    def _deliver(self) -> None:
        while self._signals:
            self._signals.popleft()()
