"""A program with servers in processes of their own, to be ended from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from port_marks import is_alive

HERE = Path(__file__).parent


class Running:
    """A program that has said who its processes are."""

    def __init__(self, said: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "port_program.py"), str(said)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        assert self.process.stdout is not None
        told = json.loads(self.process.stdout.readline())
        self.pids: list[int] = told["pids"]
        self.guard: int = told["guard"]
        assert all(map(is_alive, self.pids))

    def ends(self) -> int:
        status = self.process.wait(30)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        return status
