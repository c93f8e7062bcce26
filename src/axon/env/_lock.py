"""Locks between processes, which end with whoever holds them: SQLite's own, on empty files, on every system."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from ._threads import off_loop

FIRST_LOOK = 0.01
"""Seconds after which who waits for a lock looks again; then twice as many, and so on, up to `LAST_LOOK`."""
LAST_LOOK = 0.25
"""See `FIRST_LOOK`."""


class Lock:
    """A lock on the file `path`, which is made if it is not there, and never removed: somebody may be waiting for it.

    `"exclusive"` is held by one alone, `"shared"` by many. Objects are independent of each other, in one process, too.
    All methods block, for the time a file takes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: sqlite3.Connection | None = None

    def take(self, how: Literal["shared", "exclusive"]) -> bool:
        """Take it, at once; returns False if somebody else has it. Raises `OSError` if there can be no such file."""
        if not self._path.exists():
            self._path.touch()
        db: sqlite3.Connection | None = None
        try:
            db = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
            db.execute("pragma journal_mode=memory")  # nothing is written, so it is to be had on a full disk
            if how == "exclusive":
                db.execute("begin exclusive")
            else:
                db.execute("begin")
                db.execute("select count(*) from sqlite_master").fetchall()
        except BaseException as error:
            if db is not None:
                db.close()
            if not isinstance(error, sqlite3.Error):
                raise
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                return False
            raise OSError(f"there can be no lock {self._path}: {error}") from error
        before, self._held = self._held, db
        if before is not None:  # two threads have taken it for the same holder
            before.close()
        return True

    @property
    def held(self) -> bool:
        """Whether this object has it."""
        return self._held is not None

    def release(self) -> None:
        """Let others have it; a second time changes nothing."""
        held, self._held = self._held, None
        if held is not None:
            held.close()


@asynccontextmanager
async def locked(lock: Lock) -> AsyncGenerator[None]:
    """The block has the lock exclusively, and waits for it without blocking the loop. Raises `OSError` as `take`."""
    pause = FIRST_LOOK
    try:
        while not await off_loop(lambda stopped: lock.take("exclusive")):
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_LOOK)
        yield
    finally:
        lock.release()
