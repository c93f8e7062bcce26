"""The programs of the README run, with what their comments say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)


def run(program: str, folder: Path) -> list[str]:
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.slow
def test_the_programs_of_the_readme_do_what_they_say(tmp_path: Path) -> None:
    agent, counter = PROGRAMS
    assert run(counter, tmp_path) == ["8"]
    first = run(agent, tmp_path)
    assert first == ["success (no tool calls)"]
    other = agent.replace('Agent("test"', "Agent(TestModel(custom_output_text='another answer')")
    again = run(f"from pydantic_ai.models.test import TestModel\n{other}", tmp_path)
    assert again == first, "it is answered from the journal"
