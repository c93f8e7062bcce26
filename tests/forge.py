"""A process that has loaded everything, and makes others of itself: each of them a real one that can be killed.

To load pydantic-ai takes longer than a turn of a test's agent, so it is done once: `Forge` starts a program, which loads
what it needs and then has `serve` fork a process for each life it is asked for. It runs no thread and no event loop then,
and each child opens what it needs itself.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONGEST = 45
"""Seconds after which a life that hangs is ended, with SIGALRM."""


class Forge:
    """Starts lives, as its program has them, and says how they ended."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(program)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, life: dict[str, Any]) -> int:
        """A process that lives this life; returns its id. It must be waited for."""
        return self._ask(life)

    def wait(self, pid: int) -> int:
        """How the process ended: its exit status, or the number of a signal, negative."""
        return self._ask(pid)

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0

    def _ask(self, question: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


def serve(live: Callable[[dict[str, Any]], object]) -> None:
    """The rest of a forge's program: a process for each life that is asked for. What `live` returns from ends with 0."""
    gc.collect()
    gc.freeze()  # what is here now the children share
    for line in sys.stdin:
        question = json.loads(line)
        if isinstance(question, int):
            _, status = os.waitpid(question, 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            assert threading.active_count() == 1, "threads do not survive a fork"
            answer = os.fork()
            if answer == 0:
                signal.alarm(LONGEST)
                live(question)
                return
        print(answer, flush=True)
