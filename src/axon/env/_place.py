"""Where environments are kept, and what makes one ready: a record that is put in its place last.

In the base folder an environment has the folder DIGEST and the locks DIGEST.build, which its builder holds, and
DIGEST.use, which its users share. Each build is made in a folder of its own, DIGEST/BUILD, where it stays, since a
virtual environment cannot be moved. DIGEST/ready.json names the build that counts; it is written aside and renamed.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ._axon import missing
from ._errors import EnvErrorReason, Failed
from ._lock import Lock
from ._manifest import MANIFEST

_DIGEST = re.compile(r"[0-9a-f]{20}")
_BUILD = "build-"


@dataclass(frozen=True, slots=True)
class PythonEnv:
    """An environment that is ready.

    path: its folder, which stays where it is. python: its interpreter, by absolute path; to run that is all one needs.
    version: that of Python. requirements: what was asked for. packages: names and versions of all that is installed.
    digest: the name of the environment in its base folder. built_at: when it was, in seconds since the epoch.
    """

    path: Path
    python: Path
    version: str
    requirements: tuple[str, ...]
    packages: tuple[tuple[str, str], ...]
    digest: str
    built_at: float

    def missing_for_axon(self) -> list[str]:
        """What Axon needs to run servers there and this environment does not have, as requirements: empty if it was built
        by `manager.with_axon()`.
        """
        return missing(self.version, self.packages)


@dataclass(frozen=True, slots=True)
class Record:
    """What `ready.json` says."""

    build: str
    requirements: list[str]
    asked_python: str
    names: list[str]
    imports: list[str] | None
    interpreter: str
    stamp: list[int]
    version: str
    packages: list[list[str]]
    manifest: str
    built_at: float
    seconds: float
    replaced: list[str] = field(default_factory=list[str])
    """The builds that counted before it, and that somebody may be using."""


class Place:
    """The environment `digest` in the folder `base`. All methods block, for the time a few files take."""

    def __init__(self, base: Path, digest: str) -> None:
        self.base = base
        self.digest = digest
        self.folder: Path = base / digest
        self._ready: Path = self.folder / "ready.json"
        self._failed: Path = self.folder / "failed.json"

    def build_lock(self) -> Lock:
        """The lock that a builder holds exclusively."""
        return Lock(self.base / f"{self.digest}.build")

    def use_lock(self) -> Lock:
        """The lock that users share, and that is held exclusively while something is removed."""
        return Lock(self.base / f"{self.digest}.use")

    def make(self) -> None:
        """Make the folder in which its locks are; raises `OSError`."""
        self.base.mkdir(parents=True, exist_ok=True, mode=0o700)

    def new_build(self) -> Path:
        """An empty folder for a build."""
        self.folder.mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=_BUILD, dir=self.folder))

    def record(self) -> Record | None:
        """What is said to be ready, if anything is. A record that cannot be read says nothing."""
        try:
            record = Record(**json.loads(self._ready.read_bytes()))
            return record if Path(record.build).name == record.build else None
        except (OSError, ValueError, TypeError):
            return None

    def look(self, record: Record, *, use: bool = True) -> PythonEnv:
        """The environment, if it looks as it was built: to see that costs no more than reading a few directory entries.
        use: note that it is used now. Raises `Failed`.
        """
        path = self.folder / record.build
        python = python_of(path)
        try:
            if stamp_of(record.interpreter) != record.stamp:
                raise Failed("interpreter_changed", f"{record.interpreter} was replaced", path=record.interpreter)
        except OSError as error:
            raise Failed("interpreter_changed", f"{record.interpreter}: {error.strerror}", path=python) from error
        if python.is_symlink() and not python.exists():
            raise Failed("interpreter_changed", f"{python} leads nowhere", path=python)
        for part in (python, path / "pyvenv.cfg", path / MANIFEST):
            if not part.exists():
                raise Failed("tampered", f"{part} is missing", path=part)
        if use:
            with suppress(OSError):
                os.utime(self._ready)
        requirements, packages = tuple(record.requirements), tuple((name, version) for name, version in record.packages)
        return PythonEnv(path, python, record.version, requirements, packages, self.digest, record.built_at)

    def publish(self, record: Record, kept: list[str]) -> None:
        """From now on this build is the one that counts. kept: others that counted and are there still."""
        before = self.record()
        replaced = [*kept, *([before.build] if before else [])]
        _replace(self._ready, asdict(replace(record, replaced=replaced)))
        self._failed.unlink(missing_ok=True)

    def last_used(self) -> float:
        """When it was used last, in seconds since the epoch; 0 if it is not ready."""
        try:
            return self._ready.stat().st_mtime
        except OSError:
            return 0.0

    def note_failure(self, failed: Failed) -> None:
        """Tell those that wait for this build that it failed."""
        noted = {"reason": failed.reason, "detail": failed.detail, "path": failed.path, "status": failed.status}
        with suppress(OSError):
            _replace(self._failed, {"at": time.time(), "command": failed.command, "output": failed.output} | noted)

    def failure_since(self, moment: float) -> Failed | None:
        """How a build failed after `moment`, if the last one did."""
        try:
            noted: dict[str, Any] = json.loads(self._failed.read_bytes())
            reason: EnvErrorReason = noted["reason"]
            if noted["at"] < moment:
                return None
            command, output = tuple(noted["command"]), tuple(noted["output"])
            return Failed(
                reason, noted["detail"], path=noted["path"], command=command, status=noted["status"], output=output
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def clear(self) -> list[str]:
        """Remove builds that do not count, by who holds the build lock; returns the names of those that had to stay.

        Those that never counted go at once, and those that did, when nobody uses the environment. Without a record nobody
        knows which did.
        """
        record = self.record()
        others = [build for build in self._builds() if record is None or build.name != record.build]
        counted = [
            build for build in others if (build.name in record.replaced if record else (build / MANIFEST).exists())
        ]
        for build in others:
            if build not in counted:
                _remove(build)
        if not counted:
            return []
        with self._unused() as unused:
            for build in counted if unused else ():
                _remove(build)
            return [] if unused else [build.name for build in counted]

    def remove_unused(self, *, since: float = math.inf) -> bool:
        """Remove all of it but the locks, by who holds the build lock, unless somebody uses it, or has `since` then; returns
        whether it did.
        """
        with self._unused() as unused:
            if not unused or self.last_used() > since:
                return False
            self._ready.unlink(missing_ok=True)  # first: from here on nothing looks ready
            _remove(self.folder)
            return True

    @contextmanager
    def _unused(self) -> Generator[bool]:
        """Whether nobody uses it; if so nobody begins to in the block."""
        lock = self.use_lock()
        try:
            yield lock.take("exclusive")
        finally:
            lock.release()

    def _builds(self) -> list[Path]:
        try:
            return [entry for entry in self.folder.iterdir() if entry.name.startswith(_BUILD)]
        except OSError:
            return []


def places(base: Path) -> Iterator[Place]:
    """All environments in a folder, ready or not."""
    try:
        names = sorted(entry.name for entry in base.iterdir() if _DIGEST.fullmatch(entry.name))
    except OSError:
        return
    for name in names:
        yield Place(base, name)


def default_base() -> Path:
    """The folder for what can be made again, Axon's part of it."""
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "axon" / "envs"


def python_of(path: Path) -> Path:
    """The interpreter of a virtual environment."""
    return path / "Scripts" / "python.exe" if os.name == "nt" else path / "bin" / "python"


def stamp_of(interpreter: str) -> list[int]:
    """What changes when the file of an interpreter is replaced; raises `OSError` when it is gone."""
    status = Path(interpreter).stat()
    return [status.st_size, status.st_mtime_ns]


def _replace(path: Path, content: object) -> None:
    aside = path.with_suffix(".new")
    with aside.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _remove(folder: Path) -> None:
    """Of an installer that was killed together with its starter something may still be ending, and making files."""
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
