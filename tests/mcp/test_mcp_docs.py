"""The program in docs/agents.md about MCP servers runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECTION = (ROOT / "docs" / "agents.md").read_text().split("## MCP servers\n")[1].split("\n## ")[0]


@pytest.mark.slow
def test_its_program_runs() -> None:
    (program,) = re.findall(r"```python\n(.+?)```", SECTION, flags=re.DOTALL)
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
    answer, status = done.stdout.splitlines()
    assert answer == '{"find":"a is on shelf X"}'
    assert "tools=('find',)" in status
    assert "leases=0" in status
