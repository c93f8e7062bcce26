"""What a program sees of its processes: nothing by default, one line an event with logging configured."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

import axon
from axon import GenServer, InvalidOption, Supervisor, SupervisorDied, call, cast
from axon.telemetry import (
    ChildRestarted,
    DeadLetter,
    Event,
    ListenerFailed,
    ProcessCrashed,
    ProcessExited,
    ProcessIgnored,
    ProcessStarted,
    UnexpectedMessage,
    add_process,
    attach,
    bus,
    configure_logging,
)


@dataclass
class Account:
    secret: str


class Clerk(GenServer[Account]):
    """Has a secret in its spec and in its state."""

    password: str = "hunter2"

    def init(self) -> Account:
        return Account("sesame")

    @call
    def add(self, state: Account, one: int, two: int = 0) -> int:
        return one + two

    @cast
    def crash(self, state: Account, error: BaseException) -> None:
        raise error


class Absent(GenServer[None]):
    def init(self) -> None:
        raise axon.Ignore


async def settle() -> None:
    await asyncio.sleep(0.001)


@contextmanager
def program() -> Generator[io.StringIO]:
    """A program that has configured nothing, and what it prints: pytest's own log handlers are away."""
    printed, loggers = io.StringIO(), (logging.getLogger(), logging.getLogger("axon"))
    before = [(logger, logger.handlers[:], logger.level) for logger in loggers]
    loggers[0].handlers.clear()
    try:
        with redirect_stderr(printed):
            yield printed
    finally:
        for logger, handlers, level in before:
            logger.handlers[:] = handlers
            logger.setLevel(level)


async def some_trouble() -> None:
    """One crash and restart, a dead letter, an unexpected message, a child that ignores, and a supervisor that gave up."""
    with pytest.raises(SupervisorDied):
        async with Supervisor([Clerk(), Absent()], max_restarts=1, name="office") as sup:
            clerk = sup.get(Clerk)
            await clerk.add(1, two=2)
            axon.send(clerk, "a letter")
            await settle()
            clerk.crash(ValueError("ink"))
            await settle()
            sup.get(Absent)
            await clerk.add(3)
            clerk.crash(ValueError("paper"))
            await settle()


# -- silence


async def test_nothing_is_printed_by_default(capfd: pytest.CaptureFixture[str]) -> None:
    with program() as stderr:
        await some_trouble()
        assert stderr.getvalue() == ""
        assert capfd.readouterr() == ("", "")


async def test_by_default_no_event_is_even_built() -> None:
    with program():
        assert not any(bus().wants(kind) for kind in (ProcessStarted, ProcessCrashed, ProcessExited, ChildRestarted))


# -- lines


async def test_a_crash_is_one_event_with_all_there_is_to_say() -> None:
    with program() as stderr:
        configure_logging(logging.ERROR, json=True)
        await some_trouble()
        lines = [json.loads(line) for line in stderr.getvalue().splitlines()]
        crashes = [line for line in lines if line["event"] == "crashed"]
        assert [(line["path"], line["reason"], line["decision"]) for line in crashes] == [
            ("office/Clerk", "ValueError('ink')", "restart"),
            ("office/Clerk", "ValueError('paper')", "the supervisor gives up"),
        ]
        assert crashes[0]["last_messages"] == ["add(1, two=2)", "'a letter'", "crash(ValueError('ink'))"]
        assert crashes[0]["level"] == "error"
        assert crashes[0]["timestamp"]
        trace = crashes[0]["exception"]
        assert trace.startswith("Traceback")
        assert "raise error" in trace
        assert trace.endswith("ValueError: ink")


async def test_giving_up_says_why() -> None:
    with program() as stderr:
        configure_logging(logging.ERROR, json=True)
        await some_trouble()
        lines = [json.loads(line) for line in stderr.getvalue().splitlines()]
        (gave_up,) = [line for line in lines if line["event"] == "gave up"]
        assert (gave_up["path"], gave_up["child"], gave_up["reason"]) == ("office", "Clerk", "ValueError('paper')")
        assert (gave_up["max_restarts"], gave_up["period"]) == (1, 5.0)


