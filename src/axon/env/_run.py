"""Programs that belong to a build: in a process group of their own, which ends with the task that waits for it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, SubprocessStreamProtocol
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LAST_LINES = 40
"""Lines of a program's output that are kept."""
LONGEST_LINE = 500
"""Characters of a line that are kept."""
GUARD = Path(__file__).with_name("_guard.py")
_BREAKS = re.compile(rb"[\r\n]+")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit status, negative for a signal, and its last lines."""

    command: tuple[str, ...]
    status: int
    output: tuple[str, ...]


async def run(
    command: Sequence[str],
    *,
    python: str,
    env: Mapping[str, str],
    cwd: Path,
    said: Callable[[str], None] = lambda line: None,
) -> Ended:
    """Run `command` to its end, under the guard, which `python` runs; `said` gets each line of its output.

    A cancellation kills the group at once: what is unfinished is not kept, so it need not be tidied up. If this process
    is killed, the guard does the same.
    """
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.subprocess_exec(
        lambda: SubprocessStreamProtocol(limit=2**16, loop=loop),
        *(python, "-I", "-S", str(GUARD), *command),
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        env=dict(env),
        cwd=cwd,
        start_new_session=True,
    )
    process = asyncio.subprocess.Process(transport, protocol, loop)
    last: deque[str] = deque(maxlen=LAST_LINES)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"+")
        rest = b""
        while data := await process.stdout.read(2**16):
            *lines, rest = _BREAKS.split(rest + data)
            for line in lines:
                _take(line, last, said)
            rest = rest[-2 * LONGEST_LINE :]
        _take(rest, last, said)
        status = await process.wait()
        return Ended(tuple(command), 128 - status if status > 128 else status, tuple(last))
    finally:
        _kill(process)
        try:
            await process.wait()
        finally:
            transport.close()


async def ask(command: Sequence[str], *, env: Mapping[str, str], within: float = 10) -> tuple[int, str]:
    """The exit status and the output of a short question to a program; one that hangs is killed after `within` s.

    Raises `OSError` if there is no such program.
    """
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env=dict(env), start_new_session=True
    )
    try:
        async with asyncio.timeout(within):
            output, _ = await process.communicate()
    except TimeoutError:
        return -9, ""
    finally:
        _kill(process)
        await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


def _take(raw: bytes, last: deque[str], said: Callable[[str], None]) -> None:
    line = raw.decode(errors="replace").rstrip()[:LONGEST_LINE]
    if line.strip():
        last.append(line)
        said(line)


def _kill(process: asyncio.subprocess.Process) -> None:
    """Its group, too: whose number is its own as long as it was not waited for."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
