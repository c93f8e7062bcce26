"""The program of a child process: runs the Axon that this file is part of, whatever Axon its interpreter has, if any.

So both sides are the same Axon, whether it is installed, in editable mode, or a folder of sources; its dependencies, and
all else that is imported, are those of the child's interpreter. It is run by its path, and any Python can read it, to say
that it is too old.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

OLDEST = (3, 11)
"""The first version of Python that Axon runs on."""
PACKAGE = Path(__file__).absolute().parents[1]


def load_axon() -> None:
    """From now on `import axon` gives this package."""
    own = {str(PACKAGE / "port"), str(Path(__file__).resolve().parent)}
    sys.path[:] = [entry for entry in sys.path if entry not in own]  # Python puts the folder of a program there
    spec = importlib.util.spec_from_file_location(
        "axon", PACKAGE / "__init__.py", submodule_search_locations=[str(PACKAGE)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["axon"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


if sys.version_info < OLDEST:
    sys.exit(f"Axon needs Python {'.'.join(map(str, OLDEST))}, and {sys.executable} is {sys.version.split()[0]}")
if "axon" not in sys.modules:  # in the children of `multiprocessing`, too, which run the main program's file
    load_axon()
if __name__ == "__main__":
    try:
        from axon.port.__main__ import main
    except ModuleNotFoundError as error:
        sys.exit(f"Axon needs {error.name}, which {sys.executable} does not have: {error}")
    main()