async def test_the_story_in_order() -> None:
    with program() as stderr:
        configure_logging(json=True)
        await some_trouble()
        story = [(line["event"], line["path"]) for line in map(json.loads, stderr.getvalue().splitlines())]
        assert story == [
            ("started", "office/Clerk"),
            ("chose not to start", "office/Absent"),
            ("started", "office"),
            ("unexpected message", "office/Clerk"),
            ("crashed", "office/Clerk"),
            ("started", "office/Clerk"),
            ("restarted", "office/Clerk"),
            ("crashed", "office/Clerk"),
            ("gave up", "office"),
        ]


async def test_the_level_chooses() -> None:
    with program() as stderr:
        configure_logging("WARNING", json=True)
        await some_trouble()
        story = [json.loads(line)["event"] for line in stderr.getvalue().splitlines()]
        assert story == ["unexpected message", "crashed", "restarted", "crashed", "gave up"]


async def test_columns_for_people() -> None:
    with program() as stderr:
        configure_logging()
        await some_trouble()
        printed = stderr.getvalue()
        line = next(line for line in printed.splitlines() if "crashed" in line)
        assert "[error" in line
        for column in ("path=office/Clerk", "decision=restart", "reason=", "last_messages="):
            assert column in line
        assert "ValueError: ink" in printed
        assert "\x1b[" not in printed  # no colours where nobody looks


async def test_configuring_twice_prints_once() -> None:
    with program() as stderr:
        configure_logging(logging.ERROR)
        configure_logging(logging.ERROR, json=True)
        await some_trouble()
        assert all(line.startswith("{") for line in stderr.getvalue().splitlines())
        assert len(stderr.getvalue().splitlines()) == 3


async def test_a_program_with_plain_logging_reads_who_crashed_and_why() -> None:
    with program() as stderr:
        logging.basicConfig(level=logging.INFO, stream=stderr, force=True)
        await some_trouble()
        line = next(line for line in stderr.getvalue().splitlines() if "crashed" in line)
        for word in ("axon", "office/Clerk", "ValueError('ink')", "restart"):
            assert word in line


