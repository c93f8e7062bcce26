"""No test here reaches a real model."""

from __future__ import annotations

import pydantic_ai
import pydantic_ai.models
import structlog  # noqa: F401  # the first log record imports it, and that reads files, which tests refuse on the loop

pydantic_ai.BANNER_ENABLED = False
pydantic_ai.models.ALLOW_MODEL_REQUESTS = False
