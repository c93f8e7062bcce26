"""`axon.run` always comes to an end: in order within its time, then by killing, then by leaving."""

from __future__ import annotations

import asyncio
import signal
import subprocess

import pytest
from parts import Log, for_ever, lasts, part, takes
from programs import TREE, Program, after, run, sends

import axon
from axon import GenServer, Supervisor, child, start

# -- the time for it


def test_an_orderly_end_has_its_time() -> None:
    log = Log()
    assert run(Supervisor([part("a", log, begin=sends(signal.SIGTERM), finish=lasts(4))]), stop_within=5) == 0
    assert log == ["start a", "stop a shutdown"]


@pytest.mark.parametrize(("stop_within", "status"), [(None, 0), (5, 143)])
def test_what_is_left_after_its_time_is_killed(stop_within: float | None, status: int) -> None:
    """Also children to whom their own supervisor would give for ever."""
    log, ends = Log(), list[str]()

    async def slow(_: object) -> None:
        try:
            await asyncio.sleep(1_000)
            ends.append("in order")
        except asyncio.CancelledError:
            ends.append(f"killed at {asyncio.get_running_loop().time():g}")
            raise

    parts = [part(label, log, finish=slow, shutdown="infinity") for label in "ab"]
    parts.append(part("last", log, begin=sends(signal.SIGTERM)))
    assert run(Supervisor(parts), stop_within=stop_within) == status
    assert ends == (["in order"] * 2 if stop_within is None else ["killed at 6"])


def test_after_the_time_is_over_nobody_is_called_back_any_more() -> None:
    log = Log()
    tree = Supervisor([part("a", log, begin=sends(signal.SIGTERM), finish=lasts(10), shutdown="infinity")])
    other = axon.Application("b", Supervisor(), stop=lambda: log.append("stopped b"))
    assert run([other, axon.Application("a", tree, stop=lambda: log.append("stopped a"))], stop_within=5) == 143
    assert log == ["start a", "stop a shutdown"]


def test_a_callback_that_hangs_is_broken_off() -> None:
    log = Log()
    tree = Supervisor([part("a", log, begin=sends(signal.SIGTERM))])
    assert run([axon.Application("a", tree, prep_stop=for_ever)], stop_within=5) == 143


def test_a_rest_that_is_killed_is_no_orderly_end() -> None:
    def done(number: int) -> None:
        axon.stop_self()

    job = part("job", Log(), begin=done, restart="transient", significant=True)
    ends = axon.Application("ends", Supervisor([job], auto_shutdown="any_significant"))
    slow = axon.Application("slow", Supervisor([part("a", Log(), finish=lasts(10), shutdown="infinity")]))
    assert run([slow, ends], stop_within=20) == 0
    assert run([slow, ends], stop_within=5) == 1


def test_a_start_that_hangs_is_broken_off() -> None:
    log = Log()
    tree = Supervisor([part("a", log, begin=sends(signal.SIGTERM)), part("b", log, begin=takes(1_000))])
    assert run(tree) == 0
    assert log[-1] == "stop a shutdown"


def test_the_time_counts_when_main_is_done_too() -> None:
    async def hangs() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(1_000)

    kept: list[asyncio.Task[None]] = []

    async def main() -> int:
        kept.append(asyncio.create_task(hangs()))
        await asyncio.sleep(1)
        return 3

    assert run(main, stop_within=5) == 3


@pytest.mark.parametrize("seconds", [2, 0])
def test_a_second_signal_kills_at_once(seconds: float) -> None:
    times: list[float] = []

    def kick(number: int) -> None:
        sends(signal.SIGTERM, 1)(1)
        sends(signal.SIGINT, 1 + seconds)(1)

    async def slow(_: object) -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            times.append(asyncio.get_running_loop().time())

    tree = Supervisor([part("a", Log(), begin=kick, finish=slow, shutdown="infinity")])
    assert run(tree, stop_within=None) == 143
    assert times in ([1 + seconds], [])  # with both at once it is killed before it could begin to terminate


# -- Ctrl-C that was raised in a process


class Stuck(GenServer[None]):
    """What Ctrl-C does to a handler, rule Z7: Python raises KeyboardInterrupt wherever it stands."""

    def init(self) -> None:
        axon.send_after(1, axon.current(), "now")

    def handle_info(self, state: None, message: object) -> None:
        raise KeyboardInterrupt


