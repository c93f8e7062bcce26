"""What a client is told when a call fails: `google.rpc.Status`, in types that gRPC clients know."""

from __future__ import annotations

import json

import grpc
import pytest
from gateway_parts import talker
from grpc import aio
from grpc_parts import failing, serving
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError, UnexpectedModelBehavior
from pydantic_ai.models.test import TestModel

from axon.agent import AgentServer
from axon.gateway import Failure, RequestServed
from axon.gateway._events import RequestBroke
from axon.gateway.grpc import synapse_pb2
from axon.gateway.grpc._details import status_of
from axon.telemetry import attach
from axon.testing import eventually
from axon.testing.models import Fail, Say

real_clock = pytest.mark.real_clock
grpc_is_over = pytest.mark.usefixtures("grpc_is_over")


def asks(prompt: str = "hello", agent_id: str = "talker", **fields: str) -> synapse_pb2.RunRequest:
    return synapse_pb2.RunRequest(agent_id=agent_id, prompt=prompt, **fields)


@real_clock
@grpc_is_over
async def test_a_request_that_is_wrong_is_told_in_which_field() -> None:
    async with serving(talker()) as world, failing("INVALID_ARGUMENT") as failed:
        await world.stub.Run(asks(message_history='[{"kind": "request"}]'))
    assert failed[0].message == "RunRequest: 1 validation error"
    assert failed[0].details["ErrorInfo"].reason == "VALIDATION_ERROR"
    assert failed[0].details["ErrorInfo"].domain == "axon"
    (violation,) = failed[0].details["BadRequest"].field_violations
    assert (violation.field, violation.description) == ("message_history.0.request.parts", "Field required")
    error = failed[0].details["Error"]
    assert (error.error_type, error.message) == ("ValidationError", failed[0].message)
    assert json.loads(error.details)[0]["msg"] == "Field required"
    assert "RetryInfo" not in failed[0].details


@real_clock
@grpc_is_over
@pytest.mark.parametrize("field", ["message_history", "model_settings", "deps"])
async def test_what_should_be_json_and_is_not(field: str) -> None:
    async with serving(talker()) as world, failing("INVALID_ARGUMENT") as failed:
        await world.stub.Run(asks(**{field: "[1, 2"}))
    (violation,) = failed[0].details["BadRequest"].field_violations
    assert violation.field == field
    assert violation.description.startswith("Invalid JSON: EOF while parsing a list")


@real_clock
@grpc_is_over
async def test_an_event_id_that_is_none_is_refused_before_anything_is_run() -> None:
    async with serving(talker()) as world:
        async with failing("INVALID_ARGUMENT") as failed:
            async for _ in world.stub.RunStream(asks(last_event_id="the last one")):
                pass
        assert failed[0].details["BadRequest"].field_violations[0].field == "last_event_id"
        assert world.gateway.intake.under_way == 0


@real_clock
@grpc_is_over
async def test_telemetry_is_told_of_every_call_and_of_what_went_wrong() -> None:
    served: list[RequestServed] = []
    broken: list[RequestBroke] = []
    detach = [attach(served.append, RequestServed), attach(broken.append, RequestBroke)]
    async with serving(
        talker(Say("one two"), Fail(UnexpectedModelBehavior("confused")), Say("late", after=30))
    ) as world:
        async for _ in world.stub.RunStream(asks()):
            pass
        async with failing("INTERNAL"):
            await world.stub.Run(asks())
        async with failing("NOT_FOUND"):
            await world.stub.Run(asks(agent_id="nobody"))
        gone = world.stub.Run(asks())
        await eventually(lambda: world.gateway.intake.under_way == 1)
        gone.cancel()
        await eventually(lambda: len(served) == 4)
    for each in detach:
        each()
    run = "synapse.AgentService/Run"
    assert [(event.edge, event.route, event.status, event.error_type) for event in served] == [
        ("grpc", f"{run}Stream", 200, ""),
        ("grpc", run, 500, "UnexpectedModelBehavior"),
        ("grpc", run, 404, "AgentNotFound"),
        ("grpc", run, 499, ""),
    ]
    assert [str(event.error) for event in broken] == ["confused"]


