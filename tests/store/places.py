"""Where the stores of the tests keep their data, so that a second store can be opened on what a first one wrote."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import psycopg

from axon.store import MemoryStore, PostgresStore, SQLiteStore, Store

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [
    Path(found).parent for found in [shutil.which("initdb")] if found
]


class Place(Protocol):
    """Data of one test; `store()` is a new store on it, as another process would make one, and `code` an expression."""

    @property
    def code(self) -> str: ...
    def store(self) -> Store: ...


class Durable(Place, Protocol):
    """A place that other processes can reach, with a door behind the store's back."""

    def sql(self, *statements: str) -> list[Any]: ...


class InMemory:
    code = "MemoryStore()"

    def __init__(self) -> None:
        self._store = MemoryStore()

    def store(self) -> Store:
        return self._store


class InFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.code = f"SQLiteStore({str(path)!r})"

    def store(self) -> SQLiteStore:
        return SQLiteStore(self.path)

    def sql(self, *statements: str) -> list[Any]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            return [db.execute(statement).fetchall() for statement in statements]


class InPostgres:
    def __init__(self, server: Server) -> None:
        self.dsn = server.schema()
        self.code = f"PostgresStore({self.dsn!r}, connections=2)"

    def store(self) -> PostgresStore:
        return PostgresStore(self.dsn, connections=2)

    def sql(self, *statements: str) -> list[Any]:
        with psycopg.connect(self.dsn, autocommit=True) as db:
            done = [db.execute(statement.encode()) for statement in statements]
            return [result.fetchall() if result.description else [] for result in done]


class Server:
    """A PostgreSQL server of its own in `home`. It refuses to run as root, so as root it is nobody's."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self._options = options
        self.port = free_port()
        self.data = home / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
        if self._as_nobody:
            os.chown(home, 65534, 65534)
        program = [str(BINARIES[-1] / "initdb"), "-D", str(self.data), "-A", "trust", "-U", "axon", "--no-sync"]
        subprocess.run([*self._as_nobody, *program], check=True, capture_output=True)

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=axon dbname=postgres"

    def start(self) -> None:
        options = ["-D", str(self.data), "-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.home), *self._options]
        with (self.home / "log").open("ab") as log:
            program = [*self._as_nobody, str(BINARIES[-1] / "postgres"), *options]
            self._process = subprocess.Popen(program, stdout=log, stderr=log)
        ready = [str(BINARIES[-1] / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(300):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            time.sleep(0.02)
        raise AssertionError((self.home / "log").read_text())

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends it in order, SIGQUIT at once, and its next start recovers."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait()

    def schema(self) -> str:
        """A dsn whose tables are its own."""
        name = f"test_{uuid4().hex}"
        with psycopg.connect(self.dsn, autocommit=True) as db:
            db.execute(f"create schema {name}".encode())
        return f"{self.dsn} options='-c search_path={name}'"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
