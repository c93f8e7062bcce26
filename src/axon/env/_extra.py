"""What the room needs besides the base dependencies: without it the import says how to get it."""

from __future__ import annotations

try:
    import packaging as packaging
except ImportError as error:
    raise ImportError("axon.env needs the extra `env`: pip install 'axon-otp[env]'") from error
