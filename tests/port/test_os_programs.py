"""A program in any language that says where it serves is a child as any other."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import os_programs
import pytest
from os_programs import SERVES, WAITS, sh
from port_marks import gone_within, is_alive

import axon
from axon import InvalidOption, Supervisor, child
from axon.port import (
    BadFrame,
    Command,
    Limits,
    PortExited,
    PortHung,
    PortOutput,
    PortStartFailed,
    Program,
    RunningProgram,
    announce,
    port_status,
)

pytestmark = [pytest.mark.real_clock, pytest.mark.slow, pytest.mark.kill]


async def get(port: int | None) -> str:
    """What a program answers."""

    def read() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5) as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(read)


async def start_fails(program: Program) -> object:
    """Why it did not start."""
    with pytest.raises(axon.StartFailed) as failed:
        await axon.start(program)
    return failed.value.reason


def program_of(server: Program) -> RunningProgram:
    found = axon.server.server_of(server).state
    assert isinstance(found, RunningProgram)
    return found


async def test_a_program_is_ready_once_it_has_said_where_it_serves() -> None:
    said: list[PortOutput] = []
    detach = axon.telemetry.attach(said.append, PortOutput)
    async with Supervisor([child(Program(os_programs.http()), id="web")]) as sup:
        web = sup.get(Program, "web")
        at = await web.address()
        assert (at.host, at.grpc_port, at.model_extra) == ("127.0.0.1", None, {"speaks": "HTTP"})
        assert int(await get(at.port)) == program_of(web).pid == port_status(web).pid
        assert port_status(web).memory > 2**20
        assert repr(web) == "<Program Supervisor/web>"
        assert [(line.stream, line.text) for line in said][:1] == [("stdout", "I listen")]
    detach()
    assert any("GET / HTTP/1.1" in line.text for line in said)


async def test_any_language_will_do() -> None:
    """It has the descriptor, an environment that is an allow-list, and its directory; no shell reads its words."""
    script = 'printf \'{"port": 4711, "says": "%s %s %s %s"}\\n\' "$1" "$KEY" "${HOME:+home}" "$PWD" >&"$AXON_ANNOUNCE"'
    argv = ["/bin/sh", "-c", f"{script}; exec 3>&-; {WAITS}", "sh", "$HOME *"]
    server = await axon.start(Program(argv, environ={"KEY": "a key"}, cwd="/"))
    assert (await server.address()).model_extra == {"says": "$HOME * a key home /"}
    await axon.stop(server)


async def test_a_python_program_announces_itself_by_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which says whether there is anybody to be told."""
    argv = [sys.executable, "-c", "import axon.port, time; print(axon.port.announce(grpc_port=4712)); time.sleep(60)"]
    server = await axon.start(Program(argv))
    assert (await server.address()).grpc_port == 4712
    await axon.stop(server)
    assert not announce(port=4711)
    monkeypatch.setenv("AXON_ANNOUNCE", "x")
    with pytest.raises(InvalidOption, match="AXON_ANNOUNCE must be the number of an open descriptor"):
        announce(port=4711)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo serving >&3", "such as {\"port\": 5000}: 'serving' (it: Invalid JSON"),
        ("echo '{}' >&3", "neither port nor grpc_port"),
        ("""echo '{"port": "4711"}' >&3""", "(port: Input should be a valid integer"),
        ("""echo '{"port": 70000}' >&3""", "(port: Input should be less than or equal to 65535"),
        ("""echo '{"port": 4711, "host": "10.0.0.1/x?@y"}' >&3""", "(host: String should match pattern"),
        ("""echo '[4711]' >&3""", "(it: Input should be"),
        ("""echo '{"port": 4711}\n{"port": 4712}' >&3""", "it said more than where it serves"),
        ("head -c 5000 /dev/zero | tr '\\0' x >&3", "its announcement is longer than 4096 bytes"),
    ],
)
async def test_an_announcement_that_is_none_is_told_as_that(script: str, problem: str) -> None:
    reason = await start_fails(Program(sh(f"{script}; {WAITS}")))
    assert isinstance(reason, BadFrame)
    assert problem in reason.problem


async def test_what_is_said_later_is_one_too_many() -> None:
    server = await axon.start(Program(sh(f"""echo '{{"port": 4711}}' >&3; sleep 0.1; echo more >&3; {WAITS}""")))
    assert isinstance((await axon.wait_down(server)).reason, BadFrame)


async def test_a_program_that_does_not_start_says_why() -> None:
    """It ends before, it is not there, or it takes too long."""
    reason = await start_fails(Program(sh("echo no such option >&2; exit 2")))
    assert isinstance(reason, PortExited)
    assert (reason.exit_code, reason.said) == (2, ("no such option",))
    reason = await start_fails(Program(["/no/such/program"]))
    assert isinstance(reason, PortStartFailed)
    assert "No such file or directory: '/no/such/program'" in reason.problem
    began = time.monotonic()
    reason = await start_fails(Program(sh(f"exec 3>&-; {WAITS}"), start_within=0.3))
    assert isinstance(reason, PortStartFailed)
    assert reason.problem == "it took longer than start_within=0.3 s"
    assert time.monotonic() - began < 2


async def test_a_program_that_is_killed_is_started_again_and_its_handle_goes_on() -> None:
    async with Supervisor([child(Program(os_programs.http()), id="web")]) as sup:
        web = sup.get(Program, "web")
        pid = program_of(web).pid
        monitor = axon.process.wait_down(web)
        os.kill(pid, signal.SIGKILL)
        reason = (await monitor).reason
        assert isinstance(reason, PortExited)
        assert reason.signal == "SIGKILL"
        after = await soon(web)
        assert int(await get(after.port)) == program_of(web).pid != pid


