"""The reasons of the recordings and the exit reasons of Axon, each as the other."""

from __future__ import annotations

from typing import NoReturn

from axon import (
    CallCycle,
    CallTimeout,
    ExitReason,
    InvalidOption,
    NoProcess,
    Reason,
    ServerDied,
    StartFailed,
    Stop,
    kill,
    killed,
    noproc,
    normal,
)
from axon import shutdown as shutdown


class Atom(Exception):
    """Any exit reason that Erlang gives no meaning to, such as `boom`: in Axon an exception."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Atom) and self.name == other.name

    __hash__ = Exception.__hash__


class Crash(Exception):
    """What a handler raises to crash (Erlang's `error(R)`), where an `Atom` is what it chose to exit with."""

    def __init__(self, reason: Reason | BaseException) -> None:
        super().__init__(reason)
        self.reason = reason


_READY: dict[str, Reason] = {r.name: r for r in (normal, shutdown, killed, kill, noproc)}
_REFUSALS = {"significant": "bad_combination", "id": "duplicate_child_name"}


def parse(text: str) -> Reason | BaseException:
    """The exit reason that a scenario writes as `text`."""
    if text.startswith("{shutdown,"):
        return shutdown(parse(text.removeprefix("{shutdown,").removesuffix("}")))
    return _READY.get(text) or Atom(text)


def show(reason: object) -> str:
    """An exit reason as the recordings write it."""
    match reason:
        case Reason(name, None):
            return name
        case Reason(name, StartFailed() as failure):
            return f"{{{name},{{failed_to_start_child,{failure.child},{show(failure.reason)}}}}}"
        case Reason(name, term):
            return f"{{{name},{show(term)}}}"
        case Atom():
            return reason.name
        case Crash():
            return f"crash:{show(reason.reason)}"
        case ServerDied():
            return f"{{{show(reason.reason)},call}}"
        case NoProcess():
            return "{noproc,call}"
        case CallCycle():
            return "{calling_self,call}"
        case CallTimeout():
            return "{timeout,call}"
        case TimeoutError():
            return "timeout"
        case InvalidOption():
            return f"{{start_spec,{refusal(reason)}}}"
        case _:
            return repr(reason)  # none of the recordings: it shows as a difference


def refusal(error: InvalidOption) -> str:
    """Why OTP would have refused the child specification that Axon refused with `error`."""
    return _REFUSALS[error.option]


def leave(reason: ExitReason) -> NoReturn:
    """Leave a callback as Erlang's `exit(R)` does."""
    raise reason if isinstance(reason, BaseException) else Stop(reason)
