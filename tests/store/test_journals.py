"""Journals: one owner at a time, compare-and-set on the version, all or nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from places import Place

from axon import InvalidOption
from axon.store import ApprovalExists, ApprovalRequest, Entry, Head, Record, Stale, Store

A, B, C, SUM = (Record("step", body) for body in (b"a", b"b", b"c", b"a+b"))


async def test_a_key_nobody_opened_has_no_journal(store: Store) -> None:
    assert await store.read("a") is None
    assert await store.heads() == []


async def test_open_begins_an_empty_journal(store: Store) -> None:
    journal = await store.open("a")
    assert (journal.version, journal.snapshot, journal.entries) == (0, None, ())
    assert await store.read("a") == journal


async def test_what_was_appended_is_read_in_order(store: Store) -> None:
    owner = await store.open("a")
    assert await store.append("a", [A, B], epoch=owner.epoch, version=0) == 2
    assert await store.append("a", [C], epoch=owner.epoch, version=2) == 3
    journal = await store.read("a")
    assert journal is not None
    assert journal.entries == (Entry("a", 1, A), Entry("a", 2, B), Entry("a", 3, C))


async def test_bodies_kinds_and_keys_come_back_as_they_were(store: Store) -> None:
    key = "agents/ünï çødé 🦀 %s ? '; --"
    record = Record("kind ✓", bytes(range(256)) * 100, format=7)
    owner = await store.open(key)
    await store.append(key, [record, Record("empty", b"")], epoch=owner.epoch, version=0, marker="läuft")
    journal = await store.open(key)
    assert [entry.record for entry in journal.entries] == [record, Record("empty", b"")]
    assert journal.head.marker == "läuft"


async def test_open_takes_over_and_the_earlier_owner_can_write_no_more(store: Store) -> None:
    """A zombie, or a deployment that was replaced, is refused by the epoch, whatever it tries."""
    zombie = await store.open("a")
    await store.append("a", [A], epoch=zombie.epoch, version=0)
    owner = await store.open("a")
    assert owner.epoch > zombie.epoch
    assert owner.entries == (Entry("a", 1, A),)
    for attempt in (
        lambda: store.append("a", [B], epoch=zombie.epoch, version=1),
        lambda: store.append("a", [], epoch=zombie.epoch, version=1, marker="mine"),
        lambda: store.compact("a", SUM, epoch=zombie.epoch, version=1),
        lambda: store.delete("a", epoch=zombie.epoch),
    ):
        with pytest.raises(Stale) as caught:
            await attempt()
        stale = caught.value
        assert (stale.key, stale.epoch, stale.current_epoch, stale.current_version) == (
            "a",
            zombie.epoch,
            owner.epoch,
            1,
        )
    assert await store.read("a") == owner


@pytest.mark.parametrize("version", [0, 2, 3])
async def test_a_version_that_is_not_current_is_refused_and_nothing_written(store: Store, version: int) -> None:
    owner = await store.open("a")
    await store.append("a", [A], epoch=owner.epoch, version=0)
    before = await store.read("a")
    with pytest.raises(Stale, match=f"version={version} was refused: its version is 1"):
        await store.append("a", [B], epoch=owner.epoch, version=version, marker="x", approvals=[ApprovalRequest("q")])
    assert await store.read("a") == before
    assert await store.approvals() == []


async def test_of_two_writers_with_the_same_version_one_is_refused(store: Store) -> None:
    owner = await store.open("a")
    tries = [store.append("a", [record], epoch=owner.epoch, version=0) for record in (A, B)]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(map(str, map(type, done))) == sorted(map(str, (Stale, int)))
    journal = await store.read("a")
    assert journal is not None
    assert journal.version == 1


async def test_a_write_to_a_journal_that_does_not_exist_is_stale(store: Store) -> None:
    with pytest.raises(Stale, match="there is no such journal") as caught:
        await store.append("a", [A], epoch=1, version=0)
    assert (caught.value.current_epoch, caught.value.current_version) == (0, 0)


async def test_a_snapshot_replaces_the_records_up_to_its_version(store: Store) -> None:
    owner = await store.open("a")
    await store.append("a", [A, B, C], epoch=owner.epoch, version=0)
    await store.compact("a", SUM, epoch=owner.epoch, version=2)
    journal = await store.read("a")
    assert journal is not None
    assert (journal.version, journal.snapshot, journal.entries) == (3, Entry("a", 2, SUM), (Entry("a", 3, C),))
    assert await store.append("a", [A], epoch=owner.epoch, version=3) == 4
    await store.compact("a", SUM, epoch=owner.epoch, version=4)
    journal = await store.open("a")
    assert (journal.version, journal.snapshot, journal.entries) == (4, Entry("a", 4, SUM), ())


@pytest.mark.parametrize("version", [1, 4])
async def test_a_snapshot_stands_for_records_that_are_there(store: Store, version: int) -> None:
    """Not for later ones, nor for fewer than the last snapshot stands for."""
    owner = await store.open("a")
    await store.append("a", [A, B, C], epoch=owner.epoch, version=0)
    await store.compact("a", SUM, epoch=owner.epoch, version=2)
    before = await store.read("a")
    with pytest.raises(Stale):
        await store.compact("a", SUM, epoch=owner.epoch, version=version)
    assert await store.read("a") == before


async def test_a_snapshot_of_nothing_is_one_too(store: Store) -> None:
    owner = await store.open("a")
    await store.compact("a", SUM, epoch=owner.epoch, version=0)
    await store.append("a", [A], epoch=owner.epoch, version=0)
    journal = await store.read("a")
    assert journal is not None
    assert (journal.snapshot, journal.entries) == (Entry("a", 0, SUM), (Entry("a", 1, A),))


async def test_the_marker_tells_at_boot_what_there_is_to_take_over(store: Store) -> None:
    for key in ("b", "a", "c"):
        await store.open(key)
    heads = {head.key: head for head in await store.heads()}
    await store.append("b", [A], epoch=heads["b"].epoch, version=0, marker="running")
    await store.append("c", [], epoch=heads["c"].epoch, version=0, marker="running")
    await store.append("b", [B], epoch=heads["b"].epoch, version=1)
    assert await store.heads(marker="running") == [
        Head("b", heads["b"].epoch, 2, "running"),
        Head("c", heads["c"].epoch, 0, "running"),
    ]
    await store.append("b", [], epoch=heads["b"].epoch, version=2, marker="")
    assert [head.key for head in await store.heads(marker="running")] == ["c"]
    assert [head.key for head in await store.heads()] == ["a", "b", "c"]


async def test_a_deleted_journal_is_gone_and_its_owner_refused_for_good(store: Store) -> None:
    """Also when the key is in use again: epochs are never given twice."""
    owner = await store.open("a")
    await store.append("a", [A], epoch=owner.epoch, version=0, approvals=[ApprovalRequest("q")])
    await store.delete("a", epoch=owner.epoch)
    assert await store.read("a") is None
    assert await store.approvals() == []
    again = await store.open("a")
    assert again.version == 0
    assert again.epoch > owner.epoch
    with pytest.raises(Stale):
        await store.append("a", [B], epoch=owner.epoch, version=0)


async def test_approvals_and_records_are_written_together_or_not_at_all(store: Store) -> None:
    owner = await store.open("a")
    await store.append("a", [A], epoch=owner.epoch, version=0, approvals=[ApprovalRequest("q")])
    with pytest.raises(ApprovalExists, match="'q'"):
        await store.append(
            "a", [B], epoch=owner.epoch, version=1, marker="m", approvals=[ApprovalRequest("r"), ApprovalRequest("q")]
        )
    journal = await store.read("a")
    assert journal is not None
    assert (journal.version, journal.head.marker) == (1, "")
    assert [row.id for row in await store.approvals()] == ["q"]


async def test_another_store_on_the_same_data_sees_all_of_it(place: Place) -> None:
    first, second = place.store(), place.store()
    owner = await first.open("a")
    await first.append("a", [A], epoch=owner.epoch, version=0)
    taken = await second.open("a")
    assert taken.entries == (Entry("a", 1, A),)
    with pytest.raises(Stale):
        await first.append("a", [B], epoch=owner.epoch, version=1)
    await first.close()
    await second.close()


async def test_a_closed_store_opens_again_by_itself(store: Store) -> None:
    """So it may be a field of a spec: the next incarnation finds it as the first one did."""
    owner = await store.open("a")
    await store.append("a", [A], epoch=owner.epoch, version=0)
    await store.close()
    await store.close()
    assert await store.append("a", [B], epoch=owner.epoch, version=1) == 2


@pytest.mark.parametrize("turns", range(4))
async def test_an_append_whose_caller_is_cancelled_is_done_wholly_or_not_at_all(store: Store, turns: int) -> None:
    """And whoever asks next sees which."""
    owner = await store.open("a")
    appending = asyncio.ensure_future(
        store.append("a", [A, B], epoch=owner.epoch, version=0, marker="m", approvals=[ApprovalRequest("q")])
    )
    for _ in range(turns):
        await asyncio.sleep(0)
    appending.cancel()
    await asyncio.wait([appending])
    journal = await store.open("a")
    assert (journal.version, journal.head.marker, len(await store.approvals())) in {(0, "", 0), (2, "m", 1)}
    assert await store.append("a", [C], epoch=journal.epoch, version=journal.version) == journal.version + 1


async def test_many_journals_are_written_at_once(store: Store) -> None:
    async def grow(key: str) -> None:
        owner = await store.open(key)
        for version in range(5):
            await store.append(key, [A], epoch=owner.epoch, version=version)

    await asyncio.gather(*(grow(f"agent-{number}") for number in range(20)))
    assert {head.version for head in await store.heads()} == {5}


WRONG_TEXT: list[Any] = ["", "a\0b", "\ud800", "x" * 1001, 7, b"a", None]


@pytest.mark.parametrize("key", WRONG_TEXT)
async def test_a_key_that_a_store_could_not_give_back_is_refused(store: Store, key: Any) -> None:
    for request in (
        store.open(key),
        store.read(key),
        store.append(key, [], epoch=1, version=0),
        store.compact(key, SUM, epoch=1, version=0),
        store.delete(key, epoch=1),
    ):
        with pytest.raises(InvalidOption, match="key must be a text"):
            await request


@pytest.mark.parametrize("wrong", [-1, 2**63, 1.5, "1", None])
async def test_an_epoch_or_version_that_cannot_be_one_is_refused(store: Store, wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="epoch must be"):
        await store.append("a", [A], epoch=wrong, version=0)
    with pytest.raises(InvalidOption, match="version must be"):
        await store.compact("a", A, epoch=1, version=wrong)


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"kind": ""}, "kind"),
        ({"kind": "\0"}, "kind"),
        ({"body": "text"}, "body"),
        ({"body": None}, "body"),
        ({"format": 0}, "format"),
        ({"format": 2**31}, "format"),
    ],
)
def test_a_record_that_a_store_could_not_give_back_is_refused(wrong: dict[str, Any], option: str) -> None:
    with pytest.raises(InvalidOption, match=f"^{option} must be"):
        made: dict[str, Any] = {"kind": "step", "body": b""}
        Record(**(made | wrong))
