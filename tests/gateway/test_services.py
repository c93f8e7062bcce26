"""The original transports, with real processes and sockets: an agent behind `python -m axon.port`, alone and in a tree."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from grpc import aio
from http_parts import read, said, websocket

import axon
from axon import Supervisor, child
from axon.gateway import AgentService, Client, ErrorAnswer
from axon.gateway.grpc import synapse_pb2, synapse_pb2_grpc
from axon.port import PortExited, port_status

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.real_clock,
    pytest.mark.slow,
]

ROOT = Path(__file__).parents[2]
HELLO: dict[str, Any] = {"prompt": "Hello, agent!", "message_history": []}
NAME = ["--name", "test_agent"]


@pytest.fixture
async def grpc_stays() -> AsyncIterator[None]:
    """The thread of grpc.aio, which otherwise ends with the last of its objects, wherever that is let go."""
    aio.init_grpc_aio()
    yield
    gc.collect()
    aio.shutdown_grpc_aio()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, str]]:
    """`python -m axon.port agents.example_agent` on ports that the system chooses: of HTTP, and of gRPC."""
    command = [sys.executable, "-W", "error", "-m", "axon.port", "agents.example_agent", *NAME]
    options = ["--http", "0", "--grpc", "0", "--model", "test:model"]
    with subprocess.Popen([*command, *options], cwd=ROOT, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        found: re.Match[str] | None = None
        for line in program.stderr:
            found = re.fullmatch(r"serving test_agent on (http://127\.0\.0\.1:\d+) and gRPC (127\.0\.0\.1:\d+)\n", line)
            if found is not None:
                break
        assert found is not None
        yield found[1], found[2]
        program.terminate()
        assert program.wait(20) == 0, program.stderr.read()


def is_answer(answer: dict[str, Any]) -> bool:
    return (
        set(answer) == {"result", "messages", "usage"}
        and answer["messages"][0]["parts"][0]["content"] == "Hello, agent!"
        and answer["usage"]["total_tokens"] > 0
    )


async def test_the_first_test_of_the_original_protocol(served: tuple[str, str]) -> None:
    async with httpx2.AsyncClient(base_url=served[0], timeout=20) as http:
        answer = await http.post("/agents/test_agent/run_sync", json=HELLO)
        assert answer.status_code == 200
        assert is_answer(answer.json())
        missing = await http.post("/agents/nobody/run_sync", json=HELLO)
        assert (missing.status_code, missing.json()["message"]) == (404, "Agent not found")


async def test_its_streams(served: tuple[str, str]) -> None:
    """Server-sent events and WebSocket."""
    async with httpx2.AsyncClient(base_url=served[0], timeout=20) as http:
        *chunks, last = await read(http, "POST", "/agents/test_agent/run_stream", json=HELLO)
        assert "".join(chunk.data["data"] for chunk in chunks) == last.data["result"]
        assert last.data["usage"]["total_tokens"] > 0
        async with websocket(http, "/agents/test_agent/run_stream") as socket:
            await socket.send(json.dumps(HELLO))
            *pieces, end = await said(socket)
        assert all(piece["status"] == "chunk" for piece in pieces)
        assert (end["status"], end["result"]) == ("complete", "".join(piece["data"] for piece in pieces))


@pytest.mark.usefixtures("grpc_stays")
async def test_the_same_over_grpc(served: tuple[str, str]) -> None:
    async with aio.insecure_channel(served[1]) as channel:
        agents = synapse_pb2_grpc.AgentServiceStub(channel)
        request = synapse_pb2.RunRequest(agent_id="test_agent", prompt="Hello, agent!")
        answer = await agents.Run(request, timeout=20)
        assert answer.result
        assert answer.usage.total_tokens > 0
        chunks = [chunk async for chunk in agents.RunStream(request, timeout=20)]
        assert "".join(chunk.data for chunk in chunks) == chunks[-1].response.result


async def soon(service: AgentService) -> str:
    """Where it serves, as soon as it does again."""
    while True:
        try:
            return await service.url()
        except axon.NoProcess:
            await asyncio.sleep(0.02)


@pytest.mark.kill
async def test_a_supervised_one_that_is_killed_serves_again_on_another_port_and_its_handle_goes_on() -> None:
    from tenacity import wait_fixed

    spec = AgentService("agents.example_agent", name="test_agent", model="test:model", cwd=ROOT)
    async with Supervisor([child(spec, id="one", backoff=wait_fixed(0.1))]) as sup:
        service = sup.get(AgentService, "one")
        answer = await service.run("Hello, agent!", message_history=[])
        assert answer.result
        assert len(answer.messages) == 4
        assert answer.usage.total_tokens > 0
        assert "".join([piece async for piece in service.run_stream("And in pieces?")])
        before, ended = await service.url(), asyncio.create_task(axon.wait_down(service))
        async with Client(before) as client:
            assert (await client.run_sync("test_agent", "Others ask, too")).result
        pid = port_status(service).pid
        os.kill(pid, signal.SIGKILL)
        reason = (await ended).reason
        assert isinstance(reason, PortExited)
        assert reason.signal == "SIGKILL"
        after = await soon(service)
        assert port_status(service).pid != pid
        async with Client(after) as client:
            assert (await client.run_sync("test_agent", "And there, too")).result
        assert (await service.run("Hello again!")).result


LODGER = """
from pydantic_ai import Agent

