"""Every program that the page on ports shows runs, and prints what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ports.md").read_text()
PROGRAMS = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
PRINTED = {
    "A server": ["['to', 'be', 'or', 'not']", "SIGSEGV", "['to', 'be']"],
    "An agent": ['{"where":true} 2'],
    "Pools": ["[['to', 'be'], 'died', ['or', 'not']]", "['to', 'be', 'or', 'not']", "2"],
}


def test_every_program_is_run() -> None:
    assert [title for title, _ in PROGRAMS] == list(PRINTED)
    assert len(PROGRAMS) == PAGE.count("```python")


@pytest.mark.slow
@pytest.mark.parametrize(("title", "program"), PROGRAMS, ids=lambda text: text[:9])
def test_a_program_does_what_the_page_says(title: str, program: str, tmp_path: Path) -> None:
    (tmp_path / "shown.py").write_text(program)
    done = subprocess.run([sys.executable, "shown.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == PRINTED[title]
    assert all(f"`{line}`" in PAGE for line in PRINTED[title])
