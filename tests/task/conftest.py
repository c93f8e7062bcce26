"""How many examples the properties of this room run: 300 each by default, any number with `AXON_EXAMPLES=20000`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "task",
    max_examples=int(os.environ.get("AXON_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
