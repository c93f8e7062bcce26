"""Several processes on one store, and processes that are killed: what was acknowledged is there, and nobody writes twice."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from places import Place
from writer import numbered

WRITER = Path(__file__).with_name("writer.py")


def writer(place: Place, how: str, count: int = 0, key: str = "a") -> subprocess.Popen[str]:
    program = [sys.executable, str(WRITER), place.code, key, how, str(count)]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def contended(processes: Sequence[subprocess.Popen[str]]) -> list[list[str]]:
    """What each of them said, once all of them were started at the same moment."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=50)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return said


@pytest.mark.slow
@pytest.mark.real_clock
async def test_whenever_a_writer_is_killed_every_acknowledged_append_is_there(durable: Place) -> None:
    """And each append is there wholly or not at all. Five writers, one after the other, go on with the same journal."""
    chance = random.Random(7)
    store = durable.store()
    for _ in range(5):
        process = writer(durable, "grow")
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(chance.randrange(1, 30))]
        process.kill()
        acknowledged = int([*said, *process.stdout][-1])
        process.wait()
        process.stdout.close()
        assert process.stdin is not None
        process.stdin.close()
        journal = await store.read("a")
        assert journal is not None
        assert journal.version in {acknowledged, acknowledged + 3}
        assert [entry.record for entry in journal.entries] == [numbered(n + 1) for n in range(journal.version)]
    await store.close()


@pytest.mark.slow
@pytest.mark.real_clock
async def test_of_processes_that_contend_for_a_key_one_at_a_time_writes(durable: Place) -> None:
    """Each acknowledged append is there once, at its version, and no epoch writes after a later one."""
    said = contended([writer(durable, "contend", 60) for _ in range(3)])
    store = durable.store()
    journal = await store.read("a")
    assert journal is not None
    written = {entry.version: int(entry.record.body) for entry in journal.entries}
    acknowledged = [(int(version), int(epoch)) for lines in said for version, epoch in map(str.split, lines)]
    assert dict(acknowledged) == written
    assert len(acknowledged) == len(written) == 180
    epochs = [epoch for _, epoch in sorted(acknowledged)]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) > 3
    await store.close()


@pytest.mark.slow
@pytest.mark.real_clock
async def test_processes_that_come_first_all_at_once_make_the_tables_together(durable: Place) -> None:
    contended([writer(durable, "contend", 1, key=f"agent-{number}") for number in range(4)])
    store = durable.store()
    assert [head.version for head in await store.heads()] == [1, 1, 1, 1]
    await store.close()
