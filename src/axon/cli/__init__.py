"""The `axon` command: Axon at work, from a shell."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line; without the extra `cli` it says how to get it."""
    # Until a loop runs that takes it in order, Ctrl-C ends the program without a traceback of its imports.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        from ._app import main as run
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        raise SystemExit(f"the axon command needs {error.name}: pip install 'axon-otp[cli]'") from None
    run()
