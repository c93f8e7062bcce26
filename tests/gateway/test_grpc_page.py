"""What docs/gateway.md shows of gRPC works: its programs, and its lines of grpcurl as a client like that does them."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from generic_client import GenericClient
from grpc import aio

from axon.gateway.grpc import synapse_pb2, synapse_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
SECTION = (ROOT / "docs" / "gateway.md").read_text().partition("\n## gRPC\n")[2].partition("\n## ")[0]
SERVER, CLIENT = re.findall(r"^```python\n(.*?)^```$", SECTION, flags=re.MULTILINE | re.DOTALL)
LINES = re.findall(r"^grpcurl .+$", SECTION, flags=re.MULTILINE)
PORT = "50051"

pytestmark = [pytest.mark.real_clock, pytest.mark.slow, pytest.mark.usefixtures("grpc_is_over")]


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    """Where the page's server listens, on a port that the system chose."""
    program = SERVER.replace("openai:gpt-5", "test").replace(f"port={PORT}", "port=0")
    command = [sys.executable, "-W", "error", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip().rpartition(":")[2]
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=20)
    assert said.count("Traceback") == 0


def test_the_client_does_what_the_page_says(port: str) -> None:
    program = CLIENT.replace(PORT, port)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
    types = ["google.rpc.ErrorInfo", "synapse.Error"]
    assert done.stdout.splitlines() == [
        "success (no tool calls)",
        "success (no tool calls)",
        f"NOT_FOUND Agent not found {[f'type.googleapis.com/{name}' for name in types]}",
    ]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.rpartition(" ")[2].rpartition("/")[2])
async def test_a_line_of_grpcurl_does_what_the_page_says(line: str, port: str) -> None:
    _, plaintext, *arguments, address, what = shlex.split(line)
    assert (plaintext, address) == ("-plaintext", f"127.0.0.1:{PORT}")
    with GenericClient(grpc.insecure_channel(f"127.0.0.1:{port}")) as client:
        if what == "list":
            assert "synapse.AgentService" in await client.services()
            return
        option, data = arguments
        assert option == "-d"
        answers = await client.call(what, json.loads(data))
    match what.rpartition("/")[2]:
        case "Run":
            assert [answer["result"] for answer in answers] == ["success (no tool calls)"]
        case "RunStream":
            assert "".join(answer.get("data", "") for answer in answers) == "success (no tool calls)"
        case method:
            assert (method, answers) == ("Check", [{"status": "SERVING"}])


def test_the_page_shows_each_method() -> None:
    assert len(LINES) == 4


@pytest.mark.e2e
async def test_the_command_serves_grpc_beside_http() -> None:
    """The original design's first test against `axon serve`, and an end that a deployment would make."""
    options = ["agents.example_agent", "--name", "test_agent", "--model", "test", "--port", "0", "--grpc-port", "0"]
    command = [sys.executable, "-m", "axon.cli", "serve", *options, "--agent-type", "run_sync"]
    program = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=-1, stderr=-1)
    assert program.stdout is not None
    said = json.loads(await program.stdout.readline())
    async with aio.insecure_channel(f"127.0.0.1:{said['grpc_port']}") as channel:
        agents = synapse_pb2_grpc.AgentServiceStub(channel)
        request = synapse_pb2.RunRequest(agent_id="test_agent", prompt="Hello, agent!", message_history="[]")
        answer = await agents.Run(request)
        assert answer.result
        assert json.loads(answer.messages)
        assert answer.usage.total_tokens > 0
        with pytest.raises(aio.AioRpcError) as refused:
            async for _ in agents.RunStream(request):
                pass
        assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
    program.send_signal(signal.SIGTERM)
    _, said_besides = await program.communicate()
    assert (program.returncode, b"Traceback" in said_besides) == (0, False)
