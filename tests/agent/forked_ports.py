"""Child processes of ports that are forked from a program which has loaded everything, since to load it takes seconds.

All but that is as it is with others: the guard is one, and makes of its fork what it makes of any, up to the point at
which that would become another program.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from unittest import mock

from axon.port import __main__ as child
from axon.port import _guard as guard

MOST_DESCRIPTORS = 1024


def forked(*modules: str) -> Any:
    """In the block guards and children are forks of this process; the children load these modules anew."""

    def become_guard(
        path: str, arguments: Sequence[str], env: Mapping[str, str], *, file_actions: Any, setsigmask: Iterable[int]
    ) -> int:
        return fork(lambda: run_guard(arguments, file_actions, setsigmask))

    def run_guard(arguments: Sequence[str], file_actions: Any, mask: Iterable[int]) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for _, source, target in file_actions:
            os.dup2(source, target)
        os.closerange(3, MOST_DESCRIPTORS)
        sys.argv = list(arguments[arguments.index(guard.__file__) :])
        mock.patch.object(os, "execve", become_child).start()
        guard.main()

    def become_child(path: str, arguments: Sequence[str], env: Mapping[str, str]) -> None:
        os.closerange(5, MOST_DESCRIPTORS)
        sys.argv = list(arguments[1:])
        os.environ.clear()
        os.environ.update(env)
        for module in modules:
            sys.modules.pop(module, None)
        ending(child.main)

    return mock.patch.object(os, "posix_spawn", become_guard)


def fork(run: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        gc.freeze()  # what its parent has open it may not close
        ending(run)
    return pid


def ending(run: Callable[[], None]) -> None:
    """Run to the end of the process."""
    try:
        run()
    except SystemExit as leaving:
        os._exit(leaving.code if isinstance(leaving.code, int) else 1)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