@real_clock
@grpc_is_over
async def test_an_agent_that_is_not_there() -> None:
    async with serving() as world, failing("NOT_FOUND") as failed:
        await world.stub.Run(asks(agent_id="nobody"))
    assert failed[0].message == "Agent not found"
    assert failed[0].details["ErrorInfo"].reason == "AGENT_NOT_FOUND"


@real_clock
@grpc_is_over
async def test_errors_of_the_model_reach_the_client_by_their_names() -> None:
    script = (Fail(UnexpectedModelBehavior("the model is confused")), Fail(ModelHTTPError(500, "m")))
    async with serving(talker(*script)) as world:
        async with failing("INTERNAL") as failed:
            await world.stub.Run(asks())
        error = failed[0].details["Error"]
        assert (error.error_type, error.message) == ("UnexpectedModelBehavior", "the model is confused")
        async with failing("INTERNAL") as failed:
            async for _ in world.stub.RunStream(asks()):
                pass
        assert failed[0].details["Error"].error_type == "ModelHTTPError"
        assert json.loads(failed[0].details["Error"].details) == {"status_code": 500}


@real_clock
@grpc_is_over
async def test_only_the_runner_that_was_chosen_is_served() -> None:
    async with serving(talker(), runner="run_stream") as world:
        async with failing("UNIMPLEMENTED") as failed:
            await world.stub.Run(asks())
        assert failed[0].details["ErrorInfo"].reason == "RUNNER_NOT_SERVED"
    async with serving(talker(Say("hello")), runner="run_sync") as world:
        assert (await world.stub.Run(asks())).result == "hello"
        async with failing("UNIMPLEMENTED"):
            async for _ in world.stub.RunStream(asks()):
                pass


@real_clock
@grpc_is_over
async def test_dependencies_that_do_not_fit() -> None:
    agent = AgentServer(Agent(TestModel(), deps_type=dict[str, int]), name="clerk")
    async with serving(agent) as world, failing("INVALID_ARGUMENT") as failed:
        await world.stub.Run(asks(agent_id="clerk", deps='{"nights": "many"}'))
    assert failed[0].details["BadRequest"].field_violations[0].field == "nights"


@real_clock
@grpc_is_over
async def test_a_request_that_is_larger_than_is_taken() -> None:
    async with serving(talker(), max_message=1000) as world:
        with pytest.raises(aio.AioRpcError) as failed:
            await world.stub.Run(asks("x" * 2000))
        assert failed.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@real_clock
@grpc_is_over
async def test_an_error_as_large_as_may_be_arrives() -> None:
    """Metadata may have 8 KiB; what is more is left out, and the code and the message arrive."""
    async with serving(talker(Fail(UnexpectedModelBehavior("ü" * 100_000)))) as world:
        async with failing("INTERNAL") as failed:
            await world.stub.Run(asks())
        assert failed[0].message == "ü" * 498 + "…"
        assert failed[0].details["Error"].error_type == "UnexpectedModelBehavior"


anything = st.text(st.characters(), max_size=50) | st.text(st.characters(categories=["Cs"]), max_size=3)
texts = anything | anything.map(lambda text: text * 40)
details = st.none() | st.dictionaries(texts, texts, max_size=5)
problems = st.lists(
    st.fixed_dictionaries({"loc": st.lists(texts | st.integers(), max_size=3), "msg": texts}), max_size=20
)


@given(message=texts, details=details | problems, retry_after=st.none() | st.floats(0, 1e9))
def test_a_status_fits_into_metadata_whatever_it_is_of(
    message: str, details: object, retry_after: float | None
) -> None:
    """The message, three times as long as it is percent-encoded, and the status as base64."""
    failure = Failure(
        error_type="SomeError", message=message, details=details, grpc="INTERNAL", retry_after=retry_after
    )
    status = status_of(failure)
    assert 3 * len(status.message.encode()) + status.ByteSize() * 4 / 3 < 8000
    assert status.details[0].type_url.endswith("ErrorInfo")
