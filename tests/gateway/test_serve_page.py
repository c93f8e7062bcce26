"""What docs/gateway.md and the README show of `axon serve` works: the two commands, and the client."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "gateway.md").read_text()
README = (ROOT / "README.md").read_text()
START = "pip install uv && uv run "


def blocks(title: str, language: str) -> list[str]:
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.e2e
def test_two_commands_lead_from_nothing_to_a_streamed_answer() -> None:
    [shown] = blocks("From nothing to a streamed answer", "sh")
    serve, ask = shown.splitlines()
    assert serve.startswith(f"{START}axon serve ")
    assert serve in README
    assert ask in README
    [client] = blocks("The client", "python")
    command = [sys.executable, "-W", "error", "-m", "axon.cli", *serve.removeprefix(f"{START}axon ").split()]
    with subprocess.Popen([*command, "--port", "0"], cwd=ROOT, stdout=-1, stderr=-1, text=True) as served:
        assert served.stdout is not None
        try:
            port = str(json.loads(served.stdout.readline())["port"])
            streamed = printed(["sh", "-c", f"{ask.replace('5000', port)} -s"])
            said = printed([sys.executable, "-W", "error", "-c", client.replace("5000", port)])
        finally:
            served.terminate()
        _, errors = served.communicate(timeout=30)
    assert served.returncode == 0, errors
    events = [json.loads(line.removeprefix("data: ")) for line in streamed.splitlines() if line.startswith("data: ")]
    assert [event["status"] for event in events[-2:]] == ["chunk", "complete"]
    assert "".join(event["data"] for event in events[:-1]) == events[-1]["result"]
    assert events[-1]["usage"]["total_tokens"] > 0
    first, *_, last = said.splitlines()
    assert re.fullmatch(r'\{"days_between":0\} \d+', first)
    assert last == "404 AgentNotFound"


def printed(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def test_every_option_is_in_the_page() -> None:
    from axon.gateway.http import Settings

    [table] = re.findall(r"^\| option .*?(?=\n\n)", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`AXON_(\w+)`", table)) == {name.upper() for name in Settings.model_fields}
