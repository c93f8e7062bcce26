"""What a task supervisor owns: the processes of its tasks, and how each is to be restarted and stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..process import connect
from ..server import ServerProcess
from ..supervisor import Restart, Shutdown, is_restarted
from ._ended import end_all
from ._work import Work, WorkProcess


@dataclass(frozen=True, slots=True)
class Job:
    """One child: what it does, however often it is started."""

    work: Work
    restart: Restart
    shutdown: Shutdown


@dataclass(eq=False, slots=True)
class Jobs:
    """The children by their processes, those included whose exit the supervisor has not looked at yet."""

    by_process: dict[WorkProcess, Job] = field(default_factory=dict[WorkProcess, Job])
    restarts: deque[float] = field(default_factory=deque[float])

    def start(self, job: Job, supervisor: ServerProcess) -> WorkProcess:
        """Start a child, linked to the supervisor."""
        process = WorkProcess(supervisor.runtime, job.work, supervisor, supervised=True)
        connect(supervisor, process)
        self.by_process[process] = job
        return process

    def living(self) -> list[WorkProcess]:
        """Those that run."""
        return [process for process in self.by_process if process.reason is None]

    def is_full(self, limit: int) -> bool:
        """Whether so many run, or will at once be restarted."""
        if len(self.by_process) < limit:
            return False
        count = sum(
            process.reason is None or is_restarted(job.restart, process.reason)
            for process, job in self.by_process.items()
        )
        return count >= limit

    async def stop(self, processes: Iterable[WorkProcess], supervisor: ServerProcess, decision: str) -> None:
        """End these at once, each with its own time; `decision` goes into the reports of crashes."""
        stopped: list[tuple[WorkProcess, Shutdown]] = [
            (process, self.by_process[process].shutdown) for process in processes
        ]
        await end_all(stopped, supervisor)
        for process, _ in stopped:
            del self.by_process[process]
            if process.crashed and process.reason is not None:
                process.report_crash(process.reason, decision)

    def disband(self) -> None:
        """The supervisor is dead: crashes it did not live to look at are reported."""
        for process in self.by_process:
            if process.crashed and process.reason is not None:
                process.report_crash(process.reason, "none: its supervisor ended, too")
