"""Server classes that cannot work are refused when they are made, with the handler's name and its problem."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import pytest
from servers import Start

import axon
from axon import GenServer, InvalidHandler, call, cast, stream

if TYPE_CHECKING:
    from decimal import Decimal

T = TypeVar("T")


@dataclass
class Count:
    value: int = 0


@dataclass
class Special(Count):
    pass


class Counted(Protocol):
    value: int


def problem_of(error: pytest.ExceptionInfo[InvalidHandler]) -> tuple[str, str]:
    return error.value.handler, error.value.problem


# -- refused


def test_a_handler_that_takes_another_state_than_its_server_keeps() -> None:
    with pytest.raises(InvalidHandler) as caught:

        class Wrong(GenServer[Count]):  # pyright: ignore[reportUnusedClass]
            @call
            def get(self, state: str) -> str:
                return state

    assert problem_of(caught) == ("Wrong.get", "takes state str, the server keeps Count")
    assert isinstance(caught.value, TypeError)


def test_also_a_state_that_is_more_than_the_server_keeps() -> None:
    with pytest.raises(InvalidHandler, match="takes state Special, the server keeps Count"):

        class Wrong(GenServer[Count]):  # pyright: ignore[reportUnusedClass]
            @cast
            async def get(self, state: Special) -> None: ...


def test_also_in_a_subclass_of_a_server() -> None:
    class Right(GenServer[Count]):
        @call
        def get(self, state: Count) -> int:
            return state.value

    with pytest.raises(InvalidHandler, match=r"Wrong\.other: takes state str"):

        class Wrong(Right):  # pyright: ignore[reportUnusedClass]
            @call
            def other(self, state: str) -> str:
                return state


def test_a_handler_that_takes_no_state() -> None:
    with pytest.raises(InvalidHandler) as caught:

        class Wrong(GenServer[Count]):  # pyright: ignore[reportUnusedClass]
            @call  # type: ignore[arg-type]
            def get(self) -> int:
                return 1

    assert problem_of(caught) == ("Wrong.get", "a @call handler takes (self, state, ...)")


def test_a_cast_that_promises_an_answer() -> None:
    with pytest.raises(InvalidHandler) as caught:

        class Wrong(GenServer[Count]):  # pyright: ignore[reportUnusedClass]
            @cast  # type: ignore[arg-type]
            def get(self, state: Count) -> int:
                return state.value

    assert problem_of(caught) == ("Wrong.get", "a @cast has no answer: its return hint must be None")


@pytest.mark.parametrize("name", ["init", "terminate", "handle_info", "handle_continue", "trap_exit"])
def test_a_callback_of_the_server_as_a_handler(name: str) -> None:
    def callback(self: Any, state: Any) -> None: ...

    callback.__name__ = name
    with pytest.raises(InvalidHandler) as caught:
        type("Wrong", (GenServer,), {name: call(callback)})
    assert problem_of(caught) == (f"Wrong.{name}", "is a callback of the server and cannot be a @call")


def test_a_new_default_without_its_hint_which_would_be_ignored_in_silence() -> None:
    class Right(GenServer[int]):
        begin: int = 0

    with pytest.raises(InvalidHandler, match=r"Wrong\.begin: is a field of Right"):

        class Wrong(Right):  # pyright: ignore[reportUnusedClass]
            begin = 7


@pytest.mark.parametrize("decorator", [call, cast, stream])
def test_something_that_is_no_function(decorator: Any) -> None:
    with pytest.raises(axon.InvalidOption):
        decorator("not a function")


# -- accepted


def test_a_handler_may_take_less_than_the_server_keeps() -> None:
    class Right(GenServer[Special]):  # pyright: ignore[reportUnusedClass]
        @call
        def base(self, state: Count) -> int:
            return state.value

        @call
        def anything(self, state: Any) -> None: ...

        @call
        def some_object(self, state: object) -> None: ...

        @call
        def protocol(self, state: Counted) -> int:
            return state.value

        @call
        def union(self, state: Count | str | None) -> None: ...

        @call
        def untyped(self, state) -> None: ...  # type: ignore[no-untyped-def]


def test_a_state_may_be_a_union() -> None:
    class Right(GenServer[Count | None]):  # pyright: ignore[reportUnusedClass]
        @call
        def same(self, state: Count | None) -> bool:
            return state is None

        @call
        def some_object(self, state: object) -> bool:
            return state is None


def test_generic_states_are_compared_by_their_class_only() -> None:
    class Right(GenServer[list[int]]):  # pyright: ignore[reportUnusedClass]
        @call
        def same(self, state: list[int]) -> int:
            return len(state)

        @call
        def wider(self, state: Sequence[int]) -> int:
            return len(state)

    with pytest.raises(InvalidHandler, match="takes state dict"):

        class Wrong(GenServer[list[int]]):  # pyright: ignore[reportUnusedClass]
            @call
            def other(self, state: dict[str, int]) -> int:
                return len(state)


class Box(GenServer[list[T]], Generic[T]):
    """A server of anything."""

    first: T

    def init(self) -> list[T]:
        return [self.first]

    @call
    def get(self, state: list[T]) -> T:
        return state[0]

    @stream
    async def all(self, state: list[T]) -> AsyncIterator[T]:
        for item in list(state):
            yield item


async def test_a_generic_server_works(start: Start) -> None:
    box = await start(Box("text"))
    assert await box.get() == "text"
    assert [item async for item in box.all()] == ["text"]


class Prices(GenServer["dict[str, Decimal]"]):
    def init(self) -> dict[str, Decimal]:
        return {}

    @call
    def set(self, state: dict[str, Decimal], name: str, price: Decimal) -> None:
        state[name] = price

    @call
    def names(self, state: dict[str, Decimal]) -> list[str]:
        return list(state)


async def test_hints_that_only_the_type_checker_can_read_are_left_to_it(start: Start) -> None:
    prices = await start(Prices())
    assert await prices.names() == []


# -- classes made inside functions


async def test_a_class_made_inside_a_function_may_use_its_names(start: Start) -> None:
    @dataclass
    class Local:
        value: int

    class Right(GenServer[Local]):
        def init(self) -> Local:
            return Local(7)

        @call
        async def get(self, state: Local) -> int:
            await asyncio.sleep(0)
            return state.value

    server = await start(Right())
    assert await server.get() == 7


async def test_what_can_be_read_of_its_hints_is_checked_all_the_same(start: Start) -> None:
    @dataclass
    class Local:
        value: int

    with pytest.raises(InvalidHandler, match=r"Wrong\.get: takes state str, the server keeps Local"):

        class Wrong(GenServer[Local]):
            def init(self) -> Local:
                return Local(7)

            @call
            def get(self, state: str) -> str:
                return state

            @call
            def local(self, state: Local) -> int:
                return state.value

        await start(Wrong())


class Early(GenServer[Count]):
    def init(self) -> Count:
        return Count()

    @call
    def get(self, state: Later) -> int:
        return 1


class Later:
    """Made after the class that names it was."""


async def test_hints_that_name_a_class_made_later_are_checked_at_the_first_start(start: Start) -> None:
    with pytest.raises(InvalidHandler, match=r"Early\.get: takes state Later, the server keeps Count"):
        await start(Early())