def test_an_interrupt_raised_inside_a_process_stops_the_tree_in_order() -> None:
    log = Log()
    tree = Supervisor([part("a", log, finish=lasts(1)), part("b", log)])
    assert run(Supervisor([tree, child(Stuck(), restart="temporary")])) == 130
    assert log == ["start a", "start b", "stop b shutdown", "stop a shutdown"]


def test_an_interrupt_raised_inside_a_server_of_main_ends_main_in_order() -> None:
    """Without a block around it."""
    log = Log()

    async def main() -> None:
        await start(Stuck())
        try:
            await for_ever()
        finally:
            await asyncio.sleep(1)
            log.append("cleaned up")

    assert run(main) == 130
    assert log == ["cleaned up"]


def test_an_interrupt_raised_below_a_block_of_main_leaves_the_block_in_order() -> None:
    log = Log()

    async def main() -> None:
        try:
            async with Supervisor([part("a", log, finish=lasts(1)), child(Stuck(), restart="temporary")]):
                try:
                    await for_ever()
                finally:
                    await asyncio.sleep(1)
                    log.append("cleaned up")
        finally:
            log.append("left")

    assert run(main) == 130
    assert log == ["start a", "cleaned up", "stop a shutdown", "left"]


def test_an_interrupt_raised_in_main_is_130() -> None:
    async def main() -> None:
        raise KeyboardInterrupt

    assert run(main) == 130


def test_an_interrupt_raised_in_a_callback_of_the_loop_ends_the_program_in_order() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    log = Log()
    assert run(Supervisor([part("a", log, begin=after(1, interrupt), finish=lasts(1))])) == 130
    assert log == ["start a", "stop a shutdown"]


# -- nothing needs SIGKILL, in processes of their own

STUBBORN = """
class Hangs(axon.GenServer[None]):
    trap_exit = True
    def init(self): ...
    async def terminate(self, state, reason):
        print("terminate", flush=True)
        await swallows()

async def swallows():
    while True:
        try:
            await asyncio.sleep(1_000)
        except BaseException:
            pass

async def main():
    print("ready", flush=True)
    await swallows()

hanging = Supervisor([axon.child(Hangs(), shutdown="infinity"), part("a", log)])
"""


@pytest.mark.slow
@pytest.mark.real_clock
def test_a_process_that_swallows_its_kill_is_left() -> None:
    program = Program(TREE + STUBBORN + "sys.exit(axon.run(hanging, stop_within=0.1))")
    program.wait_for("start a")
    program.send(signal.SIGTERM)
    assert program.end() == (128 + signal.SIGTERM, ["stop a shutdown", "terminate"], "")


@pytest.mark.slow
@pytest.mark.real_clock
def test_a_main_that_swallows_its_cancellation_is_left() -> None:
    program = Program(TREE + STUBBORN + "sys.exit(axon.run(main, stop_within=0.1))")
    program.wait_for("ready")
    program.send(signal.SIGINT)
    assert program.end() == (128 + signal.SIGINT, [], "")


@pytest.mark.slow
@pytest.mark.real_clock
def test_a_second_signal_kills_where_the_time_has_no_limit() -> None:
    program = Program(TREE + STUBBORN + "sys.exit(axon.run(hanging, stop_within=None))")
    program.wait_for("start a")
    program.send(signal.SIGTERM)
    program.wait_for("terminate")
    program.send(signal.SIGTERM)
    assert program.end() == (128 + signal.SIGTERM, [], "")


BLOCKED = """
import time
async def main():
    print("ready", flush=True)
    while True:
        time.sleep(0.01)
sys.exit(axon.run(main))
"""


@pytest.mark.slow
@pytest.mark.real_clock
def test_a_third_signal_ends_a_program_whose_loop_stands_still() -> None:
    program = Program(TREE + BLOCKED)
    program.wait_for("ready")
    for _ in range(2):
        program.send(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            program.process.wait(0.2)
    program.send(signal.SIGTERM)
    assert program.end() == (-signal.SIGTERM, [], "")


WAITS_FOR_A_THREAD = """
import time
async def main():
    print("ready", flush=True)
    await asyncio.to_thread(time.sleep, 0.5)
sys.exit(axon.run(main))
"""


@pytest.mark.slow
@pytest.mark.real_clock
def test_a_thread_is_waited_for() -> None:
    program = Program(TREE + WAITS_FOR_A_THREAD)
    program.wait_for("ready")
    program.send(signal.SIGTERM)
    assert program.end() == (128 + signal.SIGTERM, [], "")
