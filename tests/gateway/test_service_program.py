"""`python -m axon.port MODULE --http PORT` as a program: what it says, what it refuses, and how it ends."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from served_program import Service, until

import axon
from axon.gateway import Client, ErrorAnswer, Gateway, RunAnswer
from axon.gateway.grpc import GRPCServer
from axon.gateway.http import bind
from axon.gateway.service._program import main
from axon.gateway.service._serving import PortLost, Serving
from forge import Forge

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

SECRET = "a secret that is long enough"


async def test_it_serves_its_one_agent_and_at_sigterm_what_is_under_way_ends_first(
    forge: Forge, tmp_path: Path
) -> None:
    service = Service(forge, tmp_path, ["agents.worker", "--http", "0"])
    await asyncio.to_thread(service.start)
    assert service.said["name"] == "worker", "the last part of its module's name"
    async with Client(service.url, attempts=1) as client, httpx2.AsyncClient(base_url=service.url) as http:
        assert [info.agent_id for info in await client.list()] == ["worker"]
        with pytest.raises(ErrorAnswer) as refused:
            await client.create("another", model="test")
        assert refused.value.error_type == "MaxChildrenReached"
        asking = asyncio.create_task(client.run_sync("worker", "slow one"))
        await asyncio.to_thread(until, lambda: "asked slow one 2" in service.log())
        service.signal()
        while (await http.get("/readyz")).status_code == 200:  # noqa: ASYNC110  # it is another process
            await asyncio.sleep(0.01)
        assert (await http.get("/livez")).status_code == 200
        assert not asking.done()
        (tmp_path / "go").touch()
        answer = await asking
    assert isinstance(answer, RunAnswer)
    assert answer.result == "done: slow one"
    assert await asyncio.to_thread(service.wait) == 0, service.errors


def test_name_port_attribute_and_token_are_what_it_is_told(forge: Forge, tmp_path: Path) -> None:
    with closing(bind("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["agents.worker:agent", "--http", str(port), "--name", "clerk"]
    service = Service(forge, tmp_path, options, {"AXON_TOKEN": SECRET}).start()
    assert service.said == {"name": "clerk", "port": port}

    async def ask() -> None:
        async with Client(service.url) as stranger, Client(service.url, token=SECRET) as client:
            with pytest.raises(ErrorAnswer) as refused:
                await stranger.run_sync("clerk", "Hello?")
            assert refused.value.status == 401
            assert (await client.run_sync("clerk", "Hello?")).usage.total_tokens > 0
            with pytest.raises(ErrorAnswer) as forbidden:
                await client.delete("clerk")
            assert forbidden.value.error_type == "Forbidden"

    asyncio.run(ask())
    service.signal()
    assert service.wait() == 0, service.errors


@pytest.fixture
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Modules of its own, and an environment without anything that says how to serve."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in ("AXON_TOKEN", "AXON_MODEL", "AXON_PYTHON_AGENT_MODEL", "AXON_PYTHON_AGENT_PORT"):
        monkeypatch.setenv(name, "")
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What it says when it does not start."""
    with suppress(SystemExit):  # which argparse raises
        assert main(options) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["m"], "python -m axon.port: --http or --grpc must be given: the port to serve on, 0 for one that"),
        (["--http", "0"], "the following arguments are required: MODULE[:ATTRIBUTE]"),
        (["m", "--http", "x"], "argument --http: must be a number from 0 to 65535, got: 'x'"),
        (["m", "--grpc", "70000"], "argument --grpc: must be a number from 0 to 65535, got: '70000'"),
        (["m", "--http", "0", "--drain", "nan"], "argument --drain: must be a number of seconds from 0 to 86400"),
        (["m", "--http", "0", "--agent-type", "x"], "argument --agent-type: invalid choice: 'x'"),
        (["m", "--http", "0"], "MODULE must be one that can be imported (No module named 'm'), got: 'm'\n"),
        (["m.agent", "--http", "0"], "MODULE must be one that can be imported (No module named 'm'), got: 'm.agent'\n"),
        (["string:agent", "--http", "0"], "MODULE must be one with an attribute 'agent' that is a pydantic_ai.Agent"),
        (["_m", "--http", "0"], "--name must be 1 to 64 letters"),
        (
            ["m", "--http", "0", "--store", "nowhere/a.db"],
            "--store must be the path of an SQLite file in a folder that exists",
        ),
        (["m", "--http", "0", "--host", "0.0.0.0"], "host must be one of loopback while the gateway has no tokens"),
        (["m", "--grpc", "0", "--host", "0.0.0.0"], "host must be one of loopback while the gateway has no tokens"),
        (["m", "--http", "0", "--host", "no such host"], "--http must be an address to listen on"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(
    options: list[str], said: str, in_a_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(capsys, *options)
    assert said in told
    assert "Traceback" not in told


def test_with_a_token_it_needs_tls_beyond_loopback(
    in_a_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AXON_TOKEN", SECRET)
    open_to_others = ["m", "--http", "0", "--host", "0.0.0.0"]
    assert "host must be one of loopback without tls= or behind_tls=True" in refused(capsys, *open_to_others)
    monkeypatch.setenv("AXON_TOKEN", SECRET)
    assert "MODULE must be" in refused(capsys, *open_to_others, "--behind-tls")
    monkeypatch.setenv("AXON_TOKEN", "too short")
    told = refused(capsys, "m", "--http", "0")
    assert "AXON_TOKEN must be at least 16 ASCII characters, got: '<not shown>'" in told


@pytest.mark.parametrize("option", ["--http", "--grpc"])
def test_a_port_that_is_taken_is_refused_before_anything_is_served(
    option: str, in_a_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        told = refused(capsys, "m", option, port)
    assert told.startswith(f"python -m axon.port: {option} must be an address to listen on (Address already in use")
    assert told.endswith(f", got: '127.0.0.1:{port}'\n")
    assert told.count("\n") == 1


def test_what_a_module_raises_is_shown_where_its_author_looks_for_it(
    in_a_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_a_folder / "broken_agent.py").write_text("1 / 0\n")
    (in_a_folder / "lacking_agent.py").write_text("import no_such_library\n")
    told = refused(capsys, "broken_agent", "--http", "0")
    assert "broken_agent.py" in told
    assert told.endswith(
        "MODULE must be one that can be imported (ZeroDivisionError('division by zero')), got: 'broken_agent'\n"
    )
    told = refused(capsys, "lacking_agent", "--http", "0")
    assert "lacking_agent.py" in told
    assert "(No module named 'no_such_library'), got: 'lacking_agent'\n" in told


def test_a_model_is_needed_and_may_come_from_the_environment(
    in_a_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_a_folder / "modelless_agent.py").write_text("from pydantic_ai import Agent\n\nagent = Agent()\n")
    agent = ["modelless_agent", "--http", "0"]
    assert "--model must be given, such as openai:gpt-5 or test: the module chooses none" in refused(capsys, *agent)
    assert "--model must be one that can be used here" in refused(capsys, *agent, "--model", "nobody:model")
    monkeypatch.setenv("AXON_PYTHON_AGENT_MODEL", "nobody:model")
    assert "--model must be one that can be used here" in refused(capsys, *agent)
    monkeypatch.setenv("AXON_MODEL", "another:model")
    assert "got: 'another:model'" in refused(capsys, *agent)


def test_without_an_extra_it_is_named(
    in_a_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("axon.gateway.http")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert "axon.gateway.http needs the extra `http`: pip install 'axon-otp[http]'" in refused(
        capsys, "m", "--http", "0"
    )
    assert "AXON_TOKEN" not in os.environ


class Watched(GRPCServer):
    """It says which process it is."""

    async def init(self) -> Any:
        LIVES.append(axon.current())
        return await super().init()


LIVES: list[axon.Process] = []


@pytest.mark.usefixtures("grpc_is_over")
async def test_a_program_ends_with_the_grpc_port_that_the_system_had_chosen() -> None:
    """Started again its server would have another one than the one that was announced."""
    gateway, told = Gateway(), asyncio.get_running_loop().create_future()
    serving = Serving(
        gateway=gateway,
        agent=None,
        http=None,
        grpc=Watched(gateway, drain=0.1),
        runner=None,
        store=None,
        seconds=1.0,
        tell=told.set_result,
    )
    main = asyncio.create_task(serving.main())
    assert (await told)["grpc_port"] > 0
    axon.exit(LIVES.pop(), axon.kill)
    with pytest.raises(PortLost, match="killed"):
        await main
    assert LIVES == []
