"""What a child process may use."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from ..errors import InvalidOption

_BROKEN = (-signal.SIGABRT, -signal.SIGBUS, -signal.SIGSEGV)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one child process, held by the system; None, the default of each, is none.

        isolated(Parser(), limits=Limits(memory=512 * 2**20, cpu=60))

    memory: bytes of data, heap and stacks it may have (on Linux; `RLIMIT_DATA`). At it an allocation fails, which is a
    `MemoryError` in Python, and the child ends with `OutOfMemory`, also if a library in C aborts there; the interpreter and
    Axon take some 100 MB themselves.
    cpu: seconds of processor time, whole ones, then `OutOfTime`. open_files: files and sockets at once; more is an
    `OSError`. file_size: bytes of any file it writes; more is an `OSError`.

    What it starts has the same limits, each process its own. Core dumps are never written. Raises `InvalidOption`.
    https://man7.org/linux/man-pages/man2/setrlimit.2.html
    """

    memory: int | None = None
    cpu: int | None = None
    open_files: int | None = None
    file_size: int | None = None

    def __post_init__(self) -> None:
        for option, least in (("memory", 2**20), ("cpu", 1), ("open_files", 16), ("file_size", 0)):
            value = getattr(self, option)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise InvalidOption(option, value, f"None or a number >= {least}")

    def ran_out(self, status: int, memory: int) -> bool:
        """Whether a process that had so many bytes resident was at its limit of memory when this signal, negative, ended
        it: libraries in C that are given no memory abort, or go on with what they have not got.
        """
        return self.memory is not None and status in _BROKEN and memory >= self.memory * 7 / 8

    def resources(self) -> dict[str, tuple[int, int]]:
        """The names of the system's limits, each with its soft and its hard value."""
        found: dict[str, tuple[int, int]] = {"RLIMIT_CORE": (0, 0)}
        if self.memory is not None:
            found["RLIMIT_DATA"] = (self.memory, self.memory)
        if self.cpu is not None:
            found["RLIMIT_CPU"] = (self.cpu, self.cpu + 1)  # SIGXCPU first, and who survives it is killed
        if self.open_files is not None:
            found["RLIMIT_NOFILE"] = (self.open_files, self.open_files)
        if self.file_size is not None:
            found["RLIMIT_FSIZE"] = (self.file_size, self.file_size)
        return found
