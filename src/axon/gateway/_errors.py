"""What a gateway itself has to say; all else that it tells is what its agents raised.

GatewayError
├─ InvalidToken        no token, or one that is not known
├─ Forbidden           the token is for less                              .scope
├─ OriginNotAllowed    a page of another site asks                        .origin
├─ AgentNotFound       no agent of this id is served                      .agent_id
├─ RunnerNotServed     this program serves another runner only             .runner .served
├─ RunNotFound         no run of this id is known to whoever asks         .run_id
├─ LimitExceeded       a token asks for more than it may                  .limit .retry_after
│  └─ TooManyRuns      as many runs are under way as there may be at all
├─ Draining            the gateway is about to stop, and takes nothing new    .retry_after
├─ TooLarge            a request is larger than is taken                  .what .limit
├─ RequestTimeout      a request took too long to arrive                  .after
├─ ModuleNotAllowed    a module that is not on the list                   .module .allowed
├─ ModuleUnusable      it is allowed, and has no agent                    .module .problem
├─ ToolFailed          a tool that was called by hand failed              .tool
└─ AgentExists         the id is in use                                   .agent_id
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import AxonError


class GatewayError(AxonError):
    """A gateway refused a request; nothing was done."""


class InvalidToken(GatewayError):
    """There was no token with the request, or one that is not known here."""

    def __init__(self, *, given: bool) -> None:
        super().__init__("the token is not known here" if given else "a token is needed: Authorization: Bearer ...")


class Forbidden(GatewayError):
    """The token is good, and not for this: it lacks `scope`."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"this token has not the scope {scope!r}")
        self.scope = scope


class OriginNotAllowed(GatewayError):
    """A browser asks on behalf of a page that is not from here, or by a name that is not one of this machine."""

    def __init__(self, origin: str) -> None:
        shown = origin[:200]
        super().__init__(f"requests from {shown!r} are not allowed here")
        self.origin = shown


class AgentNotFound(GatewayError, LookupError):
    """No agent of this id is served."""

    def __init__(self, agent_id: str) -> None:
        super().__init__("Agent not found")
        self.agent_id = agent_id


class RunnerNotServed(GatewayError, LookupError):
    """The program was told to serve another runner only: `served`."""

    def __init__(self, runner: str, served: str) -> None:
        super().__init__(f"{runner} is not served here, but {served}")
        self.runner = runner
        self.served = served


class RunNotFound(GatewayError, LookupError):
    """No run of this id is known to whoever asks: there was none, it belongs to another token, or it is long over."""

    def __init__(self, run_id: str) -> None:
        super().__init__("Run not found")
        self.run_id = run_id


class AgentExists(GatewayError):
    """An agent is served under this id already."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"an agent {agent_id!r} is served already")
        self.agent_id = agent_id


class LimitExceeded(GatewayError):
    """A token asked for more than its `limit` allows; `retry_after` so many seconds it may ask again."""

    def __init__(self, limit: str, retry_after: float) -> None:
        super().__init__(f"this token is at its limit ({limit}); try again in {retry_after:.3g} s")
        self.limit = limit
        self.retry_after = retry_after


class TooManyRuns(LimitExceeded):
    """As many runs are under way as there may be at once, whoever's they are (`max_runs`)."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"max_runs={limit}", 1.0)

    def __str__(self) -> str:
        return f"as many runs are under way as there may be ({self.limit})"


class Draining(GatewayError):
    """The gateway is about to stop: runs under way end in order, and nothing new is taken."""

    retry_after: float = 5.0
    """Seconds after which another one will be there, presumably."""

    def __init__(self) -> None:
        super().__init__("the gateway is about to stop and takes nothing new")


class TooLarge(GatewayError):
    """A request has more of something (`what`) than the `limit` that is taken."""

    def __init__(self, what: str, limit: int, unit: str) -> None:
        super().__init__(f"the {what} is larger than is taken here: at most {limit} {unit}")
        self.what = what
        self.limit = limit


class RequestTimeout(GatewayError, TimeoutError):
    """A request did not arrive within `after` seconds."""

    def __init__(self, after: float) -> None:
        super().__init__("the request took too long to arrive")
        self.after = after


class ModuleNotAllowed(GatewayError):
    """A request names a module that is not on the list of those that are allowed. Nothing was imported."""

    def __init__(self, module: str, allowed: Sequence[str]) -> None:
        shown = module if len(module) <= 80 else f"{module[:79]}…"
        super().__init__(f"the module {shown!r} is not allowed here, but {', '.join(allowed) or 'none'}")
        self.module = module
        self.allowed: tuple[str, ...] = tuple(allowed)


class ModuleUnusable(GatewayError):
    """A module is allowed, and what is asked for is not to be had from it; `problem` says why."""

    def __init__(self, module: str, problem: str) -> None:
        super().__init__(f"the module {module!r} {problem}")
        self.module = module
        self.problem = problem


class ToolFailed(GatewayError):
    """A tool that was called by hand failed: it is unknown, its arguments do not fit, or it said so itself."""

    def __init__(self, tool: str, problem: str) -> None:
        super().__init__(f"the tool {tool!r} failed: {problem}")
        self.tool = tool
