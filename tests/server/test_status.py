"""`get_status`, and `format_status`: what of a server may be seen is its class's to say."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Generator
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from typing import Any

import pytest
from servers import Async, Plain, Start, each_kind, note, nothing, settle, sleeping, start_child

import axon
from axon import GenServer, Message, Status, Supervisor, call, cast
from axon.telemetry import (
    AnswerSent,
    DeadLetter,
    LifeChanged,
    MessageHandled,
    MessageTaken,
    ProcessCrashed,
    ProcessStartFailed,
    UnexpectedMessage,
    configure_logging,
)
from axon.testing import capture_events


@dataclass
class Account:
    key: str


class Vault(GenServer[Account]):
    """Shows neither its key nor anybody's password."""

    opens: bool = True

    def init(self) -> Account:
        if not self.opens:
            raise PermissionError("sesame does not open it")
        return Account("sesame")

    @call
    def log_in(self, state: Account, user: str, password: str) -> str:
        return f"token of {user}"

    @cast
    def crash(self, state: Account, password: str) -> None:
        raise ValueError(f"wrong: {password}")

    def format_status(self, status: Status) -> Status:
        return replace(
            status,
            state=None if status.state is None else "Account(key=***)",
            messages=tuple(
                replace(message, args=("***",) * len(message.args), keywords={})
                if isinstance(message, Message)
                else "***"
                for message in status.messages
            ),
            reason=type(status.reason).__name__ if isinstance(status.reason, Exception) else status.reason,
            answer=None if status.answer is None else "***",
        )


class Clumsy(Vault):
    """Fails to redact."""

    def format_status(self, status: Status) -> Status:
        raise KeyError("no such field")


class Wrong(Vault):
    """Does not return what it should."""

    def format_status(self, status: Status) -> Any:
        return {"state": "sesame"}


@pytest.fixture
def printed() -> Generator[io.StringIO]:
    """What a program that logs everything prints."""
    logger, lines = logging.getLogger("axon"), io.StringIO()
    before = logger.handlers[:], logger.level
    with redirect_stderr(lines):
        configure_logging("DEBUG", json=True)
        yield lines
    logger.handlers[:] = before[0]
    logger.setLevel(before[1])


# -- get_status


@each_kind
async def test_b49_get_status_shows_life_parent_state_and_last_messages(start: Start, kind: type[Plain]) -> None:
    server = await start(kind(begin=note("init")), name="main")
    await server.echo(3)
    axon.send(server, "news")
    await axon.get_state(server)
    assert await axon.get_status(server) == Status(
        path="main", life="running", state=["init", "news"], messages=(Message("echo", (3,)), "news")
    )
    child = await start_child(server, kind(), name="child")
    status = await axon.get_status(child)
    assert (status.path, status.parent) == ("main/child", "main")


async def test_b49_get_status_of_a_suspended_server(start: Start) -> None:
    server = await start(Plain())
    await axon.suspend(server)
    server.tell(nothing)
    assert (await axon.get_status(server)).life == "suspended"
    await axon.resume(server)
    assert (await axon.get_status(server)).life == "running"


async def test_b49_get_status_of_a_busy_server_comes_between_two_callbacks(start: Start) -> None:
    server = await start(Async())
    server.tell(sleeping(7))
    await settle()
    began = asyncio.get_running_loop().time()
    await axon.get_status(server)
    assert asyncio.get_running_loop().time() - began == pytest.approx(7, abs=0.01)


async def test_get_status_needs_a_living_server() -> None:
    with pytest.raises(axon.NoProcess):
        await axon.get_status("nobody")


# -- redaction


async def test_b49_format_status_decides_what_get_status_shows(start: Start) -> None:
    vault = await start(Vault())
    assert await vault.log_in("ann", password="hunter2") == "token of ann"
    status = await axon.get_status(vault)
    assert (status.state, status.messages) == ("Account(key=***)", (Message("log_in", ("***",)),))
    assert (await axon.get_state(vault)).key == "sesame", "who asks for the state itself gets it"


async def test_b49_it_filters_crash_reports_and_all_other_texts(printed: io.StringIO) -> None:
    with capture_events(
        ProcessCrashed,
        ProcessStartFailed,
        DeadLetter,
        UnexpectedMessage,
        MessageTaken,
        MessageHandled,
        AnswerSent,
        LifeChanged,
    ) as events:
        async with Supervisor([axon.child(Vault(), restart="temporary", mailbox=1)]) as sup:
            vault = sup.get(Vault)
            await vault.log_in("ann", "hunter2")
            axon.send(vault, "hunter2")
            await settle()
            assert axon.statistics(vault).recent == ("log_in('***', '***')", "'***'")
            axon.trace(vault)
            await vault.log_in("ann", "hunter2")
            axon.trace(vault, on=False)
            await axon.suspend(vault)
            vault.crash("hunter2")
            vault.crash("hunter2")
            with pytest.raises(axon.MailboxFull) as full:
                await vault.log_in("ann", "hunter2")
            assert "hunter2" not in str(full.value)
            await axon.resume(vault)
            await axon.wait_down(vault)
            vault.crash("hunter2")
        with pytest.raises(axon.StartFailed):
            await axon.start(Vault(opens=False))
    (crash,) = events.of(ProcessCrashed)
    assert (crash.reason, crash.last_messages[-1]) == ("ValueError", "crash('***')")
    assert [letter.text for letter in events.of(DeadLetter)] == ["crash('***')", "crash('***')"]
    assert [event.text for event in events.of(UnexpectedMessage)] == ["'***'"]
    assert [event.answer for event in events.of(AnswerSent)] == ["'***'"]
    assert [event.reason for event in events.of(ProcessStartFailed)] == ["PermissionError"]
    for secret in ("hunter2", "sesame"):
        assert secret not in printed.getvalue()
        assert secret not in repr(list(events))


@pytest.mark.parametrize("kind", [Clumsy, Wrong])
async def test_b49_if_it_fails_nothing_is_shown(start: Start, kind: type[Vault], printed: io.StringIO) -> None:
    with capture_events(ProcessCrashed) as crashes:
        vault = await start(kind())
        await vault.log_in("ann", "hunter2")
        status = await axon.get_status(vault)
        assert str(status.state).startswith(f"<hidden: {kind.__name__}.format_status failed")
        assert status.messages == (status.state,)
        vault.crash("hunter2")
        await axon.wait_down(vault)
    assert "format_status failed" in str(crashes[0].reason)
    assert len(crashes[0].last_messages) == 2
    for secret in ("hunter2", "sesame"):
        assert secret not in printed.getvalue() + repr(list(crashes))


async def test_the_reason_itself_reaches_callers_and_supervisors(start: Start) -> None:
    vault = await start(Vault())
    vault.crash("hunter2")
    down = await axon.wait_down(vault)
    assert repr(down.reason) == "ValueError('wrong: hunter2')"


def test_format_status_is_a_plain_function() -> None:
    async def format_status(self: Vault, status: Status) -> Status:
        return status

    with pytest.raises(axon.InvalidHandler, match="format_status: must be a plain function"):
        type("Slow", (Vault,), {"format_status": format_status})
