"""The programs that make environments: uv, or Python's own venv and pip, and what they are told."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from ._errors import Failed
from ._place import python_of
from ._python import Interpreter
from ._request import Request
from ._run import ask

OLDEST_UV = Version("0.8")
"""The oldest uv that knows all options."""
_ALLOWED = re.compile(
    "PATH|HOME|USER|LOGNAME|TMPDIR|TEMP|TMP|TZ|LANG|LC_.*|XDG_.*|UV_.*|PIP_.*|CC|CXX|[A-Z]*FLAGS|LD_LIBRARY_PATH"
    "|PKG_CONFIG_PATH|CARGO_HOME|RUSTUP_HOME|PYENV_ROOT|NETRC|SSH_AUTH_SOCK|(?i:(?:HTTPS?|ALL|NO|FTP)_PROXY)"
    "|SSL_CERT_.*|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|SYSTEM(?:ROOT|DRIVE)|COMSPEC|PATHEXT|(?:LOCAL)?APPDATA|USERPROFILE"
)
_NOT_PASSED = re.compile(
    "(UV|PIP)_(PYTHON|PROJECT.*|SYSTEM_PYTHON|TARGET|PREFIX|ROOT|USER|DRY_RUN|REQUIRE_VIRTUALENV|REQUIREMENT|EDITABLE)"
)
_INDEXES = re.compile("(UV|PIP)_(INDEX|DEFAULT_INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS)|UV_INDEX_.*")


@dataclass(frozen=True, slots=True)
class Installer:
    """uv, by its absolute path, or pip."""

    uv: str | None

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return "pip" if self.uv is None else "uv"

    def make_venv(self, path: Path, interpreter: Interpreter) -> list[str]:
        """The command that makes a virtual environment."""
        if self.uv is None:
            return [interpreter.path, "-I", "-m", "venv", str(path)]
        options = ["--no-project", "--no-config", "--no-python-downloads", "--allow-existing"]
        return [self.uv, "venv", *options, "--python", interpreter.path, str(path)]

    def install(self, path: Path, request: Request) -> list[str]:
        """The command that installs into it. URLs are told by the environment: others can read arguments."""
        python = str(python_of(path))
        if self.uv is None:
            command = [python, "-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        else:  # copies: a hard link into uv's cache would hand what one program does to its files on to all others
            command = [self.uv, "pip", "install", "--python", python, "--link-mode", "copy", "--no-python-downloads"]
        if request.offline and self.uv is not None:
            command += ["--offline"]
        if request.no_index or (request.offline and self.uv is None):
            command += ["--no-index"]
        command += [part for link in request.find_links if "://" not in link for part in ("--find-links", link)]
        return [*command, "--", *request.requirements]

    def environ(self, environ: Mapping[str, str], request: Request) -> dict[str, str]:
        """What the commands see of this process's environment: what installers need, and none of the program's keys.

        With `no_index` nothing of the machine's configuration of installers counts.
        """
        seen = passed(environ) | {"NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
        if request.no_index:
            seen = {name: value for name, value in seen.items() if not _INDEXES.fullmatch(name)}
            seen |= {"UV_NO_CONFIG": "1", "PIP_CONFIG_FILE": os.devnull}
        if request.index is not None:
            seen |= {"UV_DEFAULT_INDEX": request.index, "PIP_INDEX_URL": request.index}
        if request.extra_indexes:
            extra = " ".join(request.extra_indexes)
            seen |= {"UV_INDEX": extra, "PIP_EXTRA_INDEX_URL": extra}
        urls = [link for link in request.find_links if "://" in link]
        if urls:
            seen |= {"UV_FIND_LINKS": ",".join(urls), "PIP_FIND_LINKS": " ".join(urls)}
        return seen


def passed(environ: Mapping[str, str]) -> dict[str, str]:
    """Those variables that the programs of a build get."""
    return {
        name: value for name, value in environ.items() if _ALLOWED.fullmatch(name) and not _NOT_PASSED.fullmatch(name)
    }


def _places_of_uv(environ: Mapping[str, str]) -> Iterator[str]:
    """The uv that is installed beside Axon first, then that of the interpreter, of the user, and of the PATH's folders."""
    name = "uv.exe" if os.name == "nt" else "uv"
    home = Path.home()
    if importlib.util.find_spec("uv") is not None:
        from uv import find_uv_bin

        with suppress(FileNotFoundError):
            yield find_uv_bin()
    folders = [Path(sys.prefix), Path(sys.base_prefix)]
    folders = [folder / ("Scripts" if os.name == "nt" else "bin") for folder in folders]
    folders += [home / ".local" / "bin", home / ".cargo" / "bin"]
    folders += [Path(part) for part in environ.get("PATH", "").split(os.pathsep) if Path(part).is_absolute()]
    for folder in folders:
        if (folder / name).is_file():
            yield str(folder / name)


async def find_uv(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The absolute path and the version of a uv that runs; None if there is none."""
    for path in dict.fromkeys(await asyncio.to_thread(lambda: list(_places_of_uv(environ)))):
        version = await _version(path, environ)
        if version is not None:
            return path, version
    return None


async def find_installer(request: Request, environ: Mapping[str, str]) -> Installer:
    """The one that is asked for, or uv if there is one; raises `Failed`."""
    if request.installer == "pip":
        return Installer(None)
    if request.installer is None:
        found = await find_uv(environ)
        return Installer(found and found[0])
    if await _version(request.installer, environ) is None:
        raise Failed("no_installer", f"{request.installer} is no uv that runs", path=request.installer)
    return Installer(request.installer)


async def _version(path: str, environ: Mapping[str, str]) -> str | None:
    try:
        status, output = await ask([path, "--version"], env=environ)
    except OSError:
        return None
    said = re.match(r"uv (\d+(?:\.\d+)*)", output)
    return said[1] if status == 0 and said and Version(said[1]) >= OLDEST_UV else None
