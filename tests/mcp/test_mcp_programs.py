"""A program that ends takes its MCP servers along, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from mcp_parts import HERE, is_alive

pytestmark = [pytest.mark.kill, pytest.mark.slow]


@pytest.mark.parametrize(
    ("how", "told"),
    [("leave", "deaf"), (signal.SIGINT, "deaf"), (signal.SIGKILL, "well")],
)
def test_a_program_that_ends_takes_its_servers_along(how: str | signal.Signals, told: str) -> None:
    """Where the program is killed itself, a server sees the end of its input."""
    word = how if isinstance(how, str) else "wait"
    command = [sys.executable, "-W", "error", str(HERE / "program_with_server.py"), word, told]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        server, child = map(int, program.stdout.readline().split())
        assert how == "leave" or is_alive(server)
        if isinstance(how, signal.Signals):
            program.send_signal(how)
        _, errors = program.communicate(timeout=20)
    due = time.monotonic() + 2
    while is_alive(server) and time.monotonic() < due:
        time.sleep(0.01)
    assert not is_alive(server)
    if told == "deaf":
        assert not is_alive(child)
    elif is_alive(child):
        os.kill(child, signal.SIGKILL)  # nobody is left to do so
    assert "cancel scope" not in errors
    assert how == signal.SIGINT or errors == ""
