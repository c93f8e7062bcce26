"""Where a demo keeps its journal, and how no two demos have the same."""

from __future__ import annotations

import os
import shlex
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


class StoreNotUsable(ValueError):
    """The store of `--store` cannot be used: it is damaged, of a newer Axon, or another demo has it."""

    def __init__(self, value: str, problem: str) -> None:
        super().__init__(f"--store {value!r}: {problem}")
        self.option, self.value = "--store", value


class NothingToResume(ValueError):
    """`--resume` finds no demo that is not finished."""

    status = 3
    """The exit status that tells it from an option that cannot be used."""

    def __init__(self, where: str) -> None:
        super().__init__(f"--resume: there is nothing to resume: {where}")
        self.option, self.value = "--resume", True


class Place:
    """The file of the store, and the files beside it: `.lock`, which the demo holds, and `.effects`.

    path: the file. given: whether `--store` named it; others are removed when their demo is finished.
    """

    def __init__(self, path: Path, *, given: bool) -> None:
        self.path = path
        self.given = given
        self.effects: Path = path.with_name(f"{path.name}.effects")
        self._lock_file = path.with_name(f"{path.name}.lock")
        self._lock: sqlite3.Connection | None = None

    @property
    def resume(self) -> str:
        """The command that goes on with a demo kept here."""
        return f"`axon demo --resume{f' --store {shlex.quote(str(self.path))}' if self.given else ''}`"

    def hold(self) -> bool:
        """Lock it until the end of this process, however it ends; returns False if another process has it.

        SQLite's own lock, on an empty database: it works on every system, and `kill -9` releases it. Raises
        `StoreNotUsable` if there can be no file.
        """
        try:
            self._lock = sqlite3.connect(self._lock_file, timeout=0, isolation_level=None)
            self._lock.execute("begin exclusive")
        except sqlite3.Error as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            self.release()
            if busy:
                return False
            raise StoreNotUsable(str(self.path), f"there can be no lock beside it: {error}") from error
        return True

    def release(self) -> None:
        """Let others have it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def remove(self) -> None:
        """Remove what was kept, the lock last: until then nobody else looks."""
        for suffix in ("", "-wal", "-shm", ".effects", ".lock"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def new_place(store: str | None) -> Place:
    """Where a demo that begins is kept: in the file of `--store`, or in a new one. Raises `StoreNotUsable`."""
    if store is not None:
        return _given(store)
    folder = state_folder()
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    given = not os.access(folder, os.W_OK)
    if given:  # where no later `--resume` would look by itself
        folder = Path(tempfile.mkdtemp(prefix="axon-demo-"))
    return Place(folder / f"demo-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.db", given=given)


def old_places(store: str | None) -> Iterator[Place]:
    """Where a demo to go on with may be: in the file of `--store`, or in one of those made by default, latest first.
    Raises `StoreNotUsable`.
    """
    if store is not None:
        yield _given(store)
        return
    for path in sorted(state_folder().glob("demo-*.db"), reverse=True):
        yield Place(path, given=False)


def _given(store: str) -> Place:
    if not Path(store).name or "\0" in store:
        raise StoreNotUsable(store, "this cannot be the name of a file")
    return Place(Path(store), given=True)


def state_folder() -> Path:
    """The folder for what programs keep of themselves, Axon's part of it."""
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "axon"