async def soon(server: Program) -> Any:
    """Its address, as soon as it is there again."""
    while True:
        try:
            return await server.address()
        except axon.NoProcess:
            await asyncio.sleep(0.01)


async def test_an_end_that_nobody_asked_for_is_none_in_order() -> None:
    server = await axon.start(Program(sh(f"{SERVES} sleep 0.1; exit 0")))
    reason = (await axon.wait_down(server)).reason
    assert isinstance(reason, PortExited)
    assert reason.exit_code == 0


@pytest.mark.parametrize("at_term", ["", "trap 'exit 0' TERM;", "trap 'exit 143' TERM;"])
async def test_a_program_that_is_asked_to_end_does_so_in_order(at_term: str) -> None:
    server = await axon.start(Program(sh(f"{at_term} {SERVES} {WAITS}")))
    pid = program_of(server).pid
    await axon.stop(server)
    assert not is_alive(pid)


async def test_a_program_that_does_not_end_is_killed_with_all_that_it_has_started(tmp_path: Path) -> None:
    other = tmp_path / "other"
    script = f"trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > {other}; {WAITS}' & sleep 0.2; {SERVES} {WAITS}"
    server = await axon.start(Program(sh(script), grace=0.2))
    pids = [program_of(server).pid, int(other.read_text())]
    assert all(map(is_alive, pids))
    began = time.monotonic()
    with pytest.raises(axon.ServerDied) as died:
        await axon.stop(server, timeout=10)
    assert isinstance(died.value.reason, PortExited)
    assert died.value.reason.signal == "SIGKILL"
    assert time.monotonic() - began < 3
    assert not any(map(is_alive, pids))


async def test_who_is_killed_here_is_gone_there_if_it_is_a_program_too() -> None:
    server = await axon.start(Program(sh(f"trap '' TERM; {SERVES} {WAITS}")))
    pid = program_of(server).pid
    axon.exit(server, axon.kill)
    assert await asyncio.to_thread(gone_within, [pid], 3)


async def test_exit_signals_end_it_in_order() -> None:
    server = await axon.start(Program(sh(f"{SERVES} {WAITS}")))
    axon.exit(server, axon.shutdown)
    assert (await axon.wait_down(server)).reason == axon.shutdown


async def test_a_program_that_answers_no_probe_is_killed_as_hung() -> None:
    async def answers(at: Any) -> None:
        await get(at.port)

    server = await axon.start(Program(os_programs.http(), probe=answers, hang=0.6))
    await asyncio.sleep(1.0)
    assert port_status(server).stalled < 0.5
    began = time.monotonic()
    os.kill(program_of(server).pid, signal.SIGSTOP)
    reason = (await axon.wait_down(server)).reason
    assert isinstance(reason, PortHung)
    assert (reason.seconds, reason.state) == (0.6, "stopped")
    assert isinstance(reason.__cause__, TimeoutError)
    assert time.monotonic() - began < 2


async def test_a_probe_that_fails_is_the_cause() -> None:
    async def fails(at: Any) -> None:
        raise ConnectionRefusedError(at.port)

    server = await axon.start(Program(sh(f"{SERVES} {WAITS}"), probe=fails, hang=0.3))
    reason = (await axon.wait_down(server)).reason
    assert isinstance(reason, PortHung)
    assert repr(reason.__cause__) == "ConnectionRefusedError(4711)"


async def test_while_this_loop_stands_still_no_program_is_taken_for_hung() -> None:
    async def answers(at: Any) -> None:
        await get(at.port)

    server = await axon.start(Program(os_programs.http(), probe=answers, hang=0.5))
    await asyncio.sleep(0.3)
    time.sleep(0.8)  # noqa: ASYNC251  # as code does that blocks
    await asyncio.sleep(0.5)
    assert port_status(server).phase == "ready"
    await axon.stop(server)


async def test_limits_are_those_of_any_child() -> None:
    script = f"""echo '{{"port": 4711, "files": '$(ulimit -n)'}}' >&3; {WAITS}"""
    server = await axon.start(Program(sh(script), limits=Limits(open_files=77)))
    assert (await server.address()).model_extra == {"files": 77}
    await axon.stop(server)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Program("/bin/sh -c true"), "argv must be a list of the words of a command, got: '/bin/sh -c true'"),
        (lambda: Program([]), "argv must be a list of the words"),
        (lambda: Program(["sh"]), "argv must be one whose first word is the absolute path of a program, got: ['sh']"),
        (lambda: Program(["/bin/sh"], environ={"A=B": "secret"}), "environ must be names and values"),
        (lambda: Program(["/bin/sh"], inherit="KEY"), "inherit must be"),
        (lambda: Program(["/bin/sh"], hang=0), "hang must be"),
        (lambda: Program(["/bin/sh"], limits=3), "limits must be"),  # type: ignore[arg-type]
    ],
)
def test_options_of_a_program_are_refused_with_their_values(make: Callable[[], Program], said: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        make()
    assert str(refused.value).startswith(said)
    assert "secret" not in str(refused.value)


async def test_only_a_server_owns_a_program() -> None:
    with pytest.raises(axon.UsageError):
        await RunningProgram.open(Command(argv=["/bin/true"]))
