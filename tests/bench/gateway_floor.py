"""The floor of `gateway.py`: what somebody writes with FastAPI who needs the same JSON and nothing else."""

from __future__ import annotations

import importlib
import json
import socket
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from axon.gateway import RunAnswer, RunRequest, Usage

sys.path[0] = str(Path.cwd())  # instead of this folder, which has a module `agents`, too
agent = importlib.import_module("agents.bench").agent
app = FastAPI()


@app.post("/agents/{agent_id}/run_sync")
async def run_sync(agent_id: str, request: RunRequest) -> RunAnswer:
    """Run the agent."""
    result = await agent.run(request.prompt, message_history=request.message_history)
    return RunAnswer(result=result.output, messages=result.all_messages(), usage=Usage.of(result.usage))


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run([listener])
