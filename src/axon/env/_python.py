"""Interpreters: which there are on this machine, and what each of them is."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet

from ._axon import OWN_PYTHON
from ._errors import Failed
from ._request import OLDEST, Request
from ._run import ask

_PROBE = """
import importlib.util, json, platform, sys
base = getattr(sys, "_base_executable", None) or sys.executable
pip = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
print(json.dumps([base, platform.python_version(), platform.python_implementation(), pip]))
"""
MINORS = range(20, 9, -1)
"""Which `python3.N` are looked for."""
NO_PIP = " without ensurepip: install uv, or python3-venv"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that was asked what it is. `path` is its own, not that of a virtual environment or of a shim.

    pip: whether it can make environments by itself, with `venv` and `ensurepip`.
    """

    path: str
    version: str
    implementation: str
    pip: bool

    def fits(self, versions: SpecifierSet) -> bool:
        """Whether it is one of these versions."""
        return versions.contains(self.version, prereleases=True)


def candidates(environ: Mapping[str, str]) -> Iterator[str]:
    """Paths at which an interpreter may be, the best first: `PYTHON_EXEC`, the running one, the PATH's, others' places.

    Only absolute entries of the PATH count: what the current folder has is not run.
    """
    named = environ.get("PYTHON_EXEC", "")
    if Path(named).is_absolute():
        yield named
    yield getattr(sys, "_base_executable", None) or sys.executable
    names = [f"python3.{minor}" for minor in MINORS] + ["python3", "python"]
    if os.name == "nt":
        names = ["python.exe"]
    home = Path.home()
    folders = [Path(part) for part in environ.get("PATH", "").split(os.pathsep) if Path(part).is_absolute()]
    for base in (Path(environ.get("PYENV_ROOT") or home / ".pyenv", "versions"), home / ".local/share/uv/python"):
        with suppress(OSError):
            folders += [entry / "bin" for entry in sorted(base.iterdir(), reverse=True)]
    folders += [Path("/usr/local/bin"), Path("/usr/bin"), Path("/opt/homebrew/bin")]
    for folder in dict.fromkeys(folders):
        for name in names:
            if (folder / name).is_file():
                yield str(folder / name)


async def probe(path: str, environ: Mapping[str, str]) -> Interpreter | None:
    """What the program at `path` is; None if it is no Python that runs."""
    try:
        status, output = await ask([path, "-I", "-c", _PROBE], env=environ)
        return Interpreter(*json.loads(output.splitlines()[-1])) if status == 0 else None
    except (OSError, ValueError, IndexError, TypeError):
        return None


async def interpreters() -> list[Interpreter]:
    """Those of this machine that an environment may have, the one that is taken by default first."""
    return [found async for found in _found(os.environ) if found.fits(OLDEST)]


async def find_interpreter(request: Request, environ: Mapping[str, str], *, with_pip: bool) -> Interpreter:
    """The one that the request names, or the first that fits; with_pip: it must make environments by itself.

    Raises `Failed`.
    """
    if request.interpreter:
        return await _named(request, request.interpreter, environ, with_pip=with_pip)
    others: list[str] = []
    async for found in _found(environ):
        fits = found.fits(request.versions)
        if fits and (found.pip or not with_pip):
            return found
        others.append(f"{found.path} ({found.version}{NO_PIP if fits else ''})")
    there = ", ".join(others) or "none"
    raise Failed("no_interpreter", f"no Python here fits {request.versions}{_why(request)}; there are: {there}")


def _why(request: Request) -> str:
    return f" (Axon needs {OWN_PYTHON})" if request.for_axon else ""


async def _named(request: Request, path: str, environ: Mapping[str, str], *, with_pip: bool) -> Interpreter:
    found = await probe(path, environ)
    problem = ""
    if found is None:
        problem = "it is not there, or no Python that runs"
    elif not found.fits(request.versions):
        problem = f"it is Python {found.version}, and {OLDEST} is needed{_why(request)}"
    elif with_pip and not found.pip:
        problem = f"it is Python {found.version}{NO_PIP}"
    if found is None or problem:
        raise Failed("wrong_interpreter", f"{path}: {problem}", path=path)
    return found


async def _found(environ: Mapping[str, str]) -> AsyncIterator[Interpreter]:
    """All there are, each once."""
    seen: set[str] = set()
    programs = await asyncio.to_thread(lambda: {str(Path(path).resolve()): path for path in candidates(environ)})
    for path in programs.values():
        found = await probe(path, environ)
        if found is not None and found.path not in seen:
            seen.add(found.path)
            yield found
