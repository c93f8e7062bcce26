"""Every program that the pages on agents show runs, with the model that pydantic-ai has for tests."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = "\n".join((ROOT / "docs" / page).read_text() for page in ("agents.md", "tools.md", "fleet.md"))
PROGRAMS = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```$", PAGES, flags=re.MULTILINE | re.DOTALL)

PRINTED = {
    "A first durable agent": ["success (no tool calls)"],
    "Several queries at once": ["success (no tool calls)"] * 4,
    "Actors as tools": ['{"book":2}'],
    "Inputs as data": ["{'nights': 0}", "{'nights': 0}"],
    "MCP servers": ['{"find":"a is on shelf X"}', "('find',)"],
    "Provider accounts": [],
    "Budgets": ["0.000346 19.999654"],
    "Teams": [
        '{"ask_researcher":"success (no tool calls)","ask_critic":"success (no tool calls)"}',
        "2 requests, and of its helpers 2",
    ],
}


def test_every_program_is_run() -> None:
    assert [title for title, _ in PROGRAMS] == list(PRINTED)
    assert len(PROGRAMS) == PAGES.count("```python")


@pytest.mark.slow
@pytest.mark.parametrize(("title", "program"), PROGRAMS, ids=lambda text: text[:9])
def test_a_program_does_what_the_page_says(title: str, program: str, tmp_path: Path) -> None:
    text = program.replace("openai:gpt-5", "test").replace("examples/", f"{ROOT}/examples/")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == PRINTED[title]
