"""One build of an environment, from the interpreter to the record, in a folder that nobody else looks into."""

from __future__ import annotations

import asyncio
import os
import time

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ._check import verify
from ._diagnosis import diagnose
from ._errors import EnvErrorReason, without_credentials
from ._installer import find_installer, passed
from ._manifest import write_manifest
from ._place import Place, Record, stamp_of
from ._progress import Progress
from ._python import find_interpreter
from ._request import Request
from ._run import Ended, run
from ._threads import off_loop


async def build(place: Place, request: Request, progress: Progress) -> Record:
    """Build it and return its record, which is for the caller to publish. Raises `Failed` and `OSError`.

    The caller has the build lock. If this does not return, the next builder clears away what it has left.
    """
    begun = time.monotonic()
    environ = passed(os.environ)
    progress.step("interpreter")
    installer = await find_installer(request, environ)
    interpreter = await find_interpreter(request, environ, with_pip=installer.uv is None)
    stamp = await asyncio.to_thread(stamp_of, interpreter.path)
    path = await asyncio.to_thread(place.new_build)
    seen = installer.environ(os.environ, request)

    async def do(command: list[str], otherwise: EnvErrorReason, doing: str) -> Ended:
        ended = await run(command, python=interpreter.path, env=seen, cwd=path, said=progress.said)
        if ended.status != 0:
            raise diagnose(ended, otherwise, doing)
        return ended

    progress.step("venv")
    await do(installer.make_venv(path, interpreter), "venv_failed", "making the virtual environment")
    if request.requirements:
        progress.step("install")
        await do(installer.install(path, request), "install_failed", f"{installer.name} install")
    progress.step("verify")
    names = _applying(request, interpreter.version)
    imports = None if request.imports is None else list(request.imports)
    packages = await verify(path, names, imports, interpreter.path, seen)
    manifest = await off_loop(lambda stopped: write_manifest(path, stopped))
    return Record(
        build=path.name,
        requirements=list(map(without_credentials, request.requirements)),
        asked_python=request.python,
        names=names,
        imports=imports,
        interpreter=interpreter.path,
        stamp=stamp,
        version=interpreter.version,
        packages=packages,
        manifest=manifest,
        built_at=time.time(),
        seconds=time.monotonic() - begun,
    )


def _applying(request: Request, version: str) -> list[str]:
    """The names of those requirements whose markers hold for this version of Python."""
    here = {"python_full_version": version, "python_version": ".".join(version.split(".")[:2])}
    parsed = map(Requirement, request.requirements)
    wanted = {canonicalize_name(each.name) for each in parsed if each.marker is None or each.marker.evaluate(here)}
    return sorted(wanted)
