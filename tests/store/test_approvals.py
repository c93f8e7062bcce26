"""Approvals: rows that the owner of a journal asks for and that anybody decides, once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from places import Place

from axon import InvalidOption
from axon.store import (
    AlreadyDecided,
    Approval,
    ApprovalRequest,
    MemoryStore,
    NoApproval,
    Store,
    Verdict,
    decided,
)


async def ask(store: Store, *requests: ApprovalRequest, key: str = "a") -> None:
    owner = await store.open(key)
    await store.append(key, [], epoch=owner.epoch, version=owner.version, approvals=requests)


async def test_an_approval_waits_until_it_is_decided(store: Store) -> None:
    before = time.time()
    until = before + 3600.25
    await ask(store, ApprovalRequest("q", b'{"tool": "pay"}', expires_at=until))
    row = await store.approval("q")
    assert row == Approval("q", "a", b'{"tool": "pay"}', row.asked_at, until)
    assert row.pending
    assert before <= row.asked_at <= time.time()


@pytest.mark.parametrize("verdict", ["approved", "denied", "cancelled"])
async def test_anybody_decides_without_owning_the_journal(place: Place, verdict: Verdict) -> None:
    store, other = place.store(), place.store()
    await ask(store, ApprovalRequest("q"))
    owner = await store.open("a")
    row = await other.decide("q", verdict, decision=b'{"why": "\xc3\xbc"}', by="ann@example.org")
    assert (row.status, row.decision, row.decided_by, row.pending) == (
        verdict,
        b'{"why": "\xc3\xbc"}',
        "ann@example.org",
        False,
    )
    assert row.decided_at is not None
    assert await store.approval("q") == row
    assert await store.append("a", [], epoch=owner.epoch, version=0) == 0
    await store.close()
    await other.close()


async def test_an_approval_is_decided_once(store: Store) -> None:
    await ask(store, ApprovalRequest("q"))
    tries = [store.decide("q", "approved", by="ann"), store.decide("q", "denied", by="bob")]
    first, second = await asyncio.gather(*tries, return_exceptions=True)
    won, lost = (first, second) if isinstance(first, Approval) else (second, first)
    assert isinstance(lost, AlreadyDecided)
    assert isinstance(won, Approval)
    assert lost.approval == won == await store.approval("q")
    assert str(lost) == f"approval 'q' is {won.status} by {won.decided_by}"


async def test_an_expired_approval_cannot_be_decided(store: Store) -> None:
    until = time.time() - 1
    await ask(store, ApprovalRequest("q", expires_at=until))
    with pytest.raises(AlreadyDecided) as caught:
        await store.decide("q", "approved", by="ann")
    row = caught.value.approval
    assert (row.status, row.decided_by, row.decided_at) == ("expired", "", until)
    assert await store.approval("q") == row


async def test_who_has_seen_an_approval_expired_never_sees_it_decided(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the decider's clock is behind the one that saw it expire."""
    now = time.time()
    await ask(store, ApprovalRequest("q", expires_at=now - 1), ApprovalRequest("r", expires_at=now - 1))
    assert (await store.approval("q")).status == "expired"
    assert [row.status for row in await store.approvals()] == ["expired", "expired"]
    monkeypatch.setattr(time, "time", lambda: now - 60)
    for id in ("q", "r"):
        with pytest.raises(AlreadyDecided):
            await store.decide(id, "approved")


async def test_approvals_are_listed_by_journal_and_status_the_oldest_first(store: Store) -> None:
    await ask(store, ApprovalRequest("z"), key="one")
    await ask(store, ApprovalRequest("b"), ApprovalRequest("a"), key="two")
    await store.decide("b", "denied")
    assert [row.id for row in await store.approvals()] == ["z", "a", "b"]
    assert [row.id for row in await store.approvals(key="two")] == ["a", "b"]
    assert [row.id for row in await store.approvals(status="pending")] == ["z", "a"]
    assert [row.id for row in await store.approvals(key="one", status="denied")] == []


async def test_an_unknown_approval_is_an_error(store: Store) -> None:
    for request in (store.approval("q"), store.decide("q", "approved")):
        with pytest.raises(NoApproval, match="'q'"):
            await request


async def test_a_decision_that_is_none_is_refused(store: Store) -> None:
    await ask(store, ApprovalRequest("q"))
    wrong: Any
    for wrong in ("expired", "pending", "yes", None):
        with pytest.raises(InvalidOption, match="verdict must be one of approved, denied, cancelled"):
            await store.decide("q", wrong)
    with pytest.raises(InvalidOption, match="decision must be bytes"):
        await store.decide("q", "approved", decision=wrong)
    assert (await store.approval("q")).pending


@pytest.mark.parametrize(("option", "value"), [("id", ""), ("payload", "x"), ("expires_at", float("nan"))])
def test_a_request_that_a_store_could_not_give_back_is_refused(option: str, value: Any) -> None:
    wrong: dict[str, Any] = {"id": "q", option: value}
    with pytest.raises(InvalidOption, match=f"^{option} must be"):
        ApprovalRequest(**wrong)


async def test_decided_waits_for_the_decision_of_another() -> None:
    store = MemoryStore()
    await ask(store, ApprovalRequest("q"))
    waiting = asyncio.ensure_future(decided(store, "q", poll=0.5))
    await asyncio.sleep(60)
    assert not waiting.done()
    row = await store.decide("q", "approved")
    began = asyncio.get_running_loop().time()
    assert await waiting == row
    assert asyncio.get_running_loop().time() - began <= 0.5


async def test_decided_ends_when_the_journal_is_deleted() -> None:
    store = MemoryStore()
    await ask(store, ApprovalRequest("q"))
    waiting = asyncio.ensure_future(decided(store, "q"))
    await asyncio.sleep(1)
    (head,) = await store.heads()
    await store.delete("a", epoch=head.epoch)
    with pytest.raises(NoApproval):
        await waiting


async def test_decided_refuses_a_poll_that_never_waits() -> None:
    with pytest.raises(InvalidOption, match="poll must be more than 0"):
        await decided(MemoryStore(), "q", poll=0)
