"""Every example runs as a program of its own, says what its docstring promises, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

EXPECTED = {
    "counter": [
        "5 + 3 = 8",
        "the counter died of ZeroDivisionError('division by zero')",
        "its successor begins anew: 5",
    ],
    "pipeline": [
        "stored: ['ONE', 'TWO']",
        "the sink ended with shutdown",
        "stored by the new pipeline: ['AGAIN']",
    ],
    "rest_for_one": [
        *("  start database", "  start cache", "  start web"),
        *("the cache is killed:", "  stop web", "  start cache", "  start web"),
        "all there: ['database', 'cache', 'web']",
        *("the block ends:", "  stop web", "  stop cache", "  stop database"),
    ],
    "escalation": [
        *["root/branch/Flaky was started again"] * 2,
        "root/branch gives up: more than 2 restarts in 5 s",
        "root/branch was started again",
        *["root/branch/Flaky was started again"] * 2,
        "root/branch gives up: more than 2 restarts in 5 s",
        "root gives up: more than 1 restarts in 5 s",
        (
            "the program ends: root ended with shutdown: more than 1 restarts within 5 s; "
            "the child 'branch' failed last, with shutdown"
        ),
    ],
    "sessions": [
        "  a session begins for ann",
        "ann said hello",
        "  a session begins for bob",
        "bob said hi",
        "ann said hello, how are you",
        "  a session begins for ann",
        "the session of ann died of ValueError('nothing was said')",
        "ann said hello again",
        "bob said hi, still here",
        "  ann has been silent: the session ends",
        "  bob has been silent: the session ends",
        "sessions left: 0",
    ],
    "tasks": [
        "fetched: <h1>news</h1>",
        "the page 'broken' failed: ConnectionError('nobody answers')",
        "the page 'slow' took too long",
        "fetched: <h1>weather</h1>",
        "fetched: <h1>sports</h1>",
        "awaited: <h1>today</h1> <h1>tomorrow</h1>",
        "still running: 1",
        "the block was left, and nothing runs",
    ],
    "pool": [
        "the watcher begins with 2 workers",
        "<Worker root/worker-1> did this",
        "<Worker root/worker-2> did that",
        "<Worker root/worker-1> did this and more",
        "the key stays: True",
        "Left <Worker root/worker-2>",
        "Joined <Worker root/worker-2>",
        "the key is where it was: True",
        "the watcher hears of rain",
        "found by its key: <Watcher root/Watcher>",
    ],
    "application": [
        "the database opens",
        "the web says hello",
        "the web closes",
        "all connections are gone",
        "last backup",
        "the database closes",
        "exit status 0",
    ],
    "durable_agent": [
        "the model is asked, after 0 messages",
        "booked: ['blue']",
        "the agent is killed",
        "booked: ['blue']",
        "the model is asked, after 2 messages",
        "clerk: The blue room is yours.",
        "asked again: The blue room is yours.",
    ],
    "agent_as_data": [
        "the model reads: You are the clerk of the Ritz.",
        "the model is told: NoRoom: free are blue, green",
        "the model is told: blue is booked",
        "result: {'room': 'blue'}",
    ],
    "shared_mcp_server": [
        "the server is ready, with the tools: find",
        "Emma is on shelf A1",
        "Dracula is on shelf C7",
        "Frankenstein is on shelf B2",
        "the server broke: MCPServerExited",
        "lost is the call of find",
        "the server is ready, with the tools: find",
        "Emma is on shelf A1",
        "restarts: 1",
    ],
    "budgets": [
        "clerk: A fine day.",
        "refused: budget 'acme/report' is out of usd: 0.006 of 0.005 spent",
        "acme has spent 0.009 and has 0.001 left",
        "clerk: A fine day.",
        "refused: acme has spent 0.012 of 0.010 usd",
        "still spent: 0.012",
    ],
    "provider_outage": [
        "open: ModelOverloadedError: overloaded",
        "clerk-3 is throttled",
        "in a second 12 agents have asked 5 times at most: True",
        "closed, 11 agents wait",
        "full rate, 0 agents wait",
        "answers: {'Done.'}",
    ],
    "team": [
        "boss: A poem of two lines.",
        "requests: 2 and of the writers 2",
        "lines written by each: [1, 1]",
        "left: 6",
        "boss: Only the owner may do that.",
    ],
    "agents": [
        "writer: 1 question so far",
        "the tool broke, the caller is told: RuntimeError('no ink')",
        "writer: 2 questions so far",
        "the agent was killed, the caller is told: killed",
        "writer: 1 question so far",
    ],
}


def test_every_example_has_its_expected_output() -> None:
    assert sorted(EXPECTED) == sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_example_fits_on_a_page(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= 60


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_example_says_what_it_promises(name: str) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            out, errors = process.communicate(timeout=30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, errors) == (0, "")
    assert out.splitlines() == EXPECTED[name]