agent = Agent("test")

@agent.tool_plain
def version() -> int:
    import lodging
    return lodging.VERSION
"""


async def test_another_interpreter_serves_an_agent_with_packages_of_its_own(tmp_path: Path) -> None:
    """Here one that finds Axon where this one does."""
    home = tmp_path / "env"
    await asyncio.to_thread(venv.create, home, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    (packages / "lodging.py").write_text("VERSION = 2\n")
    (packages / "axon.pth").write_text(sysconfig.get_path("purelib"))
    (tmp_path / "lodger.py").write_text(LODGER)
    async with Supervisor([AgentService("lodger", python=home / "bin" / "python", cwd=tmp_path)]) as sup:
        answer = await sup.get(AgentService).run("Which version?")
    assert answer.result == '{"version":2}'


@pytest.mark.usefixtures("grpc_stays")
async def test_a_supervised_one_over_grpc() -> None:
    spec = AgentService(
        "agents.example_agent", model="test:model", transport="grpc", cwd=ROOT, token="a token that is long enough"
    )
    async with Supervisor([child(spec, id="one")]) as sup:
        service = sup.get(AgentService, "one")
        answer = await service.run("Hello, agent!")
        assert answer.result
        assert len(answer.messages) == 4
        assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
        later = await service.run("And then?", message_history=answer.messages)
        assert len(later.messages) > 4
        assert "".join([piece async for piece in service.run_stream("And in pieces?")])
        await service.run("Once", idempotency_key="one")
        with pytest.raises(ErrorAnswer) as refused:
            await service.run("Something else", idempotency_key="one")
        assert refused.value.error_type == "MessageIdReused"
        with pytest.raises(axon.DeadlineExceeded):
            async with axon.deadline(0.0001):
                await service.run("Hello?")


SLOW = """
import asyncio
from pydantic_ai import Agent
from pydantic_ai.models.function import FunctionModel

async def pieces(messages, info):
    yield "I am"
    await asyncio.sleep(60)

async def answer(messages, info):
    await asyncio.sleep(60)

agent = Agent(FunctionModel(answer, stream_function=pieces))
"""


@pytest.mark.kill
@pytest.mark.usefixtures("grpc_stays")
async def test_who_waits_over_grpc_hears_of_the_end_of_its_program_with_the_reason(tmp_path: Path) -> None:
    """Whatever shows first, the broken connection or the end."""
    (tmp_path / "slow.py").write_text(SLOW)
    spec = AgentService("slow", transport="grpc", cwd=tmp_path, environ={"PYTHONPATH": str(tmp_path)})
    async with Supervisor([child(spec, id="one", restart="temporary")]) as sup:
        service = sup.get(AgentService, "one")
        stream = service.run_stream("Who?")
        assert await anext(stream) == "I am"
        waiting = asyncio.create_task(answer_of(service))
        await asyncio.sleep(0.1)
        os.kill(port_status(service).pid, signal.SIGKILL)
        for ending in (waiting, anext(stream)):
            with pytest.raises(axon.ServerDied) as died:
                await ending
            assert isinstance(died.value.reason, PortExited)
            assert died.value.reason.signal == "SIGKILL"


async def answer_of(service: AgentService) -> object:
    return (await service.run("Hello?")).result


async def test_a_module_that_is_not_there_is_the_reason_at_its_supervisor() -> None:
    async with Supervisor([]) as sup:
        with pytest.raises(axon.StartFailed) as failed:
            await sup.start_child(AgentService("agents.nobody", cwd=ROOT))
    reason = failed.value.reason
    assert isinstance(reason, PortExited)
    assert reason.exit_code == 2
    assert "MODULE must be one that can be imported (No module named 'agents.nobody')" in str(reason)


PARENT = """
import asyncio, sys
from axon import Supervisor
from axon.gateway import AgentService
from axon.port import port_status

async def main():
    spec = AgentService(argv=[sys.executable, "tests/gateway/plain_service.py"], name="plain")
    async with Supervisor([spec]) as sup:
        print(port_status(sup.get(AgentService)).pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.kill
def test_a_program_that_is_killed_leaves_no_service() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        service = Path("/proc", parent.stdout.readline().strip())
        assert service.is_dir()
        parent.kill()
    due = time.monotonic() + 5
    while service.exists():
        assert time.monotonic() < due
        time.sleep(0.02)
