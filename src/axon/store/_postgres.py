"""A store in PostgreSQL: for agents on several machines, or where a PostgreSQL server is there anyway."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from ..errors import InvalidOption
from . import _tables as tables
from ._errors import StoreDamaged, StoreError, StoreFull, StoreLocked, StoreUnavailable
from ._sql import Link, SQLStore, Work

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")

LOCK_TIMEOUT = 10
"""Seconds that a request waits for another process, which the server gives half of that before it ends its session."""
RETRY = 0.1
"""Seconds between two attempts to reach a server that went away."""

SESSION = f"""
    select set_config('idle_in_transaction_session_timeout', '{LOCK_TIMEOUT // 2}s', false),
    set_config('lock_timeout', '{LOCK_TIMEOUT}s', false),
    set_config('synchronous_commit', case current_setting('synchronous_commit') when 'off' then 'on'
    else current_setting('synchronous_commit') end, false)
"""
"""A process that stops in the middle of a write holds nobody up for long, and a commit is on the disk when it returns."""

UNREACHABLE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""When a machine that does not answer at all is given up, after 25 s; libpq's options. What the dsn says goes first."""

# SQLSTATEs, or the classes they begin with: https://www.postgresql.org/docs/current/errcodes-appendix.html
PASSING = ("08", "40", "57P0", "25P03")
LOCKED = ("55P03", "57014", "40")
FULL = ("53100",)
DAMAGED = ("XX001", "XX002", "42P01", "42703", "23")

MAKING_TABLES = 0x61786F6E
"""The advisory lock of whoever makes the tables: "axon"."""


class PostgresStore(SQLStore):
    """The `Store` protocol in a PostgreSQL database, for any number of processes and machines.

    Needs the extra: `pip install 'axon-otp[postgres]'`. dsn: a libpq connection string or URL; its user may make tables,
    which are named `axon_…`. connections: how many there are at most, default 4; each has a thread, and the requests
    about one key take the same one. reconnect: seconds that a request waits for a server that went away to come back,
    default 10; then it raises `StoreUnavailable`. A write that was under way when the connection broke is done again
    only if it had not come to its commit; otherwise it raises `StoreUnavailable`, and a `read` tells.

    It may be used from any event loop. Raises `InvalidOption` for options it cannot have, and when psycopg is missing.

    psycopg: https://www.psycopg.org/psycopg3/docs/
    """

    _TAKE_OVER = (tables.TAKE_OVER.format(next="nextval('axon_epochs')"),)

    def __init__(self, dsn: str, *, connections: int = 4, reconnect: float = 10.0) -> None:
        super().__init__(links=connections)
        if not isinstance(connections, int) or not 1 <= connections <= 1000:
            raise InvalidOption("connections", connections, "a number from 1 to 1000")
        if not 0 <= reconnect < math.inf:
            raise InvalidOption("reconnect", reconnect, "seconds, 0 or more")
        try:
            from psycopg import ProgrammingError, conninfo
        except ModuleNotFoundError as error:
            message = f"used with psycopg installed ({error.name} is missing): pip install 'axon-otp[postgres]'"
            raise InvalidOption("store", "PostgresStore", message) from None
        try:
            given = conninfo.conninfo_to_dict(dsn)
            self._conninfo = conninfo.make_conninfo(
                dsn, **{name: UNREACHABLE[name] for name in UNREACHABLE if name not in given}
            )
        except ProgrammingError:
            raise InvalidOption("dsn", "(not shown: it may hold a password)", "a libpq connection string") from None
        self._where = " ".join(f"{name}={given[name]}" for name in ("host", "port", "dbname", "user") if name in given)
        self.reconnect = reconnect
        self.was_reached = False

    def __repr__(self) -> str:
        """Where it is, without its password."""
        return f"PostgresStore({self._where!r})"

    def _link(self) -> Link:
        return PostgresLink(self)


class PostgresLink(Link):
    """One of the connections of a `PostgresStore`."""

    def __init__(self, store: PostgresStore) -> None:
        super().__init__()
        self._store = store
        self._db: psycopg.Connection | None = None

    def run(self, work: Work[T], *, writes: bool) -> T:
        """As `Link.run`."""
        import psycopg

        due = time.monotonic() + self._store.reconnect
        while True:
            committing = False
            try:
                db = self._db = self._db or self._connected()
                result = work(_Statements(db))
                committing = True
                db.commit()
            except psycopg.Error as error:
                again = self._is_lost(error) and self._store.was_reached and not (committing and writes)
                self._roll_back()
                if not again or time.monotonic() >= due:
                    raise self._named(error) from error
                threading.Event().wait(RETRY)
            except BaseException:
                self._roll_back()
                raise
            else:
                return result

    def close(self) -> None:
        """As `Link.close`."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _connected(self) -> psycopg.Connection:
        import psycopg

        db = psycopg.connect(self._store._conninfo)
        try:
            db.execute(SESSION.encode())
            if not _has_tables(db):
                db.execute("select pg_advisory_xact_lock(%s)", (MAKING_TABLES,))
                if not _has_tables(db):  # another process may have been first
                    db.execute((tables.TABLES.format(bytes="bytea") + "; create sequence axon_epochs").encode())
            tables.check_schema(_Statements(db), repr(self._store))
            db.commit()
        except BaseException:
            db.close()
            raise
        self._store.was_reached = True
        return db

    def _is_lost(self, error: psycopg.Error) -> bool:
        """Whether the transaction ended for a reason that another attempt may not meet."""
        return self._db is None or self._db.closed or (error.sqlstate or "").startswith(PASSING)

    def _roll_back(self) -> None:
        if self._db is None:
            return
        try:
            self._db.rollback()
        except Exception:  # whatever is wrong with it, another one will do
            self.close()
        else:
            if self._db.closed:
                self.close()

    def _named(self, error: psycopg.Error) -> StoreError:
        state = error.sqlstate or ""
        if state.startswith(LOCKED):
            return StoreLocked(repr(self._store), LOCK_TIMEOUT)
        what = f"{self._store!r}: {str(error).strip() or repr(error)}{f' ({state})' if state else ''}"
        if state.startswith(FULL):
            return StoreFull(what)
        if state.startswith(DAMAGED):
            return StoreDamaged(what)
        return StoreUnavailable(what)


class _Statements:
    """A connection as `Transaction` wants it: each statement has a result of its own."""

    def __init__(self, db: psycopg.Connection) -> None:
        self._db = db

    def execute(self, sql: str, values: Sequence[object] = (), /) -> tables.Result:
        return self._db.execute(sql.replace("?", "%s").encode(), values, binary=True)


def _has_tables(db: psycopg.Connection) -> bool:
    """Asks the catalog itself: the names that a session remembers may be from before another one made the tables."""
    found = db.execute(
        "select 1 from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
        " where relname = 'axon_schema' and nspname = current_schema()"
    )
    return found.fetchone() is not None
