"""All environments of a base folder: which there are, whether they are well, and which nobody needs."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidOption
from ._check import look_at
from ._diagnosis import of_os_error
from ._errors import EnvErrorReason, Failed, named
from ._place import Place, PythonEnv, default_base, places
from ._threads import off_loop

UNUSED_FOR = 30 * 86400.0
"""Seconds after which `gc` removes what nobody has used, by default: 30 days."""


@dataclass(frozen=True, slots=True)
class EnvInfo:
    """An environment of a base folder, as it looks at a glance.

    version, requirements, packages, built_at: as of `PythonEnv`. last_used: when it was ensured last, in seconds since
    the epoch. size: of its files, in bytes. problem: why it cannot be used, None if it can; it is built anew when it is
    wanted.
    """

    digest: str
    path: Path
    version: str
    requirements: tuple[str, ...]
    packages: tuple[tuple[str, str], ...]
    built_at: float
    last_used: float
    size: int
    problem: EnvErrorReason | None


@dataclass(frozen=True, slots=True)
class Removed:
    """What `gc` has removed of an environment: `size` bytes; all of it, or what was left of other builds."""

    digest: str
    size: int
    whole: bool


async def list_envs(base: str | os.PathLike[str] | None = None) -> list[EnvInfo]:
    """The environments that are ready in a base folder (default: that of `PythonEnvManager`), by digest."""
    folder = _folder(base)
    return await off_loop(lambda stopped: [info for place in places(folder) for info in _info(place)])


async def check_env(digest: str, base: str | os.PathLike[str] | None = None) -> PythonEnv:
    """As `PythonEnvManager.check_env`, of the environment with this digest. Raises `PythonEnvError`."""
    place = Place(_folder(base), digest)
    record = await off_loop(lambda stopped: place.record())
    try:
        if record is None:
            raise Failed("not_built", f"there is none in {place.folder}", path=place.folder)
        return await look_at(place, record, check=True)
    except Failed as failed:
        asked = ((), "") if record is None else (tuple(record.requirements), record.asked_python)
        raise named(failed, *asked) from failed.__cause__


async def gc(base: str | os.PathLike[str] | None = None, *, unused_for: float = UNUSED_FOR) -> list[Removed]:
    """Remove from a base folder (default: that of `PythonEnvManager`) what nobody needs, and return what that was.

    These are environments that were not ensured for `unused_for` seconds (default 30 days) and that no manager holds,
    and what is left of builds that were killed or replaced. What is being built or used stays. Raises `InvalidOption`,
    and `PythonEnvError` with the reason `not_writable`.
    """
    if not 0 <= unused_for < math.inf:
        raise InvalidOption("unused_for", unused_for, "seconds, 0 or more")
    folder, since = _folder(base), time.time() - unused_for
    try:
        return await off_loop(lambda stopped: [gone for place in places(folder) for gone in _swept(place, since)])
    except OSError as error:
        raise named(of_os_error(error), (), "") from error


def _swept(place: Place, since: float) -> list[Removed]:
    lock = place.build_lock()
    try:
        if not lock.take("exclusive"):
            return []
        before = _size(place.folder)
        whole = place.remove_unused(since=since)
        if not whole:
            place.clear()
        size = before - _size(place.folder)
        return [Removed(place.digest, size, whole)] if whole or size else []
    finally:
        lock.release()


def _info(place: Place) -> list[EnvInfo]:
    record = place.record()
    if record is None:
        return []
    used, problem = place.last_used(), None
    try:
        place.look(record, use=False)
    except Failed as failed:
        problem = failed.reason
    packages = tuple((name, version) for name, version in record.packages)
    path, asked = place.folder / record.build, tuple(record.requirements)
    return [
        EnvInfo(
            place.digest, path, record.version, asked, packages, record.built_at, used, _size(place.folder), problem
        )
    ]


def _folder(base: str | os.PathLike[str] | None) -> Path:
    return default_base() if base is None else Path(base).absolute()


def _size(folder: Path) -> int:
    return sum(Path(where, name).lstat().st_size for where, _, files in os.walk(folder) for name in files)
