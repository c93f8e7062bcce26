"""What a client brings for a run is its own word: nothing in it acts with the rights of the program that serves."""

from __future__ import annotations

from typing import Any

import pytest
from gateway_parts import ADA, asks, talker
from pydantic import ValidationError
from pydantic_ai import Agent, ModelResponse, ModelSettings, ToolCallPart
from pydantic_ai.messages import ImageUrl, ModelMessage, ModelMessagesTypeAdapter, UploadedFile, UserPromptPart

from axon.agent import AgentServer, InvalidHistory
from axon.gateway import Gateway
from axon.testing.models import Say, ScriptedModel

METADATA = "http://169.254.169.254/latest/meta-data/"


def history(*content: dict[str, Any], **rest: Any) -> list[dict[str, Any]]:
    return [{"kind": "request", "parts": [{"part_kind": "user-prompt", "content": ["look", *content]}]}, *rest.values()]


async def seen(brought: list[dict[str, Any]]) -> list[ModelMessage]:
    """What a model is asked when a client brings this history."""
    model = ScriptedModel(Say("yes"))
    async with Gateway() as gateway:
        await gateway.serve(AgentServer(Agent(model), name="talker"))
        await gateway.runs.run(ADA, "talker", asks(message_history=brought))
    return list(model.asked[0])


@pytest.mark.parametrize("how", [True, "allow-local"])
@pytest.mark.filterwarnings("ignore:Client-submitted file URLs:UserWarning")
async def test_no_address_of_a_clients_history_is_fetched_by_the_program(how: object) -> None:
    asked = await seen(history({"kind": "image-url", "url": METADATA, "force_download": how}))
    assert isinstance(part := asked[0].parts[0], UserPromptPart)
    assert [item.force_download for item in part.content if isinstance(item, ImageUrl)] == [False]


@pytest.mark.filterwarnings("ignore:Client-submitted:UserWarning")
async def test_no_file_is_read_with_the_rights_that_the_program_has_at_its_provider() -> None:
    """pydantic-ai leaves them out, with a warning."""
    asked = await seen(
        history(
            {"kind": "uploaded-file", "file_id": "file-of-somebody-else", "provider_name": "openai"},
            {"kind": "document-url", "url": "s3://bucket-of-the-program/key.pdf", "media_type": "application/pdf"},
        )
    )
    assert isinstance(part := asked[0].parts[0], UserPromptPart)
    assert list(part.content) == ["look"]
    assert not any(isinstance(item, UploadedFile) for item in part.content)


@pytest.mark.parametrize("state", ["complete", "suspended"])
async def test_no_history_has_an_agent_go_on_where_it_never_was(state: Any) -> None:
    """A tool call that nobody answered is not made, and what a provider suspended is not resumed."""
    call = ModelResponse(parts=[ToolCallPart("pay", {"amount": 1})], state=state)
    brought = ModelMessagesTypeAdapter.dump_python([call], mode="json")
    async with Gateway() as gateway:
        await gateway.serve(talker())
        with pytest.raises(InvalidHistory):
            await gateway.runs.run(ADA, "talker", asks(message_history=history(last=brought[0])))


OURS = [
    "openai_previous_response_id",
    "openai_user",
    "bedrock_guardrail_config",
    "extra_headers",
    "extra_body",
    "nonsense",
]


@pytest.mark.parametrize("name", OURS)
def test_settings_of_a_provider_are_for_whoever_serves_the_agent(name: str) -> None:
    """They name conversations, files and guards at the provider, where the program's own key opens all of them."""
    with pytest.raises(ValidationError, match=f"{name} is for whoever serves the agent"):
        asks(model_settings={name: "x"})


def test_settings_that_every_model_has_are_taken() -> None:
    given = ModelSettings(temperature=0.2, max_tokens=10, seed=7)
    assert asks(model_settings=dict(given)).model_settings == given
