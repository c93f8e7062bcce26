"""All groups of one scope: plain data of the runtime, where pg has a process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from ..errors import WrongServer
from ..process import Address, Process, Runtime
from ..server import ServerProcess
from ._group_monitor import GroupMonitor, Joined, Left
from ._table import Table


class Scope:
    """Groups by name, apart from those of every other scope."""

    def __init__(self) -> None:
        self.table: Table[str, Process] = Table(OrderedDict, self._died)
        self.watchers: dict[str | None, dict[GroupMonitor, None]] = {}  # of one group; those of all under None
        self._classes: dict[str, type[Address]] = {}  # of what a group is, while it has members or watchers

    def claim(self, group: str, of: type[Address]) -> None:
        """From now on, while it has members or watchers, this is a group of that class."""
        self.check(group, of)
        self._classes[group] = of

    def check(self, group: str, of: type[Address]) -> None:
        """Raise `WrongServer` if the group is one of another class."""
        known = self._classes.get(group, of)
        if known is not of:
            raise WrongServer(f"the group {group!r} is one of {known.__name__}, not of {of.__name__}")

    def join(self, group: str, processes: Sequence[Process]) -> None:
        """Add one membership for each."""
        for process in processes:
            self.table.add(group, process, process)
        self._tell(Joined, group, processes)

    def leave(self, group: str, processes: Sequence[Process]) -> bool:
        """Take one membership away from each that has one; whether any had."""
        left: list[Process] = []
        for process in processes:
            serials = self.table.serials(group, process)
            if serials:
                self.table.remove(group, process, serials[0])
                left.append(process)
        self._tell(Left, group, left)
        self._tidy(group)
        return bool(left)

    def members(self, group: str) -> list[Address]:
        """Everybody, as the world sees them: servers by their handles."""
        return [self.shown(group, process) for process in self.table.entries(group)]

    def shown(self, group: str, process: Process) -> Address:
        """A member as the world sees it."""
        if isinstance(process, ServerProcess) and self._classes[group] is not Process:
            return process.handle
        return process

    def dropped(self, monitor: GroupMonitor) -> None:
        """A watcher wants no news any more."""
        watchers = self.watchers[monitor.group]
        del watchers[monitor]
        if not watchers:
            del self.watchers[monitor.group]
        if monitor.group is not None:
            self._tidy(monitor.group)

    def _died(self, process: Process, held: Mapping[str, list[int]]) -> None:
        for group, memberships in held.items():
            for _ in memberships:
                self._tell(Left, group, [process])
            self._tidy(group)

    def _tell(self, kind: type[Joined | Left], group: str, processes: Sequence[Process]) -> None:
        watchers = [*self.watchers.get(group, ()), *self.watchers.get(None, ())]
        if watchers and processes:
            members = tuple(self.shown(group, process) for process in processes)
            for watcher in watchers:
                watcher.tell(kind, group, members)

    def _tidy(self, group: str) -> None:
        if group not in self.table.by_key and group not in self.watchers:
            self._classes.pop(group, None)


def scope_of(home: Runtime, name: str) -> Scope:
    """The scope of this name, made at first use."""
    found = home.scopes.get(name)
    if not isinstance(found, Scope):
        found = home.scopes[name] = Scope()
    return found
