"""docs/testing.md shows a project that runs, and what its failing tests print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "testing.md").read_text()
PROJECT = ROOT / "examples" / "testing_guide"

BLOCKS: list[tuple[str, str, str]] = re.findall(
    r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', GUIDE, flags=re.MULTILINE | re.DOTALL
)
"""Language, file and text of each."""


@cache
def printed(*arguments: str) -> tuple[int, str]:
    """What pytest says in the project, and its exit status."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AXON_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def masked(line: str) -> str:
    """Without the numbers: which seed fails first, and at which step, may differ from one version of Python to the next."""
    return re.sub(r"\d+", "N", line)


def test_every_block_of_code_is_part_of_the_file_that_it_names() -> None:
    code = [(file, text) for language, file, text in BLOCKS if language in ("python", "toml")]
    assert [file for file, text in code if f"\n{text}" not in f"\n{(PROJECT / file).read_text()}"] == []
    assert len(code) > 20


def test_every_file_of_the_project_is_shown() -> None:
    assert {path.name for path in PROJECT.iterdir() if path.is_file()} - {"uv.lock"} == {
        file for _, file, _ in BLOCKS if file
    }


@pytest.mark.slow
def test_the_project_passes() -> None:
    status, out = printed()
    assert status == 0, out
    assert re.search(r"^\d\d passed in", out, flags=re.MULTILINE), out


@pytest.mark.slow
def test_the_tests_that_find_the_race_fail_as_shown() -> None:
    status, out = printed("oversold.py")
    assert status == 1, out
    assert "3 failed, 1 passed" in out
    shown = [masked(line) for language, _, text in BLOCKS if language == "text" for line in text.splitlines()]
    said = {masked(re.sub(r"^E\s+", "E   ", line)) for line in out.splitlines()}
    assert len(shown) > 8
    assert [line for line in shown if masked(re.sub(r"^E\s+", "E   ", line)) not in said] == []
