"""What can happen to a file: cut, damaged, full, locked, moved, of another kind."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from axon import InvalidOption
from axon.store import (
    ApprovalExists,
    ApprovalRequest,
    Journal,
    Record,
    SQLiteStore,
    Stale,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreUnavailable,
)

pytestmark = pytest.mark.real_clock


def record(number: int) -> Record:
    return Record("step", str(number).encode() * (number * 37 % 400 + 1))


async def grown(store: SQLiteStore, count: int) -> Journal:
    owner = await store.open("a")
    for version in range(owner.version, owner.version + count):
        await store.append("a", [record(version + 1)], epoch=owner.epoch, version=version)
    journal = await store.read("a")
    assert journal is not None
    return journal


async def read_and_close(store: SQLiteStore) -> Journal | None:
    try:
        return await store.read("a")
    finally:
        await store.close()


class Crashed:
    """Files as a crash left them: 40 records in the log, none of them in the main file, and where each ends."""

    def __init__(self, home: Path) -> None:
        self.file = home / "axon.db"
        self.log = home / "axon.db-wal"
        self.ends: list[int] = []
        asyncio.run(self.write(home))

    async def write(self, home: Path) -> None:
        store = SQLiteStore(home / "living.db")
        owner = await store.open("a")
        await store.close()  # from here on the log alone has what happens
        for version in range(40):
            await store.append("a", [record(version + 1)], epoch=owner.epoch, version=version)
            self.ends.append((home / "living.db-wal").stat().st_size)
        shutil.copy(home / "living.db", self.file)
        shutil.copy(home / "living.db-wal", self.log)
        await store.close()

    def copied(self, home: Path) -> Path:
        home.mkdir(exist_ok=True)
        for old in home.iterdir():
            old.unlink()
        shutil.copy(self.file, home / "axon.db")
        shutil.copy(self.log, home / "axon.db-wal")
        return home / "axon.db"


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crashed]:
    crashed = Crashed(tmp_path_factory.mktemp("crashed"))
    before = crashed.log.read_bytes()
    yield crashed
    assert crashed.log.read_bytes() == before


PROPERTY = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=100
)


@pytest.mark.slow
@PROPERTY
@given(st.data())
def test_a_log_cut_anywhere_has_every_commit_before_the_cut(crashed: Crashed, tmp_path: Path, data: Any) -> None:
    """The last one that ends before it, too; and the store can be written to again."""
    cut = data.draw(st.integers(0, crashed.ends[-1]) | st.sampled_from(crashed.ends).map(lambda end: end - 1))
    path = crashed.copied(tmp_path / "cut")
    with path.with_name("axon.db-wal").open("r+b") as log:
        log.truncate(cut)

    async def check() -> None:
        store = SQLiteStore(path)
        journal = await store.open("a")
        assert journal.version == sum(end <= cut for end in crashed.ends)
        assert [entry.record for entry in journal.entries] == [record(n + 1) for n in range(journal.version)]
        await store.append("a", [record(0)], epoch=journal.epoch, version=journal.version)
        await store.close()

    asyncio.run(check())


@pytest.mark.slow
@PROPERTY
@given(st.data())
def test_a_damaged_log_never_gives_another_history(crashed: Crashed, tmp_path: Path, data: Any) -> None:
    """Every commit before the damage is there as it was; what follows is not read, or the error is a named one."""
    place = data.draw(st.integers(0, crashed.ends[-1] - 1))
    path = crashed.copied(tmp_path / "damaged")
    flip(path.with_name("axon.db-wal"), place, data.draw(st.integers(1, 255)))
    try:
        journal = asyncio.run(read_and_close(SQLiteStore(path)))
    except StoreError:
        return
    assert journal is not None
    assert [entry.record for entry in journal.entries] == [record(n + 1) for n in range(journal.version)]
    assert journal.version >= sum(end <= place for end in crashed.ends)


@pytest.mark.slow
@PROPERTY
@given(st.data())
def test_a_damaged_file_never_gives_another_history(crashed: Crashed, tmp_path: Path, data: Any) -> None:
    path = crashed.copied(tmp_path / "damaged")
    with closing(sqlite3.connect(path)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    flip(path, data.draw(st.integers(0, path.stat().st_size - 1)), data.draw(st.integers(1, 255)))
    try:
        journal = asyncio.run(read_and_close(SQLiteStore(path)))
    except StoreError:
        return
    assert journal is not None
    assert [entry.record for entry in journal.entries] == [record(n + 1) for n in range(40)]


def flip(path: Path, place: int, mask: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= mask
    path.write_bytes(data)


class Small(SQLiteStore):
    """A store whose disk has room for some pages only."""

    pages = 40

    def _link(self) -> Any:
        link: Any = super()._link()
        connect = link._connected

        def connected() -> sqlite3.Connection:
            db: sqlite3.Connection = connect()
            db.execute(f"pragma max_page_count = {self.pages}")
            return db

        link._connected = connected
        return link


async def test_a_full_disk_is_a_named_error_and_nothing_is_lost(tmp_path: Path) -> None:
    store = Small(tmp_path / "axon.db")
    journal = await grown(store, 5)
    with pytest.raises(StoreFull, match="full"):
        await store.append("a", [record(6), Record("big", bytes(300_000))], epoch=journal.epoch, version=5)
    assert await store.read("a") == journal
    store.pages = 10_000
    assert await store.append("a", [Record("big", bytes(300_000))], epoch=journal.epoch, version=5) == 6
    await store.close()


@pytest.mark.slow
async def test_when_the_system_refuses_to_write_what_was_acknowledged_stays(tmp_path: Path) -> None:
    """A limit of the operating system on the size of files, which the log meets in the middle of a write."""
    program = f"""
