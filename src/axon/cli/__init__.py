"""The `axon` command."""
