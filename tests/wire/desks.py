"""Servers whose handlers show what a signature may have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, TypeVar
from typing import cast as cast_to
from uuid import UUID

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from axon import GenServer, call, cast, stream

T = TypeVar("T")


class Kind(Enum):
    SINGLE = "single"
    DOUBLE = "double"


@dataclass(frozen=True)
class Guest:
    name: str
    born: date | None = None


class Room(BaseModel):
    number: int
    kind: Kind = Kind.SINGLE
    tags: frozenset[str] = frozenset()


class Extra(TypedDict):
    what: str
    price: Decimal


class NoRoom(Exception):
    """A declared error with something to carry."""

    def __init__(self, wanted: int, free: int) -> None:
        super().__init__(f"{wanted} rooms were wanted, {free} are free")
        self.wanted = wanted
        self.free = free


class NoRoomTonight(NoRoom):
    """A special case of it."""


@dataclass
class Book:
    free: int = 3
    seen: list[object] = field(default_factory=list[object])


class Desk(GenServer[Book]):
    """The front desk."""

    rooms: int = 3

    def init(self) -> Book:
        return Book(self.rooms)

    @call(timeout=2.0, raises=(NoRoom,))
    def book(self, state: Book, guest: Guest, rooms: Annotated[int, Field(ge=1)] = 1) -> int:
        """Book rooms for a guest."""
        if rooms > state.free:
            raise NoRoomTonight(rooms, state.free)
        state.free -= rooms
        return state.free

    @call
    def keep(  # names and kinds that pydantic or JSON have other plans for
        self,
        state: Book,
        first: int,
        second: str = "two",
        /,
        copy: float = 0.5,
        _secret: bytes = b"",
        json: Room | None = None,
        model_fields: list[UUID] | None = None,
        *,
        extras: dict[str, Extra] | None = None,
        wait: timedelta = timedelta(seconds=1),
    ) -> dict[str, object]:
        state.seen.append((first, second, copy, _secret, json, model_fields, extras, wait))
        return {"kept": len(state.seen)}

    @call
    async def later(self, state: Book, seconds: float) -> asyncio.Future[str]:
        """Answer after a while."""

        async def wait() -> str:
            await asyncio.sleep(seconds)
            return f"after {seconds:g} s"

        return asyncio.get_running_loop().create_task(wait())

    @call
    def seen(self, state: Book) -> int:
        return len(state.seen)

    @call
    def crash(self, state: Book) -> None:
        raise ZeroDivisionError("the desk fell over")

    @call
    def lie(self, state: Book) -> int:
        """Answers what its hint does not say."""
        answer: Any = "many"
        return cast_to("int", answer)

    @cast
    def note(self, state: Book, what: str) -> None:
        """Remember something."""
        state.seen.append(what)

    @stream
    async def count(self, state: Book, to: int, broken: bool = False) -> AsyncIterator[Room]:
        """Count rooms."""
        for number in range(to):
            yield Room(number=number)
        if broken:
            raise LookupError("a room is missing")

    @call
    def _private(self, state: Book) -> int:
        return 7


class Stack(GenServer[list[T]], Generic[T]):
    def init(self) -> list[T]:
        return []

    @call
    def push(self, state: list[T], item: T, more: list[T] | None = None) -> int:
        state.extend([item, *(more or [])])
        return len(state)


class DateStack(Stack[date]):
    pass


class Shelf(Stack[list[T]], Generic[T]):
    pass


class BookShelf(Shelf[date]):
    pass
