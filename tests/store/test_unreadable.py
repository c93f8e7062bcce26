"""What cannot be read is never taken for absent: the journal stays as it is, and says what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from places import Durable

from axon.store import Record, Store, Unreadable

pytestmark = pytest.mark.real_clock

DAMAGES = [
    ("update axon_records set body = '' where version = 4", 4, "it is damaged"),
    ("update axon_records set kind = 'paid' where version = 4", 4, "its checksum does not fit"),
    ("update axon_records set format = 2 where version = 4", 4, "its checksum does not fit"),
    ("update axon_records set format = -2 where version = 4", 4, "it is damaged: format must be"),
    ("update axon_records set kind = '' where version = 4", 4, "it is damaged: kind must be"),
    ("update axon_records set is_snapshot = 1 where version = 3", 3, "its checksum does not fit"),
    ("update axon_records set key = 'a', version = 5 where key = 'b' and version = 2", 5, "its checksum does not fit"),
    ("delete from axon_records where version = 4", 4, "it is missing"),
    ("delete from axon_records where key = 'a' and version = 5", 5, "it is missing"),
    ("delete from axon_records where version = 2 and key = 'a'", 2, "the snapshot is missing"),
    ("delete from axon_records where key = 'a'", 2, "the snapshot is missing"),
    ("update axon_journals set version = 4 where key = 'a'", 5, "the journal says it has 4 records"),
    ("update axon_journals set version = 6 where key = 'a'", 6, "it is missing"),
    ("update axon_journals set snapshot = 3 where key = 'a'", 3, "the snapshot is missing"),
]


async def filled(store: Store) -> int:
    """Journal a has a snapshot of 2 records and 3 records after it, b has 2 records."""
    owner = await store.open("a")
    await store.append("a", [Record("step", b"body")] * 5, epoch=owner.epoch, version=0, marker="running")
    await store.compact("a", Record("sum", b"2"), epoch=owner.epoch, version=2)
    other = await store.open("b")
    await store.append("b", [Record("step", b"body")] * 2, epoch=other.epoch, version=0)
    return owner.epoch


@pytest.mark.parametrize(("damage", "position", "reason"), DAMAGES)
async def test_damage_is_found_and_left_as_it_is(durable: Durable, damage: str, position: int, reason: str) -> None:
    """Nobody can take the journal over by mistake, the others can be read, and its owner's epoch stands."""
    store = durable.store()
    await filled(store)
    if "version = 5 where" in damage:
        durable.sql("delete from axon_records where key = 'a' and version = 5")
    durable.sql(damage)
    before = everything(durable)
    for request in (store.open("a"), store.read("a")):
        with pytest.raises(Unreadable, match=reason) as caught:
            await request
        assert (caught.value.key, caught.value.position) == ("a", position)
    assert everything(durable) == before
    assert [head.key for head in await store.heads(marker="running")] == ["a"]
    await store.close()


async def test_records_without_their_journal_are_not_an_empty_one(durable: Durable) -> None:
    store = durable.store()
    await filled(store)
    durable.sql("delete from axon_journals where key = 'a'")
    for request in (store.open("a"), store.read("a")):
        with pytest.raises(Unreadable):
            await request
    assert durable.sql("select count(*) from axon_records where key = 'a'") == [[(4,)]]
    await store.close()


async def test_an_unreadable_journal_can_be_deleted_on_purpose(durable: Durable) -> None:
    store = durable.store()
    await filled(store)
    durable.sql("delete from axon_records where version = 4")
    (head,) = await store.heads(marker="running")
    await store.delete("a", epoch=head.epoch)
    assert (await store.open("a")).version == 0
    await store.close()


async def test_tables_of_a_newer_axon_are_left_alone(durable: Durable) -> None:
    from axon.store import UnknownSchema

    store = durable.store()
    await filled(store)
    await store.close()
    durable.sql("update axon_schema set version = 2")
    before = everything(durable)
    with pytest.raises(UnknownSchema, match=r"schema 2, made by a newer Axon \(this one knows 1\)") as caught:
        await store.open("a")
    assert (caught.value.found, caught.value.known) == (2, 1)
    assert everything(durable) == before
    await store.close()


def everything(durable: Durable) -> Any:
    return durable.sql(*(f"select * from axon_{table} order by 1, 2" for table in ("journals", "records")))
