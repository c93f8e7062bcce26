"""What every server has that stands for a program of the operating system: where that serves, and how it ends."""

from __future__ import annotations

from ..process import Exit, ExitReason, normal
from ..server import GenServer, Stop, call
from ._announcement import Announcement
from ._running_program import RunningProgram


class ProgramServer(GenServer[RunningProgram]):
    """The base of `Program` and of others whose `init` opens a `RunningProgram`."""

    trap_exit = True

    @call
    def address(self, state: RunningProgram) -> Announcement:
        """Where it serves now: host and ports."""
        return state.at

    def handle_info(self, state: RunningProgram, message: object) -> None:
        """Its end is asked for by whoever it is linked to."""
        if not isinstance(message, Exit):
            super().handle_info(state, message)
        elif message.reason != normal:
            raise Stop(message.reason)

    async def terminate(self, state: RunningProgram, reason: ExitReason) -> None:
        """End it in order, with what it has under way, and wait until it and all that it started are gone."""
        await state.stop(reason)
