"""Whatever is sent, no answer is a 5xx, and none is one that OpenAPI does not tell of."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import hypothesis.strategies as st
import pytest
import requests
import schemathesis
from http_parts import serving
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from axon.agent import AgentServer
from axon.gateway import Gateway, Modules

CONFORMANCE = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
CHECKS: list[Any] = [vars(checks)[name] for name in CONFORMANCE]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
EXAMPLES = int(os.environ.get("AXON_EXAMPLES", "6"))
IDS = {"agent_id": "test_agent", "run_id": "test_agent:order-7"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url(modules: Modules) -> Iterator[str]:
    """A gateway with an agent and a run, on a loop and thread of its own."""
    ready, done = threading.Event(), threading.Event()
    found: list[str] = []

    async def serve() -> None:
        gateway = Gateway(modules=modules)
        async with serving(gateway) as url:
            await gateway.serve(AgentServer(Agent(TestModel(), name="test_agent"), name="test_agent"))
            found.append(url)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(20)
    requests.post(f"{found[0]}/agents/test_agent/run", json={"prompt": "x"}, headers={"Idempotency-Key": "order-7"})
    yield found[0]
    done.set()
    thread.join()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_operation_answers_what_it_says_whatever_is_sent(url: str, mode: GenerationMode) -> None:
    schema: Any = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations: list[Any] = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 20
    seen: set[int] = set()
    with requests.Session() as session:
        for operation in operations:

            @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=SLOW)
            @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
            def answers(case: Any, is_known: bool) -> None:
                if is_known and case.method != "DELETE":  # a path that leads somewhere
                    case.path_parameters.update({name: id for name, id in IDS.items() if name in case.path_parameters})
                response = case.call(base_url=url, session=session, timeout=20)
                seen.add(response.status_code)
                is_late = response.status_code == 504 and "Request-Timeout" in case.headers  # as it was asked to be
                assert response.status_code < 500 or is_late, response.text
                case.validate_response(response, checks=CHECKS)

            with suppress(Unsatisfiable):  # there is nothing about it that could be wrong
                answers()
    assert {200, 400, 404} <= seen
