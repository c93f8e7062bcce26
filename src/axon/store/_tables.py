"""The tables of a store and what is done to them, in the SQL that SQLite and PostgreSQL have in common.

Each function runs in one transaction that the caller began: for SQLite one that holds the write lock, for PostgreSQL at
the level READ COMMITTED, where the update of the journal's own row comes first and locks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from zlib import crc32

from ._approval import Approval, ApprovalRequest, Verdict, has_expired
from ._errors import ApprovalExists, NoApproval, Stale, StoreDamaged, UnknownSchema, Unreadable
from ._journal import Entry, Head, Journal, Record

SCHEMA = 1
"""The version of the tables, kept in one of them."""

TABLES = """
create table axon_journals (
    key text primary key, epoch bigint not null, version bigint not null, snapshot bigint not null, marker text not null
);
create index axon_journals_by_marker on axon_journals (marker);
create table axon_records (
    key text not null, version bigint not null, is_snapshot smallint not null,
    kind text not null, format integer not null, body {bytes} not null, checksum bigint not null,
    primary key (key, version)
);
create table axon_approvals (
    id text primary key, key text not null, payload {bytes} not null,
    asked_at double precision not null, expires_at double precision,
    status text not null, decision {bytes} not null, decided_by text not null, decided_at double precision
);
create index axon_approvals_by_key on axon_approvals (key);
create index axon_approvals_by_status on axon_approvals (status);
create table axon_schema (version integer not null);
insert into axon_schema values (1)
"""

HEAD = "select key, epoch, version, marker from axon_journals"
JOURNAL = """
    select j.epoch, j.version, j.marker, j.snapshot, r.version, r.is_snapshot, r.kind, r.format, r.body, r.checksum
    from axon_journals j left join axon_records r on r.key = j.key where j.key = ? order by r.version
"""
TAKE_OVER = """
    insert into axon_journals values (?, {next}, 0, 0, '') on conflict (key) do update set epoch = {next}
"""
RECORD = "insert into axon_records values (?, ?, ?, ?, ?, ?, ?)"
APPROVAL = (
    "select id, key, payload, asked_at, expires_at, status, decision, decided_by, decided_at from axon_approvals where "
)


class Result(Protocol):
    """The outcome of one statement."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Transaction(Protocol):
    """Runs statements whose parameters are written as `?`."""

    def execute(self, sql: str, values: Sequence[object] = (), /) -> Result: ...


def check_schema(db: Transaction, store: str) -> None:
    """Whether this Axon knows the tables. Raises `UnknownSchema`, and `StoreDamaged` when they do not say."""
    rows = db.execute("select version from axon_schema").fetchall()
    if len(rows) != 1 or not isinstance(rows[0][0], int) or rows[0][0] < 1:
        raise StoreDamaged(f"{store}: the version of its tables cannot be read: {rows!r}")
    if rows[0][0] > SCHEMA:
        raise UnknownSchema(store, rows[0][0], SCHEMA)


def take_over(db: Transaction, key: str, statements: Sequence[str]) -> Journal:
    """`Store.open`; the last of the statements is `TAKE_OVER` with an expression for a number larger than any before."""
    *first, last = statements
    for statement in first:
        db.execute(statement)
    db.execute(last, (key,))
    journal = read(db, key)
    assert journal is not None
    return journal


def read(db: Transaction, key: str) -> Journal | None:
    """`Store.read`: one statement, so it is the journal of one instant."""
    rows = db.execute(JOURNAL, (key,)).fetchall()
    if not rows:
        if db.execute("select 1 from axon_records where key = ?", (key,)).fetchone() is not None:
            raise Unreadable(key, 0, "there are records of a journal that is missing")
        return None
    epoch, version, marker, start, *_ = rows[0]
    head = _head((key, epoch, version, marker))
    if not isinstance(start, int):
        raise Unreadable(key, 0, f"its journal is damaged: it begins at {start!r}")
    entries = [] if rows[0][4] is None else [_entry(key, row[4:]) for row in rows]
    snapshot = entries.pop(0) if entries and rows[0][5] else None
    expected = range(start + 1, version + 1)
    if start and (snapshot is None or snapshot.version != start):
        raise Unreadable(key, start, "the snapshot is missing")
    for entry, place in zip(entries, expected, strict=False):
        if entry.version != place:
            raise Unreadable(key, place, "it is missing")
    if len(entries) < len(expected):
        raise Unreadable(key, expected[len(entries)], "it is missing")
    if len(entries) > len(expected):
        raise Unreadable(key, entries[len(expected)].version, f"the journal says it has {version} records")
    return Journal(head, snapshot, tuple(entries))


