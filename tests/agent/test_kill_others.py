"""Processes that are killed and what else may happen meanwhile: logs cut off, decisions, full disks, a second owner."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from killed import History, nothing_is_done_twice, read, told_unknown, without

from axon.agent import Boundary
from axon.store import Approval, Record, Store
from forge import Forge
from places import Durable, InFile

pytestmark = [pytest.mark.kill, pytest.mark.slow]


@pytest.fixture
def in_a_file(forge: Forge, a_log: Path) -> History:
    return History(forge, InFile(a_log.with_name("axon.db")), a_log)


# -- the log is cut


def test_the_log_cut_at_random_bytes_has_the_last_step_that_was_committed_before(
    in_a_file: History, forge: Forge
) -> None:
    home = in_a_file.log.parent
    in_a_file.dies(Boundary.COMMITTED, "after")
    ends, version = dict[int, int](), 0
    for what, *details in in_a_file.events:
        version += what == "kept"
        if what == "written":
            ends[details[0]] = version
    log = (home / "axon.db-wal").read_bytes()
    journal = read(cut_at(len(log), home).store())
    assert len(journal.entries) == version == max(ends.values())

    chance = random.Random(7)
    for cut in [*ends, *(end - 1 for end in list(ends)[1:]), *chance.sample(range(min(ends), len(log)), 40)]:
        entries = read(cut_at(cut, home).store()).entries
        assert entries == journal.entries[: max(version for end, version in ends.items() if end <= cut)]

    for number, cut in enumerate(chance.sample(range(min(ends), len(log)), 3)):
        again = History(forge, cut_at(cut, home), home / f"log-{number}")
        again.ends_well()
        unknown = told_unknown(again.outcome["told"])
        assert not unknown & {"1-look"}
        assert without(unknown, again.outcome["told"])[-1]["parts"][0]["content"] == "all is done"


def cut_at(size: int, home: Path) -> InFile:
    """A copy of the store, whose log ends there."""
    copy = home / f"cut-at-{size}"
    copy.mkdir(exist_ok=True)
    for name in ("axon.db", "axon.db-wal", "axon.db-shm"):
        shutil.copy(home / name, copy / name)
    with (copy / "axon.db-wal").open("r+b") as log:
        log.truncate(size)
    return InFile(copy / "axon.db")


# -- somebody decides


def approvals(store: Store) -> list[Approval]:
    async def reading() -> list[Approval]:
        rows = await store.approvals()
        await store.close()
        return rows

    return asyncio.run(reading())


def decisions(history: History) -> list[tuple[str, str]]:
    """What the journal says was decided, by call."""
    steps = [entry.record for entry in history.journal().entries if entry.record.kind == Boundary.APPROVAL_DECIDED]
    return [(body["call"], body["status"]) for body in (json.loads(step.body) for step in steps)]


def returned(history: History, call: str) -> str:
    return next(
        str(part["content"])
        for message in history.outcome["told"]
        for part in message["parts"]
        if part["part_kind"] == "tool-return" and part["tool_call_id"] == call
    )


@pytest.mark.parametrize(("verdict", "status"), [("approves", "approved"), ("denies", "denied")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_what_was_asked_for_before_a_kill_is_decided_after_it_by_another_process(
    verdict: str, status: str, when: Any, history: History
) -> None:
    history.dies(Boundary.APPROVAL_ASKED, "after", grants=False)
    assert [row.status for row in approvals(history.place.store())] == ["pending"]
    assert history.lives(scenario=verdict) == 0
    assert history.last[0] == "decided"
    history.dies(Boundary.APPROVAL_DECIDED, when, grants=False)
    history.ends_well()

    nothing_is_done_twice(history)
    row, _ = approvals(history.place.store())
    assert (row.status, row.decided_by) == (status, "somebody else")
    assert decisions(history) == [("2-guarded", status), ("3-unlock", "approved")]
    opened = [name for what, name, *_ in history.events if what == "effect" and name == "guarded"]
    assert opened == (["guarded"] if status == "approved" else [])
    assert returned(history, "2-guarded") == ("opened" if status == "approved" else "The tool call was denied.")


def test_what_expired_while_nobody_was_there_is_a_denial(history: History) -> None:
    """Also for another process that comes too late with its approval."""
    history.dies(Boundary.APPROVAL_ASKED, "after", grants=False, options={"approval_timeout": 0.05})
    time.sleep(0.06)
    assert history.lives(scenario="approves") == 1
    assert history.last[:2] == ["error", "AlreadyDecided"]
    history.ends_well()
    nothing_is_done_twice(history)
    assert [row.status for row in approvals(history.place.store())] == ["expired", "approved"]
    assert decisions(history) == [("2-guarded", "expired"), ("3-unlock", "approved")]
    assert "guarded" not in [name for what, name, *_ in history.events if what == "effect"]
    assert "expired" in returned(history, "2-guarded")


# -- the disk is full


@pytest.mark.parametrize(
    ("how", "error"), [("a full file", "StoreFull"), ("a limit of the system", "StoreUnavailable")]
)
def test_a_disk_that_is_full_in_the_middle_of_a_turn(how: str, error: str, in_a_file: History) -> None:
    """The error says so, nothing of what was kept is lost, and when there is room again the turn goes on."""
    assert in_a_file.lives(scenario=how) == 0, in_a_file.last
    assert [details for what, *details in in_a_file.events if what == "full"] == [[error]]
    in_a_file.ends_well()
    ledger = nothing_is_done_twice(in_a_file)
    assert in_a_file.outcome["output"] == "all is done"
    assert told_unknown(in_a_file.outcome["told"]) == {call for _, call in ledger.unknown}


# -- two owners


def test_of_two_processes_with_one_name_the_older_one_is_fenced_off(history: History) -> None:
    """Its effect was under way when it lost the journal: what it writes is refused, its run ends with that error, and the
    younger one has told the model what is not known.
    """
    older = history.begins(scenario="held")
    while not any(event[:2] == ["effect", "hold"] for event in history.events):
        time.sleep(0.005)
    happens(history, "taken over")
    history.ends_well(scenario="held")
    happens(history, "released")
    assert history.forge.wait(older) == 1
    name, message = history.last[1:3]
    assert name == "ServerDied"
    assert "TakenOver" in message
    assert "was taken over: another program has started the agent" in message
    nothing_is_done_twice(history)
    assert [event[:2] for event in history.events if event[0] == "effect"] == [["effect", "hold"]]
    assert told_unknown(history.outcome["told"]) == {"0-hold"}


def happens(history: History, what: str) -> None:
    with history.log.open("a") as log:
        log.write(json.dumps([what]) + "\n")


# -- journals that cannot be read

Damage = Callable[[Durable], None]


def appended(*records: Record) -> Damage:
    """Somebody else has written these, who is newer, or wrong."""

    async def append(store: Store) -> None:
        owner = await store.open("survivor")
        await store.append("survivor", records, epoch=owner.epoch, version=owner.version)
        await store.close()

    def damage(place: Durable) -> None:
        asyncio.run(append(place.store()))

    return damage


def step(kind: str, **body: object) -> Record:
    return Record(kind, json.dumps({"turn": "other", **body}).encode())


ACCEPTED = step("accepted", prompt="hello", fingerprint="x")
STARTED = step("started")


NO_CALL = step("tool_done", call="1-a", part=None)
NO_QUESTION = step("approval_decided", call="1-b", status="approved", decision="{}")
NO_START = step("committed", keep=0, messages=[], output=None, output_tool=None, usage={})


def changed(statement: str) -> Damage:
    def damage(place: Durable) -> None:
        place.sql(statement)

    return damage


DAMAGES = {
    "newer record": (appended(Record("accepted", b"{}", format=99)), "Unreadable", "newer"),
    "unknown kind": (appended(Record("hologram", b"{}")), "Unreadable", "not known to this program"),
    "truncated": (
        changed("update axon_records set body = substr(body, 1, 20) where version = 4"),
        "Unreadable",
        "record 4 ",
    ),
    "a gap": (changed("delete from axon_records where version = 5"), "Unreadable", "record 5 "),
    "the end is missing": (changed("delete from axon_records where version > 5"), "Unreadable", "record 6 "),
    "newer tables": (changed("update axon_schema set version = 99"), "UnknownSchema", "newer"),
    "end of a call that never began": (appended(ACCEPTED, STARTED, NO_CALL), "Unreadable", "1-a"),
    "decision that nobody asked for": (appended(ACCEPTED, STARTED, NO_QUESTION), "Unreadable", "1-b"),
    "committed before it began": (appended(ACCEPTED, NO_START), "Unreadable", "does not follow"),
}


@pytest.mark.parametrize(("damage", "error", "reason"), DAMAGES.values(), ids=DAMAGES)
def test_a_journal_that_cannot_be_read_keeps_the_agent_down_and_every_row(
    damage: Damage, error: str, reason: str, history: History
) -> None:
    history.dies(Boundary.COMMITTED, "before")
    damage(history.place)
    rows = records(history.place)
    assert history.lives() == 1
    name, message = history.last[1:3]
    assert name == "StartFailed"
    assert error in message
    assert reason in message
    assert records(history.place) == rows


def records(place: Durable) -> list[Any]:
    columns = "version, is_snapshot, kind, format, body, checksum"
    return [tuple(map(bytes_of, row)) for row in place.sql(f"select {columns} from axon_records order by version")[0]]


def bytes_of(value: object) -> object:
    return bytes(value) if isinstance(value, memoryview) else value  # pyright: ignore[reportUnknownArgumentType]
