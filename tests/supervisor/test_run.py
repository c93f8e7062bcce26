"""`axon.run`: a tree or a main function as a program, with signals and an exit status."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from typing import Any

import pytest
from parts import Boom, Log, fails_on, part
from programs import TREE, Program, run, sends

import axon
from axon import InvalidOption, Supervisor, UsageError

# -- the status


@pytest.mark.parametrize(("answer", "status"), [(None, 0), (0, 0), (3, 3)])
def test_the_status_is_what_main_returned(answer: int | None, status: int) -> None:
    async def main() -> int | None:
        await asyncio.sleep(0)
        return answer

    assert axon.run(main) == status


def test_a_failure_of_main_prints_its_traceback_and_gives_1(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        raise Boom("in main")

    assert axon.run(main) == 1
    assert "Traceback" in (shown := capsys.readouterr().err)
    assert "Boom: in main" in shown


def crashes_soon(number: int) -> None:
    axon.continue_with("right after init")


def test_a_tree_that_gives_up_prints_why_and_gives_1(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log()
    tree = Supervisor([part("a", log, begin=crashes_soon), part("b", log)], max_restarts=1, name="app")
    assert axon.run(tree) == 1
    shown = capsys.readouterr().err
    assert "Boom: right after init" in shown
    assert "SupervisorDied: app ended with shutdown: more than 1 restarts within 5 s" in shown
    assert log[-1] == "stop b shutdown"


def test_a_tree_that_does_not_start_prints_why_and_gives_1(capsys: pytest.CaptureFixture[str]) -> None:
    tree = Supervisor([part("a", Log(), begin=fails_on(1, reason=Boom("no disk")))], name="app")
    assert axon.run(tree) == 1
    shown = capsys.readouterr().err
    assert "Boom: no disk" in shown
    assert "StartFailed: app failed to start" in shown


def test_a_tree_whose_work_is_done_gives_0(capsys: pytest.CaptureFixture[str]) -> None:
    """Its significant child ended in order, and so did the tree."""

    def done_soon(number: int) -> None:
        axon.stop_self()

    log = Log()
    job = part("job", log, begin=done_soon, restart="transient", significant=True)
    assert axon.run(Supervisor([part("a", log), job], auto_shutdown="any_significant")) == 0
    assert capsys.readouterr().err == ""
    assert log[-1] == "stop a shutdown"


def test_the_status_of_sys_exit_is_kept() -> None:
    async def main() -> None:
        sys.exit(3)

    with pytest.raises(SystemExit) as left:
        axon.run(main)
    assert left.value.code == 3


# -- refused


def test_it_is_refused_outside_the_main_thread() -> None:
    refused: list[BaseException] = []

    def work() -> None:
        try:
            axon.run(Supervisor())
        except UsageError as error:
            refused.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "only to the main thread" in str(refused[0])


@pytest.mark.parametrize("program", [None, 3, "app"])
def test_what_is_no_program_is_refused(program: Any) -> None:
    with pytest.raises(InvalidOption, match="program"):
        axon.run(program)


def test_the_signal_handlers_of_before_are_back_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    async def main() -> None:
        assert signal.getsignal(signal.SIGTERM) not in before

    axon.run(main)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


# -- signals, in a process of their own


@pytest.mark.slow
@pytest.mark.real_clock
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_tree_in_order(number: signal.Signals) -> None:
    program = Program(TREE + "sys.exit(axon.run(tree))")
    program.wait_for("start b")
    program.send(number)
    assert program.end() == (0, ["stop b shutdown", "stop a shutdown"], "")


MAIN = """
async def main():
    async with tree:
        print("ready", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            print("cleaned up", flush=True)
sys.exit(axon.run(main))
"""


@pytest.mark.slow
@pytest.mark.real_clock
def test_a_signal_cancels_main_and_shells_see_it_in_the_status() -> None:
    program = Program(TREE + MAIN)
    program.wait_for("ready")
    program.send(signal.SIGTERM)
    assert program.end() == (128 + signal.SIGTERM, ["cleaned up", "stop b shutdown", "stop a shutdown"], "")


FAILS = """
async def main():
    print("ready", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        raise ValueError("while cleaning up")
sys.exit(axon.run(main))
"""


@pytest.mark.slow
@pytest.mark.real_clock
def test_a_failure_after_the_signal_is_a_failure() -> None:
    program = Program(TREE + FAILS)
    program.wait_for("ready")
    program.send(signal.SIGTERM)
    status, _, errors = program.end()
    assert status == 1
    assert "ValueError: while cleaning up" in errors
