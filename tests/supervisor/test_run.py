"""`axon.run`: a tree or a main function as a program, with signals and an exit status."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, cast

import pytest
from parts import Boom, Log, Loose, fails_on, for_ever, lasts, part, settle
from programs import TREE, Program, run, sends

import axon
from axon import InvalidOption, Supervisor, UsageError
from axon.telemetry import ProgramEnded, attach
from axon.testing import virtual_clock

# -- the status


@pytest.mark.parametrize(("answer", "status"), [(None, 0), (0, 0), (3, 3), (255, 255)])
def test_the_status_is_what_main_returned(answer: int | None, status: int) -> None:
    async def main() -> int | None:
        await asyncio.sleep(0)
        return answer

    assert axon.run(main) == status


@pytest.mark.parametrize("answer", [True, "0", 256, -1, 0.0])
def test_another_answer_of_main_is_a_named_failure(answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> Any:
        return answer

    assert run(main) == 1
    shown = f"the exit status that main returns must be None or an int from 0 to 255, got: {answer!r}"
    assert f"InvalidOption: {shown}" in capsys.readouterr().err


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


def test_main_that_cancels_itself_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        raise asyncio.CancelledError

    assert run(main) == 1
    assert "CancelledError" in capsys.readouterr().err


def test_a_main_that_is_cancelled_by_a_signal_may_say_its_status_itself() -> None:
    async def main() -> int:
        signal.raise_signal(signal.SIGTERM)
        try:
            await for_ever()
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return 5

    assert run(main) == 5


def test_several_failures_at_once_are_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        raise BaseExceptionGroup("in main", [Boom("one"), asyncio.CancelledError()])

    assert run(main) == 1
    assert "Boom: one" in capsys.readouterr().err


def test_sys_exit_in_a_task_of_main_ends_the_program_in_order() -> None:
    log = Log()

    async def leave() -> None:
        sys.exit(3)

    async def main() -> None:
        async with Supervisor([part("a", log, finish=lasts(1))]):
            await asyncio.gather(leave(), for_ever())

    with pytest.raises(SystemExit) as left:
        run(main)
    assert left.value.code == 3
    assert log == ["start a", "stop a shutdown"]


def test_what_main_leaves_behind_is_ended() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(1)
            ended.append("work")

    async def items() -> AsyncGenerator[int]:
        try:
            yield 1
        finally:
            ended.append("items")

    async def main() -> None:
        kept.append(asyncio.create_task(work()))
        kept.append(items())
        await anext(kept[-1])
        await settle()

    kept: list[Any] = []
    assert run(main) == 0
    assert ended == ["work", "items"]


def test_any_coroutine_function_without_parameters_is_a_main() -> None:
    async def add(a: int, b: int = 3) -> int:
        return a + b

    class Program:
        async def __call__(self) -> int:
            return 9

        async def main(self) -> int:
            return 8

    assert [run(partial(add, 4)), run(Program().main), run(Program())] == [7, 8, 9]


# -- the end is told


def ended(program: Any, **options: Any) -> list[ProgramEnded]:
    """The events of the end, as a listener on the program's loop has them."""
    heard: list[ProgramEnded] = []

    def loop() -> asyncio.AbstractEventLoop:
        made = virtual_clock()

        async def listen() -> None:
            attach(heard.append, ProgramEnded)

        made.run_until_complete(listen())
        return made

    axon.run(program, loop_factory=loop, **options)
    return heard


def test_what_ended_the_program_is_told_once() -> None:
    async def main() -> int:
        return 3

    async def fails() -> None:
        raise Boom("in main")

    tree = Supervisor([part("a", Log(), begin=sends(signal.SIGTERM), finish=lasts(2))])
    assert ended(main) == [ProgramEnded(path="", why="main returned 3", status=3, seconds=0)]
    assert ended(fails) == [ProgramEnded(path="", why="Boom: in main", status=1, seconds=0)]
    assert ended(tree) == [ProgramEnded(path="", why="SIGTERM", status=0, seconds=2)]
    assert ended(tree, stop_within=1) == [
        ProgramEnded(path="", why="SIGTERM; what was left was killed", status=143, seconds=1)
    ]


def test_the_end_is_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> int:
        return 3

    caplog.set_level("INFO", "axon")
    run(main)
    assert caplog.messages == ["program ended path= why=main returned 3 status=3 seconds=0.0"]


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


async def takes_one(number: int) -> None: ...


async def agen() -> AsyncGenerator[int]:
    yield 1


@pytest.mark.parametrize("program", [None, 3, "app", print, int, takes_one, agen, Loose("a", Log())])
def test_what_is_no_program_is_refused(program: Any) -> None:
    with pytest.raises(InvalidOption, match="program"):
        axon.run(program)


def test_a_coroutine_in_place_of_its_function_is_refused_and_closed() -> None:
    async def main() -> None: ...

    with pytest.raises(InvalidOption, match="program must be a supervisor, a list of applications, or a coroutine"):
        axon.run(cast("Any", main()))


@pytest.mark.parametrize("seconds", [-1, "30", True])
def test_a_wrong_bound_is_refused(seconds: Any) -> None:
    with pytest.raises(InvalidOption, match="stop_within must be"):
        axon.run(Supervisor(), stop_within=seconds)


async def test_it_is_refused_where_an_event_loop_runs(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None: ...

    for program in (main, Supervisor()):
        with pytest.raises(UsageError, match="one runs here; use `async with Supervisor"):
            axon.run(program)
    assert capsys.readouterr().err == ""


async def test_a_running_tree_is_refused() -> None:
    async with Supervisor() as running:
        with pytest.raises(InvalidOption, match="a spec, not a running server"):
            axon.run(running)


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