import asyncio, resource
from axon.store import Record, SQLiteStore, StoreUnavailable
async def main():
    store = SQLiteStore({str(tmp_path / "axon.db")!r})
    owner = await store.open("a")
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    version = 0
    try:
        while True:
            version = await store.append("a", [Record("step", bytes(3000))], epoch=owner.epoch, version=version)
    except StoreUnavailable as error:
        print(version, type(error).__name__)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal = await store.read("a")
    assert journal.version == version, journal.version
    await store.append("a", [Record("after", b"")], epoch=owner.epoch, version=version)
asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    acknowledged = int(done.stdout.split()[0])
    assert acknowledged > 5
    store = SQLiteStore(tmp_path / "axon.db")
    journal = await store.read("a")
    assert journal is not None
    assert journal.version == acknowledged + 1
    await store.close()


async def test_a_store_that_another_process_holds_is_locked_for_a_bounded_time(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "axon.db", busy_timeout=0.05)
    journal = await grown(store, 1)
    with closing(sqlite3.connect(tmp_path / "axon.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(StoreLocked, match=r"locked by another process for more than 0\.05 s"):
            await store.append("a", [record(2)], epoch=journal.epoch, version=1)
        assert await store.read("a") == journal, "readers do not wait for the writer"
        other.execute("rollback")
    assert await store.append("a", [record(2)], epoch=journal.epoch, version=1) == 2
    await store.close()


@pytest.mark.parametrize("too_big", [False, True])
async def test_requests_that_share_a_commit_succeed_and_fail_each_for_itself(tmp_path: Path, too_big: bool) -> None:
    """One is stale, one asks for an approval twice, one does not fit on the disk: what they had written is undone."""
    store = Small(tmp_path / "axon.db")
    owners = [await store.open(f"agent-{number}") for number in range(10)]
    bodies = [b"small"] * 9 + [bytes(300_000 if too_big else 1)]
    requests = [
        asyncio.ensure_future(
            store.append(
                owner.key,
                [Record("step", body)],
                epoch=owner.epoch,
                version=int(owner is owners[3]),
                approvals=[ApprovalRequest("q")] * 2 if owner is owners[7] else (),
            )
        )
        for owner, body in zip(owners, bodies, strict=True)
    ]
    await asyncio.sleep(0)
    requests[5].cancel()
    done = await asyncio.gather(*requests, return_exceptions=True)
    kinds = [type(outcome) for outcome in done]
    assert kinds[:5] == [int, int, int, Stale, int]
    assert kinds[6:] == [int, ApprovalExists, int, StoreFull if too_big else int]
    versions = {head.key: head.version for head in await store.heads()}
    del versions["agent-5"]
    assert list(versions.values()) == [1, 1, 1, 0, 1, 1, 0, 1, int(not too_big)]
    assert await store.approvals() == []
    await store.close()


async def test_requests_that_wait_together_for_a_lock_wait_no_longer_than_one(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "axon.db", busy_timeout=0.1)
    owners = [await store.open(f"agent-{number}") for number in range(50)]
    with closing(sqlite3.connect(tmp_path / "axon.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        requests = [store.append(owner.key, [record(1)], epoch=owner.epoch, version=0) for owner in owners]
        async with asyncio.timeout(2):
            done = await asyncio.gather(*requests, return_exceptions=True)
    assert {type(outcome) for outcome in done} == {StoreLocked}
    await store.close()


async def test_a_request_whose_caller_goes_away_before_it_began_is_never_done(tmp_path: Path) -> None:
    """Not later either, with the next request."""
    store = SQLiteStore(tmp_path / "axon.db")
    owner = await store.open("a")
    with closing(sqlite3.connect(tmp_path / "axon.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        first = asyncio.ensure_future(store.append("a", [record(1)], epoch=owner.epoch, version=0))
        await asyncio.sleep(0.05)  # it waits for the lock, in the thread
        second = asyncio.ensure_future(store.append("a", [record(2)], epoch=owner.epoch, version=1))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        other.execute("rollback")
    assert await first == 1
    journal = await store.read("a")
    assert journal is not None
    assert [entry.record for entry in journal.entries] == [record(1)]
    await store.close()


async def test_another_kind_of_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"buy milk\n" * 1000)
    with pytest.raises(StoreDamaged, match="not a database"):
        await read_and_close(SQLiteStore(path))
    assert path.read_bytes() == b"buy milk\n" * 1000


async def test_a_folder_that_is_not_there_is_a_named_error(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "no" / "axon.db")
    with pytest.raises(StoreUnavailable, match="unable to open") as caught:
        await store.open("a")
    assert str(tmp_path / "no" / "axon.db") in str(caught.value)
    await store.close()


async def test_nothing_is_written_to_a_file_that_was_moved_away(tmp_path: Path) -> None:
    """SQLite would go on writing where nobody looks any more."""
    store = SQLiteStore(tmp_path / "axon.db")
    journal = await grown(store, 2)
    (tmp_path / "away").mkdir()
    for name in ("axon.db", "axon.db-wal", "axon.db-shm"):
        (tmp_path / name).rename(tmp_path / "away" / name)
    with pytest.raises(StoreError, match="there is no such journal"):
        await store.append("a", [record(3)], epoch=journal.epoch, version=2)
    await store.close()
    assert await read_and_close(SQLiteStore(tmp_path / "away" / "axon.db")) == journal


@pytest.mark.parametrize(("option", "level"), [("full", 2), ("normal", 1)])
async def test_synchronous_is_what_was_asked_for(tmp_path: Path, option: Any, level: int) -> None:
    store = SQLiteStore(tmp_path / "axon.db", synchronous=option)
    await store.open("a")
    link: Any = store._links[0][0]
    assert link._db.execute("pragma synchronous").fetchone() == (level,)
    assert link._db.execute("pragma journal_mode").fetchone() == ("wal",)
    await store.close()


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"path": ":memory:"}, "path"),
        ({"path": ""}, "path"),
        ({"path": "file:a.db"}, "path"),
        ({"path": "a\0b"}, "path"),
        ({"synchronous": "off"}, "synchronous"),
        ({"busy_timeout": -1}, "busy_timeout"),
        ({"busy_timeout": float("inf")}, "busy_timeout"),
    ],
)
def test_options_a_store_cannot_have_are_refused(wrong: dict[str, Any], option: str) -> None:
    options: dict[str, Any] = {"path": "axon.db"}
    with pytest.raises(InvalidOption, match=f"^{option} must be"):
        SQLiteStore(**(options | wrong))


async def test_a_store_serves_several_loops(tmp_path: Path) -> None:
    """Two at once, in two threads: the requests meet in the thread of the store."""
    store = SQLiteStore(tmp_path / "axon.db")
    owner = await store.open("a")
    await store.append("a", [record(1)], epoch=owner.epoch, version=0)
    seen: list[Journal] = []
    other = threading.Thread(target=lambda: seen.append(asyncio.run(grown(store, 10))))
    other.start()
    while other.is_alive():
        await store.heads()
    other.join()
    assert seen == [await store.read("a")]
    assert seen[0].version == 11
    await store.close()


def test_a_store_in_use_is_refused_after_a_fork(tmp_path: Path) -> None:
    """Neither its thread nor its locks are there in the child; a request would wait for ever."""
    program = f"""
import asyncio, os, sys
from axon.store import SQLiteStore, StoreUnavailable
store = SQLiteStore({str(tmp_path / "axon.db")!r})
asyncio.run(store.open("a"))
if (child := os.fork()) == 0:
    try:
        asyncio.run(store.open("a"))
    except StoreUnavailable as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(asyncio.run(store.open("a")).version)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    refused, version = done.stdout.splitlines()
    assert "was in use when this process was forked" in refused
    assert version == "0"
