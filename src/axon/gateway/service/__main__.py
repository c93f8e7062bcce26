"""The program of an agent that stays a plain service; `python -m axon.port MODULE --http 0` leads here."""

import signal
import sys

# Until a loop runs that takes it in order, Ctrl-C ends the program without a traceback of its imports.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from ._program import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
