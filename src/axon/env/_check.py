"""Whether an environment can be used: at a glance, or by reading all its files and importing what it is for."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from ._diagnosis import diagnose
from ._errors import Failed
from ._installer import passed
from ._manifest import differences
from ._place import Place, PythonEnv, Record, python_of
from ._run import run
from ._threads import off_loop
from ._verify import FAILED, PACKAGE

VERIFY = Path(__file__).with_name("_verify.py")
SHOWN = 5
"""Files that are named, of those that are not as they were."""


async def look_at(place: Place, record: Record, *, check: bool = False) -> PythonEnv:
    """The environment of this record, which is used from now on; raises `Failed` if it cannot be."""
    env = await off_loop(lambda stopped: place.look(record))
    if not check:
        return env
    different = await off_loop(lambda stopped: differences(env.path, record.manifest, stopped))
    if different:
        more = f" and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
        raise Failed("tampered", f"{', '.join(different[:SHOWN])}{more}", path=env.path)
    packages = await verify(env.path, record.names, record.imports, record.interpreter, passed(os.environ))
    if packages != record.packages:
        raise Failed("tampered", f"it has other packages than were installed: {packages}", path=env.path)
    return env


async def verify(
    path: Path,
    names: list[str],
    imports: list[str] | None,
    guard: str,
    environ: Mapping[str, str],
) -> list[list[str]]:
    """Import what was asked for, in the environment itself; returns the name and version of each package that is there.

    guard: the interpreter that runs the guard. Raises `Failed`.
    """
    told: list[str] = []
    command = [str(python_of(path)), "-I", str(VERIFY), json.dumps(names), json.dumps(imports)]
    ended = await run(command, python=guard, env=environ, cwd=path, said=told.append)
    failed = [line.removeprefix(FAILED).strip() for line in told if line.startswith(FAILED)]
    if ended.status != 0:
        raise diagnose(ended, "import_failed", f"importing {', '.join(imports or names)}")
    if failed:
        raise Failed("import_failed", "; ".join(failed), path=path, command=ended.command)
    return [line.removeprefix(PACKAGE).split() for line in told if line.startswith(PACKAGE)]
