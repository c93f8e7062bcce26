"""Bounded mailboxes: never beyond the limit, nothing offered is lost, and whoever waits for room gets it."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import axon
from axon import CallError, GenServer, Supervisor, call, cast, child
from axon.server import ServerProcess
from axon.telemetry import DeadLetter, attach
from axon.testing import Faults

from .tree import Tree
from .witness import Witness

LIMITS = (1, 2, 3)


@dataclass
class Book:
    witness: Witness
    offered: set[str] = field(default_factory=set[str])
    handled: set[str] = field(default_factory=set[str])
    dead: list[str] = field(default_factory=list[str])

    def dead_letter(self, letter: DeadLetter) -> None:
        if letter.text.startswith("push"):
            self.dead.append(letter.text)
            self.witness.rule(letter.why != "mailbox full", f"there was room for {letter.text} and then there was not")


class Store(GenServer[list[int]]):
    book: Book
    limit: int

    def init(self) -> list[int]:
        self.book.witness.begin()
        return []

    @cast
    async def push(self, state: list[int], item: str) -> None:
        """What is offered."""
        me = axon.current()
        assert isinstance(me, ServerProcess)
        waiting = sum(handler is not None for handler, *_ in me.all_mail())
        self.book.witness.rule(waiting <= self.limit, f"{waiting} messages wait, the limit is {self.limit}")
        self.book.witness.rule(item not in self.book.handled, f"{item} was stored twice")
        self.book.handled.add(item)
        await asyncio.sleep(random.choice([0, 0, 0.01]))

    @cast
    def toss(self, state: list[int]) -> None:
        """What may be lost."""

    @call
    async def count(self, state: list[int]) -> int:
        await asyncio.sleep(0)
        return len(state)

    @cast
    def flush(self, state: list[int]) -> None:
        """Monitors the dead, and takes the `Down` out of its mailbox again."""
        monitor = axon.monitor("nobody")
        axon.demonitor(monitor, flush=True)


async def supplier(book: Book, store: Store, number: int) -> None:
    for n in range(4):
        item = f"{number}:{n}"
        offering = asyncio.create_task(offer(book, store, item))
        if random.random() < 0.3:
            await asyncio.sleep(random.choice([0, 0, 0.005, 0.01]))
            offering.cancel()
        await asyncio.wait([offering])
        if not offering.cancelled():
            offering.result()


async def offer(book: Book, store: Store, item: str) -> None:
    try:
        async with axon.deadline(random.choice([0.01, 100])):
            await axon.offer(store.push, item)
            book.offered.add(item)
    except CallError:
        await asyncio.sleep(0.001)


async def others(book: Book, store: Store) -> None:
    """What else goes on in these mailboxes."""
    for _ in range(4):
        try:
            match random.randrange(5):
                case 0:
                    store.toss()
                case 1:
                    await store.count()
                case 2:
                    await axon.suspend(store)
                    looking = asyncio.create_task(axon.get_state(store))
                    await asyncio.sleep(random.choice([0, 0.01]))
                    try:
                        await axon.resume(store)
                    finally:  # it has died, and so has the other request
                        await asyncio.gather(looking, return_exceptions=True)
                case 3:
                    store.flush()
                case _:
                    await axon.get_state(store)
        except CallError:
            pass
        await asyncio.sleep(random.choice([0, 0.01]))


async def program(witness: Witness) -> None:
    book = Book(witness)
    attach(book.dead_letter, DeadLetter)
    limit = random.choice(LIMITS)
    async with Supervisor([child(Store(book, limit), mailbox=limit)], name="app", max_restarts=10_000) as app:
        store = app.get(Store)
        await asyncio.gather(*(supplier(book, store, number) for number in range(3)), others(book, store))
        await asyncio.sleep(1)
    lost = len(book.offered - book.handled) - len(book.dead)
    deaths = sum(witness.exits.values())  # each may take the one along that had come to its turn
    witness.rule(lost <= deaths, f"{lost} items were taken and got lost, {deaths} processes died")


TREE = Tree(name="mailboxes", program=program, faults=Faults(kill=0.02, victims="app/*", late=0.003))
