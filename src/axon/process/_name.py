"""Names: a text is one in the runtime's own registry, a `Via` one in any other.

https://hexdocs.pm/elixir/GenServer.html#module-name-registration
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ..errors import NameTaken

if TYPE_CHECKING:
    from ._process import Process


class Via:
    """A name that another registry than the runtime's keeps: usable wherever a name is (Elixir's `{:via, …}`).

    `axon.Registry` has a ready one. A registry of your own subclasses it: the three methods below are all it needs.
    It forgets by itself whoever ends; meanwhile a holder that is dead counts as none.
    """

    # No ABC: whether a target is one is asked for every timer, and `isinstance` of an ABC takes 70 ns longer.
    __slots__ = ()

    def whereis(self) -> Process | None:
        """Who holds the name now."""
        raise NotImplementedError

    def register(self, process: Process) -> None:
        """Give the name to `process`. Raises `NameTaken` if a live process holds it."""
        raise NotImplementedError

    def unregister(self, process: Process) -> None:
        """Take the name away from `process`, if it holds it: it did not start in time."""
        raise NotImplementedError

    def __axon_process__(self) -> Process | None:
        return self.whereis()


Name: TypeAlias = str | Via
"""What a process can be registered under."""


def claim(name: Name, process: Process) -> None:
    """Register a process under a name. Raises `NameTaken` if a live process holds it."""
    if isinstance(name, str):
        names = process.runtime.names
        holder = names.get(name)
        if holder is not None:
            raise NameTaken(name, holder.path, process.path)
        names[name] = process
    else:
        name.register(process)
    process.name = name


def release(process: Process) -> None:
    """Take its name away from a process that is on its way out."""
    name, names = process.name, process.runtime.names
    if isinstance(name, Via):
        name.unregister(process)
    elif name is not None and names.get(name) is process:
        del names[name]
