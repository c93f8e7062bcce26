"""Why a process ended: one small closed type, since supervisors decide by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..errors import InvalidOption


@dataclass(frozen=True, slots=True)
class Reason:
    """An exit reason that is not an exception. Two are equal if name and term are.

    Use the ready ones: `normal`, `shutdown` (or `shutdown(term)`), `killed`, `kill`, `noproc`.
    https://www.erlang.org/doc/system/ref_man_processes.html#errors
    """

    name: Literal["normal", "shutdown", "killed", "kill", "noproc"]
    term: object = None

    def __repr__(self) -> str:
        return self.name if self.term is None else f"{self.name}({self.term!r})"

    def __call__(self, term: object) -> Reason:
        """`shutdown(term)`: an orderly end that says more. Only `shutdown` takes a term."""
        if self.name != "shutdown":
            raise TypeError(f"only shutdown takes a term, not {self.name}")
        return Reason("shutdown", term)


normal: Reason = Reason("normal")
"""The work is done."""
shutdown: Reason = Reason("shutdown")
"""Ended by its supervisor, or a supervisor that gave up."""
killed: Reason = Reason("killed")
"""Ended by the signal `kill`."""
kill: Reason = Reason("kill")
"""Only to send: the exit signal that cannot be trapped; whoever watches sees `killed`."""
noproc: Reason = Reason("noproc")
"""There was nobody to link to or to monitor."""

ExitReason: TypeAlias = Reason | BaseException
"""A `Reason`, or the exception the process died of."""


def is_clean(reason: ExitReason) -> bool:
    """Whether this end is not a failure: `normal`, `shutdown` or `shutdown(term)` (rule A30)."""
    return reason is normal or (isinstance(reason, Reason) and reason.name in ("normal", "shutdown"))


_KINDS = (Reason, BaseException)  # a union is built anew, for 0.2 µs, each time it is written


def checked(reason: object, option: str = "reason") -> ExitReason:
    """`reason` if it is one; `InvalidOption` otherwise."""
    if isinstance(reason, _KINDS):
        return reason
    raise InvalidOption(option, reason, "normal, shutdown, shutdown(term), killed, kill, noproc or an exception")


class Stop(Exception):
    """Raise it to end the running process with `reason`, default `normal` (Erlang's `exit/1`).

    In a server's `init` the start fails with that reason. In a handler `terminate` runs; a caller gets no answer but
    `ServerDied`; to answer first use `stop_self`. https://www.erlang.org/doc/man/gen_server#Module:handle_call-3
    """

    def __init__(self, reason: ExitReason = normal) -> None:
        super().__init__(reason)
        self.reason: ExitReason = checked(reason)
