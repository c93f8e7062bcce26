"""What can happen to a server: restarts, crashes, zombies that hold its locks, options that are wrong."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from places import BINARIES, Server, free_port

from axon import InvalidOption
from axon.store import PostgresStore, Record, Stale, StoreDamaged, StoreLocked, StoreUnavailable, _postgres

pytestmark = pytest.mark.real_clock

STEP = Record("step", b"body")


@pytest.fixture(scope="module")
def fragile() -> Iterator[Server]:
    """A server that tests may do to what they like, as long as they start it again."""
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="axon-pg-") as home:
        server = Server(Path(home), "-F")
        server.start()
        yield server
        server.stop(signal.SIGQUIT)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_store_goes_on_when_its_server_was_restarted(fragile: Server, how: signal.Signals) -> None:
    """In order or not; the request that finds the server gone waits for it to come back."""
    store = PostgresStore(fragile.schema(), reconnect=30)
    owner = await store.open("a")
    await store.append("a", [STEP], epoch=owner.epoch, version=0)
    await asyncio.to_thread(fragile.stop, how)
    appending = asyncio.ensure_future(store.append("a", [STEP], epoch=owner.epoch, version=1))
    await asyncio.sleep(0.3)
    assert not appending.done()
    await asyncio.to_thread(fragile.start)
    assert await appending == 2
    journal = await store.read("a")
    assert journal is not None
    assert (journal.epoch, journal.version) == (owner.epoch, 2)
    await store.close()


@pytest.mark.slow
async def test_a_server_that_does_not_come_back_is_unavailable_after_a_bounded_time(fragile: Server) -> None:
    store = PostgresStore(fragile.schema(), reconnect=0.3)
    await store.open("a")
    await asyncio.to_thread(fragile.stop)
    with pytest.raises(StoreUnavailable, match="connection"):
        await store.read("a")
    await asyncio.to_thread(fragile.start)
    assert await store.read("a") is not None
    await store.close()


async def test_a_server_that_was_never_there_is_unavailable_at_once() -> None:
    store = PostgresStore(f"host=127.0.0.1 port={free_port()} user=axon password=secret", reconnect=30)
    with pytest.raises(StoreUnavailable, match=r"[Cc]onnection refused") as caught:
        await store.open("a")
    assert "secret" not in str(caught.value)
    await store.close()


async def test_a_connection_that_the_server_ended_is_replaced(server: Server) -> None:
    dsn = server.schema()
    store = PostgresStore(dsn, connections=1)
    owner = await store.open("a")
    end_sessions(dsn)
    assert await store.append("a", [STEP], epoch=owner.epoch, version=0) == 1
    await store.close()


class Unsure(psycopg.Connection[Any]):
    """A connection that is lost between the commit and its acknowledgement."""

    def commit(self) -> None:
        super().commit()
        self.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")


async def test_a_write_is_not_repeated_when_its_commit_may_have_been_done(server: Server) -> None:
    """The writer is told that it cannot know, and reads."""
    dsn = server.schema()
    store = PostgresStore(dsn, connections=1)
    owner = await store.open("a")
    link: Any = store._links[0][0]
    link._db.close()
    link._db = Unsure.connect(dsn)
    with pytest.raises(StoreUnavailable, match="server closed the connection"):
        await store.append("a", [STEP], epoch=owner.epoch, version=0)
    journal = await store.read("a")
    assert journal is not None
    assert journal.version == 1
    with pytest.raises(Stale):
        await store.append("a", [STEP], epoch=owner.epoch, version=0)
    await store.close()


@pytest.mark.slow
async def test_a_process_that_stopped_in_the_middle_of_a_write_holds_nobody_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the session of such a zombie, here after 0.3 s, and its write was never done."""
    monkeypatch.setattr(_postgres, "SESSION", _postgres.SESSION.replace("'5s'", "'300ms'"))
    dsn = server.schema()
    store, zombie = PostgresStore(dsn), PostgresStore(dsn)
    owner = await store.open("a")
    link: Any = zombie._link()
    db = await asyncio.to_thread(link._connected)
    await asyncio.to_thread(db.execute, "update axon_journals set version = 7")
    assert await store.append("a", [STEP], epoch=owner.epoch, version=0) == 1
    link.close()
    db.close()
    await store.close()


@pytest.mark.slow
async def test_a_lock_that_another_session_keeps_is_an_error_after_a_bounded_time(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_postgres, "SESSION", _postgres.SESSION.replace("'10s'", "'100ms'"))
    dsn = server.schema()
    store = PostgresStore(dsn)
    owner = await store.open("a")
    with psycopg.connect(dsn) as other:
        other.execute("update axon_journals set version = 7")
        with pytest.raises(StoreLocked):
            await store.append("a", [STEP], epoch=owner.epoch, version=0)
        other.rollback()
    assert await store.append("a", [STEP], epoch=owner.epoch, version=0) == 1
    await store.close()


async def test_a_server_that_would_acknowledge_early_is_told_not_to(server: Server) -> None:
    """`synchronous_commit = off` is not what the store promises; anything stronger is left as it is."""
    dsn = server.schema().replace("options='", "options='-c synchronous_commit=off ")
    for asked, kept in (("off", "on"), ("remote_apply", "remote_apply")):
        store = PostgresStore(dsn.replace("=off ", f"={asked} "))
        await store.open("a")
        links: Any = [link for link, _ in store._links]
        (db,) = [link._db for link in links if link._db is not None]
        assert db.execute("show synchronous_commit").fetchone() == (kept,)
        db.rollback()
        await store.close()


async def test_tables_that_were_taken_away_are_damage(server: Server) -> None:
    dsn = server.schema()
    store = PostgresStore(dsn)
    await store.open("a")
    with psycopg.connect(dsn) as db:
        db.execute("drop table axon_records")
    with pytest.raises(StoreDamaged, match="axon_records"):
        await store.read("a")
    await store.close()


async def test_a_store_is_shown_without_its_password() -> None:
    store = PostgresStore("postgresql://ann:secret@db.example.org:5433/agents")
    assert repr(store) == "PostgresStore('host=db.example.org port=5433 dbname=agents user=ann')"
    await store.close()


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"dsn": "host=a nonsense password=secret"}, "dsn"),
        ({"dsn": "ftp://a"}, "dsn"),
        ({"connections": 0}, "connections"),
        ({"connections": "4"}, "connections"),
        ({"reconnect": -1}, "reconnect"),
        ({"reconnect": float("nan")}, "reconnect"),
    ],
)
def test_options_a_store_cannot_have_are_refused(wrong: dict[str, Any], option: str) -> None:
    options: dict[str, Any] = {"dsn": "host=127.0.0.1"}
    with pytest.raises(InvalidOption, match=f"^{option} must be") as caught:
        PostgresStore(**(options | wrong))
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_without_psycopg_the_room_can_be_imported_and_the_store_says_what_is_missing() -> None:
    program = """
import sys
import tempfile
sys.modules["psycopg"] = None
from axon.store import PostgresStore, SQLiteStore
SQLiteStore("axon.db")
try:
    PostgresStore("host=127.0.0.1")
except Exception as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'axon-otp[postgres]'" in done.stdout


def end_sessions(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and state = 'idle'"
        )
