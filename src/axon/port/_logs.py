"""The log lines of a child, as records here: so many in a second, and none in the name of somebody else."""

from __future__ import annotations

import logging

from ..process import Process
from ._errors import BadFrame
from ._events import PortOutputDropped
from ._log_line import LINES, LONGEST, OWN, LogLine
from ._shown import as_line, as_lines
from ._throttle import Throttle


class Logs:
    """Those of one child."""

    def __init__(self, of: Process) -> None:
        self.pid = 0
        self._of = of
        self._throttle = Throttle(of.runtime.loop, LINES, self._tell_dropped)

    def hear(self, dropped: int, body: bytes) -> None:
        """A line, or none if only so many were dropped. Raises `BadFrame`, and pydantic's `ValidationError`."""
        if len(body) > LONGEST:
            raise BadFrame(f"a log line of {len(body)} bytes")
        if dropped:
            self._tell_dropped(dropped)
        if not body or not self._throttle.room():  # of a flood not even this is looked at
            return
        line = LogLine.model_validate_json(body)
        logger = _known(line.logger)
        if not logger.isEnabledFor(line.level):
            return
        try:
            logger.handle(self._record(logger, line))
        except Exception as error:  # of a filter of the program's, which is none of the child's faults
            failure = {"message": "a log line of a child is lost", "exception": error}
            self._of.runtime.loop.call_exception_handler(failure)

    def close(self) -> None:
        """No more come."""
        self._throttle.close()

    def _record(self, logger: logging.Logger, line: LogLine) -> logging.LogRecord:
        extra = {
            as_line(name): as_line(value) if isinstance(value, str) else value
            for name, value in line.fields.items()
            if name not in OWN
        }
        extra |= {"path": self._path(extra.get("path")), "pid": self.pid}
        name, text = as_line(line.logger), as_lines(line.text)
        return logger.makeRecord(name, line.level, "(child process)", 0, "%s", (text,), None, None, extra)

    def _path(self, said: object) -> str:
        """The path of a process over there: of its server, or of one below it, whatever it calls itself."""
        own = self._of.path
        return own if not said or said == own else f"{own}/{str(said).removeprefix(f'{own}/')}"

    def _tell_dropped(self, lines: int) -> None:
        bus = self._of.runtime.bus
        if bus.wants(PortOutputDropped):
            bus.emit(PortOutputDropped(path=self._of.path, pid=self.pid, stream="log", lines=lines))


def _known(name: str) -> logging.Logger:
    """The logger of this name, or else the next one above it that is there: a record goes there in either case, and no
    child makes loggers here, which would stay for ever.
    """
    while name:
        found = logging.root.manager.loggerDict.get(name)
        if isinstance(found, logging.Logger):
            return found
        name = name.rpartition(".")[0]
    return logging.root
