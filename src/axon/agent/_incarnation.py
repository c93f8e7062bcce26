"""One start of an agent: what all of its turns have in common, and how they reach its server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from ..server import ServerProcess
from ._answers import Outputs
from ._errors import TakenOver
from ._journal import Journal
from ._runs import Runs

if TYPE_CHECKING:
    from ._agent import AgentServer

Deps = TypeVar("Deps")
Output = TypeVar("Output")


@dataclass(frozen=True, slots=True)
class TurnOver:
    """A turn's message to its server: it is over. The last messages of a process are kept, and a turn holds a lot."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What ends the server: a fault in a turn, or a store that does not keep what it is given."""

    error: Exception


class Incarnation(Generic[Deps, Output]):
    """The server, its process, its journal, how its runs begin and what they answer with."""

    __slots__ = ("crash", "journal", "outputs", "process", "runs", "server")

    def __init__(self, server: AgentServer[Deps, Output], process: ServerProcess) -> None:
        self.server: AgentServer[Deps, Output] = server
        self.process: ServerProcess = process
        self.runs: Runs[Deps, Output] = Runs(server)
        self.outputs: Outputs = Outputs(server.agent.output_type)
        self.crash: Callable[[Exception], None] = partial(_crash, process)
        """End the server with this error."""
        self.journal: Journal = Journal(
            process,
            server.name or process.path,
            server.store,
            self.crash,
            has_checkpoints=server.store is not None or bool(server.on_error),
        )

    def ended(self, message_id: str) -> None:
        """The turn of this message is over."""
        _tell(self.process, TurnOver(message_id))


def _crash(process: ServerProcess, error: Exception) -> None:
    if isinstance(error, TakenOver) and process.reason is None:
        process.slot.lost = True
    _tell(process, Fault(error))


def _tell(process: ServerProcess, message: TurnOver | Fault) -> None:
    """Tell this incarnation and no other, in a message that no mailbox limit can refuse."""
    if process.reason is None:
        process.deliver(message)
