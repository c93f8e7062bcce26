"""No test here reaches a real model."""

from __future__ import annotations

import importlib

import pydantic_ai
import pydantic_ai.models

# The first record that is logged imports structlog, which reads files: on the loop tests refuse that.
importlib.import_module("structlog")

pydantic_ai.BANNER_ENABLED = False
pydantic_ai.models.ALLOW_MODEL_REQUESTS = False
