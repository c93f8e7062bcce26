"""A registry of the program's own: values of processes under keys of any kind, and names made of keys.

https://hexdocs.pm/elixir/Registry.html
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar, get_args, overload

from ..errors import InvalidOption, NameTaken, WrongLoop
from ..process import Process, Runtime, Target, Via, acting, find, undelivered
from ._here import checked_key, checked_text, here, is_target
from ._table import Table

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Keys: TypeAlias = Literal["unique", "duplicate"]
"""Whether a key has one holder, or any number of entries."""


class Entry(NamedTuple, Generic[V]):
    """One registration: who holds the key, and the value that came with it."""

    process: Process
    value: V


@dataclass(frozen=True, slots=True)
class Registered:
    """Sent to the listeners of a registry: a process registered a key."""

    registry: Registry[Any, Any]
    key: object
    process: Process
    value: object


@dataclass(frozen=True, slots=True)
class Unregistered:
    """Sent to the listeners of a registry: a process gave up entries of a key. Not sent when it dies: monitor it."""

    registry: Registry[Any, Any]
    key: object
    process: Process


class Registry(Generic[K, V]):
    """Values of processes under keys: `sessions = Registry[str, User]("sessions")`.

    name: what it is called in names and errors. keys: `unique` (default), one holder a key, or `duplicate`, any
    number of entries, several by one process, too. listeners: names or addresses that are sent `Registered` and
    `Unregistered`; for one who is not there they are dead letters. `meta` is a dict for what belongs to the whole.

    Each process registers itself, and in the step of its death its entries go. Keys are compared as in a dict: 1, 1.0
    and True are one key. A registry is a plain object and no process, so nobody has to start it before its users. It
    belongs to the event loop of its first use; elsewhere, in a thread too, it raises `WrongLoop`.

    Not for data that is to outlive its process. https://hexdocs.pm/elixir/Registry.html
    """

    def __init__(self, name: str, *, keys: Keys = "unique", listeners: Sequence[Target] = ()) -> None:
        if keys not in get_args(Keys):
            raise InvalidOption("keys", keys, "'unique' or 'duplicate'")
        if isinstance(listeners, str) or not all(map(is_target, listeners)):
            raise InvalidOption("listeners", listeners, "a list of names or addresses")
        self.name: str = checked_text(name, "name")
        self.listeners: tuple[Target, ...] = tuple(listeners)
        self.meta: dict[str, object] = {}
        self._unique = keys == "unique"
        self._table: Table[K, Entry[V]] = Table()
        self._runtime: Runtime | None = None

    def __repr__(self) -> str:
        return f"<Registry {self.name}>"

    # -- what a process does for itself

    @overload
    def register(self: Registry[K, None], key: K) -> None: ...
    @overload
    def register(self, key: K, value: V) -> None: ...
    def register(self, key: K, value: Any = None) -> None:
        """Register the calling process under a key, with a value.

        Raises `NameTaken` if keys are unique and somebody holds this one, be it the caller; `NotInProcess` in a
        plain coroutine; `InvalidOption` if the key is not hashable.
        """
        self._checked(key)
        self._add(key, acting("Registry.register"), value)

    def unregister(self, key: K) -> None:
        """Give up all that the calling process holds under a key; holding nothing is no error."""
        self._checked(key)
        self._remove(key, acting("Registry.unregister"), lambda _: True)

    def unregister_match(self, key: K, predicate: Callable[[V], object]) -> None:
        """As `unregister`, but only the entries whose value the predicate accepts."""
        self._checked(key)
        self._remove(key, acting("Registry.unregister_match"), predicate)

    def update_value(self, key: K, change: Callable[[V], V]) -> tuple[V, V] | None:
        """Replace the calling process's value under a key by `change(value)`; returns the new one and the old.

        None, and `change` is not called, if somebody else holds the key, or nobody. Raises `InvalidOption` if keys
        are duplicate.
        """
        self._need_unique("update_value")
        self._checked(key)
        process = acting("Registry.update_value")
        for serial in self._table.serials(key, process):
            entries = self._table.by_key[key]
            old = entries[serial].value
            entries[serial] = Entry(process, change(old))
            return entries[serial].value, old
        return None

    # -- what anybody may ask

    def lookup(self, key: K) -> list[Entry[V]]:
        """The entries of a key in the order they were registered, `(process, value)` each; none if it is unknown."""
        self._checked(key)
        return self._table.entries(key)

    def match(self, key: K, predicate: Callable[[V], object]) -> list[Entry[V]]:
        """The entries of a key whose value the predicate accepts."""
        return [entry for entry in self.lookup(key) if predicate(entry.value)]

    def dispatch(self, key: K, function: Callable[[list[Entry[V]]], object]) -> None:
        """Call `function` with the entries of a key, here and now, unless there are none. What it raises comes here."""
        entries = self.lookup(key)
        if entries:
            function(entries)

    def items(self) -> list[tuple[K, Entry[V]]]:
        """All there is, `(key, (process, value))` each."""
        self._here()
        return [(key, entry) for key, entries in self._table.by_key.items() for entry in entries.values()]

    def count(self) -> int:
        """How many entries there are."""
        self._here()
        return self._table.size

    def keys(self, target: Target) -> list[K]:
        """The keys that a process holds; one that it holds several times, several times."""
        process = find(target, self._here())
        holding = None if process is None else self._table.by_process.get(process)
        return [] if holding is None else [key for key, serials in holding.serials.items() for _ in serials]

    def values(self, key: K, target: Target) -> list[V]:
        """The values of a process under a key."""
        self._checked(key)
        process = find(target, self._here())
        serials = () if process is None else self._table.serials(key, process)
        return [self._table.by_key[key][serial].value for serial in serials]

    # -- names

    def via(self, key: K, value: V | None = None) -> Via:
        """A key as a name: for `start(spec, name=…)`, `child(…, name=…)`, and wherever a target is asked for.

        value: what a process is registered with that is given the name, default None. The typed handle of a server
        that holds it is `lookup(Session, sessions.via("ann"))`. Raises `InvalidOption` if keys are duplicate, since
        such a key names nobody in particular.
        """
        self._need_unique("via")
        checked_key(key)
        return _Key(self, key, value)

    # -- inside

    def _here(self) -> Runtime:
        home = here(self)
        if self._runtime is None:
            self._runtime = home
        if home is not self._runtime:
            raise WrongLoop(f"{self!r} belongs to another event loop or thread")
        return home

    def _checked(self, key: object) -> None:
        self._here()
        checked_key(key)

    def _need_unique(self, method: str) -> None:
        if not self._unique:
            raise InvalidOption("keys", "duplicate", f"'unique' for {method}()")

    def _add(self, key: K, process: Process, value: Any) -> None:
        if self._unique and key in self._table.by_key:
            holder = self._table.entries(key)[0].process
            raise NameTaken(f"{self.name}[{key!r}]", holder.path, process.path)
        self._table.add(key, process, Entry(process, value))
        self._tell(Registered(self, key, process, value))

    def _remove(self, key: K, process: Process, predicate: Callable[[V], object]) -> None:
        serials = [s for s in self._table.serials(key, process) if predicate(self._table.by_key[key][s].value)]
        for serial in serials:
            self._table.remove(key, process, serial)
        if serials:
            self._tell(Unregistered(self, key, process))

    def _tell(self, news: Registered | Unregistered) -> None:
        home = self._here()
        for listener in self.listeners:
            process = find(listener, home)
            if process is None:
                undelivered(home, str(listener), listener, news, "no process")
            else:
                process.deliver(news)


class _Key(Via):
    """A key of a registry as a name."""

    __slots__ = ("_key", "_registry", "_value")

    def __init__(self, registry: Registry[Any, Any], key: object, value: object) -> None:
        self._registry = registry
        self._key = key
        self._value = value

    def __repr__(self) -> str:
        return f"{self._registry.name}[{self._key!r}]"

    def whereis(self) -> Process | None:
        return next((entry.process for entry in self._registry.lookup(self._key)), None)

    def register(self, process: Process) -> None:
        self._registry._here()
        self._registry._add(self._key, process, self._value)

    def unregister(self, process: Process) -> None:
        self._registry._here()
        self._registry._remove(self._key, process, lambda _: True)
