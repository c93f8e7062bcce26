"""One worker of a pool: its incarnations, one after the other, and what can be seen of the present one."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from ..errors import Ignored, StartFailed
from ..process import ExitReason, Timer
from ..server import GenServer, ServerProcess, Slot, bound
from ..supervisor import Child, ChildSpec
from ._choice import Load
from ._port import Port
from ._recycling import Why

Stage: TypeAlias = Literal["waiting", "starting", "ready", "leaving", "down"]
"""It is to be started; it is being started; it takes requests; it ends when those it has are over; nobody is there."""


class Worker(Child):
    """The record of one place, or of who leaves it or is to take it over; each incarnation has an address of its own."""

    def __init__(self, spec: ChildSpec[GenServer[Any]], home: Slot, load: Load) -> None:
        slot = Slot(home.runtime, str(load.number), home)
        super().__init__(spec, slot, bound(spec.server, slot))
        self.load: Load = load
        self.stage: Stage = "down"
        self.outcome: StartFailed | Ignored | None = None  # of its start, as far as that was over at once
        self.incarnation: ServerProcess | None = None
        self.born: float = 0.0
        self.share: float = 1.0  # of each limit of recycling, the part that counts for this incarnation
        self.served: int = 0
        self.crashes: int = 0
        self.failed: ExitReason | None = None  # why it did not start, until it does
        self.is_asked_to_go: bool = False
        self.why: Why | None = None
        self.replaces: Worker | None = None
        self.successor: Worker | None = None
        self.not_before: float = 0.0  # it is not replaced: its successor did not start
        self.killer: Timer | None = None

    @property
    def number(self) -> int:
        """Its place, from 0."""
        return self.load.number

    def new_address(self) -> None:
        """Handles that were given away lead nowhere from now on."""
        self.slot.end("this worker has ended; ask its pool for another one")
        home = self.slot.home
        assert home is not None, "a worker's place is in its pool's"
        self.slot = Slot(home.runtime, str(self.number), home)
        self.handle = bound(self.spec.server, self.slot)

    def new_load(self, strikes: int) -> Load:
        """What the next incarnation has to do: nothing; the requests of this one end with it."""
        self.load = Load(self.number, self.load.capacity, strikes=strikes, last=self.load.last)
        return self.load

    @property
    def takes_requests(self) -> bool:
        """Whether it would live to answer, as far as is known here."""
        process = self.incarnation
        if self.stage != "ready" or process is None or process.reason is not None or process.exit_requested is not None:
            return False
        return not (isinstance(process.state, Port) and process.state.life.phase in ("draining", "dead"))

    def see_what_is_left(self) -> None:
        """How many requests it works at which nobody waits for: whoever asked has gone, and it goes on. Each of them counts,
        also beside leases that are not at work now.
        """
        process = self.incarnation
        at_work = forsaken = 0
        if process is not None and process.reason is None:
            forsaken = len(process.forsaken or ())
            if isinstance(process.state, Port):
                at_work = len(process.state.life.requests)
            else:
                at_work = len(process.work or ()) + process.waiting() + (process.item is not None)
                asked = (process.item, *(process.mailbox or ()), *(process.backlog or ()))
                requests = (item[3] for item in asked if item is not None)
                forsaken += sum(request is not None and request.is_abandoned for request in requests)
        self.load.left_over = max(forsaken, at_work - len(self.load.tickets))
        if not self.load.left_over:
            self.load.left_keys.clear()

    @property
    def pid(self) -> int:
        """Of its process, 0 if it has none of its own."""
        port = self._port()
        return 0 if port is None else port.pid

    @property
    def memory(self) -> int:
        """Bytes that are resident, as its last sign of life says; 0 if that is not known."""
        port = self._port()
        return 0 if port is None or port.sign is None else port.sign.memory

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far, likewise."""
        port = self._port()
        return 0.0 if port is None or port.sign is None else port.sign.cpu

    def _port(self) -> Port | None:
        state = None if self.incarnation is None else self.incarnation.state
        return state if isinstance(state, Port) else None
