"""`axon serve` as a process: what it says, how it ends, and that nothing is lost or done twice by that."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path

import httpx2
import pytest
from served_program import Program, until

from axon.gateway import Client, ErrorAnswer, RunAnswer
from forge import Forge

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]


def program(forge: Forge, folder: Path, *options: str) -> Program:
    given = ["agents.worker", "--name", "worker", "--port", "0", *options]
    return Program(forge, folder, given).start()


async def not_ready(http: httpx2.AsyncClient) -> httpx2.Response:
    """What it says once it takes nothing new."""
    while (ready := await http.get("/readyz")).status_code == 200:  # noqa: ASYNC110  # it is another process
        await asyncio.sleep(0.01)
    return ready


async def answers(client: Client, agents: list[str]) -> list[RunAnswer | BaseException]:
    asking = (client.run_sync(agent, f"{agent} asks", idempotency_key=f"key-{agent}") for agent in agents)
    return await asyncio.gather(*asking, return_exceptions=True)


async def test_a_deployment_under_fifty_running_turns_loses_nothing_and_does_nothing_twice(
    forge: Forge, tmp_path: Path
) -> None:
    """Turns end while it drains or go on in the next program, and those who asked have their answer."""
    options = ["--store", "agents.db", "--drain", "2"]
    agents = [f"{kind}-{number}" for kind in ("quick", "slow") for number in range(25)]
    first = await asyncio.to_thread(program, forge, tmp_path, *options)
    async with Client(first.url, attempts=1) as client:
        for agent in agents:
            await client.create(agent, "agents.worker")
        asking = asyncio.create_task(answers(client, agents))
        await asyncio.to_thread(until, lambda: sum(line.startswith("asked") for line in first.log()) >= 50)
        begun = time.monotonic()
        first.signal()
        async with httpx2.AsyncClient(base_url=first.url) as http:
            ready = await not_ready(http)
            assert (ready.status_code, ready.json()["error_type"]) == (503, "Draining")
            refused = await http.post("/agents/worker/run_sync", json={"prompt": "new"})
            assert (refused.status_code, refused.json()["error_type"]) == (503, "Draining")
            assert int(refused.headers["retry-after"]) > 0
            assert (await http.get("/livez")).status_code == 200
        at_first = await asking
    assert await asyncio.to_thread(first.wait) == 0, first.errors
    assert time.monotonic() - begun < 2 + 8, "the bounds of draining and of what follows"
    ended = [answer for answer in at_first if isinstance(answer, RunAnswer)]
    assert ended, "some end while it drains"
    for agent, answer in zip(agents, at_first, strict=True):
        if isinstance(answer, RunAnswer):
            assert answer.result == f"done: {agent} asks"
        else:
            assert isinstance(answer, ErrorAnswer)
            assert (answer.status, answer.error_type) == (503, "ServerDied")
            assert answer.retry_after is not None
    assert len(ended) <= 25, "the slow ones could not"

    (tmp_path / "go").touch()
    second = await asyncio.to_thread(program, forge, tmp_path, *options)
    async with Client(second.url) as client:
        assert sorted(info.agent_id for info in await client.list()) == sorted([*agents, "worker"])
        given = await answers(client, agents)
    assert [answer.result for answer in given if isinstance(answer, RunAnswer)] == [f"done: {a} asks" for a in agents]
    second.signal()
    assert await asyncio.to_thread(second.wait) == 0, second.errors

    done = Counter(line for line in second.log() if not line.startswith("asked"))
    assert set(done) == {
        *(f"answered {agent} asks {step}" for agent in agents for step in range(3)),
        *(f"noted {agent} asks {step}" for agent in agents for step in range(2)),
    }
    assert set(done.values()) == {1}, "no model request that was answered is made again, and no tool run again"


async def test_a_client_that_tries_again_does_not_notice_a_deployment(forge: Forge, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    first = await asyncio.to_thread(program, forge, tmp_path, "--store", "agents.db")
    port = first.said["port"]
    async with Client(first.url, attempts=50) as client:
        assert (await client.run_sync("worker", "quick before")).result == "done: quick before"
        first.signal()
        asking = asyncio.create_task(client.run_sync("worker", "quick after"))
        assert await asyncio.to_thread(first.wait) == 0
        second = Program(
            forge, tmp_path, ["agents.worker", "--name", "worker", "--port", str(port), "--store", "agents.db"]
        )
        await asyncio.to_thread(second.start)
        assert (await asking).result == "done: quick after"
    second.signal()
    assert await asyncio.to_thread(second.wait) == 0


async def test_a_second_signal_is_quick(forge: Forge, tmp_path: Path) -> None:
    served = await asyncio.to_thread(program, forge, tmp_path, "--drain", "60")
    async with httpx2.AsyncClient(base_url=served.url) as http:
        run = await http.post("/agents/worker/run", json={"prompt": "slow"})
        assert run.status_code == 202
        served.signal()
        await not_ready(http)
    assert served.is_alive
    begun = time.monotonic()
    served.signal(signal.SIGINT)
    assert await asyncio.to_thread(served.wait) == 128 + signal.SIGTERM
    assert time.monotonic() - begun < 3


async def test_what_waits_for_somebody_does_not_hold_a_deployment_up(forge: Forge, tmp_path: Path) -> None:
    """An approval is a row in the store: it waits for the next program as well."""
    served = await asyncio.to_thread(program, forge, tmp_path, "--store", "agents.db", "--drain", "60")
    async with Client(served.url) as client:
        run = await client.run("worker", "permission")
        while not (await client.status(run)).approvals:  # noqa: ASYNC110  # it is another process
            await asyncio.sleep(0.01)
        begun = time.monotonic()
        served.signal()
        assert await asyncio.to_thread(served.wait) == 0
    assert time.monotonic() - begun < 3
    served = await asyncio.to_thread(program, forge, tmp_path, "--store", "agents.db")
    async with Client(served.url) as client:
        await client.approve(run)
        assert (await client.wait(run)).result == "done: permission "
    served.signal()
    assert await asyncio.to_thread(served.wait) == 0


def test_its_only_line_says_where_it_serves(forge: Forge, tmp_path: Path) -> None:
    served = program(forge, tmp_path, "--model", "test")
    assert served.said == {"event": "serving", "pid": served.pid, "host": "127.0.0.1", "port": served.said["port"]}
    assert httpx2.get(f"{served.url}/livez").status_code == 200
    served.signal()
    assert served.wait() == 0
    assert served.out.count("\n") == 1


def test_model_and_port_are_in_the_environment_of_the_agent(forge: Forge, tmp_path: Path) -> None:
    """Where modules that were written for the original design look for them."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "older.py").write_text(
        "import os\nfrom pydantic_ai import Agent\n"
        "agent = Agent(os.environ['AXON_PYTHON_AGENT_MODEL'], name=os.environ['AXON_PYTHON_AGENT_PORT'])\n"
    )
    served = Program(forge, tmp_path, ["agents.older", "--name", "a", "--model", "test:model", "--port", "0"]).start()
    answer = httpx2.post(f"{served.url}/agents/a/run_sync", json={"prompt": "Hello", "message_history": []})
    assert answer.json()["usage"]["total_tokens"] > 0
    served.signal()
    assert served.wait() == 0


def test_one_runner_alone(forge: Forge, tmp_path: Path) -> None:
    served = program(forge, tmp_path, "--agent-type", "run_sync")
    body = {"prompt": "quick"}
    assert httpx2.post(f"{served.url}/agents/worker/run_sync", json=body).status_code == 200
    for other in ("run", "run_stream"):
        answer = httpx2.post(f"{served.url}/agents/worker/{other}", json=body)
        assert (answer.status_code, answer.json()["error_type"]) == (404, "RunnerNotServed")
    served.signal()
    assert served.wait() == 0
