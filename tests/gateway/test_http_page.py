"""What docs/gateway.md shows of HTTP works: the program, each line of curl, and the client of the WebSocket."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from axon.gateway.http import bind

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "gateway.md").read_text()


def code(title: str, language: str) -> list[str]:
    """The blocks of a language below a heading."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.e2e
def test_what_the_page_shows_of_http_works() -> None:
    program, websocket = code("HTTP", "python")
    [lines] = code("HTTP", "sh")
    with bind("127.0.0.1", 0) as free:
        port = str(free.getsockname()[1])
    run = [sys.executable, "-W", "error", "-c"]
    served = program.replace("openai:gpt-5", "test").replace("8000", port)
    with subprocess.Popen([*run, served], cwd=ROOT, stdout=-1, stderr=-1, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == f"http://127.0.0.1:{port}\n"
            said = [printed(["sh", "-c", line.replace("8000", port)]) for line in lines.splitlines()]
            frames = printed([*run, websocket.replace("8000", port)])
        finally:
            server.send_signal(signal.SIGTERM)
        assert (server.wait(20), server.stderr and server.stderr.read()) == (128 + signal.SIGTERM, "")
    for expected, found in zip(
        ['"result"', "event: complete", '"accepted"', '"status"', '"result"', '"dates"'], said, strict=True
    ):
        assert expected in found
    assert '{"status":"complete"' in frames


def printed(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout


@pytest.mark.slow
def test_the_tokens_of_the_page_are_tokens() -> None:
    [program] = code("Tokens and what else keeps strangers out", "python")
    secrets = {"SHOP_TOKEN": "the shop's secret token", "BOSS_TOKEN": "the boss's secret token"}
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | secrets, timeout=30)
