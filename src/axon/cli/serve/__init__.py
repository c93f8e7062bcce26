"""`axon serve`: agents as a service, from the first request to an end in order."""

from ._command import serve as serve
