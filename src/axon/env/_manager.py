"""The manager of one environment: builds it when it is not there, and says whether it is as it was built."""

from __future__ import annotations

import asyncio
import math
import os
import time
import weakref
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ..errors import InvalidOption
from ..telemetry import emit
from ._build import build
from ._check import look_at
from ._diagnosis import of_os_error
from ._errors import Failed, named, without_credentials
from ._events import EnvBuildFailed, EnvBuilt, EnvDiscarded
from ._folder import UNUSED_FOR, Removed, gc
from ._lock import FIRST_LOOK, LAST_LOOK, Lock, locked
from ._place import Place, PythonEnv, Record, default_base
from ._progress import Progress
from ._request import Request, checked_links, checked_python, checked_requirements
from ._threads import off_loop


class PythonEnvManager:
    """The Python environment with these packages: found if it was built before, built otherwise.

        manager = PythonEnvManager(["httpx>=0.27"], python=">=3.12")
        env = await manager.ensure_env()
        await asyncio.create_subprocess_exec(env.python, "-m", "my_agent")

    requirements: of PEP 508, such as `"httpx>=0.27"` or `"tool @ file:///wheels/tool-1.0-py3-none-any.whl"`; default none,
    which is an interpreter with nothing of the program's: for a server whose packages are Axon's own, say, or for another Python.
    python: the versions that will do, default `">=3.10"`, which holds in any case; `"3.12"` is any 3.12; or the absolute
    path of an interpreter. Otherwise the one that runs this program is taken if it fits, then what the PATH and the
    usual places have. base: the folder that environments are kept in, default `axon/envs` in the user's cache folder.
    Programs with the same base and the same request share an environment; all of the following but `offline`, `uv` and
    `timeout` is part of the request.

    imports: the modules whose import shows that it works, default all top-level modules of what is required.
    index, extra_indexes: URLs of package indexes instead of the configured one, and besides it; users and passwords in
    them are neither kept nor shown. find_links: folders and URLs with archives. no_index: take archives from
    `find_links` alone, whatever the machine's configuration says. offline: use no network: what uv has in its cache, and
    `find_links`; pip can do the latter only.
    uv: the absolute path of uv, or False: use Python's own venv and pip; default: uv if there is one.
    timeout: seconds that a build may take, default 1800.

    As long as a manager lives that has ensured its environment, nobody else's `gc` or `remove` takes that away. Raises
    `InvalidOption` for what it cannot use. Not for the packages of the program itself, which are those of its own
    environment. https://docs.astral.sh/uv/pip/
    """

    def __init__(
        self,
        requirements: Iterable[str] = (),
        python: str | os.PathLike[str] = ">=3.10",
        base: str | os.PathLike[str] | None = None,
        *,
        imports: Iterable[str] | None = None,
        index: str | None = None,
        extra_indexes: Iterable[str] = (),
        find_links: Iterable[str | os.PathLike[str]] = (),
        no_index: bool = False,
        offline: bool = False,
        uv: str | os.PathLike[str] | Literal[False] | None = None,
        timeout: float = 1800.0,
    ) -> None:
        if isinstance(uv, str | os.PathLike) and not Path(uv).is_absolute():
            raise InvalidOption("uv", uv, "an absolute path, or False for pip")
        if not 0 < timeout < math.inf:
            raise InvalidOption("timeout", timeout, "seconds, more than 0")
        if no_index and (index is not None or extra_indexes):
            raise InvalidOption("no_index", no_index, "False where an index is given")
        request = Request(
            requirements=checked_requirements(requirements),
            python=checked_python(python),
            imports=None if imports is None else _checked_modules(imports),
            index=None if index is None else _checked_urls("index", [index])[0],
            extra_indexes=_checked_urls("extra_indexes", extra_indexes),
            find_links=checked_links(find_links),
            no_index=no_index,
            offline=offline,
            installer="pip" if uv is False else None if uv is None else os.fspath(uv),
        )
        self._manage(request, default_base() if base is None else Path(base).absolute(), timeout)

    def _manage(self, request: Request, base: Path, timeout: float) -> None:
        self._request = request
        self.base: Path = base
        self.timeout = timeout
        self._place = Place(base, request.digest)
        self._use: Lock = self._place.use_lock()
        weakref.finalize(self, self._use.release)

    def with_axon(self) -> PythonEnvManager:
        """The manager of an environment that has, besides, what Axon needs to run its servers there: the dependencies of
        Axon, without extras, and a Python that it runs on.

        `axon.port.isolated(…, env=…)` does this by itself; to build that environment ahead, as a deployment does:

            await manager.with_axon().ensure_env()

        Axon's own code is not in it: a child process runs that of its parent.
        """
        manager = object.__new__(type(self))
        manager._manage(self._request.with_axon(), self.base, self.timeout)
        return manager

    @property
    def digest(self) -> str:
        """The name of the environment in its base folder: the same for the same request."""
        return self._place.digest

    def __repr__(self) -> str:
        asked = list(map(without_credentials, self._request.requirements))
        return f"PythonEnvManager({asked!r}, {self._request.python!r}, {str(self.base)!r})"

    async def ensure_env(self, *, check: bool = False) -> PythonEnv:
        """The environment, built if need be.

        To find it again takes milliseconds: it is there, and its interpreter is the same; with `check` its files and
        imports are looked at, too, as by `check_env`. What cannot be used is built anew.

        Callers at the same time, of this and other processes, build it once; if that fails, those that waited get the
        same error, and the next call tries again. A build takes place aside and counts when it is whole; whoever uses an
        environment that is built anew keeps the old one until `gc`. A cancellation ends the installer with all its
        processes. Raises `PythonEnvError`.
        """
        with self._named():
            return await self._ensure(check=check)

    async def check_env(self) -> PythonEnv:
        """The environment, if it is as it was built: reads all its files, and imports what was asked for.

        Builds and changes nothing. Raises `PythonEnvError`, with the reasons `not_built`, `interpreter_changed`,
        `tampered` or `import_failed`; `ensure_env(check=True)` then builds it anew.
        """
        with self._named():
            record = await off_loop(lambda stopped: self._record())
            if record is None:
                raise Failed("not_built", f"there is none in {self._place.folder}", path=self._place.folder)
            return await look_at(self._place, record, check=True)

    async def remove(self) -> None:
        """Remove the environment, and let go of it; nothing happens if there is none.

        Waits for a build that is under way. Raises `PythonEnvError` with the reason `in_use` if another manager, of
        this or another process, has ensured it.
        """
        with self._named():
            self._use.release()
            if not await off_loop(lambda stopped: self._place.folder.exists()):
                return
            async with locked(self._place.build_lock()):
                if not await off_loop(lambda stopped: self._place.remove_unused()):
                    raise Failed("in_use", "another manager has ensured it", path=self._place.folder)

    async def gc(self, *, unused_for: float = UNUSED_FOR) -> list[Removed]:
        """Remove from the base folder what nobody needs, and return that: `axon.env.gc` of it."""
        return await gc(self.base, unused_for=unused_for)

    async def _ensure(self, *, check: bool) -> PythonEnv:
        begun, pause = time.time(), FIRST_LOOK
        unusable: Failed | None = None
        judged = ""  # the build that is unusable
        lock, progress = self._place.build_lock(), Progress(self.digest)
        try:
            while True:
                record = await off_loop(lambda stopped: self._record())
                if record is not None and record.build != judged:
                    try:
                        return await look_at(self._place, record, check=check)
                    except Failed as failed:
                        unusable, judged = failed, record.build
                failure = await off_loop(lambda stopped: self._place.failure_since(begun))
                if failure is not None:
                    raise failure
                if lock.held:
                    return await self._build(unusable, progress)
                if not await off_loop(lambda stopped: self._begin(lock)):
                    progress.waiting()
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LAST_LOOK)
        finally:
            progress.done()
            lock.release()

    def _record(self) -> Record | None:
        """What is ready, kept from being removed."""
        if self._place.record() is None:
            self._use.release()
            return None
        return self._place.record() if self._use.held or self._use.take("shared") else None

    def _begin(self, lock: Lock) -> bool:
        """Become the builder, if nobody is."""
        self._place.make()
        return lock.take("exclusive")

    async def _build(self, unusable: Failed | None, progress: Progress) -> PythonEnv:
        """Build it, as who holds the lock."""
        if unusable is not None:
            emit(EnvDiscarded(env=self.digest, why=unusable.reason, detail=unusable.detail))
        place = self._place
        try:
            async with asyncio.timeout(self.timeout):
                kept = await off_loop(lambda stopped: place.clear())
                record = await build(place, self._request, progress)
                await off_loop(lambda stopped: place.publish(record, kept))
        except (Failed, OSError) as error:
            failed = self._why(error, progress)
            emit(EnvBuildFailed(env=self.digest, why=failed.reason, detail=failed.detail, seconds=progress.seconds))
            await off_loop(lambda stopped: place.note_failure(failed))
            raise failed from (error.__cause__ if error is failed else error)
        finally:
            await off_loop(lambda stopped: place.clear())
        emit(EnvBuilt(env=self.digest, python=record.version, packages=len(record.packages), seconds=progress.seconds))
        await off_loop(lambda stopped: self._record())  # from here on it is used
        return await look_at(place, record)

    def _why(self, error: Failed | OSError, progress: Progress) -> Failed:
        if isinstance(error, TimeoutError):
            said = progress.last or "nothing"
            return Failed(
                "timeout", f"it was at {progress.at!r} after {self.timeout:g} s (timeout), and had said: {said}"
            )
        return of_os_error(error) if isinstance(error, OSError) else error

    @contextmanager
    def _named(self) -> Generator[None]:
        """What fails inside is raised with what was asked for."""
        try:
            yield
        except Failed as failed:
            raise named(failed, self._request.requirements, self._request.python) from failed.__cause__
        except OSError as error:
            raise named(of_os_error(error), self._request.requirements, self._request.python) from error


def _checked_modules(imports: Iterable[str]) -> tuple[str, ...]:
    names = () if isinstance(imports, str) else tuple(imports)
    if isinstance(imports, str) or not all(part.isidentifier() for name in names for part in name.split(".")):
        raise InvalidOption("imports", imports, "names of modules, such as ['httpx']")
    return names


def _checked_urls(option: str, urls: Iterable[str]) -> tuple[str, ...]:
    if isinstance(urls, str):
        raise InvalidOption(option, without_credentials(urls), "several URLs")
    given = tuple(urls)
    for url in given:
        if "://" not in url or url.split() != [url]:
            raise InvalidOption(option, without_credentials(url), "the URL of a package index")
    return given
