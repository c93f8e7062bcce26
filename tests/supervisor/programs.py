"""Programs of these tests: in a process of their own, and in this one on virtual time."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from parts import Begin

import axon
from loops import a_loop

TREE = """
import asyncio, contextlib, sys
import axon
from axon import Supervisor
from parts import Log, Stubborn, part, lasts, takes

class Printed(Log):
    def append(self, line):
        print(line, flush=True)

log = Printed()
tree = Supervisor([part("a", log, finish=lasts(0.2)), part("b", log)])
"""


class Program:
    """A Python program in a process of its own, its lines, and its status."""

    def __init__(self, text: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", text],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent,
        )

    def wait_for(self, line: str) -> None:
        assert self.process.stdout is not None
        for read in self.process.stdout:
            if read.strip() == line:
                return
        pytest.fail(f"{line!r} was not printed; stderr: {self.process.communicate()[1]}")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, list[str], str]:
        try:
            printed, errors = self.process.communicate(timeout=20)
        finally:
            self.process.kill()
        return self.process.returncode, printed.splitlines(), errors


def run(program: Any, *, stop_within: float | None = 30.0) -> int:
    """`axon.run` on virtual time."""
    return axon.run(program, stop_within=stop_within, loop_factory=a_loop)


def after(seconds: float, do: Callable[[], object]) -> Begin:
    """Have this done so long after the start."""

    def begin(number: int) -> None:
        asyncio.get_running_loop().call_later(seconds, do)

    return begin


def sends(number: signal.Signals, seconds: float = 1) -> Begin:
    """Send this process a signal so long after the start."""
    return after(seconds, lambda: signal.raise_signal(number))
