"""The lives of the processes that serve in the tests: each is `axon serve`, or the program of a service, in a folder of
its own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pydantic_ai
import pydantic_ai.models

from axon import cli
from axon.cli.serve import _program as _program  # so that no life has to load it
from axon.gateway.service import _program as _service
from forge import serve


def live(life: dict[str, Any]) -> None:
    folder = Path(life["folder"])
    os.chdir(folder)
    os.environ.update(life["env"])
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    if life.get("is_service"):
        sys.path.insert(0, str(folder))  # as `python -m` does
        sys.exit(_service.main(life["options"]))
    sys.argv = ["axon", "serve", *life["options"]]
    cli.main()


if __name__ == "__main__":
    pydantic_ai.BANNER_ENABLED = False
    pydantic_ai.models.ALLOW_MODEL_REQUESTS = False
    serve(live)
