"""What the tests of environments share: archives made on the spot, managers that need no network, what is left on disk."""

from __future__ import annotations

import asyncio
import io
import subprocess
import tarfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from axon.env import EnvBuilt, PythonEnv, PythonEnvManager
from axon.telemetry import attach
from wheels import wheel as wheel

BACKEND = """
import os, pathlib, shutil

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(folder, config_settings=None, metadata_directory=None):
    here = pathlib.Path(__file__).parent
{work}
    [wheel] = here.glob("*.whl")
    shutil.copy(wheel, folder)
    return wheel.name
"""
"""A build backend that lies in its source distribution, so that nothing has to be fetched for it."""


def sdist(folder: Path, name: str, version: str, work: str, scratch: Path) -> Path:
    """A source distribution whose build does `work`, and then gives a wheel of one module."""
    built = wheel(scratch, name, version)
    project = f'[project]\nname = "{name}"\nversion = "{version}"\n'
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    body = "\n".join(f"    {line}" for line in work.splitlines())
    root = f"{name}-{version}"
    files = {
        "pyproject.toml": (system + project).encode(),
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n".encode(),
        "backend.py": BACKEND.format(work=body).encode(),
        built.name: built.read_bytes(),
    }
    path = folder / f"{root}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for inside, content in files.items():
            entry = tarfile.TarInfo(f"{root}/{inside}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def manager(base: Path, links: Path, *requirements: str, **options: Any) -> PythonEnvManager:
    """One that takes archives from `links` alone."""
    return PythonEnvManager(requirements, base=base, find_links=[links], no_index=True, **options)


def says(env: PythonEnv, code: str) -> str:
    """What a program in the environment prints."""
    return subprocess.run(
        [env.python, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()


async def saying(env: PythonEnv, code: str) -> str:
    """As `says`, without holding the loop."""
    return await asyncio.to_thread(says, env, code)


def builds_in(base: Path) -> list[str]:
    """The folders of builds there are, finished or not."""
    return sorted(path.name for path in base.glob("*/build-*"))


@asynccontextmanager
async def builds() -> AsyncGenerator[list[EnvBuilt]]:
    """The environments that are built in the block, on this loop."""
    built: list[EnvBuilt] = []
    detach = attach(built.append, EnvBuilt)
    try:
        yield built
    finally:
        detach()


def processes_with(marker: str) -> list[int]:
    """The living processes whose command line has this text in it."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if marker in command:
                found.append(int(entry.name))
    return found


def sleeping(marker: str) -> str:
    """Work of a build that starts a process, and both never end."""
    return f"import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)', {marker!r}])"


async def until(wanted: Callable[[], object], seconds: float = 20) -> None:
    """Wait, in real time, until it is so."""
    async with asyncio.timeout(seconds):
        while True:
            if wanted():
                return
            await asyncio.sleep(0.01)


async def gone(marker: str) -> None:
    """Wait until no process has this in its command line."""
    await until(lambda: not processes_with(marker), seconds=5)
