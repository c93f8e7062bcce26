"""A shop: its stock reserves an item for whoever asks first, and takes it back after 15 minutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import axon
from axon import GenServer, Supervisor, call, child

KEEP = 15 * 60.0
"""Seconds that a reservation lasts."""


class Ledger(Protocol):
    """Where reservations are written down: a table in a database, say."""

    async def read(self) -> set[str]: ...
    async def write(self, customers: set[str]) -> None: ...


@dataclass(frozen=True)
class Expired:
    """The stock's message to itself: the reservation of this customer is over."""

    customer: str


class Stock(GenServer[set[str]]):
    """So many items of one kind, and the customers they are reserved for."""

    ledger: Ledger
    items: int = 1

    def init(self) -> set[str]:
        axon.continue_with("read the ledger")  # before the first request, and not while the tree waits for the start
        return set()

    async def handle_continue(self, state: set[str], continuation: object) -> None:
        state |= await self.ledger.read()
        for customer in sorted(state):
            axon.send_after(KEEP, axon.current(), Expired(customer))

    @call
    async def reserve(self, state: set[str], customer: str) -> bool:
        """Whether an item is reserved for this customer, who may ask as often as they like."""
        if customer in state:
            return True
        if len(state) == self.items:
            return False
        await self.ledger.write(state | {customer})
        state.add(customer)
        axon.send_after(KEEP, axon.current(), Expired(customer))
        return True

    @call
    def left(self, state: set[str]) -> int:
        """How many items are free."""
        return self.items - len(state)

    async def handle_info(self, state: set[str], message: object) -> None:
        if isinstance(message, Expired):
            await self.ledger.write(state - {message.customer})
            state.discard(message.customer)


def shop(ledger: Ledger, *, items: int = 1, max_restarts: int = 3) -> Supervisor:
    """The whole tree."""
    return Supervisor([child(Stock(ledger, items), name="stock")], name="shop", max_restarts=max_restarts)
