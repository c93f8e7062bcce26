"""What a supervisor knows of a child: the server's own spec, and how to start, restart and stop it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, cast, get_args

from ..errors import InvalidOption
from ..process import Name
from ..server import GenServer, checked_limit, checked_name, checked_registration, checked_spec, is_server

if TYPE_CHECKING:
    from tenacity import RetryCallState

G_co = TypeVar("G_co", bound=GenServer[Any], covariant=True)
G = TypeVar("G", bound=GenServer[Any])

Restart: TypeAlias = Literal["permanent", "transient", "temporary"]
"""Whether a child that ended runs again: always, after a failure only, never."""
Shutdown: TypeAlias = float | Literal["brutal_kill", "infinity"]
"""Seconds that a child has to end in order; `brutal_kill` is none, `infinity` as long as it takes."""
Backoff: TypeAlias = "Callable[[RetryCallState], float]"
"""A tenacity wait strategy, such as `tenacity.wait_random_exponential(multiplier=0.1, max=30)`."""

SHUTDOWN_TIME = 5.0
"""Seconds a worker has to end, as in OTP."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ChildSpec(Generic[G_co]):
    """One child of a supervisor; make it with `child()`. https://www.erlang.org/doc/man/supervisor#type-child_spec"""

    server: G_co
    id: str
    name: Name | None = None
    restart: Restart = "permanent"
    shutdown: Shutdown = SHUTDOWN_TIME
    significant: bool = False
    backoff: Backoff | None = None
    mailbox: int | None = None
    type: Literal["worker", "supervisor"] = "worker"

    def __post_init__(self) -> None:
        checked_spec(self.server, "server")
        checked_name(self.id, "id")
        if "/" in self.id:
            raise InvalidOption("id", self.id, "a text without /, which separates the ids in a path")
        checked_registration(self.name)
        checked_limit(self.mailbox)
        checked_restart(self.restart)
        checked_shutdown(self.shutdown)
        if not isinstance(self.significant, bool):
            raise InvalidOption("significant", self.significant, "True or False")
        if self.significant and self.restart == "permanent":
            raise InvalidOption("significant", True, "False for a permanent child, whose end ends nothing")
        if self.backoff is not None and not callable(self.backoff):
            raise InvalidOption("backoff", self.backoff, "None or a tenacity wait strategy")


def checked_restart(restart: Restart) -> Restart:
    """`restart=` if it is one of the three."""
    if restart not in get_args(Restart):
        raise InvalidOption("restart", restart, "'permanent', 'transient' or 'temporary'")
    return restart


def checked_shutdown(how: Shutdown) -> Shutdown:
    """`shutdown=` as seconds >= 0, `brutal_kill` or `infinity`."""
    timed = isinstance(how, int | float) and not isinstance(how, bool) and how >= 0
    if not timed and how not in ("brutal_kill", "infinity"):
        raise InvalidOption("shutdown", how, "seconds >= 0, 'brutal_kill' or 'infinity'")
    return how


def child(
    server: G,
    *,
    id: str | None = None,
    name: Name | None = None,
    restart: Restart = "permanent",
    shutdown: Shutdown | None = None,
    significant: bool = False,
    backoff: Backoff | None = None,
    mailbox: int | None = None,
) -> ChildSpec[G]:
    """Say how a supervisor is to keep a server.

    id: unique within the supervisor and without `/`, which separates the ids in a path, default the class name. name: what it is registered under at every start, a
    text or a registry's `via(key)`, default none (a supervisor: its own).
    restart: `permanent` (default) always, `transient` after a failure only, `temporary` never.
    shutdown: seconds to end before it is killed, default 5 (for a supervisor `infinity`), or `brutal_kill`.
    significant: its end may end the supervisor, see `auto_shutdown`. mailbox: most messages that may wait, default no
    limit.

    backoff: a tenacity wait strategy that delays restarts; default none, restarts are immediate as in OTP. It is asked
    with the number of the attempt: 1 for the first restart, and again once the child has been stable, that is, has
    run for the supervisor's `max_seconds`, or for as long as its last wait if that was longer. A wait counts against
    the budget of the supervisor when it begins.

    Raises `InvalidOption`, showing the option and its value.
    """
    is_supervisor = getattr(server, "__axon_supervises__", False)
    if shutdown is None:
        shutdown = "infinity" if is_supervisor else SHUTDOWN_TIME
    if name is None and is_supervisor:
        name = getattr(server, "name", None)
    return ChildSpec(
        server=server,
        id=type(server).__name__ if id is None else id,
        name=name,
        restart=restart,
        shutdown=shutdown,
        significant=significant,
        backoff=backoff,
        mailbox=mailbox,
        type="supervisor" if is_supervisor else "worker",
    )


def as_child(given: object) -> ChildSpec[GenServer[Any]]:
    """A server's spec alone stands for `child(spec)`."""
    if isinstance(given, ChildSpec):
        return cast("ChildSpec[GenServer[Any]]", given)
    if is_server(given):
        return child(given)
    raise InvalidOption("children", given, "servers or child(server, ...) specs")
