"""A program that runs another one for as long as somebody holds its standard input: `python _guard.py COMMAND…`.

It leads a process group, and waits for a first byte, so that nothing begins before it is known to its starter. When the
input ends, because the starter was killed, the whole group is killed, whatever the command has started by then; what is
left of it when the command has ended gets SIGTERM. It needs nothing but the standard library, of Python 3.10 or later.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    """Run the command; returns its exit status."""
    if not os.read(0, 1):
        return 0
    threading.Thread(target=_watch, daemon=True).start()
    try:
        status = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603
    except OSError as error:
        sys.stderr.write(f"{sys.argv[1]}: {error}\n")
        return 127
    if hasattr(os, "killpg"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
    return 128 - status if status < 0 else status


def _watch() -> None:
    while os.read(0, 1):
        pass
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
