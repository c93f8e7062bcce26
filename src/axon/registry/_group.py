"""Process groups: any number of processes under one name, to be told together or picked from.

https://www.erlang.org/doc/man/pg
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Concatenate, Generic, Literal, ParamSpec, TypeAlias, TypeVar, cast, get_args, overload

from ..errors import InvalidOption, NoMembers, NoProcess, WrongServer
from ..process import Address, Process, acting, find
from ..server import GenServer, Handler, ServerProcess, class_of, tell_all
from ._group_monitor import GroupMonitor
from ._here import checked_key, checked_text, here, refuse_zombie
from ._pick import least_mailbox, rendezvous, round_robin
from ._scope import Scope, scope_of

M = TypeVar("M", bound=Address)
P = ParamSpec("P")

How: TypeAlias = Literal["round_robin", "least_mailbox"]
"""How a member is picked: by turns, or the one with the fewest messages."""

SCOPE = "default"
"""The scope of groups unless they name another."""
_HOWS = get_args(How)
_NO_KEY = object()


@dataclass(frozen=True, slots=True, repr=False)
class Group(Generic[M]):
    """Processes of one class under one name; make it with `group()`.

    It is a value: equal to every other of the same class, name and scope, it means the group of the event loop it is
    used in, and outside of one it raises `WrongLoop`. While a group has members or monitors it is one of the same
    class, and using it as one of another raises `WrongServer`.
    """

    of: type[M]
    name: str
    scope: str = SCOPE

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", class_of(self.of))
        if self.of is not Process and not (isinstance(self.of, type) and issubclass(self.of, GenServer)):
            raise InvalidOption("of", self.of, "a GenServer class, or Process")
        checked_text(self.name, "name")
        checked_text(self.scope, "scope")

    def __repr__(self) -> str:
        return f"<Group {self.scope}/{self.name} of {self.of.__name__}>"

    def join(self, *members: M) -> None:
        """Let processes join; one that joins several times is several members. They stay until they leave or die.

        A handle stands for its present incarnation: a server that joins in its `init`, with `join(self)`, does so
        again at every restart. All join or none: raises `NoProcess` if one is dead, `WrongServer` if one is of
        another class.
        """
        scope = self._scope()
        refuse_zombie()
        processes: list[Process] = []
        for member in members:
            process = self._process(member)
            if process is None:
                raise NoProcess(repr(member), f"it cannot join {self!r}")
            processes.append(process)
        if processes:
            scope.claim(self.name, self.of)
            scope.join(self.name, processes)

    def leave(self, *members: M) -> bool:
        """Take one membership away from each; returns whether any of them had one."""
        scope = self._scope()
        refuse_zombie()
        return scope.leave(self.name, [process for process in map(self._process, members) if process is not None])

    def members(self) -> list[M]:
        """All its members, who are alive, in no particular order; none if there is no such group."""
        return cast("list[M]", self._scope().members(self.name))

    def monitor(self) -> tuple[GroupMonitor, list[M]]:
        """Have the calling process told who joins and leaves, and return the members it starts from.

        `Joined` and `Left` come as messages from this very instant on, so no change is missed or told twice; a death
        is told before its `Exit` and `Down`. `axon.demonitor` ends it. Raises `NotInProcess` in a plain coroutine.
        """
        scope = self._scope()
        watcher = acting("Group.monitor")
        scope.claim(self.name, self.of)
        return GroupMonitor(scope, self.name, watcher), self.members()

    def broadcast(self, method: Callable[Concatenate[M, P], None], /, *args: P.args, **keywords: P.kwargs) -> None:
        """Tell every member in one go: `pool.broadcast(Worker.refresh, 3)` is `member.refresh(3)` for each of them.

        method: a `@cast` of their class, or a plain function of a member: `pool.broadcast(axon.send, message)`
        sends to processes of any kind. An empty group is no error. Arguments that do not fit reach nobody.
        """
        found = self._cast(method)
        scope, home = self._scope(), here(self)
        refuse_zombie()
        if found is not None:
            servers = cast("list[ServerProcess]", scope.table.entries(self.name))
            tell_all(home, servers, found, args, keywords)
            return
        for member in self.members():
            method(member, *args, **keywords)

    @overload
    def pick(self, *, how: How = "round_robin") -> M: ...
    @overload
    def pick(self, *, key: Hashable) -> M: ...
    def pick(self, *, how: How = "round_robin", key: Hashable = _NO_KEY) -> M:
        """One member to do the next piece of work: `await pool.pick().work(job)`.

        how: `round_robin` (default), by turns, or `least_mailbox`, whoever has the fewest messages waiting or being
        handled. key: instead of these, whoever the key belongs to: the same member as long as that stays, and few
        keys move when members come and go. By turns it takes constant time, otherwise a look at every member.

        Raises `NoMembers` if there is nobody. Not for work that must be done exactly once: a member may die of it.
        """
        if how not in _HOWS:
            raise InvalidOption("how", how, "'round_robin' or 'least_mailbox'")
        if key is not _NO_KEY:
            checked_key(key)
            if how != "round_robin":
                raise InvalidOption("how", how, "left out where a key is given")
        scope = self._scope()
        members = scope.table.by_key.get(self.name)
        if not isinstance(members, OrderedDict):
            raise NoMembers(f"{self.scope}/{self.name}")
        if key is not _NO_KEY:
            process = rendezvous(members, key)
        else:
            process = round_robin(members) if how == "round_robin" else least_mailbox(members)
        return cast("M", scope.shown(self.name, process))

    def _scope(self) -> Scope:
        scope = scope_of(here(self), self.scope)
        scope.check(self.name, self.of)
        return scope

    def _process(self, member: M) -> Process | None:
        if not isinstance(member, self.of):
            raise WrongServer(f"{member!r} is no {self.of.__name__} and has no place in {self!r}")
        return find(member, here(self))

    def _cast(self, method: object) -> str | None:
        """The name of the cast that a method is, so that a member of a subclass does its own; None if it is none."""
        handler: Handler | None = getattr(method, "__axon_handler__", None)
        if handler is None:
            fits = callable(method) and not iscoroutinefunction(method)
        else:
            fits = handler.kind == "cast" and any(vars(c).get(handler.name) is method for c in self.of.__mro__)
        if not fits:
            raise InvalidOption("method", method, f"a @cast method of {self.of.__name__}, or a plain function")
        return None if handler is None else handler.name


def group(of: type[M], name: str, *, scope: str = SCOPE) -> Group[M]:
    """The group of this name: `pool = axon.group(Worker, "pool")` is a typed `Group[Worker]`.

    of: the class of its members, a server or `axon.Process`. name: a text. scope: groups of different scopes have
    nothing to do with each other, default "default"; a scope need not be started. Groups are of one event loop.

    Nothing is made and nobody joins by this alone. Raises `InvalidOption`. For one process under one name use
    `register`, for values under keys a `Registry`. https://www.erlang.org/doc/man/pg
    """
    return Group(of, name, scope)


def which_groups(*, scope: str = SCOPE) -> list[str]:
    """The names of all groups that have members, sorted."""
    return sorted(scope_of(here(which_groups), checked_text(scope, "scope")).table.by_key)


def monitor_scope(*, scope: str = SCOPE) -> tuple[GroupMonitor, dict[str, list[Address]]]:
    """As `Group.monitor` for all groups of a scope, those to come included; with the members of each to start from.

    https://www.erlang.org/doc/man/pg#monitor_scope-0
    """
    found = scope_of(here(monitor_scope), checked_text(scope, "scope"))
    watcher = acting("monitor_scope")
    return GroupMonitor(found, None, watcher), {group: found.members(group) for group in found.table.by_key}
