"""`python -m axon.cli` is the `axon` command."""

from . import main

main()
