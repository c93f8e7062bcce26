"""A store in one SQLite file: the default, which needs nothing but the file."""

from __future__ import annotations

import math
import os
import sqlite3
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from ..errors import InvalidOption
from . import _tables as tables
from ._errors import StoreDamaged, StoreError, StoreFull, StoreLocked, StoreUnavailable
from ._sql import Job, Link, SQLStore, Work

T = TypeVar("T")

Synchronous = Literal["full", "normal"]
"""When SQLite waits for the disk: at each commit, or at checkpoints only."""

EPOCHS = ("create table axon_epochs (last integer not null)", "insert into axon_epochs values (0)")
FULL = {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}
DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT", "SQLITE_ERROR", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH")


class SQLiteStore(SQLStore):
    """The `Store` protocol in the file `path`, safe with several processes of one machine.

    synchronous: `"full"` (the default) has each write on the disk before it returns: it survives the loss of power.
    `"normal"` leaves that to the operating system: it survives the death of the process, however sudden, and at a loss
    of power the last writes may be gone, later ones before earlier ones. docs/store.md has what each costs.
    busy_timeout: seconds that a request waits for another process, default 5, before it raises `StoreLocked`.

    The file is in WAL mode: beside it lie `-wal` and `-shm`, which belong to it and move with it. SQLite's locks need a
    local file system: for a network share, or several machines, use `PostgresStore`. One thread does all the work, and
    it may be used from any event loop. Raises `InvalidOption` for options it cannot have.

    SQLite on WAL: https://www.sqlite.org/wal.html
    """

    _TAKE_OVER = (
        "update axon_epochs set last = last + 1",
        tables.TAKE_OVER.format(next="(select last from axon_epochs)"),
    )

    def __init__(
        self, path: str | os.PathLike[str], *, synchronous: Synchronous = "full", busy_timeout: float = 5.0
    ) -> None:
        super().__init__(links=1)
        if str(path) in {"", ":memory:"} or str(path).startswith("file:") or "\0" in str(path):
            raise InvalidOption("path", path, "the path of a file (MemoryStore keeps journals in memory)")
        if synchronous not in get_args(Synchronous):
            raise InvalidOption("synchronous", synchronous, "'full' or 'normal'")
        if not 0 <= busy_timeout < math.inf:
            raise InvalidOption("busy_timeout", busy_timeout, "seconds, 0 or more")
        self.path: Path = Path(path).absolute()
        self.synchronous = synchronous
        self.busy_timeout = busy_timeout

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self.path)!r})"

    def _link(self) -> Link:
        return SQLiteLink(self)


class SQLiteLink(Link):
    """The connection of a `SQLiteStore`."""

    def __init__(self, store: SQLiteStore) -> None:
        super().__init__()
        self._store = store
        self._db: sqlite3.Connection | None = None
        self._file = (0, 0)

    def run(self, work: Work[T], *, writes: bool) -> T:
        """As `Link.run`."""
        try:
            db = self._connected()
            db.execute("begin immediate" if writes else "begin")
            with _committed(db):
                return work(db)
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter is a message about a damaged file
            named = self._named(error)
            if not isinstance(named, StoreLocked):  # what a connection remembers after a fault is not to be relied on
                with suppress(sqlite3.Error):
                    self.close()
            raise named from error

    def run_all(self, jobs: Sequence[Job[Any]]) -> None:
        """As `Link.run_all`, but those that wait at the same time share one commit, and with it the wait for the disk."""
        wanted = [job for job in jobs if not job.given_up]
        if len(wanted) > 1 and any(job.writes for job in wanted):
            outcomes: list[tuple[list[Any], StoreError | None]] = []
            try:
                outcomes = self.run(partial(_each, wanted), writes=True)
            except StoreLocked as error:
                outcomes = [([], error) for _ in wanted]  # none of them waits as long again
            except Exception:  # noqa: S110  # whose it is shows when each is tried alone
                pass
            for job, (answer, refused) in zip(wanted, outcomes, strict=False):
                job.answer, job.error = answer, refused
            wanted = wanted[len(outcomes) :]
        super().run_all(wanted)

    def close(self) -> None:
        """As `Link.close`."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _connected(self) -> sqlite3.Connection:
        if self._db is not None and self._file == self._on_disk():
            return self._db
        self.close()  # the file was moved or removed: what is written to it now would be lost
        store = self._store
        db = sqlite3.connect(store.path, timeout=store.busy_timeout, isolation_level=None, check_same_thread=False)
        try:
            db.text_factory = _text
            self._use_wal(db)
            db.execute("pragma cell_size_check = on")  # finds damaged pages earlier
            db.execute(f"pragma synchronous = {store.synchronous}")
            db.execute(f"pragma fullfsync = {int(store.synchronous == 'full')}")  # macOS: fsync alone does not flush
            if not _has_tables(db):
                _make_tables(db)
            tables.check_schema(db, repr(store))
        except BaseException:
            db.close()
            raise
        self._db, self._file = db, self._on_disk()
        return db

    def _use_wal(self, db: sqlite3.Connection) -> None:
        """The change of a new file to WAL does not wait by itself while another process is doing it."""
        due = time.monotonic() + self._store.busy_timeout
        mode = ""
        while not mode:
            try:
                (mode,) = db.execute("pragma journal_mode = wal").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > due:
                    raise
                threading.Event().wait(0.01)
        if mode != "wal":
            raise StoreUnavailable(f"{self._store!r} cannot be in WAL mode on this file system (it is in {mode!r})")

    def _on_disk(self) -> tuple[int, int]:
        try:
            found = self._store.path.stat()
        except OSError:
            return (0, 0)
        return found.st_dev, found.st_ino

    def _named(self, error: Exception) -> StoreError:
        code: str = getattr(error, "sqlite_errorname", "")
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return StoreLocked(repr(self._store), self._store.busy_timeout)
        what = f"{self._store!r}: {error}{f' ({code})' if code else ''}"
        if code in FULL:
            return StoreFull(what)
        if code.startswith(DAMAGED) or isinstance(error, UnicodeDecodeError):
            return StoreDamaged(what)
        return StoreUnavailable(what)


def _each(jobs: Sequence[Job[Any]], db: tables.Transaction) -> list[tuple[list[Any], StoreError | None]]:
    """Do each of the jobs wholly or not at all, in the transaction of all of them."""
    outcomes: list[tuple[list[Any], StoreError | None]] = []
    for job in jobs:
        db.execute("savepoint job")
        try:
            outcomes.append(([job.work(db)], None))
        except StoreError as refused:
            db.execute("rollback to job")
            outcomes.append(([], refused))
        db.execute("release job")
    return outcomes


def _has_tables(db: sqlite3.Connection) -> bool:
    return db.execute("select 1 from sqlite_master where name = 'axon_schema'").fetchone() is not None


def _make_tables(db: sqlite3.Connection) -> None:
    db.execute("begin immediate")
    with _committed(db):
        if not _has_tables(db):  # another process may have been first
            for statement in (*tables.TABLES.format(bytes="blob").split(";"), *EPOCHS):
                db.execute(statement)


@contextmanager
def _committed(db: sqlite3.Connection) -> Generator[None]:
    """The transaction that was begun ends with the block: wholly, or with an error not at all."""
    try:
        yield
        db.execute("commit")
    except BaseException:
        if db.in_transaction:
            db.execute("rollback")
        raise


def _text(data: bytes) -> str:
    """What is no text is damaged, which the checksum says with the place."""
    return data.decode("utf-8", "surrogateescape")
