"""A program for the interpreter of an environment, which says what is installed there, and imports it.

    python -I _verify.py NAMES IMPORTS

NAMES are the distributions to look at, as JSON; IMPORTS the modules to import, as JSON, or null: all top-level modules
of these distributions. What is found is told in lines that begin with `PACKAGE` or `FAILED`; what is printed by what is
imported stands between them. It needs nothing but Python 3.10.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import sys
from importlib import metadata

PACKAGE, FAILED = "axon-package:", "axon-failed:"
"""What the lines begin with that are meant for the reader."""
NOT_MEANT = {"benchmarks", "doc", "docs", "example", "examples", "setup", "test", "tests"}
"""What some distributions install by mistake."""


def modules_of(distribution: metadata.Distribution) -> list[str]:
    """The modules and packages that it puts at the top level; its private ones only if it has no others."""
    found: set[str] = set()
    for file in distribution.files or ():
        name = file.parts[0] if len(file.parts) > 1 else inspect.getmodulename(file.name)
        if name and name.isidentifier() and (len(file.parts) == 1 or inspect.getmodulename(file.name)):
            found.add(name)
    found -= NOT_MEANT | {"__pycache__"}
    return sorted(name for name in found if not name.startswith("_")) or sorted(found)


def main(names: list[str], imports: list[str] | None) -> None:
    """Tell what is installed, and which imports failed and why."""
    installed = {re.sub(r"[-_.]+", "-", dist.metadata["Name"]).lower(): dist for dist in metadata.distributions()}
    for name, dist in sorted(installed.items()):
        tell(PACKAGE, f"{name} {dist.version}")
    wanted = imports
    if wanted is None:
        wanted = [module for name in names if name in installed for module in modules_of(installed[name])]
    for name in names:
        if name not in installed:
            tell(FAILED, f"{name} is not installed")
    for module in wanted:
        try:
            importlib.import_module(module)
        except BaseException as error:
            tell(FAILED, f"import {module}: {type(error).__name__}: {' '.join(str(error).split())}")


def tell(kind: str, text: str) -> None:
    """A line for the reader, whatever the module that was imported last has done to the output."""
    os.write(1, f"\n{kind} {text}\n".encode(errors="replace"))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), json.loads(sys.argv[2]))
    os._exit(0)  # without waiting for the threads of what was imported