def append(
    db: Transaction,
    key: str,
    records: Sequence[Record],
    *,
    epoch: int,
    version: int,
    marker: str | None,
    approvals: Sequence[ApprovalRequest],
    now: float,
) -> int:
    """`Store.append`."""
    written = version + len(records)
    changed = db.execute(
        "update axon_journals set version = ?, marker = coalesce(?, marker) where key = ? and epoch = ? and version = ?",
        (written, marker, key, epoch, version),
    )
    _check(db, changed, key, epoch, version)
    for place, record in enumerate(records, start=1):
        db.execute(RECORD, _row(Entry(key, version + place, record), 0))
    for request in approvals:
        asked = db.execute(
            "insert into axon_approvals values (?, ?, ?, ?, ?, 'pending', ?, '', null) on conflict (id) do nothing",
            (request.id, key, request.payload, now, request.expires_at, b""),
        )
        if asked.rowcount != 1:
            raise ApprovalExists(request.id)
    return written


def compact(db: Transaction, key: str, snapshot: Record, epoch: int, version: int) -> None:
    """`Store.compact`."""
    changed = db.execute(
        "update axon_journals set snapshot = ? where key = ? and epoch = ? and version >= ? and snapshot <= ?",
        (version, key, epoch, version, version),
    )
    _check(db, changed, key, epoch, version)
    db.execute("delete from axon_records where key = ? and version <= ?", (key, version))
    db.execute(RECORD, _row(Entry(key, version, snapshot), 1))


def delete(db: Transaction, key: str, epoch: int) -> None:
    """`Store.delete`."""
    changed = db.execute("delete from axon_journals where key = ? and epoch = ?", (key, epoch))
    _check(db, changed, key, epoch, 0)
    db.execute("delete from axon_records where key = ?", (key,))
    db.execute("delete from axon_approvals where key = ?", (key,))


def heads(db: Transaction, marker: str | None) -> list[Head]:
    """`Store.heads`."""
    if marker is None:
        rows = db.execute(HEAD).fetchall()
    else:
        rows = db.execute(HEAD + " where marker = ?", (marker,)).fetchall()
    return sorted(map(_head, rows), key=lambda head: head.key)


def approvals(db: Transaction, where: str, values: Sequence[object]) -> list[Approval]:
    """The rows for which the condition holds."""
    return [Approval(*row) for row in db.execute(APPROVAL + where, values).fetchall()]


def expire(db: Transaction, ids: Sequence[str]) -> None:
    """Mark as expired what is pending still: who has seen it expired never sees it otherwise."""
    statement = (
        "update axon_approvals set status = 'expired', decided_at = expires_at where id = ? and status = 'pending'"
    )
    for id in ids:
        db.execute(statement, (id,))


def decide(
    db: Transaction, id: str, verdict: Verdict, *, decision: bytes, by: str, now: float
) -> tuple[Approval, bool]:
    """`Store.decide`: the row, and whether it was this call that decided it."""
    changed = db.execute(
        "update axon_approvals set status = ?, decision = ?, decided_by = ?, decided_at = ?"
        " where id = ? and status = 'pending' and (expires_at is null or expires_at > ?)",
        (verdict, decision, by, now, id, now),
    )
    if changed.rowcount != 1:
        expire(db, [row.id for row in approvals(db, "id = ?", (id,)) if has_expired(row, now)])
    rows = approvals(db, "id = ?", (id,))
    if not rows:
        raise NoApproval(id)
    return rows[0], changed.rowcount == 1


def _check(db: Transaction, changed: Result, key: str, epoch: int, version: int) -> None:
    if changed.rowcount == 1:
        return
    now = db.execute(HEAD + " where key = ?", (key,)).fetchone() or (key, 0, 0, "")
    raise Stale(key, epoch=epoch, version=version, current_epoch=now[1], current_version=now[2])


def _row(entry: Entry, is_snapshot: int) -> tuple[str, int, int, str, int, bytes, int]:
    record = entry.record
    return entry.key, entry.version, is_snapshot, record.kind, record.format, record.body, _checksum(entry, is_snapshot)


def _head(row: Sequence[Any]) -> Head:
    head = Head(*row)
    if not (isinstance(head.epoch, int) and isinstance(head.version, int) and isinstance(head.marker, str)):
        raise Unreadable(head.key, 0, f"its journal is damaged: {head}")
    return head


def _entry(key: str, row: Sequence[Any]) -> Entry:
    version, is_snapshot, kind, format, body, checksum = row
    try:
        entry = Entry(key, version, Record(kind, body, format))
        intact = _checksum(entry, is_snapshot) == checksum
    except Exception as error:  # a damaged row may hold values of any type
        raise Unreadable(key, version, f"it is damaged: {error}") from error
    if not intact:
        raise Unreadable(key, version, "it is damaged: its checksum does not fit")
    return entry


def _checksum(entry: Entry, is_snapshot: int) -> int:
    """Of all that makes the record and its place, so that a row that moved does not pass either."""
    record = entry.record
    head = "\0".join((entry.key, str(entry.version), str(is_snapshot), record.kind, str(record.format), ""))
    return crc32(record.body, crc32(head.encode("utf-8", "surrogatepass")))
