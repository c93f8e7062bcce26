"""Every program that the page on ports shows runs, and prints what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import wheels
from axon.env._axon import OWN_REQUIREMENTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ports.md").read_text()
PROGRAMS = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
PRINTED = {
    "A server": ["['to', 'be', 'or', 'not']", "SIGSEGV", "['to', 'be']"],
    "An agent": ['{"where":true} 2'],
    "Packages of its own": ['{"pandas_version":"1.5.3"}'],
    "Pools": ["[['to', 'be'], 'died', ['or', 'not']]", "['to', 'be', 'or', 'not']", "2"],
    "Agents that stay plain services": ['{"rooms":3} 2', '{"rooms":3}'],
}


def test_every_program_is_run() -> None:
    assert [title for title, _ in PROGRAMS] == list(PRINTED)
    assert len(PROGRAMS) == PAGE.count("```python")


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page's environment is made of, without a network."""
    folder = tmp_path_factory.mktemp("archives")
    wheels.installed(folder, *OWN_REQUIREMENTS)
    wheels.wheel(folder, "pandas", "1.5.3")
    wheels.wheel(folder, "pandas", "2.0.0")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("title", "program"), PROGRAMS, ids=lambda text: text[:9])
def test_a_program_does_what_the_page_says(
    title: str, program: str, tmp_path: Path, archives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uv.toml").write_text(f'no-index = true\nfind-links = ["{archives}"]\n')
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
    for name in ("UV_CACHE_DIR", "XDG_CACHE_HOME"):  # uv wants no environment in its own cache
        monkeypatch.setenv(name, str(tmp_path / name))
    (tmp_path / "shown.py").write_text(program)
    done = subprocess.run([sys.executable, "shown.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    printed = [line for line in done.stdout.splitlines() if not line.startswith("others ask http://127.0.0.1:")]
    assert printed == PRINTED[title]
    assert all(f"`{line}`" in PAGE for line in PRINTED[title])
