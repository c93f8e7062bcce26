"""The program around trees or a main function: its event loop, signals, and an exit status that says why it ended."""

from __future__ import annotations

import asyncio
import gc
import inspect
import signal
import threading
from asyncio.events import _get_running_loop  # the public one raises where there is none
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeAlias, cast

from ..errors import InvalidOption, UsageError
from ..process import checked_seconds
from ._application import Application, Tree, is_tree, start_order
from ._controller import Controller
from ._program import Body, Cause, Program

Main: TypeAlias = "Callable[[], Coroutine[Any, Any, int | None]]"
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(
    program: Tree | Sequence[Application] | Main,
    *,
    stop_within: float | None = 30.0,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Run a tree, applications, or a main coroutine function, until it ends or SIGTERM or SIGINT comes.

    program: a supervisor of any kind; or a list of `Application`, which start in this order, each after those that it
    requires, and stop in reverse; or a coroutine function without parameters, which is cancelled to end it.
    stop_within: seconds for the whole orderly end, default 30, None without limit. Then what is left is killed, and
    what ignores even that is left behind within another 1.5 s. A second signal kills at once, a third does what the
    system does by default, which helps where code blocks the event loop.
    loop_factory: makes the event loop, default `asyncio.new_event_loop`.

    Returns the exit status, use it as `sys.exit(axon.run(tree))`:

        0            a tree or applications ended in order: a signal came, or their significant children were done
        0 to 255     what main returned; None is 0
        1            a failure, whose traceback is on stderr: main or a stop callback raised, a tree did not start or
                     gave up, main returned something else; or the program ended by itself and its rest was killed
        130          KeyboardInterrupt was raised in main or in a process
        128 + signal a signal cut main short, or something had to be killed after it

    `ProgramEnded` tells the same as an event and log line. `sys.exit` in main is raised here when all is stopped.

    Raises `InvalidOption`, and `UsageError` where an event loop runs already, or outside the main thread, where Python
    delivers no signals; there use `async with Supervisor(...)`. https://www.erlang.org/doc/apps/kernel/application
    """
    body = _body(program)
    bound = None if stop_within is None else checked_seconds(stop_within, "stop_within")
    if _get_running_loop() is not None:
        raise UsageError("axon.run() makes an event loop, and one runs here; use `async with Supervisor(...)` in it")
    if threading.current_thread() is not threading.main_thread():
        raise UsageError("axon.run() handles signals, which Python delivers only to the main thread")
    loop = (loop_factory or asyncio.new_event_loop)()
    running = Program(loop, body, bound)
    try:
        with _signals_end(running, loop):
            status = _served(running, loop)
    finally:
        if running.left:
            # Destroying them would throw GeneratorExit into code that has ignored every cancellation, and may spin
            # for ever now that no event loop runs. So they and their loop stay as they are until the process is gone.
            gc.freeze()
        else:
            loop.close()
    if running.exit is not None:
        raise running.exit
    return status


def _served(program: Program, loop: asyncio.AbstractEventLoop) -> int:
    serving = loop.create_task(program.serve())
    while not serving.done():
        try:
            loop.run_until_complete(serving)
        except (KeyboardInterrupt, SystemExit) as error:  # asyncio lets these two through at once
            program.broken(error)
    return serving.result()


@contextmanager
def _signals_end(program: Program, loop: asyncio.AbstractEventLoop) -> Generator[None]:
    """The first signal ends the program in order, the second kills, and the third is the system's."""
    heard = 0

    def hear(number: int, _: FrameType | None) -> None:
        nonlocal heard
        heard += 1
        if heard == 1:
            cause = Cause(signal.Signals(number).name, 128 + number, signalled=True)
            loop.call_soon_threadsafe(program.end, cause)
        elif heard == 2:
            loop.call_soon_threadsafe(program.force)
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    before = {number: signal.signal(number, hear) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


class _Main:
    """A main function as the body of a program."""

    obeys_signals = False

    def __init__(self, main: Main) -> None:
        self._main = main

    async def run(self, program: Program) -> int | None:
        status = await self._main()
        if status is not None and (isinstance(status, bool) or not isinstance(status, int) or not 0 <= status <= 255):
            raise InvalidOption("the exit status that main returns", status, "None or an int from 0 to 255")
        return status


def _body(program: object) -> Body:
    if is_tree(program):
        tree = cast("Tree", program)
        return Controller([Application(tree.name or type(tree).__name__, tree)])
    if isinstance(program, Sequence) and not isinstance(program, str | bytes):
        return Controller(start_order(cast("Sequence[object]", program)))
    if inspect.iscoroutine(program):
        program.close()  # nobody will await it
    elif callable(program) and (
        inspect.iscoroutinefunction(program) or inspect.iscoroutinefunction(type(program).__call__)
    ):
        try:
            inspect.signature(program).bind()
        except TypeError as error:
            raise InvalidOption("program", program, f"a main function without parameters ({error})") from None
        return _Main(cast("Main", program))
    raise InvalidOption(
        "program",
        program,
        "a supervisor, a list of applications, or a coroutine function (with its arguments: functools.partial)",
    )
