"""The modules of agents/, which is no package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

AGENTS = Path(__file__).parents[2] / "agents"


def ready(name: str) -> ModuleType:
    """The module of this name in agents/."""
    found = importlib.util.spec_from_file_location(name, AGENTS / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
