"""What a task supervisor owns: the processes of its tasks, and how each is to be restarted and stopped."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ..process import Process, connect
from ..server import ServerProcess
from ..supervisor import Restart, Shutdown, end, end_all, is_restarted
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

    async def stop(self, process: WorkProcess, supervisor: ServerProcess, decision: str) -> None:
        """End a child within its time; `decision` goes into the report of a crash."""
        how = self.by_process[process].shutdown
        process.expect(how)
        await end(process, supervisor, how)
        self._forget(process, decision)

    async def stop_all(self, supervisor: ServerProcess, decision: str) -> None:
        """End all at once, each within its own time."""
        ends: list[tuple[Process, Shutdown]] = []
        for process, job in self.by_process.items():
            process.expect(job.shutdown)
            ends.append((process, job.shutdown))
        await end_all(ends, supervisor)
        for process in list(self.by_process):
            self._forget(process, decision)

    def _forget(self, process: WorkProcess, decision: str) -> None:
        del self.by_process[process]
        if process.crashed and process.reason is not None:
            process.report_crash(process.reason, decision)

    def disband(self) -> None:
        """The supervisor is dead: crashes it did not live to look at are reported."""
        for process in self.by_process:
            if process.crashed and process.reason is not None:
                process.report_crash(process.reason, "none: its supervisor ended, too")
