"""Any sequence of requests, on every store, does what a model of a few dictionaries does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from places import InMemory, Place

from axon.store import (
    AlreadyDecided,
    ApprovalExists,
    ApprovalRequest,
    Head,
    Journal,
    NoApproval,
    Record,
    Stale,
    Store,
    Verdict,
)

T = TypeVar("T")

KEYS = st.sampled_from(["a", "b"])
IDS = st.sampled_from(["p", "q", "r"])
RECORDS = st.lists(st.builds(Record, st.sampled_from(["x", "y"]), st.binary(max_size=5), st.integers(1, 3)), max_size=3)


@dataclass
class Kept:
    """What the model knows of a journal: `records` are all that were ever appended."""

    epoch: int
    records: list[Record] = field(default_factory=list[Record])
    start: int = 0
    snapshot: Record | None = None
    marker: str = ""


class Machine(RuleBasedStateMachine):
    place: Place
    epochs: Bundle[int] = Bundle("epochs")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store: Store = self.place.store()
        self.prefix = uuid4().hex  # all examples share the place
        self.journals: dict[str, Kept] = {}
        self.approvals: dict[str, list[str]] = {}
        self.last_epoch = 0

    def run(self, request: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(request)

    def key(self, key: str) -> str:
        return self.prefix + key

    def teardown(self) -> None:
        self.run(self.store.close())
        self.runner.close()

    def seen(self, key: str) -> Any:
        journal = self.run(self.store.read(self.key(key)))
        return None if journal is None else shape(journal)

    def expected(self, key: str) -> Any:
        kept = self.journals.get(key)
        if kept is None:
            return None
        head = Head(self.key(key), kept.epoch, len(kept.records), kept.marker)
        return head, (kept.start, kept.snapshot) if kept.snapshot else None, kept.records[kept.start :]

    @rule(target=epochs, key=KEYS)
    def open(self, key: str) -> int:
        journal = self.run(self.store.open(self.key(key)))
        assert journal.epoch > self.last_epoch or not self.journals
        kept = self.journals.setdefault(key, Kept(0))
        assert journal.epoch > kept.epoch
        kept.epoch = self.last_epoch = journal.epoch
        assert shape(journal) == self.expected(key)
        return journal.epoch

    @rule(
        key=KEYS,
        epoch=epochs,
        off=st.sampled_from([0, 0, 0, 1, -1]),
        records=RECORDS,
        marker=st.sampled_from([None, None, "", "running"]),
        asks=st.lists(IDS, max_size=2),
    )
    def append(
        self, key: str, epoch: int, off: int, records: list[Record], marker: str | None, asks: list[str]
    ) -> None:
        kept = self.journals.get(key, Kept(0))
        version = max(0, len(kept.records) + off)
        request = self.store.append(
            self.key(key),
            records,
            epoch=epoch,
            version=version,
            marker=marker,
            approvals=[ApprovalRequest(self.key(id)) for id in asks],
        )
        if kept.epoch != epoch or version != len(kept.records):
            self.stale(request, kept)
        elif any(id in self.approvals for id in asks) or len(set(asks)) < len(asks):
            with pytest.raises(ApprovalExists):
                self.run(request)
        else:
            assert self.run(request) == version + len(records)
            kept.records += records
            kept.marker = kept.marker if marker is None else marker
            self.approvals |= {id: [key, "pending"] for id in asks}

    @rule(key=KEYS, epoch=epochs, version=st.integers(0, 6), body=st.binary(max_size=5))
    def compact(self, key: str, epoch: int, version: int, body: bytes) -> None:
        kept = self.journals.get(key, Kept(0))
        request = self.store.compact(self.key(key), Record("sum", body), epoch=epoch, version=version)
        if kept.epoch != epoch or not kept.start <= version <= len(kept.records):
            self.stale(request, kept)
        else:
            self.run(request)
            kept.start, kept.snapshot = version, Record("sum", body)

    @rule(key=KEYS, epoch=epochs)
    def delete(self, key: str, epoch: int) -> None:
        kept = self.journals.get(key, Kept(0))
        request = self.store.delete(self.key(key), epoch=epoch)
        if kept.epoch != epoch:
            self.stale(request, kept)
        else:
            self.run(request)
            del self.journals[key]
            self.approvals = {id: row for id, row in self.approvals.items() if row[0] != key}

    @rule(id=IDS, verdict=st.sampled_from(["approved", "denied", "cancelled"]))
    def decide(self, id: str, verdict: Verdict) -> None:
        request = self.store.decide(self.key(id), verdict)
        if id not in self.approvals:
            with pytest.raises(NoApproval):
                self.run(request)
        elif self.approvals[id][1] != "pending":
            with pytest.raises(AlreadyDecided):
                self.run(request)
        else:
            assert self.run(request).status == verdict
            self.approvals[id][1] = verdict

    @rule()
    def start_again(self) -> None:
        self.run(self.store.close())
        self.store = self.place.store()

    @invariant()
    def everything_is_as_in_the_model(self) -> None:
        for key in ("a", "b"):
            assert self.seen(key) == self.expected(key)
        rows = [row for row in self.run(self.store.approvals()) if row.id.startswith(self.prefix)]
        assert {row.id: [row.key, row.status] for row in rows} == {
            self.key(id): [self.key(key), status] for id, (key, status) in self.approvals.items()
        }
        running = [
            head.key for head in self.run(self.store.heads(marker="running")) if head.key.startswith(self.prefix)
        ]
        assert running == [self.key(key) for key, kept in sorted(self.journals.items()) if kept.marker == "running"]

    def stale(self, request: Coroutine[Any, Any, object], kept: Kept) -> None:
        with pytest.raises(Stale) as caught:
            self.run(request)
        assert (caught.value.current_epoch, caught.value.current_version) == (kept.epoch, len(kept.records))


def shape(journal: Journal) -> Any:
    """A journal as the model has it, once its entries were seen to be numbered."""
    start = 0 if journal.snapshot is None else journal.snapshot.version
    assert [entry.version for entry in journal.entries] == list(range(start + 1, journal.version + 1))
    snapshot = journal.snapshot and (start, journal.snapshot.record)
    return journal.head, snapshot, [entry.record for entry in journal.entries]


@pytest.mark.slow
def test_every_store_does_what_the_model_does(place: Place) -> None:
    """`AXON_EXAMPLES=5000` looks further; by default a request of a durable store costs too much for that."""
    few = 100 if isinstance(place, InMemory) else 25
    examples = int(os.environ.get("AXON_EXAMPLES", few))
    machine = type("PlacedMachine", (Machine,), {"place": place})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )
