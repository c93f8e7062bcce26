"""A request that does not fit its handler is the caller's mistake: refused there, and nothing was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import axon
from axon import GenServer, InvalidHandler, InvalidOption, Supervisor, WrongArguments, call, cast, stream


class Clerk(GenServer[list[object]]):
    def init(self) -> list[object]:
        return []

    @call
    def add(self, state: list[object], a: int, b: int = 0, /, *, times: int = 1) -> int:
        state.append((a, b, times))
        return (a + b) * times

    @call
    def sign(self, state: list[object], *, name: str) -> str:
        return name

    @call
    async def anything(self, state: list[object], /, *args: object, **keywords: object) -> tuple[object, object]:
        return args, keywords

    @cast
    def note(self, state: list[object], text: str) -> None:
        state.append(text)

    @call
    def read(self, state: list[object], a: int, /) -> object:
        return state[a]

    @call
    def last(self, state: list[object], how_many: int = 1) -> list[object]:
        return state[-how_many:]

    @stream
    async def count(self, state: list[object], to: int) -> AsyncIterator[int]:
        for n in range(to):
            yield n


WRONG: list[Callable[[Any], Any]] = [
    lambda clerk: clerk.add(),
    lambda clerk: clerk.add(1, 2, 3),
    lambda clerk: clerk.add(1, c=3),
    lambda clerk: clerk.add(1, b=2),
    lambda clerk: clerk.sign("Ann"),
    lambda clerk: clerk.sign(),
]


@pytest.mark.parametrize("ask", WRONG)
async def test_a_call_with_wrong_arguments_raises_at_the_caller(ask: Callable[[Any], Any]) -> None:
    clerk = await axon.start(Clerk())
    with pytest.raises(WrongArguments, match=r"Clerk\.(add|sign)\(\): ") as caught:
        await ask(clerk)
    assert isinstance(caught.value, TypeError)
    assert await axon.get_state(clerk) == []
    assert axon.statistics(clerk).handled == 0
    await axon.stop(clerk)


PLAINLY_WRONG: list[tuple[str, Callable[[Any], Any]]] = [
    (r"Clerk\.note\(\) missing 1 required positional argument: 'text'", lambda clerk: clerk.note()),
    (r"Clerk\.note\(\) takes 2 positional arguments but 3 were given", lambda clerk: clerk.note("a", 1)),
    (r"Clerk\.note\(\) got an unexpected keyword argument 'txt'", lambda clerk: clerk.note(txt="a")),
    (r"Clerk\.note\(\) got multiple values for argument 'text'", lambda clerk: clerk.note("a", text="b")),
    (r"Clerk\.read\(\) got an unexpected keyword argument 'b'", lambda clerk: clerk.read(b=1)),
    (r"Clerk\.read\(\) got some positional-only arguments passed as keyword", lambda clerk: clerk.read(a=1)),
]


@pytest.mark.parametrize(("what", "ask"), PLAINLY_WRONG)
async def test_python_itself_refuses_wrong_arguments_for_a_handler_with_one_parameter_at_once(
    what: str, ask: Callable[[Any], Any]
) -> None:
    clerk = await axon.start(Clerk())
    with pytest.raises(TypeError, match=what):
        ask(clerk)
    assert axon.statistics(clerk).handled == 0
    await axon.stop(clerk)


async def test_a_stream_with_wrong_arguments_raises_when_it_is_made() -> None:
    clerk: Any = await axon.start(Clerk())
    with pytest.raises(WrongArguments, match=r"Clerk\.count\(\): missing a required argument: 'to'"):
        clerk.count()
    await axon.stop(clerk)


async def test_what_fits_is_sent_however_it_is_written() -> None:
    clerk = await axon.start(Clerk())
    for _ in range(2):
        assert await clerk.add(1) == 1
        assert await clerk.add(1, 2) == 3
        assert await clerk.add(1, 2, times=3) == 9
        assert await clerk.sign(name="Ann") == "Ann"
        assert await clerk.anything(1, 2, x=3) == ((1, 2), {"x": 3})
    clerk.note(text="hello")
    assert await clerk.last() == ["hello"]
    assert await clerk.last(2) == await clerk.last(how_many=2) == (await axon.get_state(clerk))[-2:]
    await axon.stop(clerk)


MISTAKES: list[Callable[[Any], Any]] = [
    lambda sup: sup.terminate_child(),
    lambda sup: sup.which_children(1),
    lambda sup: sup.terminate_child("Clerk", 1),
    lambda sup: sup.get_child_spec({}),
    lambda sup: sup.restart_child(["Clerk"]),
    lambda sup: sup.delete_child(None),
]


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_supervisor_does_not_die_of_its_callers_mistakes(mistake: Callable[[Any], Any]) -> None:
    async with Supervisor([Clerk()]) as sup:
        with pytest.raises((TypeError, InvalidOption)):
            await mistake(sup)
        assert await sup.get(Clerk).add(1) == 1


# -- handlers that cannot work


def test_a_generator_is_no_call_and_no_cast() -> None:
    def numbers(self: Any, state: None) -> Any:
        yield 1

    async def later(self: Any, state: None) -> Any:
        yield 1

    for function in (numbers, later):
        for decorate in (call, cast):
            with pytest.raises(InvalidHandler, match="make it a @stream"):
                decorate(function)


def test_raises_takes_a_tuple() -> None:
    wrong: Any = ValueError
    with pytest.raises(InvalidOption, match=r"raises=.*ValueError"):
        call(raises=wrong)(lambda self, state: None)


async def test_a_dataclass_decorator_is_refused_at_the_start() -> None:
    """It would make handles equal that are not, and print their fields."""
    from dataclasses import dataclass

    @dataclass
    class Secretive(GenServer[None]):
        key: str = "secret"

        def init(self) -> None:
            return None

    with pytest.raises(InvalidHandler, match="decorated with @dataclass"):
        await axon.start(Secretive())


# -- the one parameter of a handler

TAKEN = ["argument", "rest", "handler", "function", "timeout", "who_sends", "process", "item", "home", "value", "slot"]


@pytest.mark.parametrize("name", TAKEN)
async def test_it_may_have_any_name(name: str) -> None:
    """Also one that the functions that send use themselves."""
    names: dict[str, Any] = {"GenServer": GenServer, "call": call, "cast": cast}
    exec(
        f"""class Named(GenServer):
    def init(self): return []
    @call
    def plain(self, state, {name}): return {name}
    @call
    async def coroutine(self, state, {name}): return {name}
    @call
    def read(self, state): return state
    @cast
    def note(self, state, {name}): state.append({name})""",
        names,
    )
    server = await axon.start(names["Named"]())
    for ask in (server.plain, server.coroutine):
        assert [await ask(3), await ask(**{name: 3})] == [3, 3]
        for args, keywords in (((), {}), ((1, 2), {}), ((1,), {name: 2}), ((), {"unknown": 3})):
            with pytest.raises(TypeError):
                await ask(*args, **keywords)
    server.note(4)
    server.note(**{name: 4})
    assert await server.read() == [4, 4]
    await axon.stop(server)
