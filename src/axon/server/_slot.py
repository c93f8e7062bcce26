"""The place a handle points to: it stays while incarnations come and go.

A supervised child's slot is (its supervisor's slot, its id); an unsupervised server is alone in a slot of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from ..errors import NoProcess
from ..process import Runtime

if TYPE_CHECKING:
    from ..telemetry import SupervisorGaveUp
    from ._process import ServerProcess


class Keeper(Protocol):
    """What a supervisor keeps: it knows what becomes of its children."""

    def will_restart(self, slot: Slot) -> bool:
        """Whether the incarnation in this slot has ended, and is to be started again."""
        ...


LIMITED = cast("Runtime", object())
"""Whom a slot is open to whose server has a limit for its mailbox: nobody."""


class Slot:
    """Who is at an address now.

    `children` holds the slots of a supervisor's static children by id, `gave_up` why it gave up, and over whom. `lost`
    says that the last one here lost to another program what it lives by, and is not to come back by itself; `reported`
    that its start and a crash are told by the program for which this one runs the server.
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_former",
        "gave_up",
        "given",
        "home",
        "open_to",
        "process",
        "restart_at",
        "runtime",
    )
    # What few ever need is in the dict: a slot is made for each server.
    ended: str | None = None
    children: dict[str, Slot] | None = None
    lost: bool = False
    reported: bool = False

    def __init__(self, runtime: Runtime, label: str | None, home: Slot | None = None) -> None:
        self.runtime: Runtime = runtime
        self.given: str | None = label
        """The label that it was given."""
        self._former: str | tuple[str, int] | None = None  # what an unsupervised server was called that is gone
        self.home: Slot | None = home
        self.process: ServerProcess | None = None
        self.open_to: Runtime = runtime  # whose casts need only be queued
        self.restart_at: float | None = None
        self.gave_up: tuple[SupervisorGaveUp, Slot | None] | None = None

    @property
    def label(self) -> str:
        """The name of the place; of a server that nobody named, that of its process."""
        former = self._former
        if former is not None:
            return former if isinstance(former, str) else "{}#{}".format(*former)
        if self.given is None:
            return "?" if self.process is None else self.process.label
        return self.given

    def left_by(self, process: ServerProcess) -> None:
        """Nobody is here now; what an unsupervised server was called stays."""
        self.process = None
        if self.home is None and process.parent is not None:
            self._former = process.path
        elif self.given is None:
            self._former = (type(process.handle).__name__, process.serial)  # put together when somebody asks

    @property
    def path(self) -> str:
        """Where the slot is, from the root."""
        if self.process is not None:
            return self.process.path
        return self.label if self.home is None else f"{self.home.path}/{self.label}"

    def absent(self) -> NoProcess:
        """The error for a request while nobody is here."""
        if self.ended is not None:
            return NoProcess(self.path, self.ended)
        due, above = self._restart_due(), self.home
        while due is None and above is not None:  # it comes back together with its supervisor
            due, above = above._restart_due(), above.home
        left = None if due is None else max(0.0, due - self.runtime.loop.time())
        return NoProcess(self.path, "it does not run now", left)

    def _restart_due(self) -> float | None:
        """When a restart is due; at once if the supervisor has yet to look at the exit and will restart it."""
        if self.restart_at is not None or self.home is None or self.home.process is None:
            return self.restart_at
        keeper: Keeper | None = self.home.process.state
        return self.runtime.loop.time() if keeper is not None and keeper.will_restart(self) else None

    def end(self, why: str) -> None:
        """Nobody will ever be here again."""
        self.ended, self.restart_at = why, None
        for child in (self.children or {}).values():
            child.end(why)
