"""The examples of `examples/`, which do what they show under every schedule."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from .tree import Tree
from .witness import Witness

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"

ENDS = {
    "counter": "its successor begins anew: 5",
    "escalation": "the child 'branch' failed last, with shutdown",
    "pipeline": "stored by the new pipeline: ",
    "rest_for_one": "  stop database",
}
"""What each says last."""


def main_of(name: str) -> Callable[[], Coroutine[Any, Any, None]]:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    main: Callable[[], Coroutine[Any, Any, None]] = module.main
    return main


MAINS = {name: main_of(name) for name in ENDS}


async def program(witness: Witness) -> None:
    name = random.choice(sorted(ENDS))
    with contextlib.redirect_stdout(io.StringIO()) as out:
        await MAINS[name]()
    last = out.getvalue().splitlines()[-1]
    witness.rule(ENDS[name] in last, f"{name} ended with {last!r}")


TREE = Tree(name="examples", program=program)
