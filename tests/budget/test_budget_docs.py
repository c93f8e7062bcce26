"""What docs/agents.md shows of budgets is a program that runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "agents.md").read_text()


@pytest.mark.slow
def test_the_program_in_the_section_on_budgets_runs(tmp_path: Path) -> None:
    section = PAGE.split("\n## Budgets\n")[1].split("\n## ")[0]
    (program,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    spent, left = map(float, done.stdout.split())
    assert 0 < spent < 0.01
    assert spent + left == pytest.approx(20)