async def test_a_program_with_its_own_handler_finds_the_fields_on_the_record() -> None:
    with program():
        records: list[logging.LogRecord] = []

        class Keep(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                records.append(record)

        logging.getLogger("axon").addHandler(Keep())
        await some_trouble()
        crash = next(record for record in records if getattr(record, "decision", None) == "restart")
        assert (crash.levelno, crash.__dict__["path"]) == (logging.ERROR, "office/Clerk")
        assert crash.exc_info is not None
        assert repr(crash.exc_info[1]) == "ValueError('ink')"


@pytest.mark.parametrize("as_json", [True, False])
async def test_neither_state_nor_fields_are_printed(as_json: bool) -> None:
    with program() as stderr:
        configure_logging("DEBUG", json=as_json)
        await some_trouble()
        assert "crashed" in stderr.getvalue()
        assert "hunter2" not in stderr.getvalue()
        assert "sesame" not in stderr.getvalue()


class Awkward(Exception):
    """An exception whose own text fails."""

    def __repr__(self) -> str:
        raise ValueError("no text")

    __str__ = __repr__


async def test_an_error_that_cannot_be_shown_does_not_disturb_the_death() -> None:
    with program() as stderr:
        configure_logging()
        clerk, error = await axon.start(Clerk(), name="clerk"), Awkward()
        clerk.crash(error)
        async with asyncio.timeout(1):
            assert (await axon.wait_down(clerk)).reason is error
        assert "Awkward" in stderr.getvalue()


async def test_a_log_handler_that_fails_does_not_disturb_the_death() -> None:
    with program():

        class Broken(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                raise OSError("disk full")

        logging.getLogger("axon").addHandler(Broken())
        clerk, error = await axon.start(Clerk(), name="clerk"), ValueError("ink")
        clerk.crash(error)
        async with asyncio.timeout(1):
            assert (await axon.wait_down(clerk)).reason is error


# -- a program's own lines


class Talker(GenServer[None]):
    def init(self) -> None:
        pass

    @call
    async def say(self, state: None, fields: dict[str, Any]) -> None:
        structlog.get_logger().info("said", **fields)
        await asyncio.gather(self.aside())  # in a task of its own

    async def aside(self) -> None:
        structlog.get_logger().info("whispered")


@pytest.fixture
def lines() -> Generator[list[MutableMapping[str, Any]]]:
    """What structlog would render, in a program that opted in."""
    with structlog.testing.capture_logs(processors=[add_process]) as lines:
        yield lines
    structlog.reset_defaults()


async def test_a_programs_own_lines_carry_the_path_of_their_process(lines: list[MutableMapping[str, Any]]) -> None:
    async with Supervisor([Talker()], name="office") as sup:
        await sup.get(Talker).say({"to": "you"})
        structlog.get_logger().info("outside")
    assert [(line["event"], line.get("path")) for line in lines] == [
        ("said", "office/Talker"),
        ("whispered", "office/Talker"),
        ("outside", None),
    ]
    assert lines[0]["to"] == "you"


async def test_a_path_of_their_own_stays(lines: list[MutableMapping[str, Any]]) -> None:
    talker = await axon.start(Talker(), name="talker")
    await talker.say({"path": "/tmp"})
    assert [line["path"] for line in lines] == ["/tmp", "talker"]
    await axon.stop(talker)


# -- listeners


async def test_a_listener_hears_the_kinds_it_asked_for_until_it_is_detached() -> None:
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)

    detach = attach(listen, ProcessStarted, ProcessExited)
    clerk = await axon.start(Clerk(), name="clerk")
    await axon.stop(clerk)
    assert heard == [
        ProcessStarted(path="clerk"),
        ProcessExited(path="clerk", reason=axon.normal, terminated=True, terminate_reason=axon.normal),
    ]
    detach()
    detach()  # twice is no error
    await axon.stop(await axon.start(Clerk()))
    assert len(heard) == 2


async def test_a_listener_attached_twice_is_detached_once_at_a_time() -> None:
    heard: list[Event] = []
    first, second = attach(heard.append, ProcessStarted), attach(heard.append, ProcessStarted)
    for detach, count in ((first, 2), (second, 3), (None, 3)):
        clerk = await axon.start(Clerk())
        await axon.stop(clerk)
        assert len(heard) == count
        if detach is not None:
            detach()


async def test_a_listener_that_raises_is_detached_and_reported() -> None:
    failed: list[ListenerFailed] = []
    heard: list[Event] = []
    error = ValueError("deaf")

    def deaf(event: Event) -> None:
        raise error

    attach(deaf, ProcessStarted)
    attach(heard.append, ProcessStarted)
    attach(failed.append, ListenerFailed)
    clerk = await axon.start(Clerk(), name="clerk")
    other = await axon.start(Clerk())
    assert await clerk.add(1) == 1
    assert len(heard) == 2  # the others hear it all the same
    assert [(event.path, event.error) for event in failed] == [("clerk", error)]
    assert "deaf" in failed[0].listener
    await axon.stop(clerk)
    await axon.stop(other)


async def test_a_listener_of_failed_listeners_may_fail_too() -> None:
    def deaf(event: Event) -> None:
        raise ValueError("deaf")

    attach(deaf, ProcessStarted)
    attach(deaf, ListenerFailed)
    await axon.stop(await axon.start(Clerk()))
    assert not bus().wants(ListenerFailed) or logging.getLogger().handlers


async def test_attach_wants_to_know_which_events() -> None:
    with pytest.raises(InvalidOption, match="event classes"):
        attach(print)


async def test_attach_refuses_what_is_no_kind_of_event() -> None:
    """It would never be called, and nobody would know."""
    wrong: list[Any] = [Event, "crashes", int]
    for kind in wrong:
        with pytest.raises(InvalidOption):
            attach(print, kind)


async def test_a_listener_of_another_loop_hears_nothing() -> None:
    heard: list[Event] = []
    attach(heard.append, ProcessStarted)

    async def elsewhere() -> None:
        await axon.stop(await axon.start(Clerk()))

    await asyncio.to_thread(asyncio.run, elsewhere())
    assert heard == []


async def test_dead_letters_and_unexpected_messages_are_events() -> None:
    letters: list[DeadLetter] = []
    unexpected: list[UnexpectedMessage] = []
    ignored: list[ProcessIgnored] = []
    attach(letters.append, DeadLetter)
    attach(unexpected.append, UnexpectedMessage)
    attach(ignored.append, ProcessIgnored)
    async with Supervisor([Clerk(), Absent()], name="office") as sup:
        axon.send(sup.get(Clerk), 42)
        await settle()
        await sup.terminate_child("Clerk")
        sup.get(Clerk).crash(ValueError("ink"))
    assert [(event.path, event.text) for event in unexpected] == [("office/Clerk", "42")]
    assert [(event.path, event.text, event.why) for event in letters] == [
        ("office/Clerk", "crash(ValueError('ink'))", "no process")
    ]
    assert [event.path for event in ignored] == ["office/Absent"]
