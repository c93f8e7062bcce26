"""Casts and plain messages: told and forgotten; what nobody took is counted and can be watched."""

from __future__ import annotations

import asyncio

import pytest
from servers import Async, Boom, Plain, Start, State, each_kind, note, raising, seen, settle, sleeping

import axon
from axon.process import runtime
from axon.telemetry import DeadLetter, attach


@pytest.fixture
async def letters() -> list[DeadLetter]:
    """The dead letters of the test."""
    found: list[DeadLetter] = []
    attach(found.append, DeadLetter)
    return found


@each_kind
async def test_b28_a_cast_returns_nothing_at_once(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    server.tell(note("told"))
    busy = asyncio.create_task(server.do(sleeping(1)))
    await settle()
    server.tell(note("told while busy"))
    await busy
    assert await seen(server) == ["told", "told while busy"]


async def test_b28_a_cast_to_nobody_is_no_error_but_a_dead_letter(start: Start, letters: list[DeadLetter]) -> None:
    server = await start(Plain(), name="gone")
    await axon.stop(server)
    server.tell(nothing_special)
    assert [(letter.path, letter.why) for letter in letters] == [("gone", "no process")]
    assert letters[0].text.startswith("tell(<function nothing_special")
    assert runtime().dead_letters == 1


def nothing_special(state: State) -> None: ...


async def test_b29_a_plain_message_to_the_dead_is_dropped_and_one_to_an_unknown_name_refused(
    start: Start, letters: list[DeadLetter]
) -> None:
    server = await start(Plain())
    await axon.stop(server)
    axon.send(server, "hello?")
    assert [(letter.text, letter.why) for letter in letters] == [("'hello?'", "no process")]
    with pytest.raises(axon.NoProcess, match="nobody"):
        axon.send("nobody", "hello?")


@each_kind
async def test_at_a_crash_queued_casts_go_to_the_dead_letters(
    start: Start, kind: type[Plain], letters: list[DeadLetter]
) -> None:
    async def crash(state: State) -> None:
        await asyncio.sleep(1)
        raise Boom

    server = await start(kind(), name="doomed")
    asking = asyncio.create_task(server.do(crash))
    await settle()
    server.tell(nothing_special)
    server.tell(nothing_special)
    queued = asyncio.create_task(server.echo(1))
    await asyncio.wait([asking, queued])
    assert [(letter.path, letter.why) for letter in letters] == [("doomed", "died before handling it")] * 2
    assert runtime().dead_letters == 2
    assert isinstance(queued.exception(), axon.ServerDied), "a call is no dead letter: its caller knows"


@each_kind
async def test_b32_what_comes_back_from_a_cast_or_an_info_is_ignored(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    server.tell(lambda _: "a value")
    axon.send(server, len)
    await server.do(lambda _: axon.continue_with(len))
    assert await server.echo(1) == 1


@each_kind
async def test_b31_a_failing_cast_ends_the_server(start: Start, kind: type[Plain]) -> None:
    boom, spec = Boom(), kind()
    server = await start(spec)
    server.tell(raising(boom))
    assert (await axon.wait_down(server)).reason is boom
    assert spec.ends == [boom]


async def test_dead_letters_are_counted_though_nobody_listens(start: Start) -> None:
    server = await start(Plain())
    await axon.stop(server)
    for _ in range(3):
        server.tell(nothing_special)
    assert runtime().dead_letters == 3


class Unreadable:
    def __repr__(self) -> str:
        raise Boom


async def test_a_message_that_cannot_be_shown_is_a_dead_letter_all_the_same(
    start: Start, letters: list[DeadLetter]
) -> None:
    server = await start(Async())
    await axon.stop(server)
    server.tell(Unreadable())  # type: ignore[arg-type]  # as foreign code may
    assert len(letters) == 1
