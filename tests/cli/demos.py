"""`axon demo` in processes that need not load everything again: the program of their forge, and what a test sees of them."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from axon.cli import main
from forge import Forge, serve

LONGEST = 60
"""Seconds after which a demo should have said something."""


COUNTING = """
async def respond(messages, info):
    await asyncio.sleep(0.05)
    answer = await _model._respond(messages, info)
    with open({log!r}, "a") as file:
        file.write("asked\\n")
    return answer
"""

SILENT = """
async def respond(messages, info):
    await asyncio.sleep(60)
"""
"""A model that does not answer."""

MODEL = """
import asyncio
from pydantic_ai.models.function import FunctionModel
from axon.cli.demo import _model, _program
{respond}
_program.local_model = lambda: FunctionModel(respond)
"""


def counting(log: Path) -> str:
    """A model that is a little slower, and leaves a line in this file for each request that it answered."""
    return COUNTING.format(log=str(log))


@dataclass(frozen=True)
class Demo:
    """A demo in a process of its own, with what it prints in files."""

    forge: Forge
    pid: int
    out: Path
    err: Path

    @property
    def lines(self) -> list[str]:
        """What it has printed until now."""
        return self.out.read_text().splitlines()

    def ends(self) -> tuple[int, list[str], str]:
        """Wait for its end: its exit status, lines and stderr."""
        return self.forge.wait(self.pid), self.lines, self.err.read_text()


@dataclass(frozen=True)
class Demos:
    """Starts demos as a shell would. model: the code of another one than their own."""

    forge: Forge
    home: Path

    def __call__(self, *options: str, model: str = "") -> tuple[int, list[str], str]:
        """Run one to its end: its exit status, lines and stderr."""
        return self._start(options, model).ends()

    def begun(self, *options: str, model: str = "") -> Demo:
        """One that is under way: its first question is asked."""
        demo, due = self._start(options, model), time.monotonic() + LONGEST
        while not any("is asked" in line for line in demo.lines):
            assert time.monotonic() < due, demo.err.read_text()
            time.sleep(0.005)
        return demo

    def _start(self, options: Sequence[str], model: str) -> Demo:
        number = len(list(self.home.iterdir()))
        out, err = self.home / f"{number}.out", self.home / f"{number}.err"
        out.touch()
        err.touch()
        life = {"out": str(out), "err": str(err), "env": dict(os.environ), "cwd": str(Path.cwd()), "model": model}
        return Demo(self.forge, self.forge.start(life | {"argv": ["axon", "demo", *options]}), out, err)


def live(life: Mapping[str, Any]) -> None:
    """Be a demo, to the end of the process."""
    for place, file in ((0, os.devnull), (1, life["out"]), (2, life["err"])):
        with Path(file).open("r+") as opened:
            os.dup2(opened.fileno(), place)
    os.environ.clear()
    os.environ.update(life["env"])
    os.chdir(life["cwd"])
    warnings.simplefilter("error")
    sys.argv = life["argv"]
    if life["model"]:
        exec(MODEL.format(respond=life["model"]), {})
    main()


def warm() -> None:
    """Load and make everything once, in a demo that nobody sees."""
    with TemporaryDirectory() as home, Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        Path(home, "a.txt").write_text("The lighthouse of Northport was built in 1871.\n")
        question = "When was the lighthouse of Northport built?"
        sys.argv = ["axon", "demo", "--ask", question, "--over", home, "--no-faults", "--store", f"{home}/demo.db"]
        with suppress(SystemExit):
            main()


if __name__ == "__main__":
    warm()
    serve(live)
