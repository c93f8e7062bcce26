"""What Axon itself has to say about a failed run; all other errors of a run are the original ones, unchanged."""

from __future__ import annotations

from ..errors import AxonError


class RunInterrupted(AxonError):
    """A run ended with a `CancelledError` that nobody had asked for.

    A tool, a model or a library raised it; without this it would look as if the caller were being cancelled. The
    stray error is the `__cause__`.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"the run of {path} was cancelled from the inside: a tool, its model or a library did it")
        self.path = path


class ExitRefused(AxonError):
    """Code of a run called `sys.exit` (argument parsers do), which would have ended the program: it ended the run."""

    def __init__(self, where: str, error: SystemExit) -> None:
        super().__init__(f"{where} tried to end the program with {error!r}; only its run has ended")
