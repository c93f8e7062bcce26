"""No test here reaches a real model."""

from __future__ import annotations

import pydantic_ai
import pydantic_ai.models

pydantic_ai.BANNER_ENABLED = False
pydantic_ai.models.ALLOW_MODEL_REQUESTS = False
