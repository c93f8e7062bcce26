"""`AgentService`: the handle of an agent that is a program of its own, whatever language that is in."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

import axon
from axon import InvalidOption, Supervisor, child
from axon.gateway import AgentService, ErrorAnswer
from axon.port import PortExited, PortHung, PortStartFailed, port_status

pytestmark = [pytest.mark.real_clock, pytest.mark.slow, pytest.mark.kill]

R = TypeVar("R")
TOKEN = "a token that is long enough"
PLAIN = [sys.executable, str(Path(__file__).with_name("plain_service.py"))]


def plain(**options: object) -> AgentService:
    return AgentService(argv=PLAIN, name="plain", **{"token": TOKEN, **options})  # type: ignore[arg-type]


async def soon(ask: Callable[[], Awaitable[R]]) -> R:
    """The answer, as soon as somebody is there again."""
    while True:
        try:
            return await ask()
        except axon.NoProcess:
            await asyncio.sleep(0.01)


async def test_a_program_in_any_language_is_a_service_if_it_speaks_the_protocol() -> None:
    async with Supervisor([child(plain(model="a:model"), id="plain")]) as sup:
        service = sup.get(AgentService, "plain")
        at = await service.address()
        assert await service.url() == f"http://127.0.0.1:{at.port}"
        answer = await service.run("Hello?")
        assert answer.result == ["/agents/plain/run_sync", "Hello?", "a:model", port_status(service).pid]
        assert answer.usage.total_tokens == 1
        assert TOKEN not in repr(service)


async def test_requests_in_flight_end_with_the_reason_and_the_next_ones_find_the_new_port() -> None:
    async with Supervisor([child(plain(), id="plain")]) as sup:
        service = sup.get(AgentService, "plain")
        before, waiting = await service.url(), [asyncio.create_task(ask(service, "wait")) for _ in range(3)]
        await asyncio.sleep(0.1)
        with pytest.raises(axon.ServerDied) as died:
            await service.run("exit")
        assert isinstance(died.value.reason, PortExited)
        assert died.value.reason.exit_code == 3
        assert [type(error) for error in await asyncio.gather(*waiting, return_exceptions=True)] == [
            axon.ServerDied
        ] * 3
        assert (await soon(lambda: service.run("again"))).result[1] == "again"
        assert await service.url() != before


async def test_where_its_store_is_goes_by_the_environment(tmp_path: Path) -> None:
    """The address of a database may have a password in it, and the arguments of a program are everybody's to read."""
    store = tmp_path / "conversation.db"
    spec = AgentService("agents.example_agent", model="test", store=str(store), cwd=Path(__file__).parents[2])
    async with Supervisor([child(spec, id="one")]) as sup:
        service = sup.get(AgentService, "one")
        await service.run("Hello?")
        told = await asyncio.to_thread(Path("/proc", str(port_status(service).pid), "cmdline").read_bytes)
        assert b"axon.port" in told
        assert store.name.encode() not in told
    assert store.is_file()


async def ask(service: AgentService, prompt: str) -> object:
    return await service.run(prompt)


async def test_a_service_that_does_not_answer_livez_is_killed_as_hung() -> None:
    async with Supervisor([child(plain(hang=0.6), id="plain")]) as sup:
        service = sup.get(AgentService, "plain")
        await asyncio.sleep(0.8)
        pid, ended = port_status(service).pid, asyncio.create_task(axon.wait_down(service))
        os.kill(pid, signal.SIGSTOP)
        reason = (await ended).reason
        assert isinstance(reason, PortHung)
        assert reason.state == "stopped"
        assert (await soon(lambda: service.run("again"))).result[3] != pid


async def test_a_deadline_ends_a_request_and_no_service() -> None:
    service = await axon.start(plain())
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(0.2):
            await service.run("wait")
    assert (await service.run("and now?")).result[1] == "and now?"
    await axon.stop(service)


async def test_an_error_of_the_agent_is_that_of_the_client() -> None:
    """Here that of a token that is another one."""
    service = await axon.start(plain(token=None, environ={"AXON_TOKEN": TOKEN}))
    assert (await service.run("Hello?")).result[1] == "Hello?", "it is known from the environment, too"
    await axon.stop(service)
    service = await axon.start(AgentService(argv=["/usr/bin/env", f"AXON_TOKEN={TOKEN}", *PLAIN], name="plain"))
    with pytest.raises(ErrorAnswer) as refused:
        await service.run("Hello?")
    assert (refused.value.status, refused.value.error_type) == (401, "InvalidToken")
    await axon.stop(service)


async def test_a_program_that_serves_something_else_is_told_so() -> None:
    with pytest.raises(axon.StartFailed) as failed:
        await axon.start(AgentService(argv=[*PLAIN, "grpc_port"], name="plain", token=TOKEN))
    assert isinstance(failed.value.reason, PortStartFailed)
    assert failed.value.reason.problem == "it announced that it serves, and not over http"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (AgentService, "module must be given, or argv, and not both"),
        (lambda: AgentService("agents.clerk", argv=["/bin/true"]), "module must be given, or argv, and not both"),
        (lambda: AgentService(argv=["/bin/true"]), "name must be given with argv"),
        (lambda: AgentService(argv=["/bin/true"], name="a", store="a.db"), "store must be left out with argv"),
        (lambda: AgentService("agents._clerk"), "name must be 1 to 64 letters"),
        (lambda: AgentService("agents.clerk", transport="smtp"), "transport must be http or grpc"),  # type: ignore[arg-type]
        (lambda: AgentService("agents.clerk", port=70000), "port must be a number from 0 to 65535"),
        (lambda: AgentService("agents.clerk", token="too short"), "token must be at least 16 characters"),
        (lambda: AgentService("agents.clerk", python="python3"), "python must be the path of an interpreter"),
        (lambda: AgentService("agents.clerk", drain=-1), "drain must be"),
        (lambda: AgentService("agents.clerk", inherit="KEY"), "inherit must be"),
    ],
)
def test_options_of_a_service_are_refused_with_their_values(make: Callable[[], AgentService], said: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        make()
    assert str(refused.value).startswith(said)
    assert "too short" not in str(refused.value)


def test_the_interpreter_may_be_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_EXEC", "no-such-python")
    with pytest.raises(InvalidOption, match="PYTHON_EXEC must be the path of an interpreter, got: 'no-such-python'"):
        AgentService("agents.clerk")
    monkeypatch.setenv("PYTHON_EXEC", sys.executable)
    assert AgentService("agents.clerk")._argv()[0] == sys.executable
