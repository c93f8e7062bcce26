"""Requests as bytes: decoded, validated, done, and answered as bytes; whatever is wrong with them is said, and not done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from datetime import date, timedelta
from typing import Any

import pytest
from desks import Desk, Guest, NoRoom, NoRoomTonight, Room, Stack

import axon
from axon import CallTimeout, DeadlineExceeded, NoProcess, ServerDied, WrongArguments, WrongServer
from axon.wire import BadMessage, Interface, Problem, RemoteError, UnknownMethod, UnknownVersion

DESK = Interface(Desk)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = await axon.start(Desk())
    yield desk
    if axon.whereis(desk) is not None:
        await axon.stop(desk)


async def frames_of(desk: Desk, data: bytes | str, interface: Interface[Desk] = DESK) -> list[bytes]:
    return [frame async for frame in interface.serve(desk, data)]


async def again(frames: Iterable[bytes]) -> AsyncIterator[bytes]:
    for frame in frames:
        yield frame


# -- what is asked


async def test_a_call_has_one_frame_with_its_answer(desk: Desk) -> None:
    data = DESK.encode(Desk.book, Guest("Ann"), rooms=2)
    assert json.loads(data) == {"method": "book", "arguments": {"guest": {"name": "Ann", "born": None}, "rooms": 2}}

    frames = await frames_of(desk, data)

    assert frames == [b'{"answer":1}']
    assert DESK.answer(Desk.book, frames[0]) == 1


async def test_a_cast_has_no_frame(desk: Desk) -> None:
    assert await frames_of(desk, DESK.encode(Desk.note, "the lamp is broken")) == []
    assert await desk.seen() == 1


async def test_a_stream_has_its_items_and_an_end(desk: Desk) -> None:
    frames = await frames_of(desk, DESK.encode(Desk.count, 2))
    assert [next(iter(json.loads(frame))) for frame in frames] == ["item", "item", "end"]
    assert [room async for room in DESK.items(Desk.count, again(frames))] == [Room(number=0), Room(number=1)]


async def test_a_stream_that_fails_ends_with_its_error(desk: Desk) -> None:
    frames = await frames_of(desk, DESK.encode(Desk.count, 1, broken=True))
    got: list[Room] = []
    with pytest.raises(RemoteError, match="LookupError: a room is missing"):
        async for room in DESK.items(Desk.count, again(frames)):
            got.append(room)  # noqa: PERF401  # what came before the error
    assert got == [Room(number=0)]


async def test_a_stream_that_breaks_off_is_told_from_one_that_ends(desk: Desk) -> None:
    frames = await frames_of(desk, DESK.encode(Desk.count, 1))
    with pytest.raises(BadMessage, match=r"the stream of Desk.count cannot be read: it broke off before its end"):
        assert [room async for room in DESK.items(Desk.count, again(frames[:-1]))]


async def test_closing_the_frames_closes_the_stream(desk: Desk) -> None:
    async with aclosing(DESK.serve(desk, DESK.encode(Desk.count, 10**9))) as frames:
        async for frame in frames:
            assert json.loads(frame)["item"]["number"] == 0
            break
    # Nothing is left running: the fixtures of every test look for that.


async def test_an_answer_that_comes_later_is_an_answer(desk: Desk) -> None:
    frames = await frames_of(desk, DESK.encode(Desk.later, 3.0))
    assert DESK.answer(Desk.later, frames[0]) == "after 3 s"


async def test_what_a_message_does_not_give_is_the_handlers_own_default(desk: Desk) -> None:
    await frames_of(desk, DESK.encode(Desk.keep, 1))
    await frames_of(desk, b'{"method": "keep", "arguments": {"first": 1}}')
    first, second = (await axon.get_state(desk)).seen
    assert first == second == (1, "two", 0.5, b"", None, None, None, timedelta(seconds=1))


async def test_arguments_are_of_the_types_of_their_hints_before_they_are_sent() -> None:
    with pytest.raises(WrongArguments, match=r"Desk.book\(\): rooms: Input should be greater than or equal to 1"):
        DESK.encode(Desk.book, Guest("Ann"), 0)
    with pytest.raises(WrongArguments, match=r"Desk.book\(\): too many positional arguments"):
        DESK.encode(Desk.book, Guest("Ann"), 1, 2)  # type: ignore[call-arg]


# -- errors are data


async def test_a_declared_error_comes_back_as_itself(desk: Desk) -> None:
    frames = await frames_of(desk, DESK.encode(Desk.book, Guest("Ann"), 9))
    assert json.loads(frames[0]) == {
        "error": {
            "error_type": "NoRoomTonight",
            "message": "9 rooms were wanted, 3 are free",
            "details": {"wanted": 9, "free": 3},
        }
    }
    with pytest.raises(NoRoom, match="9 rooms were wanted, 3 are free") as caught:
        DESK.answer(Desk.book, frames[0])
    assert type(caught.value) is NoRoomTonight
    assert (caught.value.wanted, caught.value.free) == (9, 3)


async def test_a_crash_is_a_server_that_died_with_its_cause_named(desk: Desk) -> None:
    process = axon.whereis(desk)
    assert process is not None
    frames = await frames_of(desk, DESK.encode(Desk.crash))
    with pytest.raises(ServerDied) as caught:
        DESK.answer(Desk.crash, frames[0])
    assert caught.value.target == process.path
    assert isinstance(caught.value.reason, RemoteError)
    assert caught.value.__cause__ is caught.value.reason
    assert (caught.value.reason.error_type, caught.value.reason.message) == (
        "ZeroDivisionError",
        "the desk fell over",
    )

    frames = await frames_of(desk, DESK.encode(Desk.seen))
    with pytest.raises(NoProcess, match="no process at Desk"):
        DESK.answer(Desk.seen, frames[0])


async def test_an_answer_that_is_not_what_its_hint_says_is_refused(desk: Desk) -> None:
    frames = await frames_of(desk, DESK.encode(Desk.lie))
    error = json.loads(frames[0])["error"]
    assert error["error_type"] == "NotOnWire"
    assert error["message"] == "Desk.lie: its answer, a str, is not what its hint says"


async def test_a_frame_that_is_none_is_refused() -> None:
    with pytest.raises(BadMessage, match=r"the answer of Desk.seen cannot be read: answer: Input should be a valid"):
        DESK.answer(Desk.seen, b'{"answer": "many"}')
    with pytest.raises(BadMessage, match="Invalid JSON"):
        DESK.answer(Desk.seen, b"}")
    with pytest.raises(BadMessage, match="Field required"):
        DESK.answer(Desk.seen, b"{}")


async def test_a_class_may_have_its_type_arguments() -> None:
    stack = await axon.start(Stack[date]())
    interface = Interface(Stack[date])
    (frame,) = [frame async for frame in interface.serve(stack, interface.encode(Stack[date].push, date(2030, 1, 31)))]
    assert interface.answer(Stack[date].push, frame) == 1
    assert await axon.get_state(stack) == [date(2030, 1, 31)]
    await axon.stop(stack)


async def test_another_servers_handle_is_refused(desk: Desk) -> None:
    other: Any = await axon.start(axon.TaskSupervisor())
    with pytest.raises(WrongServer):
        await frames_of(other, DESK.encode(Desk.seen))
    await axon.stop(other)


# -- time


async def test_a_deadline_goes_along_as_the_seconds_that_are_left(desk: Desk) -> None:
    async with axon.deadline(10):
        await asyncio.sleep(4)
        data = DESK.encode(Desk.later, 60.0)
    assert json.loads(data)["timeout"] == pytest.approx(6)

    began = asyncio.get_running_loop().time()
    frames = await frames_of(desk, data)

    assert asyncio.get_running_loop().time() - began == pytest.approx(6)
    with pytest.raises(DeadlineExceeded):
        DESK.answer(Desk.later, frames[0])


async def test_a_deadline_that_has_passed_is_a_request_that_is_not_made(desk: Desk) -> None:
    (frame,) = await frames_of(desk, b'{"method": "book", "arguments": {"guest": {"name": "Ann"}}, "timeout": 0}')
    with pytest.raises(DeadlineExceeded):
        DESK.answer(Desk.book, frame)
    assert (await axon.get_state(desk)).free == 3


async def test_without_a_deadline_the_handlers_own_timeout_counts(desk: Desk) -> None:
    frames = await frames_of(desk, DESK.encode(Desk.later, 60.0))
    with pytest.raises(CallTimeout) as caught:
        DESK.answer(Desk.later, frames[0])
    assert caught.value.after == 5
    await asyncio.sleep(60)


# -- bad bytes


@pytest.mark.parametrize(
    ("data", "where", "what"),
    [
        (b"", "", "it is no JSON: EOF while parsing a value"),
        (b"{", "", "it is no JSON: EOF while parsing an object"),
        (b"\xff\xfe", "", "it is no JSON: expected value at line 1 column 1"),
        (b"[" * 100_000, "", "it is no JSON: recursion limit exceeded"),
        (b"[]", "", "it is no object"),
        (b"7", "", "it is no object"),
        (b"{}", "method", "must be the name of a method"),
        (b'{"method": 7}', "method", "must be the name of a method"),
        (b'{"method": "book"}', "arguments.guest", "Field required"),
        (b'{"method": "seen", "arguments": []}', "arguments", "Input should be an object"),
        (b'{"method": "book", "arguments": {"guest": {}}}', "arguments.guest.name", "Field required"),
        (
            b'{"method": "later", "arguments": {"seconds": "soon"}}',
            "arguments.seconds",
            "Input should be a valid number",
        ),
        (b'{"method": "seen", "timeout": -1}', "timeout", "Input should be greater than or equal to 0"),
        (b'{"method": "seen", "timeout": NaN}', "timeout", "Input should be a finite number"),
        (b'{"method": "seen", "version": 0}', "version", "must be a number >= 1"),
        (b'{"method": "seen", "version": true}', "version", "must be a number >= 1"),
        (b'{"method": "seen", "arguments": {"by": 3}}', "arguments.by", "Extra inputs are not permitted"),
        (b'{"method": "seen", "argument": {}}', "argument", "Extra inputs are not permitted"),
    ],
)
async def test_bad_bytes_say_what_is_wrong_where_and_do_nothing(desk: Desk, data: bytes, where: str, what: str) -> None:
    with pytest.raises(BadMessage) as refused:
        DESK.decode(data)
    (problem,) = refused.value.problems
    assert problem.where == where
    assert problem.what.startswith(what)
    (frame,) = await frames_of(desk, data)
    assert json.loads(frame)["error"]["error_type"] == "BadMessage"
    assert await desk.seen() == 0


async def test_what_was_sent_is_not_shown_in_what_is_said_about_it() -> None:
    with pytest.raises(BadMessage) as refused:
        DESK.decode(b'{"method": "book", "arguments": {"guest": {"name": "Ann"}, "rooms": "password"}}')
    assert "password" not in str(refused.value)


async def test_a_method_that_is_not_offered_is_refused_with_those_that_are(desk: Desk) -> None:
    for name in ("cook", "_private", "init", "__reduce__"):
        with pytest.raises(UnknownMethod) as refused:
            DESK.decode(json.dumps({"method": name}))
        assert refused.value.method == name
        assert refused.value.known == tuple(DESK.methods)


async def test_unknown_fields_may_be_ignored(desk: Desk) -> None:
    lenient = Interface(Desk, unknown="ignore")
    data = b'{"method": "later", "arguments": {"seconds": 0, "minutes": 7}, "trace": "abc"}'
    assert await frames_of(desk, data, lenient) == [b'{"answer":"after 0 s"}']


# -- versions


def renamed(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "method": {"reserve": "book"}.get(message["method"], message["method"])}


def with_guest(message: dict[str, Any]) -> dict[str, Any]:
    arguments = dict(message.get("arguments", {}))
    if message["method"] == "book":
        arguments["guest"] = {"name": arguments.pop("name")}
    return {**message, "arguments": arguments}


LATER = Interface(Desk, version=3, migrations={1: renamed, 2: with_guest})


@pytest.mark.parametrize(
    "message",
    [
        {"method": "reserve", "arguments": {"name": "Ann", "rooms": 2}},
        {"version": 1, "method": "reserve", "arguments": {"name": "Ann", "rooms": 2}},
        {"version": 2, "method": "book", "arguments": {"name": "Ann", "rooms": 2}},
        {"version": 3, "method": "book", "arguments": {"guest": {"name": "Ann"}, "rooms": 2}},
    ],
)
async def test_older_messages_are_migrated(desk: Desk, message: dict[str, object]) -> None:
    assert LATER.decode(json.dumps(message)).given == {"guest": Guest("Ann"), "rooms": 2}
    assert await frames_of(desk, json.dumps(message), LATER) == [b'{"answer":1}']


async def test_a_message_says_its_version_and_keeps_its_deadline() -> None:
    assert json.loads(LATER.encode(Desk.seen))["version"] == 3
    assert LATER.decode(b'{"version": 2, "method": "seen", "timeout": 4}').timeout == 4


async def test_a_newer_message_is_refused_by_name() -> None:
    with pytest.raises(UnknownVersion, match="4 is newer than 3, the last that is known here") as refused:
        LATER.decode(b'{"version": 4, "method": "seen"}')
    assert (refused.value.version, refused.value.known) == (4, 3)


async def test_a_message_that_cannot_be_migrated_says_which_step_failed() -> None:
    with pytest.raises(BadMessage, match="its version 2 could not be made 3: KeyError") as refused:
        LATER.decode(b'{"version": 2, "method": "book"}')
    assert isinstance(refused.value.__cause__, KeyError)
    assert refused.value.problems == (Problem("", "its version 2 could not be made 3: KeyError('name')"),)
