"""Who is told of the changes of groups, and what.

https://www.erlang.org/doc/man/pg#monitor-1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..process import Address, Process, Subscription

if TYPE_CHECKING:
    from ._scope import Scope


@dataclass(frozen=True, slots=True)
class Joined:
    """Members joined a group; `monitor` is what `monitor()` of the group, or `monitor_scope()`, returned.

    `members` are those of one `join`, as the group shows them: servers by their handles, other processes as such.
    """

    monitor: GroupMonitor
    group: str
    members: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """Members left a group: those of one `leave`, or one that died, with a message for each of its memberships."""

    monitor: GroupMonitor
    group: str
    members: tuple[Address, ...]


class GroupMonitor(Subscription):
    """One subscription to the changes of a group, or of all groups of a scope; `axon.demonitor` ends it.

    `group` is the name of the group, None for all.
    """

    __slots__ = ("_scope", "group")
    flushes: ClassVar[bool] = True

    def __init__(self, scope: Scope, group: str | None, watcher: Process) -> None:
        self._scope = scope
        self._watcher = watcher
        self.group: str | None = group
        watcher.monitoring = set() if watcher.monitoring is None else watcher.monitoring
        watcher.monitoring.add(self)
        scope.watchers.setdefault(group, {})[self] = None

    def __repr__(self) -> str:
        return f"<GroupMonitor of {'all groups' if self.group is None else repr(self.group)}>"

    def tell(self, kind: type[Joined | Left], group: str, members: tuple[Address, ...]) -> None:
        """Put the news into the watcher's mailbox."""
        if self._watcher is not None:
            self._watcher.deliver(kind(self, group, members))

    def drop(self) -> bool:
        active, self._watcher = self._watcher is not None, None
        if active:
            self._scope.dropped(self)
        return active

    def sent(self, message: object) -> bool:
        return isinstance(message, Joined | Left) and message.monitor is self
