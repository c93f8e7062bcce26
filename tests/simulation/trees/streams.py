"""Readers of streams that finish, break off, are cancelled or too slow: items in order, each cleanup done once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

import axon
from axon import CallError, GenServer, Supervisor, cast, child, stream
from axon.testing import Faults

from .tree import Tree
from .witness import Witness


@dataclass
class Book:
    witness: Witness
    begun: int = 0
    cleaned: int = 0


class Boom(Exception):
    """A failure in a generator."""


class Feed(GenServer[None]):
    book: Book

    def init(self) -> None:
        self.book.witness.begin()

    @stream(timeout=0.05)
    async def numbers(self, state: None, number: int, gap: float, *, breaks: bool = False) -> AsyncIterator[int]:
        self.book.begun += 1
        closed = False
        try:
            for item in range(number):
                await asyncio.sleep(gap)
                yield item
            if breaks:
                raise Boom
        except (asyncio.CancelledError, GeneratorExit):
            closed = True
            raise
        finally:
            try:
                await asyncio.sleep(random.choice([0, 0.01, 0.3]))
            except asyncio.CancelledError:
                self.book.witness.rule(not closed, "a cleanup was cancelled, after the stream had been")
                raise
            finally:
                self.book.cleaned += 1

    @cast
    def crash(self, state: None) -> None:
        raise Boom


async def read(book: Book, feed: Feed) -> None:
    """Read one stream, in one of the ways in which one can stop."""
    way = random.choice(["all", "all", "break", "drop", "deadline", "broken"])
    number, gap = random.choice([0, 3, 20]), random.choice([0.0, 0.0, 0.01, 0.1])
    items = feed.numbers(number, gap, breaks=way == "broken")
    seen: list[int] = []
    try:
        async with axon.deadline(0.1 if way == "deadline" else 10):
            async for item in items:
                seen.append(item)
                if way in ("break", "drop") and item == 2:
                    break
                if random.random() < 0.2:
                    await asyncio.sleep(random.choice([0, 0.01]))
        if way == "drop":
            return
        if way == "all":
            book.witness.rule(len(seen) == number, f"{len(seen)} items of {number} came, and nobody complained")
    except Boom:
        book.witness.rule(way == "broken" and len(seen) == number, "a stream broke too early")
    except CallError:
        pass
    except asyncio.CancelledError:
        way = "cancel"
        raise
    finally:
        book.witness.rule(seen == list(range(len(seen))), f"these items came: {seen}")
        if way != "drop":
            await items.aclose()


async def reader(book: Book, feed: Feed) -> None:
    for _ in range(2):
        reading = asyncio.create_task(read(book, feed))
        if random.random() < 0.4:
            await asyncio.sleep(random.choice([0, 0, 0.01, 0.05]))
            reading.cancel()
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.result()


async def program(witness: Witness) -> None:
    book = Book(witness)
    async with Supervisor([child(Feed(book), name="feed")], name="app", max_restarts=10_000) as app:
        feed = app.get(Feed)
        reading = [asyncio.create_task(reader(book, feed)) for _ in range(3)]
        if random.random() < 0.3:
            await asyncio.sleep(random.random() * 0.1)
            feed.crash()
        await asyncio.wait(reading)
        for task in reading:
            task.result()
        await asyncio.sleep(1)
        if axon.whereis(feed) is not None:
            pending = axon.statistics(feed).pending
            witness.rule(pending == 0, f"{pending} streams are open, and nobody reads")
    witness.rule(book.cleaned == book.begun, f"{book.begun} streams began, {book.cleaned} cleaned up")


TREE = Tree(name="streams", program=program, faults=Faults(kill=0.02, victims="app/*", late=0.01))
