"""A demo that is killed goes on in another process: real programs, real SIGKILL, the real clock."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from demos import Demos, counting
from typer.testing import CliRunner

from axon.agent import Boundary
from axon.cli._app import app
from axon.store import Record, SQLiteStore

pytestmark = [pytest.mark.kill, pytest.mark.slow]

QUESTIONS = ("Who lit the lamp?", "When was the lighthouse built?", "Where is herring landed?")
TEXT = """The lighthouse of Northport was built in 1871.

Its keeper, Anna Holm, lit the lamp every evening for forty years.
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folder")
    (folder / "lighthouse.txt").write_text(TEXT)
    (folder / "fish.md").write_text("# Fish\n\nHerring is landed at the east pier before sunrise.\n")
    return folder


@pytest.fixture(scope="module")
def asked(folder: Path) -> list[str]:
    return [*(option for question in QUESTIONS for option in ("--ask", question)), "--over", str(folder)]


def anew(*options: str) -> tuple[int, list[str], str]:
    """`axon demo` as a shell runs it; returns its exit status, lines and stderr."""
    command = [sys.executable, "-W", "error", "-m", "axon.cli", "demo", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr


def refused(*options: str) -> tuple[int, str]:
    """What never comes to run, without a process of its own: its exit status and stderr."""
    done = CliRunner().invoke(app, ["demo", *options])
    return done.exit_code, done.stderr


def summary(lines: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def answers(found: dict[str, Any]) -> list[Any]:
    return [(answer["question"], answer["found"], answer["claims"]) for answer in found["answers"]]


def effects(store: Path) -> Counter[str]:
    """How often each tool call took effect."""
    lines = store.with_name(f"{store.name}.effects").read_text().splitlines()
    return Counter(json.loads(line)["key"] for line in lines)


@pytest.fixture(scope="module")
def undisturbed(
    demo: Demos, asked: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Counter[str]]:
    """The summary and the effects of a demo to which nothing happened."""
    store = tmp_path_factory.mktemp("undisturbed") / "demo.db"
    status, lines, errors = demo(*asked, "--no-faults", "--store", str(store))
    assert (status, errors) == (0, "")
    assert summary(lines)["resumed"] is None
    return summary(lines), effects(store)


def nothing_was_done_twice(
    found: dict[str, Any], store: Path, undisturbed: tuple[dict[str, Any], Counter[str]]
) -> None:
    """What was done before the last takeover and what was done after it is the whole, and nothing more."""
    whole, made = undisturbed
    assert answers(found) == answers(whole)
    assert found["resumed"]["requests"] + found["model_requests"] == whole["model_requests"]
    assert found["resumed"]["tool_calls"] + found["tool_calls"] == whole["tool_calls"]
    assert effects(store) == made
    assert set(made.values()) == {1}


@pytest.mark.parametrize("step", ["response", "tool_intended", "tool_done", "15"])
def test_a_killed_demo_goes_on_with_nothing_done_twice(
    demo: Demos, asked: list[str], tmp_path: Path, undisturbed: tuple[dict[str, Any], Counter[str]], step: str
) -> None:
    store = tmp_path / "demo.db"
    run = anew if step == "response" else demo  # one of them from the first line of the program to the last
    status, lines, errors = run(*asked, "--no-faults", "--store", str(store), "--kill-at", step)
    assert (status, errors) == (-signal.SIGKILL, "")
    assert "is written: kill -9" in lines[-1]
    pid = int(lines[-1].rpartition(" ")[2])

    status, lines, errors = run("--resume", "--store", str(store))
    found = summary(lines)
    assert (status, errors) == (0, "")
    nothing_was_done_twice(found, store, undisturbed)
    assert found["resumed"]["pid"] == pid
    assert any(f"taken over from the demo with PID {pid}" in line for line in lines)
    for turn in found["resumed"]["turns"]:
        told = f"question {turn['question']}: {turn['agent']} goes on {turn['at']}; not repeated:"
        assert any(told in line for line in lines)
    if step == "tool_intended":
        assert any("in the middle of search" in turn["at"] for turn in found["resumed"]["turns"])


def test_killed_again_and_again_it_comes_to_its_end(
    demo: Demos, asked: list[str], tmp_path: Path, undisturbed: tuple[dict[str, Any], Counter[str]]
) -> None:
    """With all the faults besides: each of them strikes once in all processes together."""
    store = tmp_path / "demo.db"
    status, lines, _ = demo(*asked, "--store", str(store), "--kill-at", "9")
    kills = 0
    while status == -signal.SIGKILL:
        kills += 1
        status, lines, _ = demo("--resume", "--store", str(store), "--kill-at", "14")
    found = summary(lines)
    assert status == 0
    assert kills >= 2
    nothing_was_done_twice(found, store, undisturbed)
    assert sorted(fault["fault"] for fault in found["faults"]) == [
        *("agent hangs", "agent is killed", "provider is overloaded"),
        "tool raises",
    ]


@pytest.mark.parametrize("delay", [0.0, 0.2])
def test_a_kill_from_outside_at_any_moment(
    demo: Demos, asked: list[str], tmp_path: Path, undisturbed: tuple[dict[str, Any], Counter[str]], delay: float
) -> None:
    """The requests are counted by the model itself: only those that were under way at the kill are made again."""
    store, log = tmp_path / "demo.db", tmp_path / "asked"
    log.touch()
    process = demo.begun(*asked, "--no-faults", "--store", str(store), model=counting(log))
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    assert process.ends()[0] == -signal.SIGKILL
    before = len(log.read_text().splitlines())

    status, lines, errors = demo("--resume", "--store", str(store), model=counting(log))
    found = summary(lines)
    assert (status, errors) == (0, "")
    nothing_was_done_twice(found, store, undisturbed)
    assert len(log.read_text().splitlines()) - before == found["model_requests"]
    assert found["resumed"]["requests"] <= before <= found["resumed"]["requests"] + len(QUESTIONS)


def test_without_store_it_goes_on_with_the_last_one_and_leaves_nothing(
    demo: Demos, asked: list[str], state_folder: Path
) -> None:
    assert demo(*asked, "--no-faults", "--kill-at", "12")[0] == -signal.SIGKILL
    (store,) = state_folder.glob("*.db")
    status, lines, errors = demo("--resume")
    assert (status, errors) == (0, "")
    assert summary(lines)["store"] == str(store)
    assert [answer["found"] for answer in summary(lines)["answers"]] == [True, True, True]
    assert list(state_folder.iterdir()) == []


def test_it_says_how_to_kill_it_and_how_to_go_on(demo: Demos, asked: list[str], tmp_path: Path) -> None:
    _, lines, _ = demo(*asked, "--no-faults", "--store", str(tmp_path / "a demo.db"))
    (line,) = [line for line in lines if "kill -9" in line]
    assert line.endswith(f"at any moment, `axon demo --resume --store '{tmp_path / 'a demo.db'}'` goes on")


def test_a_stop_in_order_can_be_resumed_too(demo: Demos, asked: list[str], tmp_path: Path) -> None:
    store, log = tmp_path / "demo.db", tmp_path / "asked"
    process = demo.begun(*asked, "--no-faults", "--store", str(store), model=counting(log))
    os.kill(process.pid, signal.SIGTERM)
    status, lines, _ = process.ends()
    assert (status, summary(lines)["stopped"]) == (128 + signal.SIGTERM, "by a signal")
    assert any("stopped; `axon demo --resume --store" in line for line in lines)
    status, lines, _ = demo("--resume", "--store", str(store))
    assert (status, len(summary(lines)["answers"])) == (0, 3)


# -- nothing to resume


def test_with_nothing_to_resume_it_says_so(demo: Demos, asked: list[str], tmp_path: Path, state_folder: Path) -> None:
    status, errors = refused("--resume")
    assert status == 3
    assert errors.startswith(f"axon demo: --resume: there is nothing to resume: {state_folder} holds no demo")

    store = tmp_path / "demo.db"
    status, errors = refused("--resume", "--store", str(store))
    assert status == 3
    assert "there is nothing to resume" in errors
    assert list(tmp_path.iterdir()) == [], "looking makes no files"

    assert demo(*asked, "--no-faults", "--store", str(store))[0] == 0
    assert refused("--resume", "--store", str(store))[0] == 3, "it is finished"
    assert demo(*asked, "--no-faults", "--store", str(store))[0] == 0, "and the store serves another one"


def test_a_demo_that_is_not_finished_is_not_begun_anew(demo: Demos, asked: list[str], killed: Path) -> None:
    status, errors = refused(*asked, "--store", str(killed))
    assert status == 2
    assert f"was not finished there: `axon demo --resume --store {killed}` goes on with it" in errors
    assert demo("--resume", "--store", str(killed))[0] == 0


@pytest.mark.parametrize("option", [("--ask", "Who?"), ("--over", "."), ("--model", "local"), ("--no-faults",)])
def test_what_was_asked_is_not_changed_by_resuming(option: tuple[str, ...]) -> None:
    status, errors = refused("--resume", *option)
    assert status == 2
    assert "cannot be given with --resume" in errors


@pytest.mark.parametrize("step", ["0", "-1", "soon", "1.5", "²"])
def test_a_step_that_is_none_is_refused(step: str) -> None:
    status, errors = refused(f"--kill-at={step}")
    assert status == 2
    assert errors.startswith(f"axon demo: --kill-at {step!r}: ")


# -- stores that cannot be used


@pytest.fixture(scope="module")
def _killed(demo: Demos, asked: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("killed") / "demo.db"
    assert demo(*asked, "--no-faults", "--store", str(store), "--kill-at", "15")[0] == -signal.SIGKILL
    with sqlite3.connect(store) as db:
        db.execute("pragma journal_mode = delete")  # all of it in one file
    db.close()
    return store


@pytest.fixture
def killed(_killed: Path, tmp_path: Path) -> Path:
    """The store of a killed demo, in one file."""
    return Path(shutil.copy(_killed, tmp_path / "demo.db"))


DAMAGE = {
    "update axon_schema set version = 99": "made by a newer Axon",
    "update axon_records set body = x'00' where key = 'axon demo' and version = 1": "cannot be read",
    "update axon_records set body = x'00' where key like '%researcher-1' and version = 2": "cannot be read",
    "update axon_records set kind = 'Told' where key = 'axon demo' and version = 2": "cannot be read",
    "delete from axon_records where key like '%researcher-2' and version = 1": "cannot be read",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_store_that_cannot_be_read_is_kept_and_named(killed: Path, damage: str) -> None:
    with sqlite3.connect(killed) as db:
        db.execute(damage)
    db.close()
    rows = contents(killed)
    status, errors = refused("--resume", "--store", str(killed))
    assert status == 2
    assert errors.startswith(f"axon demo: --store {str(killed)!r}: ")
    assert DAMAGE[damage] in errors
    assert "it was left as it is" in errors
    assert len(errors.splitlines()) == 1
    assert contents(killed) == rows


def test_a_record_of_a_newer_axon_keeps_the_demo_down(demo: Demos, killed: Path) -> None:
    asyncio.run(write_a_newer_record(SQLiteStore(killed)))
    rows = contents(killed)
    status, _, errors = demo("--resume", "--store", str(killed))
    assert status == 2
    assert errors.startswith(f"axon demo: --store {str(killed)!r}: record ")
    assert "its format 7 is newer" in errors
    assert len(errors.splitlines()) == 1
    assert [row for row in contents(killed) if "researcher" in row and "axon_records" in row] == [
        row for row in rows if "researcher" in row and "axon_records" in row
    ]


async def write_a_newer_record(store: SQLiteStore) -> None:
    journal = await store.open("axon demo 1/researcher-1")
    newer = Record(Boundary.RESPONSE, b'{"turn": "question 1"}', format=7)
    await store.append(journal.key, [newer], epoch=journal.epoch, version=journal.version)
    await store.close()


def contents(store: Path) -> list[str]:
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
        found = list(db.iterdump())
    db.close()
    return found


@pytest.mark.parametrize("resume", [True, False])
def test_a_file_that_is_no_store_is_kept_and_named(asked: list[str], tmp_path: Path, resume: bool) -> None:
    store = tmp_path / "notes.txt"
    store.write_text("a letter to my mother " * 100)
    options = ["--resume"] if resume else asked
    status, errors = refused(*options, "--store", str(store))
    assert status == 2
    assert errors.startswith(f"axon demo: --store {str(store)!r}: ")
    assert "it was left as it is" in errors
    assert store.read_text() == "a letter to my mother " * 100


@pytest.mark.parametrize("store", ["", ":memory:", "/no/such/folder/demo.db"])
def test_a_store_that_cannot_be_is_refused(asked: list[str], store: str) -> None:
    status, errors = refused(*asked, "--store", store)
    assert (status, len(errors.splitlines())) == (2, 1)
    assert errors.startswith(f"axon demo: --store {store!r}: ")


# -- two at once


def test_of_two_demos_on_one_store_the_second_says_who_has_it(demo: Demos, asked: list[str], tmp_path: Path) -> None:
    store = tmp_path / "demo.db"
    process = demo.begun(*asked, "--no-faults", "--store", str(store), model=counting(tmp_path / "asked"))
    os.kill(process.pid, signal.SIGSTOP)
    try:
        for options in (["--resume"], asked):
            status, errors = refused(*options, "--store", str(store))
            assert status == 2
            assert f"the demo with PID {process.pid}, started" in errors
            assert f"`kill -9 {process.pid}` ends that" in errors
    finally:
        os.kill(process.pid, signal.SIGCONT)
    status, lines, _ = process.ends()
    assert (status, summary(lines)["ok"]) == (0, True), "and the first one goes on undisturbed"


def test_two_demos_without_store_do_not_meet(demo: Demos, asked: list[str], tmp_path: Path) -> None:
    process = demo.begun(*asked, "--no-faults", model=counting(tmp_path / "asked"))
    os.kill(process.pid, signal.SIGSTOP)
    try:
        status, errors = refused("--resume")
        assert status == 3
        assert f"the demo with PID {process.pid}" in errors
        assert demo(*asked, "--no-faults")[0] == 0
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert process.ends()[0] == 0
