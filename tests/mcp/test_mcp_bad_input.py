"""What cannot work is refused at the earliest point, by an error that names it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastmcp.client import Client
from mcp_parts import calling, small
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset

import axon
from axon import GenServer, InvalidOption, StartFailed, Supervisor, WrongServer, child
from axon.mcp import BorrowedToolset, MCPCommandNotFound, MCPDuplicateTools, MCPServer, MCPUnavailable
from axon.mcp import _toolset as toolset


@pytest.mark.parametrize(
    ("server", "option"),
    [
        ([], "server"),
        ([""], "server"),
        (["python", 3], "server"),
        (["python", "a\0b"], "server"),
        ("python server.py", "server"),
        (None, "server"),
        (MCPToolset("http://localhost:1/mcp"), "server"),
        (Client({"mcpServers": {"a": {"url": "http://localhost:1"}, "b": {"url": "http://localhost:2"}}}), "server"),
    ],
)
def test_what_is_no_server_is_refused(server: Any, option: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        MCPServer(server)
    assert refused.value.option == option


@pytest.mark.parametrize(
    "options",
    [
        {"env": {"KEY": 1}},
        {"env": "KEY=1"},
        {"cwd": ""},
        {"lazy": 1},
        {"idle": 0},
        {"idle": "soon"},
        {"max_calls": 0},
        {"max_calls": True},
        {"call_timeout": -1},
        {"start_timeout": None},
        {"patience": None},
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_refused_by_its_name(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption) as refused:
        MCPServer(["server"], **options)
    assert [refused.value.option] == list(options)


def test_environment_and_folder_are_those_of_a_command() -> None:
    with pytest.raises(InvalidOption, match="left out unless server is a command"):
        MCPServer("http://localhost:1/mcp", env={"KEY": "secret"})
    with pytest.raises(InvalidOption, match="left out unless server is a command"):
        MCPServer("http://localhost:1/mcp", cwd="/")


@pytest.mark.parametrize("options", [{"prefix": "a b"}, {"prefix": ""}, {"id": ""}], ids=str)
def test_so_is_an_option_of_a_borrowed_toolset(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption) as refused:
        BorrowedToolset("files", **options)
    assert [refused.value.option] == list(options)


def test_only_a_name_or_a_started_server_can_be_borrowed() -> None:
    for given in (MCPServer(["server"]), MCPServer, "", None):
        with pytest.raises(InvalidOption) as refused:
            BorrowedToolset(given)  # type: ignore[arg-type]
        assert refused.value.option == "server"


@pytest.mark.real_clock
@pytest.mark.parametrize("lazy", [False, True])
async def test_a_command_that_does_not_exist_does_not_start(lazy: bool, tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="'no-such-program' cannot be started: there is no such program") as failed:
        await axon.start(MCPServer(["no-such-program"], lazy=lazy))
    assert isinstance(failed.value.reason, MCPCommandNotFound)
    with pytest.raises(StartFailed, match="there is no folder"):
        await axon.start(MCPServer(["python"], cwd=str(tmp_path / "no"), lazy=lazy))
    (tmp_path / "plain.txt").touch()
    with pytest.raises(StartFailed, match="there is no such program"):
        await axon.start(MCPServer(["./plain.txt"], cwd=str(tmp_path), lazy=lazy))


async def test_a_limit_of_its_mailbox_is_refused() -> None:
    """What borrowers tell it must not be lost."""
    with pytest.raises(StartFailed) as failed:
        await axon.start(MCPServer(["python"], lazy=True), mailbox=100)
    assert isinstance(failed.value.reason, InvalidOption)
    assert failed.value.reason.option == "mailbox"


@pytest.mark.real_clock
@pytest.mark.slow
async def test_a_server_with_two_tools_of_one_name_does_not_start() -> None:
    with pytest.raises(StartFailed, match="several tools of one name: 'echo'") as failed:
        await axon.start(MCPServer(small("twice")))
    assert isinstance(failed.value.reason, MCPDuplicateTools)


async def test_a_function_that_makes_something_else_does_not_start() -> None:
    with pytest.raises(StartFailed) as failed:
        await axon.start(MCPServer(lambda: "no toolset"))  # type: ignore[arg-type, return-value]
    assert isinstance(failed.value.reason, InvalidOption)


async def test_headers_that_differ_from_run_to_run_cannot_be_shared() -> None:
    def made() -> MCPToolset[Any]:
        return MCPToolset("http://localhost:1/mcp", headers=lambda ctx: {"user": "me"})

    with pytest.raises(StartFailed, match="one session is for all runs") as failed:
        await axon.start(MCPServer(made))
    assert isinstance(failed.value.reason, InvalidOption)


class Other(GenServer[None]):
    def init(self) -> None:
        return None


async def test_a_name_that_nobody_has_or_somebody_else_has_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent(calling(), toolsets=[BorrowedToolset("files")])
    with pytest.raises(MCPUnavailable, match="no process at files: nobody holds this name"):
        await agent.run("go")
    monkeypatch.setattr(toolset, "PATIENCE", 0.1)
    async with Supervisor([child(Other(), name="files")]):
        with pytest.raises(WrongServer, match="'files'"):
            await agent.run("go")


@pytest.mark.slow
def test_without_the_extra_the_import_says_how_to_get_it() -> None:
    program = "import sys; sys.modules['fastmcp'] = None; import axon.mcp"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "ImportError: axon.mcp needs the extra `mcp`: pip install 'axon-otp[mcp]'"
