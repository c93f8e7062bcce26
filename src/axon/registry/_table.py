"""What groups and registries are made of: entries under keys, each held by a process, gone with its death."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Generic, TypeVar

from ..process import Process

K = TypeVar("K", bound=Hashable)
E = TypeVar("E")


class Table(Generic[K, E]):
    """Entries by key, in the order they were added; those of a process are removed in the step of its death.

    Adding, removing and dying cost the same however many entries there are. `mapping` makes that of a key,
    and `lost` is told what a process held that has died: its keys, each with the serials of its entries.
    """

    __slots__ = ("_lost", "_mapping", "_serial", "by_key", "by_process", "size")

    def __init__(
        self,
        mapping: Callable[[], dict[int, E]] = dict,
        lost: Callable[[Process, Mapping[K, list[int]]], None] | None = None,
    ) -> None:
        self.by_key: dict[K, dict[int, E]] = {}
        self.by_process: dict[Process, Holding[K]] = {}
        self.size: int = 0
        self._mapping = mapping
        self._lost = lost
        self._serial = 0

    def add(self, key: K, process: Process, entry: E) -> None:
        """One more entry for a live process."""
        self._serial += 1
        entries = self.by_key.get(key)
        if entries is None:
            entries = self.by_key[key] = self._mapping()
        entries[self._serial] = entry
        self.size += 1
        holding = self.by_process.get(process)
        if holding is None:
            holding = self.by_process[process] = Holding(self, process)
            process.on_death(holding, first=True)  # before what reports to the program, which must not see it any more
        holding.serials.setdefault(key, []).append(self._serial)

    def entries(self, key: K) -> list[E]:
        """What is under a key now."""
        entries = self.by_key.get(key)
        return [] if entries is None else list(entries.values())

    def serials(self, key: K, process: Process) -> list[int]:
        """Which of the entries of a key this process holds."""
        holding = self.by_process.get(process)
        return [] if holding is None else holding.serials.get(key, [])

    def remove(self, key: K, process: Process, serial: int) -> None:
        """Take one entry away from a live process that holds it."""
        self._drop(key, serial)
        holding = self.by_process[process]
        serials = holding.serials[key]
        serials.remove(serial)
        if not serials:
            del holding.serials[key]
        if not holding.serials:
            del self.by_process[process]
            process.forget_on_death(holding)

    def died(self, process: Process, held: Mapping[K, list[int]]) -> None:
        """A process is dead, and so are its entries."""
        del self.by_process[process]
        for key, serials in held.items():
            for serial in serials:
                self._drop(key, serial)
        if self._lost is not None:
            self._lost(process, held)

    def _drop(self, key: K, serial: int) -> None:
        entries = self.by_key[key]
        del entries[serial]
        self.size -= 1
        if not entries:
            del self.by_key[key]


class Holding(Generic[K]):
    """What one process holds in one table; called at its death."""

    __slots__ = ("_process", "_table", "serials")

    def __init__(self, table: Table[K, Any], process: Process) -> None:
        self._table = table
        self._process = process
        self.serials: dict[K, list[int]] = {}

    def __call__(self) -> None:
        self._table.died(self._process, self.serials)
