"""Archives that all tests of the room share, and one environment that those share that only look at it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from env_parts import manager, sdist, wheel

from axon.env import PythonEnv


@pytest.fixture(autouse=True)
def a_plain_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whoever runs the tests: uv's cache is theirs, and nobody's configuration of installers counts."""
    for name in os.environ:
        if name.startswith(("UV_", "PIP_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    monkeypatch.setenv("PYENV_ROOT", "/nowhere")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("PIP_RETRIES", "0")


@pytest.fixture(scope="session")
def links(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with archives."""
    folder = tmp_path_factory.mktemp("links")
    wheel(folder, "pear", "1.0")
    wheel(folder, "pear", "2.0")
    wheel(folder, "plum", "1.0", requires=["pear<2"])
    wheel(folder, "packaging", "0.1")
    wheel(folder, "httpx", "0.28.1")
    wheel(folder, "tomorrow", "1.0", python=">=3.99")
    wheel(folder, "broken", "1.0", code="raise ZeroDivisionError('at import')")
    wheel(folder, "abort", "1.0", code="import os; os.abort()")
    wheel(folder, "noisy", "1.0", code="import sys; sys.stdout.write('no line end'); sys.stdout.close()")
    wheel(folder, "fat", "1.0", code=f"text = '{'x' * 6_000_000}'")
    sdist(folder, "unbuildable", "1.0", "raise SystemExit('no compiler')", tmp_path_factory.mktemp("scratch"))
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the shared environment."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def pip_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the environment that pip makes, which takes it seconds."""
    return tmp_path_factory.mktemp("pip")


@pytest.fixture
def by_pip(pip_home: Path, links: Path) -> PythonEnv:
    """As `shared`, made without uv."""
    return asyncio.run(manager(pip_home, links, "plum", uv=False).ensure_env())


@pytest.fixture
def shared(home: Path, links: Path) -> PythonEnv:
    """An environment with `plum` and `pear` 1.0. To be looked at only."""
    return asyncio.run(manager(home, links, "plum").ensure_env())
