"""Unique names of processes, in one event loop; a name is free before anybody hears of the death of its holder.

https://www.erlang.org/doc/man/erlang#register-2
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from ..errors import InvalidOption, NoProcess, WrongServer
from ..process import Name, Process, Target, Via, claim, find, runtime
from ..server import GenServer, ServerProcess, checked_name, class_of

G = TypeVar("G", bound=GenServer[Any])


def whereis(target: Target) -> Process | None:
    """The live process behind a name or handle, or None."""
    return find(target, runtime())


def lookup(server: type[G], target: Target) -> G:
    """The handle of a server: `lookup(Counter, "main")` is a `Counter`.

    target: a registered name, a registry's `via(key)`, or a process. Raises `NoProcess` if nobody is there,
    `WrongServer` if it is of another class. The handle follows its server's restarts; a name is looked up only once.
    """
    wanted = class_of(server)
    if target == "":
        raise InvalidOption("target", target, "a text that is not empty")
    process = find(target, runtime())
    if process is None:
        raise NoProcess(str(target), "nobody holds this name" if isinstance(target, str | Via) else "it has ended")
    handle = process.handle if isinstance(process, ServerProcess) else None
    if not isinstance(handle, wanted):
        raise WrongServer(f"the name {target!r} belongs to {process!r}, which is not a {wanted.__name__}")
    return cast("G", handle)


def register(name: Name, target: Target) -> None:
    """Give a live process a name; it loses it when it ends. Of names that are texts it has at most one.

    Raises `NameTaken` if a live process holds the name, `NoProcess` if the target is dead, `InvalidOption` if it has
    a name already. A supervised server gets its name from `child(..., name=...)`, at every restart.
    """
    home = runtime()
    if not isinstance(name, str | Via):
        raise InvalidOption("name", name, "a text, or a registry's via(key)")
    process = find(target, home)
    if process is None:
        raise NoProcess(repr(target), "cannot give it a name")
    if isinstance(name, Via):
        return name.register(process)
    if isinstance(process.name, str):
        raise InvalidOption("target", target, f"a process without a name, this one is {process.name!r}")
    claim(checked_name(name) or "", process)


def unregister(name: Name) -> None:
    """Take a name away from its holder. Raises `NoProcess` if nobody holds it."""
    if isinstance(name, Via):
        process = find(name, runtime())
        if process is not None:
            name.unregister(process)
    else:
        process = runtime().names.pop(name, None)
        if process is not None:
            process.name = None
    if process is None:
        raise NoProcess(str(name), "nobody holds this name")


def registered() -> list[str]:
    """All names that live processes hold, sorted; those of registries not among them."""
    return sorted(runtime().names)
