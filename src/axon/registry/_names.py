"""Unique names of processes, in one event loop; a name is free before anybody hears of the death of its holder.

https://www.erlang.org/doc/man/erlang#register-2
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from ..errors import InvalidOption, NameTaken, NoProcess, WrongServer
from ..process import Process, Target, find, runtime
from ..server import GenServer, ServerProcess, checked_name, class_of

G = TypeVar("G", bound=GenServer[Any])


def whereis(target: Target) -> Process | None:
    """The live process behind a name or handle, or None."""
    return find(target, runtime())


def lookup(server: type[G], name: str) -> G:
    """The handle of the server registered under `name`: `lookup(Counter, "main")` is a `Counter`.

    Raises `NoProcess` if nobody holds the name, `WrongServer` if its holder is of another class. The handle follows
    its server's restarts; the name is looked up only once.
    """
    process = find(checked_name(name) or "", runtime())
    if process is None:
        raise NoProcess(name, "nobody holds this name")
    handle = process.handle if isinstance(process, ServerProcess) else None
    if not isinstance(handle, class_of(server)):
        raise WrongServer(f"the name {name!r} belongs to {process!r}, which is not a {server.__name__}")
    return cast("G", handle)


def register(name: str, target: Target) -> None:
    """Give a live process a name; a process has at most one, and loses it when it ends.

    Raises `NameTaken` if a live process holds the name, `NoProcess` if the target is dead, `InvalidOption` if it has
    a name already. A supervised server gets its name from `child(..., name=...)`, at every restart.
    """
    home = runtime()
    process = find(target, home)
    if process is None:
        raise NoProcess(repr(target), "cannot give it a name")
    if process.name is not None:
        raise InvalidOption("target", target, f"a process without a name, this one is {process.name!r}")
    holder = home.names.get(checked_name(name) or "")
    if holder is not None:
        raise NameTaken(name, holder.path, process.path)
    home.names[name] = process
    process.name = name


def unregister(name: str) -> None:
    """Take a name away from its holder. Raises `NoProcess` if nobody holds it."""
    process = runtime().names.pop(name, None)
    if process is None:
        raise NoProcess(name, "nobody holds this name")
    process.name = None


def registered() -> list[str]:
    """All names that live processes hold, sorted."""
    return sorted(runtime().names)
