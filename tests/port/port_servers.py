"""Servers that live in processes of their own, and what can happen to these."""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import logging
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import axon
from axon import GenServer, Ignore, Stop, call, cast, stream
from axon.process import ExitReason


async def run_alone(program: Path) -> tuple[int | None, bytes]:
    """Run a program; its exit status, and what it has said on its standard error."""
    process = await asyncio.create_subprocess_exec(sys.executable, str(program), stderr=subprocess.PIPE)
    _, said = await process.communicate()
    return process.returncode, said


class Refused(Exception):
    """An answer."""

    def __init__(self, name: str, left: int) -> None:
        super().__init__(f"{name}: {left} left")
        self.name = name
        self.left = left


@dataclass
class Count:
    value: int


class Counter(GenServer[Count]):
    begin: int = 0

    def init(self) -> Count:
        return Count(self.begin)

    @call
    def increment(self, state: Count, by: int = 1) -> int:
        state.value += by
        return state.value

    @cast
    def reset(self, state: Count, to: int = 0) -> None:
        state.value = to

    @cast
    def add(self, state: Count, by: int, data: bytes) -> None:
        state.value += by

    @call
    def process(self, state: Count) -> int:
        return os.getpid()

    @stream
    async def count(self, state: Count, up_to: int, error: str = "") -> AsyncIterator[int]:
        for number in range(up_to):
            yield number
        if error:
            raise Refused(error, 0)

    @call(raises=(Refused,))
    def refuse(self, state: Count, name: str) -> int:
        raise Refused(name, state.value)

    @call
    def crash(self, state: Count, text: str) -> None:
        raise Refused(text, 3)

    @call
    def leave(self, state: Count, term: str) -> None:
        raise Stop(axon.shutdown(term) if term else axon.normal)

    @call
    def callers(self, state: Count) -> list[str]:
        return [caller.path for caller in axon.callers()]

    @call
    async def sleep(self, state: Count, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @call
    async def ignore_cancel(self, state: Count, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(end - time.monotonic())

    @call
    def compute(self, state: Count, seconds: float) -> int:
        """It holds the loop, and gives the interpreter's lock away from time to time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
        return os.getpid()

    @call
    def environment(self, state: Count) -> dict[str, str]:
        return dict(os.environ)

    @call
    def say(self, state: Count, text: str, to: str = "stdout") -> None:
        print(text, file=getattr(sys, to))

    @call
    def log(self, state: Count, text: str) -> None:
        logging.getLogger("their.logger").warning(text, extra={"order": 3})

    @call
    def echo(self, state: Count, data: bytes) -> bytes:
        return data

    @call
    def version(self, state: Count, module: str) -> tuple[str, int]:
        return sys.prefix, importlib.import_module(module).VERSION

    @call
    def modules(self, state: Count) -> list[str]:
        return sorted(sys.modules)


def trace_id() -> int:
    from opentelemetry import trace

    return trace.get_current_span().get_span_context().trace_id


class Traced(GenServer[None]):
    """Reports its requests to OpenTelemetry."""

    def init(self) -> None:
        from opentelemetry.sdk.trace import TracerProvider

        axon.telemetry.opentelemetry.instrument(TracerProvider())

    @call
    def trace(self, state: None) -> int:
        return trace_id()

    @call
    async def trace_after_a_while(self, state: None) -> int:
        await asyncio.sleep(0.01)
        return trace_id()

    @stream
    async def traces(self, state: None) -> AsyncIterator[int]:
        yield trace_id()
        await asyncio.sleep(0.01)
        yield trace_id()

    @cast
    def note_trace(self, state: None, file: str) -> None:
        Path(file).write_text(str(trace_id()))

    @call
    def log_by_structlog(self, state: None, order: int) -> None:
        import structlog

        structlog.configure(
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=structlog.stdlib.LoggerFactory(),
            processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.render_to_log_kwargs],
        )
        with structlog.contextvars.bound_contextvars(order=order):
            structlog.get_logger("their.structlog").warning("they said")


class Logging(GenServer[None]):
    """Uses its log as nobody should."""

    def init(self) -> None: ...

    @call
    def log_badly(self, state: None) -> None:
        logging.getLogger("their.logger").warning("%d", "no number")

    @call
    def log_oddly(self, state: None) -> None:
        odd = {"huge": 10**5000, "many": float("nan"), "half": "\udc80", "long": "x" * 10_000, "n" * 1000: 1}
        logger = logging.getLogger("their." + "logger" * 100)
        logger.log(100, "\udc80%s", "y" * 100_000, extra=odd | {f"field {number}": number for number in range(100)})

    @call
    def log_many(self, state: None, lines: int) -> None:
        for number in range(lines):
            logging.getLogger("their.logger").warning("line %d", number)


class Cleaner(GenServer[Path]):
    """Says when it is ended in order."""

    file: str
    fails: bool = False

    trap_exit = True

    def init(self) -> Path:
        return Path(self.file)

    @call
    def process(self, state: Path) -> int:
        return os.getpid()

    def terminate(self, state: Path, reason: ExitReason) -> None:
        state.write_text(repr(reason), encoding="utf-8")
        if self.fails:
            raise Refused("terminate", 0)


class Picky(GenServer[None]):
    """Does not start."""

    how: str

    def init(self) -> None:
        if self.how == "ignores":
            raise Ignore
        if self.how == "hangs":
            time.sleep(100)
        if self.how == "exits":
            print("no configuration", file=sys.stderr)
            os._exit(3)
        if self.how == "stops":
            raise Stop(axon.shutdown("not today"))
        raise Refused(self.how, 7)


class Doomed(Counter):
    """It can come to any end."""

    @call
    def kill(self, state: Count) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @call
    def exit(self, state: Count, code: int) -> None:
        print("goodbye", file=sys.stderr)
        os._exit(code)

    @call
    def segfault(self, state: Count) -> None:
        ctypes.string_at(0)

    @call
    def stop_process(self, state: Count) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    @call
    def eat_memory(self, state: Count) -> None:
        state.value = len([bytes(2**20) for _ in range(4096)])

    @call
    def eat_native_memory(self, state: Count) -> None:
        """As a library in C++ does, which ends its process when there is no more."""
        allocate = ctypes.CDLL(None).calloc
        allocate.restype = ctypes.c_void_p
        while allocated := allocate(1, 2**20):
            ctypes.memset(allocated, 1, 2**20)
        os.abort()

    @call
    def loop_in_c(self, state: Count) -> None:
        """The interpreter's lock is held all the time."""
        re.match("(a+)+$", "a" * 60 + "b")

    @call
    def compute_in_c(self, state: Count) -> None:
        """Here, too, for a time that is as good as endless."""
        state.value = 7**10**9

    @call
    def burn(self, state: Count) -> None:
        while True:
            pass

    @call
    def flood(self, state: Count, to: int = 1, line: bytes = b"flood\n") -> None:
        """It never stops printing."""
        while True:
            os.write(to, line * 1000)

    @call
    def write_garbage(self, state: Count, garbage: bytes = b"\xff" * 64) -> None:
        os.write(3, garbage)

    @call
    async def close_channel(self, state: Count) -> None:
        """It goes on, and nobody hears it any more."""
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 3)
        await asyncio.sleep(100)

    @call
    async def write_slowly(self, state: Count, data: bytes) -> None:
        while data:
            with suppress(BlockingIOError):
                data = data[os.write(3, data) :]
            await asyncio.sleep(0.001)
        await asyncio.sleep(10)

    @call
    def fill_file(self, state: Count, file: str) -> int:
        Path(file).write_bytes(bytes(2**20))
        return resource.getrlimit(resource.RLIMIT_FSIZE)[0]

    @call
    def open_files(self, state: Count, number: int) -> int:
        return len([Path(os.devnull).open("rb") for _ in range(number)])

    @call
    def fork_away(self, state: Count, ignores_term: bool = False) -> list[int]:
        """A child, one in a session of its own, and one whose parent has ended, with nobody to wait for them."""
        program = "import signal,time\n" + ("signal.signal(15, signal.SIG_IGN)\n" if ignores_term else "")
        sleeper = [sys.executable, "-S", "-c", program + "print(1, flush=True); time.sleep(100)"]
        parts = [
            subprocess.Popen(sleeper, stdout=subprocess.PIPE),
            subprocess.Popen(sleeper, stdout=subprocess.PIPE, start_new_session=True),
        ]
        double = (
            f"import subprocess; p = subprocess.Popen({sleeper!r}, start_new_session=True, stdout=subprocess.PIPE);"
            "p.stdout.readline(); print(p.pid, flush=True)"
        )
        for part in parts:
            assert part.stdout is not None
            part.stdout.readline()
        orphan = subprocess.run([sys.executable, "-S", "-c", double], stdout=subprocess.PIPE, check=True)
        return [*(part.pid for part in parts), int(orphan.stdout)]
