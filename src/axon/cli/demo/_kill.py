"""The store of a demo: it counts what is written, and ends the program with SIGKILL where `--kill-at` says."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from axon.agent import Boundary
from axon.store import ApprovalRequest, Record, SQLiteStore

from ._session import KEY


class NoSuchStep(ValueError):
    """The step of `--kill-at` is none."""

    def __init__(self, value: str) -> None:
        steps = ", ".join(Boundary)
        super().__init__(f"--kill-at {value!r}: a number of steps from 1 is needed, or the name of one: {steps}")
        self.option, self.value = "--kill-at", value


def checked_step(value: str | None) -> int | Boundary | None:
    """The step of `--kill-at`. Raises `NoSuchStep`."""
    if value is None:
        return None
    if value in set(Boundary):
        return Boundary(value)
    if not (value.isascii() and value.isdigit()) or int(value) < 1:
        raise NoSuchStep(value)
    return int(value)


class DemoStore(SQLiteStore):
    """A SQLite store that kills its process as soon as a step of an agent is written.

    kill_at: how many steps, or which; default none. say: told that it happens now.
    """

    def __init__(self, path: Path, kill_at: int | Boundary | None, say: Callable[[str], None]) -> None:
        super().__init__(path)
        self.written: Counter[str] = Counter()
        """The steps that agents wrote in this process."""
        self._kill_at = kill_at
        self._say = say

    async def append(
        self,
        key: str,
        records: Sequence[Record],
        *,
        epoch: int,
        version: int,
        marker: str | None = None,
        approvals: Sequence[ApprovalRequest] = (),
    ) -> int:
        """As `Store.append`."""
        done = await super().append(key, records, epoch=epoch, version=version, marker=marker, approvals=approvals)
        if key != KEY:
            kinds = [record.kind for record in records]
            self.written.update(kinds)
            if self._kill_at in kinds or (isinstance(self._kill_at, int) and self.written.total() >= self._kill_at):
                self._say(f"step {self.written.total()} ({kinds[-1]}) is written: kill -9 {os.getpid()}")
                os.kill(os.getpid(), signal.SIGKILL)
        return done
