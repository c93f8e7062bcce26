"""What the gateway costs over a bare FastAPI app with the same agent: `uv run python tests/bench/gateway.py`.

Both serve `run_sync` of an agent with pydantic-ai's TestModel, which answers at once, with the same JSON for the same
request: what is measured is what stands between the socket and the agent. They are loaded in turns in one run, over 32
keep-alive connections on the loopback, by raw asyncio sockets in a process of its own (its share of CPU is in the table:
far below 100 % it is not the bottleneck). The bare app knows no conversations and runs all requests at once; an agent
has one, whose turns come one after another. So the gateway has an agent for each connection, and in other rows one
for all of them. Then 1,000 streams are held open at once. `--quick` takes a minute. The last line is the figures as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

AGENT = """
import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic_ai import Agent, ModelMessage
from pydantic_ai.models.function import AgentInfo, FunctionModel

agent = Agent("test", name="bench")


async def words(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
    yield "first "
    while not GATE.exists():
        await asyncio.sleep(0.5)
    yield "last"

GATE = Path(__file__).with_name("gate")
slow = Agent(FunctionModel(stream_function=words), name="slow")
"""
SLOW = "from .bench import slow as agent\n"
BODY = json.dumps({"prompt": "Hello, agent!", "message_history": []}).encode()
CONNECTIONS = 32
STREAMS = 1000


# -- the two servers


@dataclass
class Served:
    """A server in a process of its own."""

    name: str
    process: subprocess.Popen[str]
    port: int

    @property
    def cpu(self) -> float:
        """Seconds of CPU it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> int:
        """Its resident bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) * 1024


@contextmanager
def served(name: str, folder: Path, *command: str) -> Generator[Served]:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        assert said, (folder / "log").read_text()
        yield Served(name, process, json.loads(said)["port"])
    finally:
        process.terminate()
        process.wait()


def gateway(folder: Path, *options: str, agent: str = "bench") -> tuple[str, ...]:
    return ("-m", "axon.cli", "serve", f"agents.{agent}", "--name", "bench-0", "--port", "0", *options)


# -- the load


class Connection(asyncio.Protocol):
    """One connection that asks again as soon as it is answered, until the time is over."""

    def __init__(self, request: bytes, until: float, times: list[float], done: asyncio.Future[None]) -> None:
        self._request, self._until, self._times, self._done = request, until, times, done
        self._buffer, self._missing = b"", -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._sent = time.perf_counter()
        if self._sent >= self._until:
            self._transport.close()
            self._done.set_result(None)
        else:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._missing < 0:
            head, separator, _ = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            assert head.startswith(b"HTTP/1.1 200"), self._buffer
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            self._missing = len(head) + 4 + int(length.partition(b":")[2])
        if len(self._buffer) >= self._missing:
            self._times.append(time.perf_counter() - self._sent)
            self._buffer, self._missing = b"", -1
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("closed by the server"))


async def load(port: int, seconds: float, agents: int) -> dict[str, Any]:
    loop, times = asyncio.get_running_loop(), list[float]()
    begin, cpu = time.perf_counter(), time.process_time()
    done: list[asyncio.Future[None]] = []
    for number in range(CONNECTIONS):
        head = f"POST /agents/bench-{number % agents}/run_sync HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n"
        future: asyncio.Future[None] = loop.create_future()
        done.append(future)
        connection = partial(Connection, head.encode() + BODY, begin + seconds, times, future)
        await loop.create_connection(connection, "127.0.0.1", port)
    await asyncio.gather(*done)
    took = time.perf_counter() - begin
    return {"times": times, "rate": len(times) / took, "share": (time.process_time() - cpu) / took}


def loaded(server: Served, seconds: float, agents: int = 1) -> dict[str, Any]:
    """One round of load on a server, from a process of its own."""
    before = server.cpu
    command = [sys.executable, __file__, "--load", str(server.port), str(seconds), str(agents)]
    round = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    round["cpu"] = (server.cpu - before) / len(round["times"])
    return dict(round)


# -- the streams


async def hold(port: int, count: int, agents: int, opened: Path, gate: Path) -> dict[str, Any]:
    """Open so many streams, wait until all have said something, then let them end; what each has said is checked."""
    body = json.dumps({"prompt": "Hello", "message_history": []}).encode()
    say = asyncio.Semaphore(64)

    async def stream(number: int) -> int:
        async with say:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = (
                f"POST /agents/bench-{number % agents}/run_stream HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
            )
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            if agents == 1:  # all read the same run
                head += "idempotency-key: one\r\n"
            writer.write(head.encode() + b"\r\n" + body)
            first = await reader.readuntil(b"first ")
        ready.append(number)
        if len(ready) == count:
            opened.touch()  # noqa: ASYNC240  # nothing else runs here
        rest = await reader.read()
        writer.close()
        return int(first.startswith(b"HTTP/1.1 200") and rest.count(b"last") >= 1 and b"complete" in rest)

    ready: list[int] = []
    whole = await asyncio.gather(*(stream(number) for number in range(count)))
    return {"whole": sum(whole), "of": count}


def streams(server: Served, folder: Path, agents: int, count: int) -> dict[str, Any]:
    """What so many open streams cost in memory, and whether all come to their end."""
    gate, opened = folder / "agents" / "gate", folder / "opened"
    gate.unlink(missing_ok=True)
    opened.unlink(missing_ok=True)
    for number in range(agents):
        ask(
            server.port,
            "POST",
            "/agents",
            {"agent_id": f"bench-{number}", "agent_module": "agents.slow"},
            {200, 201, 409},
        )
    before = server.memory
    command = [sys.executable, __file__, "--hold", str(server.port), str(count), str(agents), str(opened), str(gate)]
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        while not opened.exists():
            assert holder.poll() is None, "the streams ended before they were all open"
            time.sleep(0.05)
        took, held = time.perf_counter() - begin, server.memory
        gate.touch()
        out, _ = holder.communicate()
    figures: dict[str, Any] = json.loads(out)
    assert figures["whole"] == count, figures
    return {"agents": agents, "streams": count, "opened_seconds": round(took, 2), "bytes": (held - before) // count}


def ask(port: int, method: str, path: str, body: object, good: set[int]) -> Any:
    import httpx2

    answer = httpx2.request(method, f"http://127.0.0.1:{port}{path}", json=body, timeout=60)
    assert answer.status_code in good, answer.text
    return answer.json()


# -- the table


def measured(rounds: list[dict[str, Any]]) -> dict[str, float]:
    times = sorted(time for round in rounds for time in round["times"])
    return {
        "requests_per_second": statistics.median(round["rate"] for round in rounds),
        "cpu_us": 1e6 * statistics.median(round["cpu"] for round in rounds),
        "p50_ms": 1e3 * times[len(times) // 2],
        "p99_ms": 1e3 * times[len(times) * 99 // 100],
        "load_cpu_percent": 100 * statistics.median(round["share"] for round in rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--load", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--hold", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        port, seconds, agents = options.load
        print(json.dumps(asyncio.run(load(int(port), float(seconds), int(agents)))))
        return
    if options.hold:
        port, count, agents, opened, gate = options.hold
        print(json.dumps(asyncio.run(hold(int(port), int(count), int(agents), Path(opened), Path(gate)))))
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    rounds, seconds = (3, 1.0) if options.quick else (9, 3.0)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "agents").mkdir()
        (folder / "agents" / "bench.py").write_text(AGENT)
        (folder / "agents" / "slow.py").write_text(SLOW)
        servers = {
            "bare FastAPI": served("bare FastAPI", folder, str(Path(__file__).with_name("gateway_floor.py"))),
            "gateway": served("gateway", folder, *gateway(folder)),
            "gateway, SQLite": served("gateway, SQLite", folder, *gateway(folder, "--store", "bench.db")),
        }
        up = {name: stack.enter_context(server) for name, server in servers.items()}
        rows: dict[str, tuple[Served, int]] = {"bare FastAPI": (up["bare FastAPI"], 1)}
        for name in ("gateway", "gateway, SQLite"):
            for number in range(1, CONNECTIONS):
                body = {"agent_id": f"bench-{number}", "agent_module": "agents.bench"}
                ask(up[name].port, "POST", "/agents", body, {201})
            rows |= {f"{name}, {CONNECTIONS} agents": (up[name], CONNECTIONS), f"{name}, 1 agent": (up[name], 1)}
        taken: dict[str, list[dict[str, Any]]] = {name: [] for name in rows}
        for round in range(rounds + 1):
            for name, (server, agents) in rows.items():
                taken[name].append(loaded(server, seconds if round else 1.0, agents))
        figures = {name: measured(taken[name][1:]) for name in rows}
    floor = figures["bare FastAPI"]
    print(f"{'':32}{'requests/s':>12}{'of bare':>9}{'CPU us':>9}{'p50 ms':>9}{'p99 ms':>9}{'of bare':>9}{'load %':>8}")
    for name, found in figures.items():
        rate = found["of_bare"] = found["requests_per_second"] / floor["requests_per_second"]
        late = found["p99_of_bare"] = found["p99_ms"] / floor["p99_ms"]
        print(
            f"{name:32}{found['requests_per_second']:12.0f}{rate:9.1%}{found['cpu_us']:9.0f}{found['p50_ms']:9.1f}"
            f"{found['p99_ms']:9.1f}{late:9.2f}{found['load_cpu_percent']:8.0f}"
        )
    held: list[dict[str, Any]] = []
    for agents in (1, STREAMS):
        with tempfile.TemporaryDirectory() as home:
            folder = Path(home)
            (folder / "agents").mkdir()
            (folder / "agents" / "bench.py").write_text(AGENT)
            (folder / "agents" / "slow.py").write_text(SLOW)
            with served("streams", folder, *gateway(folder, agent="slow")) as server:
                held.append(streams(server, folder, agents, STREAMS))
        print(
            f"{STREAMS} streams of {agents} runs: {held[-1]['bytes'] / 1024:.0f} KiB each, open in {held[-1]['opened_seconds']} s"
        )
    print(json.dumps({"load": figures, "streams": held}))


if __name__ == "__main__":
    main()
