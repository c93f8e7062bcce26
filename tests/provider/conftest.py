"""No test here reaches a real provider; those that speak to one of their own on the loopback say so."""

from __future__ import annotations

import pydantic_ai
import pydantic_ai.models
import pytest

pydantic_ai.BANNER_ENABLED = False
pydantic_ai.models.ALLOW_MODEL_REQUESTS = False


@pytest.fixture
def own_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that have a provider of their own: the real client may ask it."""
    monkeypatch.setattr(pydantic_ai.models, "ALLOW_MODEL_REQUESTS", True)
