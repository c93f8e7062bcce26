"""Dead letters: kept while somebody asks for them, with the message itself, and sent again on request."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from dataclasses import dataclass, replace
from typing import Any

import pytest
from servers import Async, Plain, Start, note, nothing, seen, settle, sleeping

import axon
from axon import GenServer, InvalidOption, Message, Status, Supervisor, cast, child
from axon.process import runtime
from axon.testing import capture_events


class Keeper(GenServer[list[object]]):
    """Keeps what it is told."""

    def init(self) -> list[object]:
        return []

    @cast
    def keep(self, state: list[object], *things: object, tag: str = "") -> None:
        state.extend(things)

    @cast
    def crash(self, state: list[object]) -> None:
        raise ValueError("ink")

    def handle_info(self, state: list[object], message: object) -> None:
        state.append(message)


async def test_a_letter_says_whom_it_was_for_what_it_was_and_why() -> None:
    keeper = await axon.start(Keeper(), name="keeper")
    await axon.stop(keeper)
    thing = object()
    with axon.dead_letters() as letters:
        before = time.time()
        keeper.keep(thing, tag="red")
        axon.send(keeper, thing)
    cast_, sent = letters
    assert (cast_.path, cast_.handler, cast_.why) == ("keeper", "keep", "no process")
    assert cast_.message == Message("keep", (thing,), {"tag": "red"})
    assert before <= cast_.when <= time.time()
    assert (sent.handler, sent.message, sent.why) == (None, thing, "no process")


async def test_every_reason_not_to_take_a_message_makes_one(start: Start) -> None:
    server = await start(Async(), mailbox=2)
    with axon.dead_letters() as letters:
        server.tell(sleeping(2))
        await settle()
        async with axon.deadline(1):
            server.tell(note("too late"))
        server.tell(nothing)
        server.tell(note("no room"))
        await asyncio.sleep(3)
        server.tell(sleeping(9))
        server.tell(note("behind a kill"))
        await settle()
        axon.exit(server, axon.kill)
        await settle()
        server.tell(note("nobody there"))
    assert [letter.why for letter in letters] == [
        "mailbox full",
        "deadline passed",
        "died before handling it",
        "no process",
    ]


async def test_nothing_is_kept_while_nobody_asks() -> None:
    class Thing:
        pass

    keeper = await axon.start(Keeper())
    await axon.stop(keeper)
    thing = Thing()
    gone = weakref.ref(thing)
    keeper.keep(thing)
    del thing
    gc.collect()
    assert gone() is None
    assert runtime().dead_letters == 1
    assert runtime().collectors == {}


async def test_after_its_block_a_collection_stays_as_it_is() -> None:
    keeper = await axon.start(Keeper())
    await axon.stop(keeper)
    with axon.dead_letters() as letters:
        keeper.keep(1)
    keeper.keep(2)
    assert [letter.message for letter in letters] == [Message("keep", (1,))]


async def test_it_is_bounded_and_counts_what_it_dropped() -> None:
    keeper = await axon.start(Keeper())
    await axon.stop(keeper)
    with axon.dead_letters(limit=3) as letters, axon.dead_letters() as all_letters:
        for number in range(5):
            keeper.keep(number)
    assert (len(letters), letters.dropped) == (3, 2)
    assert [letter.message for letter in letters] == [Message("keep", (number,)) for number in (2, 3, 4)], "the last"
    assert (len(all_letters), all_letters.dropped) == (5, 0)


# -- again


async def test_replay_sends_it_again_to_whoever_is_in_the_slot_now() -> None:
    thing = object()
    async with Supervisor([child(Keeper(), restart="transient")]) as sup:
        keeper = sup.get(Keeper)
        await sup.terminate_child("Keeper")
        with axon.dead_letters() as letters:
            keeper.keep(thing, "more", tag="red")
            axon.send(keeper, "news")
            await sup.restart_child("Keeper")
            for letter in letters:
                letters.replay(letter)
            assert await axon.get_state(keeper) == [thing, "more", "news"]
            assert len(letters) == 0


async def test_a_crash_loses_no_cast_for_whoever_replays() -> None:
    async with Supervisor([Keeper()]) as sup:
        keeper = sup.get(Keeper)
        with axon.dead_letters() as letters:
            keeper.crash()
            for number in range(3):
                keeper.keep(number)
            await settle()
            for letter in letters:
                letters.replay(letter)
            assert await axon.get_state(keeper) == [0, 1, 2]


async def test_what_is_not_taken_again_comes_back_as_a_new_letter() -> None:
    keeper = await axon.start(Keeper())
    await axon.stop(keeper)
    with axon.dead_letters() as letters:
        keeper.keep(1)
        (first,) = letters
        letters.replay(first)
        (second,) = letters
    assert second is not first
    assert second.message == first.message


async def test_a_process_that_is_dead_stays_dead_for_replay() -> None:
    """A process is one incarnation; only handles and names lead on."""
    async with Supervisor([Keeper()]) as sup:
        process = axon.whereis(sup.get(Keeper))
        assert process is not None
        axon.exit(process, axon.kill)
        await settle()
        with axon.dead_letters() as letters:
            axon.send(process, "for you only")
            (letter,) = letters
            letters.replay(letter)
            assert [letter.message for letter in letters] == ["for you only"]


async def test_a_deadline_that_it_had_is_gone(start: Start) -> None:
    server = await start(Async())
    with axon.dead_letters() as letters:
        server.tell(sleeping(2))
        await settle()
        async with axon.deadline(1):
            server.tell(note("late"))
        await asyncio.sleep(3)
        (letter,) = letters
        letters.replay(letter)
        assert await seen(server) == ["late"]


async def test_the_letter_of_a_call_is_not_sent_again(start: Start) -> None:
    """Its caller heard that it was not answered, and has gone on."""
    server = await start(Async())
    with axon.dead_letters() as letters:
        server.tell(sleeping(2))
        await settle()
        with pytest.raises(axon.DeadlineExceeded):
            async with axon.deadline(1):
                await server.echo(7)
        await asyncio.sleep(2)
        (letter,) = letters
        assert (letter.handler, letter.why) == ("echo", "deadline passed")
        with pytest.raises(InvalidOption, match="letter"):
            letters.replay(letter)
        assert list(letters) == [letter]


async def test_nor_is_one_that_is_not_in_the_collection() -> None:
    keeper = await axon.start(Keeper())
    await axon.stop(keeper)
    with axon.dead_letters() as letters:
        keeper.keep(1)
        (letter,) = letters
        letters.replay(letter)
        with pytest.raises(InvalidOption, match="in this collection"):
            letters.replay(letter)


# -- what it shows


class Secret(Keeper):
    def format_status(self, status: Status) -> Status:
        return replace(status, messages=("***",))


async def test_its_representation_does_not_show_the_message() -> None:
    keeper = await axon.start(Secret(), name="keeper")
    await axon.stop(keeper)
    with axon.dead_letters() as letters, capture_events(axon.telemetry.DeadLetter) as events:
        keeper.keep("hunter2")
        axon.send(keeper, "hunter2")
    assert [letter.message for letter in letters] == [Message("keep", ("hunter2",)), "hunter2"], "itself"
    assert "hunter2" not in repr(list(letters)) + repr(list(events))


@dataclass
class Long:
    size: int

    def __repr__(self) -> str:
        return "x" * self.size


def test_a_message_is_a_line_of_text() -> None:
    message = Message("keep", (3, Long(1_000)), {"tag": "red"})
    assert str(message).startswith("keep(3, xxx")
    assert str(message).endswith("tag='red')")
    assert len(str(message)) < 120


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, None])
async def test_the_limit_is_a_number_of_letters(limit: Any) -> None:
    with pytest.raises(InvalidOption, match="limit"):
        axon.dead_letters(limit=limit)


async def test_a_burst_takes_no_more_room_than_the_limit() -> None:
    server = await axon.start(Plain())
    await axon.stop(server)
    with axon.dead_letters(limit=10) as letters:
        for _ in range(1_000):
            server.tell(nothing)
    assert len(letters) + letters.dropped == runtime().dead_letters == 1_000
